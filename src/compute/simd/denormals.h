/* Denormal numbers off and on again, around a loop whose values may die out. Where the processor
 * has no such switch that C can reach, they stay on. */
#ifndef RK_COMPUTE_SIMD_DENORMALS_H
#define RK_COMPUTE_SIMD_DENORMALS_H

#ifdef __SSE__
#include <xmmintrin.h>

/* Returns the mode to restore. */
static inline unsigned rk_flush_denormals(void)
{
    enum { RESULTS = 0x8000, OPERANDS = 0x0040 };
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | RESULTS | OPERANDS);
    return mode;
}

static inline void rk_restore_denormals(unsigned mode)
{
    _mm_setcsr(mode);
}
#else
static inline unsigned rk_flush_denormals(void)
{
    return 0;
}

static inline void rk_restore_denormals(unsigned mode)
{
    (void)mode;
}
#endif

#endif
