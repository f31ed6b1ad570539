/* Transposes of small blocks of floats. */
#ifndef RK_COMPUTE_SIMD_V16_TURN_H
#define RK_COMPUTE_SIMD_V16_TURN_H

#include "compute/simd/v16.h"

/* out[c][r] = in[r][c] for r < rows, c < cols (both at most 16); out rows are 16 wide, zero past
 * `rows`. Strides in floats. */
static void v16_turn(float *out, size_t out_stride, const float *in, size_t in_stride, size_t rows,
                     size_t cols)
{
#if defined(__AVX512F__)
    __m512 a[16], b[16];

#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r++)
        a[r] = r < rows ? v16_loadn(in + r * in_stride, cols) : v16_set(0.0f);
    /* pairs of rows, then pairs of pairs, within the four parts of each register */
#pragma GCC unroll 8
    for (size_t r = 0; r < 16; r += 2) {
        b[r] = _mm512_unpacklo_ps(a[r], a[r + 1]);
        b[r + 1] = _mm512_unpackhi_ps(a[r], a[r + 1]);
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < 16; r += 4)
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
            const __m512d lo = _mm512_castps_pd(b[r + h]), hi = _mm512_castps_pd(b[r + 2 + h]);
            a[r + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi));
            a[r + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi));
        }
    /* a[4 q + i] now has, in its part p, column 4 p + i of rows 4 q .. 4 q + 3 */
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        const __m512 x = _mm512_shuffle_f32x4(a[i], a[4 + i], 0x44);
        const __m512 y = _mm512_shuffle_f32x4(a[i], a[4 + i], 0xee);
        const __m512 z = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0x44);
        const __m512 w = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0xee);
        b[i] = _mm512_shuffle_f32x4(x, z, 0x88);
        b[4 + i] = _mm512_shuffle_f32x4(x, z, 0xdd);
        b[8 + i] = _mm512_shuffle_f32x4(y, w, 0x88);
        b[12 + i] = _mm512_shuffle_f32x4(y, w, 0xdd);
    }
#pragma GCC unroll 16
    for (size_t c = 0; c < 16; c++)
        if (c < cols) v16_store(out + c * out_stride, b[c]);
#else
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < 16; r++)
            out[c * out_stride + r] = r < rows ? in[r * in_stride + c] : 0.0f;
#endif
}

#endif
