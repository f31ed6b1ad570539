/* From what a file says to packed weights. */
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/engine.h"
#include "encoder/infer_foreign.h"

/* Scales outside leave no room for 1 / scale and for products of two scales in normal floats. */
static const float SCALE_MIN = 1e-18f, SCALE_MAX = 1e18f;

static bool sane_scale(float scale)
{
    return scale >= SCALE_MIN && scale <= SCALE_MAX;
}

static rk_status check_linear(const rk_source *s, const rk_source_linear *l, size_t out, size_t in,
                              const char *what, rk_error *err)
{
    if (l->w.out != out || l->w.in != in)
        return rk_fail(err, RK_E_FORMAT, "%s: %s is [%zu, %zu]; want [%zu, %zu]", s->path, what,
                       l->w.out, l->w.in, out, in);
    if (l->input.form == RK_FORM_U8 && !sane_scale(l->input.scale))
        return rk_fail(err, RK_E_FORMAT, "%s: %s: input scale %g; want %g to %g", s->path, what,
                       (double)l->input.scale, (double)SCALE_MIN, (double)SCALE_MAX);
    for (size_t n = 0; l->w.scale && n < out; n++)
        if (!sane_scale(l->w.scale[n]))
            return rk_fail(err, RK_E_FORMAT, "%s: %s: scale %g of output %zu; want %g to %g",
                           s->path, what, (double)l->w.scale[n], n, (double)SCALE_MIN,
                           (double)SCALE_MAX);
    return RK_OK;
}

/* Rows [first, first + rows) of a weight. */
static rk_weight rows_of(const rk_weight *w, size_t first, size_t rows)
{
    rk_weight part = *w;

    part.data = (const uint8_t *)w->data + first * w->out_step * rk_dtype_size(w->type);
    part.out = rows;
    if (w->scale) part.scale = w->scale + first;
    if (w->bias) part.bias = w->bias + first;
    return part;
}

static bool same_input(const rk_source_linear *a, const rk_source_linear *b)
{
    return a->w.type == b->w.type && a->input.form == b->input.form &&
           a->input.zero == b->input.zero && a->input.scale == b->input.scale;
}

rk_status rk_copies_fit(uint64_t file, size_t copies, const char *path, rk_error *err)
{
    enum { SHARES = 40, FREE = 64 << 20 }; /* ALBERT has 12 layers of the same weights */

    if (!file || copies <= FREE || (copies - FREE) / SHARES <= file) return RK_OK;
    return rk_fail(err, RK_E_UNSUPPORTED,
                   "%s: its layers share weights; each with its own they are more than %d times "
                   "the file", path, SHARES);
}

/* Packs `parts` Linears of the same input as one, in `turns` turns: each turn has the next rows of
 * every part. */
static rk_status pack(rk_engine *e, rk_engine_linear *out, const rk_source *s,
                      const rk_source_linear *const *l, size_t parts, size_t turns, size_t rows,
                      size_t in, const char *what, rk_error *err)
{
    const size_t step = rows / turns;
    rk_weight *w = NULL;
    rk_status st = RK_OK;

    out->input = l[0]->input;
    if (strcmp(e->precision, "bf16") == 0) out->input.form = RK_FORM_BF16;
    for (size_t i = 0; !st && i < parts; i++) {
        st = check_linear(s, l[i], rows, in, what, err);
        if (!st && !same_input(l[i], l[0]))
            st = rk_fail(err, RK_E_FORMAT, "%s: %s: query, key and value differ in precision",
                         s->path, what);
    }
    if (st) return st;
    w = rk_calloc(parts * turns, sizeof *w);
    if (!w) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    for (size_t t = 0; t < turns; t++)
        for (size_t i = 0; i < parts; i++) w[t * parts + i] = rows_of(&l[i]->w, t * step, step);
    st = rk_packed_new(&out->w, w, parts * turns, &out->input, e->level, e->pool, err);
    rk_free(w);
    if (st) return rk_fail_prefix(err, st, "%s: %s: ", s->path, what);
    e->bytes += rk_packed_bytes(out->w);
    return rk_copies_fit(s->bytes, e->bytes, s->path, err);
}

