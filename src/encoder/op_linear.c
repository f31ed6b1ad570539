/* Linear layers. */
#include <string.h>

#include "encoder/net.h"

static const void *weights(const rk_net *net, const float *w)
{
    return net->compute == RK_DT_BF16 ? (const void *)(net->w16 + (w - net->used->block))
                                      : (const void *)w;
}

static void to_bf16(const rk_net *net, uint16_t *y, const float *x, size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        net->loops->to_bf16(y + c * RK_CHUNK * cols, x + c * RK_CHUNK * cols,
                            rk_chunk_rows(c, rows) * cols);
}

/* Rows that a product computes. A product is compiled for its shape, and batches of ragged rows
 * have almost as many token counts as there are batches; rounded up, they share a few. The extra
 * rows are zero, so they add nothing to a weight's gradient. */
static size_t product_rows(const rk_net *net, size_t rows)
{
    return rows == net->tokens && rows > net->rows ? rk_round_tokens(rows) : rows;
}

/* x is one of the net's own buffers, which have room for whole blocks of tokens. */
static void clear_rows(const rk_net *net, const float *x, size_t from, size_t to, size_t cols)
{
    unsigned char *at = net->arena + ((const unsigned char *)x - net->arena);
    if (to > from) memset(at + from * cols * sizeof(float), 0, (to - from) * cols * sizeof(float));
}

rk_status rk_linear(rk_net *net, float *y, const rk_input *in, const float *w, const float *bias,
                    size_t rows, size_t out, size_t cols, size_t place, rk_error *err)
{
    const bool half = net->compute == RK_DT_BF16;
    const size_t m = product_rows(net, rows);
    const rk_operand a = {half ? (const void *)in->x16 : (const void *)in->x, cols, false};
    const rk_operand b = {weights(net, w), cols, true};
    rk_status st;

    clear_rows(net, in->x, rows, m, cols);
    if (half) to_bf16(net, in->x16, in->x, m, cols);
    st = rk_matmul_run(net->mm, y, out, false, a, b, bias, m, out, cols, net->compute, err);
    if (!st) rk_round(net, y, rows, out, place);
    return st;
}

static void column_sums(const rk_net *net, float *sums, const float *x, size_t rows, size_t cols)
{
    enum { BLOCK = 64 };
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < cols; c += BLOCK)
        net->loops->column_sums(sums + c, x + c, rows, cols - c < BLOCK ? cols - c : BLOCK, cols);
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

    column_sums(net, db, dy, rows, out);
    clear_rows(net, dy, rows, m, out);
    if (half) to_bf16(net, net->d16, dy, m, out);
    st = rk_matmul_run(net->mm, dx, cols, false, (rk_operand){d, out, false},
                       (rk_operand){weights(net, w), cols, false}, NULL, m, cols, out, net->compute,
                       err);
    if (!st)
        st = rk_matmul_run(net->mm, dw, cols, batch->add, (rk_operand){d, out, true},
                           (rk_operand){x, cols, false}, NULL, out, cols, m, net->compute, err);
    return st;
}
