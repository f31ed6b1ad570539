#include "api/pass.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/mem.h"

enum { SAMPLE_BYTES = 16 << 20 };

/* Rows are summed, so their order does not count. */
uint64_t rk_row_hash(const rk_row *row)
{
    return rk_checksum(rk_checksum(0, row->text, row->length), row->label, strlen(row->label));
}

const char *rk_hash_text(char out[RK_HASH_SIZE], uint64_t fingerprint)
{
    snprintf(out, RK_HASH_SIZE, "%016" PRIx64, fingerprint);
    return out;
}

/* Progress of one piece as that of the whole. */
static bool tell(const rk_progress *piece, void *user)
{
    const rk_pass *p = user;
    rk_progress whole = *piece;

    whole.done = p->rows + piece->done;
    whole.total = p->expected > whole.done ? p->expected : whole.done;
    if (p->run_seconds + p->tokenize_seconds > 0.0 && p->rows) {
        whole.rows_per_s = (double)p->rows / (p->run_seconds + p->tokenize_seconds);
        whole.seconds_left = (double)(whole.total - whole.done) / whole.rows_per_s;
    } else if (whole.rows_per_s > 0.0) {
        whole.seconds_left = (double)(whole.total - whole.done) / whole.rows_per_s;
    }
    return p->progress(&whole, p->progress_user);
}

static rk_status piece(rk_pass *p, const rk_rows *rows, rk_error *err)
{
    int32_t *truth = NULL;
    rk_score s = {0};
    rk_status st;

    if (rows->count == 0) return RK_OK;
    st = rk_score_rows(&s, &truth, p->model, rows, p->batch, p->progress ? tell : NULL, p, err);
    if (!st) st = p->each(p->user, rows, truth, &s, err);
    if (!st) {
        p->rows += rows->count;
        p->tokens += s.tokens;
        p->truncated += s.truncated;
        p->tokenize_seconds += s.tokenize_seconds;
        p->run_seconds += s.run_seconds;
        for (size_t r = 0; r < rows->count; r++) p->fingerprint += rk_row_hash(&rows->row[r]);
    }
    rk_score_free(&s);
    rk_free(truth);
    return st;
}

static rk_status skip(rk_pass *p, const rk_error *why, rk_error *err)
{
    p->skipped++;
    if (!p->bad_rows) p->bad_rows = json_array();
    if (json_array_size(p->bad_rows) < RK_BAD_ROWS_TOLD &&
        json_array_append_new(p->bad_rows, json_string(why->message)))
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    return RK_OK;
}

rk_status rk_pass_run(rk_pass *p, rk_error *err)
{
    const size_t window = p->batch * RK_WINDOW_BATCHES;
    rk_rows_stream *stream = NULL;
    char name[RK_QUOTE_SIZE];
    bool more = true;
    rk_status st;

    if (!p->data || !*p->data) return rk_fail(err, RK_E_ARG, "no data file given");
    st = rk_rows_estimate(&p->expected, p->data, err);
    if (!st) st = rk_rows_stream_open(&stream, p->data, p->fields, &p->model->labels, err);
    while (!st && more) {
        rk_error bad = {0};
        rk_rows *rows = NULL;
        const rk_status read = rk_rows_stream_next(stream, &rows, window, &bad);
        if (rows) st = piece(p, rows, err);
        if (st == RK_E_STOPPED) st = rk_fail(err, st, "stopped after %zu rows", p->rows);
        if (!st && read == RK_E_FORMAT && p->skip_bad_rows)
            st = skip(p, &bad, err);
        else if (!st && read)
            st = rk_fail(err, read, "%s", bad.message);
        more = read || (rows && rows->count);
        rk_rows_free(rows);
    }
    rk_rows_stream_close(stream);
    if (!st && p->rows == 0) {
        const char *first = json_string_value(json_array_get(p->bad_rows, 0));
        st = rk_fail(err, RK_E_FORMAT, "%s: has no rows%s%s",
                     rk_quote(name, p->data, strlen(p->data)), first ? " that can be taken; " : "",
                     first ? first : "");
    }
    return st;
}

void rk_pass_free(rk_pass *p)
{
    json_decref(p->bad_rows);
    p->bad_rows = NULL;
}

/* ---- sample ---- */

rk_status rk_sample_offer(rk_sample *s, const rk_row *row, size_t at, size_t expected,
                          rk_error *err)
{
    const size_t n = RK_LATENCY_ROWS, of = expected > n ? expected : n;
    rk_row *kept;
    char *text;

    /* row k * of / n for each k: the rows where the quotient grows */
    if (s->rows.count == n || (at > 0 && at * n / of == (at - 1) * n / of)) return RK_OK;
    if (s->rows.count && row->length > SAMPLE_BYTES - s->bytes) return RK_OK;
    if (!s->rows.row) s->rows.row = rk_calloc(n, sizeof *s->rows.row);
    text = s->rows.row ? rk_strndup(row->text, row->length) : NULL;
    if (!text) return rk_fail(err, RK_E_MEMORY, "out of memory");
    kept = &s->rows.row[s->rows.count++];
    *kept = (rk_row){.text = text, .length = row->length, .line = row->line};
    s->bytes += row->length;
    return RK_OK;
}

void rk_sample_free(rk_sample *s)
{
    for (size_t i = 0; i < s->rows.count; i++) rk_free((void *)(uintptr_t)s->rows.row[i].text);
    rk_free(s->rows.row);
    memset(s, 0, sizeof *s);
}
