/* Products of u8 rows and s8 weights. Equal to ref bit for bit: both are widened to 16 bits and
 * multiplied by vpmaddwd, whose pair sum is at most 2 * 255 * 128 and is kept in 32 bits.
 * (vpmaddubsw would saturate its 16-bit pair sums.) */
#include <immintrin.h>

#include "compute/simd/epilogue.h"

enum { TILE_ROWS = 6, TILE_COLUMNS = 16, TILE_STEP = 32, TILE_AHEAD = 1024, BLOCK = 256 };

/* BLOCK values of a row widened to 16 bits, or the `left` that there are (even, as depth is). */
static inline void widen(int16_t *out, const uint8_t *x, size_t left)
{
    const size_t n = left < BLOCK ? left : (size_t)BLOCK;
    size_t k = 0;

    for (; k + 16 <= n; k += 16) {
        const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(x + k));
        _mm256_store_si256((__m256i *)(void *)(out + k), _mm256_cvtepu8_epi16(b));
    }
    for (; k < n; k++) out[k] = x[k];
}

/* The epilogue is code of its own, once for all heights. */
static __attribute__((noinline)) void tile_finish(const rk_product *p, size_t row, size_t rows,
                                                  size_t panel, __m256i (*sums)[2])
{
    const int32_t *comp = p->w->comp + panel * TILE_COLUMNS;

    for (size_t r = 0; r < rows; r++) {
        _Alignas(32) int32_t sum[TILE_COLUMNS];
        for (size_t h = 0; h < 2; h++) {
            const __m256i z = _mm256_loadu_si256((const __m256i *)(const void *)(comp + 8 * h));
            _mm256_store_si256((__m256i *)(void *)(sum + 8 * h), _mm256_sub_epi32(sums[r][h], z));
        }
        rk_epilogue_s32(p, row + r, panel * TILE_COLUMNS, v16_load_s32(sum));
    }
}

V16_FORCED void tile_run(const size_t rows, const rk_product *p, size_t row, size_t panel)
{
    const size_t ld = p->x_stride, depth = p->w->depth;
    const uint8_t *w = (const uint8_t *)p->w->data + panel * p->w->panel_bytes;
    const uint8_t *x = p->x + row * ld;
    _Alignas(32) int16_t wide[TILE_ROWS][BLOCK];
    __m256i c[TILE_ROWS][2], sums[TILE_ROWS][2];

#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) c[r][0] = c[r][1] = _mm256_setzero_si256();
    for (size_t k0 = 0; k0 < depth; k0 += BLOCK) {
        const size_t n = depth - k0 < BLOCK ? depth - k0 : (size_t)BLOCK;
        for (size_t r = 0; r < rows; r++) widen(wide[r], x + r * ld + k0, n);
        for (size_t k = 0; k < n; k += 2) {
            const __m128i *in = (const __m128i *)(const void *)w;
            const __m256i b0 = _mm256_cvtepi8_epi16(_mm_load_si128(in));
            const __m256i b1 = _mm256_cvtepi8_epi16(_mm_load_si128(in + 1));
            _mm_prefetch((const char *)w + TILE_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 6
            for (size_t r = 0; r < rows; r++) {
                int32_t pair;
                memcpy(&pair, &wide[r][k], sizeof pair);
                const __m256i a = _mm256_set1_epi32(pair);
                c[r][0] = _mm256_add_epi32(c[r][0], _mm256_madd_epi16(a, b0));
                c[r][1] = _mm256_add_epi32(c[r][1], _mm256_madd_epi16(a, b1));
            }
            w += TILE_STEP;
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
        sums[r][0] = c[r][0];
        sums[r][1] = c[r][1];
    }
    tile_finish(p, row, rows, panel, sums);
}

#include "compute/avx2/tile.h"

const rk_packed_kernel rk_k_packed_s8_avx2 = {
    .name = "avx2", .nr = TILE_COLUMNS, .ks = 2, .k_side = 2, .input = RK_FORM_U8,
    .weights = RK_DT_I8, .span = tile_span,
};
