#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/scores.h"

enum { BUDGET = 32 << 20, BINS_MAX = 1 << 16, BINS_MIN = 64 };

/* Log odds past which a probability counts as 0 or 1: e^-20 is 2e-9. */
static const double ODDS_MAX = 20.0;

typedef struct pair {
    float score;
    bool has; /* the row has the label */
} pair;

struct rk_auc {
    size_t labels, rows, room, limit; /* limit: rows that are kept one by one */
    float *score;                     /* [room, labels]; NULL once binned */
    int32_t *truth;                   /* [room] */
    size_t bins;
    uint64_t *count; /* [labels, bins, 2]: rows without and with the label; NULL while exact */
};

rk_status rk_auc_new(rk_auc **out, size_t labels, size_t budget, rk_error *err)
{
    rk_auc *a = rk_calloc(1, sizeof *a);

    *out = NULL;
    if (!a) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!budget) budget = BUDGET;
    a->labels = labels;
    a->limit = budget / (labels * sizeof *a->score + sizeof *a->truth);
    a->bins = budget / (labels * 2 * sizeof *a->count);
    if (a->bins > BINS_MAX) a->bins = BINS_MAX;
    if (a->bins < BINS_MIN) a->bins = BINS_MIN;
    *out = a;
    return RK_OK;
}

void rk_auc_free(rk_auc *a)
{
    if (!a) return;
    rk_free(a->score);
    rk_free(a->truth);
    rk_free(a->count);
    rk_free(a);
}

static size_t bin_of(const rk_auc *a, double p)
{
    const double odds = p <= 0.0 ? -ODDS_MAX : p >= 1.0 ? ODDS_MAX : log(p) - log1p(-p);
    const double at = (fmin(fmax(odds, -ODDS_MAX), ODDS_MAX) + ODDS_MAX) / (2.0 * ODDS_MAX);
    const size_t bin = (size_t)(at * (double)a->bins);
    return bin < a->bins ? bin : a->bins - 1;
}

static void put(rk_auc *a, size_t label, double p, bool has)
{
    a->count[(label * a->bins + bin_of(a, p)) * 2 + has]++;
}

/* From rows to bins, once the rows pass the limit. */
static rk_status give_up_rows(rk_auc *a, rk_error *err)
{
    size_t cells;

    if (rk_mul(&cells, a->labels, 2 * a->bins)) a->count = rk_calloc(cells, sizeof *a->count);
    if (!a->count)
        return rk_fail(err, RK_E_MEMORY, "out of memory for the ROC of %zu labels", a->labels);
    for (size_t r = 0; r < a->rows; r++)
        for (size_t k = 0; k < a->labels; k++)
            put(a, k, (double)a->score[r * a->labels + k], a->truth[r] == (int32_t)k);
    rk_free(a->score);
    rk_free(a->truth);
    a->score = NULL;
    a->truth = NULL;
    return RK_OK;
}

static rk_status more_room(rk_auc *a, rk_error *err)
{
    size_t room = a->room ? 2 * a->room : 1024, cells;
    float *score;
    int32_t *truth;

    if (room > a->limit) room = a->limit;
    score = rk_mul(&cells, room, a->labels) ? rk_realloc(a->score, cells, sizeof *score) : NULL;
    if (score) a->score = score;
    truth = rk_realloc(a->truth, room, sizeof *truth);
    if (truth) a->truth = truth;
    if (!score || !truth)
        return rk_fail(err, RK_E_MEMORY, "out of memory for the ROC of %zu rows", a->rows);
    a->room = room;
    return RK_OK;
}

rk_status rk_auc_add(rk_auc *a, int32_t truth, const double *probs, rk_error *err)
{
    rk_status st = RK_OK;

    if (!a->count && a->rows == a->limit)
        st = give_up_rows(a, err);
    else if (!a->count && a->rows == a->room)
        st = more_room(a, err);
    if (st) return st;
    for (size_t k = 0; k < a->labels; k++) {
        if (a->count)
            put(a, k, (double)(float)probs[k], truth == (int32_t)k);
        else
            a->score[a->rows * a->labels + k] = (float)probs[k];
    }
    if (!a->count) a->truth[a->rows] = truth;
    a->rows++;
    return RK_OK;
}

static int by_score(const void *x, const void *y)
{
    const float a = ((const pair *)x)->score, b = ((const pair *)y)->score;
    return (a > b) - (a < b);
}

/* Pairs in order, counted group after group of equal scores; `tied` are the pairs within groups. */
typedef struct order {
    double with, without, right, tied;
} order;

static void group(order *o, double with, double without)
{
    o->right += with * (o->without + 0.5 * without);
    o->tied += with * without;
    o->with += with;
    o->without += without;
}

static double area_of(const order *o, double *tied)
{
    const double pairs = o->with * o->without;
    *tied = pairs > 0.0 ? 0.5 * o->tied / pairs : 0.0;
    return pairs > 0.0 ? o->right / pairs : (double)NAN;
}

static order of_rows(const rk_auc *a, size_t label, pair *list)
{
    order o = {0};

    for (size_t r = 0; r < a->rows; r++)
        list[r] = (pair){a->score[r * a->labels + label], a->truth[r] == (int32_t)label};
    qsort(list, a->rows, sizeof *list, by_score);
    for (size_t r = 0; r < a->rows;) {
        const float score = list[r].score;
        double with = 0.0, without = 0.0;
        for (; r < a->rows && list[r].score == score; r++) {
            with += list[r].has;
            without += !list[r].has;
        }
        group(&o, with, without);
    }
    return o;
}

static order of_bins(const rk_auc *a, size_t label)
{
    const uint64_t *count = a->count + label * a->bins * 2;
    order o = {0};

    for (size_t b = 0; b < a->bins; b++) group(&o, (double)count[2 * b + 1], (double)count[2 * b]);
    return o;
}

rk_status rk_auc_areas(double *area, double *off, rk_auc *a, rk_error *err)
{
    pair *list = a->count ? NULL : rk_calloc(a->rows ? a->rows : 1, sizeof *list);

    *off = 0.0;
    if (!a->count && !list)
        return rk_fail(err, RK_E_MEMORY, "out of memory for the ROC of %zu rows", a->rows);
    for (size_t k = 0; k < a->labels; k++) {
        const order o = a->count ? of_bins(a, k) : of_rows(a, k, list);
        double tied;
        area[k] = area_of(&o, &tied);
        if (a->count && tied > *off) *off = tied;
    }
    rk_free(list);
    return RK_OK;
}
