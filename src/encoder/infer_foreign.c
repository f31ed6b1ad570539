#include "encoder/infer_foreign.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/mem.h"

typedef struct chunk {
    const rk_engine *e;
    rk_foreign_scratch *s;
    const int32_t *ids;   /* of its first token */
    const size_t *starts; /* [rows + 1], from the call */
    size_t rows, tokens;
    float *logits;
    size_t thread, threads;
} chunk;

/* ---- scratch ---- */

static size_t place(size_t *bytes, bool *overflow, size_t count, size_t stride, size_t size)
{
    const size_t at = *bytes;
    size_t more;

    if (!rk_mul(&more, count, stride) || !rk_mul(&more, more, size) || !rk_add(&more, more, 63) ||
        !rk_add(bytes, at, more / 64 * 64))
        *overflow = true;
    return at;
}

static float *floats_at(rk_foreign_scratch *s, size_t at)
{
    return (float *)(void *)(s->block + at);
}

static rk_status grow(rk_engine *e, size_t tokens, size_t rows, size_t length, size_t threads,
                      rk_error *err)
{
    rk_foreign_scratch *s = e->foreign_scratch;
    const size_t hidden = e->config.hidden, inner = e->config.inner;
    const size_t labels = e->config.labels.count;
    const size_t wide = inner > hidden ? inner : hidden;
    const size_t h = rk_form_stride(RK_FORM_F32, hidden), w = rk_form_stride(RK_FORM_F32, wide);
    const size_t sums = rk_form_stride(RK_FORM_F32, labels > wide ? labels : wide);
    size_t bytes = 0, at[14], attention;
    bool overflow = false;

    if (!s) {
        s = rk_calloc(1, sizeof *s);
        if (!s) return rk_fail(err, RK_E_MEMORY, "no memory for rows of %zu tokens", tokens);
        e->foreign_scratch = s;
    }
    if (tokens <= s->tokens && rows <= s->rows && length <= s->length && threads <= s->threads)
        return RK_OK;
    if (tokens < s->tokens) tokens = s->tokens;
    if (rows < s->rows) rows = s->rows;
    if (length < s->length) length = s->length;
    if (threads < s->threads) threads = s->threads;
    if (tokens < rows) tokens = rows;
    rk_free_aligned(s->block);
    memset(s, 0, sizeof *s);
    attention =
        rk_form_stride(RK_FORM_F32, rk_infer_attention_floats(length, hidden / e->config.heads));
    for (size_t i = 0; i < 5; i++) at[i] = place(&bytes, &overflow, tokens, h, sizeof(float));
    at[5] = place(&bytes, &overflow, tokens, w, sizeof(float));
    at[6] = place(&bytes, &overflow, tokens, sums, sizeof(float));
    at[7] = place(&bytes, &overflow, tokens, rk_form_stride(RK_FORM_U8, wide), 1);
    at[8] = place(&bytes, &overflow, rows, h, sizeof(float));
    at[9] = place(&bytes, &overflow, rows, h, sizeof(float));
    for (size_t i = 10; i < 13; i++) at[i] = place(&bytes, &overflow, tokens, 1, sizeof(float));
    at[13] = place(&bytes, &overflow, threads, attention, sizeof(float));
    if (!overflow) s->block = rk_alloc_aligned(bytes, 1);
    if (!s->block) return rk_fail(err, RK_E_MEMORY, "no memory for rows of %zu tokens", tokens);
    memset(s->block, 0, bytes); /* what lies between width and stride stays zero */
    *s = (rk_foreign_scratch){
        .tokens = tokens,
        .rows = rows,
        .length = length,
        .threads = threads,
        .block = s->block,
        .attention_floats = attention,
    };
    s->hidden = floats_at(s, at[0]);
    s->q = floats_at(s, at[1]);
    s->k = floats_at(s, at[2]);
    s->v = floats_at(s, at[3]);
    s->context = floats_at(s, at[4]);
    s->inner = floats_at(s, at[5]);
    s->sums = floats_at(s, at[6]);
    s->codes = s->block + at[7];
    s->first = floats_at(s, at[8]);
    s->pooled = floats_at(s, at[9]);
    s->scale = floats_at(s, at[10]);
    s->zero = (int32_t *)(void *)(s->block + at[11]);
    s->sum = (int32_t *)(void *)(s->block + at[12]);
    s->attention = floats_at(s, at[13]);
    return RK_OK;
}

/* ---- steps: all threads call each alike; each ends at a barrier ---- */

