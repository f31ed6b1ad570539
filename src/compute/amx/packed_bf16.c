/* Products of bfloat16 rows and weights with AMX-BF16. Within K 2^-22 sum |x w| of ref, subnormals
 * flushed. */
#include "compute/packed_kernel.h"

#define TILE_MAC(c, a, b) _tile_dpbf16ps(c, a, b)
#define tile_put(product, row, col, sums)                                                      \
    rk_epilogue_f32(product, row, col, _mm512_load_ps(sums))

#include "compute/amx/amx_tile.h"

const rk_packed_kernel rk_k_packed_bf16_amx = {
    .name = "amx", .nr = BLOCK_COLUMNS, .ks = 32, .k_side = 2, .input = RK_FORM_BF16,
    .weights = RK_DT_BF16, .span = tile_span,
};
