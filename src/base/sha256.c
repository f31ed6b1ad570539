#include "base/sha256.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void mix(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64], v[8];

    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        const uint32_t a = w[t - 15], b = w[t - 2];
        w[t] = w[t - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[t - 7] +
               (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
    for (int t = 0; t < 64; t++) {
        const uint32_t one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) +
                             ((v[4] & v[5]) ^ (~v[4] & v[6])) + ROUND[t] + w[t];
        const uint32_t two = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) +
                             ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void rk_sha256_start(rk_sha256_state *s)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(s, 0, sizeof *s);
    memcpy(s->state, first, sizeof first);
}

void rk_sha256_add(rk_sha256_state *s, const void *data, size_t bytes)
{
    const uint8_t *p = data;

    while (bytes) {
        const size_t used = (size_t)(s->bytes % sizeof s->block);
        const size_t room = sizeof s->block - used, n = bytes < room ? bytes : room;
        memcpy(s->block + used, p, n);
        s->bytes += n;
        p += n;
        bytes -= n;
        if (n == room) mix(s->state, s->block);
    }
}

void rk_sha256_text(char out[RK_SHA256_TEXT], rk_sha256_state *s)
{
    static const char digits[] = "0123456789abcdef";
    static const uint8_t pad[64] = {0x80};
    const uint64_t bits = s->bytes * 8;
    const size_t used = (size_t)(s->bytes % 64);
    uint8_t length[8];

    rk_sha256_add(s, pad, (used < 56 ? 56 : 120) - used);
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    rk_sha256_add(s, length, sizeof length);
    for (size_t i = 0; i < 64; i++)
        out[i] = digits[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}

rk_status rk_sha256_of_file(char out[RK_SHA256_TEXT], const char *path, rk_error *err)
{
    enum { PIECE = 1 << 16 };
    rk_reader *r = NULL;
    rk_sha256_state s;
    char *piece = rk_malloc(PIECE);
    size_t got = 0;
    rk_status st =
        piece ? rk_reader_open(&r, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");

    rk_sha256_start(&s);
    while (!st && !(st = rk_reader_read(r, piece, PIECE, &got, err)) && got)
        rk_sha256_add(&s, piece, got);
    if (!st) rk_sha256_text(out, &s);
    rk_reader_close(r);
    rk_free(piece);
    return st;
}
