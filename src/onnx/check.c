#include "onnx/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/infer.h"
#include "onnx/names.h"
#include "onnx/schema.h"
#include "onnx/scope.h"
#include "onnx/store.h"

enum { UNKNOWN_LISTED = 10 };

typedef struct check {
    const rk_onnx *m;
    const Onnx__GraphProto *g;
    bool any;                 /* rk_onnx_check_any */
    rk_index *index;
    int64_t opset;
    rk_error *err;
} check;

static const char *quoted(char out[RK_QUOTE_SIZE], const char *text)
{
    return rk_quote(out, text ? text : "", text ? strlen(text) : 0);
}

static bool default_domain(const char *d) { return !d || !*d || strcmp(d, "ai.onnx") == 0; }

/* All of a tensor's data, wherever it lies; rk_free(*owned). */
static rk_status load(const check *c, rk_tensor *out, void **owned, const Onnx__TensorProto *t)
{
    rk_tensor_data d;
    rk_status st = rk_tensor_open(&d, c->m, t, c->err);

    *owned = st ? NULL : d.owned;
    if (st) return st;
    *out = d.view;
    if (out->data || !out->bytes) return RK_OK;
    *owned = rk_malloc(out->bytes);
    if (!*owned) return rk_fail(c->err, RK_E_MEMORY, "%s: out of memory", c->m->shown);
    out->data = *owned;
    st = rk_tensor_read(&d, *owned, 0, out->bytes, c->err);
    if (st) {
        rk_free(*owned);
        *owned = NULL;
    }
    return st;
}

static rk_status versions(check *c)
{
    const Onnx__ModelProto *p = c->m->proto;
    char d[RK_QUOTE_SIZE];
    bool seen = false;

    if (p->ir_version < RK_IR_FIRST || p->ir_version > rk_ir_last())
        return rk_fail(c->err, RK_E_FORMAT, "%s: IR version %lld; %d to %lld are read", c->m->shown,
                       (long long)p->ir_version, RK_IR_FIRST, (long long)rk_ir_last());
    for (size_t i = 0; i < p->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = p->opset_import[i];
        if (!default_domain(o->domain)) continue;   /* matters only where a node uses it */
        if (seen)
            return rk_fail(c->err, RK_E_FORMAT, "%s: the default operator set is imported twice",
                           c->m->shown);
        seen = true;
        c->opset = o->version;
        const int first = c->any ? 1 : RK_OPSET_FIRST;
        if (o->version < first || o->version > rk_opset_last())
            return rk_fail(c->err, RK_E_FORMAT, "%s: operator set %lld; %d to %lld are read",
                           c->m->shown, (long long)o->version, first, (long long)rk_opset_last());
    }
    if (c->any) return RK_OK;
    if (!seen)
        return rk_fail(c->err, RK_E_FORMAT, "%s: no default operator set is imported", c->m->shown);
    if (p->n_functions)
        return rk_fail(c->err, RK_E_UNSUPPORTED, "%s: local functions ('%s') are not supported",
                       c->m->shown, quoted(d, p->functions[0]->name));
    return RK_OK;
}

static rk_status metadata(check *c)
{
    const Onnx__ModelProto *p = c->m->proto;
    rk_names *seen = rk_names_new();
    rk_status st = RK_OK;
    char q[RK_QUOTE_SIZE];

    for (size_t i = 0; i < p->n_metadata_props && !st; i++) {
        const char *key = p->metadata_props[i]->key ? p->metadata_props[i]->key : "";
        bool added;
        if (!seen || !rk_names_add(seen, key, i, &added))
            st = rk_fail(c->err, RK_E_MEMORY, "%s: out of memory", c->m->shown);
        else if (!added)
            st = rk_fail(c->err, RK_E_FORMAT, "%s: metadata '%s' is there twice", c->m->shown,
                         quoted(q, key));
    }
    rk_names_free(seen);
    return st;
}

static bool known_type(int32_t t)
{
    return t > 0 && t < RK_TYPE_OTHER && strcmp(rk_onnx_type_name(t), "unknown") != 0;
}

