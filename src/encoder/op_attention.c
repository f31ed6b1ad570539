/* Attention within each row: one piece of work a row and head. */
#include <math.h>
#include <omp.h>

#include "encoder/net.h"

/* Where a row's tokens lie, of query and context, and of key and value. */
static size_t first_query(const rk_net *net, const rk_batch *batch, size_t row, size_t layer)
{
    return rk_firsts(net, layer) ? row : batch->starts[row];
}

static rk_attention piece(const rk_net *net, const rk_batch *batch, size_t layer, size_t row,
                          size_t head, size_t pair)
{
    const rk_bert_config *c = net->config;
    const rk_acts *a = &net->acts[layer];
    const bool firsts = rk_firsts(net, layer);
    const size_t n = batch->starts[row + 1] - batch->starts[row], h = c->hidden;
    const size_t size = h / c->heads, stride = firsts ? 2 * h : 3 * h;
    const bool drop = batch->train && rk_drop_threshold(net->dropout_attention) > 0;
    const float *qkv = a->qkv + batch->starts[row] * stride + head * size;
    const float *k = firsts ? qkv : qkv + h;
    const rk_attention p = {
        .q = firsts ? net->query + row * h + head * size : qkv,
        .k = k,
        .v = k + h,
        .q_stride = firsts ? h : stride,
        .stride = stride,
        .size = size,
        .n = n,
        .queries = firsts ? 1 : n,
        .scale = 1.0f / sqrtf((float)size),
        .keep = drop ? a->keep_probs + pair * c->heads + head * n * n : NULL,
        .keep_scale = rk_drop_scale(net->dropout_attention),
        .half = rk_net_acts_as(net) == RK_QAT_FP16,
    };
    return p;
}

/* Sum of n^2 of the rows before `row`. */
static size_t pairs_before(const rk_batch *batch, size_t row)
{
    size_t pairs = 0;
    for (size_t r = 0; r < row; r++) {
        const size_t n = batch->starts[r + 1] - batch->starts[r];
        pairs += n * n;
    }
    return pairs;
}

void rk_attend(rk_net *net, const rk_batch *batch, size_t layer)
{
    rk_acts *a = &net->acts[layer];
    const size_t heads = net->config->heads, h = net->config->hidden;
    const uint32_t threshold = rk_drop_threshold(net->dropout_attention);
    const uint64_t place = RK_PLACE_LAYERS + RK_PLACES_PER_LAYER * layer;
    const uint64_t stream = batch->stream << 16 | place;
    const size_t half = RK_HALF_PER_LAYER * layer;
    uint64_t clamped = 0, subnormal = 0;
    float largest = 0.0f;

#pragma omp parallel for schedule(dynamic) reduction(+ : clamped, subnormal)     \
    reduction(max : largest)
    for (size_t job = 0; job < batch->rows * heads; job++) {
        const size_t row = job / heads, head = job % heads, pair = pairs_before(batch, row);
        const rk_attention p = piece(net, batch, layer, row, head, pair);
        rk_half_counts k = {0};
        /* each row and head has numbers of its own, so any order draws the same masks */
        if (p.keep)
            net->loops->dropout_mask(a->keep_probs + pair * heads + head * p.n * p.n, batch->seed,
                                     stream, (uint64_t)job << 32, p.queries * p.n, threshold);
        net->loops->attention(
            a->ctx + first_query(net, batch, row, layer) * h + head * p.size, h, &p,
            net->scratch + (size_t)omp_get_thread_num() * net->scratch_each, &k);
        clamped += k.clamped;
        subnormal += k.subnormal;
        largest = k.largest > largest ? k.largest : largest;
    }
    net->half.clamped += clamped;
    net->half.subnormal += subnormal;
    rk_see_peak(net, half + RK_HALF_SCORES, largest);
    rk_round(net, a->ctx, rk_firsts(net, layer) ? net->rows : net->tokens, h,
             half + RK_HALF_CTX);
}

void rk_attend_back(rk_net *net, const rk_batch *batch, const float *dctx, size_t layer)
{
    const size_t heads = net->config->heads, h = net->config->hidden;
    const bool firsts = rk_firsts(net, layer);

#pragma omp parallel for schedule(dynamic)
    for (size_t job = 0; job < batch->rows * heads; job++) {
        const size_t row = job / heads, head = job % heads;
        const rk_attention p = piece(net, batch, layer, row, head, pairs_before(batch, row));
        const size_t at = head * p.size;
        float *dqkv = net->dqkv + batch->starts[row] * p.stride + at;
        float *dk = firsts ? dqkv : dqkv + h;
        net->loops->attention_back(
            firsts ? net->dquery + row * h + at : dqkv, dk, dk + h,
            dctx + first_query(net, batch, row, layer) * h + at, h, &p,
            net->scratch + (size_t)omp_get_thread_num() * net->scratch_each);
    }
}
