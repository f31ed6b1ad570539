/* Random numbers by counter (Philox4x32-10, Salmon et al. 2011): the value at (seed, stream, index)
 * never depends on what was drawn before, so threads and resumed runs see the same numbers. */
#ifndef RK_BASE_RNG_H
#define RK_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct rk_rng {
    uint64_t seed, stream;
    uint64_t next; /* index of the next number drawn by rk_rng_u32 and the rest */
} rk_rng;

/* Four random words for block `block` of a stream. */
void rk_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block);

uint32_t rk_rng_u32(rk_rng *r);
double rk_rng_uniform(rk_rng *r);                          /* [0, 1) with 32 bits */
float rk_rng_normal(rk_rng *r);                            /* mean 0, deviation 1 (Box-Muller) */
uint64_t rk_rng_below(rk_rng *r, uint64_t n);              /* 0 .. n - 1, unbiased; n > 0 */
void rk_rng_shuffle(rk_rng *r, uint32_t *order, size_t n); /* Fisher-Yates in place */

#endif
