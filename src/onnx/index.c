#include <string.h>

#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/names.h"

typedef struct hidden {
    rk_index index;           /* what the caller sees: first */
    rk_names *names;          /* name -> number of the value */
    rk_use *uses;             /* of all values, one after another */
    size_t room;              /* of index.value */
    const char *shown;        /* while it is made */
    rk_error *err;
} hidden;

static rk_status memory_fail(const hidden *h)
{
    return rk_fail(h->err, RK_E_MEMORY, "%s: out of memory", h->shown);
}

/* The value of a name, made when it is new. */
static rk_status value_of(hidden *h, const char *name, rk_value **out)
{
    bool added;
    const size_t *at;

    if (h->index.values == h->room) {
        const size_t room = h->room ? 2 * h->room : 64;
        rk_value *v = rk_realloc(h->index.value, room, sizeof *v);
        if (!v) return memory_fail(h);
        h->index.value = v;
        h->room = room;
    }
    at = rk_names_add(h->names, name, h->index.values, &added);
    if (!at) return memory_fail(h);
    *out = &h->index.value[*at];
    if (added) {
        **out = (rk_value){.name = name, .node = RK_NONE, .initializer = RK_NONE, .input = RK_NONE,
                           .output = RK_NONE};
        h->index.values++;
    }
    return RK_OK;
}

static rk_status complain(const hidden *h, const char *name, const char *what)
{
    char q[RK_QUOTE_SIZE];
    return rk_fail(h->err, RK_E_FORMAT, "%s: value '%s' %s", h->shown,
                   rk_quote(q, name, strlen(name)), what);
}

static rk_status add_sources(hidden *h)
{
    const Onnx__GraphProto *g = h->index.graph;
    rk_value *v = NULL;

    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: graph input %zu has no name", h->shown, i);
        const rk_status st = value_of(h, name, &v);
        if (st) return st;
        if (v->input != RK_NONE) return complain(h, name, "is a graph input twice");
        v->input = i;
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *name = g->initializer[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: initializer %zu has no name", h->shown, i);
        const rk_status st = value_of(h, name, &v);
        if (st) return st;
        if (v->initializer != RK_NONE) return complain(h, name, "is an initializer twice");
        v->initializer = i;
    }
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {   /* a value that is just there */
        const Onnx__TensorProto *t = g->sparse_initializer[i]->values;
        const rk_status st = t && t->name ? value_of(h, t->name, &v) : RK_OK;
        if (st) return st;
    }
    return RK_OK;
}

static rk_status wrong_read(const hidden *h, size_t node, const char *name, const char *what)
{
    char q[RK_QUOTE_SIZE], n[RK_QUOTE_SIZE];
    return rk_fail(h->err, RK_E_FORMAT, "%s: node '%s' reads '%s', %s", h->shown,
                   rk_node_shown(n, h->index.graph, node), rk_quote(q, name, strlen(name)), what);
}

static rk_status add_outputs(hidden *h, size_t node)
{
    const Onnx__NodeProto *n = h->index.graph->node[node];
    rk_value *v = NULL;

    for (size_t i = 0; i < n->n_output; i++) {
        if (!n->output[i][0]) continue;
        const rk_status st = value_of(h, n->output[i], &v);
        if (st) return st;
        if (v->node != RK_NONE) return complain(h, v->name, "is written by two nodes");
        if (v->input != RK_NONE)
            return complain(h, v->name, "is a graph input and written by a node");
        if (v->initializer != RK_NONE)
            return complain(h, v->name, "is an initializer and written by a node");
        v->node = node;
        v->slot = i;
    }
    return RK_OK;
}

/* Counts the uses (first pass) and proves the order. */
static rk_status add_reads(hidden *h, size_t node, size_t *total)
{
    const Onnx__NodeProto *n = h->index.graph->node[node];

    for (size_t i = 0; i < n->n_input; i++) {
        if (!n->input[i][0]) continue;
        const size_t *at = rk_names_get(h->names, n->input[i]);
        if (!at) return wrong_read(h, node, n->input[i], "which nobody makes");
        rk_value *v = &h->index.value[*at];
        if (v->node != RK_NONE && v->node >= node)
            return wrong_read(h, node, n->input[i],
                              v->node == node
                                  ? "its own output (a cycle)"
                                  : "which a later node makes (a cycle, or a wrong order)");
        v->uses++;
        ++*total;
    }
    return RK_OK;
}

static rk_status place_uses(hidden *h, size_t total)
{
    const Onnx__GraphProto *g = h->index.graph;
    size_t at = 0;

    h->uses = rk_calloc(total ? total : 1, sizeof *h->uses);
    if (!h->uses) return memory_fail(h);
    for (size_t i = 0; i < h->index.values; i++) {
        rk_value *v = &h->index.value[i];
        v->use = h->uses + at;
        at += v->uses;
        v->uses = 0;
    }
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            const char *name = g->node[i]->input[j];
            if (!name[0]) continue;
            rk_value *v = &h->index.value[*rk_names_get(h->names, name)];
            h->uses[(size_t)(v->use - h->uses) + v->uses++] = (rk_use){i, j};
        }
    return RK_OK;
}

static rk_status add_results(hidden *h)
{
    const Onnx__GraphProto *g = h->index.graph;

    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name;
        if (!name || !*name)
            return rk_fail(h->err, RK_E_FORMAT, "%s: graph output %zu has no name", h->shown, i);
        const size_t *at = rk_names_get(h->names, name);
        if (!at) return complain(h, name, "is a graph output that nobody makes");
        if (h->index.value[*at].output == RK_NONE) h->index.value[*at].output = i;
    }
    return RK_OK;
}

rk_status rk_index_new(rk_index **out, const Onnx__GraphProto *g, const char *shown, rk_error *err)
{
    hidden *h = rk_calloc(1, sizeof *h);
    size_t total = 0;
    rk_status st;

    *out = NULL;
    if (!h) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    h->index.graph = g;
    h->index.memory = h;
    h->shown = shown;
    h->err = err;
    h->names = rk_names_new();
    if (!h->names) {
        st = memory_fail(h);
        goto done;
    }
    st = add_sources(h);
    for (size_t i = 0; !st && i < g->n_node; i++) st = add_outputs(h, i);
    for (size_t i = 0; !st && i < g->n_node; i++) st = add_reads(h, i, &total);
    if (!st) st = place_uses(h, total);
    if (!st) st = add_results(h);
    if (st) goto done;

    h->err = NULL;
    h->shown = NULL;
    *out = &h->index;
    h = NULL;
done:
    if (h) rk_index_free(&h->index);
    return st;
}

void rk_index_free(rk_index *x)
{
    hidden *h = x ? x->memory : NULL;

    if (!h) return;
    rk_names_free(h->names);
    rk_free(h->uses);
    rk_free(x->value);
    rk_free(h);
}

const rk_value *rk_index_find(const rk_index *x, const char *name)
{
    const hidden *h = x->memory;
    const size_t *at = name && *name ? rk_names_get(h->names, name) : NULL;
    return at ? &x->value[*at] : NULL;
}

const Onnx__NodeProto *rk_index_producer(const rk_index *x, const char *name)
{
    const rk_value *v = rk_index_find(x, name);
    return v && v->node != RK_NONE ? x->graph->node[v->node] : NULL;
}

const Onnx__TensorProto *rk_index_initializer(const rk_index *x, const char *name)
{
    const rk_value *v = rk_index_find(x, name);
    return v && v->initializer != RK_NONE ? x->graph->initializer[v->initializer] : NULL;
}
