/* An ONNX file as the runtime's description: the graph is walked from its output back to the ids,
 * and every part is known by what it does, not by its name. */
#include "encoder/from_onnx.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "onnx/check.h"

enum { LAYERS_MAX = 1000 };

typedef struct reader {
    rk_walk w;
    rk_bert_config config;
    rk_source source;
    rk_source_layer *layer;       /* [room]; the last layer first until all are found */
    size_t room;
    size_t biases;                /* of a calibration */
    json_t *metadata;
} reader;

static rk_status linear(reader *r, rk_source_linear *out, const char **input, const char *value,
                        const char *wanted)
{
    bool fits;
    rk_status st = rk_walk_linear(&r->w, out, input, &fits, value);

    if (st || fits) return st;
    return rk_walk_misfit(&r->w, rk_walk_behind(&r->w, value), wanted);
}

/* ---- layers ---- */

/* LayerNorm(Linear + residual): the residual is the operand that the Linear is not. */
static rk_status residual(reader *r, rk_source_linear *out, const char **input, const char **rest,
                          rk_quantiser *round, const char *sum, bool *fits)
{
    rk_walk *w = &r->w;
    const char *pair[2];

    *fits = false;
    round->on = false;
    if (rk_walk_node(w, sum, "DequantizeLinear"))
        return rk_walk_misfit(w, rk_walk_behind(w, sum), "a sum that is not rounded");
    if (!rk_walk_pair(w, "Add", sum, pair)) return RK_OK;
    for (size_t i = 0; i < 2 && !*fits; i++) {
        rk_status st = rk_walk_linear(w, out, input, fits, pair[i]);
        if (st) return st;
        if (!*fits) continue;
        *rest = pair[1 - i];
        st = rk_walk_rounding(w, round, rest);
        if (st) return st;
        *rest = rk_walk_behind(w, *rest);
    }
    return RK_OK;
}

/* Who reads a value that the residual has rounded must read the rounded one. */
static bool reads_rounded(const rk_source_linear *l, const rk_quantiser *q)
{
    return !q->on || (l->input.form == RK_FORM_U8 && !l->dynamic && l->input.scale == q->scale &&
                      l->input.zero == q->zero - q->least);
}

static rk_status same_config(reader *r, const char *value, float eps, rk_activation act,
                             size_t count, size_t inner)
{
    rk_bert_config *c = &r->config;

    if (c->layers == 0) {
        c->act = act;
        c->heads = count;
        c->inner = inner;
    }
    if (c->eps == eps && c->act == act && c->heads == count && c->inner == inner) return RK_OK;
    return rk_walk_misfit(&r->w, value,
                          "the same heads, width, activation and epsilon in all layers");
}

/* The layer that ends at *value, if one does; *value becomes its input. */
static rk_status layer(reader *r, const char **value, bool *fits)
{
    rk_walk *w = &r->w;
    rk_source_layer l = { 0 };
    const char *sum, *inner, *between, *activated, *rest, *context, *input;
    rk_activation act;
    float eps, eps1;
    size_t count = 0, width = r->config.hidden;
    rk_status st = rk_walk_norm(w, &l.ln2_w, &l.ln2_b, &eps, &width, &sum, *value);

    if (st) return st;
    r->config.hidden = width;
    st = residual(r, &l.out, &inner, &between, &l.middle, sum, fits);
    if (st || !*fits) return st;
    if (r->config.layers == 0) r->config.eps = eps;
    st = rk_walk_activation(w, &act, &activated, inner);
    if (!st) st = linear(r, &l.inter, &input, activated, "the intermediate Linear");
    if (st) return st;
    if (strcmp(rk_walk_behind(w, input), between) != 0 || !reads_rounded(&l.inter, &l.middle))
        return rk_walk_misfit(w, activated, "the LayerNormalization that the residual comes from");
    st = rk_walk_norm(w, &l.ln1_w, &l.ln1_b, &eps1, &width, &sum, between);
    if (!st) st = residual(r, &l.attn, &context, &rest, &l.input, sum, fits);
    if (st) return st;
    if (!*fits) return rk_walk_misfit(w, rk_walk_behind(w, sum), "attention output plus residual");
    st = rk_walk_attention(w, &l, &input, &count, context);
    if (st) return st;
    if (strcmp(input, rest) != 0 || !reads_rounded(&l.q, &l.input) ||
        !reads_rounded(&l.k, &l.input) || !reads_rounded(&l.v, &l.input))
        return rk_walk_misfit(w, context, "attention of the value that the residual comes from");
    st = same_config(r, *value, eps, act, count, l.inter.w.out);
    if (!st && eps1 != eps) st = rk_walk_misfit(w, between, "the same epsilon in all layers");
    if (st) return st;
    if (r->config.layers == r->room) {
        const size_t room = r->room ? 2 * r->room : 16;
        rk_source_layer *list =
            room <= 2 * LAYERS_MAX ? rk_realloc(r->layer, room, sizeof *list) : NULL;
        if (!list) return rk_walk_memory(w);
        r->layer = list;
        r->room = room;
    }
    r->layer[r->config.layers++] = l;
    *value = rest;
    return RK_OK;
}

