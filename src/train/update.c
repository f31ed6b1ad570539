/* One update of the weights: the batches that make it, their losses, and the step. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/optimizer.h"
#include "train/run.h"
#include "train/schedule.h"

void rk_update_free(rk_update *u)
{
    rk_gather_free(&u->gather);
    rk_free(u->dlogits);
    rk_free(u->dlast);
    memset(u, 0, sizeof *u);
}

static rk_status reserve(rk_update *u, const rk_run *r, size_t rows, size_t tokens, rk_error *err)
{
    const size_t h = r->config.hidden;

    if (!u->dlogits) {
        u->dlogits = rk_calloc(r->o->batch * r->config.labels.count, sizeof *u->dlogits);
        if (!u->dlogits) return rk_fail(err, RK_E_MEMORY, "out of memory for a batch of %zu", rows);
    }
    if (r->o->distill_hidden > 0.0 && tokens > u->dlast_tokens) {
        rk_free(u->dlast);
        u->dlast = rk_calloc(tokens, h * sizeof *u->dlast);
        u->dlast_tokens = u->dlast ? tokens : 0;
        if (!u->dlast) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu tokens", tokens);
    }
    return RK_OK;
}

/* What the losses of all batches of the update are divided by: the mean is over the rows (by their
 * weights) and tokens of them all, as if they were one batch. */
typedef struct masses {
    double weight, rows, values;
} masses;

static masses weigh(const rk_run *r, const uint32_t *order, size_t first, size_t rows)
{
    masses m = {0.0, (double)rows, 0.0};
    for (size_t i = first; i < first + rows; i++) {
        const uint32_t row = order[i];
        m.weight += rk_objective_mass(&r->objective, &r->train.labels[row], 1);
        m.values += (double)(r->train.starts[row + 1] - r->train.starts[row]);
    }
    m.values *= (double)r->config.hidden;
    return m;
}

/* The teacher's part of the loss; its gradients join those of the labels. */
static rk_status learn_from(rk_run *r, rk_update *u, const rk_batch *batch, const masses *m,
                            double *loss, rk_error *err)
{
    const rk_train_options *o = r->o;
    rk_batch seen = *batch;
    rk_status st;

    seen.train = false;
    st = rk_net_forward(r->teacher->net, &seen, err);
    if (st) return st;
    *loss += rk_distill(u->dlogits, r->net->logits, r->teacher->net->logits, batch->rows,
                        r->config.labels.count, o->distill_temperature, o->distill, m->rows);
    if (o->distill_hidden > 0.0)
        *loss += rk_distance(u->dlast, r->net->last, r->teacher->net->last, r->net->tokens,
                             r->config.hidden, o->distill_hidden, m->values);
    return RK_OK;
}

/* Batch `part` of the update: its loss is added to, its gradients join those before it. */
static rk_status one_batch(rk_run *r, rk_update *u, size_t part, const masses *m, double *loss,
                           rk_error *err)
{
    const rk_gather *g = &u->gather;
    rk_batch batch = {.ids = g->ids,
                      .starts = g->starts,
                      .rows = u->rows,
                      .train = true,
                      .add = part > 0,
                      .seed = r->o->seed,
                      .stream = r->step * r->o->accumulate + part + 1};
    rk_status st = reserve(u, r, u->rows, g->starts[u->rows], err);

    if (st) return st;
    rk_optimizer_meet(r->opt, r->net->loops, g->ids, g->starts[u->rows]);
    st = rk_net_forward(r->net, &batch, err);
    if (st) return st;
    *loss += rk_cross_entropy(u->dlogits, NULL, r->net->logits, g->labels, u->rows,
                              r->config.labels.count, &r->objective, m->weight);
    if (r->teacher) st = learn_from(r, u, &batch, m, loss, err);
    if (r->teacher && r->o->distill_hidden > 0.0) batch.dlast = u->dlast;
    if (!st && isfinite(*loss)) st = rk_net_backward(r->net, &batch, u->dlogits, r->grad, err);
    return st;
}

static rk_status step(rk_run *r, rk_figures *f, rk_error *err)
{
    const rk_train_options *o = r->o;
    const double factor = rk_schedule_factor(o->schedule, r->step, r->warmup, r->total);
    const rk_adamw a = {r->lr * factor, o->weight_decay, 0.9, 0.999, 1e-8};
    double gscale = 1.0;

    f->lr = a.lr;
    f->norm = isfinite(f->loss) ? rk_optimizer_norm(r->opt, r->net->loops) : NAN;
    if (!isfinite(f->loss) || !isfinite(f->norm))
        return rk_fail(
            err, RK_E_NUMERIC,
            "step %zu: loss %g, gradient norm %g at learning rate %g: training diverged; try a "
            "smaller learning rate%s",
            r->step + 1, f->loss, f->norm, a.lr,
            rk_train_unfinished(o->out) ? "; the last checkpoint is kept" : "");
    /* as torch.nn.utils.clip_grad_norm_ */
    if (o->clip > 0.0 && f->norm > o->clip) gscale = o->clip / (f->norm + 1e-6);
    rk_run_learn_ranges(r, factor);
    r->half = r->net->half;
    r->clamped += r->half.clamped;
    return rk_optimizer_step(r->opt, r->net->loops, r->net, &a, gscale, err);
}

rk_status rk_run_update(rk_run *r, rk_update *u, const uint32_t *order, size_t first, size_t rows,
                        rk_figures *f, rk_error *err)
{
    const masses m = weigh(r, order, first, rows);
    rk_status st = RK_OK;
    size_t part = 0;

    *f = (rk_figures){0.0, 0.0, 0.0};
    rk_run_observe(r);
    for (size_t i = 0; i < rows && !st; i += u->rows, part++) {
        u->rows = rows - i < r->o->batch ? rows - i : r->o->batch;
        st = rk_gather_rows(&u->gather, &r->train, order, first + i, u->rows, err);
        if (!st) st = one_batch(r, u, part, &m, &f->loss, err);
    }
    return st ? st : step(r, f, err);
}
