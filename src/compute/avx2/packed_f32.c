/* Products of float weights. Within (K + 2) 2^-24 sum |x w| of ref. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TILE_STEP 64

static inline __m256 tile_load(const uint8_t *w, size_t half)
{
    return _mm256_load_ps((const float *)(const void *)(w + 32 * half));
}

#include "compute/avx2/packed_float.h"

const rk_packed_kernel rk_k_packed_f32_avx2 = {
    .name = "avx2", .nr = TILE_COLUMNS, .ks = 1, .k_side = 1, .input = RK_FORM_F32,
    .weights = RK_DT_F32, .span = tile_span,
};
