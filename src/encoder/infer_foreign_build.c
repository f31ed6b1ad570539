/* Packing of files with quantisation that is not ours. */
#include <string.h>

#include "base/mem.h"
#include "encoder/infer_foreign.h"

static bool linear_needs(const rk_source_linear *l)
{
    return l->dynamic || l->zero || l->product.on || l->end.on;
}

bool rk_foreign_needed(const rk_source *s)
{
    const rk_dtype type = s->layer[0].q.w.type;

    if (linear_needs(&s->pooler) || linear_needs(&s->classifier)) return true;
    for (size_t i = 0; i < s->config->layers; i++) {
        const rk_source_layer *l = &s->layer[i];
        const rk_source_linear *all[] = {&l->q, &l->k, &l->v, &l->attn, &l->inter, &l->out};
        if (l->attention.rounds || l->input.on || l->middle.on) return true;
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            if (linear_needs(all[k])) return true;
        if (l->q.w.type != type || l->k.w.type != type || l->v.w.type != type) return true;
    }
    return false;
}

static bool sane(float scale)
{
    return scale >= 1e-18f && scale <= 1e18f;
}

/* Sums of codes and copies of what the epilogue needs. */
static rk_status keep(rk_foreign_linear *out, const rk_source *s, const rk_source_linear *l,
                      const char *what, size_t *bytes, rk_error *err)
{
    const rk_weight *w = &l->w;
    const int8_t *codes = w->data;

    out->scales = rk_calloc(w->out, sizeof *out->scales);
    out->bias = rk_calloc(w->out, sizeof *out->bias);
    out->sums = rk_calloc(w->out, sizeof *out->sums);
    out->zeros = rk_calloc(w->out, sizeof *out->zeros);
    if (!out->scales || !out->bias || !out->sums || !out->zeros)
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    *bytes += 4 * w->out * sizeof *out->scales;
    for (size_t n = 0; n < w->out; n++) {
        if (!sane(w->scale[n]))
            return rk_fail(err, RK_E_FORMAT, "%s: %s: scale %g of output %zu; want 1e-18 to 1e18",
                           s->path, what, (double)w->scale[n], n);
        out->scales[n] = w->scale[n];
        out->bias[n] = w->bias[n];
        out->zeros[n] = l->zero ? l->zero[n] : 0;
        for (size_t k = 0; k < w->in; k++) out->sums[n] += codes[n * w->out_step + k * w->in_step];
    }
    return RK_OK;
}

static rk_status pack(rk_foreign_linear *out, const rk_source *s, const rk_source_linear *l,
                      size_t rows, size_t in, rk_level level, const char *what, size_t *bytes,
                      rk_error *err)
{
    rk_weight w = l->w;
    float *ones = NULL;
    rk_status st;

    if (w.out != rows || w.in != in)
        return rk_fail(err, RK_E_FORMAT, "%s: %s is [%zu, %zu]; want [%zu, %zu]", s->path, what,
                       w.out, w.in, rows, in);
    if (w.in > RK_PACKED_K_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: %s has %zu inputs; want at most %d", s->path, what,
                       w.in, RK_PACKED_K_MAX);
    *out = (rk_foreign_linear){
        .integer = w.type == RK_DT_I8,
        .dynamic = l->dynamic,
        .input = l->input,
        .scale = l->input.scale,
        .zero = l->input.zero,
        .product = l->product,
        .end = l->end,
    };
    if ((out->integer && !out->dynamic && !sane(out->scale)) ||
        (out->product.on && !sane(out->product.scale)) || (out->end.on && !sane(out->end.scale)))
        return rk_fail(err, RK_E_FORMAT, "%s: %s: a scale outside 1e-18 to 1e18", s->path, what);
    if (out->integer) {
        st = keep(out, s, l, what, bytes, err);
        if (st) return st;
        ones = rk_calloc(rows, sizeof *ones);
        if (!ones) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
        for (size_t n = 0; n < rows; n++) ones[n] = 1;
        w.scale = ones;
        w.bias = NULL;
        out->input = (rk_matrix){.form = RK_FORM_U8, .scale = 1};
    } else if (out->product.on) {
        return rk_fail(err, RK_E_UNSUPPORTED, "%s: %s: a rounded product of float weights", s->path,
                       what);
    }
    st = rk_packed_new(&out->w, &w, 1, &out->input, level, NULL, err);
    rk_free(ones);
    if (st) return rk_fail_prefix(err, st, "%s: %s: ", s->path, what);
    *bytes += rk_packed_bytes(out->w);
    return rk_copies_fit(s->bytes, *bytes, s->path, err);
}

