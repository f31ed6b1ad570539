/* The backward pass: forward.c read upwards. net->dy carries the gradient at the output of the
 * layer in hand. */
#include <string.h>

#include "encoder/net.h"

static rk_status head_backward(rk_net *net, const rk_batch *batch, const float *dlogits,
                               rk_params *grad, rk_error *err)
{
    const rk_bert_config *c = net->config;
    const size_t r = net->rows, h = c->hidden, site = RK_SITES_PER_LAYER * c->layers;
    float *d = net->dx, *dfirst = net->whole ? net->dsum : net->dy; /* [R, H] fits: R <= T */
    rk_status st = rk_linear_back(net, batch, d, grad->class_w, grad->class_b, dlogits,
                                  &net->in_class, net->used->class_w, r, c->labels.count, h, err);
    if (st) return st;
    rk_input_back(net, d, &net->in_class, net->dropped, site + 1, r, h);
    rk_drop_back(net, batch, d, net->keep_pooled, net->dropout_classifier, r, h);
    for (size_t i = 0; i < r * h; i++) d[i] *= 1.0f - net->pooled[i] * net->pooled[i];
    st = rk_linear_back(net, batch, dfirst, grad->pooler_w, grad->pooler_b, d, &net->in_pooler,
                        net->used->pooler_w, r, h, h, err);
    if (st) return st;
    rk_input_back(net, dfirst, &net->in_pooler, net->first, site, r, h);
    if (!net->whole) return RK_OK;
    if (batch->dlast)
        rk_copy(net->dy, batch->dlast, net->tokens, h);
    else
        memset(net->dy, 0, net->tokens * h * sizeof(float));
    rk_first_add(net, batch, net->dy, dfirst, h);
    return RK_OK;
}

/* The feed-forward half: dy [N, H] becomes the gradient at a->h in dx. */
static rk_status feed_backward(rk_net *net, const rk_batch *batch, size_t l, rk_params *grad,
                               rk_error *err)
{
    const rk_bert_config *c = net->config;
    const rk_layer *w = &net->used->layer[l];
    rk_layer *g = &grad->layer[l];
    const rk_acts *a = &net->acts[l];
    const size_t t = rk_firsts(net, l) ? net->rows : net->tokens, h = c->hidden, i = c->inner;
    const size_t site = RK_SITES_PER_LAYER * l;
    const rk_residual end = rk_residual_feed(net, l);
    float *dres = net->dx, *dsum = net->dsum; /* dsum: through the residual, dh begins there */
    rk_status st;

    rk_residual_back(net, batch, dres, dsum, g->ln2_w, g->ln2_b, net->dy, &end);
    st = rk_linear_back(net, batch, net->dwide, g->out_w, g->out_b, dres, &a->in_out, w->out_w, t,
                        h, i, err);
    if (st) return st;
    rk_input_back(net, net->dwide, &a->in_out, a->g, site + RK_SITE_OUT, t, i);
    rk_round_back(net, net->dwide, a->g, t, i);
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < rk_chunks(t); k++) {
        const size_t at = k * RK_CHUNK * i;
        net->loops->activate_back(net->dwide + at, net->dwide + at, a->u + at,
                                  rk_chunk_rows(k, t) * i, (int)c->act);
    }
    rk_round_back(net, net->dwide, a->u, t, i);
    st = rk_linear_back(net, batch, net->dx, g->inter_w, g->inter_b, net->dwide, &a->in_inter,
                        w->inter_w, t, i, h, err);
    if (st) return st;
    rk_input_back(net, net->dx, &a->in_inter, a->h, site + RK_SITE_INTER, t, h);
    rk_sum(net, net->dx, net->dx, dsum, t, h);
    rk_round_back(net, net->dx, a->h, t, h);
    return RK_OK;
}

