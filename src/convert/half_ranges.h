/* Measured ranges of values, from a JSON file: doc/FORMATS.md, "Measured ranges". */
#ifndef RK_CONVERT_HALF_RANGES_H
#define RK_CONVERT_HALF_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct rk_half_ranges rk_half_ranges;

rk_status rk_half_ranges_load(rk_half_ranges **out, const char *path, rk_error *err);
void rk_half_ranges_free(rk_half_ranges *r);   /* takes NULL */
/* The larger magnitude of a value's two ends; false where it was not measured. */
bool rk_half_ranges_find(const rk_half_ranges *r, const char *name, double *largest);
/* The names, in the file's order; NULL past the last. */
const char *rk_half_ranges_name(const rk_half_ranges *r, size_t i);

#endif
