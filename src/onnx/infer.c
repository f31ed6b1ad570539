#include "onnx/infer.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/infer_rules.h"
#include "onnx/names.h"

enum { LETTERS = 26 };

typedef struct inference {
    rk_scope *s;
    bool strict;
    rk_error *err;
} inference;

const char *rk_type_shown(char out[RK_TYPE_SHOWN], int32_t t)
{
    static const char *const made[] = {"%s", "sequence of %s", "optional %s",
                                       "optional sequence of %s", "no tensor"};
    const size_t kind = (size_t)(t & RK_KIND_MASK) >> 8;
    const char *element = rk_onnx_type_name(t & RK_ELEMENT_MASK);

    if (kind == 0) snprintf(out, RK_TYPE_SHOWN, "%s", element);
    else if (kind >= 4) snprintf(out, RK_TYPE_SHOWN, "%s", made[4]);
    else {
        const size_t head = strlen(made[kind]) - 2;
        snprintf(out, RK_TYPE_SHOWN, "%.*s%s", (int)head, made[kind], element);
    }
    return out;
}

static rk_status wrong(const inference *f, size_t node, const char *value, const char *what,
                       int32_t found, int32_t expected)
{
    char n[RK_QUOTE_SIZE], v[RK_QUOTE_SIZE], op[RK_QUOTE_SIZE], a[RK_TYPE_SHOWN], b[RK_TYPE_SHOWN];
    const Onnx__NodeProto *p = f->s->node[node].proto;

    rk_scope_shown(n, f->s, node);
    rk_quote(v, value, strlen(value));
    rk_quote(op, p->op_type, strlen(p->op_type));
    return rk_fail(f->err, RK_E_FORMAT, "%s: node '%s' (%s): '%s' is %s, %s%s%s", f->s->m->shown, n,
                   op, v, rk_type_shown(a, found), what, expected ? " " : "",
                   expected ? rk_type_shown(b, expected) : "");
}

/* The bit of a type in the schema's masks. */
static uint32_t bit(int32_t type)
{
    if (type & RK_KIND_MASK) return UINT32_C(1) << RK_TYPE_OTHER;
    return UINT32_C(1) << (type < RK_TYPE_OTHER ? type : RK_NO_TYPE);
}

static rk_status node_inputs(inference *f, size_t node, int32_t bound[LETTERS])
{
    const rk_snode *n = &f->s->node[node];

    for (size_t i = 0; i < n->proto->n_input; i++) {
        char kind = '.';
        const char letter = rk_schema_input(n->schema, i, &kind);
        const rk_svalue *v = rk_scope_in(f->s, node, i);
        const int32_t t = v ? v->type : 0;

        if (!t || !letter) continue;
        if (!(rk_schema_types(n->schema, letter) & bit(t)))
            return wrong(f, node, v->name, "which this operator does not take there", t, 0);
        if (kind == '+') continue;
        if (bound[letter - 'A'] && bound[letter - 'A'] != t)
            return wrong(f, node, v->name, "another input is", t, bound[letter - 'A']);
        bound[letter - 'A'] = t;
    }
    return RK_OK;
}

/* The one tensor type of a mask, 0 where there are more or it is none. */
static int32_t only(uint32_t mask)
{
    int32_t t = 0;

    if (!mask || (mask & (mask - 1)) != 0 || mask == UINT32_C(1) << RK_TYPE_OTHER) return 0;
    while (!(mask >> t & 1)) t++;
    return t;
}

static rk_status node_outputs(inference *f, size_t node, const int32_t bound[LETTERS])
{
    const rk_snode *n = &f->s->node[node];

    for (size_t i = 0; i < n->proto->n_output; i++) {
        char kind = '.';
        const char letter = rk_schema_output(n->schema, i, &kind);
        rk_svalue *v = rk_scope_out(f->s, node, i);
        int32_t t;

        if (!v || !letter) continue;
        const uint32_t mask = rk_schema_types(n->schema, letter);
        t = rk_rule_output(f->s, node, i);
        if (!t && kind != '+') t = bound[letter - 'A'];
        if (!t) t = only(mask);
        if (t && !(mask & bit(t)))
            return wrong(f, node, v->name, "which this operator does not give", t, 0);
        if (t) v->type = t;
    }
    return RK_OK;
}

