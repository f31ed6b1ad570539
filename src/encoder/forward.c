/* The forward pass: the model as a list of calls. */
#include <math.h>
#include <string.h>

#include "encoder/net.h"

/* The query's input: first tokens of what key and value take. */
static void query_input(rk_net *net, const rk_batch *batch, const rk_input *from)
{
    const size_t h = net->config->hidden;
    rk_input *in = &net->in_query;

    in->coded = from->coded;
    in->q = from->q;
    if (in->coded) rk_first_take(batch, in->codes, from->codes, h);
    else rk_first_take(batch, in->x, from->x, h * sizeof *in->x);
    if (in->x16) rk_first_take(batch, in->x16, from->x16, h * sizeof *in->x16);
}

/* Query, key and value of a layer; where it computes first tokens only, the query of those. */
static rk_status qkv_forward(rk_net *net, const rk_batch *batch, size_t l, rk_error *err)
{
    const rk_layer *w = &net->used->layer[l];
    rk_acts *a = &net->acts[l];
    const size_t t = net->tokens, h = net->config->hidden;
    const size_t place = RK_HALF_PER_LAYER * l + RK_HALF_QKV;
    rk_status st;

    rk_input_make(net, &a->in_qkv, a->x, RK_SITES_PER_LAYER * l + RK_SITE_QKV, t, h);
    if (!rk_firsts(net, l))
        return rk_linear(net, a->qkv, &a->in_qkv, w->qkv_w, w->qkv_b, t, 3 * h, h, place, err);
    rk_first_take(batch, net->first_x, a->x, h * sizeof *a->x);
    query_input(net, batch, &a->in_qkv);
    st = rk_linear(net, a->qkv, &a->in_qkv, w->qkv_w + h * h, w->qkv_b + h, t, 2 * h, h, place,
                   err);
    if (st) return st;
    return rk_linear(net, net->query, &net->in_query, w->qkv_w, w->qkv_b, net->rows, h, h, place,
                     err);
}

static rk_status layer_forward(rk_net *net, const rk_batch *batch, size_t l, rk_error *err)
{
    const rk_bert_config *c = net->config;
    const rk_layer *w = &net->used->layer[l];
    rk_acts *a = &net->acts[l];
    const size_t n = rk_firsts(net, l) ? net->rows : net->tokens, h = c->hidden;
    const size_t site = RK_SITES_PER_LAYER * l, half = RK_HALF_PER_LAYER * l;
    const rk_residual first = rk_residual_attention(net, l), second = rk_residual_feed(net, l);
    rk_status st = qkv_forward(net, batch, l, err);

    if (st) return st;
    rk_attend(net, batch, l);

    rk_input_make(net, &a->in_attn, a->ctx, site + RK_SITE_ATTN, n, h);
    st = rk_linear(net, a->res1, &a->in_attn, w->attn_w, w->attn_b, n, h, h, half + RK_HALF_ATTN,
                   err);
    if (st) return st;
    rk_residual_forward(net, batch, &first);

    rk_input_make(net, &a->in_inter, a->h, site + RK_SITE_INTER, n, h);
    st = rk_linear(net, a->u, &a->in_inter, w->inter_w, w->inter_b, n, c->inner, h,
                   half + RK_HALF_U, err);
    if (st) return st;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < rk_chunks(n); k++) {
        const size_t at = k * RK_CHUNK * c->inner;
        net->loops->activate(a->g + at, a->u + at, rk_chunk_rows(k, n) * c->inner, (int)c->act);
    }
    rk_round(net, a->g, n, c->inner, half + RK_HALF_G);

    rk_input_make(net, &a->in_out, a->g, site + RK_SITE_OUT, n, c->inner);
    st = rk_linear(net, a->res2, &a->in_out, w->out_w, w->out_b, n, h, c->inner, half + RK_HALF_OUT,
                   err);
    if (st) return st;
    rk_residual_forward(net, batch, &second);
    return RK_OK;
}

static rk_status head_forward(rk_net *net, const rk_batch *batch, rk_error *err)
{
    const rk_bert_config *c = net->config;
    const size_t r = net->rows, h = c->hidden, site = RK_SITES_PER_LAYER * c->layers;
    const size_t half = RK_HALF_PER_LAYER * c->layers;
    rk_status st;

    if (net->whole) rk_first_take(batch, net->first, net->last, h * sizeof *net->last);
    rk_input_make(net, &net->in_pooler, net->first, site, r, h);
    st = rk_linear(net, net->pooled, &net->in_pooler, net->used->pooler_w, net->used->pooler_b, r,
                   h, h, half + RK_HALF_POOLER, err);
    if (st) return st;
    for (size_t i = 0; i < r * h; i++) net->pooled[i] = tanhf(net->pooled[i]);
    rk_round(net, net->pooled, r, h, half + RK_HALF_POOLED);
    memcpy(net->dropped, net->pooled, r * h * sizeof(float));
    rk_drop(net, batch, net->dropped, net->keep_pooled, net->dropout_classifier, RK_PLACE_POOLED, r,
            h);
    rk_round(net, net->dropped, r, h, half + RK_HALF_POOLED);
    rk_input_make(net, &net->in_class, net->dropped, site + 1, r, h);
    return rk_linear(net, net->logits, &net->in_class, net->used->class_w, net->used->class_b, r,
                     c->labels.count, h, half + RK_HALF_LOGITS, err);
}

rk_status rk_net_forward(rk_net *net, const rk_batch *batch, rk_error *err)
{
    rk_status st = rk_net_reserve(net, batch, err);
    if (st) return st;
    rk_embed(net, batch);
    for (size_t l = 0; l < net->config->layers; l++) {
        st = layer_forward(net, batch, l, err);
        if (st) return st;
    }
    return head_forward(net, batch, err);
}
