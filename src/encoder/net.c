/* The network's memory: one arena for a batch, and the copies of weights that the products use. */
#include "encoder/net.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/mem.h"

/* Walks the buffers of a batch; with base NULL it only measures. */
typedef struct walk {
    unsigned char *base;
    size_t used;
} walk;

static void *take(walk *w, size_t count, size_t size)
{
    enum { LINE = 64 };
    void *p = w->base ? w->base + w->used : NULL;
    w->used += (count * size + LINE - 1) / LINE * LINE;
    return p;
}

static float *floats(walk *w, size_t count)
{
    return take(w, count, sizeof(float));
}

/* shared: a buffer for in.x that other layers use as well, or NULL. */
static rk_input input(const rk_net *net, walk *w, float *shared, size_t rows, size_t cols)
{
    const bool int8 = net->qat == RK_QAT_INT8, half = net->compute == RK_DT_BF16;
    rk_input in = {0};
    if (int8) in.x = shared ? shared : floats(w, rows * cols);
    if (int8) in.inside = take(w, rows * cols, 1);
    if (half) in.x16 = take(w, rows * cols, 2);
    /* Codes are done with when the product is, and the floats are not needed beside them. */
    if (net->w8) in.codes = (uint8_t *)in.x;
    return in;
}

static void lay_out(rk_net *net, walk *w, size_t t, size_t r, size_t pairs)
{
    const rk_bert_config *c = net->config;
    const size_t h = c->hidden, i = c->inner, wide = i > 3 * h ? i : 3 * h;
    const size_t pieces = rk_chunks(t) > r ? rk_chunks(t) : r, logits = r * c->labels.count;
    const size_t widest = wide > c->labels.count ? wide : c->labels.count;
    const size_t partial = widest > 2 * h ? widest : 2 * h;

    /* With products in bf16 the backward reads the bf16 copies of their inputs; the floats are done
     * with when the layer is, and all layers share them. FP16's backward looks for clamped ones,
     * and the gradient of a scale for what rounding took away. */
    const bool once = net->compute == RK_DT_BF16 && net->qat != RK_QAT_FP16 && !net->dscale;
    float *ctx = once ? floats(w, t * h) : NULL, *mid = once ? floats(w, t * h) : NULL;
    float *gelu = once ? floats(w, t * i) : NULL;
    float *fake = net->compute == RK_DT_BF16 && net->qat == RK_QAT_INT8
                      ? floats(w, t * (h > i ? h : i))
                      : NULL;

    for (size_t l = 0; l < c->layers; l++) {
        rk_acts *a = &net->acts[l];
        const bool firsts = rk_firsts(net, l);
        const size_t n = firsts ? r : t;
        a->x = floats(w, t * h);
        a->in_qkv = input(net, w, fake, t, h);
        a->in_attn = input(net, w, fake, n, h);
        a->in_inter = input(net, w, fake, n, h);
        a->in_out = input(net, w, fake, n, i);
        a->qkv = floats(w, t * (firsts ? 2 : 3) * h);
        a->ctx = once ? ctx : floats(w, n * h);
        a->res1 = floats(w, n * h);
        a->h = once ? mid : floats(w, n * h);
        a->u = floats(w, n * i);
        a->g = once ? gelu : floats(w, n * i);
        a->res2 = floats(w, n * h);
        a->mean1 = floats(w, n);
        a->rstd1 = floats(w, n);
        a->mean2 = floats(w, n);
        a->rstd2 = floats(w, n);
        a->keep_probs = take(w, pairs * c->heads, 1);
        a->keep1 = take(w, n * h + 7, 1);
        a->keep2 = take(w, n * h + 7, 1);
    }
    net->emb = floats(w, t * h);
    net->emb_mean = floats(w, t);
    net->emb_rstd = floats(w, t);
    net->keep_emb = take(w, t * h, 1);
    net->last = net->whole ? floats(w, t * h) : NULL;
    net->first = floats(w, r * h);
    net->first_x = floats(w, r * h);
    net->query = floats(w, r * h);
    net->dquery = floats(w, r * h);
    net->in_query = (rk_input){.x = floats(w, r * h)};
    if (net->w8) net->in_query.codes = (uint8_t *)net->in_query.x;
    if (net->compute == RK_DT_BF16) net->in_query.x16 = take(w, r * h, 2);
    net->in_pooler = input(net, w, NULL, r, h);
    net->in_class = input(net, w, NULL, r, h);
    net->pooled = floats(w, r * h);
    net->dropped = floats(w, r * h);
    net->keep_pooled = take(w, r * h, 1);
    net->logits = floats(w, logits);
    net->dy = floats(w, t * h);
    net->dx = floats(w, t * h);
    net->dsum = floats(w, t * h);
    net->dwide = floats(w, t * i);
    net->dqkv = floats(w, t * 3 * h);
    net->d16 =
        net->compute == RK_DT_BF16 ? take(w, logits > t * wide ? logits : t * wide, 2) : NULL;
    net->partial = floats(w, pieces * partial);
    net->chunk_sums = take(w, pieces, sizeof(double));
    net->scratch = floats(w, net->scratch_each * (size_t)omp_get_max_threads());
}

