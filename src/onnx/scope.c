#include "onnx/scope.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/names.h"

enum { GRAPH_DEPTH = 40 };    /* the wire's limit on nesting is reached before */

typedef struct pool {
    size_t *at, used, room;
} pool;

typedef struct hidden {
    rk_scope scope;           /* what the caller sees: first */
    rk_names *names[GRAPH_DEPTH];
    size_t depth;
    pool slots;               /* value numbers of all slots; offsets until all are known */
    rk_read *reads;
    size_t *order, ordered;
    size_t graph_room, node_room, value_room;
    rk_error *err;
} hidden;

static rk_status memory_fail(const hidden *h)
{
    return rk_fail(h->err, RK_E_MEMORY, "%s: out of memory", h->scope.m->shown);
}

/* Room for `more` elements past `used` of an array. */
static bool grow(void *array, size_t *room, size_t used, size_t more, size_t size)
{
    void **at = array;
    void *p;
    size_t want = *room ? *room : 64;

    if (used + more <= *room) return true;
    while (want < used + more) want *= 2;
    memcpy(&p, at, sizeof p);
    p = rk_realloc(p, want, size);
    if (!p) return false;
    memcpy(at, &p, sizeof p);
    *room = want;
    return true;
}

/* `count` slots, as an offset into the pool. */
static bool take(pool *p, size_t *offset, size_t count)
{
    if (!grow(&p->at, &p->room, p->used, count ? count : 1, sizeof *p->at)) return false;
    *offset = p->used;
    p->used += count;
    return true;
}

static rk_status say(const hidden *h, const char *name, const char *what)
{
    char q[RK_QUOTE_SIZE];
    return rk_fail(h->err, RK_E_FORMAT, "%s: value '%s' %s", h->scope.m->shown,
                   rk_quote(q, name, strlen(name)), what);
}

/* A new value of the innermost graph, or the one of that name that it has (*out is its number). */
static rk_status define(hidden *h, const char *name, size_t graph, size_t *out, bool *added)
{
    rk_scope *s = &h->scope;
    const size_t *at;

    if (!grow(&s->value, &h->value_room, s->values, 1, sizeof *s->value)) return memory_fail(h);
    for (size_t d = 0; d + 1 < h->depth; d++)
        if (rk_names_get(h->names[d], name))
            return say(h, name, "of a body hides one of the same name outside");
    at = rk_names_add(h->names[h->depth - 1], name, s->values, added);
    if (!at) return memory_fail(h);
    *out = *at;
    if (*added)
        s->value[s->values++] = (rk_svalue){.name = name, .graph = graph, .node = RK_NONE,
                                            .input = RK_NONE};
    return RK_OK;
}

static size_t lookup(const hidden *h, const char *name)
{
    for (size_t d = h->depth; d-- > 0;) {
        const size_t *at = rk_names_get(h->names[d], name);
        if (at) return *at;
    }
    return RK_NONE;
}

static rk_status sources(hidden *h, size_t graph)
{
    const Onnx__GraphProto *g = h->scope.graph[graph].proto;
    const size_t in = (size_t)(uintptr_t)h->scope.graph[graph].in;
    size_t v;
    bool added;
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_input && !st; i++) {
        const char *name = g->input[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: graph input %zu has no name",
                           h->scope.m->shown, i);
        st = define(h, name, graph, &v, &added);
        if (!st && !added) st = say(h, name, "is a graph input twice");
        if (!st) h->scope.value[v].input = i;
        if (!st) h->slots.at[in + i] = v;
    }
    for (size_t i = 0; i < g->n_initializer && !st; i++) {
        const char *name = g->initializer[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: initializer %zu has no name",
                           h->scope.m->shown, i);
        st = define(h, name, graph, &v, &added);
        if (!st && h->scope.value[v].tensor) st = say(h, name, "is an initializer twice");
        if (!st) h->scope.value[v].tensor = g->initializer[i];
        if (!st) h->scope.value[v].initializer = i;
    }
    for (size_t i = 0; i < g->n_sparse_initializer && !st; i++) {
        const Onnx__TensorProto *t = g->sparse_initializer[i]->values;
        if (!t || !t->name || !*t->name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: sparse initializer %zu has no name",
                           h->scope.m->shown, i);
        st = define(h, t->name, graph, &v, &added);
        if (!st && !added) st = say(h, t->name, "is an initializer twice");
        if (!st) h->scope.value[v].sparse = g->sparse_initializer[i];
    }
    return st;
}

static rk_status unread(const hidden *h, size_t node, const char *name)
{
    char q[RK_QUOTE_SIZE], n[RK_QUOTE_SIZE];
    return rk_fail(h->err, RK_E_FORMAT,
                   "%s: node '%s' reads '%s', which nobody makes before it (a cycle, a wrong "
                   "order, or a lost value)",
                   h->scope.m->shown, rk_scope_shown(n, &h->scope, node),
                   rk_quote(q, name, strlen(name)));
}

