/* The lines of a data file, streamed and checked. */
#ifndef RK_TEXT_LINES_H
#define RK_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/file.h"

enum { RK_LINE_MAX = 1 << 20, RK_LINE_CHUNK = 1 << 16 };

typedef struct rk_lines {
    rk_reader *reader;
    char name[RK_QUOTE_SIZE];     /* of the file, safe to print */
    size_t number;                /* of the line last read, from 1 */
    rk_buffer line;               /* without its end */
    bool ended;                   /* the line had an end; false: the last one of the file */
    bool crlf;                    /* ... and it was CRLF, whose CR is not in the line */
    bool cut;                     /* the line was too long, and its rest is not read yet */
    bool eof;
    size_t at, got;
    char chunk[RK_LINE_CHUNK];
} rk_lines;

rk_status rk_lines_open(rk_lines **out, const char *path, rk_error *err);
void rk_lines_close(rk_lines *l);    /* takes NULL */

/* Reads the next line: *more false at the end of the file. Drops a BOM; refuses UTF-16, a line past
 * RK_LINE_MAX, NUL and invalid UTF-8. After a line that is refused the next call goes on with the
 * one behind it. */
rk_status rk_lines_next(rk_lines *l, bool *more, rk_error *err);

#endif