static rk_status reserve(rk_net *net, size_t longest, rk_error *err)
{
    walk w = {NULL, 0};
    const bool grows =
        net->tokens > net->cap_tokens || net->rows > net->cap_rows || net->pairs > net->cap_pairs;
    const size_t each = rk_attention_scratch(longest, net->config->hidden / net->config->heads);

    if (!grows && each <= net->scratch_each) return RK_OK;
    if (net->tokens > net->cap_tokens)
        net->cap_tokens = rk_round_tokens(net->tokens + net->tokens / 8);
    if (net->rows > net->cap_rows) net->cap_rows = net->rows;
    if (net->pairs > net->cap_pairs) net->cap_pairs = net->pairs + net->pairs / 8;
    if (each > net->scratch_each) net->scratch_each = each;
    rk_free_aligned(net->arena);
    lay_out(net, &w, net->cap_tokens, net->cap_rows, net->cap_pairs);
    net->arena = rk_alloc_aligned(w.used, 1);
    if (!net->arena) {
        const size_t bytes = w.used;
        net->cap_tokens = net->cap_rows = net->cap_pairs = net->scratch_each = 0;
        return rk_fail(err, RK_E_MEMORY, "out of memory: %zu bytes for a batch of %zu tokens",
                       bytes, net->tokens);
    }
    w = (walk){net->arena, 0};
    lay_out(net, &w, net->cap_tokens, net->cap_rows, net->cap_pairs);
    return RK_OK;
}

rk_status rk_net_reserve(rk_net *net, const rk_batch *batch, rk_error *err)
{
    const rk_bert_config *c = net->config;
    size_t longest = 0;

    net->rows = batch->rows;
    net->tokens = batch->starts[batch->rows];
    net->pairs = 0;
    for (size_t r = 0; r < batch->rows; r++) {
        const size_t n = batch->starts[r + 1] - batch->starts[r];
        if (n == 0 || n > c->positions)
            return rk_fail(err, RK_E_ARG, "row %zu has %zu tokens; the model takes 1 to %zu", r, n,
                           c->positions);
        net->pairs += n * n;
        if (n > longest) longest = n;
    }
    for (size_t t = 0; t < net->tokens; t++)
        if (batch->ids[t] < 0 || (size_t)batch->ids[t] >= c->vocab)
            return rk_fail(err, RK_E_ARG, "token %zu has id %d; the model has %zu", t,
                           (int)batch->ids[t], c->vocab);
    return reserve(net, longest, err);
}

static bool codes_fit(const rk_net *net)
{
    const rk_bert_config *c = net->config;
    const size_t most = c->hidden > c->inner ? c->hidden : c->inner;
    return rk_matmul_has_codes(net->mm) && most <= RK_PACKED_K_MAX;
}

static rk_status new_codes(rk_net *net, rk_error *err)
{
    const rk_params *p = net->params;
    size_t rows = 0;

    net->first_row = rk_calloc(p->params, sizeof *net->first_row);
    for (size_t i = 0; net->first_row && i < p->params; i++) {
        net->first_row[i] = rows;
        if (p->param[i].quantised && i >= RK_TABLES) rows += p->param[i].dim[0];
    }
    net->row_scale = rk_calloc(rows, sizeof *net->row_scale);
    net->row_sum = rk_calloc(rows, sizeof *net->row_sum);
    net->w8 = rk_alloc_aligned(p->count, 1);
    if (!net->first_row || !net->row_scale || !net->row_sum || !net->w8)
        return rk_fail(err, RK_E_MEMORY, "out of memory for the codes of the weights");
    return RK_OK;
}

rk_status rk_net_new(rk_net **out, const rk_bert_config *c, const rk_params *params,
                     rk_dtype compute, rk_qat qat, rk_ranges *ranges, rk_error *err)
{
    rk_net *net = rk_calloc(1, sizeof *net);
    rk_status st = RK_OK;

    *out = NULL;
    if (!net) return rk_fail(err, RK_E_MEMORY, "out of memory for the network");
    net->config = c;
    net->loops = rk_loops_get();
    net->params = net->used = params;
    net->compute = compute;
    net->qat = qat;
    net->ranges = ranges;
    net->momentum = 0.01f;
    net->percentile = 99.99;
    net->dropout_hidden = c->dropout_hidden;
    net->dropout_attention = c->dropout_attention;
    net->dropout_classifier = c->dropout_classifier;
    net->acts = rk_calloc(c->layers, sizeof *net->acts);
    if (qat == RK_QAT_FP16) net->peak = rk_calloc(rk_half_places(c), sizeof *net->peak);
    if (qat == RK_QAT_INT8) net->histogram = rk_calloc(1, sizeof *net->histogram);
    if (!net->acts || (qat == RK_QAT_FP16 && !net->peak) || (qat == RK_QAT_INT8 && !net->histogram))
        st = rk_fail(err, RK_E_MEMORY, "out of memory for the network");
    if (!st) st = rk_matmul_new(&net->mm, err);
    if (!st && qat == RK_QAT_INT8 && compute == RK_DT_BF16 && codes_fit(net))
        st = new_codes(net, err);
    if (!st && qat != RK_QAT_NONE) {
        st = rk_params_new_raw(&net->work, c, err);
        net->used = net->work;
    }
    if (!st && compute == RK_DT_BF16) {
        net->w16 = rk_alloc_aligned(params->count, sizeof *net->w16);
        if (!net->w16) st = rk_fail(err, RK_E_MEMORY, "out of memory for the bf16 weights");
    }
    if (st) {
        rk_net_free(net);
        return st;
    }
    rk_net_refresh(net);
    *out = net;
    return RK_OK;
}

