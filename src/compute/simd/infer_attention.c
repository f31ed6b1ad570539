/* Attention of one row and head. Scores and context are small products C = A B with B's rows
 * contiguous: keys are turned first, so that sixteen scores of a query sit side by side. */
#include <stdbool.h>

#include "compute/simd/epilogue.h"
#include "compute/simd/infer.h"
#include "compute/simd/v16_turn.h"

/* Rows and groups of 16 columns of a block: as many sums as there are registers for. */
#if defined(__AVX512F__)
enum { ROWS = 4, GROUPS = 4 };
#else
enum { ROWS = 4, GROUPS = 1 };
#endif

typedef struct factors {
    const float *a, *b;
    size_t lda, ldb, depth;
    size_t columns;        /* of b that exist; past them sums are zero */
} factors;

/* sums[r][g] = sum over k of a[r][k] b[k][16 g ..], k rising, one fma a term: the same bits
 * whatever rows and groups are. They are constants at every call, as is whole: no column is missing
 * in the last group. */
V16_FORCED void sum_block(v16 sums[ROWS][GROUPS], const factors *f, const size_t rows,
                          const size_t groups, const bool whole)
{
    const size_t lda = f->lda, ldb = f->ldb, depth = f->depth, columns = f->columns;
    const float *a = f->a, *b = f->b;
    v16 c[ROWS][GROUPS]; /* in registers, as they are nobody else's */

#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) c[r][g] = v16_set(0.0f);
    for (size_t k = 0; k < depth; k++, b += ldb) {
        v16 w[GROUPS];
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++)
            w[g] = whole || g + 1 < groups ? v16_load(b + 16 * g)
                                           : v16_loadn(b + 16 * g, columns - 16 * g);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            const v16 x = v16_set(a[r * lda + k]);
#pragma GCC unroll 4
            for (size_t g = 0; g < groups; g++) c[r][g] = v16_fma(x, w[g], c[r][g]);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t g = 0; g < groups; g++) sums[r][g] = c[r][g];
}

V16_FORCED void block(v16 c[ROWS][GROUPS], const factors *f, const size_t rows,
                      const size_t groups)
{
    if (f->columns >= 16 * groups) sum_block(c, f, rows, groups, true);
    else sum_block(c, f, rows, groups, false);
}

V16_FORCED void block_rows(v16 c[ROWS][GROUPS], const factors *f, size_t rows,
                           const size_t groups)
{
    switch (rows) {
    case 1: block(c, f, 1, groups); break;
    case 2: block(c, f, 2, groups); break;
    case 3: block(c, f, 3, groups); break;
    default: block(c, f, 4, groups); break;
    }
}

static void block_any(v16 c[ROWS][GROUPS], const factors *f, size_t rows, size_t groups)
{
#if defined(__AVX512F__)
    switch (groups) {
    case 1: block_rows(c, f, rows, 1); break;
    case 2: block_rows(c, f, rows, 2); break;
    case 3: block_rows(c, f, rows, 3); break;
    default: block_rows(c, f, rows, 4); break;
    }
#else
    (void)groups;
    block_rows(c, f, rows, 1);
#endif
}

/* turned[c][j] = k[j][c], zero for j past the length. */
static void turn(float *turned, const float *k, size_t stride, size_t length, size_t wide,
                 size_t head_size)
{
    for (size_t j = 0; j < length; j += V16)
        for (size_t c = 0; c < head_size; c += V16)
            v16_turn(turned + c * wide + j, wide, k + j * stride + c, stride,
                     length - j < V16 ? length - j : (size_t)V16,
                     head_size - c < V16 ? head_size - c : (size_t)V16);
}

/* scores [length] become e^(scale (s - max)); returns 1 / their sum. */
static float exponents(float *scores, size_t length, float scale)
{
    v16 top = v16_set(-INFINITY), sum = v16_set(0.0f), shift;

    for (size_t j = 0; j < length; j += V16) {
        v16 s = v16_mul(v16_load(scores + j), v16_set(scale));
        s = v16_tail(s, v16_set(-INFINITY), length - j);
        v16_store(scores + j, s);
        top = v16_max(s, top);
    }
    shift = v16_set(v16_largest(top));
    for (size_t j = 0; j < length; j += V16) {
        v16 e = v16_exp(v16_sub(v16_load(scores + j), shift));
        e = v16_tail(e, v16_set(0.0f), length - j);
        v16_store(scores + j, e);
        sum = v16_add(sum, e);
    }
    return 1.0f / v16_sum(sum);
}

/* Rows [i, i + rows) of the scores: [rows][wide]. */
static void score(float *scores, const rk_infer_attention *a, const float *q, const float *turned,
                  size_t rows, size_t wide)
{
    factors f = { .a = q, .lda = a->q_stride, .ldb = wide, .depth = a->head_size };
    v16 c[ROWS][GROUPS];

    for (size_t j = 0; j < wide; j += 16 * GROUPS) {
        const size_t left = (wide - j) / 16, groups = left < GROUPS ? left : (size_t)GROUPS;
        f.b = turned + j;
        f.columns = wide - j;
        block_any(c, &f, rows, groups);
        for (size_t r = 0; r < rows; r++)
            for (size_t g = 0; g < groups; g++)
                v16_store(scores + r * wide + j + 16 * g, c[r][g]);
    }
}

void RK_K(infer_attention)(const rk_infer_attention *a, size_t head)
{
    const size_t d = a->head_size, wide = (a->length + V16 - 1) / V16 * V16;
    float *turned = a->scratch, *scores = turned + wide * d;
    factors f = { .a = scores, .lda = wide, .ldb = a->kv_stride, .depth = a->length };
    const float inverse = rk_matrix_inverse(a->y);
    v16 c[ROWS][GROUPS];

    turn(turned, a->k + head * a->kv_step, a->kv_stride, a->length, wide, d);
    for (size_t i = 0; i < a->queries; i += ROWS) {
        const size_t rows = a->queries - i < ROWS ? a->queries - i : (size_t)ROWS;
        float part[ROWS];

        score(scores, a, a->q + i * a->q_stride + head * a->q_step, turned, rows, wide);
        for (size_t r = 0; r < rows; r++)
            part[r] = exponents(scores + r * wide, a->length, a->scale);
        for (size_t col = 0; col < d; col += 16 * GROUPS) {
            const size_t left = (d - col + 15) / 16, groups = left < GROUPS ? left : (size_t)GROUPS;
            f.b = a->v + head * a->kv_step + col;
            f.columns = d - col;
            block_any(c, &f, rows, groups);
            for (size_t r = 0; r < rows; r++)
                for (size_t g = 0; g < groups; g++)
                    rk_matrix_put(a->y, inverse, a->y_row + i + r, head * d + col + 16 * g,
                                  d - col - 16 * g,
                                  v16_mul(c[r][g], v16_set(part[r])));
        }
    }
}