static rk_status interface(check *c, Onnx__ValueInfoProto *const *list, size_t n, const char *what)
{
    char q[RK_QUOTE_SIZE];

    for (size_t i = 0; i < n; i++) {
        const Onnx__TypeProto *t = list[i]->type;
        const char *name = quoted(q, list[i]->name);
        if (!t || t->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
            return rk_fail(c->err, RK_E_FORMAT, "%s: graph %s '%s' has no type", c->m->shown, what,
                           name);
        if (c->any && t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) continue;
        if (t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t->tensor_type)
            return rk_fail(c->err, RK_E_UNSUPPORTED, "%s: graph %s '%s' is no tensor", c->m->shown,
                           what, name);
        const int32_t e = t->tensor_type->elem_type;
        if (!known_type(e))
            return rk_fail(c->err, RK_E_FORMAT, "%s: graph %s '%s' has element type %d",
                           c->m->shown, what, name, (int)e);
    }
    return RK_OK;
}

static rk_status whole(const check *c, const Onnx__TensorProto *t)
{
    rk_tensor_data d;
    const rk_status st = rk_tensor_open(&d, c->m, t, c->err);
    rk_tensor_close(&d);
    return st;
}

static rk_status initializers(check *c)
{
    char q[RK_QUOTE_SIZE];

    if (c->g->n_sparse_initializer && !c->any)
        return rk_fail(c->err, RK_E_UNSUPPORTED, "%s: sparse initializers are not supported",
                       c->m->shown);
    for (size_t i = 0; i < c->g->n_initializer; i++) {
        const Onnx__TensorProto *p = c->g->initializer[i];
        if (!p->name || !*p->name)
            return rk_fail(c->err, RK_E_FORMAT, "%s: initializer %zu has no name", c->m->shown, i);
        if (c->any && rk_onnx_dtype(p->data_type) == RK_DT_NONE && known_type(p->data_type))
            continue;
        if (p->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__STRING)
            return rk_fail(c->err, RK_E_UNSUPPORTED, "%s: tensor '%s' holds strings; not supported",
                           c->m->shown, quoted(q, p->name));
        const rk_status st = whole(c, p);
        if (st) return st;
    }
    return RK_OK;
}

/* ---- nodes ---- */

static rk_status bad_node(const check *c, size_t i, const char *what, const char *name)
{
    char n[RK_QUOTE_SIZE], op[RK_QUOTE_SIZE], q[RK_QUOTE_SIZE];
    return rk_fail(c->err, RK_E_FORMAT, "%s: node '%s' (%s): %s%s%s", c->m->shown,
                   rk_node_shown(n, c->g, i), quoted(op, c->g->node[i]->op_type), what,
                   name ? " " : "", name ? quoted(q, name) : "");
}

/* Names all unknown operators at once, each the first time it is seen. */
static rk_status operators(check *c)
{
    rk_names *seen = rk_names_new();
    rk_buffer list = {0};
    char n[RK_QUOTE_SIZE], op[RK_QUOTE_SIZE], d[RK_QUOTE_SIZE], key[2 * RK_QUOTE_SIZE + 2];
    size_t unknown = 0;
    rk_status st = RK_OK;
    bool added;

    for (size_t i = 0; i < c->g->n_node && seen; i++) {
        const Onnx__NodeProto *p = c->g->node[i];
        const bool standard = default_domain(p->domain);
        const rk_schema *s = standard && p->op_type ? rk_schema_find(p->op_type, c->opset) : NULL;
        if (s && !s->deprecated) continue;
        quoted(op, p->op_type);
        quoted(d, standard ? NULL : p->domain);
        snprintf(key, sizeof key, "%s.%s", d, op);
        if (!rk_names_add(seen, key, i, &added)) break;
        if (!added || ++unknown > UNKNOWN_LISTED) continue;
        rk_buffer_printf(&list, "%s'%s'%s%s%s (node '%s')", unknown > 1 ? ", " : "", op,
                         standard ? "" : " of domain '", standard ? "" : d, standard ? "" : "'",
                         rk_node_shown(n, c->g, i));
        if (s && s->deprecated) rk_buffer_puts(&list, " deprecated");
    }
    if (!seen || list.failed)
        st = rk_fail(c->err, RK_E_MEMORY, "%s: out of memory", c->m->shown);
    else if (unknown)
        st = rk_fail(c->err, RK_E_UNSUPPORTED, "%s: unknown in operator set %lld: %s", c->m->shown,
                     (long long)c->opset, list.data);
    rk_names_free(seen);
    rk_buffer_free(&list);
    return st;
}

static rk_status slots(check *c, size_t i, const rk_schema *s)
{
    const Onnx__NodeProto *n = c->g->node[i];
    char text[96];

    if (n->n_input < s->min_inputs || n->n_input > s->max_inputs) {
        snprintf(text, sizeof text, "%zu inputs; %u to %u are right", n->n_input, s->min_inputs,
                 s->max_inputs);
        return bad_node(c, i, text, NULL);
    }
    if (n->n_output < s->min_outputs || n->n_output > s->max_outputs) {
        snprintf(text, sizeof text, "%zu outputs; %u to %u are right", n->n_output, s->min_outputs,
                 s->max_outputs);
        return bad_node(c, i, text, NULL);
    }
    for (size_t k = 0; k < n->n_input; k++) {
        char kind = '.';
        rk_schema_input(s, k, &kind);
        if (!n->input[k][0] && kind != '?') {
            snprintf(text, sizeof text, "input %zu must not be left out", k);
            return bad_node(c, i, text, NULL);
        }
    }
    return RK_OK;
}

static char kind_letter(Onnx__AttributeProto__AttributeType t)
{
    static const char letters[] = "?fistgFISTGpPyY";   /* by the enum's numbers */
    return t > 0 && t < sizeof letters - 1 ? letters[t] : '?';
}

/* The field that the type promises must be there; models older than IR 4 may lack the type. */
static bool holds(const Onnx__AttributeProto *a, char kind)
{
    switch (kind) {
    case 'f':
        return a->has_f;
    case 'i':
        return a->has_i;
    case 's':
        return a->has_s;
    case 't':
        return a->t != NULL;
    case 'g':
        return a->g != NULL;
    default:
        return true;   /* an empty list is a list */
    }
}

static rk_status attributes(check *c, size_t i, const rk_schema *s)
{
    const Onnx__NodeProto *n = c->g->node[i];
    const char *at = s->attributes, *name;
    size_t length;

    for (size_t k = 0; k < n->n_attribute; k++) {
        const Onnx__AttributeProto *a = n->attribute[k];
        const char kind = a->name ? rk_schema_attribute(s, a->name) : 0;
        if (!kind) return bad_node(c, i, "unknown attribute", a->name);
        if (a->ref_attr_name && *a->ref_attr_name)
            return bad_node(c, i, "refers outside a function: attribute", a->name);
        if (a->has_type && kind_letter(a->type) != kind)
            return bad_node(c, i, "wrong type of attribute", a->name);
        if (!holds(a, kind)) return bad_node(c, i, "no value in attribute", a->name);
        for (size_t j = 0; j < k; j++)
            if (strcmp(n->attribute[j]->name, a->name) == 0)
                return bad_node(c, i, "twice the attribute", a->name);
        if (c->any && (kind != 't' || rk_onnx_dtype(a->t->data_type) == RK_DT_NONE)) continue;
        if (kind == 'g' || kind == 'G') {
            char q[RK_QUOTE_SIZE];
            return rk_fail(c->err, RK_E_UNSUPPORTED, "%s: node '%s' (%s) holds a subgraph; not "
                           "supported", c->m->shown, rk_node_shown(q, c->g, i), n->op_type);
        }
        if (kind == 't') {
            const rk_status st = whole(c, a->t);
            if (st) return st;
        }
    }
    while ((name = rk_schema_required(&at, &length)) != NULL) {
        bool there = false;
        for (size_t k = 0; k < n->n_attribute && !there; k++)
            there = strlen(n->attribute[k]->name) == length &&
                    memcmp(n->attribute[k]->name, name, length) == 0;
        if (!there) {
            char copy[64];
            snprintf(copy, sizeof copy, "%.*s", (int)length, name);
            return bad_node(c, i, "missing the attribute", copy);
        }
    }
    return RK_OK;
}

/* ---- QuantizeLinear and DequantizeLinear ---- */

static rk_status scales(check *c, size_t i)
{
    const Onnx__NodeProto *n = c->g->node[i];
    const Onnx__TensorProto *s = rk_index_initializer(c->index, rk_node_input(n, 1));
    const Onnx__TensorProto *z = rk_index_initializer(c->index, rk_node_input(n, 2));
    rk_tensor scale, zero;
    void *owned = NULL;
    size_t count = 1;
    rk_status st;

    if (!s) return RK_OK;   /* computed: nothing can be said before running it */
    if (s->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) return RK_OK;
    st = load(c, &scale, &owned, s);
    if (st) return st;
    for (size_t k = 0; k < scale.rank; k++) count *= scale.dim[k];
    for (size_t k = 0; k < count; k++) {
        float v;
        memcpy(&v, (const char *)scale.data + k * sizeof v, sizeof v);
        if (!isfinite(v) || !(v > 0.0f)) {
            char text[64];
            rk_free(owned);
            snprintf(text, sizeof text, "scale %zu is %g; it must be positive:", k, (double)v);
            return bad_node(c, i, text, s->name);
        }
    }
    rk_free(owned);
    if (!z) return RK_OK;
    st = load(c, &zero, &owned, z);
    rk_free(owned);
    if (st) return st;
    /* ONNX Runtime's quantiser writes single ones as [] and [1] side by side. */
    if (count == 1 && zero.bytes == rk_dtype_size(zero.type)) return RK_OK;
    if (zero.rank != scale.rank || memcmp(zero.dim, scale.dim, sizeof zero.dim) != 0)
        return bad_node(c, i, "the zero point's shape differs from the scale's:", z->name);
    return RK_OK;
}

static rk_status per_axis(check *c, size_t i)
{
    const Onnx__NodeProto *n = c->g->node[i];
    const Onnx__TensorProto *x = rk_index_initializer(c->index, rk_node_input(n, 0));
    const Onnx__TensorProto *s = rk_index_initializer(c->index, rk_node_input(n, 1));
    int64_t axis = rk_node_int(n, "axis", 1);
    char text[96];

    if (!x || !s || s->n_dims != 1 || rk_node_int(n, "block_size", 0)) return RK_OK;
    if (axis < 0) axis += (int64_t)x->n_dims;
    if (axis < 0 || axis >= (int64_t)x->n_dims) {
        /* One scale for all: the axis does not matter. */
        return s->dims[0] == 1 ? RK_OK : bad_node(c, i, "the axis is out of range", NULL);
    }
    if (s->dims[0] == x->dims[axis] || s->dims[0] == 1) return RK_OK;
    snprintf(text, sizeof text, "%lld scales for %lld rows of axis %lld:", (long long)s->dims[0],
             (long long)x->dims[axis], (long long)axis);
    return bad_node(c, i, text, x->name);
}

static rk_status nodes(check *c)
{
    for (size_t i = 0; i < c->g->n_node; i++) {
        const Onnx__NodeProto *n = c->g->node[i];
        const rk_schema *s = rk_schema_find(n->op_type, c->opset);
        rk_status st = slots(c, i, s);
        if (!st) st = attributes(c, i, s);
        if (!st && (rk_node_is(n, "QuantizeLinear") || rk_node_is(n, "DequantizeLinear"))) {
            st = scales(c, i);
            if (!st) st = per_axis(c, i);
        }
        if (st) return st;
    }
    return RK_OK;
}

/* A place within dims, given by one number or by one for each dimension, as one number. */
static bool place_of(uint64_t *out, const int64_t *index, size_t count, const int64_t *dims,
                     size_t rank)
{
    uint64_t total = 1, at = 0;

    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0 || (dims[i] && total > (UINT64_C(1) << 62) / (uint64_t)dims[i]))
            return false;
        total *= (uint64_t)dims[i];
        if (count == 1) continue;
        if (index[i] < 0 || index[i] >= dims[i]) return false;
        at = at * (uint64_t)dims[i] + (uint64_t)index[i];
    }
    if (count == 1) at = (uint64_t)index[0];
    *out = at;
    return index[0] >= 0 && at < total;
}

