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

void RK_K(infer_layernorm)(float *y, const rk_matrix *other, size_t row, const float *x,
                           const float *w, const float *b, size_t width, float eps)
{
    const v16 none = v16_set(0.0f);
    const float inverse = other ? rk_matrix_inverse(other) : 0.0f;
    v16 sum = none, square = none, mean, root;
    float variance;

    for (size_t c = 0; c < width; c += V16) sum = v16_add(sum, v16_loadn(x + c, width - c));
    mean = v16_set(v16_sum(sum) / (float)width);
    for (size_t c = 0; c < width; c += V16) {
        const v16 d = v16_tail(v16_sub(v16_loadn(x + c, width - c), mean), none, width - c);
        square = v16_fma(d, d, square);
    }
    variance = v16_sum(square) / (float)width;
    root = v16_set(1.0f / sqrtf(variance + eps));
    for (size_t c = 0; c < width; c += V16) {
        const size_t n = width - c;
        const v16 d = v16_mul(v16_sub(v16_loadn(x + c, n), mean), root);
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
