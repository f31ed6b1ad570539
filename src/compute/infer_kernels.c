#include "compute/infer_kernels.h"

extern const rk_infer_kernels rk_k_infer_base;
#ifdef RK_HAVE_AVX2
extern const rk_infer_kernels rk_k_infer_avx2;
#endif
#ifdef RK_HAVE_AVX512
extern const rk_infer_kernels rk_k_infer_avx512;
#endif

const rk_infer_kernels *rk_infer_kernels_for(rk_level level)
{
#ifdef RK_HAVE_AVX512
    if (level >= RK_LEVEL_AVX512) return &rk_k_infer_avx512;
#endif
#ifdef RK_HAVE_AVX2
    if (level >= RK_LEVEL_AVX2) return &rk_k_infer_avx2;
#endif
    (void)level;
    return &rk_k_infer_base;
}

/* Keys turned, [head_size][length rounded up to 16], and the scores of four queries. */
size_t rk_infer_attention_floats(size_t length, size_t head_size)
{
    const size_t wide = (length + 15) / 16 * 16;
    return wide * (head_size + 4);
}
