/* What happens to a product before it leaves the registers. The same bits at every level. */
#ifndef RK_COMPUTE_SIMD_EPILOGUE_H
#define RK_COMPUTE_SIMD_EPILOGUE_H

#include <stdbool.h>

#include "compute/packed_kernel.h"
#include "compute/simd/vmath.h"

/* 1 / scale where the rows hold codes. */
V16_INLINE float rk_matrix_inverse(const rk_matrix *rows)
{
    return rows->form == RK_FORM_U8 ? 1.0f / rows->scale : 0.0f;
}

/* What an epilogue does. A kernel that passes a constant gets code for it alone. */
typedef struct rk_way {
    rk_packed_act act;
    bool add;
    rk_form form;
    bool whole;            /* no column past w's */
} rk_way;

/* Of columns [col, col + columns). */
V16_INLINE rk_way rk_way_of(const rk_product *p, size_t col, size_t columns)
{
    const rk_way way = { p->e->act, p->e->add != NULL, p->e->y.form, col + columns <= p->w->out };
    return way;
}

/* Writes n (at most 16) values of a row in the form of `rows`, from column col. inverse: of
 * rk_matrix_inverse. */
V16_INLINE void rk_matrix_put_as(const rk_matrix *rows, rk_form form, float inverse, size_t row,
                                 size_t col, size_t n, v16 x)
{
    const size_t at = row * rows->stride + col;

    switch (form) {
    case RK_FORM_F32: v16_storen((float *)rows->data + at, x, n); break;
    case RK_FORM_BF16: v16_store_bf16n((uint16_t *)rows->data + at, x, n); break;
    case RK_FORM_U8:
        x = v16_quantise(x, v16_quant_of(rows->scale, inverse, rows->zero));
        v16_store_u8n((uint8_t *)rows->data + at, x, n);
        break;
    }
}

V16_INLINE void rk_matrix_put(const rk_matrix *rows, float inverse, size_t row, size_t col,
                              size_t n, v16 x)
{
    rk_matrix_put_as(rows, rows->form, inverse, row, col, n, x);
}

/* Sixteen columns of one row, from column col of w; columns past w's are dropped. x has its bias.
 */
V16_INLINE void rk_epilogue_put(const rk_product *p, size_t row, size_t col, v16 x, rk_way way)
{
    const rk_epilogue *e = p->e;
    const size_t n = way.whole ? (size_t)V16 : p->w->out - col;

    if (!way.whole && col >= p->w->out) return;
    x = v16_act(x, way.act);
    if (way.add) x = v16_add(x, v16_loadn(e->add + row * e->add_stride + col, n));
    rk_matrix_put_as(&e->y, way.form, p->inverse, row, col, n, x);
}

V16_INLINE v16 rk_value_f32(const rk_product *p, size_t col, v16 sum)
{
    return v16_add(sum, v16_load(p->w->bias + col));
}

/* sum: the exact integer product, comp already taken off, as float. */
V16_INLINE v16 rk_value_s32(const rk_product *p, size_t col, v16 sum)
{
    return v16_fma(sum, v16_load(p->w->scale + col), v16_load(p->w->bias + col));
}

V16_INLINE void rk_epilogue_f32(const rk_product *p, size_t row, size_t col, v16 sum)
{
    rk_epilogue_put(p, row, col, rk_value_f32(p, col, sum), rk_way_of(p, col, V16));
}

V16_INLINE void rk_epilogue_s32(const rk_product *p, size_t row, size_t col, v16 sum)
{
    rk_epilogue_put(p, row, col, rk_value_s32(p, col, sum), rk_way_of(p, col, V16));
}

#endif
