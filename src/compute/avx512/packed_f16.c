/* Products of half weights, widened in the inner loop, accumulated in float. Within
 * (K + 2) 2^-24 sum |x w| of ref. */
#include <immintrin.h>

#include "compute/packed_kernel.h"

typedef __m512 tile_acc;
typedef __m512 tile_weights;
#define TILE_ROWS 13
#define TILE_INNER RK_FORM_F32
#define TILE_STEP 64

static inline __m512 tile_load(const uint8_t *w, size_t half)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)(w + 32 * half)));
}

static inline __m512 tile_mac(__m512 acc, const uint8_t *x, __m512 w)
{
    return _mm512_fmadd_ps(_mm512_set1_ps(*(const float *)(const void *)x), w, acc);
}

#define tile_value(product, col, acc) rk_value_f32(product, col, *(acc))

#include "compute/avx512/tile.h"

const rk_packed_kernel rk_k_packed_f16_avx512 = {
    .name = "avx512", .nr = TILE_COLUMNS, .ks = 1, .k_side = 1, .input = RK_FORM_F32,
    .weights = RK_DT_F16, .span = tile_span,
};
