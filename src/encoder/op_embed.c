/* The three embedding tables: sum, LayerNorm, dropout; and the gradients of the tables. */
#include <string.h>

#include "encoder/net.h"

/* out [H] = one row of a table, as QAT has it. */
static void table_row(const rk_net *net, float *out, const float *table, size_t row,
                      rk_half_counts *counts)
{
    const size_t h = net->config->hidden;
    const float *x = table + row * h;

    const rk_qat qat = rk_net_acts_as(net);

    if (qat == RK_QAT_INT8)
        net->loops->fake_s8(out, x, h, rk_scale_s8(net->loops->abs_max(x, h)));
    else if (qat == RK_QAT_FP16)
        net->loops->round_half(out, NULL, x, h, counts);
    else
        memcpy(out, x, h * sizeof *out);
}

static void embed_row(rk_net *net, const rk_batch *batch, size_t row, float *scratch,
                      rk_half_counts *counts)
{
    const rk_params *p = net->params;
    const size_t h = net->config->hidden, first = batch->starts[row];
    const bool half = rk_net_acts_as(net) == RK_QAT_FP16;
    float *type = scratch, *position = scratch + h;

    table_row(net, type, p->type, 0, counts);
    /* (word + type) + position, as the exported graph and the runtime add them: another order would
     * differ by an ulp, which may fall on the other side of a rounding edge of INT8 */
    for (size_t t = first; t < batch->starts[row + 1]; t++) {
        float *e = net->emb + t * h;
        table_row(net, e, p->word, (size_t)batch->ids[t], counts);
        table_row(net, position, p->position, t - first, counts);
        net->loops->add(e, e, type, h);
        if (half) net->loops->round_half(e, NULL, e, h, counts);
        net->loops->add(e, e, position, h);
        if (half) net->loops->round_half(e, NULL, e, h, counts);
    }
}

void rk_embed(rk_net *net, const rk_batch *batch)
{
    const size_t h = net->config->hidden;
    const size_t place = RK_HALF_PER_LAYER * net->config->layers + RK_HALF_EMBEDDED;
    float *out = net->acts[0].x;
    uint64_t clamped = 0, subnormal = 0;

#pragma omp parallel for schedule(dynamic) reduction(+ : clamped, subnormal)
    for (size_t r = 0; r < batch->rows; r++) {
        rk_half_counts k = {0};
        /* `partial` is free in the forward and has 2 H floats a chunk; rows may outnumber chunks */
        embed_row(net, batch, r, net->partial + r * 2 * h, &k);
        clamped += k.clamped;
        subnormal += k.subnormal;
    }
    net->half.clamped += clamped;
    net->half.subnormal += subnormal;
    rk_norm(net, out, net->emb_mean, net->emb_rstd, net->emb, net->used->emb_ln_w,
            net->used->emb_ln_b, net->tokens, place);
    rk_drop(net, batch, out, net->keep_emb, net->dropout_hidden, RK_PLACE_EMBED, net->tokens, h);
    rk_round(net, out, net->tokens, h, place);
}

void rk_embed_back(rk_net *net, const rk_batch *batch, const float *demb, rk_params *grad)
{
    enum { BLOCK = 16 };
    const size_t h = net->config->hidden;

    /* by columns, so that each sum has one writer and one order */
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < h; c += BLOCK) {
        const size_t w = h - c < BLOCK ? h - c : BLOCK;
        for (size_t r = 0; r < batch->rows; r++) {
            const size_t first = batch->starts[r];
            for (size_t t = first; t < batch->starts[r + 1]; t++) {
                const float *d = demb + t * h + c;
                float *word = grad->word + (size_t)batch->ids[t] * h + c;
                float *position = grad->position + (t - first) * h + c;
                for (size_t i = 0; i < w; i++) {
                    word[i] += d[i];
                    position[i] += d[i];
                    grad->type[c + i] += d[i];
                }
            }
        }
    }
}
