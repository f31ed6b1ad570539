/* Products of float weights. Within (K + 2) 2^-24 sum |x w| of ref. */
#include <immintrin.h>

#include "compute/packed_kernel.h"

typedef __m512 tile_acc;
typedef __m512 tile_weights;
#define TILE_ROWS 14
#define TILE_INNER RK_FORM_F32
#define TILE_STEP 128

static inline __m512 tile_load(const uint8_t *w, size_t half)
{
    return _mm512_load_ps(w + 64 * half);
}

static inline __m512 tile_mac(__m512 acc, const uint8_t *x, __m512 w)
{
    return _mm512_fmadd_ps(_mm512_set1_ps(*(const float *)(const void *)x), w, acc);
}

#define tile_value(product, col, acc) rk_value_f32(product, col, *(acc))

#include "compute/avx512/tile.h"

const rk_packed_kernel rk_k_packed_f32_avx512 = {
    .name = "avx512", .nr = TILE_COLUMNS, .ks = 1, .k_side = 1, .input = RK_FORM_F32,
    .weights = RK_DT_F32, .span = tile_span,
};
