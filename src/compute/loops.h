/* The loops of training between the products: one table of kernels, filled for the instruction
 * level in force. Each kernel is single-threaded and works on the part it is given; callers split
 * the work at fixed places, so results do not depend on the number of threads.
 *
 * Exactness: conversions, rounding and fake-quantisation are equal to the bit on every level; the
 * rest is within a few ulp of exact arithmetic, sums within n eps sum|x|. */
#ifndef RK_COMPUTE_LOOPS_H
#define RK_COMPUTE_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* What FP16 fake-quantisation met: values past 65504 (clamped), values that became subnormal, and
 * the largest magnitude before rounding. */
typedef struct rk_half_counts {
    uint64_t clamped, subnormal;
    float largest;
} rk_half_counts;

typedef struct rk_attention {
    const float *q;          /* [queries, size] of one row and head */
    const float *k, *v;      /* [n, size] */
    size_t q_stride, stride; /* floats from one token to the next: of q, of k and v */
    size_t size;             /* floats per head */
    size_t n, queries;       /* tokens of the row; how many of them, from the first, ask */
    float scale;             /* 1 / sqrt(size) */
    const uint8_t *keep;     /* [queries, n] dropout mask of the probabilities (0 drops), or NULL */
    float keep_scale;        /* 1 / (1 - p) */
    int half;                /* round scores and probabilities to binary16 */
} rk_attention;

/* The numbers of one update of AdamW (Loshchilov & Hutter 2019, as torch.optim.AdamW) */
typedef struct rk_adamw_step {
    float shrink; /* 1 - lr * decay */
    float step;   /* lr / (1 - b1^t) */
    float root;   /* 1 / sqrt(1 - b2^t) */
    float b1, b2, eps;
} rk_adamw_step;

typedef struct rk_loops {
    const char *level;

    /* y = (x - mean) / sqrt(var + eps) * w + b per row; mean and rstd [rows] are kept for the
     * backward */
    void (*layernorm)(float *y, float *mean, float *rstd, const float *x, const float *w,
                      const float *b, size_t rows, size_t cols, float eps);
    /* dx [rows, cols] is written; dw, db [cols] are added to */
    void (*layernorm_back)(float *dx, float *dw, float *db, const float *dy, const float *x,
                           const float *mean, const float *rstd, const float *w, size_t rows,
                           size_t cols);
    /* activation 0 GELU (erf), 1 GELU (tanh form), 2 ReLU; *_back: dx = dy f'(x), dx may be dy */
    void (*activate)(float *y, const float *x, size_t n, int activation);
    void (*activate_back)(float *dx, const float *dy, const float *x, size_t n, int activation);

    /* One row, one head. out [queries, size], row stride `out_stride`. scratch: at least
     * rk_attention_scratch(n, size) floats. */
    void (*attention)(float *out, size_t out_stride, const rk_attention *a, float *scratch,
                      rk_half_counts *counts);
    /* The gradients of this head's query, key and value, which lie as they do. */
    void (*attention_back)(float *dq, float *dk, float *dv, const float *dout, size_t out_stride,
                           const rk_attention *a, float *scratch);

    void (*add)(float *y, const float *a, const float *b, size_t n); /* y = a + b */
    /* out [cols] += sums over the rows of x (row stride `stride`) */
    void (*column_sums)(float *out, const float *x, size_t rows, size_t cols, size_t stride);
    double (*square_sum)(const float *x, size_t n);
    /* y = keep ? x * scale : 0; y may be x */
    void (*dropout)(float *y, const float *x, const uint8_t *keep, float scale, size_t n);
    /* keep[i] = 1 with probability 1 - threshold / 65536, by counter: see base/rng.h */
    void (*dropout_mask)(uint8_t *keep, uint64_t seed, uint64_t stream, uint64_t first_block,
                         size_t n, uint32_t threshold);

    /* One update of AdamW; g is scaled by gscale first. Denormal results become zero: a moment
     * that is never fed would stay a denormal for good, and an update with one takes ten times as
     * long. */
    void (*adamw)(float *p, float *m, float *v, const float *g, size_t n, const rk_adamw_step *step,
                  float gscale);
    /* k updates in a row with g = 0: the same bits as k calls of adamw. */
    void (*adamw_idle)(float *p, float *m, float *v, size_t n, const rk_adamw_step *steps,
                       size_t k);

    void (*to_bf16)(uint16_t *y, const float *x, size_t n);
    void (*min_max)(float *min, float *max, const float *x, size_t n); /* widens both */

    /* y = dequantised code of x, u8 (scale, zero) or s8 (symmetric, +-127); y may be x. inside [n],
     * unless NULL: 1 where x lies within the range (the gradient passes there). Infinities get the
     * end codes. NaN stays NaN, so that a run that diverged is seen by its loss; a code would hide
     * it (the runtime, which has only codes, gives it that of 0). */
    void (*fake_u8)(float *y, uint8_t *inside, const float *x, size_t n, float scale, int zero);
    /* d loss / d ln scale of fake_u8, dx the gradient at y: the sum of dx scale (code - zero - x /
     * scale) inside the range and of dx scale (code - zero) outside (Esser et al. 2020, equation 3,
     * for the logarithm of the step size) */
    double (*scale_gradient)(const float *dx, const float *x, size_t n, float scale, int zero);
    void (*fake_s8)(float *y, const float *x, size_t n, float scale);
    /* The codes themselves, and y16 = to_bf16 of what fake_u8 or fake_s8 gives; sum: of the codes.
     * Return whether there was a NaN, whose code means nothing. */
    int (*codes_u8)(uint8_t *codes, uint8_t *inside, uint16_t *y16, const float *x, size_t n,
                    float scale, int zero);
    int (*codes_s8)(int8_t *codes, uint16_t *y16, int32_t *sum, const float *x, size_t n,
                    float scale);
    float (*abs_max)(const float *x, size_t n);
    /* y = x rounded to binary16, clamped to +-65504, NaN stays; y may be x. inside as above. */
    void (*round_half)(float *y, uint8_t *inside, const float *x, size_t n, rk_half_counts *counts);
    void (*mask)(float *y, const uint8_t *keep, size_t n); /* y = keep ? y : 0 */

    /* out[c][r] = in[r][c] for r < rows, c < cols, units of 4 bytes, strides in them; rows of out
     * are zero from `rows` to the next multiple of 16. in need not be aligned. */
    void (*turn)(void *out, size_t out_stride, const void *in, size_t in_stride, size_t rows,
                 size_t cols);
    /* out[r / 2][c] = in[r][c] and in[r + 1][c] side by side, 0 for the latter past `rows`; strides
     * in units of 4 and of 2 bytes */
    void (*pairs)(void *out, size_t out_stride, const uint16_t *in, size_t in_stride, size_t rows,
                  size_t cols);
} rk_loops;

/* Floats of scratch for one head of a row of n tokens. */
size_t rk_attention_scratch(size_t n, size_t size);

/* The table for the level in force (compute/cpu.h). */
const rk_loops *rk_loops_get(void);
/* The table of a named level ("base", "avx2", "avx512"), or NULL when this CPU or build lacks it.
 */
const rk_loops *rk_loops_level(const char *level);

#endif
