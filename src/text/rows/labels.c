#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "text/rows/rows_parts.h"

enum { LABELS_MAX = 10000, LISTED_MAX = 10, NEAR_BYTES_MAX = 256 };

void rk_labels_free(rk_labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) rk_free(labels->name[i]);
    rk_free(labels->name);
    memset(labels, 0, sizeof *labels);
}

rk_status rk_labels_copy(rk_labels *out, const char *const *names, size_t count, rk_error *err)
{
    rk_labels copy = {0, rk_calloc(count, sizeof *copy.name)};

    memset(out, 0, sizeof *out);
    for (size_t i = 0; copy.name && i < count; i++) {
        copy.name[i] = rk_strdup(names[i]);
        if (!copy.name[i]) {
            rk_labels_free(&copy);
            break;
        }
        copy.count++;
    }
    if (!copy.name) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu labels", count);
    *out = copy;
    return RK_OK;
}

/* ---- from rows ---- */

/* A growing sorted list of borrowed names. */
typedef struct names {
    const char **name;
    size_t count, capacity;
} names;

static size_t place_of(const names *n, const char *name, bool *found)
{
    size_t lo = 0, hi = n->count;
    *found = false;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int c = strcmp(name, n->name[mid]);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

static bool insert(names *n, size_t at, const char *name)
{
    if (n->count == n->capacity) {
        const size_t capacity = n->capacity ? n->capacity * 2 : 16;
        const char **grown = rk_realloc(n->name, capacity, sizeof *grown);
        if (!grown) return false;
        n->name = grown;
        n->capacity = capacity;
    }
    memmove(n->name + at + 1, n->name + at, (n->count - at) * sizeof *n->name);
    n->name[at] = name;
    n->count++;
    return true;
}

static rk_status collect(names *n, const rk_rows *rows, const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];

    for (size_t i = 0; i < rows->count; i++) {
        const rk_row *row = &rows->row[i];
        bool found;
        size_t at;
        if (!row->label)
            return rk_fail(err, RK_E_FORMAT, "%s:%zu: no label; text<TAB>label is wanted", where,
                           row->line);
        at = place_of(n, row->label, &found);
        if (found) continue;
        if (n->count == LABELS_MAX)
            return rk_fail(err, RK_E_FORMAT,
                           "%s:%zu: more than %d labels; are the columns swapped?",
                           where, row->line, LABELS_MAX);
        if (!insert(n, at, row->label)) return rk_fail(err, RK_E_MEMORY,
                                                       "%s: out of memory", where);
    }
    if (n->count == 1)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: all %zu rows have the one label \"%s\"; a classifier needs two or more",
                       where, rows->count, rk_quote(name, n->name[0], strlen(n->name[0])));
    return RK_OK;
}

/* Puts sentiment labels in their usual order, if the names are no others. */
static void order_sentiment(names *n)
{
    static const char *const usual[] = {"positive", "neutral", "negative"};
    const char *ordered[3];
    size_t count = 0;
    bool found;

    for (size_t i = 0; i < 3; i++) {
        const size_t at = place_of(n, usual[i], &found);
        if (found) ordered[count++] = n->name[at];
    }
    if (count == n->count) memcpy(n->name, ordered, count * sizeof *ordered);
}

rk_status rk_labels_from_rows(rk_labels *out, const rk_rows *rows, rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    names n = {0};
    rk_status st = collect(&n, rows, rk_quote(where, rows->path, strlen(rows->path)), err);

    memset(out, 0, sizeof *out);
    if (!st) {
        order_sentiment(&n);
        st = rk_labels_copy(out, n.name, n.count, err);
    }
    rk_free(n.name);
    return st;
}

/* ---- binding ---- */

