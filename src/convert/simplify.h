/* Small rewrites that change no number, done before a conversion, in every graph of a model. */
#ifndef RK_CONVERT_SIMPLIFY_H
#define RK_CONVERT_SIMPLIFY_H

#include <stddef.h>

#include "base/status.h"
#include "onnx/model.h"

/* Constant nodes that make floats become initializers of the same name: one kind of constant to
 * convert. In a body those that it gives out stay nodes, with their value in a tensor (value_float
 * cannot be half). */
rk_status rk_lift_constants(rk_onnx *m, rk_error *err);
/* Before IR version 4 every initializer had to be an input too, though nobody could set it: those
 * inputs go, and the version becomes 4. */
rk_status rk_free_initializers(rk_onnx *m, rk_error *err);
/* Removes Casts to the type that the value has already; those that make a graph output stay.
 * *removed is increased. */
rk_status rk_drop_casts(rk_onnx *m, size_t *removed, rk_error *err);
/* Forgets value_info: shapes written by another tool may be stale, types are about to be. That of
 * values whose operator nobody knows stays. */
rk_status rk_drop_value_info(rk_onnx *m, rk_error *err);

/* Replaces a string of a message by a copy of `text`; false when out of memory (nothing changed).
 */
bool rk_set_string(char **at, const char *text);

#endif
