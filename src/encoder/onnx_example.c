#include "encoder/onnx_example.h"

#include <string.h>

#include "base/mem.h"

enum { BUDGET = 1 << 22, FLOATS = 16 };

bool rk_array_shape(rk_array *a, size_t rank, const size_t *dim)
{
    size_t count = 1;

    if (rank > RK_MAX_RANK) return false;
    for (size_t i = 0; i < rank; i++)
        if (!rk_mul(&count, count, dim[i])) return false;
    a->shaped = true;
    a->rank = rank;
    a->count = count;
    for (size_t i = 0; i < rank; i++) a->dim[i] = dim[i];
    return true;
}

bool rk_array_numbers(rk_array *a, rk_example *e)
{
    if (a->count > RK_ARRAY_LIMIT || a->count > e->budget) return false;
    a->data = rk_calloc(a->count ? a->count : 1, sizeof *a->data);
    if (!a->data) {
        e->failed = true;
        return false;
    }
    e->budget -= a->count;
    return true;
}

static rk_array *slot(const rk_example *e, const char *name)
{
    const rk_value *v = rk_index_find(e->x, name);
    return v ? &e->value[v - e->x->value] : NULL;
}

const rk_array *rk_example_find(const rk_example *e, const char *name)
{
    const rk_array *a = slot(e, name);
    return a && a->shaped ? a : NULL;
}

static double number(const rk_tensor *t, size_t i)
{
    union {
        float f;
        int64_t l;
        int32_t w;
        int16_t s;
    } v;

    switch (t->type) {
    case RK_DT_I64:
        memcpy(&v.l, (const char *)t->data + i * 8, 8);
        return (double)v.l;
    case RK_DT_I32:
        memcpy(&v.w, (const char *)t->data + i * 4, 4);
        return v.w;
    case RK_DT_I16:
        memcpy(&v.s, (const char *)t->data + i * 2, 2);
        return v.s;
    case RK_DT_I8:
        return ((const int8_t *)t->data)[i];
    case RK_DT_U8:
    case RK_DT_BOOL:
        return ((const uint8_t *)t->data)[i];
    default:
        rk_to_f32(&v.f, (const char *)t->data + i * rk_dtype_size(t->type), t->type, 1);
        return (double)v.f;
    }
}

/* The shape of a constant, and its numbers where they are few: of whole ones those that indices and
 * shapes are made of, of floats single ones. */
static rk_status constant(rk_example *e, rk_array *a, const Onnx__TensorProto *t, const char *shown,
                          rk_error *err)
{
    void *owned = NULL;
    rk_tensor r;
    bool real, known;
    rk_status st = rk_onnx_tensor(&r, &owned, t, shown, err);

    if (st) return st == RK_E_MEMORY ? st : RK_OK; /* who reads it will say what is wrong */
    real =
        r.type == RK_DT_F32 || r.type == RK_DT_F16 || r.type == RK_DT_BF16 || r.type == RK_DT_F64;
    known = real || r.type == RK_DT_I64 || r.type == RK_DT_I32 || r.type == RK_DT_I16 ||
            r.type == RK_DT_I8 || r.type == RK_DT_U8 || r.type == RK_DT_BOOL;
    if (rk_array_shape(a, r.rank, r.dim) && known &&
        (a->count <= FLOATS || r.type == RK_DT_I64 || r.type == RK_DT_I32 ||
         r.type == RK_DT_BOOL) &&
        rk_array_numbers(a, e)) {
        a->whole = !real;
        for (size_t i = 0; i < a->count; i++) a->data[i] = number(&r, i);
    }
    rk_free(owned);
    return RK_OK;
}

static void feed(rk_example *e, rk_array *a, rk_feed what, bool whole)
{
    const size_t dim[2] = {e->batch, e->length};

    if (what == RK_FEED_NONE || !rk_array_shape(a, 2, dim) || !rk_array_numbers(a, e)) return;
    a->whole = whole;
    for (size_t b = 0; b < e->batch; b++)
        for (size_t l = 0; l < e->length; l++)
            a->data[b * e->length + l] = what == RK_FEED_IDS         ? (double)(b * e->length + l)
                                         : what == RK_FEED_MASK      ? b == 0 || l == 0
                                         : what == RK_FEED_POSITIONS ? (double)l
                                                                     : 0;
}

