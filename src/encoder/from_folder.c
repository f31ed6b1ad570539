/* A model folder as the runtime's description: parameters by role, with codes and scales where the
 * folder carries learned ranges. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/calibration.h"
#include "encoder/engine.h"
#include "encoder/params.h"
#include "encoder/ranges.h"
#include "file/model_folder.h"

typedef struct reader {
    rk_folder *folder;
    rk_bert_config config;
    rk_params *params;
    rk_ranges *ranges;            /* NULL: plain float */
    void **codes;                 /* [params]: int8 or half of a quantised parameter, else NULL */
    rk_source source;
    rk_source_layer *layer;
    rk_calibration calibration;
} reader;

static void reader_free(reader *r)
{
    for (size_t i = 0; r->codes && i < r->params->params; i++) rk_free_aligned(r->codes[i]);
    rk_free(r->codes);
    rk_free(r->layer);
    rk_calibration_free(&r->calibration);
    rk_ranges_free(r->ranges);
    rk_params_free(r->params);
    rk_bert_config_free(&r->config);
    rk_folder_close(r->folder);
}

/* The parameter that begins at w (a pointer into the block). */
static size_t index_of(const reader *r, const float *w)
{
    const size_t offset = (size_t)(w - r->params->block);
    size_t i = 0;

    while (i < r->params->params && r->params->param[i].offset != offset) i++;
    return i;
}

static float half_range(float x)
{
    return x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x;
}

/* Codes of every quantised parameter, with the stored scales (INT8) or rounded to half (FP16). */
static rk_status make_codes(reader *r, rk_error *err)
{
    const rk_params *p = r->params;
    const bool half = r->ranges->precision == RK_QAT_FP16;

    r->codes = rk_calloc(p->params, sizeof *r->codes);
    if (!r->codes) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", r->folder->path);
    for (size_t i = 0; i < p->params; i++) {
        const rk_param *param = &p->param[i];
        const float *w = p->block + param->offset;
        const size_t cols = param->dim[1];
        if (!param->quantised) continue;
        r->codes[i] = rk_alloc_aligned(param->count, half ? 2 : 1);
        if (!r->codes[i]) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", r->folder->path);
#pragma omp parallel for schedule(static)
        for (size_t row = 0; row < param->dim[0]; row++)
            for (size_t k = row * cols; k < (row + 1) * cols; k++)
                if (half) ((uint16_t *)r->codes[i])[k] = rk_f16_from_f32(half_range(w[k]));
                else
                    ((int8_t *)r->codes[i])[k] =
                        rk_quantize_s8(w[k], r->ranges->weight_scale[i][row]);
    }
    return RK_OK;
}

/* The Linear whose weight, a parameter of its own, is at w. */
static rk_source_linear linear(const reader *r, const float *w, const float *bias, size_t out,
                               size_t in, size_t site)
{
    rk_source_linear l = {
        .w = { .data = w, .type = RK_DT_F32, .out = out, .in = in, .out_step = in,
               .in_step = 1, .bias = bias },
        .input = { .form = RK_FORM_F32 },
    };
    size_t at;

    if (!r->ranges) return l;
    at = index_of(r, w);
    if (r->ranges->precision == RK_QAT_FP16) {
        l.w.type = RK_DT_F16;
        l.w.data = (const uint16_t *)r->codes[at];
        return l;
    }
    l.w.type = RK_DT_I8;
    l.w.data = (const int8_t *)r->codes[at];
    l.w.scale = r->ranges->weight_scale[at];
    l.input.form = RK_FORM_U8;
    l.input.scale = r->ranges->site[site].q.scale;
    l.input.zero = r->ranges->site[site].q.zero;
    return l;
}

static rk_table table(const reader *r, const float *w, size_t rows)
{
    rk_table t = { .data = w, .type = RK_DT_F32, .rows = rows, .width = r->config.hidden };
    size_t at;

    if (!r->ranges) return t;
    at = index_of(r, w);
    t.data = r->codes[at];
    t.type = r->ranges->precision == RK_QAT_FP16 ? RK_DT_F16 : RK_DT_I8;
    if (t.type == RK_DT_I8) t.scale = r->ranges->weight_scale[at];
    return t;
}

