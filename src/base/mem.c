#define _GNU_SOURCE
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

static atomic_size_t allocations;
static atomic_size_t fail_at = SIZE_MAX;
static atomic_bool fail_forever;

size_t rk_mem_fail_at(size_t nth, bool forever)
{
    const size_t seen = atomic_exchange(&allocations, 0);
    atomic_store(&fail_forever, forever);
    atomic_store(&fail_at, nth);
    return seen;
}

static bool refused(void)
{
    const size_t n = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    const size_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return n == at || (n > at && atomic_load_explicit(&fail_forever, memory_order_relaxed));
}

bool rk_mul(size_t *out, size_t a, size_t b)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool rk_add(size_t *out, size_t a, size_t b)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

void *rk_malloc(size_t bytes)
{
    if (refused() || bytes > PTRDIFF_MAX) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *rk_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (refused() || !rk_mul(&bytes, count, size) || bytes > PTRDIFF_MAX) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *rk_realloc(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (refused() || !rk_mul(&bytes, count, size) || bytes > PTRDIFF_MAX) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void rk_free(void *p)
{
    free(p);
}

void *rk_alloc_aligned(size_t count, size_t size)
{
    enum { LINE = 64, HUGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20 };
    size_t bytes, align = LINE;
    void *p;

    if (refused() || !rk_mul(&bytes, count, size) || bytes > PTRDIFF_MAX - HUGE_PAGE) return NULL;
    if (bytes >= HUGE_FROM) align = HUGE_PAGE;
    bytes = (bytes + LINE - 1) / LINE * LINE;
    if (bytes == 0) bytes = LINE;
    if (posix_memalign(&p, align, bytes)) return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (align == HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
}

void rk_free_aligned(void *p)
{
    free(p);
}

typedef struct pool_block {
    struct pool_block *next;
    unsigned char *data;
    size_t used, size;
} pool_block;

struct rk_pool {
    pool_block *newest;
    size_t next_size;
};

rk_pool *rk_pool_new(void)
{
    enum { FIRST = 1 << 20 };
    rk_pool *p = rk_calloc(1, sizeof *p);
    if (p) p->next_size = FIRST;
    return p;
}

/* Of what is never touched of a block, no more than the rest of one page becomes resident. */
static pool_block *pool_block_new(size_t size)
{
    pool_block *b = rk_calloc(1, sizeof *b);

    if (!b) return NULL;
    b->size = size;
    b->data = rk_alloc_aligned(size, 1);
    if (b->data) return b;
    rk_free(b);
    return NULL;
}

void *rk_pool_take(rk_pool *p, size_t bytes)
{
    enum { LINE = 64, MOST = 64 << 20 };
    pool_block *b = p->newest;
    size_t size = bytes ? bytes : 1;
    void *out;

    if (!rk_add(&size, size, LINE - 1)) return NULL;
    size = size / LINE * LINE;
    if (!b || size > b->size - b->used) {
        b = pool_block_new(size > p->next_size ? size : p->next_size);
        if (!b) return NULL;
        if (p->next_size < MOST) p->next_size *= 4;
        b->next = p->newest;
        p->newest = b;
    }
    out = b->data + b->used;
    b->used += size;
    return out;
}

void rk_pool_free(rk_pool *p)
{
    pool_block *next;

    for (pool_block *b = p ? p->newest : NULL; b; b = next) {
        next = b->next;
        rk_free_aligned(b->data);
        rk_free(b);
    }
    rk_free(p);
}

char *rk_strndup(const char *text, size_t length)
{
    char *copy = rk_malloc(length + 1);
    if (!copy) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *rk_strdup(const char *text)
{
    return rk_strndup(text, strlen(text));
}