/* Indices of a sparse tensor: as many as values, within its dimensions, ascending. */
static rk_status sparse(const check *c, const Onnx__SparseTensorProto *s)
{
    char q[RK_QUOTE_SIZE];
    const char *name = quoted(q, s->values ? s->values->name : NULL);
    rk_tensor values, index;
    void *a = NULL, *b = NULL;
    uint64_t last = 0, at = 0;
    bool ok = s->values && s->indices && s->values->n_dims == 1 && s->n_dims > 0 &&
              s->n_dims <= RK_MAX_RANK;
    rk_status st = ok ? load(c, &values, &a, s->values) : RK_OK;

    if (ok && !st) st = load(c, &index, &b, s->indices);
    ok = ok && !st && index.type == RK_DT_I64 && index.rank >= 1 && index.rank <= 2 &&
         index.dim[0] == values.dim[0] && (index.rank == 1 || index.dim[1] == s->n_dims);
    const size_t each = ok && index.rank == 2 ? s->n_dims : 1;
    for (size_t i = 0; ok && i < index.dim[0]; i++) {
        int64_t k[RK_MAX_RANK];
        memcpy(k, (const char *)index.data + i * each * sizeof *k, each * sizeof *k);
        ok = place_of(&at, k, each, s->dims, s->n_dims) && (i == 0 || at > last);
        last = at;
    }
    rk_free(a);
    rk_free(b);
    if (st || ok) return st;
    return rk_fail(c->err, RK_E_FORMAT,
                   "%s: sparse tensor '%s': its indices are not one for each value, ascending and "
                   "within its dimensions", c->m->shown, name);
}

