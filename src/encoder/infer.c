/* The forward pass of inference. Rows of a call lie end to end; a chunk of them runs at a time, all
 * threads together, each on its share of every step: of the outputs where tokens are few, of the
 * tokens where they are many, which then stay with their thread and its cache but for attention. No
 * number depends on how the work was shared. */
#include "encoder/infer.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/engine.h"
#include "encoder/infer_foreign.h"

/* A chunk has whole rows, of about so many tokens (one row at least). More tokens stream the
 * weights less often; fewer keep what a thread computes in its own cache until it is read. Threads
 * share out the tokens of a chunk where each gets OWN_TOKENS at least. */
enum { CHUNK_TOKENS = 512, CHUNK_ROWS = 64, OWN_TOKENS = 64 };

typedef struct chunk {
    rk_engine *e;
    const int32_t *ids;           /* of its first token */
    const size_t *starts;         /* [rows + 1], from the call */
    size_t rows, tokens;
    float *logits;                /* [rows, labels] */
    size_t thread, threads;
    bool by_tokens;               /* threads have tokens of their own, else outputs */
} chunk;

/* ---- scratch ---- */

typedef struct plan {
    size_t bytes;
    bool overflow;
} plan;

/* Offset of `count` times `width` elements, each line of them 64 bytes apart. */
static size_t place(plan *p, size_t count, rk_form form, size_t width)
{
    const size_t at = p->bytes;
    size_t bytes;

    if (!rk_mul(&bytes, count, rk_form_stride(form, width) * rk_form_size(form)) ||
        !rk_add(&p->bytes, at, bytes))
        p->overflow = true;
    return at;
}

/* Room for one or the other, of floats; they are not there at a time. */
static size_t place_either(plan *p, size_t count, size_t width, size_t other, size_t other_width)
{
    const size_t at = place(p, count, RK_FORM_F32, width), end = p->bytes;

    p->bytes = at;
    place(p, other, RK_FORM_F32, other_width);
    if (p->bytes < end) p->bytes = end;
    return at;
}

static rk_form wider(rk_form a, rk_form b)
{
    return rk_form_size(a) > rk_form_size(b) ? a : b;
}

/* The widest forms that any layer wants of its context and of its inner activations, and of a row
 * of the residual stream. Most models have one form for all; some keep a Linear float. */
static void widest(const rk_engine *e, rk_form *context, rk_form *inner, rk_form *input)
{
    *context = *inner = *input = RK_FORM_U8;
    *input = wider(wider(*input, e->pooler.input.form), e->classifier.input.form);
    for (size_t i = 0; i < e->config.layers; i++) {
        const rk_engine_layer *l = &e->layer[i];
        *context = wider(*context, l->attn.input.form);
        *inner = wider(*inner, l->out.input.form);
        *input = wider(*input, l->inter.input.form);
        *input = wider(*input, l->qkv.w ? l->qkv.input.form : l->q.input.form);
    }
}

