#include "eval/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Derivative of the summed log loss: the mean logit under the model minus the true one. */
static double slope(const float *logits, const int32_t *truth, size_t rows, size_t labels,
                    double scale)
{
    double sum = 0.0;

    for (size_t r = 0; r < rows; r++) {
        const float *z = logits + r * labels;
        double top = (double)z[0], mass = 0.0, mean = 0.0;
        for (size_t k = 1; k < labels; k++) top = fmax(top, (double)z[k]);
        for (size_t k = 0; k < labels; k++) {
            const double p = exp(scale * ((double)z[k] - top));
            mass += p;
            mean += p * ((double)z[k] - top);
        }
        sum += mean / mass - ((double)z[truth[r]] - top);
    }
    return sum;
}

double rk_fit_scale(const float *logits, const int32_t *truth, size_t rows, size_t labels,
                    double low, double high)
{
    if (slope(logits, truth, rows, labels, low) >= 0.0) return low;
    if (slope(logits, truth, rows, labels, high) <= 0.0) return high;
    while (high - low > 1e-12 * high) {
        const double middle = low + (high - low) / 2.0;
        if (slope(logits, truth, rows, labels, middle) < 0.0)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2.0;
}

/* Posteriors [rows, labels] divided by the source's shares. */
static void ratios(double *out, const float *logits, size_t rows, size_t labels, double scale,
                   const double *source)
{
    for (size_t r = 0; r < rows; r++) {
        const float *z = logits + r * labels;
        double *to = out + r * labels, top = (double)z[0], mass = 0.0;
        for (size_t k = 1; k < labels; k++) top = fmax(top, (double)z[k]);
        for (size_t k = 0; k < labels; k++) mass += to[k] = exp(scale * ((double)z[k] - top));
        for (size_t k = 0; k < labels; k++) to[k] /= mass * source[k];
    }
}

rk_status rk_fit_prior(double *prior, size_t *rounds, const float *logits, size_t rows,
                       size_t labels, double scale, const double *source, rk_error *err)
{
    enum { ROUNDS_MAX = 10000 };
    size_t cells;
    double *ratio = rk_mul(&cells, rows, labels) ? rk_calloc(cells, sizeof *ratio) : NULL;
    double *next = rk_calloc(labels, sizeof *next), moved = 1.0, total = 0.0;

    *rounds = 0;
    if (!ratio || !next || rows == 0) {
        rk_free(ratio);
        rk_free(next);
        return rk_fail(err, rows ? RK_E_MEMORY : RK_E_ARG, "label shares of %zu rows: %s", rows,
                       rows ? "out of memory" : "at least one is needed");
    }
    ratios(ratio, logits, rows, labels, scale, source);
    memcpy(prior, source, labels * sizeof *prior);
    while (moved > 1e-12 && *rounds < ROUNDS_MAX) {
        memset(next, 0, labels * sizeof *next);
        for (size_t r = 0; r < rows; r++) {
            const double *of = ratio + r * labels;
            double mass = 0.0;
            for (size_t k = 0; k < labels; k++) mass += prior[k] * of[k];
            for (size_t k = 0; k < labels; k++) next[k] += prior[k] * of[k] / mass;
        }
        moved = 0.0;
        for (size_t k = 0; k < labels; k++) {
            next[k] /= (double)rows;
            moved = fmax(moved, fabs(next[k] - prior[k]));
            prior[k] = next[k];
        }
        ++*rounds;
    }
    for (size_t k = 0; k < labels; k++) total += prior[k] = fmax(prior[k], 0.5 / (double)rows);
    for (size_t k = 0; k < labels; k++) prior[k] /= total;
    rk_free(ratio);
    rk_free(next);
    return RK_OK;
}

static int surest_first(const void *a, const void *b)
{
    const double x = ((const rk_answer *)a)->confidence, y = ((const rk_answer *)b)->confidence;
    return (x < y) - (x > y);
}

bool rk_fit_threshold(rk_threshold *out, rk_answer *list, size_t n, double wanted, double least)
{
    rk_threshold best = {.precision = -1.0}, found = {0};
    double all = 0.0, weight = 0.0, good = 0.0, squares = 0.0;
    size_t right = 0;
    bool reached = false;

    qsort(list, n, sizeof *list, surest_first);
    for (size_t i = 0; i < n; i++) all += list[i].weight;
    for (size_t i = 0; i < n; i++) {
        const double below = i + 1 < n ? list[i + 1].confidence : fmin(least, list[i].confidence);
        rk_threshold t;
        weight += list[i].weight;
        squares += list[i].weight * list[i].weight;
        if (list[i].right) good += list[i].weight;
        right += list[i].right;
        if (i + 1 < n && below == list[i].confidence) continue; /* rows alike go together */
        t = (rk_threshold){below + (list[i].confidence - below) / 2.0, good / weight, weight / all,
                           i + 1, right, weight * weight / squares};
        if (t.precision > best.precision) best = t;
        if (t.precision < wanted - 1e-12) continue;
        found = t;
        reached = true;
    }
    *out = reached ? found : best;
    return reached;
}
