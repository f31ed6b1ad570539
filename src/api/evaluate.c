#include <string.h>

#include "api/score.h"
#include "base/json.h"
#include "base/mem.h"

static int put_run(json_t *out, const rk_model *m)
{
    return json_object_set_new(out, "model_bytes",
                               json_integer((json_int_t)rk_model_bytes(m->path))) ||
           json_object_set_new(out, "rss_bytes",
                               json_integer((json_int_t)rk_process_bytes("VmRSS"))) ||
           json_object_set_new(out, "precision_ran", json_string(rk_model_precision(m))) ||
           json_object_set_new(out, "isa", json_string(rk_isa())) ||
           json_object_set_new(out, "threads", json_integer((json_int_t)rk_threads()));
}

/* The 0, 5, .. 100 % quantiles: what the report draws. */
static int put_quantiles(json_t *latency, const double *ms, size_t n)
{
    json_t *list = json_array();
    int bad = json_object_set_new(latency, "quantiles", list);

    for (int percent = 0; percent <= 100 && !bad; percent += 5)
        bad = json_array_append_new(list, json_real(rk_quantile(ms, n, percent / 100.0)));
    return bad;
}

static int put_times(json_t *out, const rk_score *s, const double *ms, size_t n, size_t batch)
{
    double sum = 0.0;
    json_t *latency = json_object();
    int bad = json_object_set_new(out, "latency_ms", latency);

    for (size_t i = 0; i < n; i++) sum += ms[i];
    return bad || rk_json_set_real(latency, "p50", rk_quantile(ms, n, 0.5)) ||
           rk_json_set_real(latency, "p95", rk_quantile(ms, n, 0.95)) ||
           rk_json_set_real(latency, "mean", sum / (double)n) ||
           json_object_set_new(latency, "rows", json_integer((json_int_t)n)) ||
           put_quantiles(latency, ms, n) ||
           rk_json_set_real(out, "rows_per_s", (double)s->rows / s->run_seconds) ||
           json_object_set_new(out, "batch", json_integer((json_int_t)batch)) ||
           json_object_set_new(out, "tokens", json_integer((json_int_t)s->tokens)) ||
           json_object_set_new(out, "truncated", json_integer((json_int_t)s->truncated)) ||
           rk_json_set_real(out, "tokenize_seconds", s->tokenize_seconds) ||
           rk_json_set_real(out, "run_seconds", s->run_seconds);
}

static json_t *eval_json(const rk_model *m, const rk_metrics *metrics, const rk_score *s,
                         const double *ms, size_t n, size_t batch, const char *data)
{
    json_t *out = rk_metrics_json(metrics, (const char *const *)m->labels.name);
    if (!out) return NULL;
    if (json_object_set_new(out, "model", json_string(m->path)) ||
        json_object_set_new(out, "data", json_string(data)) || put_times(out, s, ms, n, batch) ||
        put_run(out, m)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

rk_status rk_eval(char **json, const char *model, const char *data, const rk_fields *fields,
                  size_t batch, rk_compute compute, rk_progress_fn progress, void *user,
                  rk_error *err)
{
    rk_model *m = NULL;
    rk_rows *rows = NULL;
    rk_score score = {0};
    rk_metrics metrics = {0};
    int32_t *truth = NULL;
    double *ms = NULL;
    size_t timed;
    json_t *result = NULL;
    rk_status st;

    if (!json) return rk_fail(err, RK_E_ARG, "json is NULL");
    *json = NULL;
    if (!batch) batch = RK_BATCH_DEFAULT;
    if (batch > RK_BATCH_MAX)
        return rk_fail(err, RK_E_ARG, "a batch of %zu rows; at most %d", batch, RK_BATCH_MAX);
    st = rk_model_open(&m, model, compute, err);
    if (!st) st = rk_score_load(&rows, m, data, fields, err);
    if (!st) st = rk_score_rows(&score, &truth, m, rows, batch, progress, user, err);
    if (!st)
        st = rk_metrics_compute(&metrics, truth, score.predicted, score.rows, score.labels, err);
    if (!st) st = rk_score_latency(&ms, &timed, m, rows, 1, err);
    if (!st) {
        result = eval_json(m, &metrics, &score, ms, timed, batch, data);
        *json = result ? rk_json_text(result, 0) : NULL;
        if (!*json) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    json_decref(result);
    rk_free(ms);
    rk_free(truth);
    rk_metrics_free(&metrics);
    rk_score_free(&score);
    rk_rows_free(rows);
    rk_model_close(m);
    return st;
}
