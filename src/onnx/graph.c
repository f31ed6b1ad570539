#include "onnx/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/model.h"

enum { INPUTS_MAX = 16 };

/* Room for one more pointer in a protobuf array; the array may have come from a file, so its
 * capacity is exactly its count. */
static bool room(rk_build *b, void *list, size_t count)
{
    void **at = list;
    void *p;

    if (b->failed) return false;
    memcpy(&p, at, sizeof p);
    p = rk_realloc(p, count + 1, sizeof(void *));
    if (!p) {
        b->failed = true;
        return false;
    }
    memcpy(at, &p, sizeof p);
    return true;
}

static char *copy(rk_build *b, const char *text)
{
    char *p = b->failed ? NULL : rk_strdup(text);
    if (!p) b->failed = true;
    return p;
}

/* A list of strings; empty and NULL when failed, so that the message can be freed. */
static char **copies(rk_build *b, const char *const *text, size_t count, size_t *n)
{
    char **list = b->failed ? NULL : rk_calloc(count ? count : 1, sizeof *list);

    *n = 0;
    if (!list) {
        b->failed = true;
        return NULL;
    }
    for (; *n < count; ++*n) {
        list[*n] = copy(b, text[*n]);
        if (!list[*n]) break;
    }
    return list;
}

Onnx__NodeProto *rk_add_node_n(rk_build *b, const char *op, const char *name,
                               const char *const *inputs, size_t n_inputs,
                               const char *const *outputs, size_t n_outputs)
{
    Onnx__NodeProto *n;

    if (!room(b, &b->graph->node, b->graph->n_node)) return NULL;
    n = rk_malloc(sizeof *n);
    if (!n) {
        b->failed = true;
        return NULL;
    }
    onnx__node_proto__init(n);
    n->op_type = copy(b, op);
    n->name = copy(b, name ? name : outputs[0]);
    n->input = copies(b, inputs, n_inputs, &n->n_input);
    n->output = copies(b, outputs, n_outputs, &n->n_output);
    if (b->failed) {
        rk_onnx_free(n);
        return NULL;
    }
    b->graph->node[b->graph->n_node++] = n;
    return n;
}

Onnx__NodeProto *rk_add_node(rk_build *b, const char *op, const char *output, ...)
{
    const char *inputs[INPUTS_MAX];
    size_t n = 0;
    va_list list;

    va_start(list, output);
    for (const char *in = va_arg(list, const char *); in; in = va_arg(list, const char *)) {
        if (n == INPUTS_MAX) {
            b->failed = true;
            break;
        }
        inputs[n++] = in;
    }
    va_end(list);
    return rk_add_node_n(b, op, NULL, inputs, n, &output, 1);
}

static Onnx__AttributeProto *attribute(rk_build *b, Onnx__NodeProto *node, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a;

    if (!node || !room(b, &node->attribute, node->n_attribute)) return NULL;
    a = rk_malloc(sizeof *a);
    if (!a) {
        b->failed = true;
        return NULL;
    }
    onnx__attribute_proto__init(a);
    a->has_type = 1;
    a->type = type;
    a->name = copy(b, name);
    if (!a->name) {
        rk_onnx_free(a);
        return NULL;
    }
    node->attribute[node->n_attribute++] = a;
    return a;
}

void rk_attr_int(rk_build *b, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!a) return;
    a->has_i = 1;
    a->i = value;
}

void rk_attr_float(rk_build *b, Onnx__NodeProto *node, const char *name, float value)
{
    Onnx__AttributeProto *a =
        attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (!a) return;
    a->has_f = 1;
    a->f = value;
}

void rk_attr_ints(rk_build *b, Onnx__NodeProto *node, const char *name, const int64_t *values,
                  size_t count)
{
    Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (!a) return;
    a->ints = rk_calloc(count ? count : 1, sizeof *a->ints);
    if (!a->ints) {
        b->failed = true;
        return;
    }
    memcpy(a->ints, values, count * sizeof *values);
    a->n_ints = count;
}

void rk_attr_tensor(rk_build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *t)
{
    Onnx__AttributeProto *a =
        attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    if (a) a->t = t;
    else rk_onnx_free(t);
}

void *rk_add_initializer(rk_build *b, const char *name, rk_dtype type, const size_t *dim,
                         size_t rank)
{
    Onnx__TensorProto *t;

    if (!room(b, &b->graph->initializer, b->graph->n_initializer)) return NULL;
    t = rk_onnx_tensor_new(name, type, dim, rank);
    if (!t) {
        b->failed = true;
        return NULL;
    }
    b->graph->initializer[b->graph->n_initializer++] = t;
    return t->raw_data.data;
}

