#include "convert/half_tensor.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { F16_MAX = 0x7bff, BF16_MAX = 0x7f7f, SIGN = 0x8000 };

static uint16_t half(float x, rk_dtype type, size_t *clamped)
{
    const bool f16 = type == RK_DT_F16;
    const uint16_t h = f16 ? rk_f16_from_f32(x) : rk_bf16_from_f32(x);
    const uint16_t infinity = f16 ? 0x7c00 : 0x7f80;

    if (!isfinite(x) || (h & ~SIGN) != infinity) return h;
    ++*clamped;
    return (uint16_t)((h & SIGN) | (f16 ? F16_MAX : BF16_MAX));
}

rk_status rk_half_tensor(Onnx__TensorProto **out, const Onnx__TensorProto *t, const char *name,
                         rk_dtype type, size_t *clamped, const char *shown, rk_error *err)
{
    rk_tensor view;
    void *owned;
    rk_status st = rk_onnx_tensor(&view, &owned, t, shown, err);

    *out = NULL;
    if (st) return st;
    Onnx__TensorProto *h = rk_onnx_tensor_new(name, type, view.dim, view.rank);
    if (!h) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    for (size_t i = 0; h && i < view.bytes / sizeof(float); i++) {
        float x;
        memcpy(&x, (const char *)view.data + i * sizeof x, sizeof x);
        const uint16_t v = half(x, type, clamped);
        memcpy(h->raw_data.data + i * sizeof v, &v, sizeof v);
    }
    rk_free(owned);
    *out = h;
    return st;
}
