#include "api/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { WARM_ROWS = 5 };

typedef struct slot {
    size_t row, length;
} slot;

static int by_length(const void *a, const void *b)
{
    const slot *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

void rk_score_free(rk_score *s)
{
    rk_free(s->logits);
    rk_free(s->predicted);
    memset(s, 0, sizeof *s);
}

static rk_status no_memory(rk_error *err, const char *data)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", rk_quote(name, data, strlen(data)));
}

rk_status rk_score_load(rk_rows **rows, const rk_model *m, const char *data,
                        const rk_fields *fields, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_status st;

    *rows = NULL;
    if (!data || !*data) return rk_fail(err, RK_E_ARG, "no data file given");
    st = rk_rows_load_fields(rows, data, fields, true, 0, err);
    if (!st) st = rk_rows_bind(*rows, &m->labels, err);
    if (!st && (*rows)->count == 0)
        st = rk_fail(err, RK_E_FORMAT, "%s: has no rows", rk_quote(name, data, strlen(data)));
    if (st) {
        rk_rows_free(*rows);
        *rows = NULL;
    }
    return st;
}

/* Answers of one batch, from the buffers into their rows. */
static rk_status place(rk_score *s, const float *logits, const slot *slots, size_t n,
                       const rk_rows *rows, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    for (size_t i = 0; i < n; i++) {
        const float *from = logits + i * s->labels;
        size_t best = 0;
        for (size_t j = 0; j < s->labels; j++) {
            if (!isfinite(from[j]))
                return rk_fail(err, RK_E_NUMERIC, "%s:%zu: the row gets a logit that is not finite",
                               rk_quote(name, rows->path, strlen(rows->path)),
                               rows->row[slots[i].row].line);
            if (from[j] > from[best]) best = j;
        }
        memcpy(s->logits + slots[i].row * s->labels, from, s->labels * sizeof *from);
        s->predicted[slots[i].row] = (int32_t)best;
    }
    return RK_OK;
}

static bool tell(const rk_score *s, size_t done, double seconds, rk_progress_fn progress,
                 void *user)
{
    rk_progress p = {.kind = "eval", .done = done, .total = s->rows, .seconds_left = -1.0};
    if (!progress) return true;
    if (seconds > 0.0) {
        p.rows_per_s = (double)done / seconds;
        p.seconds_left = (double)(s->rows - done) / p.rows_per_s;
    }
    return progress(&p, user);
}

rk_status rk_score_encoded(rk_score *out, rk_model *m, const rk_encoded *e, size_t batch,
                           const rk_rows *rows, rk_progress_fn progress, void *user, rk_error *err)
{
    const char *data = rows->path;
    const size_t labels = m->labels.count, window = batch * RK_WINDOW_BATCHES;
    size_t cells, widest, *starts = NULL;
    slot *order = NULL;
    int32_t *ids = NULL;
    float *logits = NULL;
    rk_status st = RK_OK;

    memset(out, 0, sizeof *out);
    out->rows = e->rows;
    out->labels = labels;
    out->tokens = e->tokens;
    out->truncated = e->truncated;
    if (!rk_mul(&cells, e->rows, labels) || !rk_mul(&widest, batch, e->longest))
        return no_memory(err, data);
    out->logits = rk_calloc(cells ? cells : 1, sizeof *out->logits);
    out->predicted = rk_calloc(e->rows ? e->rows : 1, sizeof *out->predicted);
    order = rk_calloc(e->rows ? e->rows : 1, sizeof *order);
    starts = rk_calloc(batch + 1, sizeof *starts);
    logits = rk_calloc(batch, labels * sizeof *logits);
    ids = rk_calloc(widest ? widest : 1, sizeof *ids);
    if (!out->logits || !out->predicted || !order || !starts || !logits || !ids) {
        st = no_memory(err, data);
        goto done;
    }
    for (size_t r = 0; r < e->rows; r++)
        order[r] = (slot){r, e->starts[r + 1] - e->starts[r]};
    for (size_t r = 0; r < e->rows; r += window)
        qsort(order + r, e->rows - r < window ? e->rows - r : window, sizeof *order, by_length);

    for (size_t r = 0; r < e->rows; r += batch) {
        const size_t n = e->rows - r < batch ? e->rows - r : batch;
        const double began = rk_now();
        for (size_t i = 0; i < n; i++) {
            const slot *s = &order[r + i];
            memcpy(ids + starts[i], e->ids + e->starts[s->row], s->length * sizeof *ids);
            starts[i + 1] = starts[i] + s->length;
        }
        st = rk_engine_run(m->engine, ids, starts, n, logits, err);
        out->run_seconds += rk_now() - began;
        if (!st) st = place(out, logits, order + r, n, rows, err);
        if (!st && !tell(out, r + n, out->run_seconds, progress, user))
            st = rk_fail(err, RK_E_STOPPED, "stopped after %zu of %zu rows", r + n, e->rows);
        if (st) goto done;
    }
done:
    rk_free(order);
    rk_free(starts);
    rk_free(logits);
    rk_free(ids);
    if (st) rk_score_free(out);
    return st;
}

