#include "compute/simd/train.h"

#define RK_TEXT2(x) #x
#define RK_TEXT(x) RK_TEXT2(x)

const rk_loops RK_K(loops) = {
    .level = RK_TEXT(RK_LEVEL),
    .layernorm = RK_K(layernorm),
    .layernorm_back = RK_K(layernorm_back),
    .activate = RK_K(activate),
    .activate_back = RK_K(activate_back),
    .attention = RK_K(attention),
    .attention_back = RK_K(attention_back),
    .add = RK_K(add),
    .column_sums = RK_K(column_sums),
    .square_sum = RK_K(square_sum),
    .dropout = RK_K(dropout),
    .dropout_mask = RK_K(dropout_mask),
    .adamw = RK_K(adamw),
    .adamw_idle = RK_K(adamw_idle),
    .to_bf16 = RK_K(to_bf16),
    .min_max = RK_K(min_max),
    .fake_u8 = RK_K(fake_u8),
    .scale_gradient = RK_K(scale_gradient),
    .fake_s8 = RK_K(fake_s8),
    .codes_u8 = RK_K(codes_u8),
    .codes_s8 = RK_K(codes_s8),
    .abs_max = RK_K(abs_max),
    .round_half = RK_K(round_half),
    .mask = RK_K(mask),
    .turn = RK_K(turn),
    .pairs = RK_K(pairs),
};
