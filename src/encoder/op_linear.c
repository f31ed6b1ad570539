/* Linear layers. */
#include <string.h>

#include "encoder/net.h"

static const void *weights(const rk_net *net, const float *w)
{
    return net->compute == RK_DT_BF16 ? (const void *)(net->w16 + (w - net->used->block))
                                      : (const void *)w;
}

/* The codes of the parameter that begins at w, and of those that follow it. */
static rk_codes codes_of(const rk_net *net, const float *w)
{
    const size_t at = (size_t)(w - net->used->block);
    size_t i = 0;

    while (net->used->param[i].offset != at) i++;
    return (rk_codes){net->w8 + at, net->row_scale + net->first_row[i],
                      net->row_sum + net->first_row[i]};
}

/* Rows that a product computes. Where it is compiled for its shape, batches of ragged rows would
 * have almost as many token counts as there are batches; rounded up, they share a few. The extra
 * rows are zero, so they add nothing to a weight's gradient. */
static size_t product_rows(const rk_net *net, size_t rows)
{
    const bool tokens = rows == net->tokens && rows > net->rows;
    return tokens && rk_matmul_compiles(net->mm, net->compute) ? rk_round_tokens(rows) : rows;
}

/* x is one of the net's own buffers, which have room for whole blocks of tokens; bytes: of a row.
 */
static void clear_rows(const rk_net *net, const void *x, size_t from, size_t to, size_t bytes)
{
    unsigned char *at = net->arena + ((const unsigned char *)x - net->arena);
    if (to > from) memset(at + from * bytes, 0, (to - from) * bytes);
}

rk_status rk_linear(rk_net *net, float *y, const rk_input *in, const float *w, const float *bias,
                    size_t rows, size_t out, size_t cols, size_t place, rk_error *err)
{
    const bool half = net->compute == RK_DT_BF16;
    const size_t m = product_rows(net, rows);
    const rk_operand a = {half ? (const void *)in->x16 : (const void *)in->x, cols, false};
    const rk_operand b = {weights(net, w), cols, true};
    rk_status st;

    clear_rows(net, a.data, rows, m, cols * rk_dtype_size(net->compute)); /* for the backward too */
    if (in->coded) {
        const rk_matrix x = {in->codes, cols, RK_FORM_U8, in->q.scale, (uint8_t)in->q.zero};
        const rk_codes codes = codes_of(net, w);
        return rk_matmul_codes(net->mm, y, out, &x, &codes, bias, rows, out, cols, err);
    }
    st = rk_matmul_run(net->mm, y, out, false, a, b, bias, m, out, cols, net->compute, err);
    if (!st) rk_round(net, y, rows, out, place);
    return st;
}

/* db += the sums of dy over the rows, and the bf16 copy of dy, in one pass over its chunks; their
 * sums are added in their order, whatever thread made them. */
static void take_gradient(const rk_net *net, float *db, const float *dy, size_t rows, size_t cols)
{
    const size_t n = rk_chunks(rows);

#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < n; c++) {
        const size_t at = c * RK_CHUNK * cols, r = rk_chunk_rows(c, rows);
        float *part = net->partial + c * cols;
        memset(part, 0, cols * sizeof *part);
        net->loops->column_sums(part, dy + at, r, cols, cols);
        if (net->d16) net->loops->to_bf16(net->d16 + at, dy + at, r * cols);
    }
    for (size_t c = 0; c < n; c++) net->loops->add(db, db, net->partial + c * cols, cols);
}

rk_status rk_linear_back(rk_net *net, const rk_batch *batch, float *dx, float *dw, float *db,
                         const float *dy, const rk_input *in, const float *w, size_t rows,
                         size_t out, size_t cols, rk_error *err)
{
    const bool half = net->compute == RK_DT_BF16;
    const size_t m = product_rows(net, rows);
    const void *d = half ? (const void *)net->d16 : (const void *)dy;
    const void *x = half ? (const void *)in->x16 : (const void *)in->x;
    rk_status st;

    take_gradient(net, db, dy, rows, out);
    clear_rows(net, d, rows, m, out * rk_dtype_size(net->compute));
    st = rk_matmul_run(net->mm, dx, cols, false, (rk_operand){d, out, false},
                       (rk_operand){weights(net, w), cols, false}, NULL, m, cols, out, net->compute,
                       err);
    if (!st)
        st = rk_matmul_run(net->mm, dw, cols, batch->add, (rk_operand){d, out, true},
                           (rk_operand){x, cols, false}, NULL, out, cols, m, net->compute, err);
    return st;
}
