#include <math.h>
#include <string.h>

#include "api/calibrated_out.h"
#include "api/pass.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/note.h"
#include "encoder/calibration.h"
#include "eval/calibrate.h"
#include "eval/scores.h"

/* Label shares below are not taken: their logarithm would leave the range of a sane bias. */
static const double SHARE_MIN = 1e-6;

typedef struct fit {
    const rk_calibrate_options *o;
    rk_model *m;
    rk_rows *rows;
    int32_t *truth;
    rk_score score; /* of the logits as the classifier gives them */
    size_t labels;
    uint64_t fingerprint;
    float scale, *bias;     /* what is written */
    double *source, *prior; /* [labels]; shares of the rows and those wanted */
    bool shifted;
    size_t unlabelled, rounds;
    rk_threshold threshold;
    bool abstains;
    rk_progress_fn progress;
    void *user;
    rk_error *err;
} fit;

static void fit_free(fit *f)
{
    rk_score_free(&f->score);
    rk_rows_free(f->rows);
    rk_free(f->truth);
    rk_free(f->bias);
    rk_free(f->source);
    rk_free(f->prior);
    rk_model_close(f->m);
}

static rk_status no_memory(const fit *f)
{
    return rk_fail(f->err, RK_E_MEMORY, "out of memory");
}

static rk_status start(fit *f)
{
    rk_status st = rk_model_open(&f->m, f->o->model, RK_COMPUTE_AUTO, f->err);

    if (!st) st = rk_score_load(&f->rows, f->m, f->o->data, &f->o->fields, f->err);
    if (!st) st = rk_engine_calibrate(f->m->engine, 1.0f, NULL, f->err);
    if (!st)
        st = rk_score_rows(&f->score, &f->truth, f->m, f->rows, RK_BATCH_DEFAULT, f->progress,
                           f->user, f->err);
    if (st) return st;
    f->labels = f->m->labels.count;
    f->bias = rk_calloc(f->labels, sizeof *f->bias);
    f->source = rk_calloc(f->labels, sizeof *f->source);
    f->prior = rk_calloc(f->labels, sizeof *f->prior);
    if (!f->bias || !f->source || !f->prior) return no_memory(f);
    for (size_t r = 0; r < f->rows->count; r++) {
        f->source[f->truth[r]] += 1.0 / (double)f->rows->count;
        f->fingerprint += rk_row_hash(&f->rows->row[r]);
    }
    f->scale = 1.0f;
    if (f->o->no_temperature) return RK_OK;
    f->scale = (float)rk_fit_scale(f->score.logits, f->truth, f->rows->count, f->labels,
                                   1.0 / RK_TEMPERATURE_MAX, RK_TEMPERATURE_MAX);
    if (f->scale >= (float)RK_TEMPERATURE_MAX || f->scale <= 1.0f / RK_TEMPERATURE_MAX) {
        char name[RK_QUOTE_SIZE];
        rk_note("%s: the temperature that fits these rows is beyond the limits; %g is taken",
                rk_quote(name, f->o->data, strlen(f->o->data)), 1.0 / (double)f->scale);
    }
    return RK_OK;
}

/* ---- label shares ---- */

/* The row's probabilities as the written model will give them. */
static void written(double *probs, float *z, const fit *f, size_t row)
{
    for (size_t k = 0; k < f->labels; k++) {
        const float scaled = f->score.logits[row * f->labels + k] * f->scale;
        z[k] = scaled + f->bias[k];
    }
    rk_softmax(probs, z, f->labels);
}

static rk_status parse_prior(fit *f)
{
    double sum = 0.0;
    rk_status st = rk_labels_numbers(f->prior, &f->m->labels, f->o->target_prior, "target prior",
                                     f->err);

    for (size_t k = 0; k < f->labels && !st; k++) {
        char shown[RK_QUOTE_SIZE];
        const char *label = f->m->labels.name[k];
        rk_quote(shown, label, strlen(label));
        if (isnan(f->prior[k]))
            st = rk_fail(f->err, RK_E_ARG,
                         "target prior: \"%s\" is missing; every label's share is wanted", shown);
        else if (!(f->prior[k] >= SHARE_MIN && f->prior[k] < 1.0))
            st = rk_fail(f->err, RK_E_ARG,
                         "target prior: %g for \"%s\" is no share from 0.000001 to 1", f->prior[k],
                         shown);
        sum += f->prior[k];
    }
    if (st) return st;
    if (fabs(sum - 1.0) > 0.01)
        return rk_fail(f->err, RK_E_ARG, "target prior: the shares add up to %g, not 1", sum);
    for (size_t k = 0; k < f->labels; k++) f->prior[k] /= sum;
    return RK_OK;
}

