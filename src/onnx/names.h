/* Strings to numbers, by hash; and names that nobody has yet. */
#ifndef RK_ONNX_NAMES_H
#define RK_ONNX_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rk_names rk_names;

rk_names *rk_names_new(void);            /* NULL when out of memory */
void rk_names_free(rk_names *n);         /* takes NULL */

/* Adds a copy of key with a value, unless it is there already. Returns the address of the value in
 * force (valid until the next add), NULL when out of memory. *added, unless NULL, tells which. */
size_t *rk_names_add(rk_names *n, const char *key, size_t value, bool *added);
/* The address of key's value, NULL when absent. */
size_t *rk_names_get(const rk_names *n, const char *key);
/* n's own copy of key (it lives as long as n), NULL when absent. */
const char *rk_names_key(const rk_names *n, const char *key);
size_t rk_names_count(const rk_names *n);

/* A name not in n yet: `base`, else base_1, base_2, ...; it is added with `value`. The text belongs
 * to n; NULL when out of memory. */
const char *rk_names_fresh(rk_names *n, const char *base, size_t value);

#endif
