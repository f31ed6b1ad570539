/* What QAT does between the layers: the codes of INT8 at the inputs of Linears, with the observers
 * and the gradient of a learned scale, and the rounding of FP16. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "encoder/net.h"

size_t rk_half_places(const rk_bert_config *c)
{
    return RK_HALF_PER_LAYER * c->layers + RK_HALF_HEAD;
}

void rk_half_name(char out[96], const rk_bert_config *c, size_t place)
{
    static const char *const part[RK_HALF_PER_LAYER] = {
        "attention.self.qkv",     "attention.self.scores",
        "attention.self.context", "attention.output.dense",
        "attention.output.sum",   "attention.output.LayerNorm",
        "intermediate.dense",     "intermediate.activation",
        "output.dense",           "output.sum",
        "output.LayerNorm"};
    static const char *const head[RK_HALF_HEAD] = {"bert.embeddings.LayerNorm", "bert.pooler.dense",
                                                   "bert.pooler.activation", "classifier"};
    const size_t layer = place / RK_HALF_PER_LAYER;

    if (layer < c->layers)
        snprintf(out, 96, "bert.encoder.layer.%zu.%s", layer, part[place % RK_HALF_PER_LAYER]);
    else
        snprintf(out, 96, "%s", head[place - RK_HALF_PER_LAYER * c->layers]);
}

/* The values of a batch with the ends min and max, counted into net->histogram. */
static void count(rk_net *net, float min, float max, const float *x, size_t rows, size_t cols)
{
    rk_histogram *all = net->histogram;

    memset(all, 0, sizeof *all);
    all->min = min;
    all->max = max;
#pragma omp parallel
    {
        rk_histogram part = {.min = min, .max = max};
#pragma omp for schedule(static)
        for (size_t c = 0; c < rk_chunks(rows); c++)
            rk_histogram_add(&part, x + c * RK_CHUNK * cols, rk_chunk_rows(c, rows) * cols);
#pragma omp critical
        for (size_t i = 0; i < RK_HISTOGRAM_BINS; i++) all->count[i] += part.count[i];
    }
}

/* The ends of what the observer makes of the batch that was counted. */
static void narrow(const rk_net *net, float *min, float *max)
{
    if (net->observer == RK_OBSERVER_PERCENTILE)
        rk_histogram_percentile(min, max, net->histogram, net->percentile);
    else if (net->observer == RK_OBSERVER_MSE)
        rk_histogram_least_error(min, max, net->histogram);
}

static float bulk_share(const rk_histogram *h)
{
    float min, max;
    rk_histogram_percentile(&min, &max, h, 99.0);
    return (max - min) / (h->max - h->min);
}

static void observe(rk_net *net, size_t site, const float *x, size_t rows, size_t cols)
{
    rk_range *range = &net->ranges->site[site];
    float min = INFINITY, max = -INFINITY;
#pragma omp parallel for schedule(static) reduction(min : min) reduction(max : max)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        net->loops->min_max(&min, &max, x + c * RK_CHUNK * cols, rk_chunk_rows(c, rows) * cols);
    if (max > min && (net->observer != RK_OBSERVER_MINMAX || net->bulk)) {
        count(net, min, max, x, rows, cols);
        if (net->bulk) net->bulk[site] = bulk_share(net->histogram);
        narrow(net, &min, &max);
    }
    if (range->q.scale == 0.0f) { /* nothing seen yet */
        range->min = min;
        range->max = max;
    } else {
        range->min += net->momentum * (min - range->min);
        range->max += net->momentum * (max - range->max);
    }
    range->q = rk_qparams_u8(range->min, range->max);
}

static void to_bf16(const rk_net *net, const rk_input *in, const float *x, size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        net->loops->to_bf16(in->x16 + c * RK_CHUNK * cols, x + c * RK_CHUNK * cols,
                            rk_chunk_rows(c, rows) * cols);
}

/* A NaN has no code; it spoils the whole product, so that a run that diverged is seen. */
static void to_codes(const rk_net *net, rk_input *in, const float *x, size_t rows, size_t cols)
{
    bool nan = false;
#pragma omp parallel for schedule(static) reduction(|| : nan)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t at = c * RK_CHUNK * cols;
        nan = net->loops->codes_u8(in->codes + at, in->inside + at, in->x16 + at, x + at,
                                   rk_chunk_rows(c, rows) * cols, in->q.scale, in->q.zero) ||
              nan;
    }
    if (nan) in->q.scale = NAN;
}

