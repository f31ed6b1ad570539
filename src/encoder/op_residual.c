/* Dropout, the residual sum and LayerNorm, chunk by chunk while it is in the cache. */
#include <string.h>

#include "encoder/net.h"

rk_residual rk_residual_attention(const rk_net *net, size_t l)
{
    const rk_layer *w = &net->used->layer[l];
    const rk_acts *a = &net->acts[l];
    const bool firsts = rk_firsts(net, l);
    return (rk_residual){
        .sum = a->res1,
        .y = a->h,
        .x = firsts ? net->first_x : a->x,
        .mean = a->mean1,
        .rstd = a->rstd1,
        .w = w->ln1_w,
        .b = w->ln1_b,
        .keep = a->keep1,
        .firsts = firsts,
        .rows = firsts ? net->rows : net->tokens,
        .drop_place = RK_PLACE_LAYERS + RK_PLACES_PER_LAYER * l + 1,
        .sum_place = RK_HALF_PER_LAYER * l + RK_HALF_RES1,
        .y_place = RK_HALF_PER_LAYER * l + RK_HALF_H,
    };
}

rk_residual rk_residual_feed(const rk_net *net, size_t l)
{
    const rk_layer *w = &net->used->layer[l];
    const rk_acts *a = &net->acts[l];
    const bool firsts = rk_firsts(net, l), last = l + 1 == net->config->layers;
    return (rk_residual){
        .sum = a->res2,
        .y = !last ? net->acts[l + 1].x : firsts ? net->first : net->last,
        .x = a->h,
        .mean = a->mean2,
        .rstd = a->rstd2,
        .w = w->ln2_w,
        .b = w->ln2_b,
        .keep = a->keep2,
        .firsts = firsts,
        .rows = firsts ? net->rows : net->tokens,
        .drop_place = RK_PLACE_LAYERS + RK_PLACES_PER_LAYER * l + 2,
        .sum_place = RK_HALF_PER_LAYER * l + RK_HALF_RES2,
        .y_place = RK_HALF_PER_LAYER * l + RK_HALF_X,
    };
}

static void add_counts(rk_net *net, rk_half_counts k, size_t place)
{
    net->half.clamped += k.clamped;
    net->half.subnormal += k.subnormal;
    rk_see_peak(net, place, k.largest);
}

void rk_residual_forward(rk_net *net, const rk_batch *batch, const rk_residual *e)
{
    const size_t h = net->config->hidden;
    const float p = net->dropout_hidden;
    rk_half_counts sums = {0}, ys = {0};

    if (e->firsts) rk_drop_first(net, batch, e->sum, e->keep, p, e->drop_place, h);
#pragma omp parallel
    {
        rk_half_counts sum = {0}, y = {0};
#pragma omp for schedule(static)
        for (size_t c = 0; c < rk_chunks(e->rows); c++) {
            const size_t r = c * RK_CHUNK, rows = rk_chunk_rows(c, e->rows), at = r * h;
            if (!e->firsts)
                rk_drop_chunk(net, batch, e->sum, e->keep, p, e->drop_place, c, rows, h);
            net->loops->add(e->sum + at, e->sum + at, e->x + at, rows * h);
            rk_round_piece(net, e->sum + at, rows * h, &sum);
            net->loops->layernorm(e->y + at, e->mean + r, e->rstd + r, e->sum + at, e->w, e->b,
                                  rows, h, net->config->eps);
            rk_round_piece(net, e->y + at, rows * h, &y);
        }
#pragma omp critical
        {
            rk_join_counts(&sums, sum);
            rk_join_counts(&ys, y);
        }
    }
    add_counts(net, sums, e->sum_place);
    add_counts(net, ys, e->y_place);
}

void rk_residual_back(rk_net *net, const rk_batch *batch, float *dbefore, float *dsum, float *dw,
                      float *db, const float *dy, const rk_residual *e)
{
    const size_t h = net->config->hidden, n = rk_chunks(e->rows);
    const bool drops = batch->train && rk_drop_threshold(net->dropout_hidden) > 0;
    const float scale = rk_drop_scale(net->dropout_hidden);

#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < n; c++) {
        const size_t r = c * RK_CHUNK, rows = rk_chunk_rows(c, e->rows), at = r * h;
        float *part = net->partial + c * 2 * h;
        memset(part, 0, 2 * h * sizeof *part);
        net->loops->layernorm_back(dsum + at, part, part + h, dy + at, e->sum + at, e->mean + r,
                                   e->rstd + r, e->w, rows, h);
        rk_round_back_piece(net, dsum + at, e->sum + at, rows * h);
        if (drops) net->loops->dropout(dbefore + at, dsum + at, e->keep + at, scale, rows * h);
        else memcpy(dbefore + at, dsum + at, rows * h * sizeof *dsum);
    }
    rk_add_partial(net, dw, db, n);
}
