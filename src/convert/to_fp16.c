#include <string.h>

#include "base/mem.h"
#include "convert/half_plan.h"
#include "convert/half_tensor.h"
#include "convert/simplify.h"
#include "onnx/names.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NAME_ROOM = 8 };

typedef struct rewrite {
    rk_onnx *m;
    const rk_half_plan *p;
    const rk_half_options *o;
    rk_names *names;              /* every name of the graph, values and nodes */
    const char **native;          /* [values] name of a value in the type it is made in */
    const char **other;           /* [values] name of its copy in the other type, NULL where none */
    bool *reads_native;           /* [values] of an initializer: somebody wants it as it is */
    Onnx__GraphProto scratch;     /* holds the new Casts */
    rk_build b;                   /* builds into scratch */
    Onnx__NodeProto **list;       /* the new order */
    Onnx__NodeProto **gone;       /* Casts of the source with nothing left to do */
    size_t listed, gones;
    size_t added, removed, kept, clamped;
    rk_error *err;
} rewrite;

static rk_status out_of_memory(const rewrite *w)
{
    return rk_fail(w->err, RK_E_MEMORY, "%s: out of memory", w->m->shown);
}

static bool constant(const rk_value *v) { return v->initializer != RK_NONE && v->input == RK_NONE; }

/* ---- which copies there must be, and their names ---- */

static void count_wishes(rewrite *w, size_t i, bool *other)
{
    const rk_value *v = &w->p->x->value[i];
    const bool half = w->p->half_value[i];

    for (size_t u = 0; u < v->uses; u++) {
        const rk_want want = rk_half_want(w->p, v->use[u].node, v->use[u].slot);
        if (want == (half ? RK_WANT_FLOAT : RK_WANT_HALF)) *other = true;
        else w->reads_native[i] = true;
    }
    if (v->output != RK_NONE) {
        w->reads_native[i] = true;
        if (half != w->o->convert_io) *other = true;
    }
}

/* A new name made of another and of _fp32, _fp16, _bf16 or _cast. */
static const char *suffixed(rewrite *w, const char *name, const char *suffix)
{
    const size_t n = strlen(name);
    char *base = rk_malloc(n + NAME_ROOM);
    const char *fresh;

    if (!base) return NULL;
    memcpy(base, name, n);
    memcpy(base + n, suffix, strlen(suffix) + 1);
    fresh = rk_names_fresh(w->names, base, 0);
    rk_free(base);
    return fresh;
}

static rk_status name_values(rewrite *w)
{
    const char *const half_suffix = w->o->type == RK_DT_F16 ? "_fp16" : "_bf16";

    for (size_t i = 0; i < w->p->x->values; i++) {
        const rk_value *v = &w->p->x->value[i];
        const bool half = w->p->half_value[i];
        const char *name = rk_names_key(w->names, v->name);   /* outlives what is renamed below */
        bool other = false;

        w->native[i] = name;
        if (w->p->type[i] != FLOAT) continue;
        count_wishes(w, i, &other);
        if (!other) continue;
        if (v->output != RK_NONE && half != w->o->convert_io) {
            /* The graph output keeps its name; what makes it gets another. */
            w->native[i] = suffixed(w, name, half ? half_suffix : "_fp32");
            w->other[i] = name;
        } else if (constant(v) && !w->reads_native[i]) {
            w->other[i] = name;
        } else {
            w->other[i] = suffixed(w, name, half ? "_fp32" : half_suffix);
        }
        if (!w->native[i] || !w->other[i]) return out_of_memory(w);
    }
    return RK_OK;
}

static rk_status collect_names(rewrite *w)
{
    const Onnx__GraphProto *g = w->p->x->graph;

    for (size_t i = 0; i < w->p->x->values; i++)
        if (!rk_names_add(w->names, w->p->x->value[i].name, 0, NULL)) return out_of_memory(w);
    for (size_t i = 0; i < g->n_node; i++)
        if (g->node[i]->name && !rk_names_add(w->names, g->node[i]->name, 0, NULL))
            return out_of_memory(w);
    return RK_OK;
}

/* ---- constants ---- */