/* The shares that the model itself sees in the validation rows, so that rows like these move
 * nothing, whatever label it is fond of (Alexandari et al. 2020). */
static rk_status seen_shares(fit *f)
{
    const size_t n = f->rows->count;
    double *probs = rk_calloc(f->labels, sizeof *probs);
    float *z = rk_calloc(f->labels, sizeof *z);

    if (!probs || !z) {
        rk_free(probs);
        rk_free(z);
        return no_memory(f);
    }
    memset(f->source, 0, f->labels * sizeof *f->source);
    for (size_t r = 0; r < n; r++) {
        written(probs, z, f, r); /* without a bias as yet */
        for (size_t k = 0; k < f->labels; k++) f->source[k] += probs[k] / (double)n;
    }
    for (size_t k = 0; k < f->labels; k++) f->source[k] = fmax(f->source[k], 0.5 / (double)n);
    rk_free(probs);
    rk_free(z);
    return RK_OK;
}

static rk_status estimate_prior(fit *f)
{
    rk_rows *rows = NULL;
    rk_score s = {0};
    rk_status st = rk_rows_load_fields(&rows, f->o->unlabelled, &f->o->fields, false, 0, f->err);

    if (!st) st = seen_shares(f);
    if (!st)
        st = rk_score_rows(&s, NULL, f->m, rows, RK_BATCH_DEFAULT, f->progress, f->user, f->err);
    if (!st)
        st = rk_fit_prior(f->prior, &f->rounds, s.logits, s.rows, f->labels, (double)f->scale,
                          f->source, f->err);
    f->unlabelled = s.rows;
    rk_score_free(&s);
    rk_rows_free(rows);
    return st;
}

static rk_status shift(fit *f)
{
    char name[RK_QUOTE_SIZE], file[RK_QUOTE_SIZE];
    rk_status st;

    f->shifted = f->o->target_prior || f->o->unlabelled;
    if (!f->shifted) return RK_OK;
    for (size_t k = 0; k < f->labels; k++)
        if (!(f->source[k] > 0.0))
            return rk_fail(f->err, RK_E_FORMAT,
                           "%s: no row of label %s; its share must be known to be changed",
                           rk_quote(file, f->o->data, strlen(f->o->data)),
                           rk_quote(name, f->m->labels.name[k], strlen(f->m->labels.name[k])));
    st = f->o->target_prior ? parse_prior(f) : estimate_prior(f);
    for (size_t k = 0; !st && k < f->labels; k++)
        f->bias[k] = (float)log(f->prior[k] / f->source[k]);
    return st;
}

/* ---- threshold ---- */

static rk_status abstain(fit *f)
{
    const size_t n = f->rows->count;
    rk_answer *list;
    double *probs;
    float *z;
    rk_status st = RK_OK;

    if (!(f->o->abstain_precision > 0.0)) return RK_OK;
    list = rk_calloc(n, sizeof *list);
    probs = rk_calloc(f->labels, sizeof *probs);
    z = rk_calloc(f->labels, sizeof *z);
    if (!list || !probs || !z) st = no_memory(f);
    for (size_t r = 0; r < n && !st; r++) {
        size_t best = 0;
        written(probs, z, f, r);
        for (size_t k = 1; k < f->labels; k++)
            if (probs[k] > probs[best]) best = k;
        /* Rows count as often as the label shares to come have them. */
        list[r] = (rk_answer){probs[best],
                              f->shifted ? f->prior[f->truth[r]] / f->source[f->truth[r]] : 1.0,
                              best == (size_t)f->truth[r]};
    }
    f->abstains = !st && rk_fit_threshold(&f->threshold, list, n, f->o->abstain_precision,
                                          1.0 / (double)f->labels);
    if (!st && !f->abstains)
        st =
            rk_fail(f->err, RK_E_NUMERIC,
                    "no threshold gives a precision of %g on these rows; the best is %.4f, where "
                    "%.2f %% of them get an answer",
                    f->o->abstain_precision, f->threshold.precision, 100.0 * f->threshold.coverage);
    rk_free(list);
    rk_free(probs);
    rk_free(z);
    return st;
}

/* ---- results ---- */

static json_t *shares_json(const fit *f, const double *share)
{
    json_t *out = json_object();
    for (size_t k = 0; k < f->labels; k++)
        if (json_object_set_new(out, f->m->labels.name[k], json_real(share[k]))) {
            json_decref(out);
            return NULL;
        }
    return out;
}

static json_t *prior_json(const fit *f)
{
    if (!f->shifted) return json_null();
    return json_pack("{s:o, s:o, s:I, s:I}", "source", shares_json(f, f->source), "target",
                     shares_json(f, f->prior), "rows", (json_int_t)f->unlabelled, "iterations",
                     (json_int_t)f->rounds);
}

