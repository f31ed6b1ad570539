#include <string.h>

#include "api/score.h"
#include "base/json.h"
#include "base/mem.h"
#include "compute/peak.h"

enum { BENCH_REPEAT = 3, BENCH_REPEAT_MAX = 1000, BENCH_ROWS = 1000 };

/* Multiplications and additions of one row's products, counted over the whole network, whatever
 * a shortcut may save: per layer 4 H x H, 2 H x I, and the two products of attention. */
static double row_flop(const rk_bert_config *c, size_t tokens)
{
    const double t = (double)tokens, h = (double)c->hidden, inner = (double)c->inner;
    const double layer = 2.0 * t * (4.0 * h * h + 2.0 * h * inner) + 4.0 * t * t * h;
    return (double)c->layers * layer + 2.0 * h * (h + (double)c->labels.count);
}

/* The roof of the products that this model is made of: those of half weights are float products. */
static rk_status peak_of(double *gflops, const rk_model *m, rk_error *err)
{
    const char *ran = rk_model_precision(m);
    return rk_peak(gflops,
                   strcmp(ran, "int8") == 0   ? RK_FORM_U8
                   : strcmp(ran, "bf16") == 0 ? RK_FORM_BF16
                                              : RK_FORM_F32,
                   err);
}

static rk_status bench_batch(json_t *list, rk_model *m, const rk_encoded *e, size_t batch,
                             size_t repeat, double peak, const rk_rows *rows, rk_error *err)
{
    double flop = 0.0, seconds = 0.0, scored, gflops;
    json_t *one;

    for (size_t k = 0; k <= repeat; k++) {
        rk_score s;
        const rk_status st = rk_score_encoded(&s, m, e, batch, rows, NULL, NULL, err);
        if (st) return st;
        if (k) seconds += s.run_seconds;      /* the first round only warms up */
        rk_score_free(&s);
    }
    for (size_t r = 0; r < e->rows; r++)
        flop += row_flop(rk_engine_config(m->engine), e->starts[r + 1] - e->starts[r]);
    scored = (double)e->rows * (double)repeat;
    gflops = 1e-9 * flop * (double)repeat / seconds;
    one = json_pack("{s:I, s:f, s:f, s:f, s:f}", "batch", (json_int_t)batch, "rows_per_s",
                    scored / seconds, "tokens_per_s",
                    (double)e->tokens * (double)repeat / seconds, "gflops", gflops,
                    "share_of_peak", gflops / peak);
    if (!one || json_array_append_new(list, one))
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    return RK_OK;
}

static json_t *bench_json(const rk_model *m, double load_ms, double peak, const double *ms,
                          size_t n, json_t *batches, const rk_encoded *e)
{
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:f, s:I, s:I, s:{s:f, s:f, s:f, s:I}, s:f, s:O, s:I, s:I}",
        "model", m->path, "precision_ran", rk_model_precision(m), "isa", rk_isa(), "threads",
        (json_int_t)rk_threads(), "load_ms", load_ms, "rss_bytes",
        (json_int_t)rk_process_bytes("VmRSS"), "model_bytes", (json_int_t)rk_model_bytes(m->path),
        "batch1", "p50_ms", rk_quantile(ms, n, 0.5), "p95_ms", rk_quantile(ms, n, 0.95), "p99_ms",
        rk_quantile(ms, n, 0.99), "samples", (json_int_t)n, "peak_gflops", peak, "batches",
        batches, "rows", (json_int_t)e->rows, "tokens", (json_int_t)e->tokens);
}

rk_status rk_bench(char **json, const char *model, const char *data, const rk_fields *fields,
                   size_t batch, size_t repeat, rk_compute compute, rk_error *err)
{
    const size_t usual[] = {1, 8, 32};
    const size_t *sizes = batch ? &batch : usual, count = batch ? 1 : 3;
    rk_model *m = NULL;
    rk_rows *rows = NULL;
    rk_encoded e = {0};
    json_t *batches = json_array(), *result = NULL;
    double *ms = NULL, began, load_ms = 0.0, peak = 0.0;
    size_t timed = 0;
    rk_status st;

    if (json) *json = NULL;
    if (!repeat) repeat = BENCH_REPEAT;
    if (!json || !data || batch > RK_BATCH_MAX || repeat > BENCH_REPEAT_MAX) {
        st = rk_fail(err, RK_E_ARG, "bench: no data, a batch over %d or more than %d repeats",
                     RK_BATCH_MAX, BENCH_REPEAT_MAX);
        goto done;
    }
    if (!batches) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto done;
    }
    began = rk_now();
    st = rk_model_open(&m, model, compute, err);
    load_ms = 1e3 * (rk_now() - began);
    if (!st) st = rk_rows_load_fields(&rows, data, fields, false, BENCH_ROWS, err);
    if (!st && !rows->count) {
        char name[RK_QUOTE_SIZE];
        st = rk_fail(err, RK_E_FORMAT, "%s: has no rows", rk_quote(name, data, strlen(data)));
    }
    if (!st) st = rk_score_latency(&ms, &timed, m, rows, repeat, err);
    if (!st) st = rk_encode_rows(&e, rows, m->tokenizer, m->clean, m->max_length, err);
    if (!st) st = peak_of(&peak, m, err);
    for (size_t i = 0; i < count && !st; i++)
        st = bench_batch(batches, m, &e, sizes[i], repeat, peak, rows, err);
    if (!st) {
        result = bench_json(m, load_ms, peak, ms, timed, batches, &e);
        *json = result ? rk_json_text(result, 0) : NULL;
        if (!*json) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    }
done:
    json_decref(result);
    json_decref(batches);
    rk_free(ms);
    rk_encoded_free(&e);
    rk_rows_free(rows);
    rk_model_close(m);
    return st;
}
