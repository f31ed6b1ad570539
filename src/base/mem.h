/* All memory of the library comes from here, so that tests can make the nth allocation fail. */
#ifndef RK_BASE_MEM_H
#define RK_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *rk_malloc(size_t bytes);              /* NULL when out of memory; 0 bytes is valid */
void *rk_calloc(size_t count, size_t size); /* zeroed; NULL on overflow too */
void *rk_realloc(void *p, size_t count, size_t size);
void rk_free(void *p); /* for all of the above; takes NULL */

/* 64-byte aligned, not zeroed, NULL on overflow; free with rk_free_aligned. Large blocks ask for
 * huge pages. */
void *rk_alloc_aligned(size_t count, size_t size);
void rk_free_aligned(void *p);

/* Memory for what lives as long as each other, side by side; past the first MiB it asks for huge
 * pages. Not for several threads at once. */
typedef struct rk_pool rk_pool;
rk_pool *rk_pool_new(void);
void *rk_pool_take(rk_pool *p, size_t bytes);   /* as rk_alloc_aligned; freed with the pool */
void rk_pool_free(rk_pool *p);                  /* takes NULL */

char *rk_strdup(const char *text);
char *rk_strndup(const char *text, size_t length);

/* *out = a * b (a + b), or false when it overflows. */
bool rk_mul(size_t *out, size_t a, size_t b);
bool rk_add(size_t *out, size_t a, size_t b);

/* Tests: the allocation numbered `nth` from now (0 the next) fails, and all after it when
 * `forever`. SIZE_MAX switches it off. Returns the number of allocations since the last call. */
size_t rk_mem_fail_at(size_t nth, bool forever);

#endif