/* A calibration behind the classifier: Add(Mul(value, one scale), biases). *value becomes what it
 * reads; without one all stays. */
static rk_status calibration(reader *r, const char **value)
{
    rk_walk *w = &r->w;
    const char *sum[2], *product[2];

    if (!rk_walk_pair(w, "Add", *value, sum)) return RK_OK;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++) {
            double scale;
            float *kept;
            if (!rk_walk_pair(w, "Mul", sum[i], product)) continue;
            if (!rk_walk_scalar(w, &scale, product[k])) continue;
            kept = rk_walk_alloc(w, 1, sizeof *kept);
            if (!kept) return rk_walk_memory(w);
            *kept = (float)scale;
            r->source.scale = kept;
            *value = product[1 - k];
            return rk_walk_floats(w, &r->source.bias, &r->biases, sum[1 - i]);
        }
    return RK_OK;
}

/* Whether [batch, sequence, hidden] becomes [batch, hidden] of the first tokens. */
static bool first_token(rk_walk *w, size_t example, const char *value, const char *from)
{
    const size_t b = w->example[example]->batch, l = w->example[example]->length;
    rk_array v;
    bool ok = rk_walk_view(w, &v, example, value, from) && v.rank == 2 && v.dim[0] == b;

    for (size_t i = 0; ok && i < v.count; i++)
        ok = v.data[i] == (double)(i / v.dim[1] * l * v.dim[1] + i % v.dim[1]);
    rk_free(v.data);
    return ok;
}

/* The first rounding behind value, where there is one. */
static const char *rounding_of(const rk_walk *w, const char *value)
{
    for (const char *at = value;;) {
        const Onnx__NodeProto *n = rk_index_producer(w->x, rk_walk_behind(w, at));
        if (!n || n->n_input < 1) return value;
        if (rk_node_is(n, "DequantizeLinear")) return rk_node_output(n, 0);
        at = rk_node_input(n, 0);
    }
}

/* The first node whose shape the examples do not know, where they do not know value's. */
static rk_status shape_follows(const rk_walk *w, const char *value)
{
    for (size_t e = 0; e < 2; e++) {
        if (rk_example_find(w->example[e], value)) continue;
        for (size_t i = 0; i < w->g->n_node; i++) {
            const char *made = rk_node_output(w->g->node[i], 0);
            if (made && !rk_example_find(w->example[e], made))
                return rk_walk_misfit(w, made, "inputs whose shapes fit together");
        }
    }
    return RK_OK;
}

/* From the logits to the last layer's output. */
static rk_status head(reader *r, const char **value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *tanh_node;
    const char *in, *logits;
    rk_chain first;
    rk_status st;

    if (w->g->n_output != 1)
        return rk_fail(w->err, RK_E_UNSUPPORTED, "%s: %zu graph outputs; want the logits only",
                       w->m->shown, w->g->n_output);
    logits = w->g->output[0]->name;
    st = calibration(r, &logits);
    if (!st) st = linear(r, &r->source.classifier, &in, logits, "the classifier's Linear");
    if (st) return st;
    if (r->source.bias && r->biases != r->source.classifier.w.out)
        return rk_walk_misfit(w, w->g->output[0]->name, "one bias of the calibration a label");
    tanh_node = rk_walk_node(w, in, "Tanh");
    if (!tanh_node) return rk_walk_misfit(w, rk_walk_behind(w, in), "the pooler's Tanh");
    st = linear(r, &r->source.pooler, &in, rk_node_input(tanh_node, 0), "the pooler's Linear");
    if (st) return st;
    st = rk_walk_chain(w, &first, in);
    if (st) return st;
    if (first.round.on)
        return rk_walk_misfit(w, rounding_of(w, in), "the last layer's output, not rounded");
    st = shape_follows(w, first.from);
    if (st) return st;
    if (first.before != 1 || first.after != 1 ||
        !first_token(w, 0, in, first.from) ||
        !first_token(w, 1, in, first.from))
        return rk_walk_misfit(w, rk_walk_behind(w, in), "the first token of each row");
    *value = first.from;
    return RK_OK;
}

