/* How far a figure can be trusted: intervals and tests. */
#ifndef RK_EVAL_INTERVALS_H
#define RK_EVAL_INTERVALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ringkas.h"

/* The normal distribution's 97.5 % point: z of a 95 % interval. */
#define RK_Z95 1.959963984540054

/* Wilson score interval of k successes in n trials at z. */
void rk_wilson(double out[2], size_t k, size_t n, double z);
/* The same of a share of a number of trials that need not be whole: of weighted rows. */
void rk_wilson_share(double out[2], double share, double trials, double z);

/* Two-sided exact McNemar p for b and c discordant rows (binomial, p = 0.5); 1 when b + c = 0. */
double rk_mcnemar_exact(size_t b, size_t c);

/* The p-quantile (0..1) of sorted values by linear interpolation, as numpy's default. n > 0. */
double rk_quantile(const double *sorted, size_t n, double p);

/* The t that Student's distribution of df >= 1 degrees of freedom stays within, both ways, with
 * 95 %. rk_summarise of ringkas.h is made with it. */
double rk_student95(size_t df);

enum { RK_SUMMARY_MAX = 100000 };

/* ---- bootstrap (bootstrap.c) ---- */

/* Figures of a table of counts. */
typedef struct rk_statistic {
    size_t outs;    /* figures, at most RK_FIGURES_MAX */
    size_t scratch; /* doubles that fn may use */
    /* outs figures of the table; count is parallel to the one of the call. */
    void (*fn)(double *out, const size_t *count, double *scratch, const void *user);
    const void *user;
} rk_statistic;

enum { RK_FIGURES_MAX = 4 };
enum { RK_BOOTSTRAP_DRAWS = 2000, RK_BOOTSTRAP_SEED = 42 };

/* Percentile bootstrap (Efron and Tibshirani 1993, 13.3) of rows that fall into cells: each draw
 * takes as many rows as there are, with replacement, so the cells' counts are multinomial and are
 * drawn as such, whatever the number of rows. lo, hi [outs]: the 2.5 % and 97.5 % points of each
 * figure. The same seed gives the same intervals on any number of threads. RK_E_ARG for no rows or
 * no draws. */
rk_status rk_bootstrap_cells(double *lo, double *hi, const size_t *count, size_t cells,
                             size_t draws, uint64_t seed, const rk_statistic *s, rk_error *err);

/* Rows of one kind: true label and one or two answers. */
typedef struct rk_cell {
    int32_t truth, base, candidate;
    size_t count;
} rk_cell;

/* 95 % intervals of weighted and macro F1 from a confusion matrix [labels, labels]: ci[0] weighted,
 * ci[1] macro, each lo, hi. */
rk_status rk_f1_interval(double ci[2][2], const size_t *confusion, size_t labels, rk_error *err);

/* 95 % intervals of base minus candidate on the same rows: ci[0] accuracy, ci[1] weighted F1. */
rk_status rk_drop_interval(double ci[2][2], const int32_t *truth, const int32_t *base,
                           const int32_t *candidate, size_t rows, size_t labels, rk_error *err);

#endif