void rk_input_make(rk_net *net, rk_input *in, float *x, size_t site, size_t rows, size_t cols)
{
    const rk_range *range;
    bool as_is;

    in->coded = false;
    if (net->qat != RK_QAT_INT8) {
        in->x = x;
        if (in->x16) to_bf16(net, in, x, rows, cols);
        return;
    }
    range = &net->ranges->site[site];
    as_is = net->asleep || net->observe == RK_OBSERVE_FIRST;
    if (net->observe != RK_OBSERVE_OFF) observe(net, site, x, rows, cols);
    if (in->codes && !as_is) {
        in->coded = true;
        in->q = range->q;
        to_codes(net, in, x, rows, cols);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t at = c * RK_CHUNK * cols, n = rk_chunk_rows(c, rows) * cols;
        if (as_is) {
            memcpy(in->x + at, x + at, n * sizeof *x);
            memset(in->inside + at, 1, n);
        } else {
            net->loops->fake_u8(in->x + at, in->inside + at, x + at, n, range->q.scale,
                                range->q.zero);
        }
    }
    if (in->x16) to_bf16(net, in, in->x, rows, cols);
}

/* Chunk after chunk, so that the sum is the same for any number of threads. */
static double range_gradient(const rk_net *net, const float *dx, const float *x, rk_qparams q,
                             size_t rows, size_t cols)
{
    double *part = net->chunk_sums, sum = 0.0;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        part[c] = net->loops->scale_gradient(dx + c * RK_CHUNK * cols, x + c * RK_CHUNK * cols,
                                             rk_chunk_rows(c, rows) * cols, q.scale, q.zero);
    for (size_t c = 0; c < rk_chunks(rows); c++) sum += part[c];
    return sum;
}

void rk_input_back(rk_net *net, float *dx, const rk_input *in, const float *x, size_t site,
                   size_t rows, size_t cols)
{
    if (rk_net_acts_as(net) != RK_QAT_INT8) return;
    if (net->dscale)
        net->dscale[site] += range_gradient(net, dx, x, net->ranges->site[site].q, rows, cols);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        net->loops->mask(dx + c * RK_CHUNK * cols, in->inside + c * RK_CHUNK * cols,
                         rk_chunk_rows(c, rows) * cols);
}

void rk_round_piece(const rk_net *net, float *x, size_t n, rk_half_counts *counts)
{
    rk_half_counts k = {0};

    if (rk_net_acts_as(net) != RK_QAT_FP16) return;
    net->loops->round_half(x, NULL, x, n, &k);
    rk_join_counts(counts, k);
}

void rk_round(rk_net *net, float *x, size_t rows, size_t cols, size_t place)
{
    uint64_t clamped = 0, subnormal = 0;
    float largest = 0.0f;

    if (rk_net_acts_as(net) != RK_QAT_FP16) return;
#pragma omp parallel for schedule(static) reduction(+ : clamped, subnormal) reduction(max : largest)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        rk_half_counts k = {0};
        rk_round_piece(net, x + c * RK_CHUNK * cols, rk_chunk_rows(c, rows) * cols, &k);
        clamped += k.clamped;
        subnormal += k.subnormal;
        largest = k.largest > largest ? k.largest : largest;
    }
    net->half.clamped += clamped;
    net->half.subnormal += subnormal;
    rk_see_peak(net, place, largest);
}

/* A clamped value is known by its result; where nothing was clamped there is nothing to look for.
 */
static bool clamped(const rk_net *net)
{
    return rk_net_acts_as(net) == RK_QAT_FP16 && net->half.clamped > 0;
}

void rk_round_back_piece(const rk_net *net, float *dx, const float *y, size_t n)
{
    for (size_t i = 0; clamped(net) && i < n; i++)
        if (fabsf(y[i]) >= 65504.0f) dx[i] = 0.0f;
}

void rk_round_back(const rk_net *net, float *dx, const float *y, size_t rows, size_t cols)
{
    if (!clamped(net)) return;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        rk_round_back_piece(net, dx + c * RK_CHUNK * cols, y + c * RK_CHUNK * cols,
                            rk_chunk_rows(c, rows) * cols);
}
