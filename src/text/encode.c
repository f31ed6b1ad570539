#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "text/clean.h"
#include "text/tokenizer/tokenizer_parts.h"

/* Rows are encoded in blocks, one thread a block, so the order of the result is that of the rows
 * whatever the number of threads. */
enum { BLOCK = 64 };

typedef struct block {
    rk_ids ids;
    size_t bad;          /* first row of the block that failed, or SIZE_MAX */
    size_t truncated, longest;
} block;

typedef struct job {
    const rk_rows *rows;
    const rk_tokenizer *t;
    unsigned steps;
    size_t max_length;
    size_t *starts;      /* [rows + 1]; lengths of the rows first, at the row's own place */
} job;

static bool encode_row(const job *j, block *b, size_t r, rk_buffer *cleaned, rk_work *work)
{
    const rk_row *row = &j->rows->row[r];
    const char *text = row->text;
    size_t length = row->length, before = b->ids.count;
    bool cut;

    if (j->steps) {
        rk_buffer_clear(cleaned);
        rk_clean_apply(cleaned, j->steps, text, length);
        if (cleaned->failed) return false;
        text = cleaned->data ? cleaned->data : "";
        length = cleaned->length;
    }
    if (!rk_encode_valid(j->t, text, length, j->max_length, &b->ids, &cut, work)) return false;
    j->starts[r] = b->ids.count - before;
    if (j->starts[r] > b->longest) b->longest = j->starts[r];
    b->truncated += cut;
    return true;
}

static void encode_block(const job *j, block *b, size_t index)
{
    const size_t first = index * BLOCK;
    const size_t end = first + BLOCK < j->rows->count ? first + BLOCK : j->rows->count;
    rk_buffer cleaned = {0};
    rk_work work = {0};

    b->bad = SIZE_MAX;
    for (size_t r = first; r < end && b->bad == SIZE_MAX; r++)
        if (!encode_row(j, b, r, &cleaned, &work)) b->bad = r;
    rk_buffer_free(&cleaned);
    rk_work_free(&work);
}

/* Lengths to offsets, blocks end to end. */
static rk_status join(rk_encoded *e, const block *b, size_t blocks, rk_error *err)
{
    size_t at = 0;

    for (size_t r = 0; r <= e->rows; r++) {
        const size_t length = r < e->rows ? e->starts[r] : 0;
        e->starts[r] = at;
        at += length;
    }
    e->tokens = at;
    e->ids = rk_calloc(at, sizeof *e->ids);
    if (!e->ids) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu tokens", at);
    at = 0;
    for (size_t i = 0; i < blocks; i++) {
        memcpy(e->ids + at, b[i].ids.id, b[i].ids.count * sizeof *e->ids);
        at += b[i].ids.count;
        e->truncated += b[i].truncated;
        if (b[i].longest > e->longest) e->longest = b[i].longest;
    }
    return RK_OK;
}

rk_status rk_encode_rows(rk_encoded *out, const rk_rows *rows, const rk_tokenizer *t,
                         unsigned clean_steps, size_t max_length, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const size_t blocks = (rows->count + BLOCK - 1) / BLOCK;
    rk_encoded e = {.rows = rows->count};
    block *b = rk_calloc(blocks, sizeof *b);
    rk_status st = rk_check_max_length(t, max_length, err);

    memset(out, 0, sizeof *out);
    rk_quote(name, rows->path, strlen(rows->path));
    e.starts = rk_calloc(rows->count + 1, sizeof *e.starts);
    e.labels = rk_calloc(rows->count, sizeof *e.labels);
    if (!st && (!b || !e.starts || !e.labels))
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory for %zu rows", name, rows->count);
    if (!st) {
        const job j = {rows, t, clean_steps, max_length, e.starts};
#pragma omp parallel for schedule(dynamic)
        for (size_t i = 0; i < blocks; i++) encode_block(&j, &b[i], i);
        for (size_t r = 0; r < rows->count; r++) e.labels[r] = rows->row[r].label_id;
        for (size_t i = 0; i < blocks && !st; i++)
            if (b[i].bad != SIZE_MAX)
                st = rk_fail(err, RK_E_MEMORY, "%s:%zu: out of memory for a row of %zu bytes", name,
                             rows->row[b[i].bad].line, rows->row[b[i].bad].length);
    }
    for (size_t r = 0; r < rows->count && !st; r++)
        if (e.starts[r] == 0)    /* of a tokenizer without special tokens */
            st = rk_fail(err, RK_E_FORMAT, "%s:%zu: the text gives no token; a row needs one", name,
                         rows->row[r].line);
    if (!st) st = join(&e, b, blocks, err);
    for (size_t i = 0; b && i < blocks; i++) rk_ids_clear(&b[i].ids);
    rk_free(b);
    if (st) rk_encoded_free(&e);
    else *out = e;
    return st;
}

void rk_encoded_free(rk_encoded *e)
{
    rk_free(e->ids);
    rk_free(e->starts);
    rk_free(e->labels);
    memset(e, 0, sizeof *e);
}
