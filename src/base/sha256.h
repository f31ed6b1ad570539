/* SHA-256 (FIPS 180-4) of a file: what a report names its inputs and outputs by. */
#ifndef RK_BASE_SHA256_H
#define RK_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { RK_SHA256_TEXT = 65 }; /* 64 hexadecimal digits and the end */

typedef struct rk_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} rk_sha256_state;

void rk_sha256_start(rk_sha256_state *s);
void rk_sha256_add(rk_sha256_state *s, const void *data, size_t bytes);
/* The digest in lower-case hexadecimal; s is spent. */
void rk_sha256_text(char out[RK_SHA256_TEXT], rk_sha256_state *s);

/* Of a regular file, an empty one too; read in pieces. */
rk_status rk_sha256_of_file(char out[RK_SHA256_TEXT], const char *path, rk_error *err);

#endif