static float rounded(const rk_quantiser *q, float x)
{
    float code = nearbyintf(x / q->scale) + (float)q->zero;

    if (!(code >= (float)q->least)) code = (float)q->least;
    if (code > (float)q->most) code = (float)q->most;
    return (code - (float)q->zero) * q->scale;
}

/* x [rows, width] in place. */
static void round_all(const rk_quantiser *q, float *x, size_t stride, size_t rows, size_t width)
{
    if (!q->on) return;
#pragma omp for schedule(static)
    for (size_t t = 0; t < rows; t++)
        for (size_t i = 0; i < width; i++) x[t * stride + i] = rounded(q, x[t * stride + i]);
}

/* Scale and zero point of a row of tokens as DynamicQuantizeLinear has them: the range of all its
 * numbers, 0 within. */
static void range_of(float *scale, int32_t *zero, const float *x, size_t stride, size_t tokens,
                     size_t width)
{
    float lo = 0, hi = 0, at;

    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < width; i++) {
            const float v = x[t * stride + i];
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
        }
    *scale = hi > lo ? (hi - lo) / 255.0f : 1.0f;
    /* A range of denormals has no scale that divides: all its codes are the zero point. */
    if (!(*scale >= 1e-37f)) *scale = 1.0f;
    at = nearbyintf(0.0f - lo / *scale);
    *zero = (int32_t)(at < 0 ? 0 : at > 255 ? 255 : at);
}

/* The spans of tokens that share a range: a row's, or where each token is a row, its own. */
typedef struct spans {
    const size_t *starts; /* NULL: one token each */
    size_t count;
} spans;

/* Codes of x for a Linear, with scale, zero and sum of each token. */
static void quantise(const chunk *c, const rk_foreign_linear *l, const float *x, size_t stride,
                     const spans *rows)
{
    rk_foreign_scratch *s = c->s;
    const size_t width = rk_packed_in(l->w), codes = rk_form_stride(RK_FORM_U8, width);

#pragma omp for schedule(dynamic)
    for (size_t r = 0; r < rows->count; r++) {
        const size_t first = rows->starts ? rows->starts[r] - rows->starts[0] : r;
        const size_t n = rows->starts ? rows->starts[r + 1] - rows->starts[r] : 1;
        float scale = l->scale;
        int32_t zero = l->zero;
        if (l->dynamic) range_of(&scale, &zero, x + first * stride, stride, n, width);
        const rk_matrix y = {.data = s->codes,
                             .stride = codes,
                             .form = RK_FORM_U8,
                             .scale = scale,
                             .zero = (uint8_t)zero};
        for (size_t t = first; t < first + n; t++) {
            int32_t sum = 0;
            c->e->kernels->put(&y, t, x + t * stride, width);
            for (size_t i = 0; i < width; i++) sum += s->codes[t * codes + i];
            s->scale[t] = scale;
            s->zero[t] = zero;
            s->sum[t] = sum;
        }
    }
}

/* From sums of codes to y: the zero points taken off, scaled, rounded where the file rounds. */
static void finish(const chunk *c, const rk_foreign_linear *l, float *y, size_t y_stride,
                   size_t tokens)
{
    const rk_foreign_scratch *s = c->s;
    const size_t out = rk_packed_out(l->w), stride = rk_form_stride(RK_FORM_F32, out);
    const int64_t in = (int64_t)rk_packed_in(l->w);

#pragma omp for schedule(static)
    for (size_t t = 0; t < tokens; t++)
        for (size_t n = 0; n < out; n++) {
            const int64_t zero = l->zeros[n];
            const int64_t off = s->zero[t] * (l->sums[n] - in * zero) + zero * s->sum[t];
            const float scale = s->scale[t] * l->scales[n];
            float v = (float)((int64_t)s->sums[t * stride + n] - off) * scale;
            if (l->product.on) v = rounded(&l->product, v);
            v = v + l->bias[n];
            y[t * y_stride + n] = l->end.on ? rounded(&l->end, v) : v;
        }
}

/* y = Linear(x). again: x's codes are those of the call before. */
static void linear(const chunk *c, const rk_foreign_linear *l, float *y, size_t y_stride, float *x,
                   size_t x_stride, const spans *rows, size_t tokens, bool again)
{
    const size_t out = rk_packed_out(l->w);
    rk_matrix in = l->input;
    rk_epilogue e = {.y = {.form = RK_FORM_F32}};

    in.data = l->integer ? (void *)c->s->codes : (void *)x;
    in.stride = l->integer ? rk_form_stride(RK_FORM_U8, rk_packed_in(l->w)) : x_stride;
    e.y.data = l->integer ? c->s->sums : y;
    e.y.stride = l->integer ? rk_form_stride(RK_FORM_F32, out) : y_stride;
    if (l->integer && !again) quantise(c, l, x, x_stride, rows);
    rk_packed_run(l->w, &in, tokens, &e, c->thread, c->threads);
#pragma omp barrier
    if (l->integer)
        finish(c, l, y, y_stride, tokens);
    else
        round_all(&l->end, y, y_stride, tokens, out);
}

