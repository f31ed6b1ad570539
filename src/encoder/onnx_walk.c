/* Walking an ONNX graph backwards: what lies behind a value, and constants. */
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"

enum { STEPS = 64 }; /* that leave a value as it is, one behind the other */

void rk_walk_close(rk_walk *w)
{
    for (size_t i = 0; i < w->owns; i++) rk_free(w->owned[i]);
    rk_free(w->owned);
    rk_free(w->feeds);
    rk_example_free(w->example[0]);
    rk_example_free(w->example[1]);
    rk_index_free(w->x);
}

rk_status rk_walk_misfit(const rk_walk *w, const char *value, const char *wanted)
{
    char shown[RK_QUOTE_SIZE], op[RK_QUOTE_SIZE];
    const rk_value *v = rk_index_find(w->x, value);
    const char *name = value ? value : "";

    if (v && v->node != RK_NONE) {
        const char *type = w->g->node[v->node]->op_type;
        return rk_fail(w->err, RK_E_UNSUPPORTED,
                       "%s: node '%s' (%s) does not fit a BERT classifier: want %s", w->m->shown,
                       rk_node_shown(shown, w->g, v->node), rk_quote(op, type, strlen(type)),
                       wanted);
    }
    return rk_fail(w->err, RK_E_UNSUPPORTED,
                   "%s: value '%s' does not fit a BERT classifier: want %s", w->m->shown,
                   rk_quote(shown, name, strlen(name)), wanted);
}

rk_status rk_walk_memory(const rk_walk *w)
{
    const rk_status st = rk_copies_fit(w->m->bytes, w->copied, w->m->shown, w->err);
    if (st) return st;
    return rk_fail(w->err, RK_E_MEMORY, "%s: out of memory", w->m->shown);
}

/* Whether so many bytes more may be copied. */
static bool may_copy(rk_walk *w, size_t bytes)
{
    return rk_add(&w->copied, w->copied, bytes) &&
           rk_copies_fit(w->m->bytes, w->copied, w->m->shown, NULL) == RK_OK;
}

/* Takes p; NULL where p is or where the list cannot grow. */
static void *own(rk_walk *w, void *p)
{
    if (p && w->owns == w->room) {
        const size_t room = w->room ? 2 * w->room : 64;
        void **list = rk_realloc(w->owned, room, sizeof *list);
        if (!list) {
            rk_free(p);
            return NULL;
        }
        w->owned = list;
        w->room = room;
    }
    if (p) w->owned[w->owns++] = p;
    return p;
}

void *rk_walk_alloc(rk_walk *w, size_t count, size_t size)
{
    size_t bytes;

    if (!rk_mul(&bytes, count, size) || !may_copy(w, bytes)) return NULL;
    return own(w, rk_calloc(count ? count : 1, size));
}