/* What a node must say of itself whoever knows its operator. */
static rk_status named(const check *c, size_t i)
{
    const Onnx__NodeProto *n = c->g->node[i];

    if (!n->op_type || !*n->op_type) {
        char q[RK_QUOTE_SIZE];
        return rk_fail(c->err, RK_E_FORMAT, "%s: node '%s' has no operator", c->m->shown,
                       rk_node_shown(q, c->g, i));
    }
    if (rk_onnx_opset(c->m, n->domain ? n->domain : "")) return RK_OK;
    if (default_domain(n->domain))
        return bad_node(c, i, "no default operator set is imported", NULL);
    return bad_node(c, i, "its domain is not imported:", n->domain);
}

/* Scales of the main graph. */
static rk_status all_scales(check *c)
{
    rk_status st = rk_index_new(&c->index, c->g, c->m->shown, c->err);

    for (size_t i = 0; i < c->g->n_node && !st; i++) {
        const Onnx__NodeProto *n = c->g->node[i];
        if (!rk_node_is(n, "QuantizeLinear") && !rk_node_is(n, "DequantizeLinear")) continue;
        st = scales(c, i);
        if (!st) st = per_axis(c, i);
    }
    rk_index_free(c->index);
    c->index = NULL;
    return st;
}

/* Known operators of the default domain, in every graph. */
static rk_status all_nodes(check *c, const rk_scope *s)
{
    rk_status st = RK_OK;

    for (size_t g = 0; g < s->graphs && !st; g++) {
        c->g = s->graph[g].proto;
        st = initializers(c);
        for (size_t i = 0; i < c->g->n_sparse_initializer && !st; i++)
            st = sparse(c, c->g->sparse_initializer[i]);
        for (size_t i = 0; i < s->graph[g].nodes && !st; i++) {
            const rk_snode *n = &s->node[s->graph[g].node + i];
            st = named(c, i);
            if (st) break;
            if (!n->schema || *n->schema->domain) continue;
            st = slots(c, i, n->schema);
            if (!st) st = attributes(c, i, n->schema);
        }
    }
    c->g = c->m->proto->graph;
    return st;
}

