/* What happens to a product before it leaves the registers. The same bits at every level. */
#ifndef RK_COMPUTE_SIMD_EPILOGUE_H
#define RK_COMPUTE_SIMD_EPILOGUE_H

#include "compute/packed_kernel.h"
#include "compute/simd/vmath.h"

/* 1 / scale where the rows hold codes. */
V16_INLINE float rk_matrix_inverse(const rk_matrix *rows)
{
    return rows->form == RK_FORM_U8 ? 1.0f / rows->scale : 0.0f;
}

/* Writes n (at most 16) values of a row in the form of `rows`, from column col. inverse: of
 * rk_matrix_inverse. */
V16_INLINE void rk_matrix_put(const rk_matrix *rows, float inverse, size_t row, size_t col,
                              size_t n, v16 x)
{
    const size_t at = row * rows->stride + col;

    switch (rows->form) {
    case RK_FORM_F32: v16_storen((float *)rows->data + at, x, n); break;
    case RK_FORM_BF16: v16_store_bf16n((uint16_t *)rows->data + at, x, n); break;
    case RK_FORM_U8:
        x = v16_quantise(x, v16_quant_of(rows->scale, inverse, rows->zero));
        v16_store_u8n((uint8_t *)rows->data + at, x, n);
        break;
    }
}

/* Sixteen columns of one row, from column col of w; columns past w's are dropped. x has its bias.
 */
V16_INLINE void rk_epilogue_put(const rk_product *p, size_t row, size_t col, v16 x)
{
    const rk_epilogue *e = p->e;
    const size_t n = p->w->out - col;

    if (col >= p->w->out) return;
    x = v16_act(x, e->act);
    if (e->add) x = v16_add(x, v16_loadn(e->add + row * e->add_stride + col, n));
    rk_matrix_put(&e->y, p->inverse, row, col, n, x);
}

V16_INLINE void rk_epilogue_f32(const rk_product *p, size_t row, size_t col, v16 sum)
{
    rk_epilogue_put(p, row, col, v16_add(sum, v16_load(p->w->bias + col)));
}

/* sum: the exact integer product, comp already taken off, as float. */
V16_INLINE void rk_epilogue_s32(const rk_product *p, size_t row, size_t col, v16 sum)
{
    const v16 scale = v16_load(p->w->scale + col), bias = v16_load(p->w->bias + col);
    rk_epilogue_put(p, row, col, v16_fma(sum, scale, bias));
}

#endif
