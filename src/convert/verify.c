#include "convert/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "encoder/infer.h"
#include "text/clean.h"
#include "text/rows.h"
#include "text/tokenizer.h"

enum { BATCH = 32, LENGTH_MAX = 1 << 20 };
static const double SAME_MIN = 0.995;   /* share of rows that must keep their label */

typedef struct verify {
    const rk_onnx *m;
    const char *data;
    const rk_fields *fields;
    rk_error *err;
    rk_rows *rows;
    rk_encoded encoded;
    rk_engine *engine[2];
    size_t labels, same;
    float *logits[2];          /* [BATCH, labels] */
    double worst;
} verify;

static rk_status entry(json_t **out, const verify *v, const char *key)
{
    const char *text = rk_onnx_metadata(v->m, key);

    *out = NULL;
    if (!text)
        return rk_fail(v->err, RK_E_ARG,
                       "%s: has no metadata '%s'; only files that Ringkas exported "
                       "can be checked on texts",
                       v->m->shown, key);
    return rk_json_parse(out, text, strlen(text), v->m->shown, v->err);
}

static rk_status encode(verify *v)
{
    const char *clean = rk_onnx_metadata(v->m, "ringkas.clean");
    const char *length = rk_onnx_metadata(v->m, "ringkas.max_length");
    const unsigned long max = length ? strtoul(length, NULL, 10) : 0;
    rk_tokenizer *t = NULL;
    json_t *json = NULL;
    unsigned steps = 0;
    rk_status st = entry(&json, v, "ringkas.tokenizer");

    if (!st && (max < 2 || max > LENGTH_MAX))
        st = rk_fail(v->err, RK_E_ARG, "%s: metadata 'ringkas.max_length' must be 2 to %d",
                     v->m->shown, LENGTH_MAX);
    if (!st) st = rk_clean_parse(&steps, clean ? clean : "none", v->err);
    if (!st) st = rk_tokenizer_from_json(&t, json, v->m->shown, v->err);
    if (!st) st = rk_rows_load_fields(&v->rows, v->data, v->fields, false, 0, v->err);
    if (!st) st = rk_encode_rows(&v->encoded, v->rows, t, steps, max, v->err);
    rk_tokenizer_close(t);
    json_decref(json);
    return st;
}

static size_t best(const float *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[at]) at = i;
    return at;
}

/* One batch: starts are shifted so that it begins at 0. */
static rk_status batch(verify *v, size_t from, size_t rows)
{
    const rk_encoded *e = &v->encoded;
    size_t starts[BATCH + 1];
    rk_status st = RK_OK;

    for (size_t r = 0; r <= rows; r++) starts[r] = e->starts[from + r] - e->starts[from];
    for (size_t k = 0; k < 2 && !st; k++)
        st = rk_engine_run(v->engine[k], e->ids + e->starts[from], starts, rows, v->logits[k],
                           v->err);
    for (size_t r = 0; r < rows && !st; r++) {
        const float *a = v->logits[0] + r * v->labels, *b = v->logits[1] + r * v->labels;
        v->same += best(a, v->labels) == best(b, v->labels);
        for (size_t i = 0; i < v->labels; i++) {
            const double d = fabs((double)a[i] - (double)b[i]);
            if (!(d <= v->worst)) v->worst = d;   /* NaN must be seen */
        }
    }
    return st;
}

static rk_status compare(verify *v)
{
    const size_t rows = v->encoded.rows;
    rk_status st = RK_OK;

    v->labels = rk_engine_config(v->engine[0])->labels.count;
    for (size_t k = 0; k < 2; k++) {
        v->logits[k] = rk_calloc(BATCH * v->labels, sizeof(float));
        if (!v->logits[k]) return rk_fail(v->err, RK_E_MEMORY, "%s: out of memory", v->m->shown);
    }
    for (size_t r = 0; r < rows && !st; r += BATCH)
        st = batch(v, r, rows - r < BATCH ? rows - r : BATCH);
    return st;
}

static rk_status run(verify *v, const char *in, const char *file)
{
    rk_status st = rk_onnx_save(v->m, file, v->err);

    if (!st) st = rk_engine_open_onnx(&v->engine[0], in, RK_COMPUTE_AUTO, NULL, v->err);
    if (!st) st = rk_engine_open_onnx(&v->engine[1], file, RK_COMPUTE_AUTO, NULL, v->err);
    if (!st) st = encode(v);
    if (!st) st = compare(v);
    return st;
}

static rk_status verdict(const verify *v, json_t *report)
{
    const size_t rows = v->encoded.rows;

    if (!isfinite(v->worst))
        return rk_fail(v->err, RK_E_NUMERIC, "%s: a logit is not finite; nothing was written",
                       v->m->shown);
    if ((double)v->same < SAME_MIN * (double)rows)
        return rk_fail(
            v->err, RK_E_NUMERIC,
            "%s: only %zu of %zu rows of %s keep their label (99.5 %% must); nothing was "
            "written",
            v->m->shown, v->same, rows, v->data);
    if (json_object_set_new(report, "check",
                            json_pack("{s:I, s:I, s:f}", "rows", (json_int_t)rows, "same",
                                      (json_int_t)v->same, "max_logit_diff", v->worst)))
        return rk_fail(v->err, RK_E_MEMORY, "%s: out of memory", v->m->shown);
    return RK_OK;
}

rk_status rk_verify(json_t *report, const rk_onnx *m, const char *in, const char *out,
                    const char *data, const rk_fields *fields, rk_error *err)
{
    verify v = {.m = m, .data = data, .fields = fields, .err = err};
    char *folder = NULL, *file = NULL;
    rk_status st = rk_dir_temp(&folder, out, err);

    if (st) return st;
    file = rk_path_join(folder, "model.onnx");
    st = file ? run(&v, in, file) : rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    if (!st) st = verdict(&v, report);
    rk_dir_remove(folder);
    rk_engine_close(v.engine[0]);
    rk_engine_close(v.engine[1]);
    rk_encoded_free(&v.encoded);
    rk_rows_free(v.rows);
    rk_free(v.logits[0]);
    rk_free(v.logits[1]);
    rk_free(file);
    rk_free(folder);
    return st;
}
