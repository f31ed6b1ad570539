#include <string.h>

#include "base/mem.h"
#include "convert/half_place.h"
#include "convert/half_report.h"
#include "convert/simplify.h"
#include "onnx/functions.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

typedef struct rewrite {
    rk_onnx *m;
    const rk_half_plan *p;
    const rk_half_options *o;
    rk_half_copies c;
    Onnx__GraphProto scratch;     /* holds the new Casts */
    rk_build b;                   /* builds into scratch */
    Onnx__NodeProto **list;       /* the new order of the graph at hand */
    size_t listed, room;
    Onnx__NodeProto **gone;       /* Casts of the source with nothing left to do */
    size_t gones;
    size_t *start;                /* [graphs] first value whose copy is made at its start */
    size_t *next;                 /* [values] the next one of the same graph */
    rk_half_counts_made made;
    rk_error *err;
} rewrite;

static rk_status out_of_memory(const rewrite *w)
{
    return rk_fail(w->err, RK_E_MEMORY, "%s: out of memory", w->m->shown);
}

/* ---- constants ---- */

static rk_status convert_initializer(rewrite *w, size_t i)
{
    const rk_svalue *v = &w->p->s->value[i];
    Onnx__GraphProto *g = w->p->s->graph[v->graph].proto;
    const bool half = w->p->half_value[i];
    const char *name = half ? w->c.native[i] : w->c.other[i];
    Onnx__TensorProto *h = NULL, **list;
    rk_status st;

    if (!half && !w->c.other[i]) return RK_OK;
    if (v->input != RK_NONE && !half)
        return RK_OK; /* an input's default: it is cast like an input */
    st = rk_half_tensor(&h, v->tensor, name, w->o->type, w->m, w->err);
    if (st) return st;
    const bool both = half ? w->c.other[i] != NULL && v->input == RK_NONE : w->c.reads_native[i];
    if (!both) {
        rk_onnx_free(v->tensor);
        g->initializer[v->initializer] = h;
        return RK_OK;
    }
    list = rk_realloc(g->initializer, g->n_initializer + 1, sizeof(Onnx__TensorProto *));
    if (!list) {
        rk_onnx_free(h);
        return out_of_memory(w);
    }
    g->initializer = list;
    list[g->n_initializer++] = h;
    if (half && !rk_set_string(&v->tensor->name, w->c.other[i])) return out_of_memory(w);
    return RK_OK;
}

static rk_status convert_initializers(rewrite *w)
{
    rk_status st = RK_OK;

    for (size_t i = 0; i < w->p->s->values && !st; i++)
        if (rk_half_is_float(&w->p->s->value[i]) && w->p->s->value[i].tensor)
            st = convert_initializer(w, i);
    return st;
}

/* ---- nodes ---- */

static rk_status push(rewrite *w, Onnx__NodeProto *n)
{
    if (w->listed == w->room) {
        const size_t room = w->room ? 2 * w->room : 64;
        Onnx__NodeProto **list = rk_realloc(w->list, room, sizeof(Onnx__NodeProto *));
        if (!list) return out_of_memory(w);
        w->list = list;
        w->room = room;
    }
    w->list[w->listed++] = n;
    return RK_OK;
}

/* Operator sets before 6 give Cast's type by its name. */
static void set_to(const rewrite *w, Onnx__NodeProto *n, int32_t type)
{
    static const char *const names[] = {[1] = "FLOAT", [10] = "FLOAT16"};

    for (size_t k = 0; k < n->n_attribute; k++) {
        Onnx__AttributeProto *a = n->attribute[k];
        if (strcmp(a->name, "to") != 0) continue;
        if (a->has_s || rk_onnx_opset(w->m, "") < 6) {
            char *text = type == FLOAT || type == 10 ? rk_strdup(names[type]) : NULL;
            if (!text) continue;
            rk_free(a->s.data);
            a->s.data = (uint8_t *)text;
            a->s.len = strlen(text);
            a->has_s = 1;
            a->has_i = 0;
            a->has_type = 1;
            a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        } else {
            a->i = type;
        }
    }
}

/* The Cast that makes a value's other copy, where it has one that no constant serves. */
static rk_status push_cast(rewrite *w, size_t i)
{
    const rk_svalue *v = &w->p->s->value[i];
    const char *name = w->c.other[i];
    const int32_t to = w->p->half_value[i] ? FLOAT : w->p->half;
    Onnx__NodeProto *n;

    if (!w->c.other[i] || rk_half_is_constant(v)) return RK_OK;
    /* Of a graph output the old producer may carry the name. */
    if (rk_half_output_moved(&w->c, i)) name = rk_half_suffixed(&w->c, name, "_cast");
    if (!name) return out_of_memory(w);
    n = rk_add_node_n(&w->b, "Cast", name, &w->c.native[i], 1, &w->c.other[i], 1);
    rk_attr_int(&w->b, n, "to", to);
    if (w->b.failed) return out_of_memory(w);
    set_to(w, n, to);
    w->made.added++;
    return push(w, n);
}