static rk_status graph(reader *r)
{
    const char *value = NULL;
    float eps = 0;
    bool fits = true;
    rk_bert_config *c = &r->config;
    rk_source *s = &r->source;
    rk_status st = head(r, &value);

    while (!st && fits) st = layer(r, &value, &fits);
    if (st) return st;
    if (c->layers == 0) return rk_walk_misfit(&r->w, value, "a layer of the encoder");
    st = rk_walk_embeddings(&r->w, s, &eps, value);
    if (st) return st;
    if (eps != c->eps || s->word.width != c->hidden)
        return rk_walk_misfit(&r->w, value, "the same epsilon and width in all layers");
    for (size_t i = 0; i < c->layers / 2; i++) {
        const rk_source_layer swap = r->layer[i];
        r->layer[i] = r->layer[c->layers - 1 - i];
        r->layer[c->layers - 1 - i] = swap;
    }
    c->vocab = s->word.rows;
    c->positions = s->position.rows;
    c->types = s->type.rows;
    s->layer = r->layer;
    return RK_OK;
}

/* ---- what the metadata says ---- */

static rk_status read_metadata(reader *r)
{
    const Onnx__ModelProto *p = r->w.m->proto;

    r->metadata = json_object();
    for (size_t i = 0; r->metadata && i < p->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *e = p->metadata_props[i];
        if (!e->key || !e->value) continue;
        json_t *text = json_string(e->value);
        if (!text)
            return rk_fail(r->w.err, RK_E_FORMAT, "%s: metadata %zu is not valid UTF-8",
                           r->w.m->shown, i);
        if (json_object_set_new(r->metadata, e->key, text)) return rk_walk_memory(&r->w);
    }
    return r->metadata ? RK_OK : rk_walk_memory(&r->w);
}

static rk_status numbered_labels(reader *r, size_t count)
{
    rk_labels *l = &r->config.labels;

    l->name = rk_calloc(count, sizeof *l->name);
    if (!l->name) return rk_walk_memory(&r->w);
    l->count = count;
    for (size_t i = 0; i < count; i++) {
        json_t *name = json_sprintf("LABEL_%zu", i);
        l->name[i] = name ? rk_strdup(json_string_value(name)) : NULL;
        json_decref(name);
        if (!l->name[i]) return rk_walk_memory(&r->w);
    }
    return RK_OK;
}

/* Names from the metadata; a file without them has LABEL_0, LABEL_1, ... as transformers names
 * them. */
static rk_status labels(reader *r)
{
    const char *shown = r->w.m->shown;
    const char *text = json_string_value(json_object_get(r->metadata, "ringkas.labels"));
    const size_t count = r->source.classifier.w.out;
    json_t *list = NULL;
    const char **names = NULL;
    rk_status st;

    if (count < 2)
        return rk_fail(r->w.err, RK_E_UNSUPPORTED, "%s: a classifier of %zu label; want 2 or more",
                       shown, count);
    if (!text) return numbered_labels(r, count);
    st = rk_json_parse(&list, text, strlen(text), shown, r->w.err);
    if (st) return st;
    names = rk_walk_alloc(&r->w, count, sizeof *names);
    if (!names) {
        st = rk_walk_memory(&r->w);
        goto done;
    }
    if (!json_is_array(list) || json_array_size(list) != count) {
        st = rk_fail(r->w.err, RK_E_FORMAT, "%s: ringkas.labels is not a list of %zu names", shown,
                     count);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (!names[i]) {
            st =
                rk_fail(r->w.err, RK_E_FORMAT, "%s: ringkas.labels: name %zu is no text", shown, i);
            goto done;
        }
    }
    st = rk_labels_copy(&r->config.labels, names, count, r->w.err);
done:
    json_decref(list);
    return st;
}

rk_status rk_engine_read_onnx(rk_engine **out, rk_onnx *m, rk_compute compute, json_t **metadata,
                              rk_error *err)
{
    reader r = { .w = { .m = m, .g = m->proto->graph, .err = err } };
    rk_status st;

    *out = NULL;
    if (metadata) *metadata = NULL;
    st = rk_onnx_check(m, err);
    if (!st) st = rk_index_new(&r.w.x, r.w.g, m->shown, err);
    if (!st) st = read_metadata(&r);
    if (!st) st = rk_walk_feed(&r.w);
    if (!st) st = graph(&r);
    if (!st) st = labels(&r);
    if (st) goto done;
    r.source.path = m->shown;
    r.source.config = &r.config;
    r.source.bytes = m->bytes;
    st = rk_engine_build(out, &r.source, compute, err);
    if (st || !metadata) goto done;
    *metadata = r.metadata;
    r.metadata = NULL;
done:
    json_decref(r.metadata);
    rk_bert_config_free(&r.config);
    rk_free(r.layer);
    rk_walk_close(&r.w);
    return st;
}

rk_status rk_engine_open_onnx(rk_engine **out, const char *path, rk_compute compute,
                              json_t **metadata, rk_error *err)
{
    rk_onnx *m = NULL;
    rk_status st = rk_onnx_view(&m, path, err);

    *out = NULL;
    if (metadata) *metadata = NULL;
    if (!st) st = rk_engine_read_onnx(out, m, compute, metadata, err);
    rk_onnx_close(m);
    return st;
}
