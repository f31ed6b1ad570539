/* Weights of the next panel are asked for while this one is worked on, evenly over all passes of
 * rows over it: a panel that came from memory in the first pass alone would leave memory idle in
 * the others. */
#ifndef RK_COMPUTE_SIMD_AHEAD_H
#define RK_COMPUTE_SIMD_AHEAD_H

#include "compute/packed_kernel.h"

typedef struct rk_ahead {
    const uint8_t *at;     /* first byte of this pass's part */
    size_t step;           /* bytes of it a step of the kernel, times 256 */
} rk_ahead;

/* Pass `pass` of `passes` over `panel`, of panels that end at panel1; the kernel reads step_bytes
 * of a panel a step. The last panel asks for itself, which costs nothing. */
static inline rk_ahead rk_ahead_of(const rk_product *p, size_t panel, size_t panel1, size_t pass,
                                   size_t passes, size_t step_bytes)
{
    const size_t bytes = p->w->panel_bytes, next = panel + 1 < panel1 ? panel + 1 : panel;
    const rk_ahead ahead = {
        .at = (const uint8_t *)p->w->data + next * bytes + bytes * pass / passes,
        .step = step_bytes * 256 / passes,
    };
    return ahead;
}

#endif
