#include "base/rng.h"

#include <math.h>

void rk_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint32_t rk_rng_u32(rk_rng *r)
{
    uint32_t w[4];
    rk_philox(w, r->seed, r->stream, r->next / 4);
    return w[r->next++ % 4];
}

double rk_rng_uniform(rk_rng *r)
{
    return rk_rng_u32(r) * 0x1p-32;
}

float rk_rng_normal(rk_rng *r)
{
    const double u = (rk_rng_u32(r) + 0.5) * 0x1p-32, v = rk_rng_uniform(r);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

uint64_t rk_rng_below(rk_rng *r, uint64_t n)
{
    /* rejection of the last incomplete run of 2^64 / n */
    const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;
    do {
        /* two statements, so that compilers cannot differ in which draw comes first */
        x = (uint64_t)rk_rng_u32(r) << 32;
        x |= rk_rng_u32(r);
    } while (x >= limit);
    return x % n;
}

void rk_rng_shuffle(rk_rng *r, uint32_t *order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)rk_rng_below(r, i);
        const uint32_t t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}
