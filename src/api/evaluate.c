#include <string.h>

#include "api/pass.h"
#include "api/suspects.h"
#include "base/json.h"
#include "base/mem.h"
#include "eval/scores.h"

/* What the rows of a pass add up to. */
typedef struct tally {
    rk_metrics metrics;
    rk_scores scores;
    rk_suspects suspects;
    rk_sample sample;
    const rk_pass *pass;
    double *probs; /* [labels] */
    double threshold;
    size_t answered, right; /* of the rows whose best label passes the threshold */
} tally;

static void tally_free(tally *t)
{
    rk_metrics_free(&t->metrics);
    rk_scores_free(&t->scores);
    rk_suspects_free(&t->suspects);
    rk_sample_free(&t->sample);
    rk_free(t->probs);
}

static rk_status tally_begin(tally *t, const rk_model *m, size_t suspects, rk_error *err)
{
    rk_status st = rk_metrics_begin(&t->metrics, m->labels.count, err);

    if (!st) st = rk_scores_begin(&t->scores, m->labels.count, 0, err);
    if (!st) st = rk_suspects_begin(&t->suspects, suspects, err);
    t->probs = rk_calloc(m->labels.count, sizeof *t->probs);
    t->threshold = m->abstain;
    if (!st && !t->probs) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    return st;
}

static rk_status add(void *user, const rk_rows *rows, const int32_t *truth, const rk_score *s,
                     rk_error *err)
{
    tally *t = user;
    rk_status st = rk_metrics_add(&t->metrics, truth, s->predicted, s->rows, err);

    for (size_t r = 0; r < s->rows && !st; r++) {
        double loss;
        rk_softmax(t->probs, s->logits + r * s->labels, s->labels);
        st = rk_sample_offer(&t->sample, &rows->row[r], t->scores.rows, t->pass->expected, err);
        if (!st) st = rk_scores_add(&t->scores, truth[r], t->probs, &loss, err);
        if (!st)
            st = rk_suspects_offer(&t->suspects, &rows->row[r], loss, t->probs, s->labels, err);
        if (t->probs[s->predicted[r]] >= t->threshold) {
            t->answered++;
            t->right += s->predicted[r] == truth[r];
        }
    }
    return st;
}

/* ---- the result ---- */

static int put_run(json_t *out, const rk_model *m)
{
    return json_object_set_new(out, "model_bytes",
                               json_integer((json_int_t)rk_model_bytes(m->path))) ||
           json_object_set_new(out, "rss_bytes",
                               json_integer((json_int_t)rk_process_bytes("VmRSS"))) ||
           json_object_set_new(out, "peak_rss_bytes",
                               json_integer((json_int_t)rk_process_bytes("VmHWM"))) ||
           json_object_set_new(out, "precision_ran", json_string(rk_model_precision(m))) ||
           json_object_set_new(out, "isa", json_string(rk_isa())) ||
           json_object_set_new(out, "threads", json_integer((json_int_t)rk_threads()));
}

static int put_times(json_t *out, const rk_pass *p, const double *ms, size_t n)
{
    return json_object_set_new(out, "latency_ms", rk_latency_json(ms, n)) ||
           rk_json_set_real(out, "rows_per_s", (double)p->rows / p->run_seconds) ||
           json_object_set_new(out, "batch", json_integer((json_int_t)p->batch)) ||
           json_object_set_new(out, "tokens", json_integer((json_int_t)p->tokens)) ||
           json_object_set_new(out, "truncated", json_integer((json_int_t)p->truncated)) ||
           rk_json_set_real(out, "tokenize_seconds", p->tokenize_seconds) ||
           rk_json_set_real(out, "run_seconds", p->run_seconds);
}

/* What abstaining would do on these rows; null without a threshold. */
static json_t *abstain_json(const tally *t)
{
    const double rows = (double)t->metrics.rows;
    if (!(t->threshold > 0.0)) return json_null();
    return json_pack("{s:f, s:I, s:f, s:o}", "threshold", t->threshold, "answered",
                     (json_int_t)t->answered, "coverage", (double)t->answered / rows, "accuracy",
                     t->answered ? json_real((double)t->right / (double)t->answered) : json_null());
}

static bool fitted_here(const rk_pass *p)
{
    const char *hash = json_string_value(json_object_get(p->model->calibration, "rows_hash"));
    char mine[RK_HASH_SIZE];
    return hash && strcmp(hash, rk_hash_text(mine, p->fingerprint)) == 0;
}