/* ---- bodies ---- */

/* The type that a body's input gets from outside; 0 where nothing is known. */
static int32_t passed(const inference *f, size_t node, size_t slot)
{
    const rk_snode *n = &f->s->node[node];
    const rk_svalue *v;
    size_t from = slot;

    if (rk_node_is(n->proto, "Loop")) {
        if (slot == 0) return ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        if (slot == 1) return ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
    } else if (rk_node_is(n->proto, "Scan")) {
        from = slot + rk_scan_first(n);
    } else if (!rk_node_is(n->proto, "SequenceMap")) {
        return 0;
    }
    v = rk_scope_in(f->s, node, from);
    if (!v) return 0;
    if (rk_node_is(n->proto, "SequenceMap") && (v->type & RK_KIND_MASK) == RK_KIND_SEQUENCE)
        return v->type & RK_ELEMENT_MASK;
    return v->type;
}

/* The body's output that a node's output is, as a graph and a number; false where there is none. */
static bool result_of(const inference *f, size_t node, size_t slot, size_t body, size_t *number)
{
    const rk_snode *n = &f->s->node[node];
    const rk_sgraph *g = &f->s->graph[n->body + body];

    *number = slot + (rk_node_is(n->proto, "Loop") ? 1 : 0);
    return *number < g->proto->n_output;
}

static rk_status body_outputs(inference *f, size_t node)
{
    const rk_snode *n = &f->s->node[node];

    for (size_t i = 0; i < n->proto->n_output; i++) {
        rk_svalue *v = rk_scope_out(f->s, node, i);
        int32_t t = 0;
        for (size_t k = 0; k < n->bodies; k++) {
            size_t number;
            if (!result_of(f, node, i, k, &number)) continue;
            const rk_svalue *r = &f->s->value[f->s->graph[n->body + k].out[number]];
            if (t && r->type && r->type != t)
                return wrong(f, node, r->name, "its other branch gives", r->type, t);
            if (r->type) t = r->type;
        }
        if (rk_node_is(n->proto, "SequenceMap") && t) t |= RK_KIND_SEQUENCE;
        if (v) v->type = t;
    }
    return RK_OK;
}

static rk_status graph_types(inference *f, size_t graph);

static rk_status one_node(inference *f, size_t node)
{
    const rk_snode *n = &f->s->node[node];
    const bool control = rk_node_is(n->proto, "If") || rk_node_is(n->proto, "Loop") ||
                         rk_node_is(n->proto, "Scan") || rk_node_is(n->proto, "SequenceMap");
    int32_t bound[LETTERS] = {0};
    rk_status st = RK_OK;

    for (size_t k = 0; k < n->bodies && !st; k++) {
        const rk_sgraph *g = &f->s->graph[n->body + k];
        for (size_t i = 0; i < g->proto->n_input; i++)
            f->s->value[g->in[i]].type = passed(f, node, i);
        st = graph_types(f, n->body + k);
    }
    if (st || !n->schema) return st;
    st = node_inputs(f, node, bound);
    if (!st) st = control ? body_outputs(f, node) : node_outputs(f, node, bound);
    return st;
}

static rk_status contradicts(const inference *f, const rk_svalue *v, int32_t declared,
                             const char *what)
{
    char name[RK_QUOTE_SIZE], node[RK_QUOTE_SIZE], a[RK_TYPE_SHOWN], b[RK_TYPE_SHOWN];

    rk_quote(name, v->name, strlen(v->name));
    rk_type_shown(a, declared);
    rk_type_shown(b, v->type);
    if (v->node != RK_NONE)
        return rk_fail(f->err, RK_E_FORMAT, "%s: %s '%s' is declared %s but node '%s' makes %s",
                       f->s->m->shown, what, name, a, rk_scope_shown(node, f->s, v->node), b);
    return rk_fail(f->err, RK_E_FORMAT, "%s: %s '%s' is declared %s but is %s", f->s->m->shown,
                   what, name, a, b);
}

