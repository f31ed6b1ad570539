/* A growing byte buffer. A failed allocation sticks in `failed`, so a writer checks once at the
 * end. */
#ifndef RK_BASE_BUFFER_H
#define RK_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct rk_buffer {
    char *data; /* always NUL-terminated once something was put; the buffer's */
    size_t length, capacity;
    bool failed;
} rk_buffer;

/* Room for `more` bytes and a NUL behind what is there; false: failed. Who writes into it sets
 * length and the NUL. */
bool rk_buffer_reserve(rk_buffer *b, size_t more);
void rk_buffer_put(rk_buffer *b, const void *bytes, size_t length);
void rk_buffer_puts(rk_buffer *b, const char *text);
void rk_buffer_printf(rk_buffer *b, const char *format, ...) RK_PRINTF(2, 3);
void rk_buffer_clear(rk_buffer *b); /* length 0, keeps the memory */
void rk_buffer_free(rk_buffer *b);  /* frees and zeroes */
char *rk_buffer_take(rk_buffer *b); /* the text, now the caller's (rk_free); NULL if failed */

#endif
