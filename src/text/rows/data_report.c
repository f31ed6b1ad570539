#include "text/data_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"

static const char *const split_name[RK_SPLITS] = {"train", "valid", "test"};

static rk_status no_memory(rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "out of memory for the report on the data");
}

/* ---- equal texts ---- */

typedef struct entry {
    const rk_row *row;
    int split;
} entry;

static int compare_text(const rk_row *a, const rk_row *b)
{
    const size_t n = a->length < b->length ? a->length : b->length;
    const int c = n ? memcmp(a->text, b->text, n) : 0;
    return c ? c : (a->length > b->length) - (a->length < b->length);
}

/* By text, then split, then label, so that what is counted lies side by side. */
static int compare_entry(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int c = compare_text(x->row, y->row);
    if (c) return c;
    if (x->split != y->split) return x->split < y->split ? -1 : 1;
    return (x->row->label_id > y->row->label_id) - (x->row->label_id < y->row->label_id);
}

/* Rows of equal text in one split: entries lo .. hi - 1, their labels rising. */
typedef struct run {
    size_t lo, hi;
} run;

/* How many rows of `own` have a label that no row of `other` has. */
static size_t other_labels(const entry *e, run own, run other)
{
    size_t n = 0, k = other.lo;
    for (size_t i = own.lo; i < own.hi; i++) {
        const int32_t label = e[i].row->label_id;
        while (k < other.hi && e[k].row->label_id < label) k++;
        n += k == other.hi || e[k].row->label_id != label;
    }
    return n;
}

/* The rows of one text: entries lo .. hi - 1. */
static void count_text(rk_data_report *r, const entry *e, size_t lo, size_t hi)
{
    run runs[RK_SPLITS];

    for (int s = 0; s < RK_SPLITS; s++) {
        rk_split_report *split = &r->split[s];
        run own = {lo, lo};
        while (own.hi < hi && e[own.hi].split == s) own.hi++;
        lo = own.hi;
        runs[s] = own;
        if (own.hi == own.lo) continue;
        split->texts++;
        split->repeats += own.hi - own.lo - 1;
        split->conflicts += e[own.lo].row->label_id != e[own.hi - 1].row->label_id;
        for (int other = 0; other < s; other++) {
            if (runs[other].hi == runs[other].lo) continue;
            split->in[other].rows += own.hi - own.lo;
            split->in[other].other_label += other_labels(e, own, runs[other]);
        }
    }
}

static rk_status count_texts(rk_data_report *r, const rk_rows *const rows[RK_SPLITS], rk_error *err)
{
    size_t count = 0, n = 0;
    entry *e;

    for (int s = 0; s < RK_SPLITS; s++) count += r->split[s].rows;
    e = rk_calloc(count, sizeof *e);
    if (!e) return no_memory(err);
    for (int s = 0; s < RK_SPLITS; s++)
        for (size_t i = 0; i < r->split[s].rows; i++) e[n++] = (entry){&rows[s]->row[i], s};
    if (count) qsort(e, count, sizeof *e, compare_entry);
    for (size_t lo = 0, hi; lo < count; lo = hi) {
        for (hi = lo + 1; hi < count && compare_text(e[lo].row, e[hi].row) == 0;) hi++;
        count_text(r, e, lo, hi);
    }
    rk_free(e);
    return RK_OK;
}

/* ---- labels ---- */

static double share(const rk_split_report *s, size_t label)
{
    return s->rows ? (double)s->label[label] / (double)s->rows : 0.0;
}

static rk_status count_labels(rk_data_report *r, const rk_rows *const rows[RK_SPLITS],
                              rk_error *err)
{
    for (int s = 0; s < RK_SPLITS; s++) {
        rk_split_report *split = &r->split[s];
        double sum = 0.0, most = -1.0;
        split->label = rk_calloc(r->labels.count, sizeof *split->label);
        if (!split->label) return no_memory(err);
        for (size_t i = 0; i < split->rows; i++) {
            const int32_t id = rows[s]->row[i].label_id;
            if (id >= 0 && (size_t)id < r->labels.count) split->label[id]++;
        }
        for (size_t k = 0; split->rows && k < r->labels.count; k++) {
            const double d = fabs(share(split, k) - share(&r->split[RK_SPLIT_TRAIN], k));
            sum += d;
            if (d > most + 1e-9) {    /* of two that moved alike the first */
                most = d;
                split->moved = k;
            }
        }
        split->shift = 0.5 * sum;
    }
    return RK_OK;
}

/* ---- lengths ---- */

