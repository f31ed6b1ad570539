/* Inside the reading of rows; for rows.c, rows_json.c and labels.c only. */
#ifndef RK_TEXT_ROWS_PARTS_H
#define RK_TEXT_ROWS_PARTS_H

#include "base/buffer.h"
#include "text/rows/lines.h"
#include "text/rows.h"

enum { RK_COLUMNS_SEEN = 3 };

typedef enum rk_rows_kind { RK_ROWS_TSV, RK_ROWS_CSV, RK_ROWS_JSON } rk_rows_kind;

/* One record: its first columns, and how many there were. Fields lie in `text`, each with a NUL
 * behind it, as offsets because it grows. */
typedef struct rk_record {
    size_t line;                       /* where it starts */
    size_t columns;
    size_t offset[RK_COLUMNS_SEEN], length[RK_COLUMNS_SEEN];
    bool blank;                        /* an empty line */
    rk_buffer text;
} rk_record;

typedef struct rk_rows_loader {
    rk_lines *lines;
    rk_rows_kind kind;
    bool want_labels;
    const rk_labels *labels;           /* what labels are bound to at once; NULL: later */
    bool started, header;              /* a line was seen; the first one names the columns */
    bool pending;                      /* rec is read and not yet taken */
    size_t before;                     /* rows handed out already */
    const char *field[2];              /* names of the columns: text, label */
    size_t columns;                    /* of every row; 0 until the first one */
    size_t blank_from;                 /* line of the first blank line since the last row, or 0 */
    rk_buffer memory;
    rk_row *row;
    size_t count, capacity;
    rk_record rec;
    rk_error *err;
} rk_rows_loader;

void rk_record_begin(rk_record *r);    /* a field */
void rk_record_end(rk_record *r);

/* A line of JSON Lines: an object with the text and, where the file has them, the label. One or two
 * columns; other fields are passed over. */
rk_status rk_rows_json_line(rk_rows_loader *l);

/* RK_E_FORMAT: the label of the row at a line of the file `where` (safe to print) is none of the
 * labels; names the known ones and the nearest. */
rk_status rk_label_unknown(const char *where, size_t line, const char *label,
                           const rk_labels *labels, rk_error *err);

#endif
