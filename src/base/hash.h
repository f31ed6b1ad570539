/* A hash for tables that are made and read in one run; base/checksum.h is for what is stored. */
#ifndef RK_BASE_HASH_H
#define RK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a of 32 bits (Fowler, Noll and Vo). */
static inline uint32_t rk_hash(const char *bytes, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)bytes[i]) * 16777619u;
    return h;
}

#endif
