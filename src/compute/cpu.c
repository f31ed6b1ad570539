#include "compute/cpu.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

static const char *const LEVEL_NAME[] = { "ref", "avx2", "avx512", "vnni", "amx" };

enum { LEVELS = sizeof LEVEL_NAME / sizeof *LEVEL_NAME, HAS_BF16 = 1 << 8 };

#if defined(__x86_64__)

static bool bit(uint32_t word, unsigned number)
{
    return (word >> number & 1u) != 0;
}

__attribute__((target("xsave"))) static uint64_t enabled_state(void)
{
    return (uint64_t)_xgetbv(0);
}

/* Linux gives the tile registers to a process that asks for them once. */
static bool tiles_granted(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

/* The best level, with HAS_BF16 set where AVX512_BF16 is there. Bits as in Intel's manual, volume
 * 2, CPUID. */
static int detect(void)
{
    uint32_t a, b, c, d, basic, b7, c7, d7, a71 = 0;
    uint64_t state;
    int found = RK_LEVEL_REF;

    if (!__get_cpuid(1, &a, &b, &basic, &d) || !bit(basic, 27)) return found;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return found;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    state = enabled_state();
#ifdef RK_HAVE_AVX2
    if ((state & 0x6) != 0x6 || !bit(basic, 12) || !bit(basic, 28) || !bit(basic, 29) ||
        !bit(b7, 5))
        return found;
    found = RK_LEVEL_AVX2;
#ifdef RK_HAVE_AVX512
    if ((state & 0xe6) != 0xe6 || !bit(b7, 16) || !bit(b7, 17) || !bit(b7, 30) || !bit(b7, 31))
        return found;
    found = RK_LEVEL_AVX512;
#ifdef RK_HAVE_VNNI
    if (!bit(c7, 11)) return found;
    found = RK_LEVEL_VNNI;
#ifdef RK_HAVE_BF16
    if (!bit(a71, 5)) return found;
    found |= HAS_BF16;
#ifdef RK_HAVE_AMX
    if ((state & 0x60000) == 0x60000 && bit(d7, 22) && bit(d7, 24) && bit(d7, 25) &&
        tiles_granted())
        found = RK_LEVEL_AMX | HAS_BF16;
#endif
#endif
#endif
#endif
#endif
    return found;
}

#else

static int detect(void)
{
    return RK_LEVEL_REF;
}

#endif

static int level_of(const char *name)
{
    for (int i = 0; name && i < LEVELS; i++)
        if (strcmp(name, LEVEL_NAME[i]) == 0) return i;
    return -1;
}

/* As if the processor had no more than RINGKAS_ISA names. */
static int masked(int found)
{
    const int most = level_of(getenv("RINGKAS_ISA"));

    if (most < 0 || most >= (found & ~HAS_BF16)) return found;
    return most < RK_LEVEL_VNNI ? most : most | (found & HAS_BF16);
}

/* Found once; every thread that comes here finds the same. */
static int capability(void)
{
    static _Atomic int known = -1;
    int found = atomic_load(&known);

    if (found < 0) {
        found = masked(detect());
        atomic_store(&known, found);
    }
    return found;
}

static _Atomic int limit = LEVELS - 1;

rk_level rk_cpu_best(void)
{
    return (rk_level)(capability() & ~HAS_BF16);
}

rk_level rk_cpu_level(void)
{
    const int best = (int)rk_cpu_best(), allowed = atomic_load(&limit);
    return (rk_level)(best < allowed ? best : allowed);
}

bool rk_cpu_bf16(rk_level level)
{
    return level >= RK_LEVEL_VNNI && (capability() & HAS_BF16) != 0;
}

const char *rk_level_name(rk_level level)
{
    return LEVEL_NAME[level];
}

rk_status rk_cpu_limit(const char *name, rk_error *err)
{
    int level;

    if (!name) {
        atomic_store(&limit, LEVELS - 1);
        return RK_OK;
    }
    level = level_of(name);
    if (level < 0)
        return rk_fail(err, RK_E_ARG, "isa: no such level; want ref, avx2, avx512, vnni or amx");
    if (level > (int)rk_cpu_best())
        return rk_fail(err, RK_E_UNSUPPORTED, "isa %s: this processor has %s at most", name,
                       LEVEL_NAME[rk_cpu_best()]);
    atomic_store(&limit, level);
    return RK_OK;
}