static rk_status convert_initializer(rewrite *w, size_t i, Onnx__TensorProto **extra,
                                     size_t *extras)
{
    Onnx__GraphProto *g = w->m->proto->graph;
    const rk_value *v = &w->p->x->value[i];
    Onnx__TensorProto *t = g->initializer[v->initializer], *h = NULL;
    const bool half = w->p->half_value[i];
    const char *name = half ? w->native[i] : w->other[i];
    rk_status st;

    if (!half && !w->other[i]) return RK_OK;
    if (v->input != RK_NONE && !half)
        return RK_OK; /* an input's default: it is cast like an input */
    st = rk_half_tensor(&h, t, name, w->o->type, &w->clamped, w->m->shown, w->err);
    if (st) return st;
    const bool both = half ? w->other[i] != NULL && v->input == RK_NONE : w->reads_native[i];
    if (!both) {
        rk_onnx_free(t);
        g->initializer[v->initializer] = h;
        return RK_OK;
    }
    extra[(*extras)++] = h;
    if (half && !rk_set_string(&t->name, w->other[i])) return out_of_memory(w);
    return RK_OK;
}

static rk_status convert_initializers(rewrite *w)
{
    Onnx__GraphProto *g = w->m->proto->graph;
    Onnx__TensorProto **extra = rk_calloc(g->n_initializer + 1, sizeof(Onnx__TensorProto *)),
                      **list;
    size_t extras = 0;
    rk_status st = extra ? RK_OK : out_of_memory(w);

    for (size_t i = 0; i < w->p->x->values && !st; i++)
        if (w->p->type[i] == FLOAT && w->p->x->value[i].initializer != RK_NONE)
            st = convert_initializer(w, i, extra, &extras);
    list = st || !extras ? NULL : rk_realloc(g->initializer, g->n_initializer + extras,
                                             sizeof(Onnx__TensorProto *));
    if (!st && extras && !list) st = out_of_memory(w);
    if (list) g->initializer = list;
    for (size_t i = 0; i < extras; i++) {
        if (list) list[g->n_initializer++] = extra[i];
        else rk_onnx_free(extra[i]);
    }
    rk_free(extra);
    return st;
}

/* ---- nodes ---- */

static void push(rewrite *w, Onnx__NodeProto *n) { w->list[w->listed++] = n; }

/* The Cast that makes a value's other copy, where it has one that no constant serves. */
static rk_status push_cast(rewrite *w, size_t i)
{
    const rk_value *v = &w->p->x->value[i];
    const bool output = v->output != RK_NONE && w->p->half_value[i] != w->o->convert_io;
    const char *name = w->other[i];
    Onnx__NodeProto *n;

    if (!w->other[i] || constant(v)) return RK_OK;
    /* Of a graph output the old producer may carry the name. */
    if (output) name = suffixed(w, w->other[i], "_cast");
    if (!name) return out_of_memory(w);
    n = rk_add_node_n(&w->b, "Cast", name, &w->native[i], 1, &w->other[i], 1);
    rk_attr_int(&w->b, n, "to", w->p->half_value[i] ? FLOAT : w->p->half);
    if (w->b.failed) return out_of_memory(w);
    w->added++;
    push(w, n);
    return RK_OK;
}

static size_t number(const rewrite *w, const rk_value *v) { return (size_t)(v - w->p->x->value); }

/* The name and the type in which a node reads a slot. */
static const char *read_name(const rewrite *w, size_t node, size_t slot, const rk_value *v,
                             int32_t *type)
{
    const size_t i = number(w, v);
    const bool half = w->p->half_value[i];
    rk_want want;

    *type = w->p->type[i];
    if (*type != FLOAT) return w->native[i];
    want = rk_half_want(w->p, node, slot);
    if (w->other[i] && want == (half ? RK_WANT_FLOAT : RK_WANT_HALF)) {
        *type = half ? FLOAT : w->p->half;
        return w->other[i];
    }
    *type = half ? w->p->half : FLOAT;
    return w->native[i];
}

static rk_status put_name(rewrite *w, char **at, const char *name)
{
    if (strcmp(*at, name) == 0) return RK_OK;
    return rk_set_string(at, name) ? RK_OK : out_of_memory(w);
}

static void set_to(Onnx__NodeProto *n, int32_t type)
{
    for (size_t k = 0; k < n->n_attribute; k++)
        if (strcmp(n->attribute[k]->name, "to") == 0) n->attribute[k]->i = type;
}

