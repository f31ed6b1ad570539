/* Layouts of operands: matrices of 32-bit units turned, rows of 16-bit values paired. */
#include <string.h>

#include "compute/simd/train.h"
#if defined(__AVX512F__)
#include "compute/simd/v16_turn.h"
#endif

void RK_K(turn)(void *out, size_t out_stride, const void *in, size_t in_stride, size_t rows,
                size_t cols)
{
    enum { SIDE = 16 };
    for (size_t r = 0; r < rows; r += SIDE) {
        const size_t m = rows - r < SIDE ? rows - r : SIDE;
        for (size_t c = 0; c < cols; c += SIDE) {
            const size_t n = cols - c < SIDE ? cols - c : SIDE;
#if defined(__AVX512F__)
            float *y = (float *)out + c * out_stride + r;
            const float *x = (const float *)in + r * in_stride + c;
            if (m == SIDE && n == SIDE) v16_turn(y, out_stride, x, in_stride, SIDE, SIDE);
            else v16_turn(y, out_stride, x, in_stride, m, n);
#else
            uint32_t unit[SIDE] = {0};
            for (size_t i = 0; i < n; i++) {
                for (size_t k = 0; k < m; k++)
                    memcpy(&unit[k], (const char *)in + ((r + k) * in_stride + c + i) * 4, 4);
                memcpy((char *)out + ((c + i) * out_stride + r) * 4, unit, sizeof unit);
            }
#endif
        }
    }
}

void RK_K(pairs)(void *out, size_t out_stride, const uint16_t *in, size_t in_stride, size_t rows,
                 size_t cols)
{
    for (size_t r = 0; r < rows; r += 2) {
        uint32_t *y = (uint32_t *)out + r / 2 * out_stride;
        const uint16_t *a = in + r * in_stride, *b = a + in_stride;
        if (r + 1 < rows) {
#pragma omp simd
            for (size_t c = 0; c < cols; c++) y[c] = a[c] | (uint32_t)b[c] << 16;
        } else {
#pragma omp simd
            for (size_t c = 0; c < cols; c++) y[c] = a[c];
        }
    }
}
