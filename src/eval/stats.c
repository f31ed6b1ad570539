#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "eval/metrics.h"

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927):
 * the p whose distance from k/n is z of p's own standard errors. */
void rk_wilson(double out[2], size_t k, size_t n, double z)
{
    const double trials = (double)n, share = n ? (double)k / trials : 0.5;
    double centre, half, scale;

    out[0] = 0.0;
    out[1] = 1.0;
    if (n == 0) return;
    scale = 1.0 / (1.0 + z * z / trials);
    centre = (share + z * z / (2.0 * trials)) * scale;
    half = z * sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials)) * scale;
    /* The ends are exact in mathematics; rounding must not move them past 0 and 1. */
    if (k > 0) out[0] = fmax(centre - half, 0.0);
    if (k < n) out[1] = fmin(centre + half, 1.0);
}

double rk_mcnemar_exact(size_t b, size_t c)
{
    const size_t low = b < c ? b : c, n = b + c;
    double term = 1.0, sum = 1.0, peak = 1.0;
    int step, power = 0;

    /* peak * 2^power = C(n, low), by products kept in range (lgamma would lose digits and writes a
     * global). */
    for (size_t i = 1; i <= low; i++) {
        peak = frexp(peak * ((double)(n - low + i) / (double)i), &step);
        power += step;
    }
    /* The smaller tail from its largest term down, in units of that term. */
    for (size_t i = low; i > 0; i--) {
        term *= (double)i / (double)(n - i + 1);
        sum += term;
        if (term < sum * 1e-18) break;
    }
    /* Where b = c both tails hold the middle term, and their sum passes 1. */
    return fmin(1.0, 2.0 * sum * ldexp(peak, (int)((long long)power - (long long)n)));
}

double rk_quantile(const double *sorted, size_t n, double p)
{
    const double place = fmin(fmax(p, 0.0), 1.0) * (double)(n - 1);
    const size_t below = (size_t)place < n - 1 ? (size_t)place : n - 1;
    const size_t above = below + 1 < n ? below + 1 : below;
    const double part = place - (double)below, gap = sorted[above] - sorted[below];

    /* From the nearer side, so that part = 1 gives the upper value itself. */
    return part < 0.5 ? sorted[below] + gap * part : sorted[above] - gap * (1.0 - part);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean of n values of d drawn with replacement. Each draw has a random stream of its own, so it
 * does not depend on the other draws. */
static double resampled_mean(const double *d, uint32_t n, uint64_t seed, uint64_t stream)
{
    /* D. Lemire, "Fast random integer generation in an interval" (2019): words whose low half of
     * the product falls below this are drawn again, which leaves no bias. */
    const uint32_t reject = (uint32_t)(0u - n) % n;
    uint32_t word[4];
    uint64_t block = 0;
    size_t have = 0;
    double sum = 0.0;

    for (uint32_t i = 0; i < n;) {
        uint64_t product;
        if (have == 0) {
            rk_philox(word, seed, stream, block++);
            have = 4;
        }
        product = (uint64_t)word[--have] * n;
        if ((uint32_t)product < reject) continue;
        sum += d[product >> 32];
        i++;
    }
    return sum / n;
}

rk_status rk_bootstrap_mean(double out[2], const double *d, size_t n, size_t draws, uint64_t seed,
                            rk_error *err)
{
    double *mean;

    if (n == 0 || n > UINT32_MAX)
        return rk_fail(err, RK_E_ARG, "bootstrap of %zu values; 1 to 4294967295 are possible", n);
    if (draws == 0) return rk_fail(err, RK_E_ARG, "bootstrap of 0 draws; at least 1 is needed");
    for (size_t i = 0; i < n; i++)
        if (!isfinite(d[i]))
            return rk_fail(err, RK_E_ARG, "bootstrap: value %zu is not finite", i);
    mean = rk_calloc(draws, sizeof *mean);
    if (!mean) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu bootstrap draws", draws);
    for (size_t i = 0; i < draws; i++) mean[i] = resampled_mean(d, (uint32_t)n, seed, i);
    qsort(mean, draws, sizeof *mean, by_value);
    out[0] = rk_quantile(mean, draws, 0.025);
    out[1] = rk_quantile(mean, draws, 0.975);
    rk_free(mean);
    return RK_OK;
}