static json_t *abstain_json(const fit *f)
{
    double ci[2];
    if (!f->abstains) return json_null();
    rk_wilson_share(ci, fmin(f->threshold.precision, 1.0), f->threshold.effective, RK_Z95);
    return json_pack("{s:f, s:f, s:f, s:[f, f]}", "threshold", f->threshold.threshold, "precision",
                     f->threshold.precision, "coverage", f->threshold.coverage, "precision_ci95",
                     ci[0], ci[1]);
}

/* What is stored with the model. */
static json_t *stored_json(const fit *f)
{
    const char *slash = strrchr(f->o->data, '/');
    char hash[RK_HASH_SIZE];
    json_t *bias = json_array();

    for (size_t k = 0; bias && k < f->labels; k++)
        if (json_array_append_new(bias, json_real((double)f->bias[k]))) {
            json_decref(bias);
            return NULL;
        }
    return json_pack("{s:f, s:f, s:o, s:o, s:o, s:s, s:I, s:s}", "temperature",
                     1.0 / (double)f->scale, "scale", (double)f->scale, "bias", bias, "prior",
                     prior_json(f), "abstain", abstain_json(f), "data",
                     slash ? slash + 1 : f->o->data, "rows", (json_int_t)f->rows->count,
                     "rows_hash", rk_hash_text(hash, f->fingerprint));
}

/* Figures of the rows at a scale, without a bias: these rows have the shares they have. */
static json_t *quality_json(const fit *f, float scale)
{
    double *probs = rk_calloc(f->labels, sizeof *probs);
    float *z = rk_calloc(f->labels, sizeof *z);
    rk_scores s = {0};
    json_t *out = probs && z ? json_object() : NULL;
    rk_status st = out ? rk_scores_begin(&s, f->labels, 0, f->err) : RK_E_MEMORY;
    size_t right = 0;

    for (size_t r = 0; r < f->rows->count && !st; r++) {
        for (size_t k = 0; k < f->labels; k++) z[k] = f->score.logits[r * f->labels + k] * scale;
        rk_softmax(probs, z, f->labels);
        st = rk_scores_add(&s, f->truth[r], probs, NULL, f->err);
        right += f->score.predicted[r] == f->truth[r];
    }
    if (st ||
        json_object_set_new(out, "accuracy", json_real((double)right / (double)f->rows->count)) ||
        rk_scores_put(out, &s)) {
        json_decref(out);
        out = NULL;
    }
    rk_scores_free(&s);
    rk_free(probs);
    rk_free(z);
    return out;
}

static json_t *result_json(const fit *f, const json_t *stored)
{
    json_t *bias = json_object();
    for (size_t k = 0; k < f->labels; k++)
        json_object_set_new(bias, f->m->labels.name[k], json_real((double)f->bias[k]));
    return json_pack("{s:s, s:I, s:f, s:f, s:o, s:O, s:O, s:o, s:o}", "out", f->o->out, "rows",
                     (json_int_t)f->rows->count, "temperature", 1.0 / (double)f->scale, "scale",
                     (double)f->scale, "bias", bias, "prior", json_object_get(stored, "prior"),
                     "abstain", json_object_get(stored, "abstain"), "before", quality_json(f, 1.0f),
                     "after", quality_json(f, f->scale));
}

rk_status rk_calibrate(char **json, const rk_calibrate_options *o, rk_progress_fn progress,
                       void *user, rk_error *err)
{
    fit f = {.o = o, .progress = progress, .user = user, .err = err};
    json_t *stored = NULL, *result = NULL;
    rk_status st;

    if (!json || !o || !o->model || !o->data || !o->out)
        return rk_fail(err, RK_E_ARG, "calibrate: a model, rows and an output are needed");
    *json = NULL;
    if (o->target_prior && o->unlabelled)
        return rk_fail(err, RK_E_ARG, "calibrate: label shares are either given or estimated");
    if (!(o->abstain_precision >= 0.0 && o->abstain_precision <= 1.0))
        return rk_fail(err, RK_E_ARG, "calibrate: a precision of %g; 0 to 1 is possible",
                       o->abstain_precision);
    st = rk_calibrated_out_check(o->model, o->out, err);
    if (!st) st = start(&f);
    if (!st) st = shift(&f);
    if (!st) st = abstain(&f);
    if (!st) {
        stored = stored_json(&f);
        result = stored ? result_json(&f, stored) : NULL;
        *json = result ? rk_json_text(result, 0) : NULL;
        if (!*json) st = no_memory(&f);
    }
    if (!st) st = rk_calibrated_out(f.m, o->out, f.scale, f.bias, stored, err);
    if (st) {
        rk_free(*json);
        *json = NULL;
    }
    json_decref(stored);
    json_decref(result);
    fit_free(&f);
    return st;
}