static rk_status check_rounding(const rk_source *s, const rk_source_layer *l, rk_error *err)
{
    const rk_source_attention *a = &l->attention;
    const rk_quantiser *all[] = {&l->input, &l->middle, &a->q,           &a->k,
                                 &a->v,     &a->score,  &a->probability, &a->context};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->on && !sane(all[i]->scale))
            return rk_fail(err, RK_E_FORMAT, "%s: a rounding of scale %g; want 1e-18 to 1e18",
                           s->path, (double)all[i]->scale);
    return RK_OK;
}

static rk_status layer(rk_foreign_layer *out, const rk_source *s, const rk_source_layer *l,
                       rk_level level, size_t *bytes, rk_error *err)
{
    const size_t hidden = s->config->hidden, inner = s->config->inner;
    const float *norms[] = {l->ln1_w, l->ln1_b, l->ln2_w, l->ln2_b};
    rk_status st = check_rounding(s, l, err);

    if (!st) st = pack(&out->q, s, &l->q, hidden, hidden, level, "query", bytes, err);
    if (!st) st = pack(&out->k, s, &l->k, hidden, hidden, level, "key", bytes, err);
    if (!st) st = pack(&out->v, s, &l->v, hidden, hidden, level, "value", bytes, err);
    if (!st)
        st = pack(&out->attn, s, &l->attn, hidden, hidden, level, "attention output", bytes, err);
    if (!st) st = pack(&out->inter, s, &l->inter, inner, hidden, level, "intermediate", bytes, err);
    if (!st) st = pack(&out->out, s, &l->out, hidden, inner, level, "output", bytes, err);
    if (st) return st;
    out->norms = rk_alloc_aligned(4 * hidden, sizeof *out->norms);
    if (!out->norms) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    for (size_t i = 0; i < 4; i++)
        memcpy(out->norms + i * hidden, norms[i], hidden * sizeof *out->norms);
    *bytes += 4 * hidden * sizeof *out->norms;
    out->attention = l->attention;
    out->input = l->input;
    out->middle = l->middle;
    return RK_OK;
}

rk_status rk_foreign_build(rk_foreign **out, const rk_source *s, rk_level level, size_t *bytes,
                           rk_error *err)
{
    const rk_bert_config *c = s->config;
    rk_foreign *f = rk_calloc(1, sizeof *f);
    rk_status st = RK_OK;

    *out = NULL;
    if (!f) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    f->layer = rk_calloc(c->layers, sizeof *f->layer);
    if (f->layer)
        f->layers = c->layers;
    else
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", s->path);
    for (size_t i = 0; !st && i < c->layers; i++)
        st = layer(&f->layer[i], s, &s->layer[i], level, bytes, err);
    if (!st)
        st = pack(&f->pooler, s, &s->pooler, c->hidden, c->hidden, level, "pooler", bytes, err);
    if (!st)
        st = pack(&f->classifier, s, &s->classifier, c->labels.count, c->hidden, level,
                  "classifier", bytes, err);
    if (st)
        rk_foreign_close(f);
    else
        *out = f;
    return st;
}

static void free_linear(rk_foreign_linear *l)
{
    rk_packed_free(l->w);
    rk_free(l->scales);
    rk_free(l->bias);
    rk_free(l->zeros);
    rk_free(l->sums);
}

void rk_foreign_close(rk_foreign *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->layers; i++) {
        rk_foreign_layer *l = &f->layer[i];
        rk_foreign_linear *all[] = {&l->q, &l->k, &l->v, &l->attn, &l->inter, &l->out};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) free_linear(all[k]);
        rk_free_aligned(l->norms);
    }
    rk_free(f->layer);
    free_linear(&f->pooler);
    free_linear(&f->classifier);
    rk_free(f);
}

void rk_foreign_scratch_free(rk_foreign_scratch *s)
{
    if (!s) return;
    rk_free_aligned(s->block);
    rk_free(s);
}
