/* Which instructions may be used: what the processor and the build have, cut down by a limit. */
#ifndef RK_COMPUTE_CPU_H
#define RK_COMPUTE_CPU_H

#include <stdbool.h>

#include "base/status.h"

/* Each level includes the ones before it.
 *   AVX2     AVX2, FMA, F16C
 *   AVX512   F, BW, VL, DQ
 *   VNNI     AVX512_VNNI; with it AVX512_BF16 where the processor has it (rk_cpu_bf16)
 *   AMX      AMX-INT8 and AMX-BF16, and AVX512_BF16 */
typedef enum rk_level {
    RK_LEVEL_REF, RK_LEVEL_AVX2, RK_LEVEL_AVX512, RK_LEVEL_VNNI, RK_LEVEL_AMX
} rk_level;

/* The highest that processor, system and build have; the environment variable RINGKAS_ISA, a
 * level's name, lowers it. (Read once. A name that is none counts for nothing here; the program
 * refuses it.) */
rk_level rk_cpu_best(void);
rk_level rk_cpu_level(void);    /* the level in force: the best one, or the limit below it */
bool rk_cpu_bf16(rk_level level);   /* bfloat16 products exist at this level on this processor */

const char *rk_level_name(rk_level level);   /* "ref", "avx2", "avx512", "vnni", "amx" */

/* NULL lifts the limit. RK_E_ARG for an unknown name, RK_E_UNSUPPORTED for a level above the best.
 * Not for use while other threads compute. */
rk_status rk_cpu_limit(const char *name, rk_error *err);

#endif
