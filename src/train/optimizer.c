#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PIECE = 1 << 14 }; /* floats of a piece, whole rows */

typedef struct rk_piece {
    size_t param, first, rows;
} rk_piece;

/* The pieces of a parameter; with `out` NULL they are only counted. */
static size_t cut(rk_piece *out, const rk_params *p, size_t param)
{
    const rk_param *q = &p->param[param];
    const size_t each = q->dim[1] < PIECE ? PIECE / q->dim[1] : 1;
    size_t n = 0;
    for (size_t r = 0; r < q->dim[0]; r += each, n++)
        if (out) out[n] = (rk_piece){param, r, q->dim[0] - r < each ? q->dim[0] - r : each};
    return n;
}

rk_status rk_optimizer_new(rk_optimizer **out, rk_params *params, rk_params *grad, rk_error *err)
{
    const size_t rows = params->param[0].dim[0];
    rk_optimizer *o = rk_calloc(1, sizeof *o);

    *out = NULL;
    if (!o) return rk_fail(err, RK_E_MEMORY, "out of memory for the optimiser");
    o->params = params;
    o->grad = grad;
    for (size_t i = 1; i < params->params; i++) o->pieces += cut(NULL, params, i);
    o->piece = rk_calloc(o->pieces, sizeof *o->piece);
    o->sums = rk_calloc(o->pieces + rows, sizeof *o->sums);
    o->done = rk_calloc(rows, sizeof *o->done);
    o->met = rk_calloc(rows, sizeof *o->met);
    o->stamp = rk_calloc(rows, sizeof *o->stamp);
    o->factor = rk_calloc(params->params, sizeof *o->factor);
    o->each = rk_calloc(params->params, sizeof *o->each);
    o->m = rk_alloc_aligned(params->count, sizeof(float));
    o->v = rk_alloc_aligned(params->count, sizeof(float));
    if (!o->piece || !o->sums || !o->done || !o->met || !o->stamp || !o->factor || !o->each ||
        !o->m || !o->v) {
        rk_optimizer_free(o);
        return rk_fail(err, RK_E_MEMORY, "out of memory for the optimiser of %zu parameters",
                       params->count);
    }
    memset(o->m, 0, params->count * sizeof(float));
    memset(o->v, 0, params->count * sizeof(float));
    for (size_t i = 0; i < params->params; i++) o->factor[i] = 1.0;
    o->pieces = 0;
    for (size_t i = 1; i < params->params; i++) o->pieces += cut(o->piece + o->pieces, params, i);
    *out = o;
    return RK_OK;
}

void rk_optimizer_free(rk_optimizer *o)
{
    if (!o) return;
    rk_free(o->piece);
    rk_free(o->sums);
    rk_free(o->done);
    rk_free(o->met);
    rk_free(o->stamp);
    rk_free(o->factor);
    rk_free(o->each);
    rk_free(o->past);
    rk_free_aligned(o->m);
    rk_free_aligned(o->v);
    rk_free(o);
}

void rk_optimizer_restart(rk_optimizer *o, size_t step)
{
    for (size_t r = 0; r < o->params->param[0].dim[0]; r++) {
        o->done[r] = (uint32_t)step;
        o->stamp[r] = 0;
    }
    o->met_count = 0;
    o->step = o->settled = step;
}

static void catch_up(rk_optimizer *o, const rk_loops *loops, size_t row)
{
    const rk_param *q = &o->params->param[0];
    const size_t h = q->dim[1], at = q->offset + row * h;
    const size_t k = o->step - o->done[row];

    if (k == 0) return;
    loops->adamw_idle(o->params->block + at, o->m + at, o->v + at, h,
                      o->past + (o->done[row] - o->settled), k);
    o->done[row] = (uint32_t)o->step;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void rk_optimizer_meet(rk_optimizer *o, const rk_loops *loops, const int32_t *ids, size_t n)
{
    const size_t before = o->met_count, rows = o->params->param[0].dim[0];

    for (size_t i = 0; i < n; i++) {
        const size_t row = (size_t)ids[i];
        if (row >= rows || o->stamp[row] == o->step + 1)
            continue; /* ids are the forward's to check */
        o->stamp[row] = (uint32_t)o->step + 1;
        o->met[o->met_count++] = (uint32_t)row;
    }
#pragma omp parallel for schedule(dynamic, 8)
    for (size_t i = before; i < o->met_count; i++) catch_up(o, loops, o->met[i]);
    qsort(o->met, o->met_count, sizeof *o->met, ascending);
}

void rk_optimizer_settle(rk_optimizer *o, const rk_loops *loops)
{
#pragma omp parallel for schedule(dynamic, 64)
    for (size_t r = 0; r < o->params->param[0].dim[0]; r++) catch_up(o, loops, r);
    o->settled = o->step;
}

double rk_optimizer_norm(const rk_optimizer *o, const rk_loops *loops)
{
    const rk_param *word = &o->params->param[0];
    double sum = 0.0;

#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (size_t i = 0; i < o->pieces; i++) {
            const rk_piece *c = &o->piece[i];
            const rk_param *q = &o->params->param[c->param];
            o->sums[i] = loops->square_sum(o->grad->block + q->offset + c->first * q->dim[1],
                                           c->rows * q->dim[1]);
        }
#pragma omp for schedule(static)
        for (size_t i = 0; i < o->met_count; i++)
            o->sums[o->pieces + i] = loops->square_sum(
                o->grad->block + word->offset + o->met[i] * word->dim[1], word->dim[1]);
    }
    for (size_t i = 0; i < o->pieces + o->met_count; i++) sum += o->sums[i];
    return sqrt(sum);
}