/* A Cast of the source: retargeted, or gone when it has nothing left to do. */
static rk_status do_cast(rewrite *w, size_t node, bool *gone)
{
    Onnx__NodeProto *n = w->p->x->graph->node[node];
    const rk_value *in = rk_index_find(w->p->x, n->input[0]);
    const rk_value *out = rk_index_find(w->p->x, n->output[0]);
    int32_t from, to;
    const char *name = read_name(w, node, 0, in, &from);

    to = w->p->type[number(w, out)];
    if (to == FLOAT && w->p->half_value[number(w, out)]) to = w->p->half;
    *gone = from == to && out->output == RK_NONE;
    if (*gone) {
        w->native[number(w, out)] = name;
        w->removed++;
        return RK_OK;
    }
    w->kept++;
    set_to(n, to);
    return RK_OK;
}

/* ConstantOfShape made half: its fill value is a tensor of the type to make. */
static rk_status do_fill(rewrite *w, Onnx__NodeProto *n)
{
    Onnx__AttributeProto *a = NULL;
    Onnx__TensorProto *h = NULL;
    const size_t one = 1;

    for (size_t k = 0; k < n->n_attribute; k++)
        if (strcmp(n->attribute[k]->name, "value") == 0) a = n->attribute[k];
    if (a && a->t) {
        const rk_status st = rk_half_tensor(&h, a->t, a->t->name ? a->t->name : "", w->o->type,
                                            &w->clamped, w->m->shown, w->err);
        if (st) return st;
        rk_onnx_free(a->t);
        a->t = h;
        return RK_OK;
    }
    h = rk_onnx_tensor_new("", w->o->type, &one, 1);
    if (!h) return out_of_memory(w);
    memset(h->raw_data.data, 0, h->raw_data.len);
    rk_attr_tensor(&w->b, n, "value", h);
    return w->b.failed ? out_of_memory(w) : RK_OK;
}

static rk_status do_node(rewrite *w, size_t node)
{
    Onnx__NodeProto *n = w->p->x->graph->node[node];
    const rk_value *out = rk_index_find(w->p->x, rk_node_output(n, 0));
    bool gone = false;
    rk_status st = RK_OK;

    if (rk_node_is(n, "Cast") && w->p->node[node] != RK_HN_OTHER) st = do_cast(w, node, &gone);
    else if (rk_node_is(n, "Cast")) w->kept++;
    else if (rk_node_is(n, "ConstantOfShape") && out && w->p->half_value[number(w, out)])
        st = do_fill(w, n);
    for (size_t k = 0; k < n->n_input && !st && !gone; k++) {
        const rk_value *v = rk_index_find(w->p->x, n->input[k]);
        int32_t type;
        if (v) st = put_name(w, &n->input[k], read_name(w, node, k, v, &type));
    }
    if (st) return st;
    if (gone) w->gone[w->gones++] = n;
    else push(w, n);
    for (size_t k = 0; k < n->n_output && !st; k++) {
        const rk_value *v = rk_index_find(w->p->x, n->output[k]);
        if (!v) continue;
        if (!gone) st = put_name(w, &n->output[k], w->native[number(w, v)]);
        if (!st) st = push_cast(w, number(w, v));
    }
    return st;
}

static void set_declared(const rewrite *w, Onnx__ValueInfoProto *v)
{
    const rk_value *value = rk_index_find(w->p->x, v->name);
    if (value && w->p->type[number(w, value)] == FLOAT)
        v->type->tensor_type->elem_type = w->p->half;
}

static rk_status rewrite_nodes(rewrite *w)
{
    Onnx__GraphProto *g = w->m->proto->graph;
    const size_t before = g->n_node;
    size_t room = before + 1;   /* and a Cast for each copy at most */
    rk_status st = RK_OK;

    for (size_t i = 0; i < w->p->x->values; i++) room += w->other[i] != NULL;
    w->list = rk_calloc(room, sizeof(Onnx__NodeProto *));
    if (!w->list) return out_of_memory(w);
    for (size_t i = 0; i < w->p->x->values && !st; i++)
        if (w->p->x->value[i].input != RK_NONE) st = push_cast(w, i);
    for (size_t i = 0; i < before && !st; i++) st = do_node(w, i);
    if (st) return st;

    for (size_t i = 0; i < w->gones; i++) rk_onnx_free(w->gone[i]);
    rk_free(g->node);
    g->node = w->list;
    g->n_node = w->listed;
    w->list = NULL;
    w->scratch.n_node = 0;   /* they are in the list now */
    return RK_OK;
}