static size_t number(const rewrite *w, const rk_svalue *v) { return (size_t)(v - w->p->s->value); }

/* The name and the type in which a value is read. */
static const char *read_name(const rewrite *w, const rk_read *r, const rk_svalue *v, int32_t *type)
{
    const size_t i = number(w, v);
    const bool half = w->p->half_value[i];

    *type = v->type;
    if (!rk_half_is_float(v)) return w->c.native[i];
    if (w->c.other[i] && rk_half_want(w->p, r) == (half ? RK_WANT_FLOAT : RK_WANT_HALF)) {
        *type = half ? FLOAT : w->p->half;
        return w->c.other[i];
    }
    *type = half ? w->p->half : FLOAT;
    return w->c.native[i];
}

static rk_status put_name(rewrite *w, char **at, const char *name)
{
    if (strcmp(*at, name) == 0) return RK_OK;
    return rk_set_string(at, name) ? RK_OK : out_of_memory(w);
}

static bool given_out(const rk_svalue *v)
{
    for (size_t k = 0; k < v->reads; k++)
        if (v->read[k].node == RK_NONE) return true;
    return false;
}

/* A Cast of the source: retargeted, or *gone where it has become idle. */
static rk_status do_cast(rewrite *w, size_t node, bool *gone)
{
    const rk_snode *n = &w->p->s->node[node];
    const rk_svalue *in = rk_scope_in(w->p->s, node, 0), *out = rk_scope_out(w->p->s, node, 0);
    const rk_read here = {node, 0, n->graph};
    int32_t from, to;

    if (!in || !out) return RK_OK;
    const char *name = read_name(w, &here, in, &from);
    to = out->type;
    if (to == FLOAT && w->p->half_value[number(w, out)]) to = w->p->half;
    *gone = from == to && to && !given_out(out);
    if (*gone) {
        w->c.native[number(w, out)] = name;
        w->made.removed++;
        return RK_OK;
    }
    w->made.kept++;
    if (to != out->type) set_to(w, n->proto, to);
    return RK_OK;
}

/* ConstantOfShape or Constant made half: its value is a tensor of the type to make. */
static rk_status do_fill(rewrite *w, Onnx__NodeProto *n)
{
    Onnx__AttributeProto *a = NULL;
    Onnx__TensorProto *h = NULL;
    const size_t one = 1;

    for (size_t k = 0; k < n->n_attribute; k++)
        if (strcmp(n->attribute[k]->name, "value") == 0) a = n->attribute[k];
    if (a && a->t) {
        const rk_status st = rk_half_tensor(&h, a->t, a->t->name ? a->t->name : "", w->o->type,
                                            w->m, w->err);
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
    const rk_snode *s = &w->p->s->node[node];
    Onnx__NodeProto *n = s->proto;
    const rk_svalue *out = rk_scope_out(w->p->s, node, 0);
    const bool cast = s->schema && rk_node_is(n, "Cast");
    bool gone = false;
    rk_status st = RK_OK;

    if (cast && w->p->node[node] != RK_HN_OTHER) st = do_cast(w, node, &gone);
    else if (cast) w->made.kept++;
    else if (w->p->node[node] == RK_HN_CAST && out && w->p->half_value[number(w, out)])
        st = do_fill(w, n);
    for (size_t k = 0; k < n->n_input && !st && !gone; k++) {
        const rk_svalue *v = rk_scope_in(w->p->s, node, k);
        const rk_read here = {node, k, s->graph};
        int32_t type;
        if (v) st = put_name(w, &n->input[k], read_name(w, &here, v, &type));
    }
    if (!st && !gone) st = push(w, n);
    if (!st && gone) w->gone[w->gones++] = n;
    for (size_t k = 0; k < s->proto->n_output && !st; k++) {
        const rk_svalue *v = rk_scope_out(w->p->s, node, k);
        if (!v) continue;
        const size_t i = number(w, v);
        if (!gone) st = put_name(w, &n->output[k], w->c.native[i]);
        if (!st && w->c.place[i] == s->graph) st = push_cast(w, i);
    }
    return st;
}

/* ---- graphs ---- */

/* Values whose copies are made at the start of a graph: its inputs, and what it sees from
 * outside. */
static rk_status find_starts(rewrite *w)
{
    const rk_scope *s = w->p->s;

    w->start = rk_calloc(s->graphs + 1, sizeof *w->start);
    w->next = rk_calloc(s->values + 1, sizeof *w->next);
    if (!w->start || !w->next) return out_of_memory(w);
    for (size_t i = 0; i < s->graphs; i++) w->start[i] = RK_NONE;
    for (size_t i = s->values; i-- > 0;) {
        const rk_svalue *v = &s->value[i];
        const size_t g = w->c.place[i];
        if (!w->c.other[i] || (v->node != RK_NONE && g == v->graph)) continue;
        w->next[i] = w->start[g];
        w->start[g] = i;
    }
    return RK_OK;
}

static void set_declared(const rewrite *w, Onnx__ValueInfoProto *v, bool half)
{
    if (v->type && v->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
        v->type->tensor_type && v->type->tensor_type->has_elem_type &&
        (v->type->tensor_type->elem_type == FLOAT ||
         v->type->tensor_type->elem_type == w->p->half))
        v->type->tensor_type->elem_type = half ? w->p->half : FLOAT;
}

/* Inputs and outputs of a graph say the types that they have got. */
static rk_status declare(rewrite *w, size_t graph)
{
    const rk_sgraph *g = &w->p->s->graph[graph];
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->proto->n_input; i++) {
        const rk_svalue *v = &w->p->s->value[g->in[i]];
        if (rk_half_is_float(v)) set_declared(w, g->proto->input[i], w->p->half_value[g->in[i]]);
    }
    for (size_t i = 0; i < g->proto->n_output && !st; i++) {
        const rk_svalue *v = &w->p->s->value[g->out[i]];
        const rk_read here = {RK_NONE, i, graph};
        int32_t type;
        if (!rk_half_is_float(v)) continue;
        const char *name = read_name(w, &here, v, &type);
        set_declared(w, g->proto->output[i], type == w->p->half);
        /* The main graph's outputs keep their names. */
        if (graph) st = put_name(w, &g->proto->output[i]->name, name);
    }
    return st;
}

