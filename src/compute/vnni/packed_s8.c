/* Products of u8 rows and s8 weights with AVX512_VNNI. Equal to ref bit for bit: vpdpbusd sums four
 * products in 32 bits without saturation. */
#include <immintrin.h>

#include "compute/packed_kernel.h"

typedef __m512i tile_acc;
typedef __m512i tile_weights;
#define TILE_ROWS 13
#define TILE_INNER RK_FORM_U8
#define TILE_STEP 128

static inline __m512i tile_load(const uint8_t *w, size_t half)
{
    return _mm512_load_si512(w + 64 * half);
}

static inline __m512i tile_mac(__m512i acc, const uint8_t *x, __m512i w)
{
    return _mm512_dpbusd_epi32(acc, _mm512_set1_epi32(*(const int32_t *)(const void *)x), w);
}

#define tile_value(product, col, acc)                                                          \
    rk_value_s32(product, col,                                                                 \
                 _mm512_cvtepi32_ps(_mm512_sub_epi32(                                          \
                     *(acc), _mm512_loadu_si512((product)->w->comp + (col)))))

#include "compute/avx512/tile.h"

const rk_packed_kernel rk_k_packed_s8_vnni = {
    .name = "vnni", .nr = TILE_COLUMNS, .ks = 4, .k_side = 4, .input = RK_FORM_U8,
    .weights = RK_DT_I8, .span = tile_span,
};