static rk_status grow(rk_engine *e, size_t tokens, size_t rows, size_t length, size_t threads,
                      rk_error *err)
{
    rk_engine_scratch *s = &e->scratch;
    const size_t hidden = e->config.hidden, head = hidden / e->config.heads;
    const bool folded = e->layer[e->config.layers - 1].folded.key;
    rk_form context, inner, input;
    plan p = { 0 };
    size_t at[10];

    if (tokens <= s->tokens && rows <= s->rows && length <= s->length && threads <= s->threads)
        return RK_OK;
    if (tokens < s->tokens) tokens = s->tokens;
    if (rows < s->rows) rows = s->rows;
    if (length < s->length) length = s->length;
    if (threads < s->threads) threads = s->threads;
    widest(e, &context, &inner, &input);
    rk_free_aligned(s->block);
    memset(s, 0, sizeof *s);
    s->attention_floats = rk_form_stride(
        RK_FORM_F32, rk_infer_attention_floats(length, folded ? hidden : head));
    at[0] = place(&p, tokens, RK_FORM_F32, hidden);
    at[1] = place_either(&p, tokens, 3 * hidden, folded ? 2 * rows * e->config.heads : 0, hidden);
    at[2] = place(&p, tokens, input, hidden);
    at[3] = place(&p, tokens, context, hidden);
    at[4] = place(&p, tokens, inner, e->config.inner);
    at[5] = place(&p, rows, RK_FORM_F32, hidden);
    at[6] = place(&p, rows, RK_FORM_F32, hidden);
    at[7] = place(&p, rows, RK_FORM_F32, hidden);
    at[8] = place(&p, rows, input, hidden);
    at[9] = place(&p, threads, RK_FORM_F32, s->attention_floats);
    if (!p.overflow) s->block = rk_alloc_aligned(p.bytes, 1);
    if (!s->block)
        return rk_fail(err, RK_E_MEMORY, "no memory for rows of %zu tokens", tokens);
    memset(s->block, 0, p.bytes);    /* what lies between width and stride stays zero */
    s->tokens = tokens;
    s->rows = rows;
    s->length = length;
    s->threads = threads;
    s->hidden = (float *)(void *)(s->block + at[0]);
    s->qkv = (float *)(void *)(s->block + at[1]);
    s->input = s->block + at[2];
    s->context = s->block + at[3];
    s->inner = s->block + at[4];
    s->first = (float *)(void *)(s->block + at[5]);
    s->query = (float *)(void *)(s->block + at[6]);
    s->pooled = (float *)(void *)(s->block + at[7]);
    s->first_input = s->block + at[8];
    s->attention = (float *)(void *)(s->block + at[9]);
    return RK_OK;
}

/* ---- steps: every thread calls each with the same arguments. Where threads have tokens of their
 * own, what one writes in a step it alone reads in the next, but for attention, before and after
 * which all meet; else each step ends at a barrier. ---- */

static void meet(void)
{
#pragma omp barrier
}

static void meet_unless_own(const chunk *c)
{
    if (!c->by_tokens) meet();
}

static rk_matrix matrix(void *data, const rk_matrix *form, size_t width)
{
    rk_matrix m = *form;

    m.data = data;
    m.stride = rk_form_stride(form->form, width);
    return m;
}

static rk_matrix floats(float *data, size_t width)
{
    const rk_matrix form = { .form = RK_FORM_F32 };
    return matrix(data, &form, width);
}

/* Rows `data` holds for l: the floats themselves where l takes floats. */
static rk_matrix input_of(const rk_engine_linear *l, void *data, float *as_floats)
{
    return matrix(l->input.form == RK_FORM_F32 ? (void *)as_floats : data, &l->input,
                  rk_packed_in(l->w));
}

static size_t share(const chunk *c, size_t n, size_t thread)
{
    return n * thread / c->threads;
}

static void run_product(const chunk *c, const rk_engine_linear *l, const rk_matrix *x,
                        size_t rows, const rk_epilogue *e)
{
    if (c->by_tokens)
        rk_packed_run_rows(l->w, x, share(c, rows, c->thread), share(c, rows, c->thread + 1), e);
    else rk_packed_run(l->w, x, rows, e, c->thread, c->threads);
}

static void product(const chunk *c, const rk_engine_linear *l, const rk_matrix *x, size_t rows,
                    const rk_epilogue *e)
{
    run_product(c, l, x, rows, e);
    meet_unless_own(c);
}

/* For attention, which reads whole rows, whosever tokens they are. */
static void product_for_all(const chunk *c, const rk_engine_linear *l, const rk_matrix *x,
                            size_t rows, const rk_epilogue *e)
{
    run_product(c, l, x, rows, e);
    meet();
}

/* LayerNorm of x [rows, hidden] in place, and the same in the form of `other` where that is not
 * float. */
static void norm(const chunk *c, float *x, size_t rows, const float *w, const rk_matrix *other)
{
    const rk_engine *e = c->e;
    const size_t hidden = e->config.hidden, stride = rk_form_stride(RK_FORM_F32, hidden);
    const size_t last = share(c, rows, c->thread + 1);

    for (size_t t = share(c, rows, c->thread); t < last; t++)
        e->kernels->layernorm(x + t * stride, other->form == RK_FORM_F32 ? NULL : other, t,
                              x + t * stride, w, w + hidden, hidden, e->config.eps);
    meet_unless_own(c);
}