static rk_status rewrite_graph(rewrite *w, size_t graph)
{
    const rk_sgraph *g = &w->p->s->graph[graph];
    rk_status st = RK_OK;

    w->listed = 0;
    for (size_t i = w->start[graph]; i != RK_NONE && !st; i = w->next[i]) st = push_cast(w, i);
    for (size_t i = 0; i < g->nodes && !st; i++) st = do_node(w, g->node + i);
    if (!st) st = declare(w, graph);
    if (st) return st;
    for (size_t i = 0; i < w->gones; i++) rk_onnx_free(w->gone[i]);
    w->gones = 0;
    rk_free(g->proto->node);
    g->proto->node = w->list;
    g->proto->n_node = w->listed;
    w->list = NULL;
    w->room = w->listed = 0;
    w->scratch.n_node = 0;   /* they are in the list now */
    return RK_OK;
}

static rk_status apply(rewrite *w, json_t *report)
{
    rk_status st;

    onnx__graph_proto__init(&w->scratch);
    w->b.graph = &w->scratch;
    w->gone = rk_calloc(w->p->s->nodes + 1, sizeof(Onnx__NodeProto *));
    if (!w->gone) return out_of_memory(w);
    st = rk_half_report_plan(report, w->p, w->err);
    if (!st) st = rk_half_copies_new(&w->c, w->p, w->err);
    if (!st) st = find_starts(w);
    if (!st) st = rk_half_report_constants(report, w->p, &w->c, w->err);
    if (!st) st = convert_initializers(w);
    /* In the order of their numbers outer graphs come before what they hold, so the name of a Cast
     * that has gone is known where a body reads it. */
    for (size_t g = 0; g < w->p->s->graphs && !st; g++) st = rewrite_graph(w, g);
    return st ? st : rk_half_report_casts(report, w->p, &w->made, w->err);
}

static rk_status prepare(rk_onnx *m, size_t *removed, json_t *report, rk_error *err)
{
    size_t inlined = 0;
    rk_status st = rk_onnx_inline(m, &inlined, err);

    if (!st) st = rk_free_initializers(m, err);
    if (!st) st = rk_drop_value_info(m, err);
    if (!st) st = rk_lift_constants(m, err);
    if (!st) st = rk_drop_casts(m, removed, err);
    if (!st && json_object_set_new(report, "inlined", json_integer((json_int_t)inlined)))
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    return st;
}

rk_status rk_to_half(rk_onnx *m, const rk_half_options *o, json_t *report, rk_error *err)
{
    rewrite w = {.m = m, .o = o, .err = err};
    const int64_t opset = rk_onnx_opset(m, "");
    const rk_schema *cast = opset ? rk_schema_find("Cast", opset) : NULL;
    rk_half_plan *p = NULL;
    rk_status st;

    if (cast && !(rk_schema_types(cast, rk_schema_output(cast, 0, NULL)) >>
                      rk_onnx_data_type(o->type) & 1))
        return rk_fail(err, RK_E_UNSUPPORTED,
                       "%s: operator set %lld has no bfloat16; 13 is the first that does", m->shown,
                       (long long)opset);
    if (!cast && o->convert_io)
        return rk_fail(err, RK_E_UNSUPPORTED,
                       "%s: imports no default operator set, so nothing in it can be cast",
                       m->shown);
    st = prepare(m, &w.made.removed, report, err);
    if (!st) st = rk_half_plan_new(&p, m, o, err);
    if (st) return st;
    w.p = p;
    st = apply(&w, report);
    for (size_t i = 0; i < w.scratch.n_node; i++) rk_onnx_free(w.scratch.node[i]);
    rk_free(w.scratch.node);
    rk_free(w.list);
    rk_free(w.gone);
    rk_free(w.start);
    rk_free(w.next);
    rk_half_copies_free(&w.c);
    rk_half_plan_free(p);
    return st;
}