static bool same_codes(const rk_foreign_linear *a, const rk_foreign_linear *b)
{
    return a->integer && b->integer && a->dynamic == b->dynamic &&
           (a->dynamic || (a->scale == b->scale && a->zero == b->zero));
}

/* x += y, then LayerNorm. */
static void add_norm(const chunk *c, float *x, const float *y, size_t stride, const float *w)
{
    const rk_engine *e = c->e;
    const size_t hidden = e->config.hidden;

#pragma omp for schedule(static)
    for (size_t t = 0; t < c->tokens; t++) {
        for (size_t i = 0; i < hidden; i++)
            x[t * stride + i] = y[t * stride + i] + x[t * stride + i];
        e->kernels->layernorm(x + t * stride, NULL, t, x + t * stride, w, w + hidden, hidden,
                              e->config.eps);
    }
}

/* ---- attention ---- */

static void rounded_query(const rk_source_attention *a, float *y, const float *q, const float *k,
                          const float *v, size_t stride, size_t length, size_t size, float *p)
{
    float top = -INFINITY, sum = 0;

    for (size_t j = 0; j < length; j++) {
        float s = 0;
        for (size_t i = 0; i < size; i++) s += q[i] * k[j * stride + i];
        if (a->score.on) s = rounded(&a->score, s);
        p[j] = s * a->score_scale;
        top = p[j] > top ? p[j] : top;
    }
    for (size_t j = 0; j < length; j++) {
        p[j] = expf(p[j] - top);
        sum += p[j];
    }
    for (size_t j = 0; j < length; j++) {
        p[j] /= sum;
        if (a->probability.on) p[j] = rounded(&a->probability, p[j]);
    }
    for (size_t i = 0; i < size; i++) {
        float s = 0;
        for (size_t j = 0; j < length; j++) s += p[j] * v[j * stride + i];
        y[i] = a->context.on ? rounded(&a->context, s) : s;
    }
}

static void scale_all(float by, float *x, size_t stride, size_t rows, size_t width)
{
    if (by == 1.0f) return;
#pragma omp for schedule(static)
    for (size_t t = 0; t < rows; t++)
        for (size_t i = 0; i < width; i++) x[t * stride + i] *= by;
}

static void attention(const chunk *c, const rk_source_attention *a, size_t stride)
{
    const rk_engine *e = c->e;
    rk_foreign_scratch *s = c->s;
    const size_t hidden = e->config.hidden, heads = e->config.heads, size = hidden / heads;
    float *scratch = s->attention + c->thread * s->attention_floats;
    const rk_matrix y = {.data = s->context, .stride = stride, .form = RK_FORM_F32};

    if (a->rounds) {
        scale_all(a->q_scale, s->q, stride, c->tokens, hidden);
        scale_all(a->k_scale, s->k, stride, c->tokens, hidden);
        round_all(&a->q, s->q, stride, c->tokens, hidden);
        round_all(&a->k, s->k, stride, c->tokens, hidden);
        round_all(&a->v, s->v, stride, c->tokens, hidden);
    }
#pragma omp for schedule(dynamic)
    for (size_t task = 0; task < c->rows * heads; task++) {
        const size_t r = task / heads, head = task % heads, first = c->starts[r] - c->starts[0];
        const size_t length = c->starts[r + 1] - c->starts[r], at = first * stride;
        const rk_infer_attention plain = {
            .q = s->q + at,
            .k = s->k + at,
            .v = s->v + at,
            .q_stride = stride,
            .kv_stride = stride,
            .q_step = size,
            .kv_step = size,
            .queries = length,
            .length = length,
            .head_size = size,
            .scale = 1.0f / sqrtf((float)size),
            .y = &y,
            .y_row = first,
            .scratch = scratch,
        };
        if (!a->rounds) {
            e->kernels->attention(&plain, head);
            continue;
        }
        for (size_t t = 0; t < length; t++)
            rounded_query(a, s->context + at + t * stride + head * size,
                          plain.q + t * stride + head * size, plain.k + head * size,
                          plain.v + head * size, stride, length, size, scratch);
    }
}

/* ---- forward ---- */

