#include "onnx/functions.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/schema.h"
#include "onnx/walk.h"
#include "onnx/wire.h"

/* Fields that older schemas of ONNX lack; protobuf-c keeps them as bytes. */
enum { NODE_OVERLOAD = 8, FUNCTION_DEFAULTS = 11, FUNCTION_OVERLOAD = 13, KEY_SIZE = 512 };

typedef struct inliner {
    rk_onnx *m;
    rk_names *functions;          /* key -> number */
    rk_names *names;              /* every name in use */
    bool *whole;                  /* [functions] may be inlined */
    size_t calls, nodes, depth;
    bool left;                    /* a call stays */
    rk_error *err;
} inliner;

typedef struct node_list {
    Onnx__NodeProto **node;
    size_t count, room;
} node_list;

static rk_status out_of_memory(const inliner *x)
{
    return rk_fail(x->err, RK_E_MEMORY, "%s: out of memory", x->m->shown);
}

/* ---- which function a node calls ---- */

static void key_of(char key[KEY_SIZE], const char *domain, const char *name,
                   const ProtobufCMessage *message, unsigned overload)
{
    const char *d = domain && strcmp(domain, "ai.onnx") != 0 ? domain : "";
    char more[128] = "";

    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *f = &message->unknown_fields[i];
        if (f->tag != overload || f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED ||
            f->len < 1 || f->len >= sizeof more)
            continue;
        memcpy(more, f->data + 1, f->len - 1);   /* short, so its length is one byte */
        more[f->len - 1] = 0;
    }
    snprintf(key, KEY_SIZE, "%.200s\t%.180s\t%s", d, name ? name : "", more);
}

static size_t callee(const inliner *x, const Onnx__NodeProto *n)
{
    char key[KEY_SIZE];
    const size_t *at;

    key_of(key, n->domain, n->op_type, &n->base, NODE_OVERLOAD);
    at = rk_names_get(x->functions, key);
    return at ? *at : RK_NONE;
}

/* ---- may it be inlined? ---- */

static int64_t version_in(const Onnx__FunctionProto *f, const char *domain)
{
    for (size_t i = 0; i < f->n_opset_import; i++) {
        const char *d = f->opset_import[i]->domain ? f->opset_import[i]->domain : "";
        if (strcmp(d, domain) == 0 || (!*domain && strcmp(d, "ai.onnx") == 0))
            return f->opset_import[i]->version;
    }
    return 0;
}

typedef struct agreeing {
    const inliner *x;
    const Onnx__FunctionProto *f;
    bool ok;
} agreeing;

static void same_meaning(agreeing *a, const Onnx__NodeProto *n)
{
    const char *d = n->domain && strcmp(n->domain, "ai.onnx") != 0 ? n->domain : "";
    const int64_t here = version_in(a->f, d), there = rk_onnx_opset(a->x->m, d);

    if (here == there || !n->op_type || callee(a->x, n) != RK_NONE) return;
    a->ok = a->ok && there && rk_schema_find_in(d, n->op_type, here) ==
                                  rk_schema_find_in(d, n->op_type, there) &&
            rk_schema_find_in(d, n->op_type, here);
}

static rk_status same_in_graph(Onnx__GraphProto *g, void *user)
{
    for (size_t i = 0; i < g->n_node; i++) same_meaning(user, g->node[i]);
    return RK_OK;
}

static bool agrees(const inliner *x, const Onnx__FunctionProto *f)
{
    agreeing a = {x, f, true};

    for (size_t i = 0; i < f->n_node && a.ok; i++) {
        same_meaning(&a, f->node[i]);
        for (size_t k = 0; k < f->node[i]->n_attribute; k++)
            if (f->node[i]->attribute[k]->g)
                rk_walk_graphs(f->node[i]->attribute[k]->g, same_in_graph, &a);
    }
    return a.ok;
}

/* ---- copies ---- */

static void *copy_of(const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = rk_malloc(size ? size : 1);
    void *copy = NULL;

    if (bytes) {
        protobuf_c_message_pack(message, bytes);
        copy = protobuf_c_message_unpack(message->descriptor, &rk_onnx_allocator, size, bytes);
    }
    rk_free(bytes);
    return copy;
}

