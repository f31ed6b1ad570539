#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

bool rk_buffer_reserve(rk_buffer *b, size_t more)
{
    size_t need, capacity;
    char *data;
    if (b->failed) return false;
    if (!rk_add(&need, b->length, more) || !rk_add(&need, need, 1)) {
        b->failed = true;
        return false;
    }
    if (need <= b->capacity) return true;
    capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) capacity = capacity > (size_t)-1 / 2 ? need : capacity * 2;
    data = rk_realloc(b->data, capacity, 1);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void rk_buffer_put(rk_buffer *b, const void *bytes, size_t length)
{
    if (!rk_buffer_reserve(b, length)) return;
    if (length) memcpy(b->data + b->length, bytes, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void rk_buffer_puts(rk_buffer *b, const char *text)
{
    rk_buffer_put(b, text, strlen(text));
}

void rk_buffer_printf(rk_buffer *b, const char *format, ...)
{
    va_list args, again;
    int n;
    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && rk_buffer_reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->length, (size_t)n + 1, format, again);
        b->length += (size_t)n;
    }
    va_end(again);
}

void rk_buffer_clear(rk_buffer *b)
{
    b->length = 0;
    if (b->data) b->data[0] = '\0';
}

void rk_buffer_free(rk_buffer *b)
{
    rk_free(b->data);
    memset(b, 0, sizeof *b);
}

char *rk_buffer_take(rk_buffer *b)
{
    char *text;
    if (!b->data && !b->failed) rk_buffer_put(b, "", 0);
    if (b->failed) {
        rk_buffer_free(b);
        return NULL;
    }
    text = b->data;
    memset(b, 0, sizeof *b);
    return text;
}
