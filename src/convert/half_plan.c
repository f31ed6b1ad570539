#include "convert/half_plan.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "convert/half_rules.h"
#include "onnx/infer.h"
#include "onnx/names.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

static size_t number(const rk_half_plan *p, const rk_value *v) { return (size_t)(v - p->x->value); }

bool rk_half_is_float(const rk_half_plan *p, const rk_value *v)
{
    return v && p->type[number(p, v)] == FLOAT;
}

static bool allows_half(const rk_half_plan *p, const rk_schema *s, char letter)
{
    return letter && (rk_schema_types(s, letter) >> p->half & 1);
}

static const Onnx__NodeProto *node_of(const rk_half_plan *p, size_t i)
{
    return p->x->graph->node[i];
}

static const rk_value *input_of(const rk_half_plan *p, size_t i, size_t slot)
{
    return rk_index_find(p->x, rk_node_input(node_of(p, i), slot));
}

static const rk_value *output_of(const rk_half_plan *p, size_t i, size_t slot)
{
    return rk_index_find(p->x, rk_node_output(node_of(p, i), slot));
}

rk_want rk_half_want(const rk_half_plan *p, size_t node, size_t slot)
{
    const rk_value *v = input_of(p, node, slot);

    switch (p->node[node]) {
    case RK_HN_HALF:
        return allows_half(p, p->schema[node], rk_schema_input(p->schema[node], slot, NULL))
                   ? RK_WANT_HALF : RK_WANT_FLOAT;
    case RK_HN_CAST:
        /* A constant that is only cast to half is stored as half. */
        if (v && v->initializer != RK_NONE && v->input == RK_NONE &&
            rk_node_int(node_of(p, node), "to", 0) == p->half)
            return RK_WANT_HALF;
        return RK_WANT_ANY;
    case RK_HN_ANY:
        return RK_WANT_ANY;
    default:
        return RK_WANT_FLOAT;
    }
}

/* ---- constants ---- */

typedef struct extremes {
    bool beyond;       /* a finite value that half cannot hold */
    bool vanishes;     /* a single value, not zero, that is zero in half */
} extremes;

static rk_status look_at(const rk_half_plan *p, const Onnx__TensorProto *t, extremes *e,
                         rk_error *err)
{
    rk_tensor view;
    void *owned;
    const rk_status st = rk_onnx_tensor(&view, &owned, t, p->m->shown, err);
    const size_t n = view.bytes / sizeof(float);
    const bool f16 = p->o->type == RK_DT_F16;

    *e = (extremes){false, false};
    if (st) return st;
    for (size_t i = 0; i < n && f16; i++) {
        float v;
        memcpy(&v, (const char *)view.data + i * sizeof v, sizeof v);
        if (isfinite(v) && isinf(rk_f16_to_f32(rk_f16_from_f32(v)))) e->beyond = true;
        if (n == 1 && v != 0.0f && rk_f16_to_f32(rk_f16_from_f32(v)) == 0.0f) e->vanishes = true;
    }
    rk_free(owned);
    return RK_OK;
}

/* ---- the first decision: by the node alone ---- */

static void keep(rk_half_plan *p, size_t i, const char *why)
{
    p->node[i] = RK_HN_FLOAT;
    p->why[i] = why;
}

typedef struct content {
    bool floats, makes_float, unknown, can;
} content;

static void count_value(const rk_half_plan *p, content *c, const rk_value *v, const rk_schema *s,
                        char letter)
{
    if (!v) return;
    const int32_t t = p->type[number(p, v)];
    if (t == 0 || t == RK_TYPE_OTHER) c->unknown = true;
    if (t != FLOAT) return;
    c->floats = true;
    if (allows_half(p, s, letter)) c->can = true;
}

