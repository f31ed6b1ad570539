/* What a product kernel is: the contract between packed.c and the kernels of each level. */
#ifndef RK_COMPUTE_PACKED_KERNEL_H
#define RK_COMPUTE_PACKED_KERNEL_H

#include "compute/packed.h"

/* Weights lie in panels of `nr` columns (outputs), each [padded K / ks][nr][ks]: ks values of k
 * side by side, as the dot instructions want them. Columns past N and k past K are zero; bias,
 * scale and comp are [columns rounded up to nr, then to 16]. */
struct rk_packed {
    const struct rk_packed_kernel *kernel;
    size_t out, in;
    size_t panels, panel_bytes;
    size_t depth;              /* K rounded up to the kernel's ks */
    void *data;
    void *own;                 /* data, where no pool has it */
    size_t bytes;
    float *bias;               /* zeros where there is none */
    float *scale;              /* integer: input scale times weight scale */
    int32_t *comp;             /* integer: input zero point times the column's sum of codes */
};

typedef struct rk_product {
    const rk_packed *w;
    const rk_epilogue *e;
    const uint8_t *x;          /* first row */
    size_t x_stride;           /* bytes */
    float inverse;             /* 1 / scale of y where that is U8 */
} rk_product;

typedef struct rk_packed_kernel {
    const char *name;
    size_t nr, ks;             /* ks: also what K is rounded up to */
    size_t k_side;             /* values of k side by side; divides ks */
    rk_form input;
    rk_dtype weights;          /* as packed: F32, F16, BF16, I8 */
    /* Rows [row0, row1) times panels [panel0, panel1), epilogue included. Of a row of x exactly
     * `depth` elements are read. */
    void (*span)(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1);
} rk_packed_kernel;

/* The best kernel of at most this level for the kind of weights and input; NULL for none. */
const rk_packed_kernel *rk_packed_choose(rk_dtype weights, rk_form input, rk_level level);

extern const rk_packed_kernel rk_k_packed_f32_ref, rk_k_packed_f16_ref, rk_k_packed_bf16_ref,
    rk_k_packed_s8_ref;
extern const rk_packed_kernel rk_k_packed_f32_avx2, rk_k_packed_f16_avx2, rk_k_packed_s8_avx2;
extern const rk_packed_kernel rk_k_packed_f32_avx512, rk_k_packed_f16_avx512;
extern const rk_packed_kernel rk_k_packed_s8_vnni, rk_k_packed_bf16_bf16;
extern const rk_packed_kernel rk_k_packed_s8_amx, rk_k_packed_bf16_amx;

#endif