void rk_net_free(rk_net *net)
{
    if (!net) return;
    rk_free_aligned(net->arena);
    rk_free_aligned(net->w16);
    rk_free_aligned(net->w8);
    rk_free(net->row_scale);
    rk_free(net->row_sum);
    rk_free(net->first_row);
    rk_params_free(net->work);
    rk_matmul_free(net->mm);
    rk_free(net->peak);
    rk_free(net->histogram);
    rk_free(net->acts);
    rk_free(net);
}

/* n weights as QAT has them; scale is the row's. */
static void treat(const rk_net *net, float *y, const float *x, size_t n, float scale,
                  rk_half_counts *counts)
{
    const rk_qat qat = rk_net_acts_as(net);
    if (qat == RK_QAT_FP16)
        net->loops->round_half(y, NULL, x, n, counts);
    else if (qat == RK_QAT_INT8)
        net->loops->fake_s8(y, x, n, scale);
    else
        memcpy(y, x, n * sizeof *y);
}

/* One row of a matrix into the copies that the products read. In bf16 `work` is never touched
 * there: half of its memory is never used. row: among those of all matrices that have codes. */
static void refresh_row(rk_net *net, size_t at, size_t cols, size_t row, rk_half_counts *counts)
{
    enum { PIECE = 1024 };
    const float *x = net->params->block + at;
    const float scale = net->qat == RK_QAT_INT8 ? rk_scale_s8(net->loops->abs_max(x, cols)) : 1.0f;
    float y[PIECE];

    if (net->w8 && !net->asleep) {
        const bool nan = net->loops->codes_s8(net->w8 + at, net->w16 + at, &net->row_sum[row], x,
                                              cols, scale);
        net->row_scale[row] = nan ? NAN : scale;
        return;
    }

    if (!net->w16) {
        treat(net, net->work->block + at, x, cols, scale, counts);
        return;
    }
    for (size_t i = 0; i < cols; i += PIECE) {
        const size_t n = cols - i < PIECE ? cols - i : PIECE;
        if (net->work) treat(net, y, x + i, n, scale, counts);
        net->loops->to_bf16(net->w16 + at + i, net->work ? y : x + i, n);
    }
}

/* The embedding tables are treated row by row when they are looked up (op_embed.c), not here. */
void rk_net_refresh_rows(rk_net *net, size_t param, size_t first, size_t rows,
                         rk_half_counts *counts)
{
    const rk_param *q = &net->params->param[param];
    const size_t cols = q->dim[1], at = q->offset + first * cols;

    if (q->quantised) {
        if (net->work || net->w16)
            for (size_t r = 0; r < rows; r++)
                refresh_row(net, at + r * cols, cols,
                            net->w8 ? net->first_row[param] + first + r : 0, counts);
    } else if (net->qat == RK_QAT_FP16) {
        treat(net, net->work->block + at, net->params->block + at, rows * cols, 1.0f, counts);
    } else if (net->work) {
        memcpy(net->work->block + at, net->params->block + at, rows * cols * sizeof(float));
    }
}

void rk_net_sleep(rk_net *net, bool asleep)
{
    if (net->asleep == asleep || net->qat == RK_QAT_NONE) return;
    net->asleep = asleep;
    rk_net_refresh(net);
}

void rk_net_refresh(rk_net *net)
{
    enum { PIECE = 64 };
    uint64_t clamped = 0, subnormal = 0;

    net->half = (rk_half_counts){0};
    if (!net->work && !net->w16) return;
    for (size_t i = RK_TABLES; i < net->params->params; i++) {
        const rk_param *q = &net->params->param[i];
#pragma omp parallel for schedule(static) reduction(+ : clamped, subnormal)
        for (size_t r = 0; r < q->dim[0]; r += PIECE) {
            rk_half_counts k = {0};
            rk_net_refresh_rows(net, i, r, q->dim[0] - r < PIECE ? q->dim[0] - r : PIECE, &k);
            clamped += k.clamped;
            subnormal += k.subnormal;
        }
    }
    net->half.clamped += clamped;
    net->half.subnormal += subnormal;
}