static rk_status pack_one(rk_engine *e, rk_engine_linear *out, const rk_source *s,
                          const rk_source_linear *l, size_t rows, size_t in, const char *what,
                          rk_error *err)
{
    return pack(e, out, s, &l, 1, 1, rows, in, what, err);
}

/* Whether the last layer's key and value can be folded: float products, and the part of a row that
 * is one head's is a row by itself. */
static bool folds(const rk_engine *e, const rk_engine_linear *q)
{
    const size_t d = e->config.hidden / e->config.heads;
    const rk_form form = q->input.form;

    return form != RK_FORM_U8 && rk_form_stride(RK_FORM_U8, d * rk_form_size(form)) ==
                                     d * rk_form_size(form);
}

static rk_status pack_folded(rk_engine *e, rk_engine_folded *out, const rk_source *s,
                             const rk_source_layer *in, rk_error *err)
{
    const size_t hidden = e->config.hidden, heads = e->config.heads, d = hidden / heads;
    rk_status st = check_linear(s, &in->k, hidden, hidden, "key", err);

    if (!st) st = check_linear(s, &in->v, hidden, hidden, "value", err);
    if (st) return st;
    out->key = rk_calloc(heads, sizeof *out->key);
    out->value = rk_calloc(heads, sizeof *out->value);
    if (!out->key || !out->value) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    for (size_t h = 0; !st && h < heads; h++) {
        rk_source_linear key = in->k, value = in->v;
        value.w = rows_of(&in->v.w, h * d, d);
        key.w = rows_of(&in->k.w, h * d, d);
        key.w.bias = NULL;
        key.w.out = hidden;
        key.w.in = d;
        key.w.out_step = in->k.w.in_step;
        key.w.in_step = in->k.w.out_step;
        st = pack_one(e, &out->key[h], s, &key, hidden, d, "key", err);
        if (!st) st = pack_one(e, &out->value[h], s, &value, d, hidden, "value", err);
    }
    return st;
}

static float *copy_floats(rk_engine *e, const float *const *parts, size_t count, size_t width)
{
    float *out = rk_alloc_aligned(count * width, sizeof *out);

    if (!out) return NULL;
    for (size_t i = 0; i < count; i++) memcpy(out + i * width, parts[i], width * sizeof *out);
    e->bytes += count * width * sizeof *out;
    return out;
}

static rk_status copy_table(rk_engine *e, rk_table *out, const rk_table *in, const char *path,
                            rk_error *err)
{
    const size_t size = rk_dtype_size(in->type);
    void *data;
    float *scale = NULL;

    data = rk_alloc_aligned(in->rows * in->width, size);
    if (in->type == RK_DT_I8) scale = rk_alloc_aligned(in->rows, sizeof *scale);
    out->data = data;
    out->scale = scale;
    if (!data || (in->type == RK_DT_I8 && !scale))
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    out->type = in->type;
    out->rows = in->rows;
    out->width = in->width;
    out->zero = in->zero;
    memcpy(data, in->data, in->rows * in->width * size);
    if (scale) memcpy(scale, in->scale, in->rows * sizeof *scale);
    e->bytes += in->rows * in->width * size + (scale ? in->rows * sizeof *scale : 0);
    return RK_OK;
}

