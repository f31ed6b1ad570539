/* When quantisation acts and when its observers look: ranges are measured on batches without
 * training first. QAT may then sleep for a number of steps while the observers look on. After that
 * they follow the first half of the steps and the ranges stay, so that the weights settle on what
 * will be deployed; or the scales are trained along with the weights. */
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "train/run.h"

enum { CALIBRATION_BATCHES = 64 };

/* False: the caller wants to stop. */
static bool tell(const rk_run *r, size_t done, size_t total)
{
    const rk_progress p = {.kind = "calibrate", .done = done, .total = total, .seconds_left = -1.0};
    return !r->progress || r->progress(&p, r->user);
}

/* Few values far out take the codes from all others: the site where it is worst, so that people
 * know what to try when the accuracy falls. */
static void say_crowded(const rk_run *r, const float *bulk)
{
    enum { CODES = 256, FEW = 8 };
    const float few = (float)FEW / CODES;
    size_t crowded = 0, worst = 0;
    char name[96];

    for (size_t i = 0; i < r->ranges->sites; i++) {
        crowded += bulk[i] < few;
        if (bulk[i] < bulk[worst]) worst = i;
    }
    if (!crowded) return;
    rk_site_name(name, &r->config, worst);
    rk_say(r,
           "int8: at %zu of %zu activations nearly all values (98 %%) lie in under %.1f %% of the "
           "range, the rest far out; worst %s: %.2g %% of %g to %g; should the accuracy fall, try "
           "--observer mse or percentile",
           crowded, r->ranges->sites, 100.0 * (double)few, name, 100.0 * (double)bulk[worst],
           (double)r->ranges->site[worst].min, (double)r->ranges->site[worst].max);
}

rk_status rk_run_calibrate(rk_run *r, rk_error *err)
{
    uint32_t *order = rk_calloc(r->train.rows, sizeof *order);
    float *bulk = rk_calloc(r->ranges->sites, sizeof *bulk);
    rk_gather g = {0};
    rk_status st = RK_OK;
    const float momentum = r->net->momentum;
    const size_t all = (r->train.rows + r->o->batch - 1) / r->o->batch;
    const size_t batches = all < CALIBRATION_BATCHES ? all : CALIBRATION_BATCHES;
    size_t done = 0;

    if (!order || !bulk) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto done;
    }
    for (size_t i = 0; i < r->ranges->sites; i++) bulk[i] = 1.0f;
    rk_run_order(r, 0, order);
    r->net->observe = RK_OBSERVE_FIRST;
    for (; done < batches && !st; done++) {
        const size_t first = done * r->o->batch, left = r->train.rows - first;
        const size_t rows = left < r->o->batch ? left : r->o->batch;
        st = rk_gather_rows(&g, &r->train, order, first, rows, err);
        if (st) break;
        if (done + 1 == batches && r->o->observer == RK_OBSERVER_MINMAX) r->net->bulk = bulk;
        /* the mean of the batches' ends, not the far ends of the rarest batch */
        r->net->momentum = 1.0f / (float)(done + 1);
        st = rk_net_forward(r->net, &(rk_batch){.ids = g.ids, .starts = g.starts, .rows = rows},
                            err);
        if (!st && !tell(r, done + 1, batches))
            st = rk_fail(err, RK_E_STOPPED,
                         "stopped while ranges were measured, before the first step; nothing is "
                         "saved");
    }
    r->net->momentum = momentum;
    r->net->observe = RK_OBSERVE_OFF;
    r->net->bulk = NULL;
    if (st) goto done;
    rk_say(r, "int8: ranges of %zu activations from %zu batches", r->ranges->sites, done);
    say_crowded(r, bulk);
done:
    rk_gather_free(&g);
    rk_free(bulk);
    rk_free(order);
    return st;
}

void rk_run_observe(rk_run *r)
{
    const bool asleep = r->step < r->delay;
    const size_t half = r->delay + (r->total - r->delay) / 2;

    rk_net_sleep(r->net, asleep);
    if (r->o->qat != RK_QAT_INT8)
        r->net->observe = RK_OBSERVE_OFF;
    else if (asleep)
        r->net->observe = RK_OBSERVE_FIRST;
    else
        r->net->observe =
            !r->o->learn_ranges && r->step < half ? RK_OBSERVE_UPDATE : RK_OBSERVE_OFF;
}

/* The range that the codes of q reach. */
static void set_scale(rk_range *range, float scale)
{
    range->q.scale = scale;
    range->min = -(float)range->q.zero * scale;
    range->max = (255.0f - (float)range->q.zero) * scale;
}

void rk_run_learn_ranges(rk_run *r, double factor)
{
    /* A hundredth of a scale's size in about ten steps at most. AdamW's own step is of the size of
     * its rate, so the rate is that of the logarithm. */
    const double rate = 1e-3 * factor, b1 = 0.9, b2 = 0.999;
    const size_t t = r->step + 1 - r->delay;

    if (!r->o->learn_ranges || r->step < r->delay) return;
    for (size_t i = 0; i < r->ranges->sites; i++) {
        rk_range *range = &r->ranges->site[i];
        const double g = r->net->dscale[i];
        rk_learned *l = &r->learned[i];
        double scale;
        l->m = b1 * l->m + (1.0 - b1) * g;
        l->v = b2 * l->v + (1.0 - b2) * g * g;
        r->net->dscale[i] = 0.0;
        if (l->v == 0.0) continue;
        scale = (double)range->q.scale * exp(-rate * (l->m / (1.0 - pow(b1, (double)t))) /
                                             sqrt(l->v / (1.0 - pow(b2, (double)t))));
        if (scale >= (double)FLT_MIN && scale <= (double)FLT_MAX / 256.0)
            set_scale(range, (float)scale);
    }
}