static void declare(rewrite *w)
{
    Onnx__GraphProto *g = w->m->proto->graph;

    for (size_t i = 0; i < g->n_input && w->o->convert_io; i++) set_declared(w, g->input[i]);
    for (size_t i = 0; i < g->n_output && w->o->convert_io; i++) set_declared(w, g->output[i]);
    rk_drop_value_info(w->m);
}

/* ---- the report, from the plan while its graph still has its old names ---- */

static int report_plan(json_t *report, const rk_half_plan *p)
{
    json_t *kept = json_array();
    size_t half = 0, stay = 0;
    int bad = kept == NULL;

    for (size_t i = 0; i < p->x->graph->n_node && !bad; i++) {
        const Onnx__NodeProto *n = p->x->graph->node[i];
        char name[RK_QUOTE_SIZE];
        half += p->node[i] == RK_HN_HALF;
        if (p->node[i] != RK_HN_FLOAT) continue;
        stay++;
        bad = json_array_append_new(kept, json_pack("{s:s, s:s, s:s}", "node",
                                                    rk_node_shown(name, p->x->graph, i), "op",
                                                    n->op_type, "why", p->why[i]));
    }
    bad = bad || json_object_set_new(report, "nodes",
                                     json_pack("{s:I, s:I}", "half", (json_int_t)half, "float",
                                               (json_int_t)stay));
    bad = bad || json_object_set(report, "kept_float", kept);
    json_decref(kept);
    return bad;
}

static int report_casts(json_t *report, const rewrite *w)
{
    return json_object_set_new(report, "casts",
                               json_pack("{s:I, s:I, s:I}", "added", (json_int_t)w->added,
                                         "removed", (json_int_t)w->removed, "kept",
                                         (json_int_t)w->kept)) ||
           json_object_set_new(report, "clamped", json_integer((json_int_t)w->clamped));
}

static rk_status apply(rewrite *w, json_t *report)
{
    const size_t values = w->p->x->values;
    rk_status st;

    onnx__graph_proto__init(&w->scratch);
    w->b.graph = &w->scratch;
    w->names = rk_names_new();
    w->native = rk_calloc(values + 1, sizeof *w->native);
    w->other = rk_calloc(values + 1, sizeof *w->other);
    w->reads_native = rk_calloc(values + 1, sizeof *w->reads_native);
    w->gone = rk_calloc(w->p->x->graph->n_node + 1, sizeof(Onnx__NodeProto *));
    if (!w->names || !w->native || !w->other || !w->reads_native || !w->gone)
        return out_of_memory(w);
    if (report_plan(report, w->p)) return out_of_memory(w);
    st = collect_names(w);
    if (!st) st = name_values(w);
    if (!st) st = convert_initializers(w);
    if (!st) st = rewrite_nodes(w);
    if (st) return st;
    declare(w);
    return report_casts(report, w) ? out_of_memory(w) : RK_OK;
}

rk_status rk_to_half(rk_onnx *m, const rk_half_options *o, json_t *report, rk_error *err)
{
    rewrite w = {.m = m, .o = o, .err = err};
    const int64_t opset = rk_onnx_opset(m, "");
    rk_half_plan *p = NULL;
    rk_status st;

    if (!(rk_schema_types(rk_schema_find("Cast", opset), 'A') >> rk_onnx_data_type(o->type) & 1))
        return rk_fail(err, RK_E_UNSUPPORTED,
                       "%s: operator set %lld has no bfloat16; 13 is the first that does", m->shown,
                       (long long)opset);
    rk_drop_value_info(m);
    st = rk_lift_constants(m, err);
    if (!st) st = rk_drop_casts(m, &w.removed, err);
    if (!st) st = rk_half_plan_new(&p, m, o, err);
    if (st) return st;
    w.p = p;
    st = apply(&w, report);
    for (size_t i = 0; i < w.scratch.n_node; i++) rk_onnx_free(w.scratch.node[i]);
    rk_free(w.scratch.node);
    rk_free(w.list);
    rk_free(w.gone);
    rk_free(w.native);
    rk_free(w.other);
    rk_free(w.reads_native);
    rk_names_free(w.names);
    rk_half_plan_free(p);
    return st;
}
