/* Rows of a data file: text and label. By the file's ending: .csv is CSV (RFC 4180), .jsonl and
 * .ndjson are JSON Lines, all else TSV (raw, no quoting). A header line `text<TAB>label` is
 * recognised; doc/FORMATS.md has the rules. */
#ifndef RK_TEXT_ROWS_H
#define RK_TEXT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct rk_row {
    const char *text; /* UTF-8, not NUL-terminated; the rows' memory */
    size_t length;
    const char *label; /* NUL-terminated, NULL when the file has no label column */
    size_t line;       /* first line of the row in the file, from 1 */
    int32_t label_id;  /* set by rk_rows_bind; -1 before */
} rk_row;

typedef struct rk_rows {
    char *path;
    size_t count;
    rk_row *row;
    void *memory; /* private */
} rk_rows;

/* Label names in id order. */
typedef struct rk_labels {
    size_t count;
    char **name;
} rk_labels;

/* Loads every row. want_labels: a row without a label is RK_E_FORMAT with its line; otherwise one
 * column is fine. max_rows 0: all. */
rk_status rk_rows_load(rk_rows **out, const char *path, bool want_labels, size_t max_rows,
                       rk_error *err);
/* With other names of the columns: fields of JSON Lines, or what a header line says. NULL, or NULL
 * in it: "text" and "label". */
rk_status rk_rows_load_fields(rk_rows **out, const char *path, const rk_fields *fields,
                              bool want_labels, size_t max_rows, rk_error *err);
void rk_rows_free(rk_rows *rows); /* takes NULL */

/* The same rows piece by piece, each piece to be freed by itself, so that a file of any length
 * takes little memory. labels: every row has one of them, label_id is set; NULL: none is wanted. */
typedef struct rk_rows_stream rk_rows_stream;
rk_status rk_rows_stream_open(rk_rows_stream **out, const char *path, const rk_fields *fields,
                              const rk_labels *labels, rk_error *err);
/* Up to `count` more rows, fewer where they are long; count 0 in *out: the end. RK_E_FORMAT: a row
 * is refused; *out then holds the rows before it, and the next call goes on behind it. (A quote
 * that is never closed takes the lines it swallowed with it.) Another error ends the stream. */
rk_status rk_rows_stream_next(rk_rows_stream *s, rk_rows **out, size_t count, rk_error *err);
void rk_rows_stream_close(rk_rows_stream *s); /* takes NULL */
/* Lines of the file: about its rows (a header, empty lines and line ends in CSV fields count too).
 */
rk_status rk_rows_estimate(size_t *rows, const char *path, rk_error *err);

/* The labels of the rows: positive, neutral, negative in that order where those are all the names,
 * else alphabetical (by bytes). One single label is RK_E_FORMAT. */
rk_status rk_labels_from_rows(rk_labels *out, const rk_rows *rows, rk_error *err);
rk_status rk_labels_copy(rk_labels *out, const char *const *names, size_t count, rk_error *err);
void rk_labels_free(rk_labels *labels); /* takes a zeroed struct */

/* value [labels] from a list "label=number,label=number" (a label may hold "=", no comma); NAN for
 * one that is not named. RK_E_ARG, which begins with `what`, for a part of another form, an unknown
 * label or one that comes twice. */
rk_status rk_labels_numbers(double *value, const rk_labels *labels, const char *list,
                            const char *what, rk_error *err);

/* Sets label_id of every row; a label not in the list is RK_E_FORMAT: file, line, the known labels
 * and the nearest one. */
rk_status rk_rows_bind(rk_rows *rows, const rk_labels *labels, rk_error *err);

#endif
