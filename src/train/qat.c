/* When the observers look: first on batches without training, then along with the first half of the
 * steps, and then the ranges stay, so that the weights settle on what will be deployed. */
#include "base/mem.h"
#include "train/batch.h"
#include "train/run.h"

enum { CALIBRATION_BATCHES = 64 };

/* False: the caller wants to stop. */
static bool tell(const rk_run *r, size_t done, size_t total)
{
    const rk_progress p = {
        .kind = "calibrate", .done = done, .total = total, .seconds_left = -1.0};
    return !r->progress || r->progress(&p, r->user);
}

rk_status rk_run_calibrate(rk_run *r, rk_error *err)
{
    uint32_t *order = rk_calloc(r->train.rows, sizeof *order);
    rk_gather g = {0};
    rk_status st = RK_OK;
    const float momentum = r->net->momentum;
    const size_t all = (r->train.rows + r->o->batch - 1) / r->o->batch;
    const size_t batches = all < CALIBRATION_BATCHES ? all : CALIBRATION_BATCHES;
    size_t done = 0;

    if (!order) return rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_run_order(r, 0, order);
    r->net->observe = RK_OBSERVE_FIRST;
    for (; done < batches && !st; done++) {
        const size_t first = done * r->o->batch, left = r->train.rows - first;
        const size_t rows = left < r->o->batch ? left : r->o->batch;
        st = rk_gather_rows(&g, &r->train, order, first, rows, err);
        if (st) break;
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
    if (!st) rk_say(r, "int8: ranges of %zu activations from %zu batches", r->ranges->sites, done);
    rk_gather_free(&g);
    rk_free(order);
    return st;
}

void rk_run_observe(rk_run *r)
{
    r->net->observe =
        r->o->qat == RK_QAT_INT8 && r->step < r->total / 2 ? RK_OBSERVE_UPDATE : RK_OBSERVE_OFF;
}
