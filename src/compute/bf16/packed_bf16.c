/* Products of bfloat16 rows and weights with AVX512_BF16. Within K 2^-22 sum |x w| of ref,
 * subnormals flushed. */
#include <immintrin.h>

#include "compute/packed_kernel.h"

typedef __m512 tile_acc;
typedef __m512i tile_weights;
#define TILE_ROWS 13
#define TILE_INNER RK_FORM_BF16
#define TILE_STEP 128

static inline __m512i tile_load(const uint8_t *w, size_t half)
{
    return _mm512_load_si512(w + 64 * half);
}

static inline __m512 tile_mac(__m512 acc, const uint8_t *x, __m512i w)
{
    const __m512i pair = _mm512_set1_epi32(*(const int32_t *)(const void *)x);
    return _mm512_dpbf16_ps(acc, (__m512bh)pair, (__m512bh)w);
}

#define tile_value(product, col, acc) rk_value_f32(product, col, *(acc))

#include "compute/avx512/tile.h"

const rk_packed_kernel rk_k_packed_bf16_bf16 = {
    .name = "bf16", .nr = TILE_COLUMNS, .ks = 2, .k_side = 2, .input = RK_FORM_BF16,
    .weights = RK_DT_BF16, .span = tile_span,
};
