#include <math.h>

#include "eval/intervals.h"

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927):
 * the p whose distance from k/n is z of p's own standard errors. */
void rk_wilson_share(double out[2], double share, double trials, double z)
{
    double centre, half, scale;

    out[0] = 0.0;
    out[1] = 1.0;
    if (!(trials > 0.0)) return;
    scale = 1.0 / (1.0 + z * z / trials);
    centre = (share + z * z / (2.0 * trials)) * scale;
    half = z * sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials)) * scale;
    /* The ends are exact in mathematics; rounding must not move them past 0 and 1. */
    if (share > 0.0) out[0] = fmax(centre - half, 0.0);
    if (share < 1.0) out[1] = fmin(centre + half, 1.0);
}

void rk_wilson(double out[2], size_t k, size_t n, double z)
{
    rk_wilson_share(out, n ? (double)k / (double)n : 0.5, (double)n, z);
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

/* P(|T| <= t) for whole degrees of freedom, t = sqrt(df) tan(angle): the finite sums of Abramowitz
 * and Stegun, 26.7.3 and 26.7.4. */
static double t_inside(size_t df, double angle)
{
    const double c2 = cos(angle) * cos(angle);
    double term, sum;

    if (df % 2 == 0) {
        term = sum = 1.0;
        for (size_t k = 2; k < df; k += 2) sum += term *= c2 * (double)(k - 1) / (double)k;
        return sin(angle) * sum;
    }
    term = sum = cos(angle);
    for (size_t k = 3; k < df; k += 2) sum += term *= c2 * (double)(k - 1) / (double)k;
    return (angle + (df > 1 ? sin(angle) * sum : 0.0)) * 2.0 / acos(-1.0);
}

double rk_student95(size_t df)
{
    double low = 0.0, high = acos(0.0);

    for (;;) {
        const double middle = low + (high - low) / 2.0;
        if (middle <= low || middle >= high) return sqrt((double)df) * tan(middle);
        if (t_inside(df, middle) < 0.95) low = middle;
        else high = middle;
    }
}

rk_status rk_summarise(rk_summary *out, const double *values, size_t n, rk_error *err)
{
    double sum = 0.0, squares = 0.0, half;

    if (!out || !values || n == 0 || n > RK_SUMMARY_MAX)
        return rk_fail(err, RK_E_ARG, "a summary of %zu values; 1 to %d are possible", n,
                       RK_SUMMARY_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return rk_fail(err, RK_E_ARG, "a summary: value %zu is not finite", i);
        sum += values[i] / (double)n;
    }
    *out = (rk_summary){.n = n, .mean = sum, .sd = NAN, .ci95 = {NAN, NAN}};
    if (n == 1) return RK_OK;
    for (size_t i = 0; i < n; i++) squares += (values[i] - sum) * (values[i] - sum);
    out->sd = sqrt(squares / (double)(n - 1));
    half = rk_student95(n - 1) * out->sd / sqrt((double)n);
    out->ci95[0] = sum - half;
    out->ci95[1] = sum + half;
    return RK_OK;
}