static rk_status append(inliner *x, node_list *l, Onnx__NodeProto *n)
{
    if (l->count == l->room) {
        const size_t room = l->room ? 2 * l->room : 64;
        Onnx__NodeProto **list = rk_realloc(l->node, room, sizeof(Onnx__NodeProto *));
        if (!list) return out_of_memory(x);
        l->node = list;
        l->room = room;
    }
    l->node[l->count++] = n;
    return RK_OK;
}

/* ---- one call ---- */

typedef struct call {
    const Onnx__FunctionProto *f;
    const Onnx__NodeProto *node;
    rk_names *number;             /* name in the function -> number in `name` */
    const char **name;            /* its name outside */
    size_t names, room;
} call;

static rk_status bind_name(inliner *x, call *c, const char *inner, const char *outer)
{
    bool added;

    if (c->names == c->room) {
        const size_t room = c->room ? 2 * c->room : 32;
        const char **list = rk_realloc(c->name, room, sizeof *list);
        if (!list) return out_of_memory(x);
        c->name = list;
        c->room = room;
    }
    const size_t *at = rk_names_add(c->number, inner, c->names, &added);
    if (!at) return out_of_memory(x);
    if (added) c->name[c->names++] = outer;
    return RK_OK;
}

/* A name of the function as it is outside: bound, or a new one. */
static rk_status rename_to(inliner *x, call *c, char **at)
{
    const size_t *known;
    char *copy;

    if (!*at || !**at) return RK_OK;
    known = rk_names_get(c->number, *at);
    if (!known) {
        const char *fresh = rk_names_fresh(x->names, *at, 0);
        const rk_status st = fresh ? bind_name(x, c, *at, fresh) : out_of_memory(x);
        if (st) return st;
        known = rk_names_get(c->number, *at);
    }
    copy = rk_strdup(c->name[*known]);
    if (!copy) return out_of_memory(x);
    rk_free(*at);
    *at = copy;
    return RK_OK;
}

static rk_status rename_graph(inliner *x, call *c, Onnx__GraphProto *g);

/* The attribute that the call gives for one of the function's, or its default; NULL for none.
 * *owned is to be freed. */
static const Onnx__AttributeProto *given(const call *c, const char *name,
                                         Onnx__AttributeProto **owned)
{
    const ProtobufCMessage *f = &c->f->base;

    *owned = NULL;
    if (rk_node_attr(c->node, name)) return rk_node_attr(c->node, name);
    for (unsigned i = 0; i < f->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *u = &f->unknown_fields[i];
        size_t head = 0;
        if (u->tag != FUNCTION_DEFAULTS) continue;
        while (head < u->len && u->data[head] & 0x80) head++;
        if (++head > u->len) continue;
        Onnx__AttributeProto *a = onnx__attribute_proto__unpack(&rk_onnx_allocator, u->len - head,
                                                                u->data + head);
        if (a && a->name && strcmp(a->name, name) == 0) {
            *owned = a;
            return a;
        }
        rk_onnx_free(a);
    }
    return NULL;
}

/* Attributes that refer to the function's get their values, or go. */
static rk_status fill_attributes(inliner *x, const call *c, Onnx__NodeProto *n)
{
    size_t kept = 0;
    rk_status st = RK_OK;

    for (size_t i = 0; i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = n->attribute[i], *owned = NULL, *copy = NULL;
        if (st || !a->ref_attr_name || !*a->ref_attr_name) {
            n->attribute[kept++] = a;
            continue;
        }
        const Onnx__AttributeProto *value = given(c, a->ref_attr_name, &owned);
        if (value) {
            copy = copy_of(&value->base);
            char *name = copy && a->name ? rk_strdup(a->name) : NULL;
            if (name) {
                rk_free(copy->name);
                copy->name = name;
                n->attribute[kept++] = copy;
            } else {
                rk_onnx_free(copy);
                st = out_of_memory(x);
            }
        }
        rk_onnx_free(owned);
        rk_onnx_free(a);
    }
    n->n_attribute = kept;
    return st;
}

