#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "eval/intervals.h"

/* ---- multinomial draws ---- */

static double uniform(rk_rng *r)
{
    const double high = (double)(rk_rng_u32(r) >> 5), low = (double)(rk_rng_u32(r) >> 6);
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

/* log(k!) minus Stirling's leading terms, by its series; below 10 by the table. */
static double stirling_rest(double k)
{
    static const double table[] = {0.08106146679532726, 0.04134069595540929, 0.02767792568499834,
                                   0.02079067210376509, 0.01664469118982119, 0.01387612882307075,
                                   0.01189670994589177, 0.01041126526197209, 0.009255462182712733,
                                   0.008330563433362871};
    const double k1 = k + 1.0, square = k1 * k1;
    if (k < 9.5) return table[(size_t)k];
    return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / k1;
}

/* By inversion: for n p < 10. */
static double binomial_small(rk_rng *r, double n, double p)
{
    const double odds = p / (1.0 - p), first = exp(n * log1p(-p));

    for (;;) {
        double u = uniform(r), f = first, x = 0.0;
        while (u > f && x <= n) {
            u -= f;
            x += 1.0;
            f *= ((n + 1.0) / x - 1.0) * odds;
        }
        if (x <= n) return x; /* else rounding ate the tail */
    }
}

/* W. Hoermann, "The generation of binomial random variates" (1993), algorithm BTRS: transformed
 * rejection for n p >= 10, p <= 1/2. */
static double binomial_large(rk_rng *r, double n, double p)
{
    const double odds = p / (1.0 - p), deviation = sqrt(n * p * (1.0 - p));
    const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double centre = n * p + 0.5, v_r = 0.92 - 4.2 / b;
    const double alpha = (2.83 + 5.1 / b) * deviation, mode = floor((n + 1.0) * p);

    for (;;) {
        const double u = uniform(r) - 0.5, us = 0.5 - fabs(u);
        double v = uniform(r);
        const double k = floor((2.0 * a / us + b) * u + centre);
        if (us >= 0.07 && v <= v_r) return k;
        if (!(k >= 0.0 && k <= n)) continue;
        v = log(v * alpha / (a / (us * us) + b));
        if (v <= (mode + 0.5) * log((mode + 1.0) / (odds * (n - mode + 1.0))) +
                     (n + 1.0) * log((n - mode + 1.0) / (n - k + 1.0)) +
                     (k + 0.5) * log(odds * (n - k + 1.0) / (k + 1.0)) + stirling_rest(mode) +
                     stirling_rest(n - mode) - stirling_rest(k) - stirling_rest(n - k))
            return k;
    }
}

static size_t binomial(rk_rng *r, size_t n, double p)
{
    const double least = fmin(p, 1.0 - p), trials = (double)n;
    double x;

    if (n == 0 || p <= 0.0) return 0;
    if (p >= 1.0) return n;
    x = trials * least < 10.0 ? binomial_small(r, trials, least) : binomial_large(r, trials, least);
    return p > 0.5 ? n - (size_t)x : (size_t)x;
}

/* As many rows as there are, drawn with replacement: cell after cell what of the rest falls in. */
static void resample(size_t *out, const size_t *count, size_t cells, size_t rows, rk_rng *r)
{
    size_t left = rows, rest = rows;

    for (size_t i = 0; i < cells; i++) {
        out[i] = count[i] == rest ? left : binomial(r, left, (double)count[i] / (double)rest);
        left -= out[i];
        rest -= count[i];
        if (rest == 0) rest = 1; /* only empty cells follow; left is 0 */
    }
}

/* ---- percentiles ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void draw_all(double *figure, size_t *counts, double *scratch, const size_t *count,
                     size_t cells, size_t rows, size_t draws, uint64_t seed, int threads,
                     const rk_statistic *s)
{
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t d = 0; d < draws; d++) {
        const size_t t = (size_t)omp_get_thread_num();
        size_t *mine = counts + t * cells;
        double *room = scratch + t * s->scratch, out[RK_FIGURES_MAX];
        rk_rng r = {.seed = seed, .stream = d};
        resample(mine, count, cells, rows, &r);
        s->fn(out, mine, room, s->user);
        for (size_t i = 0; i < s->outs; i++) figure[i * draws + d] = out[i];
    }
}

rk_status rk_bootstrap_cells(double *lo, double *hi, const size_t *count, size_t cells,
                             size_t draws, uint64_t seed, const rk_statistic *s, rk_error *err)
{
    const int threads = omp_get_max_threads();
    size_t rows = 0, size, *counts = NULL;
    double *figure = NULL, *scratch = NULL;
    rk_status st = RK_OK;

    for (size_t i = 0; i < cells; i++) rows += count[i];
    if (rows == 0 || draws == 0 || s->outs > RK_FIGURES_MAX)
        return rk_fail(err, RK_E_ARG, "bootstrap of %zu rows by %zu draws; 1 or more are needed",
                       rows, draws);
    if (rk_mul(&size, draws, s->outs)) figure = rk_calloc(size, sizeof *figure);
    if (rk_mul(&size, cells, (size_t)threads)) counts = rk_calloc(size, sizeof *counts);
    if (rk_mul(&size, s->scratch + 1, (size_t)threads)) scratch = rk_calloc(size, sizeof *scratch);
    if (!figure || !counts || !scratch) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory for %zu bootstrap draws", draws);
        goto done;
    }
    draw_all(figure, counts, scratch, count, cells, rows, draws, seed, threads, s);
    for (size_t i = 0; i < s->outs; i++) {
        double *of = figure + i * draws;
        qsort(of, draws, sizeof *of, by_value);
        lo[i] = rk_quantile(of, draws, 0.025);
        hi[i] = rk_quantile(of, draws, 0.975);
    }
done:
    rk_free(figure);
    rk_free(counts);
    rk_free(scratch);
    return st;
}

/* ---- the figures of classifiers ---- */

typedef struct cells_of {
    const rk_cell *cell;
    size_t cells, labels;
} cells_of;

/* Weighted and macro F1 of one of the answers. scratch [3, labels]: right, true, answered. */
static void f1(double out[2], const size_t *count, double *scratch, const cells_of *c, bool base)
{
    double *right = scratch, *truth = right + c->labels, *said = truth + c->labels;
    double weighted = 0.0, macro = 0.0, rows = 0.0;

    memset(scratch, 0, 3 * c->labels * sizeof *scratch);
    for (size_t i = 0; i < c->cells; i++) {
        const rk_cell *cell = &c->cell[i];
        const int32_t answer = base ? cell->base : cell->candidate;
        const double n = (double)count[i];
        truth[cell->truth] += n;
        said[answer] += n;
        if (answer == cell->truth) right[answer] += n;
        rows += n;
    }
    for (size_t k = 0; k < c->labels; k++) {
        const double of = truth[k] + said[k], score = of > 0.0 ? 2.0 * right[k] / of : 0.0;
        weighted += truth[k] * score;
        macro += score;
    }
    out[0] = weighted / rows;
    out[1] = macro / (double)c->labels;
}

static void f1_of(double *out, const size_t *count, double *scratch, const void *user)
{
    f1(out, count, scratch, user, true);
}

static void drops_of(double *out, const size_t *count, double *scratch, const void *user)
{
    const cells_of *c = user;
    double base[2], candidate[2], lost = 0.0, rows = 0.0;

    for (size_t i = 0; i < c->cells; i++) {
        const rk_cell *cell = &c->cell[i];
        const double n = (double)count[i];
        rows += n;
        lost +=
            n * ((double)(cell->base == cell->truth) - (double)(cell->candidate == cell->truth));
    }
    f1(base, count, scratch, c, true);
    f1(candidate, count, scratch, c, false);
    out[0] = lost / rows;
    out[1] = base[0] - candidate[0];
}

static rk_status interval(double ci[2][2], const rk_cell *cell, size_t cells, size_t labels,
                          void (*fn)(double *, const size_t *, double *, const void *),
                          rk_error *err)
{
    const cells_of user = {cell, cells, labels};
    const rk_statistic s = {.outs = 2, .scratch = 3 * labels, .fn = fn, .user = &user};
    size_t *count = rk_calloc(cells ? cells : 1, sizeof *count);
    double lo[2], hi[2];
    rk_status st;

    if (!count) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t i = 0; i < cells; i++) count[i] = cell[i].count;
    st = rk_bootstrap_cells(lo, hi, count, cells, RK_BOOTSTRAP_DRAWS, RK_BOOTSTRAP_SEED, &s, err);
    rk_free(count);
    for (size_t i = 0; !st && i < 2; i++) {
        ci[i][0] = lo[i];
        ci[i][1] = hi[i];
    }
    return st;
}

