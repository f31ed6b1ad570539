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

/* ---- attention ---- */

static bool permuted(const Onnx__NodeProto *n, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t want[4] = { a, b, c, d };
    const Onnx__AttributeProto *p = rk_node_attr(n, "perm");

    return p && p->n_ints == 4 && memcmp(p->ints, want, sizeof want) == 0;
}

/* Heads of a Linear: Transpose(Reshape(Linear, [0, 0, heads, head size])). */
static rk_status heads(reader *r, rk_source_linear *out, const char **input, size_t *count,
                       bool columns, const char *value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *turn = rk_walk_node(w, value, "Transpose"), *split;
    int64_t shape[4];
    size_t n = 0;
    rk_status st;

    if (!turn || !(columns ? permuted(turn, 0, 2, 3, 1) : permuted(turn, 0, 2, 1, 3)))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "heads moved before tokens");
    split = rk_walk_node(w, rk_node_input(turn, 0), "Reshape");
    if (!split || !rk_walk_whole(w, shape, &n, 4, rk_node_input(split, 1)) || n != 4 ||
        shape[0] != 0 || shape[1] != 0 || shape[2] < 1)
        return rk_walk_misfit(w, rk_walk_behind(w, rk_node_input(turn, 0)),
                              "a Reshape to [0, 0, heads, head size]");
    st = linear(r, out, input, rk_node_input(split, 0), "query, key or value of a Linear");
    if (st) return st;
    if (out->w.out % (size_t)shape[2] != 0 ||
        (shape[3] != -1 && (size_t)shape[2] * (size_t)shape[3] != out->w.out))
        return rk_walk_misfit(w, rk_node_output(split, 0), "heads that divide the width");
    if (*count && *count != (size_t)shape[2])
        return rk_walk_misfit(w, rk_node_output(split, 0), "as many heads as elsewhere");
    *count = (size_t)shape[2];
    return RK_OK;
}

/* 0 where attention_mask is 1: Mul(Sub(1, Cast(Unsqueeze(mask))), a large negative number). Rows
 * are never padded here, so its value is not needed; but it must be this. */
static rk_status mask(reader *r, const char *value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *sub, *in;
    const char *pair[2] = { NULL, NULL };
    double one, bias;
    const rk_value *v;

    value = rk_walk_behind(w, value);
    if (w->mask && strcmp(w->mask, value) == 0) return RK_OK;
    if (rk_walk_pair(w, "Mul", value, pair) && rk_walk_scalar(w, &bias, pair[0])) {
        const char *first = pair[0];
        pair[0] = pair[1];
        pair[1] = first;
    }
    if (!pair[0] || !rk_walk_scalar(w, &bias, pair[1]) || bias > -1000)
        return rk_walk_misfit(w, value,
                              "a mask: (1 - attention_mask) times a large negative number");
    sub = rk_walk_node(w, pair[0], "Sub");
    if (!sub || !rk_walk_scalar(w, &one, rk_node_input(sub, 0)) || one != 1)
        return rk_walk_misfit(w, rk_walk_behind(w, pair[0]), "1 - attention_mask");
    in = rk_walk_node(w, rk_node_input(sub, 1), "Unsqueeze");
    v = in ? rk_index_find(w->x, rk_walk_behind(w, rk_node_input(in, 0))) : NULL;
    if (!v || v->input == RK_NONE)
        return rk_walk_misfit(w, rk_node_output(sub, 0),
                              "attention_mask, a graph input, unsqueezed");
    w->mask = value;
    return RK_OK;
}

/* Softmax of the scores over the keys: query and key, each with its heads. */
static rk_status probabilities(reader *r, rk_source_layer *l, const char *input[3], size_t *count,
                               const char *value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *soft = rk_walk_node(w, value, "Softmax"), *scaled, *products;
    const char *pair[2];
    double divisor, want;
    rk_status st;

    if (!soft || (rk_node_int(soft, "axis", -1) != -1 && rk_node_int(soft, "axis", -1) != 3))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "a Softmax over the keys");
    if (!rk_walk_pair(w, "Add", rk_node_input(soft, 0), pair))
        return rk_walk_misfit(w, rk_walk_behind(w, rk_node_input(soft, 0)), "scores plus mask");
    scaled = rk_walk_node(w, pair[0], "Div");
    if (!scaled) {
        const char *first = pair[0];
        pair[0] = pair[1];
        pair[1] = first;
        scaled = rk_walk_node(w, pair[0], "Div");
    }
    st = mask(r, pair[1]);
    if (st) return st;
    if (!scaled || !rk_walk_scalar(w, &divisor, rk_node_input(scaled, 1)))
        return rk_walk_misfit(w, rk_walk_behind(w, pair[0]), "scores by the root of the head size");
    products = rk_walk_node(w, rk_node_input(scaled, 0), "MatMul");
    if (!products)
        return rk_walk_misfit(w, rk_walk_behind(w, rk_node_input(scaled, 0)),
                              "a product of queries and keys");
    st = heads(r, &l->q, &input[0], count, false, rk_node_input(products, 0));
    if (!st) st = heads(r, &l->k, &input[1], count, true, rk_node_input(products, 1));
    if (st) return st;
    /* In a half file the root is rounded to 11 bits, in a bfloat16 file to 8. */
    want = sqrt((double)(l->q.w.out / *count));
    if (!(fabs(divisor - want) <= want * 0x1p-8))
        return rk_walk_misfit(w, rk_walk_behind(w, pair[0]), "scores by the root of the head size");
    return RK_OK;
}

