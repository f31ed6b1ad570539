#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "convert/passes.h"
#include "convert/simplify.h"
#include "onnx/graph.h"
#include "onnx/names.h"
#include "quant/qparams.h"

/* One weight or table: QuantizeLinear of a float initializer, then DequantizeLinear. */
typedef struct fold {
    size_t quantize, dequantize;      /* nodes */
    size_t weight;                    /* initializer */
    const Onnx__TensorProto *scale;
    size_t axis;
    bool table;                       /* read by Gather or Slice along its rows only */
    const char *scales;               /* a table's column of scales; the pass's names own it */
} fold;

typedef struct pass {
    rk_onnx *m;
    rk_index *x;
    rk_names *names;
    fold *fold;
    size_t folds, tables, inputs;
    bool *gone;                       /* [nodes] */
    const fold **reader;              /* [nodes] the table that a Gather or Slice reads; or NULL */
    Onnx__NodeProto **list;           /* the new order */
    size_t listed;
    Onnx__GraphProto scratch;         /* what is new: nodes and initializers */
    rk_build b;
    rk_error *err;
} pass;

static rk_status out_of_memory(const pass *p)
{
    return rk_fail(p->err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
}

static Onnx__GraphProto *graph(const pass *p) { return p->m->proto->graph; }

/* ---- finding what to fold ---- */

/* Zero points of int8 that are all zero. */
static rk_status symmetric(const pass *p, size_t node, const Onnx__TensorProto *z)
{
    char n[RK_QUOTE_SIZE];
    rk_tensor t;
    void *owned = NULL;
    bool ok = z && z->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8;
    rk_status st = ok ? rk_onnx_tensor(&t, &owned, z, p->m->shown, p->err) : RK_OK;

    for (size_t i = 0; ok && !st && i < t.bytes; i++) ok = ((const int8_t *)t.data)[i] == 0;
    rk_free(owned);
    if (st || ok) return st;
    return rk_fail(p->err, RK_E_UNSUPPORTED,
                   "%s: node '%s': weights are folded with int8 zero points of 0 only", p->m->shown,
                   rk_node_shown(n, graph(p), node));
}

static bool same_slots(const Onnx__NodeProto *a, const Onnx__NodeProto *b)
{
    for (size_t i = 1; i < 3; i++) {
        const char *u = rk_node_input(a, i), *v = rk_node_input(b, i);
        if (!u || !v || strcmp(u, v) != 0) return false;
    }
    return rk_node_int(a, "axis", 1) == rk_node_int(b, "axis", 1);
}

static bool constant_ints(const pass *p, const char *name, int64_t only)
{
    const Onnx__TensorProto *t = rk_index_initializer(p->x, name);
    rk_tensor view;
    void *owned;
    int64_t v = only - 1;

    if (!t || t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__INT64) return false;
    if (rk_onnx_tensor(&view, &owned, t, p->m->shown, NULL)) return false;
    if (view.bytes == sizeof v) memcpy(&v, view.data, sizeof v);
    rk_free(owned);
    return v == only;
}

/* True when every reader takes whole rows of it: then codes and scales can be taken alike. */
static bool read_by_rows(const pass *p, const rk_value *v)
{
    for (size_t u = 0; u < v->uses; u++) {
        const Onnx__NodeProto *n = graph(p)->node[v->use[u].node];
        if (v->use[u].slot != 0) return false;
        if (rk_node_is(n, "Gather") && rk_node_int(n, "axis", 0) == 0) continue;
        if (rk_node_is(n, "Slice") && n->n_input == 4 && constant_ints(p, n->input[3], 0)) continue;
        return false;
    }
    return v->uses > 0 && v->output == RK_NONE;
}

static rk_status consider(pass *p, size_t i)
{
    const Onnx__NodeProto *d = graph(p)->node[i];
    const rk_value *codes = rk_index_find(p->x, rk_node_input(d, 0));
    fold f = {.dequantize = i};

    if (!codes || codes->node == RK_NONE) return RK_OK;
    const Onnx__NodeProto *q = graph(p)->node[codes->node];
    const rk_value *w = rk_index_find(p->x, rk_node_input(q, 0));
    if (!rk_node_is(q, "QuantizeLinear")) return RK_OK;
    p->inputs += w && w->initializer == RK_NONE;
    if (!w || w->initializer == RK_NONE || w->input != RK_NONE) return RK_OK;
    const Onnx__TensorProto *t = graph(p)->initializer[w->initializer];
    const Onnx__TensorProto *scale = rk_index_initializer(p->x, rk_node_input(q, 1));
    if (!scale || scale->n_dims != 1 || t->n_dims != 2 || !same_slots(q, d) || codes->uses != 1 ||
        codes->output != RK_NONE || t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
        scale->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return RK_OK;
    const rk_status st = symmetric(p, codes->node, rk_index_initializer(p->x, rk_node_input(q, 2)));
    if (st) return st;
    const int64_t axis = rk_node_int(q, "axis", 1);
    f.quantize = codes->node;
    f.weight = w->initializer;
    f.scale = scale;
    f.axis = (size_t)(axis < 0 ? axis + 2 : axis);
    f.table = f.axis == 0 && read_by_rows(p, rk_index_find(p->x, rk_node_output(d, 0)));
    p->fold[p->folds++] = f;
    return RK_OK;
}

static rk_status find_folds(pass *p)
{
    size_t codes = 0;
    rk_status st = RK_OK;

    for (size_t i = 0; i < graph(p)->n_node && !st; i++) {
        const Onnx__NodeProto *n = graph(p)->node[i];
        const rk_value *v = rk_index_find(p->x, rk_node_input(n, 0));
        if (!rk_node_is(n, "DequantizeLinear")) continue;
        codes += v && v->initializer != RK_NONE;
        st = consider(p, i);
    }
    if (st || p->folds) return st;
    if (codes)
        return rk_fail(p->err, RK_E_FORMAT, "%s: its weights are int8 already", p->m->shown);
    return rk_fail(p->err, RK_E_FORMAT,
                   "%s: carries no INT8 ranges; train with --qat int8 and export that model",
                   p->m->shown);
}

/* ---- folding ---- */

/* The int8 codes of a weight, under the name that QuantizeLinear gave them. */
static rk_status add_codes(pass *p, const fold *f)
{
    const Onnx__TensorProto *t = graph(p)->initializer[f->weight];
    const char *name = rk_node_output(graph(p)->node[f->quantize], 0);
    rk_tensor w, s;
    void *owned_w, *owned_s = NULL;
    rk_status st = rk_onnx_tensor(&w, &owned_w, t, p->m->shown, p->err);
    float scale, x;

    if (!st) st = rk_onnx_tensor(&s, &owned_s, f->scale, p->m->shown, p->err);
    int8_t *codes = st ? NULL : rk_add_initializer(&p->b, name, RK_DT_I8, w.dim, 2);
    for (size_t i = 0; codes && i < w.dim[0]; i++)
        for (size_t j = 0; j < w.dim[1]; j++) {
            const size_t at = i * w.dim[1] + j;
            memcpy(&scale, (const char *)s.data + (f->axis ? j : i) * sizeof scale, sizeof scale);
            memcpy(&x, (const char *)w.data + at * sizeof x, sizeof x);
            codes[at] = rk_quantize_s8(x, scale);
        }
    rk_free(owned_w);
    rk_free(owned_s);
    return st ? st : p->b.failed ? out_of_memory(p) : RK_OK;
}

static const char *fresh(pass *p, const char *name, const char *suffix)
{
    const size_t n = strlen(name), m = strlen(suffix) + 1;
    char *base = rk_malloc(n + m);
    const char *out;

    if (!base) {
        p->b.failed = true;
        return "";
    }
    memcpy(base, name, n);
    memcpy(base + n, suffix, m);
    out = rk_names_fresh(p->names, base, 0);
    rk_free(base);
    if (!out) p->b.failed = true;
    return out ? out : "";
}

/* The scales of a table as a column: row r's codes times element r give its values back. */
static const char *add_scales(pass *p, const fold *f)
{
    const char *name = fresh(p, graph(p)->initializer[f->weight]->name, ".scales");
    const size_t rows = (size_t)f->scale->dims[0], dim[2] = {rows, 1};
    rk_tensor s;
    void *owned;
    void *out = rk_add_initializer(&p->b, name, RK_DT_F32, dim, 2);

    if (!out || rk_onnx_tensor(&s, &owned, f->scale, p->m->shown, p->err)) {
        p->b.failed = true;
        return name;
    }
    memcpy(out, s.data, s.bytes);
    rk_free(owned);
    return name;
}

/* A look-up `n` again, over another table. */
static void look_up(pass *p, const Onnx__NodeProto *n, const char *table, const char *out)
{
    const char *in[4] = {table};
    Onnx__NodeProto *c;

    for (size_t i = 1; i < n->n_input; i++) in[i] = n->input[i];
    c = rk_add_node_n(&p->b, n->op_type, NULL, in, n->n_input, &out, 1);
    if (rk_node_is(n, "Gather")) rk_attr_int(&p->b, c, "axis", 0);
}

/* Gather(table) becomes Mul(Cast(Gather(codes)), Gather(scales)): the rows that are read, and only
 * they. */
static void rewrite_reader(pass *p, size_t node, const char *codes, const char *scales)
{
    const Onnx__NodeProto *n = graph(p)->node[node];
    const char *out = n->output[0];
    const char *c = fresh(p, out, ".codes"), *f = fresh(p, out, ".float");
    const char *s = fresh(p, out, ".scales");

    look_up(p, n, codes, c);
    rk_attr_int(&p->b, rk_add_node(&p->b, "Cast", f, c, NULL), "to",
                ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    look_up(p, n, scales, s);
    rk_add_node(&p->b, "Mul", out, f, s, NULL);
}

static rk_status fold_one(pass *p, fold *f, size_t *new_nodes)
{
    const Onnx__NodeProto *d = graph(p)->node[f->dequantize];
    const rk_value *v = rk_index_find(p->x, rk_node_output(d, 0));
    const rk_status st = add_codes(p, f);

    if (st) return st;
    p->gone[f->quantize] = true;
    if (!f->table) return RK_OK;
    p->tables++;
    p->gone[f->dequantize] = true;
    f->scales = add_scales(p, f);
    for (size_t u = 0; u < v->uses; u++) {
        p->reader[v->use[u].node] = f;
        p->gone[v->use[u].node] = true;
        *new_nodes += 4;
    }
    return p->b.failed ? out_of_memory(p) : RK_OK;
}

/* The new order: what stays, and in the place of each reader of a table what it became. */
static rk_status order(pass *p, size_t new_nodes)
{
    Onnx__GraphProto *g = graph(p);

    p->list = rk_calloc(g->n_node + new_nodes + 1, sizeof(Onnx__NodeProto *));
    if (!p->list) return out_of_memory(p);
    for (size_t i = 0; i < g->n_node && !p->b.failed; i++) {
        size_t next = p->scratch.n_node;
        if (!p->gone[i]) p->list[p->listed++] = g->node[i];
        if (p->reader[i])
            rewrite_reader(p, i, rk_node_output(g->node[p->reader[i]->quantize], 0),
                           p->reader[i]->scales);
        while (next < p->scratch.n_node) p->list[p->listed++] = p->scratch.node[next++];
    }
    return p->b.failed ? out_of_memory(p) : RK_OK;
}

/* Initializers that were read and no longer are. */
static rk_status drop_unread(pass *p)
{
    Onnx__GraphProto *g = graph(p);
    rk_names *read = rk_names_new();
    size_t kept = 0;
    bool ok = read != NULL;

    for (size_t i = 0; i < p->listed && ok; i++)
        for (size_t k = 0; k < p->list[i]->n_input && ok; k++)
            ok = rk_names_add(read, p->list[i]->input[k], 0, NULL) != NULL;
    for (size_t i = 0; i < g->n_initializer && ok; i++) {
        const rk_value *v = rk_index_find(p->x, g->initializer[i]->name);
        if (v->uses && v->output == RK_NONE && v->input == RK_NONE && !rk_names_get(read, v->name))
            rk_onnx_free(g->initializer[i]);
        else
            g->initializer[kept++] = g->initializer[i];
    }
    if (ok) g->n_initializer = kept;
    rk_names_free(read);
    return ok ? RK_OK : out_of_memory(p);
}

/* Everything is made: the graph takes it. */
static rk_status commit(pass *p)
{
    Onnx__GraphProto *g = graph(p), *s = &p->scratch;
    rk_status st = drop_unread(p);
    Onnx__TensorProto **t;

    if (st) return st;
    t = rk_realloc(g->initializer, g->n_initializer + s->n_initializer,
                   sizeof(Onnx__TensorProto *));
    if (!t) return out_of_memory(p);
    g->initializer = t;
    for (size_t i = 0; i < s->n_initializer; i++) t[g->n_initializer++] = s->initializer[i];
    s->n_initializer = 0;
    for (size_t i = 0; i < g->n_node; i++)
        if (p->gone[i]) rk_onnx_free(g->node[i]);
    rk_free(g->node);
    g->node = p->list;
    g->n_node = p->listed;
    p->list = NULL;
    s->n_node = 0;
    return rk_drop_value_info(p->m, p->err);
}

static int report_to(json_t *report, const pass *p, size_t nodes)
{
    return json_object_set_new(report, "nodes",
                               json_pack("{s:i, s:I}", "half", 0, "float", (json_int_t)nodes)) ||
           json_object_set_new(report, "kept_float", json_array()) ||
           json_object_set_new(report, "casts",
                               json_pack("{s:I, s:i, s:i}", "added", (json_int_t)p->tables,
                                         "removed", 0, "kept", 0)) ||
           json_object_set_new(report, "clamped", json_integer(0)) ||
           json_object_set_new(report, "quantised",
                               json_pack("{s:I, s:I, s:I}", "weights",
                                         (json_int_t)(p->folds - p->tables), "tables",
                                         (json_int_t)p->tables, "inputs", (json_int_t)p->inputs));
}

static rk_status run(pass *p, json_t *report)
{
    Onnx__GraphProto *g = graph(p);
    size_t new_nodes = 0;
    rk_status st;

    onnx__graph_proto__init(&p->scratch);
    p->b.graph = &p->scratch;
    st = rk_index_new(&p->x, g, p->m->shown, p->err);
    if (st) return st;
    p->names = rk_names_new();
    p->fold = rk_calloc(g->n_node + 1, sizeof *p->fold);
    p->gone = rk_calloc(g->n_node + 1, sizeof *p->gone);
    p->reader = rk_calloc(g->n_node + 1, sizeof *p->reader);
    if (!p->names || !p->fold || !p->gone || !p->reader) return out_of_memory(p);
    for (size_t i = 0; i < p->x->values; i++)
        if (!rk_names_add(p->names, p->x->value[i].name, 0, NULL)) return out_of_memory(p);
    for (size_t i = 0; i < g->n_node; i++)
        if (g->node[i]->name && !rk_names_add(p->names, g->node[i]->name, 0, NULL))
            return out_of_memory(p);
    st = find_folds(p);
    for (size_t i = 0; i < p->folds && !st; i++) st = fold_one(p, &p->fold[i], &new_nodes);
    if (!st) st = order(p, new_nodes);
    if (!st && report_to(report, p, p->listed)) st = out_of_memory(p);
    return st ? st : commit(p);
}

rk_status rk_to_int8(rk_onnx *m, json_t *report, rk_error *err)
{
    pass p = {.m = m, .err = err};
    const rk_status st = run(&p, report);

    for (size_t i = 0; i < p.scratch.n_node; i++) rk_onnx_free(p.scratch.node[i]);
    for (size_t i = 0; i < p.scratch.n_initializer; i++) rk_onnx_free(p.scratch.initializer[i]);
    rk_free(p.scratch.node);
    rk_free(p.scratch.initializer);
    rk_free(p.list);
    rk_free(p.fold);
    rk_free(p.gone);
    rk_free(p.reader);
    rk_names_free(p.names);
    rk_index_free(p.x);
    return st;
}
