#include "encoder/ranges.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

size_t rk_site_count(const rk_bert_config *c)
{
    return RK_SITES_PER_LAYER * c->layers + 2;
}

void rk_site_name(char out[96], const rk_bert_config *c, size_t site)
{
    static const char *const part[] = {"attention.self", "attention.output.dense",
                                       "intermediate.dense", "output.dense"};
    const size_t layer = site / RK_SITES_PER_LAYER;
    if (layer < c->layers)
        snprintf(out, 96, "bert.encoder.layer.%zu.%s.input", layer,
                 part[site % RK_SITES_PER_LAYER]);
    else
        snprintf(out, 96, "%s.input",
                 site == RK_SITES_PER_LAYER * c->layers ? "bert.pooler.dense" : "classifier");
}

rk_status rk_ranges_new(rk_ranges **out, const rk_bert_config *c, const rk_params *p,
                        rk_qat precision, rk_error *err)
{
    rk_ranges *r = rk_calloc(1, sizeof *r);

    *out = NULL;
    if (!r) goto fail;
    r->precision = precision;
    r->sites = rk_site_count(c);
    r->params = p->params;
    r->weight_scale = rk_calloc(p->params, sizeof *r->weight_scale);
    if (!r->weight_scale) goto fail;
    if (precision == RK_QAT_INT8) {
        r->site = rk_calloc(r->sites, sizeof *r->site);
        if (!r->site) goto fail;
        for (size_t i = 0; i < p->params; i++) {
            if (!p->param[i].quantised) continue;
            r->weight_scale[i] = rk_calloc(p->param[i].dim[0], sizeof(float));
            if (!r->weight_scale[i]) goto fail;
        }
    }
    *out = r;
    return RK_OK;
fail:
    rk_ranges_free(r);
    return rk_fail(err, RK_E_MEMORY, "out of memory for the ranges");
}

void rk_ranges_free(rk_ranges *r)
{
    if (!r) return;
    for (size_t i = 0; r->weight_scale && i < r->params; i++) rk_free(r->weight_scale[i]);
    rk_free(r->weight_scale);
    rk_free(r->site);
    rk_free(r);
}

void rk_ranges_weights(rk_ranges *r, const rk_params *p)
{
    for (size_t i = 0; i < p->params; i++) {
        const rk_param *q = &p->param[i];
        if (r->weight_scale[i])
            rk_quantize_rows_s8(NULL, r->weight_scale[i], p->block + q->offset, q->dim[0],
                                q->dim[1]);
    }
}

/* One tensor list serves saving and checking: four tensors a site, then the weights' scales. */
typedef struct entry {
    char name[128];
    rk_dtype type;
    size_t count;
    void *data;
} entry;

static size_t list_entries(entry *list, const rk_ranges *r, const rk_bert_config *c,
                           const rk_params *p)
{
    char site[96];
    size_t n = 0;

    if (r->precision != RK_QAT_INT8) return 0;
    for (size_t i = 0; i < r->sites; i++) {
        rk_range *s = &r->site[i];
        const struct {
            const char *field;
            rk_dtype type;
            void *data;
        } f[] = {{"scale", RK_DT_F32, &s->q.scale},
                 {"zero_point", RK_DT_U8, &s->q.zero},
                 {"min", RK_DT_F32, &s->min},
                 {"max", RK_DT_F32, &s->max}};
        rk_site_name(site, c, i);
        for (size_t k = 0; k < 4; k++, n++) {
            if (!list) continue;
            list[n] = (entry){"", f[k].type, 1, f[k].data};
            snprintf(list[n].name, sizeof list[n].name, "activation.%s.%s", site, f[k].field);
        }
    }
    for (size_t i = 0; i < p->params; i++) {
        if (!r->weight_scale[i]) continue;
        if (list) {
            list[n] = (entry){"", RK_DT_F32, p->param[i].dim[0], r->weight_scale[i]};
            snprintf(list[n].name, sizeof list[n].name, "weight.%s.scale", p->param[i].name);
        }
        n++;
    }
    return n;
}

