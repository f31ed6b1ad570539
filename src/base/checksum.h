/* A checksum against damage and mix-ups, not against attacks. */
#ifndef RK_BASE_CHECKSUM_H
#define RK_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of `bytes` bytes; seed 0 to start, the result so far to go on with more data. Equal on machines
 * of one byte order. */
uint64_t rk_checksum(uint64_t seed, const void *data, size_t bytes);

#endif