static rk_status rename_node(inliner *x, call *c, Onnx__NodeProto *n)
{
    rk_status st = fill_attributes(x, c, n);

    for (size_t i = 0; i < n->n_input && !st; i++) st = rename_to(x, c, &n->input[i]);
    for (size_t i = 0; i < n->n_output && !st; i++) st = rename_to(x, c, &n->output[i]);
    if (!st && n->name && *n->name) {
        const char *fresh = rk_names_fresh(x->names, n->name, 0);
        char *copy = fresh ? rk_strdup(fresh) : NULL;
        if (!copy) return out_of_memory(x);
        rk_free(n->name);
        n->name = copy;
    }
    for (size_t i = 0; i < n->n_attribute && !st; i++) {
        if (n->attribute[i]->g) st = rename_graph(x, c, n->attribute[i]->g);
        for (size_t k = 0; k < n->attribute[i]->n_graphs && !st; k++)
            st = rename_graph(x, c, n->attribute[i]->graphs[k]);
    }
    return st;
}

static rk_status rename_graph(inliner *x, call *c, Onnx__GraphProto *g)
{
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_input && !st; i++) st = rename_to(x, c, &g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer && !st; i++)
        st = rename_to(x, c, &g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer && !st; i++)
        if (g->sparse_initializer[i]->values)
            st = rename_to(x, c, &g->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < g->n_value_info && !st; i++)
        st = rename_to(x, c, &g->value_info[i]->name);
    for (size_t i = 0; i < g->n_node && !st; i++) st = rename_node(x, c, g->node[i]);
    for (size_t i = 0; i < g->n_output && !st; i++) st = rename_to(x, c, &g->output[i]->name);
    return st;
}

/* Inputs and outputs are what the call names. An output that is an input, or an output twice, needs
 * a node of its own: *copies lists such pairs of names (from, to). */
static rk_status bind(inliner *x, call *c, node_list *after)
{
    rk_build b = {NULL, false};
    rk_status st = RK_OK;

    for (size_t i = 0; i < c->f->n_input && !st; i++)
        st = bind_name(x, c, c->f->input[i], i < c->node->n_input ? c->node->input[i] : "");
    for (size_t i = 0; i < c->f->n_output && !st; i++) {
        const char *to = i < c->node->n_output ? c->node->output[i] : "";
        const size_t *at = rk_names_get(c->number, c->f->output[i]);
        if (!*to) continue;
        if (!at) {
            st = bind_name(x, c, c->f->output[i], to);
            continue;
        }
        Onnx__GraphProto scratch;
        onnx__graph_proto__init(&scratch);
        b.graph = &scratch;
        const char *node_name = rk_names_fresh(x->names, to, 0);
        Onnx__NodeProto *n =
            node_name ? rk_add_node_n(&b, "Identity", node_name, &c->name[*at], 1, &to, 1) : NULL;
        rk_free(scratch.node);
        st = n ? append(x, after, n) : out_of_memory(x);
        if (st) rk_onnx_free(n);
    }
    return st;
}

static rk_status put_node(inliner *x, node_list *l, Onnx__NodeProto *n);

/* Recursion: a function that calls one, at most RK_FUNCTION_DEPTH. */
static rk_status expand(inliner *x, node_list *l, const Onnx__NodeProto *n, size_t number)
{
    char q[RK_QUOTE_SIZE];
    call c = {.f = x->m->proto->functions[number], .node = n, .number = rk_names_new()};
    node_list after = {0};
    rk_status st = c.number ? RK_OK : out_of_memory(x);

    if (x->depth == RK_FUNCTION_DEPTH)
        st = rk_fail(x->err, RK_E_FORMAT,
                     "%s: local functions call each other in a ring, or more than %d deep: '%s'",
                     x->m->shown, (int)RK_FUNCTION_DEPTH,
                     rk_quote(q, n->op_type, strlen(n->op_type)));
    x->depth++;
    if (!st) st = bind(x, &c, &after);
    for (size_t i = 0; i < c.f->n_node && !st; i++) {
        Onnx__NodeProto *copy = copy_of(&c.f->node[i]->base);
        st = copy ? rename_node(x, &c, copy) : out_of_memory(x);
        if (!st && ++x->nodes > RK_ONNX_NODES)
            st = rk_fail(x->err, RK_E_FORMAT, "%s: its functions unfold to more than %d nodes",
                         x->m->shown, (int)RK_ONNX_NODES);
        if (st) rk_onnx_free(copy);
        else st = put_node(x, l, copy);
    }
    x->depth--;
    for (size_t i = 0; i < after.count; i++) {
        if (!st) st = append(x, l, after.node[i]);
        if (st) rk_onnx_free(after.node[i]);
    }
    x->calls++;
    rk_free(after.node);
    rk_names_free(c.number);
    rk_free(c.name);
    return st;
}

