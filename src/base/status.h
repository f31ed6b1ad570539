/* Errors: a code, a sentence and a place, in a struct of the caller's. */
#ifndef RK_BASE_STATUS_H
#define RK_BASE_STATUS_H

#include "ringkas.h"

#if defined(__GNUC__)
#define RK_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define RK_PRINTF(string, first)
#endif

/* Fills *err (unless NULL) with the code and the formatted line, and returns the code. */
rk_status rk_fail(rk_error *err, rk_status code, const char *format, ...) RK_PRINTF(3, 4);

/* Puts `prefix` before the message that is already in *err; for callers who know more of the place.
 * Returns err's code, or `code` when err is NULL. */
rk_status rk_fail_prefix(rk_error *err, rk_status code, const char *format, ...) RK_PRINTF(3, 4);

/* A name from a file, made safe to print: control bytes, invalid UTF-8 and terminal escapes become
 * \xNN, and it is cut at 120 bytes ("..." marks the cut). Returns out. */
enum { RK_QUOTE_SIZE = 512 };
const char *rk_quote(char out[RK_QUOTE_SIZE], const char *text, size_t length);

#endif