static bool whole_input(const Onnx__ValueInfoProto *v)
{
    if (!v->type || v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return true;
    switch (v->type->tensor_type->elem_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return false;
    default:
        return true;
    }
}

static bool list(rk_example *e, rk_array *a, const Onnx__AttributeProto *p, size_t count, bool one)
{
    if (!rk_array_shape(a, one ? 0 : 1, &count) || !rk_array_numbers(a, e)) return false;
    a->whole = p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT ||
               p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    return true;
}

static rk_status constant_node(rk_example *e, rk_array *a, const Onnx__NodeProto *n,
                               const char *shown, rk_error *err)
{
    const Onnx__AttributeProto *p = n->n_attribute == 1 ? n->attribute[0] : NULL;

    if (!p || !p->name) return RK_OK;
    if (strcmp(p->name, "value") == 0 && p->t) return constant(e, a, p->t, shown, err);
    if (strcmp(p->name, "value_int") == 0) {
        if (list(e, a, p, 1, true)) a->data[0] = (double)p->i;
    } else if (strcmp(p->name, "value_float") == 0) {
        if (list(e, a, p, 1, true)) a->data[0] = (double)p->f;
    } else if (strcmp(p->name, "value_ints") == 0 && list(e, a, p, p->n_ints, false)) {
        for (size_t i = 0; i < p->n_ints; i++) a->data[i] = (double)p->ints[i];
    }
    return RK_OK;
}

static void node(rk_example *e, const Onnx__NodeProto *n)
{
    const rk_array *in[RK_ARRAY_INPUTS];
    const size_t inputs = n->n_input < RK_ARRAY_INPUTS ? n->n_input : (size_t)RK_ARRAY_INPUTS;
    rk_array *out = rk_node_output(n, 0) ? slot(e, n->output[0]) : NULL;

    if (!out || n->n_input > RK_ARRAY_INPUTS) return;
    for (size_t i = 0; i < inputs; i++)
        in[i] = rk_node_input(n, i) ? rk_example_find(e, n->input[i]) : NULL;
    if (!rk_array_node(out, n, in, inputs, e)) {
        rk_free(out->data);
        *out = (rk_array){0};
    }
    for (size_t i = 1; i < n->n_output && rk_node_is(n, "DynamicQuantizeLinear"); i++) {
        rk_array *number_of = rk_node_output(n, i) ? slot(e, n->output[i]) : NULL;
        if (number_of) rk_array_shape(number_of, 0, NULL); /* scale and zero point: one each */
    }
}

bool rk_example_apply(rk_example *e, const Onnx__NodeProto *n, const rk_array *first, rk_array *out)
{
    const rk_array *in[RK_ARRAY_INPUTS];

    *out = (rk_array){0};
    if (n->n_input < 1 || n->n_input > RK_ARRAY_INPUTS) return false;
    in[0] = first;
    for (size_t i = 1; i < n->n_input; i++)
        in[i] = rk_node_input(n, i) ? rk_example_find(e, n->input[i]) : NULL;
    if (rk_array_node(out, n, in, n->n_input, e) && out->data) return true;
    rk_free(out->data);
    out->data = NULL;
    return false;
}

rk_status rk_example_new(rk_example **out, const rk_index *x, const rk_feed *feeds, size_t batch,
                         size_t length, const char *shown, rk_error *err)
{
    const Onnx__GraphProto *g = x->graph;
    rk_example *e = rk_calloc(1, sizeof *e);
    rk_status st = RK_OK;

    *out = NULL;
    if (!e) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    *e = (rk_example){.batch = batch, .length = length, .x = x, .budget = BUDGET};
    e->value = rk_calloc(x->values + 1, sizeof *e->value);
    if (!e->value) e->failed = true;
    for (size_t i = 0; !st && !e->failed && i < g->n_initializer; i++) {
        rk_array *a = slot(e, g->initializer[i]->name);
        if (a) st = constant(e, a, g->initializer[i], shown, err);
    }
    for (size_t i = 0; !st && !e->failed && i < g->n_input; i++) {
        rk_array *a = slot(e, g->input[i]->name);
        if (a && !a->shaped) feed(e, a, feeds[i], whole_input(g->input[i]));
    }
    for (size_t i = 0; !st && !e->failed && i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        rk_array *a = rk_node_is(n, "Constant") ? slot(e, rk_node_output(n, 0)) : NULL;
        if (a)
            st = constant_node(e, a, n, shown, err);
        else
            node(e, n);
    }
    if (!st && e->failed) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    if (st)
        rk_example_free(e);
    else
        *out = e;
    return st;
}

void rk_example_free(rk_example *e)
{
    if (!e) return;
    for (size_t i = 0; e->value && i < e->x->values; i++) rk_free(e->value[i].data);
    rk_free(e->value);
    rk_free(e);
}
