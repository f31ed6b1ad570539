/* What the values of one batch say about a range: its ends by percentile, or those of the least
 * squared error. Both work on a histogram, so that a batch is read once and any order of its parts
 * gives the same counts. */
#ifndef RK_QUANT_OBSERVER_H
#define RK_QUANT_OBSERVER_H

#include <stddef.h>
#include <stdint.h>

enum { RK_HISTOGRAM_BINS = 2048 };

/* Counts of values in equal bins from min to max; the last bin holds max as well. */
typedef struct rk_histogram {
    float min, max; /* finite, min < max */
    uint64_t count[RK_HISTOGRAM_BINS];
} rk_histogram;

/* Adds n values; those outside (or NaN) are counted in the nearest bin. */
void rk_histogram_add(rk_histogram *h, const float *x, size_t n);

/* The ends below and above which a share of 1 - percentile / 100 of the values lies, each, to a
 * bin's width. percentile in (50, 100]; 100 gives the whole range. */
void rk_histogram_percentile(float *min, float *max, const rk_histogram *h, double percentile);

/* The ends within the range whose 8-bit codes (rk_qparams_u8) leave the least squared error, each
 * value taken as its bin's middle: the upper end is drawn in by hundredths first, then the lower
 * one. */
void rk_histogram_least_error(float *min, float *max, const rk_histogram *h);

#endif
