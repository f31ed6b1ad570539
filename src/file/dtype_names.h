/* Element types as safetensors spells them, those included that we do not compute with. */
#ifndef RK_FILE_DTYPE_NAMES_H
#define RK_FILE_DTYPE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"

/* *type is RK_DT_NONE for a known type that we have no use for; *bits is always set. False when the
 * name is not known. */
bool rk_dtype_parse(rk_dtype *type, size_t *bits, const char *name);

#endif
