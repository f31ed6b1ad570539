/* The products in plain C: the truth the other levels are measured against. */
#include "compute/simd/epilogue.h"

enum { NR = 16 };

static const uint8_t *row_of(const rk_product *p, size_t row)
{
    return p->x + row * p->x_stride;
}

static const uint8_t *panel_of(const rk_product *p, size_t panel)
{
    return (const uint8_t *)p->w->data + panel * p->w->panel_bytes;
}

static void span_f32(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    for (size_t j = panel0; j < panel1; j++) {
        const float *w = (const float *)(const void *)panel_of(p, j);
        for (size_t t = row0; t < row1; t++) {
            const float *x = (const float *)(const void *)row_of(p, t);
            float sum[NR] = { 0 };
            for (size_t k = 0; k < p->w->depth; k++)
                for (size_t c = 0; c < NR; c++) sum[c] += x[k] * w[k * NR + c];
            rk_epilogue_f32(p, t, j * NR, v16_load(sum));
        }
    }
}

static void span_f16(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    for (size_t j = panel0; j < panel1; j++) {
        const uint16_t *w = (const uint16_t *)(const void *)panel_of(p, j);
        for (size_t t = row0; t < row1; t++) {
            const float *x = (const float *)(const void *)row_of(p, t);
            float sum[NR] = { 0 };
            for (size_t k = 0; k < p->w->depth; k++)
                for (size_t c = 0; c < NR; c++) sum[c] += x[k] * rk_f16_to_f32(w[k * NR + c]);
            rk_epilogue_f32(p, t, j * NR, v16_load(sum));
        }
    }
}

static void span_bf16(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    for (size_t j = panel0; j < panel1; j++) {
        const uint16_t *w = (const uint16_t *)(const void *)panel_of(p, j);
        for (size_t t = row0; t < row1; t++) {
            const uint16_t *x = (const uint16_t *)(const void *)row_of(p, t);
            float sum[NR] = { 0 };
            for (size_t k = 0; k < p->w->depth; k++)
                for (size_t c = 0; c < NR; c++)
                    sum[c] += rk_bf16_to_f32(x[k]) * rk_bf16_to_f32(w[k * NR + c]);
            rk_epilogue_f32(p, t, j * NR, v16_load(sum));
        }
    }
}

static void span_s8(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    for (size_t j = panel0; j < panel1; j++) {
        const int8_t *w = (const int8_t *)panel_of(p, j);
        for (size_t t = row0; t < row1; t++) {
            const uint8_t *x = row_of(p, t);
            int32_t sum[NR] = { 0 };
            for (size_t k = 0; k < p->w->depth; k++)
                for (size_t c = 0; c < NR; c++) sum[c] += (int32_t)x[k] * w[k * NR + c];
            for (size_t c = 0; c < NR; c++) sum[c] -= p->w->comp[j * NR + c];
            rk_epilogue_s32(p, t, j * NR, v16_load_s32(sum));
        }
    }
}

const rk_packed_kernel rk_k_packed_f32_ref = {
    .name = "ref", .nr = NR, .ks = 1, .k_side = 1, .input = RK_FORM_F32, .weights = RK_DT_F32,
    .span = span_f32,
};
const rk_packed_kernel rk_k_packed_f16_ref = {
    .name = "ref", .nr = NR, .ks = 1, .k_side = 1, .input = RK_FORM_F32, .weights = RK_DT_F16,
    .span = span_f16,
};
const rk_packed_kernel rk_k_packed_bf16_ref = {
    .name = "ref", .nr = NR, .ks = 1, .k_side = 1, .input = RK_FORM_BF16, .weights = RK_DT_BF16,
    .span = span_bf16,
};
const rk_packed_kernel rk_k_packed_s8_ref = {
    .name = "ref", .nr = NR, .ks = 1, .k_side = 1, .input = RK_FORM_U8, .weights = RK_DT_I8,
    .span = span_s8,
};