static void embed(const chunk *c, const rk_matrix *other)
{
    const rk_engine *e = c->e;
    const size_t hidden = e->config.hidden, stride = rk_form_stride(RK_FORM_F32, hidden);
    const size_t last = share(c, c->tokens, c->thread + 1);
    float *x = e->scratch.hidden;

    for (size_t r = 0, t = share(c, c->tokens, c->thread); t < last; t++) {
        while (c->starts[r + 1] - c->starts[0] <= t) r++;
        e->kernels->embed(x + t * stride, &e->word, (size_t)c->ids[t], e->type, &e->position,
                          t - (c->starts[r] - c->starts[0]));
    }
    norm(c, x, c->tokens, e->emb_norm, other);
}

/* Where q, k and v of head 0 are, and the floats from row to row and from head to head. */
typedef struct heads {
    const float *q, *k, *v;
    size_t q_stride, kv_stride, q_step, kv_step;
} heads;

static void attend(const chunk *c, const heads *h, size_t row, size_t head, bool first_only,
                   const rk_matrix *y)
{
    const rk_engine *e = c->e;
    const size_t first = c->starts[row] - c->starts[0], at = first_only ? row : first;
    const size_t length = c->starts[row + 1] - c->starts[row];
    const size_t head_size = e->config.hidden / e->config.heads;
    const rk_infer_attention a = {
        .q = h->q + at * h->q_stride,
        .k = h->k + first * h->kv_stride, .v = h->v + first * h->kv_stride,
        .q_stride = h->q_stride, .kv_stride = h->kv_stride,
        .q_step = h->q_step, .kv_step = h->kv_step,
        .queries = first_only ? 1 : length, .length = length, .head_size = head_size,
        .scale = 1.0f / sqrtf((float)head_size), .y = y, .y_row = at,
        .scratch = e->scratch.attention + c->thread * e->scratch.attention_floats,
    };
    e->kernels->attention(&a, head);
}

/* Attention of every row and head; for the first token of a row only where first_only (q has one
 * row for each then). Threads with tokens of their own have the heads of their rows, those of a row
 * that two threads share in proportion; else a thread has heads beside each other, those whose
 * columns it has computed itself. Both for its own cache's sake. */
static void attention(const chunk *c, const heads *h, bool first_only, const rk_matrix *y)
{
    const size_t count = c->e->config.heads;
    const size_t begin = share(c, c->tokens, c->thread) * count;
    const size_t end = share(c, c->tokens, c->thread + 1) * count;
    const size_t last = share(c, c->rows * count, c->thread + 1);

    if (c->by_tokens)
        for (size_t r = 0; r < c->rows; r++) {
            const size_t first = c->starts[r] - c->starts[0];
            const size_t length = c->starts[r + 1] - c->starts[r];
            for (size_t i = 0; i < count; i++) {
                const size_t at = first * count + i * length;
                if (at >= begin && at < end) attend(c, h, r, i, first_only, y);
            }
        }
    else
        for (size_t task = share(c, c->rows * count, c->thread); task < last; task++)
            attend(c, h, task % c->rows, task / c->rows, first_only, y);
    meet();
}

/* From the context to the layer's output: x [rows, hidden] floats are the residual stream, `input`
 * holds them in another form where a product wants one; `next` is the form for what follows. */
static void feed_forward(const chunk *c, const rk_engine_layer *l, float *x, void *input,
                         size_t rows, const rk_matrix *next)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden;
    const rk_matrix stream = floats(x, hidden);
    const rk_matrix context = matrix(s->context, &l->attn.input, hidden);
    const rk_matrix inner = matrix(s->inner, &l->out.input, c->e->config.inner);
    const rk_matrix between = input_of(&l->inter, input, x);
    const rk_epilogue residual = { .add = x, .add_stride = stream.stride, .y = stream };
    const rk_epilogue activate = { .act = rk_engine_act(c->e), .y = inner };

    product(c, &l->attn, &context, rows, &residual);
    norm(c, x, rows, l->norms, &between);
    product(c, &l->inter, &between, rows, &activate);
    product(c, &l->out, &inner, rows, &residual);
    norm(c, x, rows, l->norms + 2 * hidden, next);
}