static int put_pass(json_t *out, rk_pass *p, tally *t, bool partial)
{
    json_t *calibration = p->model->calibration, *bad = p->bad_rows;

    return json_object_set_new(out, "model", json_string(p->model->path)) ||
           json_object_set_new(out, "data", json_string(p->data)) ||
           json_object_set_new(out, "partial", json_boolean(partial)) ||
           json_object_set_new(out, "skipped_rows", json_integer((json_int_t)p->skipped)) ||
           json_object_set_new(out, "bad_rows", bad ? json_incref(bad) : json_array()) ||
           json_object_set_new(out, "calibration",
                               calibration ? json_incref(calibration) : json_null()) ||
           json_object_set_new(out, "fitted_here", json_boolean(fitted_here(p))) ||
           json_object_set_new(out, "abstain", abstain_json(t)) ||
           (t->suspects.room &&
            json_object_set_new(out, "suspects",
                                rk_suspects_json(&t->suspects, &p->model->labels)));
}

static rk_status put_metrics(json_t **out, rk_pass *p, tally *t, rk_error *err)
{
    const size_t labels = p->model->labels.count;
    size_t *support = rk_calloc(labels, sizeof *support);
    double ci[2][2];
    rk_status st = support ? rk_f1_interval(ci, t->metrics.confusion, labels, err)
                           : rk_fail(err, RK_E_MEMORY, "out of memory");

    if (st) goto done;
    for (size_t k = 0; k < labels; k++) support[k] = t->metrics.label[k].support;
    *out = rk_metrics_json(&t->metrics, (const char *const *)p->model->labels.name);
    if (!*out || rk_scores_put(*out, &t->scores) ||
        json_object_set_new(*out, "f1_weighted_ci95", json_pack("[f, f]", ci[0][0], ci[0][1])) ||
        json_object_set_new(*out, "f1_macro_ci95", json_pack("[f, f]", ci[1][0], ci[1][1])))
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!st) st = rk_scores_put_auc(*out, &t->scores, support, err);
done:
    rk_free(support);
    return st;
}

static rk_status result(char **json, rk_pass *p, tally *t, bool partial, rk_error *err)
{
    json_t *out = NULL;
    double *ms = NULL;
    size_t timed = 0;
    rk_status st = rk_metrics_end(&t->metrics, err);

    if (!st) st = rk_score_latency(&ms, &timed, p->model, &t->sample.rows, 1, err);
    if (!st) st = put_metrics(&out, p, t, err);
    if (!st && (put_pass(out, p, t, partial) || put_times(out, p, ms, timed) ||
                put_run(out, p->model) || !(*json = rk_json_text(out, 0))))
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
    json_decref(out);
    rk_free(ms);
    return st;
}

rk_status rk_eval(char **json, const rk_eval_options *o, rk_progress_fn progress, void *user,
                  rk_error *err)
{
    tally t = {.pass = NULL};
    rk_pass p = {.each = add, .user = &t, .progress = progress, .progress_user = user};
    rk_error why = {0};
    rk_status st, ran;

    if (!json || !o) return rk_fail(err, RK_E_ARG, "rk_eval: NULL argument");
    *json = NULL;
    t.pass = &p;
    p.data = o->data;
    p.fields = &o->fields;
    p.batch = o->batch ? o->batch : RK_BATCH_DEFAULT;
    p.skip_bad_rows = o->skip_bad_rows;
    if (p.batch > RK_BATCH_MAX)
        return rk_fail(err, RK_E_ARG, "a batch of %zu rows; at most %d", p.batch, RK_BATCH_MAX);
    st = rk_model_open(&p.model, o->model, o->compute, err);
    if (!st) st = tally_begin(&t, p.model, o->suspects, err);
    if (st) goto done;
    ran = rk_pass_run(&p, &why);
    /* What was counted before a bad row or a stop is told; other errors speak of no rows at all. */
    if (p.rows && (ran == RK_OK || ran == RK_E_FORMAT || ran == RK_E_STOPPED))
        st = result(json, &p, &t, ran != RK_OK, err);
    if (!st && ran) st = rk_fail(err, ran, "%s", why.message);
done:
    rk_pass_free(&p);
    tally_free(&t);
    rk_model_close(p.model);
    return st;
}
