#include <omp.h>

#include "api/session.h"
#include "base/mem.h"
#include "base/status.h"
#include "compute/cpu.h"

enum { THREADS_MAX = 1024 };

const char *rk_version(void)
{
    return RK_VERSION;
}

void rk_string_free(char *text)
{
    rk_free(text);
}

void rk_ids_free(int32_t *ids)
{
    rk_free(ids);
}

size_t rk_set_threads(size_t threads)
{
    /* The OpenMP runtime counts the processors this process may use, not all there are. */
    const int cores = omp_get_num_procs();
    size_t n = threads ? threads : (size_t)(cores > 0 ? cores : 1);
    if (n > THREADS_MAX) n = THREADS_MAX;
    omp_set_dynamic(0);
    omp_set_num_threads((int)n);
    return rk_threads();
}

size_t rk_threads(void)
{
    return (size_t)omp_get_max_threads();
}

rk_status rk_set_isa(const char *level, rk_error *err)
{
    return rk_cpu_limit(level, err);
}

const char *rk_isa(void)
{
    return rk_level_name(rk_cpu_level());
}
