/* Attention of one head over one row, forward and backward.
 *
 * The head's query, key, value and output gradient are copied into small padded matrices first, so
 * that the inner products run on whole vectors; the padding is of this scratch, never of tokens. */
#include <math.h>
#include <string.h>

#include "compute/simd/math.h"
#include "compute/simd/train.h"

enum { ROWS = 8, COLS = 16 }; /* the tile of `product` */

static size_t up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* c [m, n] = a [m, k] b [k, n]; element (i, k) of a lies at a[i * ar + k * ak]. m is a multiple of
 * ROWS, n of COLS. */
static void product(float *c, size_t ldc, const float *a, size_t ar, size_t ak, const float *b,
                    size_t ldb, size_t m, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j += COLS) {
        for (size_t i = 0; i < m; i += ROWS) {
            float acc[ROWS][COLS];
            memset(acc, 0, sizeof acc);
            for (size_t p = 0; p < k; p++) {
                const float *bp = b + p * ldb + j, *ap = a + i * ar + p * ak;
                for (size_t r = 0; r < ROWS; r++) {
                    const float s = ap[r * ar];
#pragma omp simd
                    for (size_t x = 0; x < COLS; x++) acc[r][x] += s * bp[x];
                }
            }
            for (size_t r = 0; r < ROWS; r++) memcpy(c + (i + r) * ldc + j, acc[r], sizeof acc[r]);
        }
    }
}

/* dst [up(n, COLS), dp] = x [n, d] scaled, zero elsewhere */
static void copy_in(float *dst, size_t dp, size_t np, const float *x, size_t stride, size_t n,
                    size_t d, float scale)
{
    memset(dst, 0, np * dp * sizeof *dst);
    for (size_t i = 0; i < n; i++) {
#pragma omp simd
        for (size_t k = 0; k < d; k++) dst[i * dp + k] = x[i * stride + k] * scale;
    }
}

/* dst [dp, np] = x [n, d] transposed, zero elsewhere */
static void copy_transposed(float *dst, size_t np, size_t dp, const float *x, size_t stride,
                            size_t n, size_t d)
{
    memset(dst, 0, np * dp * sizeof *dst);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++) dst[k * np + i] = x[i * stride + k];
}

static void copy_out(float *y, size_t stride, const float *src, size_t dp, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) memcpy(y + i * stride, src + i * dp, d * sizeof *y);
}

/* p [np, np]: scores become probabilities, row by row; rows and columns past n become zero. */
static void softmax_rows(float *p, size_t np, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float *row = p + i * np, max = row[0], sum = 0.0f, inv;
#pragma omp simd reduction(max : max)
        for (size_t j = 0; j < n; j++) max = row[j] > max ? row[j] : max;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) {
            row[j] = rk_exp(row[j] - max);
            sum += row[j];
        }
        inv = 1.0f / sum;
#pragma omp simd
        for (size_t j = 0; j < n; j++) row[j] *= inv;
        for (size_t j = n; j < np; j++) row[j] = 0.0f;
    }
    memset(p + n * np, 0, (np - n) * np * sizeof *p);
}

/* p = softmax(q k^T scale) before dropout; kt is scratch [dp, np], q [np, dp]. */
static void probabilities(float *p, float *q, float *kt, const rk_attention *a, size_t np,
                          size_t dp, rk_half_counts *counts)
{
    const float *row = a->qkv + a->head * a->size;
    const size_t n = a->n, d = a->size;

    copy_in(q, dp, np, row, a->stride, n, d, a->scale);
    copy_transposed(kt, np, dp, row + a->hidden, a->stride, n, d);
    product(p, np, q, dp, 1, kt, np, np, np, d);
    for (size_t i = 0; a->half && i < n; i++)
        RK_K(round_half)(p + i * np, NULL, p + i * np, n, counts);
    softmax_rows(p, np, n);
    for (size_t i = 0; a->half && i < n; i++)
        RK_K(round_half)(p + i * np, NULL, p + i * np, n, counts);
}

static void drop(float *p, const rk_attention *a, size_t np)
{
    for (size_t i = 0; a->keep && i < a->n; i++)
        RK_K(dropout)(p + i * np, p + i * np, a->keep + i * a->n, a->keep_scale, a->n);
}

void RK_K(attention)(float *out, size_t out_stride, const rk_attention *a, float *scratch,
                     rk_half_counts *counts)
{
    const size_t n = a->n, d = a->size, np = up(n, COLS), dp = up(d, COLS);
    float *p = scratch, *q = p + np * np, *kt = q + np * dp, *v = kt + np * dp;

    probabilities(p, q, kt, a, np, dp, counts);
    drop(p, a, np);
    copy_in(v, dp, np, a->qkv + 2 * a->hidden + a->head * d, a->stride, n, d, 1.0f);
    product(q, dp, p, np, 1, v, dp, np, dp, n);
    copy_out(out + a->head * d, out_stride, q, dp, n, d);
}

void RK_K(attention_back)(float *dqkv, const float *dout, size_t out_stride, const rk_attention *a,
                          float *scratch)
{
    const size_t n = a->n, d = a->size, np = up(n, COLS), dp = up(d, COLS), at = a->head * d;
    float *p = scratch, *ds = p + np * np, *pd = ds + np * np, *q = pd + np * np;
    float *t = q + np * dp, *x = t + np * dp, *y = x + np * dp;

    probabilities(p, q, t, a, np, dp, NULL);
    memcpy(pd, p, np * np * sizeof *p);
    drop(pd, a, np);

    copy_in(x, dp, np, dout + at, out_stride, n, d, 1.0f);
    product(y, dp, pd, 1, np, x, dp, np, dp, n); /* dV = P^T dO */
    copy_out(dqkv + 2 * a->hidden + at, a->stride, y, dp, n, d);

    copy_transposed(t, np, dp, a->qkv + 2 * a->hidden + at, a->stride, n, d);
    product(ds, np, x, dp, 1, t, np, np, np, d); /* dP = dO V^T */
    drop(ds, a, np);
    for (size_t i = 0; i < n; i++) { /* dS = P (dP - sum P dP) */
        float *g = ds + i * np, sum = 0.0f;
        const float *w = p + i * np;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) sum += w[j] * g[j];
#pragma omp simd
        for (size_t j = 0; j < n; j++) g[j] = w[j] * (g[j] - sum);
    }

    copy_in(x, dp, np, a->qkv + a->hidden + at, a->stride, n, d, a->scale);
    product(y, dp, ds, np, 1, x, dp, np, dp, n); /* dQ = dS K scale */
    copy_out(dqkv + at, a->stride, y, dp, n, d);
    product(y, dp, ds, 1, np, q, dp, np, dp, n); /* dK = dS^T Q, q has the scale */
    copy_out(dqkv + a->hidden + at, a->stride, y, dp, n, d);
}
