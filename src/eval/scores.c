#include "eval/scores.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

rk_status rk_scores_begin(rk_scores *out, size_t labels, size_t budget, rk_error *err)
{
    memset(out, 0, sizeof *out);
    if (labels == 0) return rk_fail(err, RK_E_ARG, "no labels to score; at least one is needed");
    out->labels = labels;
    return rk_auc_new(&out->auc, labels, budget, err);
}

void rk_scores_free(rk_scores *s)
{
    rk_auc_free(s->auc);
    memset(s, 0, sizeof *s);
}

void rk_softmax(double *probs, const float *logits, size_t labels)
{
    double top = (double)logits[0], sum = 0.0;

    for (size_t k = 1; k < labels; k++)
        if ((double)logits[k] > top) top = (double)logits[k];
    for (size_t k = 0; k < labels; k++) sum += probs[k] = exp((double)logits[k] - top);
    for (size_t k = 0; k < labels; k++) probs[k] /= sum;
}

double rk_row_loss(double p)
{
    return -log(fmin(fmax(p, DBL_EPSILON), 1.0 - DBL_EPSILON));
}

/* The first bin whose upper end is not below the confidence. */
static size_t bin_of(double confidence)
{
    size_t b = 0;
    while (b + 1 < RK_RELIABILITY_BINS && confidence > (double)(b + 1) / RK_RELIABILITY_BINS) b++;
    return b;
}

rk_status rk_scores_add(rk_scores *s, int32_t truth, const double *probs, double *loss,
                        rk_error *err)
{
    size_t best = 0;
    double squares = 0.0, row;
    rk_bin *bin;

    if (truth < 0 || (size_t)truth >= s->labels)
        return rk_fail(err, RK_E_ARG, "true label %d; labels go from 0 to %zu", truth,
                       s->labels - 1);
    for (size_t k = 0; k < s->labels; k++) {
        const double gap = probs[k] - (double)((size_t)truth == k);
        squares += gap * gap;
        if (probs[k] > probs[best]) best = k;
    }
    row = rk_row_loss(probs[truth]);
    if (loss) *loss = row;
    s->loss += row;
    s->brier += s->labels < 3 ? 0.5 * squares : squares;
    bin = &s->bin[bin_of(probs[best])];
    bin->rows++;
    bin->right += best == (size_t)truth;
    bin->confidence += probs[best];
    s->rows++;
    return rk_auc_add(s->auc, truth, probs, err);
}

double rk_scores_log_loss(const rk_scores *s)
{
    return s->loss / (double)s->rows;
}

double rk_scores_brier(const rk_scores *s)
{
    return s->brier / (double)s->rows;
}

double rk_scores_ece(const rk_scores *s)
{
    double sum = 0.0;
    for (size_t b = 0; b < RK_RELIABILITY_BINS; b++)
        sum += fabs((double)s->bin[b].right - s->bin[b].confidence);
    return sum / (double)s->rows;
}

/* A share, or null where it is undefined. */
static json_t *share(double part, size_t whole)
{
    return whole ? json_real(part / (double)whole) : json_null();
}

int rk_scores_put(json_t *into, const rk_scores *s)
{
    json_t *bins = json_array();
    int bad = json_object_set_new(into, "log_loss", json_real(rk_scores_log_loss(s))) ||
              json_object_set_new(into, "brier", json_real(rk_scores_brier(s))) ||
              json_object_set_new(into, "ece", json_real(rk_scores_ece(s)));

    for (size_t b = 0; bins && b < RK_RELIABILITY_BINS; b++) {
        const rk_bin *bin = &s->bin[b];
        json_t *one = json_pack(
            "{s:f, s:f, s:I, s:o, s:o}", "from", (double)b / RK_RELIABILITY_BINS, "to",
            (double)(b + 1) / RK_RELIABILITY_BINS, "rows", (json_int_t)bin->rows, "confidence",
            share(bin->confidence, bin->rows), "accuracy", share((double)bin->right, bin->rows));
        bad = json_array_append_new(bins, one) || bad;
    }
    return json_object_set_new(into, "reliability", bins) || bad ? -1 : 0;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

rk_status rk_scores_put_auc(json_t *into, const rk_scores *s, const size_t *support, rk_error *err)
{
    double *area = rk_calloc(s->labels, sizeof *area), off = 0.0;
    double macro = 0.0, weighted = 0.0, defined = 0.0, weight = 0.0;
    const char *name;
    json_t *one;
    size_t k = 0;
    int bad = 0;
    rk_status st = area ? rk_auc_areas(area, &off, s->auc, err) : RK_E_MEMORY;

    for (size_t i = 0; !st && i < s->labels; i++) {
        if (!isfinite(area[i])) continue;
        macro += area[i];
        weighted += (double)support[i] * area[i];
        defined += 1.0;
        weight += (double)support[i];
    }
    if (!st) {
        bad = json_object_set_new(into, "roc_auc_macro", number(macro / defined)) ||
              json_object_set_new(into, "roc_auc_weighted", number(weighted / weight)) ||
              json_object_set_new(into, "roc_auc_error", json_real(off));
        json_object_foreach(json_object_get(into, "per_label"), name, one)
        {
            if (k < s->labels) bad = json_object_set_new(one, "roc_auc", number(area[k++])) || bad;
        }
    }
    rk_free(area);
    return st || bad ? st && st != RK_E_MEMORY ? st : rk_fail(err, RK_E_MEMORY, "out of memory")
                     : RK_OK;
}