static void layer(const chunk *c, const rk_engine_layer *l, const rk_matrix *next)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden, d = hidden / c->e->config.heads;
    const rk_matrix x = input_of(&l->qkv, s->input, s->hidden);
    const rk_matrix qkv = floats(s->qkv, 3 * hidden);
    const heads at = { .q = s->qkv, .k = s->qkv + d, .v = s->qkv + 2 * d,
                       .q_stride = qkv.stride, .kv_stride = qkv.stride,
                       .q_step = 3 * d, .kv_step = 3 * d };
    const rk_matrix context = matrix(s->context, &l->attn.input, hidden);
    const rk_epilogue plain = { .y = qkv };

    product_for_all(c, &l->qkv, &x, c->tokens, &plain);
    attention(c, &at, false, &context);
    feed_forward(c, l, s->hidden, s->input, c->tokens, next);
}

/* The input of every row's first token, as floats and in the form of `to`; x holds those of all
 * tokens, maybe as floats only. */
static void take_first(const chunk *c, const rk_matrix *x, const rk_matrix *to)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden, stride = rk_form_stride(RK_FORM_F32, hidden);
    const size_t bytes = x->stride * rk_form_size(x->form);

#pragma omp for schedule(static)
    for (size_t r = 0; r < c->rows; r++) {
        const size_t at = c->starts[r] - c->starts[0];
        memcpy(s->first + r * stride, s->hidden + at * stride, hidden * sizeof *s->first);
        if (to->form != x->form) c->e->kernels->put(to, r, s->first + r * stride, hidden);
        else if (to->form != RK_FORM_F32)
            memcpy((char *)to->data + r * bytes, (char *)x->data + at * bytes, bytes);
    }
}

/* Of every row [heads] lines of hidden values; this is line `head` of each. */
static rk_matrix of_head(const chunk *c, const rk_matrix *lines, size_t head)
{
    rk_matrix m = *lines;

    m.data = (char *)m.data + head * m.stride * rk_form_size(m.form);
    m.stride *= c->e->config.heads;
    return m;
}

/* The columns of a head in rows of all heads. */
static rk_matrix columns_of(const chunk *c, const rk_matrix *x, size_t head)
{
    rk_matrix m = *x;

    m.data = (char *)m.data + head * (c->e->config.hidden / c->e->config.heads) *
                                  rk_form_size(m.form);
    return m;
}

/* Attention of first tokens by rk_engine_folded: query [rows, hidden] to context. Here tokens are
 * keys and values alike, and the heads of a row its queries. Products belong to threads by heads,
 * between them rows and heads. */
static void attend_folded(const chunk *c, const rk_engine_folded *f, const rk_matrix *query,
                          const rk_matrix *context)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden, count = c->e->config.heads;
    const size_t stride = rk_form_stride(RK_FORM_F32, hidden);
    const size_t end = share(c, c->rows * count, c->thread + 1);
    const rk_matrix asked = floats(s->qkv, hidden);
    const rk_matrix mean = matrix(s->qkv + c->rows * count * stride, &f->value->input, hidden);

    for (size_t h = share(c, count, c->thread); h < share(c, count, c->thread + 1); h++) {
        const rk_matrix x = columns_of(c, query, h);
        const rk_epilogue to = { .y = of_head(c, &asked, h) };
        rk_packed_run_rows(f->key[h].w, &x, 0, c->rows, &to);
    }
    meet();
    for (size_t i = share(c, c->rows * count, c->thread), n; i < end; i += n) {
        const size_t row = i / count, first = c->starts[row] - c->starts[0];
        const float *x = s->hidden + first * stride;
        n = (row + 1) * count < end ? (row + 1) * count - i : end - i;
        c->e->kernels->attention(
            &(rk_infer_attention){
                .q = s->qkv + i * stride, .k = x, .v = x, .q_stride = stride, .kv_stride = stride,
                .queries = n, .length = c->starts[row + 1] - c->starts[row], .head_size = hidden,
                .scale = 1.0f / sqrtf((float)(hidden / count)), .y = &mean, .y_row = i,
                .scratch = s->attention + c->thread * s->attention_floats },
            0);
    }
    meet();
    for (size_t h = share(c, count, c->thread); h < share(c, count, c->thread + 1); h++) {
        const rk_matrix x = of_head(c, &mean, h);
        const rk_epilogue to = { .y = columns_of(c, context, h) };
        rk_packed_run_rows(f->value[h].w, &x, 0, c->rows, &to);
    }
    meet();
}

