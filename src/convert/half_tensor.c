#include "convert/half_tensor.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/store.h"

enum { PIECE = 1 << 14 };

float rk_half_smallest(rk_dtype type) { return type == RK_DT_F16 ? 0x1p-14f : 0x1p-126f; }

double rk_half_limit(rk_dtype type) { return type == RK_DT_F16 ? 65504.0 / 2 : 0x1p126; }

/* First finite magnitudes that round to infinity, and last ones that round to zero. */
static void look_piece(rk_half_stats *s, const float *x, size_t n, rk_dtype type)
{
    const float over = type == RK_DT_F16 ? 65520.0f : 0x1.ffp127f;
    const float under = type == RK_DT_F16 ? 0x1p-25f : 0x1p-134f;
    float largest = s->largest;
    unsigned beyond = 0, vanish = 0;

    for (size_t i = 0; i < n; i++) {
        const float a = fabsf(x[i]);
        const bool finite = a <= 0x1.fffffep127f;
        beyond += finite & (a >= over);
        vanish += (a > 0.0f) & (a <= under);
        largest = finite & (a > largest) ? a : largest;
    }
    s->beyond += beyond;
    s->vanish += vanish;
    s->largest = largest;
}

/* As float, whose range is wide enough for all of them; doubles past it are no less beyond. */
static void as_float(float *x, const void *from, size_t n, rk_dtype type)
{
    const unsigned char *p = from;

    for (size_t i = 0; i < n; i++) {
        double f = 0.0;
        int64_t whole = 0;
        uint64_t natural = 0;
        int32_t word = 0;
        uint32_t count = 0;
        switch (type) {
        case RK_DT_F64:
            memcpy(&f, p + i * sizeof f, sizeof f);
            x[i] = isfinite(f) ? (float)fmin(fabs(f), 3.0e38) : INFINITY;
            break;
        case RK_DT_I64:
            memcpy(&whole, p + i * sizeof whole, sizeof whole);
            x[i] = (float)whole;
            break;
        case RK_DT_U64:
            memcpy(&natural, p + i * sizeof natural, sizeof natural);
            x[i] = (float)natural;
            break;
        case RK_DT_I32:
            memcpy(&word, p + i * sizeof word, sizeof word);
            x[i] = (float)word;
            break;
        default:
            memcpy(&count, p + i * sizeof count, sizeof count);
            x[i] = (float)count;
        }
    }
}

/* Types whose numbers may be past half's range. */
static bool wide_type(rk_dtype t)
{
    return t == RK_DT_F32 || t == RK_DT_F64 || t == RK_DT_I64 || t == RK_DT_U64 ||
           t == RK_DT_I32 || t == RK_DT_U32;
}

rk_status rk_half_look(rk_half_stats *s, const Onnx__TensorProto *t, rk_dtype type,
                       const rk_onnx *m, rk_error *err)
{
    rk_tensor_data d;
    const rk_dtype own = rk_onnx_dtype(t->data_type);
    const size_t size = rk_dtype_size(own);
    void *from;
    rk_status st;
    float *x;

    *s = (rk_half_stats){.known = true};
    if (!wide_type(own)) return RK_OK;
    st = rk_tensor_open(&d, m, t, err);
    if (st) return st;
    x = rk_malloc(PIECE * sizeof *x);
    from = own == RK_DT_F32 ? x : rk_malloc(PIECE * size);
    if (!x || !from) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    for (size_t at = 0, n = d.view.bytes / size; at < n && !st; at += PIECE) {
        const size_t count = n - at < PIECE ? n - at : PIECE;
        st = rk_tensor_read(&d, from, at * size, count * size, err);
        if (!st && from != x) as_float(x, from, count, own);
        if (!st) look_piece(s, x, count, type);
    }
    if (from != x) rk_free(from);
    rk_free(x);
    rk_tensor_close(&d);
    return st;
}

rk_status rk_half_tensor(Onnx__TensorProto **out, const Onnx__TensorProto *t, const char *name,
                         rk_dtype type, const rk_onnx *m, rk_error *err)
{
    rk_tensor_data d;
    rk_status st = rk_tensor_open(&d, m, t, err);

    *out = NULL;
    if (st) return st;
    Onnx__TensorProto *h = rk_tensor_stored(t)
                               ? rk_tensor_stored_as(t, name, rk_onnx_data_type(type))
                               : rk_onnx_tensor_new(name, type, d.view.dim, d.view.rank);
    if (!h) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    else if (!rk_tensor_stored(t))
        rk_half_from_f32((uint16_t *)(void *)h->raw_data.data, d.view.data,
                         d.view.bytes / sizeof(float), type);
    rk_tensor_close(&d);
    *out = h;
    return st;
}
