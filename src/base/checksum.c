#include "base/checksum.h"

#include <string.h>

/* Fowler, Noll and Vo's idea on words of eight bytes; the length is in it, so that zeros at the end
 * count. */
uint64_t rk_checksum(uint64_t seed, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t h = 0xCBF29CE484222325u ^ bytes ^ seed * 0x9E3779B97F4A7C15u, w;
    size_t i = 0;

    for (; i + 8 <= bytes; i += 8) {
        memcpy(&w, p + i, 8);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 29;
    }
    for (; i < bytes; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h ^ h >> 32;
}
