/* Quantised parts of an ONNX graph: codes with scales and zero points, roundings, matrices. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"
#include "quant/qparams.h"

/* Zero points [count] as they are in a constant, or spread from one. */
static rk_status zeros(rk_walk *w, const int32_t **out, const char *value, size_t count,
                       rk_dtype type, const char *at)
{
    rk_tensor t;
    bool found, any = false;
    int32_t *z;
    rk_status st = rk_walk_constant(w, &t, &found, value);

    if (st) return st;
    if (!found || t.type != type ||
        (t.bytes != rk_dtype_size(type) && t.bytes / rk_dtype_size(type) != count))
        return rk_walk_misfit(w, at, "constant zero points of the type of the codes");
    z = rk_walk_alloc(w, count, sizeof *z);
    if (!z) return rk_walk_memory(w);
    for (size_t i = 0; i < count; i++) {
        const size_t k = t.bytes == rk_dtype_size(type) ? 0 : i;
        if (type == RK_DT_I32)
            memcpy(&z[i], (const char *)t.data + k * sizeof *z, sizeof *z);
        else
            z[i] = type == RK_DT_U8 ? ((const uint8_t *)t.data)[k] : ((const int8_t *)t.data)[k];
        any = any || z[i] != 0;
    }
    *out = any ? z : NULL;
    return RK_OK;
}

static rk_status parameters(rk_walk *w, const float **scale, const int32_t **zero,
                            const char *scales, const char *zero_points, size_t count,
                            rk_dtype type, const char *at)
{
    rk_tensor t;
    bool found;
    float *f;
    rk_status st = rk_walk_constant(w, &t, &found, scales);

    *zero = NULL;
    if (st) return st;
    if (!found || t.type != RK_DT_F32 || t.rank > 1 || t.bytes == 0 ||
        (t.bytes != sizeof(float) && t.bytes / sizeof(float) != count))
        return rk_walk_misfit(w, at, "constant float scales, one an output");
    f = rk_walk_alloc(w, count, sizeof *f);
    if (!f) return rk_walk_memory(w);
    for (size_t i = 0; i < count; i++)
        memcpy(&f[i], (const char *)t.data + (t.bytes == sizeof(float) ? 0 : i) * sizeof *f,
               sizeof *f);
    *scale = f;
    return zero_points ? zeros(w, zero, zero_points, count, type, at) : RK_OK;
}

rk_status rk_walk_scales(rk_walk *w, const float **scale, const int32_t **zero,
                         const Onnx__NodeProto *n, size_t count, rk_dtype type)
{
    return parameters(w, scale, zero, rk_node_input(n, 1), rk_node_input(n, 2), count, type,
                      rk_node_output(n, 0));
}

/* uint8 codes as int8: both they and their zero points 128 lower. */
static rk_status lower(rk_walk *w, rk_walk_matrix *m, size_t count)
{
    const uint8_t *from = m->t.data;
    int8_t *codes;
    int32_t *zero;

    if (m->t.type != RK_DT_U8) return RK_OK;
    codes = rk_walk_alloc(w, m->t.bytes, 1);
    zero = rk_walk_alloc(w, count, sizeof *zero);
    if (!codes || !zero) return rk_walk_memory(w);
    for (size_t i = 0; i < m->t.bytes; i++) codes[i] = (int8_t)((int)from[i] - 128);
    for (size_t i = 0; i < count; i++) zero[i] = (m->zero ? m->zero[i] : 0) - 128;
    m->zero = NULL;
    for (size_t i = 0; i < count; i++)
        if (zero[i] != 0) m->zero = zero;
    m->t.data = codes;
    m->t.type = RK_DT_I8;
    return RK_OK;
}

rk_status rk_walk_codes(rk_walk *w, rk_walk_matrix *out, size_t axis, const char *codes,
                        const char *scale, const char *zero, bool *found)
{
    rk_status st;

    *out = (rk_walk_matrix){0};
    st = rk_walk_constant(w, &out->t, found, codes);
    if (st || !*found) return st;
    if (out->t.rank != 2 || out->t.dim[0] == 0 || out->t.dim[1] == 0 ||
        (out->t.type != RK_DT_I8 && out->t.type != RK_DT_U8))
        return rk_walk_misfit(w, codes, "a matrix of int8 or uint8 codes");
    st = parameters(w, &out->scale, &out->zero, scale, zero, out->t.dim[axis], out->t.type, codes);
    return st ? st : lower(w, out, out->t.dim[axis]);
}

/* Codes of a float matrix as QuantizeLinear has them: -128 is a code too. */
static int8_t *codes_of(rk_walk *w, const rk_tensor *t, const float *scale, size_t axis)
{
    const size_t rows = t->dim[0], cols = t->dim[1];
    const char *data = t->data; /* at any byte of the file */
    int8_t *codes = rk_walk_alloc(w, rows * cols, 1);

    if (!codes) return NULL;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < cols; k++) {
            const float s = scale[axis == 0 ? i : k];
            float x;
            memcpy(&x, data + (i * cols + k) * sizeof x, sizeof x);
            codes[i * cols + k] =
                nearbyintf(x / s) < -127.5f ? (int8_t)-128 : rk_quantize_s8(x, s);
        }
    return codes;
}