/* The gradients at query, key and value become that at a->x in dx; dy is scratch. */
static rk_status qkv_backward(rk_net *net, const rk_batch *batch, size_t l, rk_params *grad,
                              rk_error *err)
{
    const rk_layer *w = &net->used->layer[l];
    rk_layer *g = &grad->layer[l];
    const rk_acts *a = &net->acts[l];
    const size_t t = net->tokens, r = net->rows, h = net->config->hidden;
    const bool firsts = rk_firsts(net, l);
    const size_t wide = (firsts ? 2 : 3) * h, at = firsts ? h : 0; /* without the query */
    rk_status st;

    rk_round_back(net, net->dqkv, a->qkv, t, wide);
    st = rk_linear_back(net, batch, net->dx, g->qkv_w + at * h, g->qkv_b + at, net->dqkv,
                        &a->in_qkv, w->qkv_w + at * h, t, wide, h, err);
    if (!st && firsts) {
        rk_round_back(net, net->dquery, net->query, r, h);
        st = rk_linear_back(net, batch, net->dy, g->qkv_w, g->qkv_b, net->dquery, &net->in_query,
                            w->qkv_w, r, h, h, err);
        rk_first_add(net, batch, net->dx, net->dy, h);
    }
    if (st) return st;
    rk_input_back(net, net->dx, &a->in_qkv, a->x, RK_SITES_PER_LAYER * l + RK_SITE_QKV, t, h);
    return RK_OK;
}

/* The attention half: the gradient at a->h in dx becomes that at a->x in dy. */
static rk_status attention_backward(rk_net *net, const rk_batch *batch, size_t l, rk_params *grad,
                                    rk_error *err)
{
    const rk_layer *w = &net->used->layer[l];
    rk_layer *g = &grad->layer[l];
    const rk_acts *a = &net->acts[l];
    const bool firsts = rk_firsts(net, l);
    const size_t n = firsts ? net->rows : net->tokens, h = net->config->hidden;
    const rk_residual end = rk_residual_attention(net, l);
    float *dres = net->dy, *dctx = net->dx, *dsum = net->dsum;
    rk_status st;

    rk_residual_back(net, batch, dres, dsum, g->ln1_w, g->ln1_b, net->dx, &end);
    st = rk_linear_back(net, batch, dctx, g->attn_w, g->attn_b, dres, &a->in_attn, w->attn_w, n, h,
                        h, err);
    if (st) return st;
    rk_input_back(net, dctx, &a->in_attn, a->ctx, RK_SITES_PER_LAYER * l + RK_SITE_ATTN, n, h);
    rk_round_back(net, dctx, a->ctx, n, h);
    rk_attend_back(net, batch, dctx, l);
    st = qkv_backward(net, batch, l, grad, err);
    if (st) return st;
    if (firsts) {
        rk_copy(net->dy, net->dx, net->tokens, h);
        rk_first_add(net, batch, net->dy, dsum, h);
    } else {
        rk_sum(net, net->dy, net->dx, dsum, n, h);
    }
    return RK_OK;
}

rk_status rk_net_backward(rk_net *net, const rk_batch *batch, const float *dlogits, rk_params *grad,
                          rk_error *err)
{
    const size_t h = net->config->hidden;
    rk_status st = head_backward(net, batch, dlogits, grad, err);

    for (size_t l = net->config->layers; !st && l-- > 0;) {
        const bool firsts = rk_firsts(net, l);
        const float *out = l + 1 < net->config->layers ? net->acts[l + 1].x
                           : firsts                    ? net->first
                                                       : net->last;
        rk_round_back(net, net->dy, out, firsts ? net->rows : net->tokens, h);
        st = feed_backward(net, batch, l, grad, err);
        if (!st) st = attention_backward(net, batch, l, grad, err);
    }
    if (st) return st;
    rk_drop_back(net, batch, net->dy, net->keep_emb, net->dropout_hidden, net->tokens, h);
    rk_norm_back(net, net->dx, grad->emb_ln_w, grad->emb_ln_b, net->dy, net->emb, net->emb_mean,
                 net->emb_rstd, net->used->emb_ln_w, net->tokens);
    rk_embed_back(net, batch, net->dx, grad);
    return RK_OK;
}