static int by_size(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The whole lengths of the rows that fill the limit, in place of what is left of them. */
static rk_status whole_lengths(size_t *length, const rk_rows *rows, const rk_tokenizer *t,
                               unsigned clean_steps, size_t max_length, rk_error *err)
{
    rk_rows full = {.path = rows->path};
    rk_encoded e = {0};
    rk_status st;
    size_t n = 0;

    for (size_t i = 0; i < rows->count; i++) full.count += length[i] == max_length;
    if (full.count == 0) return RK_OK;
    full.row = rk_calloc(full.count, sizeof *full.row);
    if (!full.row) return no_memory(err);
    for (size_t i = 0; i < rows->count; i++)
        if (length[i] == max_length) full.row[n++] = rows->row[i];
    st = rk_encode_rows(&e, &full, t, clean_steps, INT32_MAX, err);
    n = 0;
    for (size_t i = 0; i < rows->count && !st; i++) {
        if (length[i] != max_length) continue;
        length[i] = e.starts[n + 1] - e.starts[n];
        n++;
    }
    rk_encoded_free(&e);
    rk_free(full.row);
    return st;
}

static rk_status measure(rk_split_report *s, const rk_rows *rows, const rk_encoded *e,
                         const rk_tokenizer *t, unsigned clean_steps, size_t max_length,
                         rk_error *err)
{
    size_t *length = rk_calloc(rows->count, sizeof *length);
    rk_status st;

    if (!length) return no_memory(err);
    for (size_t i = 0; i < rows->count; i++) length[i] = e->starts[i + 1] - e->starts[i];
    st = whole_lengths(length, rows, t, clean_steps, max_length, err);
    if (!st && rows->count) {
        const size_t n = rows->count;
        qsort(length, n, sizeof *length, by_size);
        s->p50 = length[(n * 50 + 99) / 100 - 1];
        s->p95 = length[(n * 95 + 99) / 100 - 1];
        s->longest = length[n - 1];
        for (size_t i = n; i > 0 && length[i - 1] > max_length; i--) s->cut++;
    }
    rk_free(length);
    return st;
}

rk_status rk_data_report_make(rk_data_report *out, const rk_rows *const rows[RK_SPLITS],
                              const rk_encoded *const encoded[RK_SPLITS], const rk_labels *labels,
                              const rk_tokenizer *t, unsigned clean_steps, size_t max_length,
                              rk_error *err)
{
    rk_data_report r = {.max_length = max_length};
    rk_status st;

    memset(out, 0, sizeof *out);
    st = rk_labels_copy(&r.labels, (const char *const *)labels->name, labels->count, err);
    for (int s = 0; s < RK_SPLITS; s++) r.split[s].rows = rows[s] ? rows[s]->count : 0;
    if (!st) st = count_labels(&r, rows, err);
    if (!st) st = count_texts(&r, rows, err);
    for (int s = 0; s < RK_SPLITS && !st; s++)
        if (rows[s])
            st = measure(&r.split[s], rows[s], encoded[s], t, clean_steps, max_length, err);
    if (st) rk_data_report_free(&r);
    else *out = r;
    return st;
}

void rk_data_report_free(rk_data_report *r)
{
    rk_labels_free(&r->labels);
    for (int s = 0; s < RK_SPLITS; s++) rk_free(r->split[s].label);
    memset(r, 0, sizeof *r);
}

/* ---- as JSON ---- */

static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *split_json(const rk_data_report *r, int s)
{
    const rk_split_report *p = &r->split[s];
    json_t *o = json_object(), *labels = json_object();
    bool ok = o && labels && set(o, "rows", json_integer((json_int_t)p->rows));

    for (size_t i = 0; ok && i < r->labels.count; i++)
        ok = set(labels, r->labels.name[i], json_integer((json_int_t)p->label[i]));
    ok = ok && json_object_set(o, "labels", labels) == 0;
    ok = ok && set(o, "texts", json_integer((json_int_t)p->texts));
    ok = ok && set(o, "repeats", json_integer((json_int_t)p->repeats));
    ok = ok && set(o, "conflicts", json_integer((json_int_t)p->conflicts));
    ok = ok && set(o, "tokens", json_pack("{s:I, s:I, s:I, s:I, s:I}", "p50", (json_int_t)p->p50,
                                          "p95", (json_int_t)p->p95, "max", (json_int_t)p->longest,
                                          "limit", (json_int_t)r->max_length, "cut",
                                          (json_int_t)p->cut));
    for (int other = 0; ok && other < s; other++) {
        const char *key = other == RK_SPLIT_TRAIN ? "in_train" : "in_valid";
        if (r->split[other].rows == 0) continue;
        ok = set(o, key, json_pack("{s:I, s:I}", "rows", (json_int_t)p->in[other].rows,
                                   "other_label", (json_int_t)p->in[other].other_label));
    }
    if (s != RK_SPLIT_TRAIN) ok = ok && set(o, "label_shift", json_real(p->shift));
    json_decref(labels);
    if (ok) return o;
    json_decref(o);
    return NULL;
}

json_t *rk_data_report_json(const rk_data_report *r)
{
    json_t *o = json_object();
    bool ok = o != NULL;

    for (int s = 0; ok && s < RK_SPLITS; s++)
        if (r->split[s].rows) ok = set(o, split_name[s], split_json(r, s));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

/* ---- as lines ---- */

enum { LABELS_SHOWN = 6 };

static const char *quoted(const rk_data_report *r, size_t label, char out[RK_QUOTE_SIZE])
{
    return rk_quote(out, r->labels.name[label], strlen(r->labels.name[label]));
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void size_line(rk_buffer *b, const rk_data_report *r, int s)
{
    const rk_split_report *p = &r->split[s];
    char name[RK_QUOTE_SIZE];

    rk_buffer_printf(b, "%s: %zu row%s (", split_name[s], p->rows, plural(p->rows));
    for (size_t i = 0; i < r->labels.count && i < LABELS_SHOWN; i++)
        rk_buffer_printf(b, "%s%s %zu", i ? ", " : "", quoted(r, i, name), p->label[i]);
    if (r->labels.count > LABELS_SHOWN)
        rk_buffer_printf(b, ", %zu more labels", r->labels.count - LABELS_SHOWN);
    rk_buffer_printf(b, "); tokens p50 %zu, p95 %zu, max %zu; %zu cut at %zu", p->p50, p->p95,
                     p->longest, p->cut, r->max_length);
}

/* Empty when there is nothing to say. */
static void texts_line(rk_buffer *b, const rk_data_report *r, int s)
{
    const rk_split_report *p = &r->split[s];

    if (p->repeats)
        rk_buffer_printf(b, "%zu row%s an earlier text", p->repeats,
                         p->repeats == 1 ? " repeats" : "s repeat");
    if (p->conflicts)
        rk_buffer_printf(b, "%s%zu text%s more than one label", p->repeats ? ", " : "",
                         p->conflicts, p->conflicts == 1 ? " has" : "s have");
    for (int other = 0; other < s; other++) {
        const rk_shared *in = &p->in[other];
        if (in->rows == 0) continue;
        rk_buffer_printf(b, "%s%zu row%s also in %s", b->length ? ", " : "", in->rows,
                         in->rows == 1 ? " is" : "s are", split_name[other]);
        if (in->other_label) rk_buffer_printf(b, " (%zu with another label)", in->other_label);
    }
}

static void shift_line(rk_buffer *b, const rk_data_report *r, int s)
{
    const rk_split_report *p = &r->split[s];
    char name[RK_QUOTE_SIZE];

    rk_buffer_printf(b, "%s: label shares %.1f points from train's", split_name[s],
                     100.0 * p->shift);
    if (p->shift >= 0.01)
        rk_buffer_printf(b, ", most for %s: %.1f %% there, %.1f %% here",
                         quoted(r, p->moved, name),
                         100.0 * share(&r->split[RK_SPLIT_TRAIN], p->moved),
                         100.0 * share(p, p->moved));
}

bool rk_data_report_lines(const rk_data_report *r, void (*line)(void *context, const char *text),
                          void *context)
{
    rk_buffer b = {0}, texts = {0};
    bool ok = true;

    for (int s = 0; s < RK_SPLITS && ok; s++) {
        if (r->split[s].rows == 0) continue;
        rk_buffer_clear(&b);
        size_line(&b, r, s);
        ok = !b.failed;
        if (ok) line(context, b.data);
        rk_buffer_clear(&texts);
        texts_line(&texts, r, s);
        rk_buffer_clear(&b);
        rk_buffer_printf(&b, "%s: %s", split_name[s], texts.length ? texts.data : "");
        ok = ok && !b.failed && !texts.failed;
        if (ok && texts.length) line(context, b.data);
        if (s == RK_SPLIT_TRAIN) continue;
        rk_buffer_clear(&b);
        shift_line(&b, r, s);
        ok = ok && !b.failed;
        if (ok) line(context, b.data);
    }
    rk_buffer_free(&b);
    rk_buffer_free(&texts);
    return ok;
}