/* DequantizeLinear of QuantizeLinear of float weights: symmetric, the same scales. */
static rk_status rounded_weights(rk_walk *w, rk_walk_matrix *out, size_t axis,
                                 const Onnx__NodeProto *d, const Onnx__NodeProto *q)
{
    const float *same;
    const int32_t *zero;
    rk_status st;

    if (out->t.type != RK_DT_F32) return rk_walk_misfit(w, rk_node_output(q, 0), "float weights");
    st = rk_walk_scales(w, &out->scale, &out->zero, d, out->t.dim[axis], RK_DT_I8);
    if (!st) st = rk_walk_scales(w, &same, &zero, q, out->t.dim[axis], RK_DT_I8);
    if (st) return st;
    if (zero || out->zero) return rk_walk_misfit(w, rk_node_output(q, 0), "int8 zero points of 0");
    if (memcmp(same, out->scale, out->t.dim[axis] * sizeof *same) != 0)
        return rk_walk_misfit(w, rk_node_output(d, 0), "the scales of its QuantizeLinear");
    out->t.data = codes_of(w, &out->t, out->scale, axis);
    if (!out->t.data) return rk_walk_memory(w);
    out->t.type = RK_DT_I8;
    return RK_OK;
}

rk_status rk_walk_weights(rk_walk *w, rk_walk_matrix *out, size_t axis, const char *value,
                          bool *found)
{
    const Onnx__NodeProto *d = rk_walk_node(w, value, "DequantizeLinear");
    const Onnx__NodeProto *q = d ? rk_walk_node(w, rk_node_input(d, 0), "QuantizeLinear") : NULL;
    rk_status st;

    *out = (rk_walk_matrix){0};
    st = rk_walk_constant(w, &out->t, found,
                          q   ? rk_node_input(q, 0)
                          : d ? rk_node_input(d, 0)
                              : value);
    if (st || !*found) return st;
    if (out->t.rank != 2 || out->t.dim[0] == 0 || out->t.dim[1] == 0)
        return rk_walk_misfit(w, value, "a matrix");
    if (!d) {
        if (out->t.type != RK_DT_F32 && out->t.type != RK_DT_F16 && out->t.type != RK_DT_BF16)
            return rk_walk_misfit(w, value, "float weights");
        return RK_OK;
    }
    if (!q) {
        st = rk_walk_codes(w, out, axis, rk_node_input(d, 0), rk_node_input(d, 1),
                           rk_node_input(d, 2), found);
        if (st) return st;
    } else {
        st = rounded_weights(w, out, axis, d, q);
        if (st) return st;
    }
    /* one scale for all lies along any axis */
    for (size_t i = 1; i < out->t.dim[axis]; i++)
        if (out->scale[i] != out->scale[0] && rk_node_int(d, "axis", 1) != (int64_t)axis &&
            rk_node_int(d, "axis", 1) != (int64_t)axis - 2)
            return rk_walk_misfit(w, rk_node_output(d, 0), "scales along the other axis");
    return RK_OK;
}

/* Scale, zero point and range of codes of one of the pair. */
static rk_status one_rounding(rk_walk *w, rk_quantiser *q, const Onnx__NodeProto *n)
{
    const char *zero = rk_node_input(n, 2);
    rk_tensor t = {.type = RK_DT_U8};
    bool found = true;
    double scale, at = 0;
    rk_status st = zero ? rk_walk_constant(w, &t, &found, zero) : RK_OK;

    if (st) return st;
    if (!found || (t.type != RK_DT_U8 && t.type != RK_DT_I8) ||
        (zero && !rk_walk_scalar(w, &at, zero)) || !rk_walk_scalar(w, &scale, rk_node_input(n, 1)))
        return rk_walk_misfit(w, rk_node_output(n, 0),
                              "one constant scale and an 8-bit zero point");
    *q = (rk_quantiser){.on = true,
                        .scale = (float)scale,
                        .zero = (int)at,
                        .least = t.type == RK_DT_I8 ? -128 : 0,
                        .most = t.type == RK_DT_I8 ? 127 : 255};
    return RK_OK;
}

static bool same_rounding(const rk_quantiser *a, const rk_quantiser *b)
{
    return a->scale == b->scale && a->zero == b->zero && a->least == b->least;
}

rk_status rk_walk_rounding(rk_walk *w, rk_quantiser *q, const char **value)
{
    q->on = false;
    for (;;) {
        const Onnx__NodeProto *d = rk_walk_node(w, *value, "DequantizeLinear");
        const Onnx__NodeProto *f =
            d ? rk_walk_node(w, rk_node_input(d, 0), "QuantizeLinear") : NULL;
        rk_quantiser a, b;
        rk_status st;

        if (!d || !f) return RK_OK;
        st = one_rounding(w, &a, d);
        if (!st) st = one_rounding(w, &b, f);
        if (st) return st;
        if (!same_rounding(&a, &b))
            return rk_walk_misfit(w, *value, "the scale and zero point of its QuantizeLinear");
        if (q->on && !same_rounding(q, &a))
            return rk_walk_misfit(w, *value, "the scale and zero point of the rounding after it");
        *q = a;
        *value = rk_node_input(f, 0);
    }
}