/* Attention of first tokens with a key and a value of every token. */
static void attend_all(const chunk *c, const rk_engine_layer *l, const rk_matrix *context)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden, d = hidden / c->e->config.heads;
    const rk_matrix x = input_of(&l->kv, s->input, s->hidden);
    const rk_matrix kv = floats(s->qkv, 2 * hidden);
    const rk_epilogue to_kv = { .y = kv };
    const heads at = { .q = s->query, .k = s->qkv, .v = s->qkv + d,
                       .q_stride = rk_form_stride(RK_FORM_F32, hidden), .kv_stride = kv.stride,
                       .q_step = d, .kv_step = 2 * d };

    product_for_all(c, &l->kv, &x, c->tokens, &to_kv);
    attention(c, &at, true, context);
}

/* What the last layer reads of all tokens: the residual stream itself where it is folded. */
static rk_matrix last_input(const rk_engine_layer *l, const rk_engine_scratch *s, size_t hidden)
{
    return l->folded.key ? floats(s->hidden, hidden) : input_of(&l->kv, s->input, s->hidden);
}

/* The classifier reads the first token of a row only, so the last layer computes the rest for none
 * but it: exact, since there a token's output needs nothing of the others but keys and values.
 * `few` is c with outputs shared, as those rows are few. */
static void last_layer(const chunk *c, const chunk *few, const rk_engine_layer *l,
                       const rk_matrix *next)
{
    const rk_engine_scratch *s = &c->e->scratch;
    const size_t hidden = c->e->config.hidden;
    const bool folded = l->folded.key;
    const rk_matrix x = last_input(l, s, hidden);
    const rk_matrix first_x = input_of(&l->q, s->first_input, s->first);
    const rk_matrix float_query = floats(s->query, hidden);
    const rk_matrix query = folded ? matrix(s->query, &l->q.input, hidden) : float_query;
    const rk_matrix context = matrix(s->context, &l->attn.input, hidden);
    const rk_epilogue to_query = { .y = query };

    meet();
    take_first(c, &x, &first_x);
    product(few, &l->q, &first_x, c->rows, &to_query);
    if (folded) attend_folded(c, &l->folded, &query, &context);
    else attend_all(c, l, &context);
    feed_forward(few, l, s->first, s->first_input, c->rows, next);
}

/* Threads share outputs here. */
static void head(const chunk *c, const rk_matrix *first)
{
    const rk_engine *e = c->e;
    const rk_engine_scratch *s = &e->scratch;
    const size_t hidden = e->config.hidden, labels = e->config.labels.count;
    const rk_matrix pooled = floats(s->pooled, hidden);
    const rk_matrix input = input_of(&e->classifier, s->first_input, s->pooled);
    const rk_epilogue to_pooled = { .y = pooled };
    const rk_epilogue to_logits = {
        .y = { .data = c->logits, .stride = labels, .form = RK_FORM_F32 },
    };

    product(c, &e->pooler, first, c->rows, &to_pooled);
#pragma omp for schedule(static)
    for (size_t r = 0; r < c->rows; r++) {
        float *x = s->pooled + r * pooled.stride;
        for (size_t i = 0; i < hidden; i++) x[i] = tanhf(x[i]);
        if (input.form != RK_FORM_F32) e->kernels->put(&input, r, x, hidden);
    }
    product(c, &e->classifier, &input, c->rows, &to_logits);
}