static content content_of(const rk_half_plan *p, size_t i)
{
    const Onnx__NodeProto *n = node_of(p, i);
    const rk_schema *s = p->schema[i];
    content c = {0};

    for (size_t k = 0; k < n->n_output; k++)
        count_value(p, &c, output_of(p, i, k), s, rk_schema_output(s, k, NULL));
    c.makes_float = c.floats;
    for (size_t k = 0; k < n->n_input; k++)
        count_value(p, &c, input_of(p, i, k), s, rk_schema_input(s, k, NULL));
    return c;
}

static rk_status constants(rk_half_plan *p, size_t i, bool *beyond, rk_error *err)
{
    const Onnx__NodeProto *n = node_of(p, i);

    *beyond = false;
    if (rk_rule_product(n->op_type)) return RK_OK;
    for (size_t k = 0; k < n->n_input; k++) {
        const rk_value *v = input_of(p, i, k);
        extremes e;
        if (!rk_half_is_float(p, v) || v->initializer == RK_NONE) continue;
        const rk_status st = look_at(p, p->x->graph->initializer[v->initializer], &e, err);
        if (st) return st;
        if (e.vanishes) keep(p, i, "a constant that it reads is zero in half");
        if (e.beyond) {
            keep(p, i, "a constant that it reads is beyond half's range");
            *beyond = true;
        }
    }
    return RK_OK;
}

/* A ConstantOfShape that fills with a value beyond half's range. */
static rk_status filler(rk_half_plan *p, size_t i, bool *beyond, rk_error *err)
{
    const Onnx__AttributeProto *a = rk_node_attr(node_of(p, i), "value");
    extremes e = {false, false};
    const rk_status st = a && a->t ? look_at(p, a->t, &e, err) : RK_OK;

    *beyond = e.beyond;
    if (!st && (e.beyond || e.vanishes))
        keep(p, i, "half cannot hold the value that it fills with");
    return st;
}

static bool reads(const rk_half_plan *p, size_t i, const bool *mark)
{
    for (size_t k = 0; k < node_of(p, i)->n_input; k++) {
        const rk_value *v = input_of(p, i, k);
        if (v && mark[number(p, v)]) return true;
    }
    return false;
}

static void mark_outputs(const rk_half_plan *p, size_t i, bool *mark)
{
    for (size_t k = 0; k < node_of(p, i)->n_output; k++) {
        const rk_value *v = output_of(p, i, k);
        if (v) mark[number(p, v)] = true;
    }
}

static rk_status first(rk_half_plan *p, size_t i, const rk_names *ops, const rk_names *nodes,
                       bool *huge, rk_error *err)
{
    const Onnx__NodeProto *n = node_of(p, i);
    const content c = content_of(p, i);
    const char *rule = rk_rule_float(n->op_type);
    bool beyond = false;
    rk_status st = RK_OK;

    p->node[i] = RK_HN_OTHER;
    if (!c.floats) return RK_OK;
    if (rk_names_get(ops, n->op_type) || (n->name && *n->name && rk_names_get(nodes, n->name)))
        keep(p, i, "asked for");
    else if (rk_node_is(n, "Cast") || rk_node_is(n, "ConstantOfShape")) {
        p->node[i] = RK_HN_CAST;
        if (!rk_node_is(n, "Cast")) st = filler(p, i, &beyond, err);
    }
    else if (rk_node_is(n, "Shape") || rk_node_is(n, "Size"))
        p->node[i] = RK_HN_ANY;
    else if (c.unknown)
        keep(p, i, "it has a value whose type is not known");
    else if (rule)
        keep(p, i, rule);
    else if (!c.can)
        keep(p, i, "the operator has no half version in this operator set");
    else {
        p->node[i] = rk_rule_mover(n->op_type) ? RK_HN_MOVER : RK_HN_HALF;
        st = constants(p, i, &beyond, err);
        if (!st && rk_rule_elementwise(n->op_type) && reads(p, i, huge)) {
            keep(p, i, "it reads a value beyond half's range");
            beyond = true;
        }
    }
    if (beyond) mark_outputs(p, i, huge);
    return st;
}

/* ---- movers: float between float nodes only, so that nothing is squeezed through half ---- */

