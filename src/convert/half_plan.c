#include "convert/half_plan.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/infer.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, ROUNDS = 200 };

bool rk_half_is_float(const rk_svalue *v) { return v && v->type == FLOAT; }

bool rk_half_is_constant(const rk_svalue *v)
{
    return v && v->tensor && v->input == RK_NONE;
}

bool rk_half_allowed(const rk_half_plan *p, const rk_schema *s, char letter)
{
    return s && letter && (rk_schema_types(s, letter) >> p->half & 1);
}

void rk_half_keep(rk_half_plan *p, size_t node, const char *why)
{
    p->node[node] = RK_HN_FLOAT;
    if (!p->why[node]) p->why[node] = why;
}

rk_want rk_half_want(const rk_half_plan *p, const rk_read *r)
{
    const size_t c = rk_half_read_cell(p, r);

    if (c != RK_NONE) return p->cell_half[c] ? RK_WANT_HALF : RK_WANT_FLOAT;
    if (r->node == RK_NONE) return r->graph == 0 && p->o->convert_io ? RK_WANT_HALF : RK_WANT_FLOAT;
    const rk_snode *n = &p->s->node[r->node];
    const rk_svalue *v = rk_scope_in(p->s, r->node, r->slot);
    switch (p->node[r->node]) {
    case RK_HN_HALF:
        return rk_half_allowed(p, n->schema, rk_schema_input(n->schema, r->slot, NULL))
                   ? RK_WANT_HALF : RK_WANT_FLOAT;
    case RK_HN_CAST:
        /* A constant that is only cast to half is stored as half. */
        if (rk_half_is_constant(v) && rk_node_int(n->proto, "to", 0) == p->half)
            return RK_WANT_HALF;
        return RK_WANT_ANY;
    case RK_HN_ANY:
        return RK_WANT_ANY;
    default:
        return RK_WANT_FLOAT;
    }
}

/* ---- values ---- */

static bool flexible_is_half(const rk_half_plan *p, size_t value)
{
    const rk_svalue *v = &p->s->value[value];
    bool half = false;

    if (p->reach[value] & (RK_REACH_HUGE | RK_REACH_WIDE | RK_REACH_SMALL)) return false;
    for (size_t i = 0; i < v->reads; i++) {
        const rk_want w = rk_half_want(p, &v->read[i]);
        if (w == RK_WANT_FLOAT) return false;
        if (w == RK_WANT_HALF) half = true;
    }
    return half;
}

static void settle_values(rk_half_plan *p)
{
    for (size_t i = 0; i < p->s->values; i++) {
        const rk_svalue *v = &p->s->value[i];
        const size_t c = rk_half_made_cell(p, v);
        p->half_value[i] = false;
        if (!rk_half_is_float(v)) continue;
        if (c != RK_NONE) p->half_value[i] = p->cell_half[c];
        else if (v->input != RK_NONE) p->half_value[i] = v->graph == 0 && p->o->convert_io;
        else if (v->node == RK_NONE) p->half_value[i] = v->tensor && v->output && p->o->convert_io;
        else {
            const rk_schema *s = p->s->node[v->node].schema;
            const bool can = s && rk_half_allowed(p, s, rk_schema_output(s, v->slot, NULL));
            if (p->node[v->node] == RK_HN_CAST) p->half_value[i] = can && flexible_is_half(p, i);
            else if (p->node[v->node] == RK_HN_HALF) p->half_value[i] = can;
        }
    }
}

/* True when a node that follows a value had to become float with it. */
static bool follow(rk_half_plan *p)
{
    bool changed = false;

    for (size_t i = 0; i < p->s->nodes; i++) {
        if (!p->follows[i] || p->node[i] != RK_HN_HALF || p->half_value[p->follows[i] - 1])
            continue;
        rk_half_keep(p, i, "it is part of a normalisation of a float value");
        changed = true;
    }
    return changed;
}

/* Each round makes nodes float and none half, so there is a last one; a normalisation of the result
 * of another takes one more. */