static rk_status inline_in(inliner *x, Onnx__GraphProto *g);

/* Takes n. */
static rk_status put_node(inliner *x, node_list *l, Onnx__NodeProto *n)
{
    const size_t number = callee(x, n);
    rk_status st = RK_OK;

    if (number != RK_NONE && x->whole[number]) {
        st = expand(x, l, n, number);
        rk_onnx_free(n);
        return st;
    }
    if (number != RK_NONE) x->left = true;
    for (size_t i = 0; i < n->n_attribute && !st; i++) {
        if (n->attribute[i]->g) st = inline_in(x, n->attribute[i]->g);
        for (size_t k = 0; k < n->attribute[i]->n_graphs && !st; k++)
            st = inline_in(x, n->attribute[i]->graphs[k]);
    }
    if (!st) st = append(x, l, n);
    if (st) rk_onnx_free(n);
    return st;
}

static rk_status inline_in(inliner *x, Onnx__GraphProto *g)
{
    node_list l = {0};
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_node; i++) {
        if (st) rk_onnx_free(g->node[i]);
        else st = put_node(x, &l, g->node[i]);
    }
    rk_free(g->node);
    g->node = l.node;
    g->n_node = l.count;
    return st;
}

/* ---- all names ---- */

static rk_status note_name(inliner *x, const char *name)
{
    return !name || !*name || rk_names_add(x->names, name, 0, NULL) ? RK_OK : out_of_memory(x);
}

static rk_status names_in(Onnx__GraphProto *g, void *user)
{
    inliner *x = user;
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_input && !st; i++) st = note_name(x, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer && !st; i++) st = note_name(x, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_node && !st; i++) {
        const Onnx__NodeProto *n = g->node[i];
        st = note_name(x, n->name);
        for (size_t k = 0; k < n->n_output && !st; k++) st = note_name(x, n->output[k]);
    }
    return st;
}

static rk_status number_functions(inliner *x)
{
    const Onnx__ModelProto *p = x->m->proto;
    char key[KEY_SIZE], q[RK_QUOTE_SIZE];
    bool added;

    x->functions = rk_names_new();
    x->names = rk_names_new();
    x->whole = rk_calloc(p->n_functions, sizeof *x->whole);
    if (!x->functions || !x->names || !x->whole) return out_of_memory(x);
    for (size_t i = 0; i < p->n_functions; i++) {
        const Onnx__FunctionProto *f = p->functions[i];
        key_of(key, f->domain, f->name, &f->base, FUNCTION_OVERLOAD);
        if (!rk_names_add(x->functions, key, i, &added)) return out_of_memory(x);
        if (!added)
            return rk_fail(x->err, RK_E_FORMAT, "%s: the function '%s' is there twice", x->m->shown,
                           rk_quote(q, f->name ? f->name : "", f->name ? strlen(f->name) : 0));
    }
    for (size_t i = 0; i < p->n_functions; i++) x->whole[i] = agrees(x, p->functions[i]);
    return rk_walk_graphs(p->graph, names_in, x);
}

rk_status rk_onnx_inline(rk_onnx *m, size_t *calls, rk_error *err)
{
    Onnx__ModelProto *p = m->proto;
    inliner x = {.m = m, .err = err};
    rk_status st;

    *calls = 0;
    if (!p->n_functions) return RK_OK;
    if (p->n_functions > RK_FUNCTIONS_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: %zu local functions; at most %d are read", m->shown,
                       p->n_functions, (int)RK_FUNCTIONS_MAX);
    st = number_functions(&x);
    if (!st) st = inline_in(&x, p->graph);
    if (!st && !x.left) {
        for (size_t i = 0; i < p->n_functions; i++) rk_onnx_free(p->functions[i]);
        rk_free(p->functions);
        p->functions = NULL;
        p->n_functions = 0;
    }
    *calls = x.calls;
    rk_names_free(x.functions);
    rk_names_free(x.names);
    rk_free(x.whole);
    return st;
}