static bool made_float(const rk_half_plan *p, const rk_value *v, const bool *from)
{
    if (v->input != RK_NONE) return !p->o->convert_io;
    if (v->node == RK_NONE) return false;
    return p->node[v->node] == RK_HN_FLOAT || (p->node[v->node] == RK_HN_MOVER && from[v->node]);
}

static void mover_sources(const rk_half_plan *p, bool *from)
{
    for (size_t i = 0; i < p->x->graph->n_node; i++) {
        bool any = false, all = true;
        if (p->node[i] != RK_HN_MOVER) continue;
        for (size_t k = 0; k < node_of(p, i)->n_input; k++) {
            const rk_value *v = input_of(p, i, k);
            if (!rk_half_is_float(p, v) || (v->initializer != RK_NONE && v->input == RK_NONE))
                continue;
            any = true;
            all = all && made_float(p, v, from);
        }
        from[i] = any && all;
    }
}

static bool read_float(const rk_half_plan *p, const rk_value *v, const bool *to)
{
    bool ok = v->uses > 0 || v->output != RK_NONE;

    if (v->output != RK_NONE && p->o->convert_io) return false;
    for (size_t u = 0; u < v->uses && ok; u++) {
        const size_t n = v->use[u].node;
        ok = p->node[n] == RK_HN_FLOAT || (p->node[n] == RK_HN_MOVER && to[n]);
    }
    return ok;
}

static void settle_movers(rk_half_plan *p, bool *from, bool *to)
{
    mover_sources(p, from);
    for (size_t i = p->x->graph->n_node; i-- > 0;) {
        if (p->node[i] != RK_HN_MOVER) continue;
        to[i] = true;
        for (size_t k = 0; k < node_of(p, i)->n_output && to[i]; k++) {
            const rk_value *v = output_of(p, i, k);
            if (rk_half_is_float(p, v)) to[i] = read_float(p, v, to);
        }
    }
    for (size_t i = 0; i < p->x->graph->n_node; i++) {
        if (p->node[i] != RK_HN_MOVER) continue;
        if (from[i] && to[i]) keep(p, i, "it moves values between nodes that stay float");
        else p->node[i] = RK_HN_HALF;
    }
}

/* ---- values ---- */

static bool flexible_is_half(const rk_half_plan *p, const rk_value *v, const bool *huge)
{
    bool half = v->output != RK_NONE && p->o->convert_io;

    if (huge[number(p, v)] || (v->output != RK_NONE && !p->o->convert_io)) return false;
    for (size_t u = 0; u < v->uses; u++) {
        const rk_want w = rk_half_want(p, v->use[u].node, v->use[u].slot);
        if (w == RK_WANT_FLOAT) return false;
        if (w == RK_WANT_HALF) half = true;
    }
    return half;
}

static void settle_values(rk_half_plan *p, const bool *huge)
{
    for (size_t i = 0; i < p->x->values; i++) {
        const rk_value *v = &p->x->value[i];
        if (p->type[i] != FLOAT) continue;
        if (v->input != RK_NONE) {
            p->half_value[i] = p->o->convert_io;
        } else if (v->initializer != RK_NONE) {
            p->half_value[i] = v->output != RK_NONE && p->o->convert_io;
        } else {
            const rk_schema *s = p->schema[v->node];
            const bool can = allows_half(p, s, rk_schema_output(s, v->slot, NULL));
            if (p->node[v->node] == RK_HN_CAST)
                p->half_value[i] = can && flexible_is_half(p, v, huge);
            else if (p->node[v->node] == RK_HN_HALF)
                p->half_value[i] = can;
        }
    }
}

/* ---- lists of names to keep ---- */

static rk_status split(rk_names **out, const char *list, const char *shown, rk_error *err)
{
    rk_names *n = rk_names_new();
    bool ok = n != NULL;

    for (const char *p = list ? list : ""; ok && *p;) {
        const size_t length = strcspn(p, ",");
        char *word = rk_strndup(p, length);
        ok = word && (!length || rk_names_add(n, word, 0, NULL));
        rk_free(word);
        p += length + (p[length] == ',');
    }
    *out = n;
    return ok ? RK_OK : rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
}