static rk_status inputs(hidden *h, size_t node)
{
    const Onnx__NodeProto *n = h->scope.node[node].proto;
    const size_t at = (size_t)(uintptr_t)h->scope.node[node].in;

    for (size_t i = 0; i < n->n_input; i++) {
        size_t v = RK_NONE;
        if (n->input[i][0]) {
            v = lookup(h, n->input[i]);
            if (v == RK_NONE) return unread(h, node, n->input[i]);
            h->scope.value[v].reads++;
        }
        h->slots.at[at + i] = v;
    }
    return RK_OK;
}

static rk_status outputs(hidden *h, size_t node)
{
    rk_scope *s = &h->scope;
    const Onnx__NodeProto *n = s->node[node].proto;
    const size_t at = (size_t)(uintptr_t)s->node[node].out;
    bool added;
    size_t v;

    for (size_t i = 0; i < n->n_output; i++) {
        h->slots.at[at + i] = RK_NONE;
        if (!n->output[i][0]) continue;
        const rk_status st = define(h, n->output[i], s->node[node].graph, &v, &added);
        if (st) return st;
        if (!added)
            return say(h, n->output[i],
                       s->value[v].node != RK_NONE ? "is written by two nodes"
                       : s->value[v].input != RK_NONE ? "is a graph input and written by a node"
                                                      : "is an initializer and written by a node");
        s->value[v].node = node;
        s->value[v].slot = i;
        h->slots.at[at + i] = v;
    }
    return RK_OK;
}

static rk_status results(hidden *h, size_t graph)
{
    const Onnx__GraphProto *g = h->scope.graph[graph].proto;
    const size_t at = (size_t)(uintptr_t)h->scope.graph[graph].out;

    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: graph output %zu has no name",
                           h->scope.m->shown, i);
        const size_t v = lookup(h, name);
        if (v == RK_NONE) return say(h, name, "is a graph output that nobody makes");
        h->scope.value[v].reads++;
        if (graph == 0) h->scope.value[v].output = true;
        h->slots.at[at + i] = v;
    }
    return RK_OK;
}

static rk_status new_graph(hidden *h, size_t *out, Onnx__GraphProto *g, size_t parent,
                           const char *attribute)
{
    rk_scope *s = &h->scope;
    size_t in, result;

    if (!grow(&s->graph, &h->graph_room, s->graphs, 1, sizeof *s->graph) ||
        !grow(&s->node, &h->node_room, s->nodes, g->n_node, sizeof *s->node) ||
        !take(&h->slots, &in, g->n_input) || !take(&h->slots, &result, g->n_output))
        return memory_fail(h);
    *out = s->graphs;
    s->graph[s->graphs++] = (rk_sgraph){
        .proto = g, .parent = parent, .attribute = attribute, .node = s->nodes,
        .nodes = g->n_node, .in = (const size_t *)(uintptr_t)in,
        .out = (const size_t *)(uintptr_t)result};
    for (size_t i = 0; i < g->n_node; i++) {
        Onnx__NodeProto *n = g->node[i];
        size_t a, b;
        const int64_t version = rk_onnx_opset(s->m, n->domain ? n->domain : "");
        const rk_schema *schema =
            rk_schema_find_in(n->domain, n->op_type ? n->op_type : "", version);
        if (!take(&h->slots, &a, n->n_input) || !take(&h->slots, &b, n->n_output))
            return memory_fail(h);
        s->node[s->nodes++] = (rk_snode){
            .proto = n, .graph = *out, .schema = schema && schema->deprecated ? NULL : schema,
            .in = (const size_t *)(uintptr_t)a, .out = (const size_t *)(uintptr_t)b};
    }
    return RK_OK;
}

/* The graphs of a node's attributes, all made before any is visited so that they stand together. */
static rk_status new_bodies(hidden *h, size_t node)
{
    const Onnx__NodeProto *n = h->scope.node[node].proto;
    const size_t first = h->scope.graphs;
    size_t g;
    rk_status st = RK_OK;

    for (size_t i = 0; i < n->n_attribute && !st; i++) {
        const Onnx__AttributeProto *a = n->attribute[i];
        if (a->g) st = new_graph(h, &g, a->g, node, a->name);
        for (size_t k = 0; k < a->n_graphs && !st; k++)
            st = new_graph(h, &g, a->graphs[k], node, a->name);
    }
    h->scope.node[node].body = first;
    h->scope.node[node].bodies = h->scope.graphs - first;
    return st;
}