rk_status rk_ranges_save(const rk_ranges *r, const rk_bert_config *c, const rk_params *p,
                         const char *path, rk_error *err)
{
    const size_t n = list_entries(NULL, r, c, p);
    entry *list = rk_calloc(n, sizeof *list);
    rk_tensor *t = rk_calloc(n, sizeof *t);
    json_t *meta = json_pack("{s:s, s:s, s:s}", "format", "ringkas-quant", "version", "1",
                             "precision", r->precision == RK_QAT_INT8 ? "int8" : "fp16");
    rk_status st;

    if (!list || !t || !meta) {
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
        goto done;
    }
    list_entries(list, r, c, p);
    for (size_t i = 0; i < n; i++)
        t[i] =
            (rk_tensor){list[i].name,    list[i].type, 1,
                        {list[i].count}, list[i].data, list[i].count * rk_dtype_size(list[i].type)};
    st = rk_safetensors_save(path, t, n, meta, err);
done:
    rk_free(list);
    rk_free(t);
    json_decref(meta);
    return st;
}

static rk_status check_values(const entry *e, const char *path, rk_error *err)
{
    const float *x = e->data;
    const char *dot = strrchr(e->name, '.');
    const bool scale = strcmp(dot, ".scale") == 0;
    for (size_t i = 0; e->type == RK_DT_F32 && i < e->count; i++)
        if (!isfinite(x[i]) || (scale && !(x[i] > 0.0f)))
            return rk_fail(err, RK_E_FORMAT, "%s: tensor %s holds %g at element %zu; %s is wanted",
                           path, e->name, (double)x[i], i,
                           scale ? "a positive scale" : "a finite number");
    return RK_OK;
}

static rk_status read_entry(entry *e, const rk_weights *quant, const char *path, rk_error *err)
{
    const rk_tensor *t = rk_weights_find(quant, e->name);
    if (!t) return rk_fail(err, RK_E_FORMAT, "%s: tensor %s is missing", path, e->name);
    if (t->type != e->type || t->rank != 1 || t->dim[0] != e->count)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor %s must be %s of shape [%zu]", path, e->name,
                       rk_dtype_name(e->type), e->count);
    memcpy(e->data, t->data, t->bytes);
    return check_values(e, path, err);
}

rk_status rk_ranges_load(rk_ranges **out, const rk_bert_config *c, const rk_params *p,
                         const rk_weights *quant, rk_error *err)
{
    char path[RK_QUOTE_SIZE];
    const char *format = json_string_value(json_object_get(quant->metadata, "format"));
    const char *version = json_string_value(json_object_get(quant->metadata, "version"));
    const char *precision = json_string_value(json_object_get(quant->metadata, "precision"));
    rk_ranges *r = NULL;
    entry *list = NULL;
    size_t n;
    rk_status st;

    *out = NULL;
    rk_quote(path, quant->path, strlen(quant->path));
    if (!format || !version || !precision || strcmp(format, "ringkas-quant") != 0 ||
        (strcmp(precision, "int8") != 0 && strcmp(precision, "fp16") != 0))
        return rk_fail(err, RK_E_FORMAT, "%s: not a file of learned ranges (metadata)", path);
    if (strcmp(version, "1") != 0)
        return rk_fail(err, RK_E_FORMAT, "%s: written by a newer version; version 1 is read", path);
    st = rk_ranges_new(&r, c, p, precision[0] == 'i' ? RK_QAT_INT8 : RK_QAT_FP16, err);
    if (st) return st;
    n = list_entries(NULL, r, c, p);
    list = rk_calloc(n, sizeof *list);
    if (!list) {
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
        goto done;
    }
    list_entries(list, r, c, p);
    for (size_t i = 0; i < n && !st; i++) st = read_entry(&list[i], quant, path, err);
    for (size_t i = 0; !st && r->site && i < r->sites; i++)
        if (r->site[i].min > r->site[i].max)
            st = rk_fail(err, RK_E_FORMAT, "%s: site %zu has min %g above max %g", path, i,
                         (double)r->site[i].min, (double)r->site[i].max);
    if (st) goto done;
    *out = r;
    r = NULL;
done:
    rk_free(list);
    rk_ranges_free(r);
    return st;
}