static rk_status describe(reader *r, rk_error *err)
{
    const rk_bert_config *c = &r->config;
    const rk_params *p = r->params;
    const size_t h = c->hidden, sites = RK_SITES_PER_LAYER * c->layers;
    rk_source *s = &r->source;

    r->layer = rk_calloc(c->layers, sizeof *r->layer);
    if (!r->layer) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", r->folder->path);
    for (size_t i = 0; i < c->layers; i++) {
        const rk_layer *in = &p->layer[i];
        const size_t site = RK_SITES_PER_LAYER * i;
        rk_source_layer *l = &r->layer[i];
        l->q = linear(r, in->qkv_w, in->qkv_b, h, h, site + RK_SITE_QKV);
        l->k = linear(r, in->qkv_w + h * h, in->qkv_b + h, h, h, site + RK_SITE_QKV);
        l->v = linear(r, in->qkv_w + 2 * h * h, in->qkv_b + 2 * h, h, h, site + RK_SITE_QKV);
        l->attn = linear(r, in->attn_w, in->attn_b, h, h, site + RK_SITE_ATTN);
        l->inter = linear(r, in->inter_w, in->inter_b, c->inner, h, site + RK_SITE_INTER);
        l->out = linear(r, in->out_w, in->out_b, h, c->inner, site + RK_SITE_OUT);
        l->ln1_w = in->ln1_w;
        l->ln1_b = in->ln1_b;
        l->ln2_w = in->ln2_w;
        l->ln2_b = in->ln2_b;
    }
    s->path = r->folder->path;
    s->config = c;
    s->layer = r->layer;
    s->word = table(r, p->word, c->vocab);
    s->position = table(r, p->position, c->positions);
    s->type = table(r, p->type, c->types);
    s->emb_ln_w = p->emb_ln_w;
    s->emb_ln_b = p->emb_ln_b;
    s->pooler = linear(r, p->pooler_w, p->pooler_b, h, h, sites);
    s->classifier = linear(r, p->class_w, p->class_b, c->labels.count, h, sites + 1);
    return RK_OK;
}

static rk_status calibration(reader *r, rk_error *err)
{
    const json_t *object = json_object_get(r->folder->ringkas, "calibration");
    char where[RK_QUOTE_SIZE];
    rk_status st;

    if (!object) return RK_OK;
    st = rk_calibration_read(&r->calibration, object, r->config.labels.count,
                             rk_quote(where, r->folder->path, strlen(r->folder->path)), err);
    if (st) return st;
    r->source.scale = &r->calibration.scale;
    r->source.bias = r->calibration.bias;
    return RK_OK;
}

rk_status rk_engine_open_folder(rk_engine **out, const char *folder, rk_compute compute,
                                rk_error *err)
{
    reader r = { 0 };
    const char *made = NULL;
    rk_status st;

    *out = NULL;
    st = rk_folder_open(&r.folder, folder, true, err);
    if (st) goto done;
    st = rk_bert_config_read(&r.config, r.folder->config, r.folder->config_path, err);
    if (st) goto done;
    if (r.config.labels.count < 2) {
        st = rk_fail(err, RK_E_FORMAT, "%s: names no labels; train the model first",
                     r.folder->config_path);
        goto done;
    }
    st = rk_params_new(&r.params, &r.config, err);
    if (!st) st = rk_params_load(r.params, &r.config, r.folder->weights, 0, &made, err);
    if (st) goto done;
    if (made) {
        st = rk_fail(err, RK_E_FORMAT, "%s: no %s; train the model first", folder, made);
        goto done;
    }
    if (r.folder->quant) {
        st = rk_ranges_load(&r.ranges, &r.config, r.params, r.folder->quant, err);
        if (!st) st = make_codes(&r, err);
        if (st) goto done;
    }
    st = describe(&r, err);
    if (!st) st = calibration(&r, err);
    if (!st) st = rk_engine_build(out, &r.source, compute, err);
done:
    reader_free(&r);
    return st;
}
