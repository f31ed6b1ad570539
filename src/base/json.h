/* JSON files on jansson, with the checks every reader of ours wants: duplicate keys refused, depth
 * and size limited, typed fields with errors that name the file and the field. */
#ifndef RK_BASE_JSON_H
#define RK_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { RK_JSON_DEPTH = 64 };

/* Parses text ("path" only names it in errors). *out is the caller's (json_decref). */
rk_status rk_json_parse(json_t **out, const char *text, size_t length, const char *path,
                        rk_error *err);
/* One line of a file: where ("FILE:LINE", safe to print) starts the message, hint ends it. */
rk_status rk_json_parse_line(json_t **out, const char *text, size_t length, const char *where,
                             const char *hint, rk_error *err);
rk_status rk_json_load(json_t **out, const char *path, rk_error *err);

/* Fields of an object. A missing or null field leaves *out as it was and is RK_OK, so set the
 * default first; a field of another type or out of range is RK_E_FORMAT. 768.0 counts as 768. */
rk_status rk_json_size(size_t *out, const json_t *object, const char *key, size_t min, size_t max,
                       const char *path, rk_error *err);
rk_status rk_json_double(double *out, const json_t *object, const char *key, double min, double max,
                         const char *path, rk_error *err);
rk_status rk_json_bool(bool *out, const json_t *object, const char *key, const char *path,
                       rk_error *err);
/* Borrowed from the object. */
rk_status rk_json_string(const char **out, const json_t *object, const char *key, const char *path,
                         rk_error *err);

/* The least digits that read back equal, as JSON wants a real; x is finite. Returns out. */
enum { RK_REAL_SIZE = 40 };
const char *rk_json_real(char out[RK_REAL_SIZE], double x);

/* The document as text (rk_free), keys in insertion order; NULL when out of memory. indent 0: one
 * line. Reals are written as rk_json_real has them. */
char *rk_json_text(const json_t *value, size_t indent);
/* Writes it to a file (atomically), indent 2, newline at the end. */
rk_status rk_json_save(const json_t *value, const char *path, rk_error *err);

#endif
