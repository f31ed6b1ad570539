#include "base/dtype.h"

#include <string.h>

size_t rk_dtype_size(rk_dtype t)
{
    static const uint8_t size[] = {0, 4, 2, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1};
    return (size_t)t < sizeof size ? size[t] : 0;
}

const char *rk_dtype_name(rk_dtype t)
{
    static const char *const name[] = {"none", "F32", "F16", "BF16", "F64", "I8",  "U8",
                                       "I16",  "U16", "I32", "U32",  "I64", "U64", "BOOL"};
    return (size_t)t < sizeof name / sizeof name[0] ? name[t] : "none";
}

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

uint16_t rk_f16_from_f32(float x)
{
    const uint32_t u = bits_of(x), a = u & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    uint32_t h;

    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x1ffu));
    /* 65520 and more round to infinity */
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) {
        /* below 2^-14: the float adder does the rounding at the place of the last subnormal bit */
        const float r = float_of(a) + 0.5f;
        return (uint16_t)(sign | (bits_of(r) - 0x3f000000u));
    }
    h = a - 0x38000000u;
    h += 0xfffu + (h >> 13 & 1u);
    return (uint16_t)(sign | h >> 13);
}

float rk_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7fffu;
    if (a >= 0x7c00u) return float_of(sign | 0x7f800000u | (a & 0x3ffu) << 13);
    if (a < 0x400u) {
        const float v = (float)a * 0x1p-24f;
        return float_of(sign | bits_of(v));
    }
    return float_of(sign | ((a << 13) + 0x38000000u));
}

uint16_t rk_bf16_from_f32(float x)
{
    const uint32_t u = bits_of(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

float rk_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

void rk_half_from_f32(uint16_t *out, const void *in, size_t n, rk_dtype type)
{
    const char *p = in;
    float x;

    for (size_t i = 0; i < n && type == RK_DT_F16; i++) {
        memcpy(&x, p + i * sizeof x, sizeof x);
        const uint32_t a = bits_of(x) & 0x7fffffffu;
        const uint16_t h = rk_f16_from_f32(x);
        out[i] = a >= 0x477ff000u && a < 0x7f800000u ? (uint16_t)(h - 1) : h;
    }
    for (size_t i = 0; i < n && type != RK_DT_F16; i++) {
        memcpy(&x, p + i * sizeof x, sizeof x);
        const uint32_t a = bits_of(x) & 0x7fffffffu;
        const uint16_t h = rk_bf16_from_f32(x);
        out[i] = a >= 0x7f7f8000u && a < 0x7f800000u ? (uint16_t)(h - 1) : h;
    }
}

void rk_to_f32(float *out, const void *in, rk_dtype type, size_t n)
{
    const unsigned char *p = in;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        double d;
        switch (type) {
        case RK_DT_F16:
            memcpy(&h, p + 2 * i, sizeof h);
            out[i] = rk_f16_to_f32(h);
            break;
        case RK_DT_BF16:
            memcpy(&h, p + 2 * i, sizeof h);
            out[i] = rk_bf16_to_f32(h);
            break;
        case RK_DT_F64:
            memcpy(&d, p + 8 * i, sizeof d);
            out[i] = (float)d;
            break;
        default:
            memcpy(out + i, p + 4 * i, sizeof *out);
        }
    }
}
