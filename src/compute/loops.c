#include "compute/loops.h"

#include <string.h>

#include "compute/cpu.h"

extern const rk_loops rk_k_loops_base, rk_k_loops_avx2, rk_k_loops_avx512;

size_t rk_attention_scratch(size_t n, size_t size)
{
    const size_t np = (n + 15) / 16 * 16, dp = (size + 15) / 16 * 16;
    return 3 * np * np + 4 * np * dp;
}

static const rk_loops *table(rk_level level)
{
#ifdef RK_HAVE_AVX512
    if (level >= RK_LEVEL_AVX512) return &rk_k_loops_avx512;
#endif
#ifdef RK_HAVE_AVX2
    if (level >= RK_LEVEL_AVX2) return &rk_k_loops_avx2;
#endif
    (void)level;
    return &rk_k_loops_base;
}

const rk_loops *rk_loops_get(void)
{
    return table(rk_cpu_level());
}

const rk_loops *rk_loops_level(const char *level)
{
    static const rk_level levels[] = {RK_LEVEL_REF, RK_LEVEL_AVX2, RK_LEVEL_AVX512};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const rk_loops *t = table(levels[i]);
        if (levels[i] <= rk_cpu_best() && strcmp(t->level, level) == 0) return t;
    }
    return NULL;
}
