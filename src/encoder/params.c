#include "encoder/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "file/weights.h"

enum { ALIGN = 16, PER_LAYER = 16, FIXED = 9 }; /* floats in a cache line; parameters */

typedef struct layout {
    rk_params *p;
    size_t next, end; /* parameter, float */
} layout;

static bool add(layout *l, bool glue, bool decay, bool quantised, size_t rows, size_t cols,
                const char *format, ...)
{
    rk_param *q = &l->p->param[l->next];
    va_list args;

    va_start(args, format);
    vsnprintf(q->name, sizeof q->name, format, args);
    va_end(args);
    q->rank = cols ? 2 : 1;
    q->dim[0] = rows;
    q->dim[1] = cols ? cols : 1;
    q->decay = decay;
    q->quantised = quantised;
    if (!glue) l->end = (l->end + ALIGN - 1) / ALIGN * ALIGN;
    q->offset = l->end;
    if (!rk_mul(&q->count, q->dim[0], q->dim[1]) || !rk_add(&l->end, l->end, q->count))
        return false;
    l->next++;
    return l->end <= SIZE_MAX / sizeof(float) / 2;
}

static bool add_layer(layout *l, const rk_bert_config *c, size_t i)
{
    static const char *const part[] = {"query", "key", "value"};
    const char *at = "bert.encoder.layer";
    const size_t h = c->hidden;
    bool ok = true;

    for (int k = 0; k < 3; k++) /* glued: [3 hidden, hidden] is one matrix */
        ok = ok &&
             add(l, k > 0, true, true, h, h, "%s.%zu.attention.self.%s.weight", at, i, part[k]);
    for (int k = 0; k < 3; k++)
        ok = ok &&
             add(l, k > 0, false, false, h, 0, "%s.%zu.attention.self.%s.bias", at, i, part[k]);
    return ok && add(l, 0, 1, 1, h, h, "%s.%zu.attention.output.dense.weight", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.attention.output.dense.bias", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.attention.output.LayerNorm.weight", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.attention.output.LayerNorm.bias", at, i) &&
           add(l, 0, 1, 1, c->inner, h, "%s.%zu.intermediate.dense.weight", at, i) &&
           add(l, 0, 0, 0, c->inner, 0, "%s.%zu.intermediate.dense.bias", at, i) &&
           add(l, 0, 1, 1, h, c->inner, "%s.%zu.output.dense.weight", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.output.dense.bias", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.output.LayerNorm.weight", at, i) &&
           add(l, 0, 0, 0, h, 0, "%s.%zu.output.LayerNorm.bias", at, i);
}

static bool lay_out(layout *l, const rk_bert_config *c)
{
    const char *at = "bert.embeddings";
    const size_t h = c->hidden;
    bool ok = add(l, 0, 1, 1, c->vocab, h, "%s.word_embeddings.weight", at) &&
              add(l, 0, 1, 1, c->positions, h, "%s.position_embeddings.weight", at) &&
              add(l, 0, 1, 1, c->types, h, "%s.token_type_embeddings.weight", at) &&
              add(l, 0, 0, 0, h, 0, "%s.LayerNorm.weight", at) &&
              add(l, 0, 0, 0, h, 0, "%s.LayerNorm.bias", at);
    for (size_t i = 0; ok && i < c->layers; i++) ok = add_layer(l, c, i);
    return ok && add(l, 0, 1, 1, h, h, "bert.pooler.dense.weight") &&
           add(l, 0, 0, 0, h, 0, "bert.pooler.dense.bias") &&
           add(l, 0, 1, 1, c->labels.count, h, "classifier.weight") &&
           add(l, 0, 0, 0, c->labels.count, 0, "classifier.bias");
}

static void point(rk_params *p, const rk_bert_config *c)
{
    const rk_param *q = p->param;
    float *b = p->block;

    p->word = b + q[0].offset;
    p->position = b + q[1].offset;
    p->type = b + q[2].offset;
    p->emb_ln_w = b + q[3].offset;
    p->emb_ln_b = b + q[4].offset;
    q += 5;
    for (size_t i = 0; i < c->layers; i++, q += PER_LAYER) {
        rk_layer *y = &p->layer[i];
        y->qkv_w = b + q[0].offset;
        y->qkv_b = b + q[3].offset;
        y->attn_w = b + q[6].offset;
        y->attn_b = b + q[7].offset;
        y->ln1_w = b + q[8].offset;
        y->ln1_b = b + q[9].offset;
        y->inter_w = b + q[10].offset;
        y->inter_b = b + q[11].offset;
        y->out_w = b + q[12].offset;
        y->out_b = b + q[13].offset;
        y->ln2_w = b + q[14].offset;
        y->ln2_b = b + q[15].offset;
    }
    p->pooler_w = b + q[0].offset;
    p->pooler_b = b + q[1].offset;
    p->class_w = b + q[2].offset;
    p->class_b = b + q[3].offset;
}

rk_status rk_params_new_raw(rk_params **out, const rk_bert_config *c, rk_error *err)
{
    rk_params *p = rk_calloc(1, sizeof *p);
    layout l = {p, 0, 0};

    *out = NULL;
    if (!p) return rk_fail(err, RK_E_MEMORY, "out of memory for the model");
    p->params = FIXED + PER_LAYER * c->layers;
    p->param = rk_calloc(p->params, sizeof *p->param);
    p->layer = rk_calloc(c->layers, sizeof *p->layer);
    if (!p->param || !p->layer || !lay_out(&l, c)) goto fail;
    p->count = (l.end + ALIGN - 1) / ALIGN * ALIGN;
    p->block = rk_alloc_aligned(p->count, sizeof *p->block);
    if (!p->block) goto fail;
    point(p, c);
    *out = p;
    return RK_OK;
fail:
    rk_params_free(p);
    return rk_fail(err, RK_E_MEMORY,
                   "out of memory for a model of %zu layers, hidden %zu, vocabulary %zu", c->layers,
                   c->hidden, c->vocab);
}

rk_status rk_params_new(rk_params **out, const rk_bert_config *c, rk_error *err)
{
    const rk_status st = rk_params_new_raw(out, c, err);
    if (!st) memset((*out)->block, 0, (*out)->count * sizeof *(*out)->block);
    return st;
}

void rk_params_free(rk_params *p)
{
    if (!p) return;
    rk_free_aligned(p->block);
    rk_free(p->layer);
    rk_free(p->param);
    rk_free(p);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static void init_one(rk_params *p, const rk_bert_config *c, size_t index, uint64_t seed)
{
    const rk_param *q = &p->param[index];
    float *x = p->block + q->offset;
    rk_rng r = {seed, 0x1000 + index, 0};

    if (q->rank == 1) {
        const float v = ends_with(q->name, "LayerNorm.weight") ? 1.0f : 0.0f;
        for (size_t i = 0; i < q->count; i++) x[i] = v;
        return;
    }
    for (size_t i = 0; i < q->count; i++) x[i] = c->init_range * rk_rng_normal(&r);
}

void rk_params_init(rk_params *p, const rk_bert_config *c, uint64_t seed)
{
    for (size_t i = 0; i < p->params; i++) init_one(p, c, i, seed);
    /* the padding token's row is zero, as torch's padding_idx makes it */
    if ((size_t)c->pad_id < c->vocab)
        memset(p->word + (size_t)c->pad_id * c->hidden, 0, c->hidden * sizeof(float));
}

/* The names a parameter may have in a file: as ours, without "bert.", and with gamma/beta. */
static const rk_tensor *lookup(const rk_weights *w, const char *name, const char **twice)
{
    const rk_tensor *found = NULL;
    char old[128];

    *twice = NULL;
    for (int form = 0; form < 4; form++) {
        const char *from = name;
        const rk_tensor *t;
        if (form & 1) {
            if (strncmp(name, "bert.", 5) != 0) continue;
            from = name + 5;
        }
        snprintf(old, sizeof old, "%s", from);
        if (form & 2) {
            if (!strstr(from, "LayerNorm.")) continue;
            snprintf(strstr(old, "LayerNorm.") + 10, 8, "%s",
                     ends_with(from, "weight") ? "gamma" : "beta");
        }
        t = rk_weights_find(w, old);
        if (t && found) *twice = t->name;
        if (t && !found) found = t;
    }
    return found;
}

/* Piece by piece: the file need not lie in memory beside what is made of it. */
static void convert(float *out, const rk_weights *w, const rk_tensor *t, size_t n)
{
    enum { PIECE = 1 << 20 }; /* floats */
    const size_t size = rk_dtype_size(t->type);

    for (size_t i = 0; i < n; i += PIECE) {
        const size_t m = n - i < PIECE ? n - i : PIECE;
        const unsigned char *from = (const unsigned char *)t->data + i * size;
        rk_to_f32(out + i, from, t->type, m);
        rk_weights_forget(w, from + m * size);
    }
}

static rk_status copy_in(float *out, const rk_param *q, const rk_weights *w, const rk_tensor *t,
                         const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *shown = rk_quote(name, t->name, strlen(t->name));

    if (t->rank != q->rank || t->dim[0] != q->dim[0] || (q->rank == 2 && t->dim[1] != q->dim[1])) {
        char shape[160] = "";
        size_t n = 0;
        for (size_t i = 0; i < t->rank; i++)
            n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%zu", i ? ", " : "", t->dim[i]);
        if (q->rank == 2)
            return rk_fail(err, RK_E_FORMAT, "%s: tensor %s has shape [%s]; [%zu, %zu] is wanted",
                           path, shown, shape, q->dim[0], q->dim[1]);
        return rk_fail(err, RK_E_FORMAT, "%s: tensor %s has shape [%s]; [%zu] is wanted", path,
                       shown, shape, q->dim[0]);
    }
    if (t->type != RK_DT_F32 && t->type != RK_DT_F16 && t->type != RK_DT_BF16 &&
        t->type != RK_DT_F64)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor %s is %s; F32, F16, BF16 or F64 is wanted",
                       path, shown, rk_dtype_name(t->type));
    convert(out, w, t, q->count);
    for (size_t i = 0; i < q->count; i++)
        if (!isfinite(out[i]))
            return rk_fail(err, RK_E_FORMAT, "%s: tensor %s is not finite at element %zu", path,
                           shown, i);
    return RK_OK;
}

static rk_status missing(const rk_params *p, const rk_weights *w, const char *path, rk_error *err)
{
    char list[800] = "";
    const char *twice;
    size_t total = 0, n = 0;

    for (size_t i = 0; i < p->params; i++) {
        if (lookup(w, p->param[i].name, &twice)) continue;
        if (total++ < 10 && n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", total > 1 ? ", " : "",
                                  p->param[i].name);
    }
    return rk_fail(err, RK_E_FORMAT, "%s: %zu tensors are missing: %s%s", path, total, list,
                   total > 10 ? ", ..." : "");
}

rk_status rk_params_load(rk_params *p, const rk_bert_config *c, const rk_weights *w, uint64_t seed,
                         const char **made, rk_error *err)
{
    char path[RK_QUOTE_SIZE], name[RK_QUOTE_SIZE];
    bool pooler = false, head = false;

    rk_quote(path, w->path, strlen(w->path));
    *made = NULL;
    for (size_t i = 0; i < p->params; i++) {
        const rk_param *q = &p->param[i];
        const char *twice;
        const rk_tensor *t = lookup(w, q->name, &twice);
        rk_status st;
        if (twice)
            return rk_fail(err, RK_E_FORMAT, "%s: tensors %s and %s are the same parameter", path,
                           t->name, rk_quote(name, twice, strlen(twice)));
        if (t) {
            st = copy_in(p->block + q->offset, q, w, t, path, err);
            if (st) return st;
            continue;
        }
        if (i + 4 < p->params) return missing(p, w, path, err);
        init_one(p, c, i, seed);
        if (i + 2 < p->params)
            pooler = true;
        else
            head = true;
    }
    if (pooler || head)
        *made = pooler && head ? "pooler, classifier" : pooler ? "pooler" : "classifier";
    return RK_OK;
}

rk_status rk_params_save(const rk_params *p, const char *path, rk_error *err)
{
    rk_tensor *t = rk_calloc(p->params, sizeof *t);
    json_t *meta = json_pack("{s:s}", "format", "pt");
    rk_status st;

    if (!t || !meta) {
        rk_free(t);
        json_decref(meta);
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    }
    for (size_t i = 0; i < p->params; i++) {
        const rk_param *q = &p->param[i];
        t[i] = (rk_tensor){q->name,
                           RK_DT_F32,
                           q->rank,
                           {q->dim[0], q->dim[1]},
                           p->block + q->offset,
                           q->count * sizeof(float)};
    }
    st = rk_safetensors_save(path, t, p->params, meta, err);
    rk_free(t);
    json_decref(meta);
    return st;
}

const rk_param *rk_params_find(const rk_params *p, const char *name)
{
    for (size_t i = 0; i < p->params; i++)
        if (strcmp(p->param[i].name, name) == 0) return &p->param[i];
    return NULL;
}
