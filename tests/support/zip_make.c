#include "support/zip_make.h"

#include <string.h>

static void put(zip_made *z, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const char c = (char)(value >> (8 * i));
        rk_buffer_put(&z->bytes, &c, 1);
    }
}

void zip_set(zip_made *z, size_t at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) z->bytes.data[at + (size_t)i] = (char)(value >> (8 * i));
}

uint64_t zip_get(const zip_made *z, size_t at, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | (unsigned char)z->bytes.data[at + (size_t)i];
    return v;
}

uint32_t zip_crc(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    return ~c;
}

void zip_begin(zip_made *z)
{
    memset(z, 0, sizeof *z);
}

void zip_add(zip_made *z, const char *name, size_t name_length, const void *data, size_t size)
{
    const size_t i = z->count++;
    const uint32_t crc = z->no_crc ? 0 : zip_crc(data, size);
    const size_t padding = 5;

    z->name[i] = name;
    z->name_length[i] = name_length;
    z->size[i] = size;
    z->local[i] = z->bytes.length;
    put(z, 0x04034b50, 4);
    put(z, 0, 2);
    put(z, z->plain ? 0x800 : 0x808, 2);
    put(z, 0, 6);                                   /* method, time, date */
    put(z, z->plain ? crc : 0, 4);
    put(z, z->plain ? size : 0, 4);
    put(z, z->plain ? size : 0, 4);
    put(z, name_length, 2);
    put(z, 4 + padding, 2);
    rk_buffer_put(&z->bytes, name, name_length);
    rk_buffer_puts(&z->bytes, "FB");
    put(z, padding, 2);
    rk_buffer_puts(&z->bytes, "ZZZZZ");
    z->data[i] = z->bytes.length;
    rk_buffer_put(&z->bytes, data, size);
    z->after[i] = z->bytes.length;
    if (z->plain) return;
    put(z, 0x08074b50, 4);
    put(z, crc, 4);
    put(z, size, 4);
    put(z, size, 4);
}

static void put_central(zip_made *z, size_t i)
{
    const size_t local = z->local[i];
    z->central[i] = z->bytes.length;
    put(z, 0x02014b50, 4);
    put(z, 0, 4);
    put(z, zip_get(z, local + 6, 2), 2);
    put(z, 0, 6);
    put(z, z->plain ? zip_get(z, local + 14, 4) : zip_get(z, z->after[i] + 4, 4), 4);
    put(z, z->size[i], 4);
    put(z, z->size[i], 4);
    put(z, z->name_length[i], 2);
    put(z, 0, 4);                                   /* extra, comment */
    put(z, 0, 8);                                   /* disk, attributes */
    put(z, local, 4);
    rk_buffer_put(&z->bytes, z->name[i], z->name_length[i]);
}

void zip_finish(zip_made *z)
{
    const size_t start = z->bytes.length;
    size_t size;

    for (size_t i = 0; i < z->count; i++) put_central(z, i);
    size = z->bytes.length - start;
    z->end64 = z->bytes.length;
    put(z, 0x06064b50, 4);
    put(z, 44, 8);
    put(z, 0x2d031e, 4);
    put(z, 0, 8);
    put(z, z->count, 8);
    put(z, z->count, 8);
    put(z, size, 8);
    put(z, start, 8);
    z->locator = z->bytes.length;
    put(z, 0x07064b50, 4);
    put(z, 0, 4);
    put(z, z->end64, 8);
    put(z, 1, 4);
    z->end = z->bytes.length;
    put(z, 0x06054b50, 4);
    put(z, 0, 4);
    put(z, z->count, 2);
    put(z, z->count, 2);
    put(z, size, 4);
    put(z, start, 4);
    put(z, 0, 2);
}

void zip_free(zip_made *z)
{
    rk_buffer_free(&z->bytes);
}
