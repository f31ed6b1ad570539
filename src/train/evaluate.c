/* Validation: the network as it stands, dropout off, rows in order. */
#include <string.h>

#include "base/mem.h"
#include "train/loss.h"
#include "train/run.h"

rk_status rk_run_validate(rk_run *r, rk_metrics *m, double *loss, rk_error *err)
{
    const rk_encoded *e = &r->valid;
    const rk_observe observe = r->net->observe;
    const rk_half_counts half = r->net->half; /* counted are the steps' values */
    const bool asleep = r->net->asleep;
    int32_t *predicted = rk_calloc(e->rows, sizeof *predicted);
    const size_t batch_rows = r->o->batch; /* a larger one would be the run's peak of memory */
    size_t *starts = rk_calloc(batch_rows + 1, sizeof *starts);
    double sum = 0.0;
    rk_status st = RK_OK;

    if (!predicted || !starts) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    r->net->observe = RK_OBSERVE_OFF;
    rk_net_sleep(r->net, false); /* what is measured is what would be deployed */
    for (size_t i = 0; i < e->rows && !st; i += batch_rows) {
        const size_t n = e->rows - i < batch_rows ? e->rows - i : batch_rows;
        const rk_batch batch = {.ids = e->ids + e->starts[i], .starts = starts, .rows = n};
        for (size_t k = 0; k <= n; k++) starts[k] = e->starts[i + k] - e->starts[i];
        st = rk_net_forward(r->net, &batch, err);
        if (!st)
            sum += rk_cross_entropy(NULL, predicted + i, r->net->logits, e->labels + i, n,
                                    r->config.labels.count, NULL, 1.0);
    }
    r->net->observe = observe;
    rk_net_sleep(r->net, asleep);
    r->net->half = half;
    *loss = sum / (double)e->rows;
    if (!st) st = rk_metrics_compute(m, e->labels, predicted, e->rows, r->config.labels.count, err);
    rk_free(predicted);
    rk_free(starts);
    return st;
}
