/* Rows of inference: embeddings, LayerNorm, change of form. */
#include "compute/infer_kernels.h"
#include "compute/simd/epilogue.h"
#include "compute/simd/infer.h"

V16_INLINE v16 table_get(const rk_table *t, size_t row, size_t col, size_t n)
{
    const size_t at = row * t->width + col;

    if (t->type == RK_DT_F32) return v16_loadn((const float *)t->data + at, n);
    if (t->type == RK_DT_F16) return v16_load_f16n((const uint16_t *)t->data + at, n);
    if (t->type == RK_DT_BF16) return v16_load_bf16n((const uint16_t *)t->data + at, n);
    return v16_mul(v16_sub(v16_load_s8n((const int8_t *)t->data + at, n), v16_set(t->zero)),
                   v16_set(t->scale[row]));
}

void RK_K(infer_embed)(float *y, const rk_table *word, size_t id, const float *type,
                       const rk_table *position, size_t at)
{
    for (size_t c = 0; c < word->width; c += V16) {
        const size_t n = word->width - c;
        v16 x = v16_add(table_get(word, id, c, n), v16_loadn(type + c, n));
        x = v16_add(x, table_get(position, at, c, n));
        v16_storen(y + c, x, n);
    }
}

enum { CHAINS = 4 };

/* Four chains of additions, sixteen columns of each in turn: one chain would wait for itself. */
static float row_mean(const float *x, size_t width)
{
    v16 sum[CHAINS];
    size_t c = 0;

#pragma GCC unroll 4
    for (size_t i = 0; i < CHAINS; i++) sum[i] = v16_set(0.0f);
    for (; c + CHAINS * V16 <= width; c += CHAINS * V16)
#pragma GCC unroll 4
        for (size_t i = 0; i < CHAINS; i++) sum[i] = v16_add(sum[i], v16_load(x + c + i * V16));
    for (; c < width; c += V16) sum[0] = v16_add(sum[0], v16_loadn(x + c, width - c));
    return v16_sum(v16_add(v16_add(sum[0], sum[1]), v16_add(sum[2], sum[3]))) / (float)width;
}

static float row_variance(const float *x, size_t width, float mean)
{
    const v16 m = v16_set(mean), none = v16_set(0.0f);
    v16 sum[CHAINS], d;
    size_t c = 0;

#pragma GCC unroll 4
    for (size_t i = 0; i < CHAINS; i++) sum[i] = none;
    for (; c + CHAINS * V16 <= width; c += CHAINS * V16)
#pragma GCC unroll 4
        for (size_t i = 0; i < CHAINS; i++) {
            d = v16_sub(v16_load(x + c + i * V16), m);
            sum[i] = v16_fma(d, d, sum[i]);
        }
    for (; c < width; c += V16) {
        d = v16_tail(v16_sub(v16_loadn(x + c, width - c), m), none, width - c);
        sum[0] = v16_fma(d, d, sum[0]);
    }
    return v16_sum(v16_add(v16_add(sum[0], sum[1]), v16_add(sum[2], sum[3]))) / (float)width;
}

void RK_K(infer_layernorm)(float *y, const rk_matrix *other, size_t row, const float *x,
                           const float *w, const float *b, size_t width, float eps)
{
    const float inverse = other ? rk_matrix_inverse(other) : 0.0f;
    const float mean = row_mean(x, width), variance = row_variance(x, width, mean);
    const v16 m = v16_set(mean), root = v16_set(1.0f / sqrtf(variance + eps));

    for (size_t c = 0; c < width; c += V16) {
        const size_t n = width - c;
        const v16 d = v16_mul(v16_sub(v16_loadn(x + c, n), m), root);
        const v16 v = v16_fma(d, v16_loadn(w + c, n), v16_loadn(b + c, n));
        v16_storen(y + c, v, n);
        if (other) rk_matrix_put(other, inverse, row, c, n, v);
    }
}

void RK_K(infer_put)(const rk_matrix *y, size_t row, const float *x, size_t width)
{
    const float inverse = rk_matrix_inverse(y);

    for (size_t c = 0; c < width; c += V16)
        rk_matrix_put(y, inverse, row, c, width - c, v16_loadn(x + c, width - c));
}

void RK_K(infer_activate)(float *x, size_t n, rk_packed_act act)
{
    for (size_t i = 0; i < n; i += V16)
        v16_storen(x + i, v16_act(v16_loadn(x + i, n - i), act), n - i);
}

const rk_infer_kernels RK_K(infer) = {
    .embed = RK_K(infer_embed),
    .layernorm = RK_K(infer_layernorm),
    .put = RK_K(infer_put),
    .activate = RK_K(infer_activate),
    .attention = RK_K(infer_attention),
};