/* Every name that was asked for must be there: a misspelt one would be ignored without a word. */
static rk_status find_all(const rk_half_plan *p, const char *list, bool ops, rk_error *err)
{
    char q[RK_QUOTE_SIZE];

    for (const char *at = list ? list : ""; *at;) {
        const size_t length = strcspn(at, ",");
        bool found = length == 0;
        for (size_t i = 0; i < p->x->graph->n_node && !found; i++) {
            const char *name = ops ? node_of(p, i)->op_type : node_of(p, i)->name;
            found = name && strlen(name) == length && memcmp(name, at, length) == 0;
        }
        if (!found)
            return rk_fail(err, RK_E_ARG, "%s: there is no %s '%s' in the graph to keep float",
                           p->m->shown, ops ? "operator" : "node", rk_quote(q, at, length));
        at += length + (at[length] == ',');
    }
    return RK_OK;
}

static rk_status decide(rk_half_plan *p, rk_error *err)
{
    const size_t nodes = p->x->graph->n_node, values = p->x->values;
    rk_names *keep_ops = NULL, *keep_nodes = NULL;
    bool *huge = rk_calloc(values + 1, sizeof *huge);
    bool *from = rk_calloc(nodes + 1, sizeof *from), *to = rk_calloc(nodes + 1, sizeof *to);
    rk_status st = RK_OK;

    if (!huge || !from || !to) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
    if (!st) st = find_all(p, p->o->keep_ops, true, err);
    if (!st) st = find_all(p, p->o->keep_nodes, false, err);
    if (!st) st = split(&keep_ops, p->o->keep_ops, p->m->shown, err);
    if (!st) st = split(&keep_nodes, p->o->keep_nodes, p->m->shown, err);
    for (size_t i = 0; i < nodes && !st; i++) {
        p->schema[i] = rk_schema_find(node_of(p, i)->op_type, p->opset);
        st = first(p, i, keep_ops, keep_nodes, huge, err);
    }
    if (!st) {
        settle_movers(p, from, to);
        settle_values(p, huge);
    }
    rk_names_free(keep_ops);
    rk_names_free(keep_nodes);
    rk_free(huge);
    rk_free(from);
    rk_free(to);
    return st;
}

rk_status rk_half_plan_new(rk_half_plan **out, const rk_onnx *m, const rk_half_options *o,
                           rk_error *err)
{
    const Onnx__GraphProto *g = m->proto->graph;
    rk_half_plan *p = rk_calloc(1, sizeof *p);
    rk_status st;

    *out = NULL;
    if (!p) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    p->m = m;
    p->o = o;
    p->half = rk_onnx_data_type(o->type);
    p->opset = rk_onnx_opset(m, "");
    st = rk_index_new(&p->x, g, m->shown, err);
    if (!st) st = rk_types_infer(&p->type, m, p->x, err);
    if (st) goto done;
    p->schema = rk_calloc(g->n_node + 1, sizeof *p->schema);
    p->node = rk_calloc(g->n_node + 1, sizeof *p->node);
    p->why = rk_calloc(g->n_node + 1, sizeof *p->why);
    p->half_value = rk_calloc(p->x->values + 1, sizeof *p->half_value);
    if (!p->schema || !p->node || !p->why || !p->half_value) {
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
        goto done;
    }
    st = decide(p, err);
    if (st) goto done;
    *out = p;
    p = NULL;
done:
    rk_half_plan_free(p);
    return st;
}

void rk_half_plan_free(rk_half_plan *p)
{
    if (!p) return;
    rk_index_free(p->x);
    rk_free(p->type);
    rk_free(p->schema);
    rk_free(p->node);
    rk_free(p->why);
    rk_free(p->half_value);
    rk_free(p);
}