/* Recursion: a graph within a graph, at most GRAPH_DEPTH. */
static rk_status visit(hidden *h, size_t graph)
{
    rk_status st;

    if (h->depth == GRAPH_DEPTH)
        return rk_fail(h->err, RK_E_FORMAT, "%s: graphs are nested more than %d deep",
                       h->scope.m->shown, (int)GRAPH_DEPTH);
    h->names[h->depth] = rk_names_new();
    if (!h->names[h->depth]) return memory_fail(h);
    h->depth++;
    st = sources(h, graph);
    const size_t first = h->scope.graph[graph].node, nodes = h->scope.graph[graph].nodes;
    for (size_t i = first; i < first + nodes && !st; i++) {
        st = inputs(h, i);
        if (!st) st = new_bodies(h, i);
        for (size_t k = 0; !st && k < h->scope.node[i].bodies; k++)
            st = visit(h, h->scope.node[i].body + k);
        if (!st) st = outputs(h, i);

    }
    if (!st) st = results(h, graph);
    h->depth--;
    rk_names_free(h->names[h->depth]);
    h->names[h->depth] = NULL;
    return st;
}

/* Bodies before their node. Recursion as in visit, which has bounded it. */
static void put_order(hidden *h, size_t graph)
{
    const rk_sgraph *g = &h->scope.graph[graph];

    for (size_t i = g->node; i < g->node + g->nodes; i++) {
        for (size_t k = 0; k < h->scope.node[i].bodies; k++)
            put_order(h, h->scope.node[i].body + k);
        h->order[h->ordered++] = i;
    }
}

static const size_t *resolved(const hidden *h, const size_t *offset)
{
    return h->slots.at + (size_t)(uintptr_t)offset;
}

static void put_reads(hidden *h, size_t value, size_t node, size_t slot, size_t graph)
{
    rk_svalue *v = &h->scope.value[value];
    h->reads[(size_t)(v->read - h->reads) + v->reads++] = (rk_read){node, slot, graph};
}

/* Offsets become pointers, and each value gets its list of readers. */
static rk_status finish(hidden *h)
{
    rk_scope *s = &h->scope;
    size_t total = 0;

    for (size_t i = 0; i < s->values; i++) total += s->value[i].reads;
    h->reads = rk_calloc(total + 1, sizeof *h->reads);
    h->order = rk_calloc(s->nodes + 1, sizeof *h->order);
    if (!h->reads || !h->order) return memory_fail(h);
    total = 0;
    for (size_t i = 0; i < s->values; i++) {
        s->value[i].read = h->reads + total;
        total += s->value[i].reads;
        s->value[i].reads = 0;
    }
    for (size_t i = 0; i < s->nodes; i++) {
        rk_snode *n = &s->node[i];
        n->in = resolved(h, n->in);
        n->out = resolved(h, n->out);
        for (size_t k = 0; k < n->proto->n_input; k++)
            if (n->in[k] != RK_NONE) put_reads(h, n->in[k], i, k, n->graph);
    }
    for (size_t i = 0; i < s->graphs; i++) {
        rk_sgraph *g = &s->graph[i];
        g->in = resolved(h, g->in);
        g->out = resolved(h, g->out);
        for (size_t k = 0; k < g->proto->n_output; k++) put_reads(h, g->out[k], RK_NONE, k, i);
    }
    put_order(h, 0);
    s->order = h->order;
    return RK_OK;
}

rk_status rk_scope_new(rk_scope **out, const rk_onnx *m, rk_error *err)
{
    hidden *h = rk_calloc(1, sizeof *h);
    size_t g;
    rk_status st;

    *out = NULL;
    if (!h) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    h->scope.m = m;
    h->scope.memory = h;
    h->err = err;
    st = new_graph(h, &g, m->proto->graph, RK_NONE, NULL);
    if (!st) st = visit(h, g);
    if (!st) st = finish(h);
    if (st) {
        rk_scope_free(&h->scope);
        return st;
    }
    h->err = NULL;
    *out = &h->scope;
    return RK_OK;
}

void rk_scope_free(rk_scope *s)
{
    hidden *h = s ? s->memory : NULL;

    if (!h) return;
    for (size_t i = 0; i < GRAPH_DEPTH; i++) rk_names_free(h->names[i]);
    rk_free(h->slots.at);
    rk_free(h->reads);
    rk_free(h->order);
    rk_free(s->graph);
    rk_free(s->node);
    rk_free(s->value);
    rk_free(h);
}

rk_svalue *rk_scope_in(const rk_scope *s, size_t node, size_t slot)
{
    const rk_snode *n = &s->node[node];
    return slot < n->proto->n_input && n->in[slot] != RK_NONE ? &s->value[n->in[slot]] : NULL;
}

rk_svalue *rk_scope_out(const rk_scope *s, size_t node, size_t slot)
{
    const rk_snode *n = &s->node[node];
    return slot < n->proto->n_output && n->out[slot] != RK_NONE ? &s->value[n->out[slot]] : NULL;
}

const char *rk_scope_shown(char *out, const rk_scope *s, size_t node)
{
    const rk_sgraph *g = &s->graph[s->node[node].graph];
    return rk_node_shown(out, g->proto, node - g->node);
}

bool rk_scope_holds(const rk_scope *s, size_t a, size_t b)
{
    while (b != a && s->graph[b].parent != RK_NONE) b = s->node[s->graph[b].parent].graph;
    return a == b;
}
