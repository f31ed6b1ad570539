/* What inference does besides products: embeddings, LayerNorm, attention, change of form.
 *
 * All levels give the same bits: the kernels are made of simd/v16.h alone, sums run over sixteen
 * lanes in an order that the level does not change. A row's result never depends on another row. */
#ifndef RK_COMPUTE_INFER_KERNELS_H
#define RK_COMPUTE_INFER_KERNELS_H

#include "compute/packed.h"

/* An embedding table [rows, width]: floats, halves, bfloat16, or codes with a scale for each row.
 */
typedef struct rk_table {
    const void *data;      /* aligned to its type; in a source maybe not */
    rk_dtype type;         /* F32, F16, BF16 or I8 */
    size_t rows, width;
    const float *scale;    /* I8: [rows] */
    float zero;            /* I8: value = (code - zero) * scale */
} rk_table;

typedef struct rk_infer_attention {
    const float *q, *k, *v;       /* first row, head 0 */
    size_t q_stride, kv_stride;   /* floats from row to row */
    size_t q_step, kv_step;       /* floats from head to head */
    size_t queries, length;       /* rows of q; rows of k and v */
    size_t head_size;
    float scale;                  /* of the scores: 1 / sqrt(head_size) */
    const rk_matrix *y;             /* head h goes to column h * head_size */
    size_t y_row;                 /* row of the first query */
    float *scratch;               /* rk_infer_attention_floats(...) floats, 64-byte aligned */
} rk_infer_attention;

typedef struct rk_infer_kernels {
    /* y [width] = (word[id] + type) + position[at], type a row of floats */
    void (*embed)(float *y, const rk_table *word, size_t id, const float *type,
                  const rk_table *position, size_t at);

    /* y = (x - mean) / sqrt(variance + eps) * w + b of one row of floats; y and x may be the same.
     * The row is also written as row `row` of `other` unless that is NULL. */
    void (*layernorm)(float *y, const rk_matrix *other, size_t row, const float *x, const float *w,
                      const float *b, size_t width, float eps);

    /* Row `row` of y, width values, from floats. */
    void (*put)(const rk_matrix *y, size_t row, const float *x, size_t width);

    /* x [n] in place. */
    void (*activate)(float *x, size_t n, rk_packed_act act);

    /* softmax(q k^T scale) v of one head. */
    void (*attention)(const rk_infer_attention *a, size_t head);
} rk_infer_kernels;

/* The kernels of a level. */
const rk_infer_kernels *rk_infer_kernels_for(rk_level level);

/* Scratch of one call of attention over at most `length` tokens. */
size_t rk_infer_attention_floats(size_t length, size_t head_size);

#endif