/* A declared type against the inferred one: believed where that is not known. */
static rk_status declare(const inference *f, rk_svalue *v, const Onnx__ValueInfoProto *info,
                         const char *what, bool binding)
{
    const int32_t t = rk_declared_type(info->type);

    if (!t || t == RK_KIND_OTHER || v->type == t) return RK_OK;
    if (!v->type) {
        v->type = t;
        return RK_OK;
    }
    return binding ? contradicts(f, v, t, what) : RK_OK;
}

static rk_status sources(inference *f, size_t graph)
{
    const rk_sgraph *g = &f->s->graph[graph];
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->proto->n_input && !st; i++) {
        rk_svalue *v = &f->s->value[g->in[i]];
        if (v->tensor) v->type = v->tensor->data_type;
        st = declare(f, v, g->proto->input[i], "graph input", true);
        if (!v->type) v->type = rk_declared_type(g->proto->input[i]->type);
    }
    return st;
}

/* What declarations say of values that operators nobody knows make: by name, before the nodes that
 * read them are looked at. */
static rk_status hints(inference *f, const rk_sgraph *g, rk_names **out)
{
    rk_names *n = rk_names_new();
    bool ok = n != NULL;

    for (size_t i = 0; i < g->proto->n_value_info && ok; i++)
        if (g->proto->value_info[i]->name)
            ok = rk_names_add(n, g->proto->value_info[i]->name, i, NULL) != NULL;
    *out = n;
    return ok ? RK_OK : rk_fail(f->err, RK_E_MEMORY, "%s: out of memory", f->s->m->shown);
}

static rk_status believe(inference *f, size_t node, const rk_sgraph *g, const rk_names *hint)
{
    rk_status st = RK_OK;

    for (size_t k = 0; k < f->s->node[node].proto->n_output && !st; k++) {
        rk_svalue *v = rk_scope_out(f->s, node, k);
        const size_t *at = v ? rk_names_get(hint, v->name) : NULL;
        if (at) st = declare(f, v, g->proto->value_info[*at], "value", f->strict);
        for (size_t r = 0; v && !v->type && r < v->reads && !st; r++)
            if (v->read[r].node == RK_NONE && v->read[r].graph == f->s->node[node].graph)
                st = declare(f, v, g->proto->output[v->read[r].slot], "graph output", true);
    }
    return st;
}

/* Recursion: bodies within bodies, as deep as rk_scope_new allows. */
static rk_status graph_types(inference *f, size_t graph)
{
    const rk_sgraph *g = &f->s->graph[graph];
    rk_names *hint = NULL;
    rk_status st = sources(f, graph);

    if (!st) st = hints(f, g, &hint);
    for (size_t i = g->node; i < g->node + g->nodes && !st; i++) {
        st = one_node(f, i);
        if (!st) st = believe(f, i, g, hint);
    }
    for (size_t i = 0; i < g->proto->n_output && !st; i++)
        st = declare(f, &f->s->value[g->out[i]], g->proto->output[i], "graph output", true);
    rk_names_free(hint);
    return st;
}

rk_status rk_scope_infer(rk_scope *s, bool strict, rk_error *err)
{
    inference f = {s, strict, err};

    for (size_t i = 0; i < s->values; i++) {
        rk_svalue *v = &s->value[i];
        v->type = v->sparse ? v->sparse->values->data_type : v->tensor ? v->tensor->data_type : 0;
    }
    return graph_types(&f, 0);
}

rk_status rk_types_infer(int32_t **types, const rk_onnx *m, const rk_index *x, rk_error *err)
{
    rk_scope *s = NULL;
    rk_status st = rk_scope_new(&s, m, err);

    *types = NULL;
    if (!st) st = rk_scope_infer(s, true, err);
    if (!st) *types = rk_calloc(x->values ? x->values : 1, sizeof **types);
    if (!st && !*types) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    for (size_t i = 0; !st && i < s->values; i++) {
        const rk_svalue *v = &s->value[i];
        const rk_value *to = v->graph == 0 ? rk_index_find(x, v->name) : NULL;
        if (to)
            (*types)[to - x->value] = v->type & RK_KIND_MASK ? RK_TYPE_OTHER : v->type;
    }
    rk_scope_free(s);
    return st;
}