/* The context [batch, sequence, hidden] and, behind it, the layer's input. */
static rk_status attention(reader *r, rk_source_layer *l, const char **input, size_t *count,
                           const char *value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *merge = rk_walk_node(w, value, "Reshape"), *turn, *mix;
    const char *in[3];
    int64_t shape[3];
    size_t n;
    rk_status st;

    if (!merge || !rk_walk_whole(w, shape, &n, 3, rk_node_input(merge, 1)) || n != 3 ||
        shape[0] != 0 || shape[1] != 0)
        return rk_walk_misfit(w, rk_walk_behind(w, value), "the heads of attention merged");
    turn = rk_walk_node(w, rk_node_input(merge, 0), "Transpose");
    if (!turn || !permuted(turn, 0, 2, 1, 3))
        return rk_walk_misfit(w, rk_walk_behind(w, rk_node_input(merge, 0)),
                              "tokens moved before heads");
    mix = rk_walk_node(w, rk_node_input(turn, 0), "MatMul");
    if (!mix)
        return rk_walk_misfit(w, rk_walk_behind(w, rk_node_input(turn, 0)),
                              "probabilities times values");
    st = probabilities(r, l, in, count, rk_node_input(mix, 0));
    if (!st) st = heads(r, &l->v, &in[2], count, false, rk_node_input(mix, 1));
    if (st) return st;
    for (size_t i = 0; i < 3; i++) in[i] = rk_walk_behind(w, in[i]);
    if (strcmp(in[0], in[1]) != 0 || strcmp(in[0], in[2]) != 0)
        return rk_walk_misfit(w, value, "query, key and value of one input");
    *input = in[0];
    return RK_OK;
}

/* ---- layers ---- */

/* LayerNorm(Linear + residual): the residual is the operand that the Linear is not. */
static rk_status residual(reader *r, rk_source_linear *out, const char **input, const char **rest,
                          const char *sum, bool *fits)
{
    rk_walk *w = &r->w;
    const char *pair[2];

    *fits = false;
    if (!rk_walk_pair(w, "Add", sum, pair)) return RK_OK;
    for (size_t i = 0; i < 2 && !*fits; i++) {
        rk_status st = rk_walk_linear(w, out, input, fits, pair[i]);
        if (st) return st;
        *rest = rk_walk_behind(w, pair[1 - i]);
    }
    return RK_OK;
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
    st = residual(r, &l.out, &inner, &between, sum, fits);
    if (st || !*fits) return st;
    if (r->config.layers == 0) r->config.eps = eps;
    st = rk_walk_activation(w, &act, &activated, inner);
    if (!st) st = linear(r, &l.inter, &input, activated, "the intermediate Linear");
    if (st) return st;
    if (strcmp(rk_walk_behind(w, input), between) != 0)
        return rk_walk_misfit(w, activated, "the LayerNormalization that the residual comes from");
    st = rk_walk_norm(w, &l.ln1_w, &l.ln1_b, &eps1, &width, &sum, between);
    if (!st) st = residual(r, &l.attn, &context, &rest, sum, fits);
    if (st) return st;
    if (!*fits) return rk_walk_misfit(w, rk_walk_behind(w, sum), "attention output plus residual");
    st = attention(r, &l, &input, &count, context);
    if (st) return st;
    if (strcmp(input, rest) != 0)
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

/* From the logits to the last layer's output. */
static rk_status head(reader *r, const char **value)
{
    rk_walk *w = &r->w;
    const Onnx__NodeProto *tanh_node, *first;
    double at;
    const char *in, *logits;
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
    first = rk_walk_node(w, in, "Gather");
    if (!first || rk_node_int(first, "axis", 0) != 1 ||
        !rk_walk_scalar(w, &at, rk_node_input(first, 1)) || at != 0)
        return rk_walk_misfit(w, rk_walk_behind(w, in), "a Gather of the first token");
    *value = rk_walk_behind(w, rk_node_input(first, 0));
    return RK_OK;
}

static rk_status graph(reader *r)
{
    const char *value = NULL, *ids = NULL;
    float eps;
    bool fits = true;
    rk_bert_config *c = &r->config;
    rk_source *s = &r->source;
    rk_status st = head(r, &value);

    while (!st && fits) st = layer(r, &value, &fits);
    if (st) return st;
    if (c->layers == 0) return rk_walk_misfit(&r->w, value, "a layer of the encoder");
    st = rk_walk_embeddings(&r->w, s, &ids, &eps, value);
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
    if (!st) st = graph(&r);
    if (!st) st = labels(&r);
    if (st) goto done;
    r.source.path = m->shown;
    r.source.config = &r.config;
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
    rk_status st = rk_onnx_load(&m, path, err);

    *out = NULL;
    if (metadata) *metadata = NULL;
    if (!st) st = rk_engine_read_onnx(out, m, compute, metadata, err);
    rk_onnx_close(m);
    return st;
}