static void forward(const chunk *c)
{
    const rk_engine *e = c->e;
    chunk few = *c;
    const rk_engine_scratch *s = &e->scratch;
    const rk_engine_layer *last = &e->layer[e->config.layers - 1];
    const rk_matrix first = input_of(&e->pooler, s->first_input, s->first);

    few.by_tokens = false;
    for (const rk_engine_layer *l = e->layer;; l++) {
        const rk_matrix x = l == last ? last_input(l, s, e->config.hidden)
                                      : input_of(&l->qkv, s->input, s->hidden);
        if (l == e->layer) embed(c, &x);
        else layer(c, l - 1, &x);
        if (l == last) break;
    }
    last_layer(c, &few, last, &first);
    head(&few, &first);
}

/* Two roundings, as the two nodes of a graph have: ISO C does not fuse across statements. */
static void calibrate(const rk_engine *e, float *logits, size_t rows)
{
    const size_t labels = e->config.labels.count;

    for (size_t r = 0; e->bias && r < rows; r++)
        for (size_t k = 0; k < labels; k++) {
            const float scaled = logits[r * labels + k] * e->scale;
            logits[r * labels + k] = scaled + e->bias[k];
        }
}

/* ---- a call ---- */

static rk_status check(const rk_engine *e, const int32_t *ids, const size_t *starts, size_t rows,
                       rk_error *err)
{
    const rk_bert_config *c = &e->config;

    for (size_t r = 0; r < rows; r++) {
        if (starts[r + 1] <= starts[r])
            return rk_fail(err, RK_E_ARG, "row %zu: no tokens; want at least one", r);
        if (starts[r + 1] - starts[r] > c->positions)
            return rk_fail(err, RK_E_ARG, "row %zu: %zu tokens; the model takes at most %zu", r,
                           starts[r + 1] - starts[r], c->positions);
        for (size_t i = starts[r]; i < starts[r + 1]; i++)
            if (ids[i] < 0 || (size_t)ids[i] >= c->vocab)
                return rk_fail(err, RK_E_ARG, "row %zu: token %zu has id %ld; want 0 to %zu", r,
                               i - starts[r], (long)ids[i], c->vocab - 1);
    }
    return RK_OK;
}

size_t rk_engine_take(const size_t *starts, size_t rows)
{
    const size_t tokens = starts[rows] - starts[0];
    const size_t parts = (tokens + CHUNK_TOKENS - 1) / CHUNK_TOKENS, part = tokens / parts;
    size_t n = 1;

    /* The row that crosses the mark is in where more of it is before than after. */
    while (n < rows && n < CHUNK_ROWS &&
           (starts[n] - starts[0]) + (starts[n + 1] - starts[0]) <= 2 * part)
        n++;
    return n;
}

rk_status rk_engine_run(rk_engine *e, const int32_t *ids, const size_t *starts, size_t rows,
                        float *logits, rk_error *err)
{
    const size_t labels = e->config.labels.count;
    const size_t threads = (size_t)omp_get_max_threads();
    size_t tokens = 0, most = 0, length = 0;
    rk_status st;

    st = check(e, ids, starts, rows, err);
    if (st) return st;
    if (e->foreign) {
        st = rk_foreign_run(e, ids, starts, rows, logits, err);
        if (!st) calibrate(e, logits, rows);
        return st;
    }
    for (size_t r = 0, n; r < rows; r += n) {
        n = rk_engine_take(starts + r, rows - r);
        if (n > most) most = n;
        if (starts[r + n] - starts[r] > tokens) tokens = starts[r + n] - starts[r];
        for (size_t i = r; i < r + n; i++)
            if (starts[i + 1] - starts[i] > length) length = starts[i + 1] - starts[i];
    }
    st = grow(e, tokens, most, length, threads, err);
    if (st) return st;
    for (size_t r = 0, n; r < rows; r += n) {
        n = rk_engine_take(starts + r, rows - r);
#pragma omp parallel num_threads((int)threads)
        {
            const chunk c = {
                .e = e, .ids = ids + starts[r], .starts = starts + r, .rows = n,
                .tokens = starts[r + n] - starts[r], .logits = logits + r * labels,
                .thread = (size_t)omp_get_thread_num(), .threads = (size_t)omp_get_num_threads(),
                .by_tokens = starts[r + n] - starts[r] >=
                             OWN_TOKENS * (size_t)omp_get_num_threads(),
            };
            forward(&c);
        }
    }
    calibrate(e, logits, rows);
    return RK_OK;
}
