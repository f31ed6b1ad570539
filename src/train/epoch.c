/* The end of an epoch: how good it is on the validation rows, whether it is the best, and what
 * people should know of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "train/run.h"

/* The QAT ranges as they are now become the best; the checkpoint that follows keeps the weights. */
static void keep_best(rk_run *r)
{
    if (r->ranges && r->ranges->site)
        memcpy(r->best_ranges->site, r->ranges->site, r->ranges->sites * sizeof *r->ranges->site);
    if (r->best_ranges) rk_ranges_weights(r->best_ranges, r->params);
}

/* What a mean hides: labels that are not found at all, one answer for everything, a loss that is
 * that of guessing, an accuracy that the most common label has too. */
static void say_labels(const rk_run *r, const rk_metrics *m, double loss)
{
    enum { SHOWN = 8 };
    const double guess = log((double)m->labels);
    rk_buffer b = {0};
    size_t answered = 0, last = 0, common = 0;
    char name[RK_QUOTE_SIZE];

    for (size_t i = 0; i < m->labels; i++) {
        size_t given = 0;
        if (m->label[i].support > m->label[common].support) common = i;
        for (size_t t = 0; t < m->labels; t++) given += m->confusion[t * m->labels + i];
        answered += given > 0;
        if (given) last = i;
        if (m->labels <= SHOWN)
            rk_buffer_printf(&b, "%s%s %.4f", i ? ", " : "", r->config.labels.name[i],
                             m->label[i].recall);
    }
    if (b.length && !b.failed) rk_say(r, "epoch %zu: recall of %s", r->epoch, b.data);
    rk_buffer_free(&b);
    if (answered == 1 && m->rows > 1)
        rk_say(r,
               "epoch %zu: every validation row gets the label \"%s\": nothing is told apart yet; "
               "if it stays so, try another learning rate",
               r->epoch,
               rk_quote(name, r->config.labels.name[last], strlen(r->config.labels.name[last])));
    else if (loss >= guess)
        rk_say(r,
               "epoch %zu: a validation loss of %.4f is no better than guessing (%.4f for %zu "
               "labels)",
               r->epoch, loss, guess, m->labels);
    else if (m->accuracy * (double)m->rows <= (double)m->label[common].support + 0.5)
        rk_say(r,
               "epoch %zu: an accuracy of %.4f is no better than the label \"%s\" for every "
               "validation row (%.4f)",
               r->epoch, m->accuracy,
               rk_quote(name, r->config.labels.name[common], strlen(r->config.labels.name[common])),
               (double)m->label[common].support / (double)m->rows);
}

/* FP16: the places whose values reached an eighth of its largest number on the validation rows. */
static json_t *near_limit(const rk_run *r)
{
    json_t *list = json_array();
    char name[96];

    for (size_t i = 0; list && i < rk_half_places(&r->config); i++) {
        if (r->net->peak[i] < 65504.0f / 8.0f) continue;
        rk_half_name(name, &r->config, i);
        json_array_append_new(
            list, json_pack("{s:s s:f}", "tensor", name, "largest", (double)r->net->peak[i]));
        rk_say(r, "fp16: %s reaches %g of 65504", name, (double)r->net->peak[i]);
    }
    return list;
}

static json_t *epoch_json(const rk_run *r, const rk_metrics *m, double loss)
{
    json_t *recall = json_object(), *entry;

    for (size_t i = 0; i < m->labels; i++)
        json_object_set_new(recall, r->config.labels.name[i], json_real(m->label[i].recall));
    entry = json_pack("{s:I s:o s:f s:f s:f s:o}", "epoch", (json_int_t)r->epoch, "train_loss",
                      r->loss_rows ? json_real(r->loss_sum / (double)r->loss_rows) : json_null(),
                      "valid_loss", loss, "valid_accuracy", m->accuracy, "valid_f1_weighted",
                      m->f1_weighted, "per_label_recall", recall);
    if (entry && r->o->qat == RK_QAT_FP16) json_object_set_new(entry, "near_limit", near_limit(r));
    return entry;
}

rk_status rk_run_look(rk_run *r, rk_error *err)
{
    rk_metrics m = {0};
    double loss;
    char train_text[32] = "none"; /* of no step there is no loss */
    rk_status st;

    if (r->net->peak) memset(r->net->peak, 0, rk_half_places(&r->config) * sizeof *r->net->peak);
    st = rk_run_validate(r, &m, &loss, err);
    if (!st && !isfinite(loss))
        st = rk_fail(err, RK_E_NUMERIC,
                     "step %zu: loss %g on the validation rows: training diverged; try a smaller "
                     "learning rate",
                     r->step, loss);
    if (st) goto done;
    if (json_array_size(r->epochs) == 0 || m.f1_weighted > r->best_f1) {
        r->best_epoch = r->epoch;
        r->best_f1 = m.f1_weighted;
        r->best_accuracy = m.accuracy;
        keep_best(r);
    }
    if (json_array_append_new(r->epochs, epoch_json(r, &m, loss)))
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
    if (r->loss_rows)
        snprintf(train_text, sizeof train_text, "%.4f", r->loss_sum / (double)r->loss_rows);
    rk_say(r, "epoch %zu%s: train loss %s, valid loss %.4f, accuracy %.4f, weighted F1 %.4f%s",
           r->epoch, r->epoch ? "" : " (the start, not trained for this)", train_text, loss,
           m.accuracy, m.f1_weighted, r->best_epoch == r->epoch ? " (best so far)" : "");
    if (r->epoch) say_labels(r, &m, loss);
    r->loss_sum = 0.0;
    r->loss_rows = 0;
done:
    rk_metrics_free(&m);
    return st;
}