static rk_status settle(rk_half_plan *p, rk_error *err)
{
    rk_status st = RK_OK;

    for (size_t round = 0; round < ROUNDS && !st; round++) {
        st = rk_half_settle_cells(p, err);
        if (st) break;
        settle_values(p);
        if (!follow(p)) break;
    }
    if (!st) st = rk_half_settle_cells(p, err);
    if (!st) settle_values(p);
    return st;
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
        for (size_t i = 0; i < p->s->nodes && !found; i++) {
            const Onnx__NodeProto *n = p->s->node[i].proto;
            const char *name = ops ? n->op_type : n->name;
            found = name && strlen(name) == length && memcmp(name, at, length) == 0;
        }
        if (!found)
            return rk_fail(err, RK_E_ARG, "%s: there is no %s '%s' in the graph to keep float",
                           p->m->shown, ops ? "operator" : "node", rk_quote(q, at, length));
        at += length + (at[length] == ',');
    }
    return RK_OK;
}

/* Ranges too: of values that the model has. */
static rk_status find_ranges(const rk_half_plan *p, rk_error *err)
{
    char q[RK_QUOTE_SIZE];
    rk_names *names;
    const char *name;
    rk_status st = RK_OK;

    if (!p->o->ranges) return RK_OK;
    names = rk_names_new();
    for (size_t i = 0; names && i < p->s->values && !st; i++)
        if (!rk_names_add(names, p->s->value[i].name, i, NULL)) st = RK_E_MEMORY;
    if (!names || st) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
    for (size_t i = 0; !st && (name = rk_half_ranges_name(p->o->ranges, i)) != NULL; i++)
        if (!rk_names_get(names, name))
            st = rk_fail(err, RK_E_ARG, "%s: the ranges name a value '%s' that it does not have",
                         p->m->shown, rk_quote(q, name, strlen(name)));
    rk_names_free(names);
    return st;
}

static rk_status allocate(rk_half_plan *p, rk_error *err)
{
    const size_t nodes = p->s->nodes + 1, values = p->s->values + 1;

    p->node = rk_calloc(nodes, sizeof *p->node);
    p->why = rk_calloc(nodes, sizeof *p->why);
    p->follows = rk_calloc(nodes, sizeof *p->follows);
    p->first_cell = rk_calloc(nodes, sizeof *p->first_cell);
    p->node_cells = rk_calloc(nodes, sizeof *p->node_cells);
    p->reach = rk_calloc(values, sizeof *p->reach);
    p->stats = rk_calloc(values, sizeof *p->stats);
    p->half_value = rk_calloc(values, sizeof *p->half_value);
    if (!p->node || !p->why || !p->follows || !p->first_cell || !p->node_cells || !p->reach ||
        !p->stats || !p->half_value)
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
    return RK_OK;
}

rk_status rk_half_plan_new(rk_half_plan **out, const rk_onnx *m, const rk_half_options *o,
                           rk_error *err)
{
    rk_half_plan *p = rk_calloc(1, sizeof *p);
    rk_status st;

    *out = NULL;
    if (!p) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    p->m = m;
    p->o = o;
    p->half = rk_onnx_data_type(o->type);
    st = rk_scope_new(&p->s, m, err);
    if (!st) st = rk_scope_infer(p->s, false, err);
    if (!st) st = allocate(p, err);
    if (!st) st = find_all(p, o->keep_ops, true, err);
    if (!st) st = find_all(p, o->keep_nodes, false, err);
    if (!st) st = find_ranges(p, err);
    if (!st) st = split(&p->keep_ops, o->keep_ops, m->shown, err);
    if (!st) st = split(&p->keep_nodes, o->keep_nodes, m->shown, err);
    if (!st) st = rk_half_number_cells(p, err);
    if (!st) st = rk_half_decide_nodes(p, err);
    if (!st) st = settle(p, err);
    if (st) {
        rk_half_plan_free(p);
        return st;
    }
    *out = p;
    return RK_OK;
}

void rk_half_plan_free(rk_half_plan *p)
{
    if (!p) return;
    rk_scope_free(p->s);
    rk_free(p->node);
    rk_free(p->why);
    rk_free(p->follows);
    rk_free(p->first_cell);
    rk_free(p->node_cells);
    rk_free(p->cell_forced);
    rk_free(p->cell_half);
    rk_free(p->reach);
    rk_free(p->stats);
    rk_free(p->half_value);
    rk_names_free(p->keep_ops);
    rk_names_free(p->keep_nodes);
    rk_free(p);
}