static rk_status build_layer(rk_engine *e, size_t at, const rk_source *s, rk_error *err)
{
    const size_t hidden = e->config.hidden, inner = e->config.inner, heads = e->config.heads;
    const rk_source_layer *in = &s->layer[at];
    const rk_source_linear *all[] = { &in->q, &in->k, &in->v };
    const float *norms[] = { in->ln1_w, in->ln1_b, in->ln2_w, in->ln2_b };
    rk_engine_layer *out = &e->layer[at];
    rk_status st;

    if (at + 1 < e->config.layers) {
        st = pack(e, &out->qkv, s, all, 3, heads, hidden, hidden, "query, key, value", err);
    } else {
        st = pack_one(e, &out->q, s, all[0], hidden, hidden, "query", err);
        if (!st && !(same_input(all[0], all[1]) && same_input(all[0], all[2])))
            st = rk_fail(err, RK_E_FORMAT, "%s: query, key and value differ in precision",
                         s->path);
        if (!st)
            st = folds(e, &out->q) ? pack_folded(e, &out->folded, s, in, err)
                                   : pack(e, &out->kv, s, all + 1, 2, heads, hidden, hidden,
                                          "key, value", err);
    }
    if (!st) st = pack_one(e, &out->attn, s, &in->attn, hidden, hidden, "attention output", err);
    if (!st) st = pack_one(e, &out->inter, s, &in->inter, inner, hidden, "intermediate", err);
    if (!st) st = pack_one(e, &out->out, s, &in->out, hidden, inner, "output", err);
    if (st) return st;
    out->norms = copy_floats(e, norms, 4, hidden);
    return out->norms ? RK_OK : rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
}

static rk_status build_embeddings(rk_engine *e, const rk_source *s, rk_error *err)
{
    const size_t hidden = e->config.hidden;
    const float *norms[] = { s->emb_ln_w, s->emb_ln_b };
    rk_table type = s->type;
    rk_status st;

    st = copy_table(e, &e->word, &s->word, s->path, err);
    if (!st) st = copy_table(e, &e->position, &s->position, s->path, err);
    if (st) return st;
    e->emb_norm = copy_floats(e, norms, 2, hidden);
    e->type = rk_alloc_aligned(hidden, sizeof *e->type);
    if (!e->emb_norm || !e->type) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    /* Every token is of type 0: its row is all that is needed. */
    if (type.type == RK_DT_I8)
        for (size_t c = 0; c < hidden; c++)
            e->type[c] = ((float)((const int8_t *)type.data)[c] - type.zero) * type.scale[0];
    else
        rk_to_f32(e->type, type.data, type.type, hidden);
    e->bytes += hidden * sizeof *e->type;
    return RK_OK;
}

/* What will run, from the weights of the encoder; all of one kind. */
static rk_status choose_precision(rk_engine *e, const rk_source *s, rk_compute compute,
                                  rk_error *err)
{
    const rk_dtype type = s->layer[0].q.w.type;

    if (type == RK_DT_I8) {
        e->precision = "int8";
        if (compute != RK_COMPUTE_AUTO)
            return rk_fail(err, RK_E_UNSUPPORTED,
                           "%s: an INT8 model computes in int8; leave --compute out", s->path);
        return RK_OK;
    }
    e->precision = type == RK_DT_F16 ? "fp16" : "fp32";
    if (type == RK_DT_BF16 && compute == RK_COMPUTE_F32)
        return rk_fail(err, RK_E_UNSUPPORTED,
                       "%s: a BF16 model computes in bf16; leave --compute out", s->path);
    if (compute == RK_COMPUTE_BF16 || type == RK_DT_BF16) {
        e->precision = "bf16";
        if (!rk_cpu_bf16(e->level))
            return rk_fail(err, RK_E_UNSUPPORTED,
                           "%s: this processor has no bfloat16 products at level %s", s->path,
                           rk_level_name(e->level));
    }
    return RK_OK;
}

static rk_status build_own(rk_engine *e, const rk_source *s, rk_error *err)
{
    const rk_bert_config *c = s->config;
    rk_status st = RK_OK;

    e->pool = rk_pool_new();
    e->layer = rk_calloc(c->layers, sizeof *e->layer);
    if (!e->pool || !e->layer) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    for (size_t i = 0; !st && i < c->layers; i++) st = build_layer(e, i, s, err);
    if (!st) st = pack_one(e, &e->pooler, s, &s->pooler, c->hidden, c->hidden, "pooler", err);
    if (!st)
        st = pack_one(e, &e->classifier, s, &s->classifier, c->labels.count, c->hidden,
                      "classifier", err);
    return st;
}

static rk_status build_foreign(rk_engine *e, const rk_source *s, rk_compute compute, rk_error *err)
{
    if (compute != RK_COMPUTE_AUTO)
        return rk_fail(err, RK_E_UNSUPPORTED,
                       "%s: an INT8 model computes in int8; leave --compute out", s->path);
    return rk_foreign_build(&e->foreign, s, e->level, &e->bytes, err);
}

