/* The float tile of AVX2, for float and half weights. The including file defines tile_load(panel,
 * half): 8 columns of one step widened to float, and TILE_STEP, the bytes of a step. */
#ifndef RK_COMPUTE_AVX2_PACKED_FLOAT_H
#define RK_COMPUTE_AVX2_PACKED_FLOAT_H

#include "compute/simd/epilogue.h"

enum { TILE_ROWS = 6, TILE_COLUMNS = 16, TILE_AHEAD = 1024 };

/* The epilogue is code of its own, once for all heights. */
static __attribute__((noinline)) void tile_finish(const rk_product *p, size_t row, size_t rows,
                                                  size_t panel, const v16 *sums)
{
    for (size_t r = 0; r < rows; r++) rk_epilogue_f32(p, row + r, panel * TILE_COLUMNS, sums[r]);
}

V16_FORCED void tile_run(const size_t rows, const rk_product *p, size_t row, size_t panel)
{
    const size_t ld = p->x_stride, steps = p->w->depth;
    const uint8_t *w = (const uint8_t *)p->w->data + panel * p->w->panel_bytes;
    const uint8_t *x = p->x + row * ld;
    v16 c[TILE_ROWS], sums[TILE_ROWS];

#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) c[r] = v16_set(0.0f);
    for (size_t k = 0; k < steps; k++) {
        const __m256 b0 = tile_load(w, 0), b1 = tile_load(w, 1);
        _mm_prefetch((const char *)w + TILE_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            const __m256 a = _mm256_broadcast_ss((const float *)(const void *)(x + r * ld));
            c[r].a = _mm256_fmadd_ps(a, b0, c[r].a);
            c[r].b = _mm256_fmadd_ps(a, b1, c[r].b);
        }
        w += TILE_STEP;
        x += 4;
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) sums[r] = c[r];
    tile_finish(p, row, rows, panel, sums);
}

#include "compute/avx2/tile.h"

#endif
