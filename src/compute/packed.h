/* Products of inference: y [T, N] = epilogue(x [T, K] W^T), the weights packed once.
 *
 * A value of y is one sum over k in a fixed order, whatever T, the row's place among the rows, and
 * the number of threads; so a row's result never depends on its neighbours. Integer products are
 * exact at every level. Float products differ between levels by the order and fusing of roundings:
 * at most (K + 2) 2^-24 sum |x w| each, and bfloat16 products by 2^-22 K sum |x w| (they flush
 * subnormals). */
#ifndef RK_COMPUTE_PACKED_H
#define RK_COMPUTE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/mem.h"
#include "base/status.h"
#include "compute/cpu.h"

/* Rows of activations. stride is in elements and at least the width rounded up to 64 bytes; bytes
 * between width and stride are readable, and finite where float or bfloat16. */
typedef enum rk_form { RK_FORM_F32, RK_FORM_BF16, RK_FORM_U8 } rk_form;

typedef struct rk_matrix {
    void *data;
    size_t stride;
    rk_form form;
    float scale;           /* U8: value = (code - zero) * scale */
    uint8_t zero;
} rk_matrix;

size_t rk_form_size(rk_form form);
/* The width rounded up to whole 64 bytes, and by 64 more where that is a multiple of 2 KiB; in
 * elements. */
size_t rk_form_stride(rk_form form, size_t width);

/* A weight matrix [out, in] wherever it lies: element (n, k) is at n * out_step + k * in_step. */
typedef struct rk_weight {
    const void *data;      /* maybe unaligned */
    rk_dtype type;         /* F32, F16, BF16 or I8 */
    size_t out, in;
    size_t out_step, in_step;
    const float *scale;    /* I8: [out], value = code * scale; else NULL */
    const float *bias;     /* [out] or NULL */
} rk_weight;

typedef struct rk_packed rk_packed;

enum { RK_PACKED_K_MAX = 65536 };    /* 255 * 128 * K stays within int32 */

/* Packs for a level `parts` matrices of equal in and type, one under the other: out is their sum.
 * input tells the form of x, with scale and zero where it is U8 (weights I8 then);
 * F32 and F16 weights take F32 rows (F16 stays half in memory) or BF16 rows (packed as bfloat16);
 * BF16 weights take BF16 rows.
 * RK_E_UNSUPPORTED where level and processor have no such product, RK_E_ARG for a wrong pair,
 * RK_E_MEMORY. Reads w only during the call; uses OpenMP threads. The weights are in `pool`, which
 * must live as long, or where that is NULL in memory of their own. */
rk_status rk_packed_new(rk_packed **out, const rk_weight *w, size_t parts, const rk_matrix *input,
                        rk_level level, rk_pool *pool, rk_error *err);
void rk_packed_free(rk_packed *p);
size_t rk_packed_bytes(const rk_packed *p);
size_t rk_packed_out(const rk_packed *p);
size_t rk_packed_in(const rk_packed *p);

typedef enum rk_packed_act {
    RK_PACKED_LINEAR, RK_PACKED_GELU, RK_PACKED_GELU_TANH, RK_PACKED_RELU
} rk_packed_act;

/* act(product + bias), plus `add` [T, N] floats unless NULL, written in y's form. */
typedef struct rk_epilogue {
    rk_packed_act act;
    const float *add;
    size_t add_stride;
    rk_matrix y;
    bool past;             /* floats that nobody reads soon: may be written past the caches; rows
                            * of y begin at multiples of 64 bytes, and whoever hands y on to another
                            * thread puts a fence before it */
} rk_epilogue;

/* One thread's share of the product of `rows` rows: all `threads` threads call it with the same
 * arguments and their own number, and meet at a barrier of theirs before y is read. */
void rk_packed_run(const rk_packed *p, const rk_matrix *x, size_t rows, const rk_epilogue *e,
                   size_t thread, size_t threads);
/* The product of rows [row0, row1) alone, by the calling thread. */
void rk_packed_run_rows(const rk_packed *p, const rk_matrix *x, size_t row0, size_t row1,
                        const rk_epilogue *e);

#endif
