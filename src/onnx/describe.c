#include "onnx/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/infer.h"
#include "onnx/infer_rules.h"
#include "onnx/scope.h"
#include "onnx/store.h"
#include "onnx/walk.h"

enum { METADATA_SHOWN = 512 };

/* jansson wants valid UTF-8; the wire scan has made sure of it for every string. */

static int count_in(json_t *counts, const char *key)
{
    const json_t *old = json_object_get(counts, key);
    return json_object_set_new(counts, key,
                               json_integer((old ? json_integer_value(old) : 0) + 1));
}

/* Of every graph: bodies too. */
static rk_status count_operators(Onnx__GraphProto *g, void *o)
{
    char name[RK_QUOTE_SIZE * 2];

    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        const bool other = n->domain && *n->domain;
        snprintf(name, sizeof name, "%s%s%s", other ? n->domain : "", other ? ":" : "",
                 n->op_type ? n->op_type : "");
        if (count_in(o, name)) return RK_E_MEMORY;
    }
    return RK_OK;
}

static json_t *operators(const rk_onnx *m)
{
    json_t *o = json_object();

    if (o && rk_walk_graphs(m->proto->graph, count_operators, o)) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static int add_to(json_t *o, const char *key, json_int_t n)
{
    const json_t *old = json_object_get(o, key);
    return json_object_set_new(o, key, json_integer((old ? json_integer_value(old) : 0) + n));
}

typedef struct weighing {
    const rk_onnx *m;
    json_t *types;
} weighing;

static rk_status weigh(Onnx__GraphProto *g, void *user)
{
    const weighing *w = user;

    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *type = rk_onnx_type_name(g->initializer[i]->data_type);
        json_t *entry = json_object_get(w->types, type);
        rk_tensor_data d;
        if (!entry) {
            entry = json_object();
            if (json_object_set_new(w->types, type, entry)) return RK_E_MEMORY;
        }
        if (rk_tensor_open(&d, w->m, g->initializer[i], NULL)) d.view.bytes = 0;
        rk_tensor_close(&d);
        const size_t item = rk_dtype_size(d.view.type);
        if (add_to(entry, "tensors", 1) ||
            add_to(entry, "elements", item ? (json_int_t)(d.view.bytes / item) : 0) ||
            add_to(entry, "bytes", (json_int_t)d.view.bytes))
            return RK_E_MEMORY;
    }
    return RK_OK;
}

static json_t *initializers(const rk_onnx *m)
{
    weighing w = {m, json_object()};

    if (w.types && rk_walk_graphs(m->proto->graph, weigh, &w)) {
        json_decref(w.types);
        return NULL;
    }
    return w.types;
}