void rk_add_scalar_f32(rk_build *b, const char *name, float value)
{
    void *p = rk_add_initializer(b, name, RK_DT_F32, NULL, 0);
    if (p) memcpy(p, &value, sizeof value);
}

void rk_add_vector_i64(rk_build *b, const char *name, const int64_t *values, size_t count)
{
    void *p = rk_add_initializer(b, name, RK_DT_I64, &count, 1);
    if (p) memcpy(p, values, count * sizeof *values);
}

/* A dimension: digits are a fixed size, anything else a name. */
static Onnx__TensorShapeProto__Dimension *dimension(rk_build *b, const char *text)
{
    Onnx__TensorShapeProto__Dimension *d = rk_malloc(sizeof *d);
    unsigned long long fixed = 0;
    char extra;

    if (!d) {
        b->failed = true;
        return NULL;
    }
    onnx__tensor_shape_proto__dimension__init(d);
    if (text[0] >= '0' && text[0] <= '9' && sscanf(text, "%llu%c", &fixed, &extra) == 1) {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = (int64_t)fixed;
        return d;
    }
    d->dim_param = copy(b, text);
    if (d->dim_param) d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return d;
}

static Onnx__ValueInfoProto *value_info(rk_build *b, const char *name, rk_dtype type,
                                        const char *const *dims, size_t rank)
{
    Onnx__ValueInfoProto *v = rk_malloc(sizeof *v);
    Onnx__TypeProto *p = rk_malloc(sizeof *p);
    Onnx__TypeProto__Tensor *t = rk_malloc(sizeof *t);
    Onnx__TensorShapeProto *s = rk_malloc(sizeof *s);

    if (!v || !p || !t || !s) {
        rk_free(v);
        rk_free(p);
        rk_free(t);
        rk_free(s);
        b->failed = true;
        return NULL;
    }
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(p);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(s);
    v->type = p;
    p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = t;
    t->has_elem_type = 1;
    t->elem_type = rk_onnx_data_type(type);
    t->shape = s;
    v->name = copy(b, name);
    s->dim = rk_calloc(rank ? rank : 1, sizeof *s->dim);
    if (!s->dim) b->failed = true;
    while (!b->failed && s->n_dim < rank) {
        s->dim[s->n_dim] = dimension(b, dims[s->n_dim]);
        if (s->dim[s->n_dim]) s->n_dim++;
    }
    if (!b->failed) return v;
    rk_onnx_free(v);
    return NULL;
}

void rk_add_input(rk_build *b, const char *name, rk_dtype type, const char *const *dims,
                  size_t rank)
{
    Onnx__ValueInfoProto *v;

    if (!room(b, &b->graph->input, b->graph->n_input)) return;
    v = value_info(b, name, type, dims, rank);
    if (v) b->graph->input[b->graph->n_input++] = v;
}

void rk_add_output(rk_build *b, const char *name, rk_dtype type, const char *const *dims,
                   size_t rank)
{
    Onnx__ValueInfoProto *v;

    if (!room(b, &b->graph->output, b->graph->n_output)) return;
    v = value_info(b, name, type, dims, rank);
    if (v) b->graph->output[b->graph->n_output++] = v;
}

/* ---- reading a node ---- */

const Onnx__AttributeProto *rk_node_attr(const Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (n->attribute[i]->name && strcmp(n->attribute[i]->name, name) == 0)
            return n->attribute[i];
    return NULL;
}

int64_t rk_node_int(const Onnx__NodeProto *n, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *a = rk_node_attr(n, name);
    return a && a->has_i ? a->i : otherwise;
}

float rk_node_float(const Onnx__NodeProto *n, const char *name, float otherwise)
{
    const Onnx__AttributeProto *a = rk_node_attr(n, name);
    return a && a->has_f ? a->f : otherwise;
}

bool rk_node_is(const Onnx__NodeProto *n, const char *op)
{
    const char *d = n->domain;
    return n->op_type && strcmp(n->op_type, op) == 0 && (!d || !*d || strcmp(d, "ai.onnx") == 0);
}

const char *rk_node_input(const Onnx__NodeProto *n, size_t slot)
{
    return slot < n->n_input && n->input[slot][0] ? n->input[slot] : NULL;
}

const char *rk_node_output(const Onnx__NodeProto *n, size_t slot)
{
    return slot < n->n_output && n->output[slot][0] ? n->output[slot] : NULL;
}

const char *rk_node_shown(char *out, const Onnx__GraphProto *g, size_t node)
{
    const Onnx__NodeProto *n = g->node[node];
    const char *name = n->name && n->name[0] ? n->name : rk_node_output(n, 0);

    if (name) return rk_quote(out, name, strlen(name));
    snprintf(out, RK_QUOTE_SIZE, "#%zu", node);
    return out;
}
