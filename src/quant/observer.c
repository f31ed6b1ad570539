#include "quant/observer.h"

#include "quant/qparams.h"

void rk_histogram_add(rk_histogram *h, const float *x, size_t n)
{
    const float per = (float)RK_HISTOGRAM_BINS / (h->max - h->min);
    for (size_t i = 0; i < n; i++) {
        const float at = (x[i] - h->min) * per;
        const size_t bin = !(at > 0.0f)                     ? 0
                           : at >= (float)RK_HISTOGRAM_BINS ? RK_HISTOGRAM_BINS - 1
                                                            : (size_t)at;
        h->count[bin]++;
    }
}

static double width(const rk_histogram *h)
{
    return ((double)h->max - (double)h->min) / RK_HISTOGRAM_BINS;
}

void rk_histogram_percentile(float *min, float *max, const rk_histogram *h, double percentile)
{
    uint64_t all = 0, below = 0, above = 0;
    size_t low = 0, high = RK_HISTOGRAM_BINS;
    double share;

    for (size_t i = 0; i < RK_HISTOGRAM_BINS; i++) all += h->count[i];
    share = (1.0 - percentile / 100.0) * (double)all;
    while (low + 1 < RK_HISTOGRAM_BINS && (double)(below + h->count[low]) <= share)
        below += h->count[low++];
    while (high > low + 1 && (double)(above + h->count[high - 1]) <= share)
        above += h->count[--high];
    *min = low == 0 ? h->min : (float)((double)h->min + (double)low * width(h));
    *max = high == RK_HISTOGRAM_BINS ? h->max : (float)((double)h->min + (double)high * width(h));
}

/* Squared error of the codes that [min, max] gives. */
static double error(const rk_histogram *h, float min, float max)
{
    const rk_qparams q = rk_qparams_u8(min, max);
    double sum = 0.0;
    for (size_t i = 0; i < RK_HISTOGRAM_BINS; i++) {
        const double x = (double)h->min + ((double)i + 0.5) * width(h);
        double d;
        if (!h->count[i]) continue;
        d = (double)((int)rk_quantize_u8((float)x, q) - (int)q.zero) * (double)q.scale - x;
        sum += (double)h->count[i] * d * d;
    }
    return sum;
}

void rk_histogram_least_error(float *min, float *max, const rk_histogram *h)
{
    enum { TRIES = 90 };
    double least;

    *min = h->min;
    *max = h->max;
    least = error(h, *min, *max);
    for (int end = 0; end < 2; end++) {
        for (int k = 1; k <= TRIES; k++) {
            const float share = 1.0f - (float)k / 100.0f;
            const float low = end ? h->min * share : *min, high = end ? *max : h->max * share;
            const double e = error(h, low, high);
            if (!(e < least)) continue;
            least = e;
            *min = low;
            *max = high;
        }
    }
}
