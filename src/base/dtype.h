/* Element types and the half-width floats. */
#ifndef RK_BASE_DTYPE_H
#define RK_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

typedef enum rk_dtype {
    RK_DT_NONE = 0,
    RK_DT_F32,
    RK_DT_F16,
    RK_DT_BF16,
    RK_DT_F64,
    RK_DT_I8,
    RK_DT_U8,
    RK_DT_I16,
    RK_DT_U16,
    RK_DT_I32,
    RK_DT_U32,
    RK_DT_I64,
    RK_DT_U64,
    RK_DT_BOOL
} rk_dtype;

size_t rk_dtype_size(rk_dtype t);      /* bytes; 0 for RK_DT_NONE */
const char *rk_dtype_name(rk_dtype t); /* "F32", "BF16", ... as safetensors spells them */

/* IEEE binary16 and bfloat16 as bit patterns; to nearest, ties to even; NaN stays NaN, values past
 * the largest finite become infinity. */
uint16_t rk_f16_from_f32(float x);
float rk_f16_to_f32(uint16_t h);
uint16_t rk_bf16_from_f32(float x);
float rk_bf16_to_f32(uint16_t h);

/* n floats (maybe unaligned) as RK_DT_F16 or RK_DT_BF16; finite values that do not fit become the
 * largest finite one, infinities and NaN stay. */
void rk_half_from_f32(uint16_t *out, const void *in, size_t n, rk_dtype type);

/* Converts n elements of a floating type (F32, F16, BF16, F64) to float. */
void rk_to_f32(float *out, const void *in, rk_dtype type, size_t n);

#endif