static rk_adamw_step numbers(const rk_adamw *a, bool decay, double factor, size_t step)
{
    const double lr = a->lr * factor;
    return (rk_adamw_step){
        .shrink = (float)(decay ? 1.0 - lr * a->decay : 1.0),
        .step = (float)(lr / (1.0 - pow(a->beta1, (double)step))),
        .root = (float)(1.0 / sqrt(1.0 - pow(a->beta2, (double)step))),
        .b1 = (float)a->beta1,
        .b2 = (float)a->beta2,
        .eps = (float)a->eps,
    };
}

static void update(rk_optimizer *o, const rk_loops *loops, size_t at, size_t n,
                   const rk_adamw_step *s, float gscale)
{
    loops->adamw(o->params->block + at, o->m + at, o->v + at, o->grad->block + at, n, s, gscale);
}

/* One piece, while it is in the cache: update, gradient, the net's copy. */
static void step_piece(rk_optimizer *o, const rk_loops *loops, rk_net *net, const rk_piece *c,
                       const rk_adamw_step *s, float gscale, rk_half_counts *counts)
{
    const rk_param *q = &o->params->param[c->param];
    const size_t at = q->offset + c->first * q->dim[1], n = c->rows * q->dim[1];

    update(o, loops, at, n, s, gscale);
    if (c->param < RK_TABLES || q->rank == 1) memset(o->grad->block + at, 0, n * sizeof(float));
    if (net && c->param >= RK_TABLES) rk_net_refresh_rows(net, c->param, c->first, c->rows, counts);
}

static rk_status remember(rk_optimizer *o, rk_adamw_step s, rk_error *err)
{
    const size_t n = o->step - o->settled;
    if (n == o->past_room) {
        const size_t room = n ? 2 * n : 256;
        rk_adamw_step *past = rk_realloc(o->past, room, sizeof *past);
        if (!past) return rk_fail(err, RK_E_MEMORY, "out of memory for the optimiser's past");
        o->past = past;
        o->past_room = room;
    }
    o->past[n] = s;
    return RK_OK;
}

rk_status rk_optimizer_step(rk_optimizer *o, const rk_loops *loops, rk_net *net, const rk_adamw *a,
                            double gscale, rk_error *err)
{
    const rk_param *word = &o->params->param[0];
    const size_t h = word->dim[1];
    uint64_t clamped = 0, subnormal = 0;
    rk_status st;

    for (size_t i = 0; i < o->params->params; i++)
        o->each[i] = numbers(a, o->params->param[i].decay, o->factor[i], o->step + 1);
    st = remember(o, o->each[0], err);
    if (st) return st;
#pragma omp parallel reduction(+ : clamped, subnormal)
    {
        rk_half_counts k = {0};
#pragma omp for schedule(static) nowait
        for (size_t i = 0; i < o->pieces; i++) {
            const rk_piece *c = &o->piece[i];
            step_piece(o, loops, net, c, &o->each[c->param], (float)gscale, &k);
        }
#pragma omp for schedule(static)
        for (size_t i = 0; i < o->met_count; i++) {
            const size_t row = o->met[i], at = word->offset + row * h;
            update(o, loops, at, h, &o->each[0], (float)gscale);
            memset(o->grad->block + at, 0, h * sizeof(float));
            o->done[row] = (uint32_t)o->step + 1;
        }
        clamped += k.clamped;
        subnormal += k.subnormal;
    }
    if (net) net->half = (rk_half_counts){.clamped = clamped, .subnormal = subnormal};
    o->met_count = 0;
    o->step++;
    return RK_OK;
}