rk_status rk_onnx_check_any(const rk_onnx *m, rk_error *err)
{
    check c = {.m = m, .g = m->proto->graph, .any = true, .err = err};
    rk_scope *s = NULL;
    rk_status st = versions(&c);

    if (!st) st = metadata(&c);
    if (!st && c.g->n_output == 0)
        st = rk_fail(err, RK_E_FORMAT, "%s: the graph has no outputs", m->shown);
    if (!st) st = interface(&c, c.g->input, c.g->n_input, "input");
    if (!st) st = interface(&c, c.g->output, c.g->n_output, "output");
    if (!st) st = rk_scope_new(&s, m, err);
    if (!st) st = all_nodes(&c, s);
    if (!st) st = all_scales(&c);
    if (!st) st = rk_scope_infer(s, false, err);
    rk_scope_free(s);
    return st;
}

rk_status rk_onnx_check(const rk_onnx *m, rk_error *err)
{
    check c = {.m = m, .g = m->proto->graph, .err = err};
    int32_t *types = NULL;
    rk_status st = versions(&c);

    if (!st) st = metadata(&c);
    /* No nodes is odd but whole: the index asks that inputs or constants make the outputs. */
    if (!st && (c.g->n_input == 0 || c.g->n_output == 0))
        st = rk_fail(err, RK_E_FORMAT, "%s: the graph has no %s", m->shown,
                     c.g->n_input == 0 ? "inputs" : "outputs");
    if (!st) st = interface(&c, c.g->input, c.g->n_input, "input");
    if (!st) st = interface(&c, c.g->output, c.g->n_output, "output");
    if (!st) st = initializers(&c);
    if (!st) st = operators(&c);
    if (!st) st = rk_index_new(&c.index, c.g, m->shown, err);
    if (!st) st = nodes(&c);
    if (!st) st = rk_types_infer(&types, m, c.index, err);
    rk_free(types);
    rk_index_free(c.index);
    return st;
}
