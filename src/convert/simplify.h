/* Small rewrites that change no number, done before a conversion. */
#ifndef RK_CONVERT_SIMPLIFY_H
#define RK_CONVERT_SIMPLIFY_H

#include <stddef.h>

#include "base/status.h"
#include "onnx/model.h"

/* Constant nodes that make floats become initializers of the same name: one kind of constant to
 * convert, and value_float cannot be half. */
rk_status rk_lift_constants(rk_onnx *m, rk_error *err);
/* Removes Casts to the type that the value has already; those that make a graph output stay.
 * *removed is increased. */
rk_status rk_drop_casts(rk_onnx *m, size_t *removed, rk_error *err);
/* Forgets value_info: shapes written by another tool may be stale, types are about to be. */
void rk_drop_value_info(rk_onnx *m);

/* Replaces a string of a message by a copy of `text`; false when out of memory (nothing changed).
 */
bool rk_set_string(char **at, const char *text);

#endif