static bool float_type(int64_t t)
{
    return t == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
           t == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           t == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 ||
           t == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

/* A Dropout that drops nothing: not told to train, by input (opset 12) or at all. */
static bool idle_dropout(const rk_walk *w, const Onnx__NodeProto *n)
{
    const rk_array *training;

    if (!rk_node_is(n, "Dropout")) return false;
    if (!rk_node_input(n, 2)) return true;
    training = w->example[0] ? rk_example_find(w->example[0], n->input[2]) : NULL;
    return training && training->data && training->count == 1 && training->data[0] == 0;
}

const Onnx__NodeProto *rk_walk_maker(const rk_walk *w, const char *value)
{
    const Onnx__NodeProto *n = value ? rk_index_producer(w->x, value) : NULL;
    const char *first = n ? rk_node_output(n, 0) : NULL;
    return first && strcmp(first, value) == 0 ? n : NULL;
}

const char *rk_walk_behind(const rk_walk *w, const char *value)
{
    /* Every part of the graph is looked at many times over, so a file must not make one look
     * long. */
    for (size_t i = 0; i < STEPS; i++) {
        const Onnx__NodeProto *n = rk_walk_maker(w, value);
        if (!n || n->n_input < 1) return value;
        if (!rk_node_is(n, "Identity") && !idle_dropout(w, n) &&
            !(rk_node_is(n, "Cast") && float_type(rk_node_int(n, "to", 0))))
            return value;
        value = rk_node_input(n, 0);
    }
    return value;
}

const Onnx__NodeProto *rk_walk_node(const rk_walk *w, const char *value, const char *op)
{
    const Onnx__NodeProto *n = rk_walk_maker(w, rk_walk_behind(w, value));
    return n && rk_node_is(n, op) ? n : NULL;
}

bool rk_walk_pair(const rk_walk *w, const char *op, const char *value, const char *pair[2])
{
    const Onnx__NodeProto *n = rk_walk_node(w, value, op);

    if (!n || n->n_input != 2) return false;
    pair[0] = rk_node_input(n, 0);
    pair[1] = rk_node_input(n, 1);
    return pair[0] && pair[1];
}

rk_status rk_walk_constant(rk_walk *w, rk_tensor *out, bool *found, const char *value)
{
    const char *at = rk_walk_behind(w, value);
    const Onnx__TensorProto *t = rk_index_initializer(w->x, at);
    const Onnx__NodeProto *n = rk_index_producer(w->x, at);
    void *owned = NULL;
    rk_status st;

    if (!t && n && rk_node_is(n, "Constant")) {
        const Onnx__AttributeProto *a = rk_node_attr(n, "value");
        t = a ? a->t : NULL;
    }
    *found = t != NULL;
    if (!t) return RK_OK;
    st = rk_onnx_tensor(out, &owned, t, w->m->shown, w->err);
    if (st || !owned) return st;
    if (!may_copy(w, out->bytes)) {
        rk_free(owned);
        return rk_walk_memory(w);
    }
    return own(w, owned) ? RK_OK : rk_walk_memory(w);
}

static size_t elements(const rk_tensor *t)
{
    return t->bytes / rk_dtype_size(t->type);
}

bool rk_walk_scalar(rk_walk *w, double *out, const char *value)
{
    const rk_array *a = w->example[0] ? rk_example_find(w->example[0], value) : NULL;
    rk_tensor t;
    bool found;
    float f;

    if (a && a->data && a->count == 1) {
        const rk_array *b = rk_example_find(w->example[1], value);
        *out = a->data[0];
        return b && b->data && b->count == 1 && b->data[0] == *out;
    }
    if (rk_walk_constant(w, &t, &found, value) || !found || t.bytes == 0 || elements(&t) != 1)
        return false;
    switch (t.type) {
    case RK_DT_F32: case RK_DT_F16: case RK_DT_BF16: case RK_DT_F64:
        rk_to_f32(&f, t.data, t.type, 1);
        *out = (double)f;
        return true;
    case RK_DT_I64: {
        int64_t i;
        memcpy(&i, t.data, sizeof i);
        *out = (double)i;
        return true;
    }
    case RK_DT_I32: {
        int32_t i;
        memcpy(&i, t.data, sizeof i);
        *out = (double)i;
        return true;
    }
    case RK_DT_U8: *out = *(const uint8_t *)t.data; return true;
    case RK_DT_I8: *out = *(const int8_t *)t.data; return true;
    default: return false;
    }
}

bool rk_walk_whole(rk_walk *w, int64_t *out, size_t *count, size_t room, const char *value)
{
    rk_tensor t;
    bool found;

    if (rk_walk_constant(w, &t, &found, value) || !found || t.type != RK_DT_I64 ||
        elements(&t) > room)
        return false;
    *count = elements(&t);
    memcpy(out, t.data, t.bytes);
    return true;
}

/* A vector kept as codes: (code - zero) * scale, as DequantizeLinear has it. */
static rk_status codes_as_floats(rk_walk *w, const float **out, size_t *width,
                                 const Onnx__NodeProto *d)
{
    const char *at = rk_node_output(d, 0);
    const float *scale;
    const int32_t *zero;
    rk_tensor t;
    bool found;
    float *f;
    rk_status st = rk_walk_constant(w, &t, &found, rk_node_input(d, 0));

    if (st) return st;
    if (!found || t.rank != 1 || t.dim[0] == 0 || (*width && t.dim[0] != *width) ||
        (t.type != RK_DT_I32 && t.type != RK_DT_I8 && t.type != RK_DT_U8))
        return rk_walk_misfit(w, at, "a constant vector of the layer's width");
    st = rk_walk_scales(w, &scale, &zero, d, t.dim[0], t.type);
    if (st) return st;
    f = rk_walk_alloc(w, t.dim[0], sizeof *f);
    if (!f) return rk_walk_memory(w);
    for (size_t i = 0; i < t.dim[0]; i++) {
        int32_t code;
        if (t.type == RK_DT_I32) memcpy(&code, (const char *)t.data + i * sizeof code, sizeof code);
        else code = t.type == RK_DT_U8 ? ((const uint8_t *)t.data)[i] : ((const int8_t *)t.data)[i];
        f[i] = (float)((int64_t)code - (zero ? zero[i] : 0)) * scale[i];
    }
    *width = t.dim[0];
    *out = f;
    return RK_OK;
}

rk_status rk_walk_floats(rk_walk *w, const float **out, size_t *width, const char *value)
{
    rk_tensor t;
    bool found;
    float *f;
    const Onnx__NodeProto *d = rk_walk_node(w, value, "DequantizeLinear");
    rk_status st;

    if (d) return codes_as_floats(w, out, width, d);
    st = rk_walk_constant(w, &t, &found, value);
    if (st) return st;
    if (!found || t.rank != 1 || t.dim[0] == 0 || (*width && t.dim[0] != *width))
        return rk_walk_misfit(w, value, "a constant vector of the layer's width");
    if (t.type != RK_DT_F32 && t.type != RK_DT_F16 && t.type != RK_DT_BF16)
        return rk_walk_misfit(w, value, "a vector of floats");
    f = rk_walk_alloc(w, t.dim[0], sizeof *f);
    if (!f) return rk_walk_memory(w);
    rk_to_f32(f, t.data, t.type, t.dim[0]);
    *width = t.dim[0];
    *out = f;
    return RK_OK;
}

/* The mean over the last axis of a value. */
static bool is_mean(rk_walk *w, const char *value, const char *of)
{
    const Onnx__NodeProto *n = rk_walk_node(w, value, "ReduceMean");
    const Onnx__AttributeProto *p = n ? rk_node_attr(n, "axes") : NULL;
    int64_t axis = p && p->n_ints == 1 ? p->ints[0] : 0;
    size_t count;

    if (!n || !rk_node_int(n, "keepdims", 1)) return false;
    if (rk_node_input(n, 1) && (!rk_walk_whole(w, &axis, &count, 1, n->input[1]) || count != 1))
        return false;
    return (axis == -1 || axis == 2) &&
           strcmp(rk_walk_behind(w, rk_node_input(n, 0)), rk_walk_behind(w, of)) == 0;
}

/* The operands of an Add or Mul, the constant vector second. */
static bool by_vector(rk_walk *w, const char *op, const char *value, const char *pair[2])
{
    rk_tensor t;
    bool found = false;

    if (!rk_walk_pair(w, op, value, pair)) return false;
    for (size_t i = 0; i < 2; i++) {
        const char *first = pair[0];
        if (rk_walk_constant(w, &t, &found, pair[1])) return false;
        if (found && t.rank == 1) return true;
        pair[0] = pair[1];
        pair[1] = first;
    }
    return false;
}

/* (x - mean) / sqrt(mean of squares + eps) * weight + bias, as files below opset 17 write it. */
static bool taken_apart(rk_walk *w, const char *named[2], double *eps, const char **input,
                        const char *value)
{
    const Onnx__NodeProto *quotient, *root, *centred, *square;
    const char *sum[2], *scaled[2], *wide[2], *twice[2];
    double two;

    if (!by_vector(w, "Add", value, sum) || !by_vector(w, "Mul", sum[0], scaled)) return false;
    quotient = rk_walk_node(w, scaled[0], "Div");
    root = quotient ? rk_walk_node(w, rk_node_input(quotient, 1), "Sqrt") : NULL;
    centred = quotient ? rk_walk_node(w, rk_node_input(quotient, 0), "Sub") : NULL;
    if (!root || !centred || !rk_walk_pair(w, "Add", rk_node_input(root, 0), wide)) return false;
    if (!rk_walk_scalar(w, eps, wide[1])) {
        const char *first = wide[0];
        wide[0] = wide[1];
        wide[1] = first;
        if (!rk_walk_scalar(w, eps, wide[1])) return false;
    }
    *input = rk_node_input(centred, 0);
    if (!is_mean(w, rk_node_input(centred, 1), *input)) return false;
    square = rk_walk_node(w, wide[0], "ReduceMean");
    if (!square || !is_mean(w, wide[0], rk_node_input(square, 0))) return false;
    twice[1] = NULL;
    if (rk_walk_pair(w, "Pow", rk_node_input(square, 0), twice)) {
        if (!rk_walk_scalar(w, &two, twice[1]) || two != 2) return false;
        twice[1] = twice[0];
    } else if (!rk_walk_pair(w, "Mul", rk_node_input(square, 0), twice)) {
        return false;
    }
    named[0] = scaled[1];
    named[1] = sum[1];
    for (size_t i = 0; i < 2; i++)
        if (rk_walk_node(w, twice[i], "Sub") == NULL ||
            strcmp(rk_node_input(rk_walk_node(w, twice[i], "Sub"), 0), *input) != 0 ||
            !is_mean(w, rk_node_input(rk_walk_node(w, twice[i], "Sub"), 1), *input))
            return false;
    return true;
}

rk_status rk_walk_norm(rk_walk *w, const float **weight, const float **bias, float *eps,
                       size_t *width, const char **input, const char *value)
{
    const Onnx__NodeProto *n = rk_walk_node(w, value, "LayerNormalization");
    const char *named[2];
    double apart;
    rk_status st;

    if (n && n->n_input == 3) {
        if (rk_node_int(n, "axis", -1) != -1 && rk_node_int(n, "axis", -1) != 2)
            return rk_walk_misfit(w, rk_walk_behind(w, value), "the last axis");
        *eps = rk_node_float(n, "epsilon", 1e-5f);
        *input = rk_node_input(n, 0);
        named[0] = rk_node_input(n, 1);
        named[1] = rk_node_input(n, 2);
    } else if (taken_apart(w, named, &apart, input, value)) {
        *eps = (float)apart;
    } else {
        return rk_walk_misfit(w, rk_walk_behind(w, value),
                              "a LayerNormalization with scale and bias");
    }
    st = rk_walk_floats(w, weight, width, named[0]);
    if (!st) st = rk_walk_floats(w, bias, width, named[1]);
    return st;
}