static void embed(const chunk *c, size_t stride)
{
    const rk_engine *e = c->e;
    const size_t hidden = e->config.hidden;
    float *x = c->s->hidden;

#pragma omp for schedule(static)
    for (size_t r = 0; r < c->rows; r++) {
        const size_t first = c->starts[r] - c->starts[0], n = c->starts[r + 1] - c->starts[r];
        for (size_t i = 0; i < n; i++) {
            float *at = x + (first + i) * stride;
            e->kernels->embed(at, &e->word, (size_t)c->ids[first + i], e->type, &e->position, i);
            e->kernels->layernorm(at, NULL, first + i, at, e->emb_norm, e->emb_norm + hidden,
                                  hidden, e->config.eps);
        }
    }
}

static void layer(const chunk *c, const rk_foreign_layer *l, size_t stride)
{
    const rk_engine *e = c->e;
    const rk_foreign_scratch *s = c->s;
    const size_t hidden = e->config.hidden, inner = e->config.inner, tokens = c->tokens;
    const size_t wide = rk_form_stride(RK_FORM_F32, inner);
    const spans rows = {c->starts, c->rows};

    round_all(&l->input, s->hidden, stride, tokens, hidden);
    linear(c, &l->q, s->q, stride, s->hidden, stride, &rows, tokens, false);
    linear(c, &l->k, s->k, stride, s->hidden, stride, &rows, tokens, same_codes(&l->k, &l->q));
    linear(c, &l->v, s->v, stride, s->hidden, stride, &rows, tokens, same_codes(&l->v, &l->k));
    attention(c, &l->attention, stride);
    linear(c, &l->attn, s->q, stride, s->context, stride, &rows, tokens, false);
    add_norm(c, s->hidden, s->q, stride, l->norms);
    round_all(&l->middle, s->hidden, stride, tokens, hidden);
    linear(c, &l->inter, s->inner, wide, s->hidden, stride, &rows, tokens, false);
#pragma omp for schedule(static)
    for (size_t t = 0; t < tokens; t++)
        e->kernels->activate(s->inner + t * wide, inner, rk_engine_act(e));
    linear(c, &l->out, s->q, stride, s->inner, wide, &rows, tokens, false);
    add_norm(c, s->hidden, s->q, stride, l->norms + 2 * hidden);
}

static void forward(const chunk *c)
{
    const rk_engine *e = c->e;
    const rk_foreign *f = e->foreign;
    const rk_foreign_scratch *s = c->s;
    const size_t hidden = e->config.hidden, stride = rk_form_stride(RK_FORM_F32, hidden);
    const spans each = {NULL, c->rows};

    embed(c, stride);
    for (size_t i = 0; i < f->layers; i++) layer(c, &f->layer[i], stride);
#pragma omp for schedule(static)
    for (size_t r = 0; r < c->rows; r++)
        memcpy(s->first + r * stride, s->hidden + (c->starts[r] - c->starts[0]) * stride,
               hidden * sizeof *s->first);
    linear(c, &f->pooler, s->pooled, stride, s->first, stride, &each, c->rows, false);
#pragma omp for schedule(static)
    for (size_t r = 0; r < c->rows; r++)
        for (size_t i = 0; i < hidden; i++)
            s->pooled[r * stride + i] = tanhf(s->pooled[r * stride + i]);
    linear(c, &f->classifier, c->logits, e->config.labels.count, s->pooled, stride, &each, c->rows,
           false);
}

rk_status rk_foreign_run(rk_engine *e, const int32_t *ids, const size_t *starts, size_t rows,
                         float *logits, rk_error *err)
{
    const size_t threads = (size_t)omp_get_max_threads();

    for (size_t r = 0, n; r < rows; r += n) {
        size_t length = 0;
        rk_status st;
        n = rk_engine_take(starts + r, rows - r);
        for (size_t i = r; i < r + n; i++)
            if (starts[i + 1] - starts[i] > length) length = starts[i + 1] - starts[i];
        st = grow(e, starts[r + n] - starts[r], n, length, threads, err);
        if (st) return st;
#pragma omp parallel num_threads((int)threads)
        {
            const chunk c = {
                .e = e,
                .s = e->foreign_scratch,
                .ids = ids + starts[r],
                .starts = starts + r,
                .rows = n,
                .tokens = starts[r + n] - starts[r],
                .logits = logits + r * e->config.labels.count,
                .thread = (size_t)omp_get_thread_num(),
                .threads = (size_t)omp_get_num_threads(),
            };
            forward(&c);
        }
    }
    return RK_OK;
}