rk_status rk_f1_interval(double ci[2][2], const size_t *confusion, size_t labels, rk_error *err)
{
    size_t cells = 0;
    rk_cell *cell;
    rk_status st;

    for (size_t i = 0; i < labels * labels; i++) cells += confusion[i] > 0;
    cell = rk_calloc(cells ? cells : 1, sizeof *cell);
    if (!cell) return rk_fail(err, RK_E_MEMORY, "out of memory");
    cells = 0;
    for (size_t i = 0; i < labels * labels; i++)
        if (confusion[i])
            cell[cells++] = (rk_cell){.truth = (int32_t)(i / labels),
                                      .base = (int32_t)(i % labels),
                                      .count = confusion[i]};
    st = interval(ci, cell, cells, labels, f1_of, err);
    rk_free(cell);
    return st;
}

static int by_kind(const void *a, const void *b)
{
    const rk_cell *x = a, *y = b;
    if (x->truth != y->truth) return x->truth < y->truth ? -1 : 1;
    if (x->base != y->base) return x->base < y->base ? -1 : 1;
    return (x->candidate > y->candidate) - (x->candidate < y->candidate);
}

rk_status rk_drop_interval(double ci[2][2], const int32_t *truth, const int32_t *base,
                           const int32_t *candidate, size_t rows, size_t labels, rk_error *err)
{
    rk_cell *cell = rk_calloc(rows ? rows : 1, sizeof *cell);
    size_t cells = 0;
    rk_status st;

    if (!cell) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t r = 0; r < rows; r++) cell[r] = (rk_cell){truth[r], base[r], candidate[r], 1};
    qsort(cell, rows, sizeof *cell, by_kind);
    for (size_t r = 0; r < rows; r++) {
        if (cells && by_kind(&cell[cells - 1], &cell[r]) == 0)
            cell[cells - 1].count++;
        else
            cell[cells++] = cell[r];
    }
    st = interval(ci, cell, cells, labels, drops_of, err);
    rk_free(cell);
    return st;
}