rk_status rk_score_rows(rk_score *out, int32_t **truth, rk_model *m, const rk_rows *rows,
                        size_t batch, rk_progress_fn progress, void *user, rk_error *err)
{
    rk_encoded e = {0};
    const double began = rk_now();
    double encoded;
    rk_status st = rk_encode_rows(&e, rows, m->tokenizer, m->clean, m->max_length, err);

    memset(out, 0, sizeof *out);
    if (truth) *truth = NULL;
    if (st) return st;
    encoded = rk_now() - began;
    st = rk_score_encoded(out, m, &e, batch, rows, progress, user, err);
    if (!st) {
        out->tokenize_seconds = encoded;
        if (truth) {
            *truth = e.labels;
            e.labels = NULL;
        }
    }
    rk_encoded_free(&e);
    return st;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

rk_status rk_score_latency(double **sorted, size_t *count, rk_model *m, const rk_rows *rows,
                           size_t repeat, rk_error *err)
{
    const size_t n = rows->count < RK_LATENCY_ROWS ? rows->count : RK_LATENCY_ROWS;
    const size_t warm = n < WARM_ROWS ? n : WARM_ROWS;
    size_t total;
    double *ms;

    *sorted = NULL;
    *count = 0;
    if (!n || !rk_mul(&total, n, repeat)) return rk_fail(err, RK_E_ARG, "no rows to time");
    ms = rk_calloc(total, sizeof *ms);
    if (!ms) return no_memory(err, rows->path);
    for (size_t k = 0; k < total + warm; k++) {
        const size_t i = (k < warm ? k : k - warm) % n;
        const rk_row *row = &rows->row[i * rows->count / n];
        const double began = rk_now();
        const rk_status st = rk_model_classify(m, &row->text, &row->length, 1, NULL, NULL, err);
        if (st) {
            rk_free(ms);
            return st;
        }
        if (k >= warm) ms[k - warm] = 1e3 * (rk_now() - began);
    }
    qsort(ms, total, sizeof *ms, ascending);
    *sorted = ms;
    *count = total;
    return RK_OK;
}

json_t *rk_latency_json(const double *ms, size_t n)
{
    json_t *quantiles = json_array();
    double sum = 0.0;
    int bad = 0;

    for (size_t i = 0; i < n; i++) sum += ms[i];
    for (int percent = 0; percent <= 100 && !bad; percent += 5)
        bad = json_array_append_new(quantiles, json_real(rk_quantile(ms, n, percent / 100.0)));
    if (bad) {
        json_decref(quantiles);
        return NULL;
    }
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:o}", "p50", rk_quantile(ms, n, 0.5), "p95",
                     rk_quantile(ms, n, 0.95), "p99", rk_quantile(ms, n, 0.99), "mean",
                     sum / (double)n, "rows", (json_int_t)n, "quantiles", quantiles);
}