/* Levenshtein distance in bytes; both are at most NEAR_BYTES_MAX long. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[NEAR_BYTES_MAX + 1];

    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

static const char *nearest(const rk_labels *labels, const char *label)
{
    const size_t n = strlen(label);
    const char *best = NULL;
    size_t least = SIZE_MAX;

    if (n > NEAR_BYTES_MAX) return NULL;
    for (size_t i = 0; i < labels->count; i++) {
        const size_t m = strlen(labels->name[i]);
        const size_t d = m <= NEAR_BYTES_MAX ? distance(label, n, labels->name[i], m) : SIZE_MAX;
        if (d < least) {
            least = d;
            best = labels->name[i];
        }
    }
    return best;
}

rk_status rk_label_unknown(const char *where, size_t line, const char *label,
                           const rk_labels *labels, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *near = nearest(labels, label);
    rk_buffer list = {0};
    rk_status st;

    for (size_t i = 0; i < labels->count && i < LISTED_MAX; i++)
        rk_buffer_printf(&list, "%s%s", i ? ", " : "",
                         rk_quote(name, labels->name[i], strlen(labels->name[i])));
    if (labels->count > LISTED_MAX)
        rk_buffer_printf(&list, " and %zu more", labels->count - LISTED_MAX);
    if (near) rk_buffer_printf(&list, "; nearest: %s", rk_quote(name, near, strlen(near)));
    st = rk_fail(err, RK_E_FORMAT, "%s:%zu: unknown label \"%s\"; known: %s", where, line,
                 rk_quote(name, label, strlen(label)), list.data ? list.data : "none");
    rk_buffer_free(&list);
    return st;
}

typedef struct entry {
    const char *name;
    int32_t id;
} entry;

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

rk_status rk_rows_bind(rk_rows *rows, const rk_labels *labels, rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    entry *index = rk_calloc(labels->count, sizeof *index);
    rk_status st = RK_OK;

    rk_quote(where, rows->path, strlen(rows->path));
    if (!index) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    for (size_t i = 0; i < labels->count; i++) index[i] = (entry){labels->name[i], (int32_t)i};
    if (labels->count) qsort(index, labels->count, sizeof *index, by_name);
    for (size_t i = 0; i < rows->count && !st; i++) {
        rk_row *row = &rows->row[i];
        const entry key = {row->label, 0}, *e;
        if (!row->label) {
            st = rk_fail(err, RK_E_FORMAT, "%s:%zu: no label; text<TAB>label is wanted", where,
                         row->line);
            break;
        }
        e = labels->count ? bsearch(&key, index, labels->count, sizeof *index, by_name) : NULL;
        if (e) row->label_id = e->id;
        else st = rk_label_unknown(where, row->line, row->label, labels, err);
    }
    rk_free(index);
    return st;
}

/* The label of a name of n bytes; count where there is none. */
static size_t find_label(const rk_labels *labels, const char *name, size_t n)
{
    size_t k = 0;
    while (k < labels->count &&
           (strlen(labels->name[k]) != n || memcmp(labels->name[k], name, n) != 0))
        k++;
    return k;
}

/* What is wrong with one part, or NULL. Numbers are JSON's, whatever the locale. */
static const char *one_number(double *value, const rk_labels *labels, const char *part, size_t n)
{
    size_t equals = n, label;
    json_t *number;

    while (equals > 0 && part[equals - 1] != '=') equals--;
    if (equals == 0) return "has no =";
    label = find_label(labels, part, equals - 1);
    if (label == labels->count) return "names no label of the model";
    if (!isnan(value[label])) return "comes twice";
    number = json_loadb(part + equals, n - equals, JSON_DECODE_ANY, NULL);
    if (json_is_number(number)) value[label] = json_number_value(number);
    json_decref(number);
    return isnan(value[label]) ? "has no number behind the =" : NULL;
}

rk_status rk_labels_numbers(double *value, const rk_labels *labels, const char *list,
                            const char *what, rk_error *err)
{
    char shown[RK_QUOTE_SIZE];

    for (size_t k = 0; k < labels->count; k++) value[k] = (double)NAN;
    for (;;) {
        const size_t n = strcspn(list, ",");
        const char *wrong = one_number(value, labels, list, n);
        if (wrong)
            return rk_fail(err, RK_E_ARG, "%s: \"%s\" %s; label=number by comma is wanted", what,
                           rk_quote(shown, list, n), wrong);
        if (!list[n]) return RK_OK;
        list += n + 1;
    }
}
