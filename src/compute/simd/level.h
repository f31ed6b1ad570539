/* The files of this folder are plain C, compiled once for each instruction level (base, avx2,
 * avx512) with that level's flags; RK_K(name) is rk_k_<name>_<level>. */
#ifndef RK_COMPUTE_SIMD_LEVEL_H
#define RK_COMPUTE_SIMD_LEVEL_H

#define RK_PASTE2(name, level) rk_k_##name##_##level
#define RK_PASTE(name, level) RK_PASTE2(name, level)
#define RK_K(name) RK_PASTE(name, RK_LEVEL)

#endif