rk_status rk_engine_build(rk_engine **out, const rk_source *s, rk_compute compute, rk_error *err)
{
    const rk_bert_config *c = s->config;
    rk_engine *e;
    rk_status st;

    *out = NULL;
    e = rk_calloc(1, sizeof *e);
    if (!e) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    e->level = rk_cpu_level();
    e->kernels = rk_infer_kernels_for(e->level);
    st = choose_precision(e, s, compute, err);
    if (st) goto done;
    st = rk_bert_config_copy(&e->config, c, err);
    if (st) goto done;
    st = build_embeddings(e, s, err);
    if (!st) st = rk_foreign_needed(s) ? build_foreign(e, s, compute, err) : build_own(e, s, err);
    if (!st && s->bias) st = rk_engine_calibrate(e, *s->scale, s->bias, err);
    if (st) goto done;
    *out = e;
    e = NULL;
done:
    rk_engine_close(e);
    return st;
}

rk_status rk_engine_calibrate(rk_engine *e, float scale, const float *bias, rk_error *err)
{
    const size_t labels = e->config.labels.count;
    float *copy = NULL;

    if (bias) {
        copy = rk_calloc(labels, sizeof *copy);
        if (!copy) return rk_fail(err, RK_E_MEMORY, "out of memory");
        memcpy(copy, bias, labels * sizeof *copy);
    }
    rk_free(e->bias);
    e->bias = copy;
    e->scale = scale;
    return RK_OK;
}

rk_status rk_engine_share(rk_engine **out, const rk_engine *e, rk_error *err)
{
    rk_engine *other = rk_calloc(1, sizeof *other);
    rk_status st;

    *out = NULL;
    if (!other) return rk_fail(err, RK_E_MEMORY, "out of memory");
    memcpy(other, e, offsetof(rk_engine, scratch));
    other->shares = true;
    other->bias = NULL;
    st = rk_engine_calibrate(other, e->scale, e->bias, err);
    if (st) {
        rk_engine_close(other);
        return st;
    }
    *out = other;
    return RK_OK;
}

static void free_table(rk_table *t)
{
    rk_free_aligned((void *)(uintptr_t)t->data);
    rk_free_aligned((void *)(uintptr_t)t->scale);
}

static void free_weights(rk_engine *e)
{
    for (size_t i = 0; e->layer && i < e->config.layers; i++) {
        rk_engine_layer *l = &e->layer[i];
        rk_packed *all[] = { l->qkv.w, l->q.w, l->kv.w, l->attn.w, l->inter.w, l->out.w };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) rk_packed_free(all[k]);
        for (size_t h = 0; l->folded.key && h < e->config.heads; h++)
            rk_packed_free(l->folded.key[h].w);
        for (size_t h = 0; l->folded.value && h < e->config.heads; h++)
            rk_packed_free(l->folded.value[h].w);
        rk_free(l->folded.key);
        rk_free(l->folded.value);
        rk_free_aligned(l->norms);
    }
    rk_free(e->layer);
    rk_foreign_close(e->foreign);
    rk_packed_free(e->pooler.w);
    rk_packed_free(e->classifier.w);
    rk_pool_free(e->pool);
    free_table(&e->word);
    free_table(&e->position);
    rk_free_aligned(e->type);
    rk_free_aligned(e->emb_norm);
    rk_bert_config_free(&e->config);
}

void rk_engine_close(rk_engine *e)
{
    if (!e) return;
    rk_free(e->bias);
    rk_free_aligned(e->scratch.block);
    rk_foreign_scratch_free(e->foreign_scratch);
    if (!e->shares) free_weights(e);
    rk_free(e);
}

const rk_bert_config *rk_engine_config(const rk_engine *e)
{
    return &e->config;
}

const char *rk_engine_precision(const rk_engine *e)
{
    return e->precision;
}

size_t rk_engine_bytes(const rk_engine *e)
{
    return e->bytes;
}
