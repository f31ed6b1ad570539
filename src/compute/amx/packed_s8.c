/* Products of u8 rows and s8 weights with AMX-INT8. Equal to ref bit for bit. */
#include "compute/packed_kernel.h"

#define TILE_MAC(c, a, b) _tile_dpbusd(c, a, b)
#define tile_put(product, row, col, sums)                                                      \
    rk_epilogue_s32(product, row, col,                                                         \
                    _mm512_cvtepi32_ps(                                                        \
                        _mm512_sub_epi32(_mm512_load_si512(sums),                              \
                                         _mm512_loadu_si512((product)->w->comp + (col)))))

#include "compute/amx/amx_tile.h"

const rk_packed_kernel rk_k_packed_s8_amx = {
    .name = "amx", .nr = BLOCK_COLUMNS, .ks = 64, .k_side = 4, .input = RK_FORM_U8,
    .weights = RK_DT_I8, .span = tile_span,
};
