/* Products of half weights, widened in the inner loop. Within (K + 2) 2^-24 sum |x w| of ref. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define TILE_STEP 32

static inline __m256 tile_load(const uint8_t *w, size_t half)
{
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(w + 16 * half)));
}

#include "compute/avx2/packed_float.h"

const rk_packed_kernel rk_k_packed_f16_avx2 = {
    .name = "avx2", .nr = TILE_COLUMNS, .ks = 1, .k_side = 1, .input = RK_FORM_F32,
    .weights = RK_DT_F16, .span = tile_span,
};
