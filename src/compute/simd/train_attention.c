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
    for (size_t i = 0; i < n; i++) {
#pragma omp simd
        for (size_t k = 0; k < d; k++) dst[i * dp + k] = x[i * stride + k] * scale;
        for (size_t k = d; k < dp; k++) dst[i * dp + k] = 0.0f;
    }
    memset(dst + n * dp, 0, (np - n) * dp * sizeof *dst);
}

/* dst [dp, np] = x [n, d] transposed, zero elsewhere */
static void copy_transposed(float *dst, size_t np, size_t dp, const float *x, size_t stride,
                            size_t n, size_t d)
{
    RK_K(turn)(dst, np, x, stride, n, d);
    memset(dst + d * np, 0, (dp - d) * np * sizeof *dst);
}

static void copy_out(float *y, size_t stride, const float *src, size_t dp, size_t n, size_t d)
{
    for (size_t i = 0; i < n; i++) memcpy(y + i * stride, src + i * dp, d * sizeof *y);
}

/* p [qp, np]: scores of m queries become probabilities; rows past m and columns past n zero. */
static void softmax_rows(float *p, size_t np, size_t qp, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) {
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
    memset(p + m * np, 0, (qp - m) * np * sizeof *p);
}

/* The sizes of the scratch: keys, queries and floats of a head, rounded up to whole tiles. */
typedef struct padded {
    size_t np, qp, dp;
} padded;

static padded pad(const rk_attention *a)
{
    return (padded){up(a->n, COLS), up(a->queries, COLS), up(a->size, COLS)};
}

/* p = softmax(q k^T scale) before dropout; kt is scratch [dp, np], q [qp, dp]. */
static void probabilities(float *p, float *q, float *kt, const rk_attention *a, padded s,
                          rk_half_counts *counts)
{
    const size_t n = a->n, d = a->size;

    copy_in(q, s.dp, s.qp, a->q, a->q_stride, a->queries, d, a->scale);
    copy_transposed(kt, s.np, s.dp, a->k, a->stride, n, d);
    product(p, s.np, q, s.dp, 1, kt, s.np, s.qp, s.np, d);
    for (size_t i = 0; a->half && i < a->queries; i++)
        RK_K(round_half)(p + i * s.np, NULL, p + i * s.np, n, counts);
    softmax_rows(p, s.np, s.qp, a->queries, n);
    for (size_t i = 0; a->half && i < a->queries; i++)
        RK_K(round_half)(p + i * s.np, NULL, p + i * s.np, n, counts);
}

static void drop(float *p, const rk_attention *a, size_t np)
{
    for (size_t i = 0; a->keep && i < a->queries; i++)
        RK_K(dropout)(p + i * np, p + i * np, a->keep + i * a->n, a->keep_scale, a->n);
}

void RK_K(attention)(float *out, size_t out_stride, const rk_attention *a, float *scratch,
                     rk_half_counts *counts)
{
    const padded s = pad(a);
    float *p = scratch, *q = p + s.np * s.np, *kt = q + s.np * s.dp, *v = kt + s.np * s.dp;

    probabilities(p, q, kt, a, s, counts);
    drop(p, a, s.np);
    copy_in(v, s.dp, s.np, a->v, a->stride, a->n, a->size, 1.0f);
    product(q, s.dp, p, s.np, 1, v, s.dp, s.qp, s.dp, a->n);
    copy_out(out, out_stride, q, s.dp, a->queries, a->size);
}

/* ds = P (dP - sum P dP) of each query, in place of dP */
static void softmax_back(float *ds, const float *p, size_t np, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) {
        float *g = ds + i * np, sum = 0.0f;
        const float *w = p + i * np;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < n; j++) sum += w[j] * g[j];
#pragma omp simd
        for (size_t j = 0; j < n; j++) g[j] = w[j] * (g[j] - sum);
    }
}

void RK_K(attention_back)(float *dq, float *dk, float *dv, const float *dout, size_t out_stride,
                          const rk_attention *a, float *scratch)
{
    const padded s = pad(a);
    const size_t n = a->n, m = a->queries, d = a->size, np = s.np, qp = s.qp, dp = s.dp;
    float *p = scratch, *ds = p + np * np, *pd = ds + np * np, *q = pd + np * np;
    float *t = q + np * dp, *x = t + np * dp, *y = x + np * dp;

    probabilities(p, q, t, a, s, NULL);
    memcpy(pd, p, qp * np * sizeof *p);
    drop(pd, a, np);

    copy_in(x, dp, qp, dout, out_stride, m, d, 1.0f);
    product(y, dp, pd, 1, np, x, dp, np, dp, m); /* dV = P^T dO */
    copy_out(dv, a->stride, y, dp, n, d);

    copy_transposed(t, np, dp, a->v, a->stride, n, d);
    product(ds, np, x, dp, 1, t, np, qp, np, d); /* dP = dO V^T */
    drop(ds, a, np);
    softmax_back(ds, p, np, m, n);

    copy_in(x, dp, np, a->k, a->stride, n, d, a->scale);
    product(y, dp, ds, np, 1, x, dp, qp, dp, n); /* dQ = dS K scale */
    copy_out(dq, a->q_stride, y, dp, m, d);
    product(y, dp, ds, 1, np, q, dp, np, dp, m); /* dK = dS^T Q, q has the scale */
    copy_out(dk, a->stride, y, dp, n, d);
}