static json_t *shape(const Onnx__TensorShapeProto *s)
{
    json_t *list = s ? json_array() : json_null();

    for (size_t i = 0; s && list && i < s->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = s->dim[i];
        json_t *one;
        switch (d->value_case) {
        case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE:
            one = json_integer((json_int_t)d->dim_value);
            break;
        case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM:
            one = json_string(d->dim_param);
            break;
        default:
            one = json_null();
            break;
        }
        if (json_array_append_new(list, one)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *values(Onnx__ValueInfoProto *const *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; out && i < n; i++) {
        const Onnx__TypeProto *t = list[i]->type;
        const bool tensor = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        json_t *one =
            json_pack("{s:s, s:s, s:o}", "name", list[i]->name ? list[i]->name : "", "type",
                      tensor ? rk_onnx_type_name(t->tensor_type->elem_type) : "no tensor", "shape",
                      tensor ? shape(t->tensor_type->shape) : json_null());
        if (json_array_append_new(out, one)) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

/* One number of an initializer of a single element; false where there is none. */
static bool scalar(double *out, const rk_onnx *m, const rk_names *names, const char *name)
{
    const size_t *at = name ? rk_names_get(names, name) : NULL;
    const Onnx__TensorProto *p = at ? m->proto->graph->initializer[*at] : NULL;
    rk_tensor t;
    void *owned;
    float f;
    bool ok = false;

    if (!p || rk_onnx_tensor(&t, &owned, p, m->shown, NULL)) return false;
    if (t.type == RK_DT_F32 && t.bytes == sizeof f) {
        memcpy(&f, t.data, sizeof f);
        *out = (double)f;
        ok = true;
    } else if (t.bytes == 1) {
        *out = t.type == RK_DT_I8 ? *(const int8_t *)t.data : *(const uint8_t *)t.data;
        ok = true;
    }
    rk_free(owned);
    return ok;
}

static json_t *quantised(const rk_onnx *m)
{
    const Onnx__GraphProto *g = m->proto->graph;
    rk_names *names = rk_names_new();
    json_t *out = names ? json_array() : NULL;

    for (size_t i = 0; out && i < g->n_initializer; i++)
        if (g->initializer[i]->name && !rk_names_add(names, g->initializer[i]->name, i, NULL)) {
            json_decref(out);
            out = NULL;
        }
    for (size_t i = 0; out && i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        double scale = 0.0, zero = 0.0;
        if (!rk_node_is(n, "QuantizeLinear") || !rk_node_input(n, 0) ||
            !scalar(&scale, m, names, rk_node_input(n, 1)))
            continue;
        scalar(&zero, m, names, rk_node_input(n, 2));
        if (json_array_append_new(out, json_pack("{s:s, s:f, s:I}", "value", n->input[0], "scale",
                                                 scale, "zero_point", (json_int_t)zero))) {
            json_decref(out);
            out = NULL;
        }
    }
    rk_names_free(names);
    return out;
}

static json_t *metadata(const rk_onnx *m)
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < m->proto->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *p = m->proto->metadata_props[i];
        const char *text = p->value ? p->value : "";
        const size_t n = strlen(text);
        json_t *one = n <= METADATA_SHOWN ? json_string(text)
                                          : json_pack("{s:I}", "bytes", (json_int_t)n);
        if (json_object_set_new(o, p->key ? p->key : "", one)) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

/* Nodes by operator and by the type that they compute in: that of their first output, or of their
 * first input where they make no number. */
static json_t *precision(const rk_onnx *m)
{
    json_t *o = json_object();
    rk_scope *s = NULL;
    char shown[RK_TYPE_SHOWN];

    if (!o) return NULL;
    /* A model that contradicts itself has no such map. */
    if (rk_scope_new(&s, m, NULL) || rk_scope_infer(s, false, NULL)) {
        rk_scope_free(s);
        return o;
    }
    for (size_t i = 0; i < s->nodes; i++) {
        const char *op = s->node[i].proto->op_type ? s->node[i].proto->op_type : "";
        const rk_svalue *v = rk_scope_out(s, i, 0);
        json_t *of = json_object_get(o, op);
        const char *type = v && v->type ? rk_type_shown(shown, v->type) : "unknown";
        if (!of && json_object_set_new(o, op, of = json_object())) break;
        if (add_to(of, type, 1)) break;
    }
    rk_scope_free(s);
    return o;
}

rk_status rk_onnx_describe(json_t **out, const rk_onnx *m, rk_error *err)
{
    const Onnx__ModelProto *p = m->proto;
    const Onnx__GraphProto *g = p->graph;
    /* json_pack takes every 'o', also when one of them is NULL: then the whole is NULL. */
    *out = json_pack("{s:s, s:I, s:I, s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}",
                     "kind", "onnx", "bytes", (json_int_t)m->bytes,
                     "ir_version", (json_int_t)p->ir_version,
                     "opset", (json_int_t)rk_onnx_opset(m, ""),
                     "producer", p->producer_name ? p->producer_name : "",
                     "nodes", (json_int_t)g->n_node,
                     "operators", operators(m), "initializers", initializers(m),
                     "inputs", values(g->input, g->n_input),
                     "outputs", values(g->output, g->n_output),
                     "quantised", quantised(m), "precision", precision(m), "external_files",
                     (json_int_t)rk_store_files(m), "metadata", metadata(m));
    return *out ? RK_OK : rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
}
