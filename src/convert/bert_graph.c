#include "convert/bert_graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx/graph.h"

enum { NAME_SIZE = 192 };

/* Added to the scores of padding. Exact in half, far below any score and far above half's -65504,
 * so a row that is all padding stays finite; exp(-10000) is 0 in float too. */
static const float MASK_BIAS = -10000.0f;

typedef struct name {
    char s[NAME_SIZE];
} name;

typedef struct context {
    rk_build b;
    const rk_bert_source *source;
    const rk_bert_config *c;
    const rk_ranges *ranges;      /* INT8 ranges or NULL */
} context;

static name named(const char *format, ...) RK_PRINTF(1, 2);

static name named(const char *format, ...)
{
    name n;
    va_list args;

    va_start(args, format);
    vsnprintf(n.s, sizeof n.s, format, args);
    va_end(args);
    return n;
}

static size_t param_number(const context *x, const char *param)
{
    const rk_param *q = rk_params_find(x->source->params, param);
    return q ? (size_t)(q - x->source->params->param) : RK_NONE;
}

/* A parameter as an initializer of its own name: `rows` of it, or its transpose. */
static void parameter(context *x, const char *param, size_t rows, bool transpose)
{
    const rk_param *q = rk_params_find(x->source->params, param);
    const float *w = q ? x->source->params->block + q->offset : NULL;
    const size_t cols = q ? q->dim[1] : 0;
    float *out;

    if (!q) {
        x->b.failed = true;
        return;
    }
    if (!transpose) {
        const size_t dim[2] = {rows, cols};
        out = rk_add_initializer(&x->b, param, RK_DT_F32, dim, q->rank);
        if (out) memcpy(out, w, rows * cols * sizeof *w);
        return;
    }
    const size_t dim[2] = {cols, rows};
    out = rk_add_initializer(&x->b, param, RK_DT_F32, dim, 2);
    for (size_t i = 0; out && i < cols; i++)
        for (size_t j = 0; j < rows; j++) out[i * rows + j] = w[j * cols + i];
}

static void vector(context *x, const char *param)
{
    const rk_param *q = rk_params_find(x->source->params, param);
    parameter(x, param, q ? q->dim[0] : 0, false);
}

/* Scales of a parameter's first `rows` rows, with zero points of 0, and the pair of nodes that
 * rounds it. axis: where its rows lie in the initializer. Returns the value to use. */
static name quantised_parameter(context *x, const char *param, size_t rows, int64_t axis)
{
    const size_t i = param_number(x, param);
    const name scale = named("%s.scale", param), zero = named("%s.zero_point", param);
    const name codes = named("%s.codes", param), value = named("%s.dequantized", param);
    Onnx__NodeProto *n;
    void *p;

    if (!x->ranges || i == RK_NONE || !x->ranges->weight_scale[i]) return named("%s", param);
    p = rk_add_initializer(&x->b, scale.s, RK_DT_F32, &rows, 1);
    if (p) memcpy(p, x->ranges->weight_scale[i], rows * sizeof(float));
    p = rk_add_initializer(&x->b, zero.s, RK_DT_I8, &rows, 1);
    if (p) memset(p, 0, rows);
    n = rk_add_node(&x->b, "QuantizeLinear", codes.s, param, scale.s, zero.s, NULL);
    rk_attr_int(&x->b, n, "axis", axis);
    n = rk_add_node(&x->b, "DequantizeLinear", value.s, codes.s, scale.s, zero.s, NULL);
    rk_attr_int(&x->b, n, "axis", axis);
    return value;
}

/* The input of one Linear, or of three: rounded to its learned range where there is one. */
static name quantised_input(context *x, const char *value, size_t site)
{
    char at[96];
    void *p;

    if (!x->ranges) return named("%s", value);
    rk_site_name(at, x->c, site);
    const name scale = named("%s.scale", at), zero = named("%s.zero_point", at);
    const name codes = named("%s.codes", at), out = named("%s.dequantized", at);
    p = rk_add_initializer(&x->b, scale.s, RK_DT_F32, NULL, 0);
    if (p) memcpy(p, &x->ranges->site[site].q.scale, sizeof(float));
    p = rk_add_initializer(&x->b, zero.s, RK_DT_U8, NULL, 0);
    if (p) memcpy(p, &x->ranges->site[site].q.zero, 1);
    rk_add_node(&x->b, "QuantizeLinear", codes.s, value, scale.s, zero.s, NULL);
    rk_add_node(&x->b, "DequantizeLinear", out.s, codes.s, scale.s, zero.s, NULL);
    return out;
}

/* out = value x weight^T + bias; `value` is already rounded. */
static void linear(context *x, const char *out, const char *value, const char *prefix)
{
    const name weight = named("%s.weight", prefix), bias = named("%s.bias", prefix);
    const name product = named("%s.MatMul", prefix);
    const rk_param *q = rk_params_find(x->source->params, weight.s);
    const size_t rows = q ? q->dim[0] : 0;

    parameter(x, weight.s, rows, true);
    vector(x, bias.s);
    const name w = quantised_parameter(x, weight.s, rows, 1);
    rk_add_node(&x->b, "MatMul", product.s, value, w.s, NULL);
    rk_add_node(&x->b, "Add", out, product.s, bias.s, NULL);
}

static void layer_norm(context *x, const char *out, const char *value, const char *prefix)
{
    const name weight = named("%s.weight", prefix), bias = named("%s.bias", prefix);
    Onnx__NodeProto *n;

    vector(x, weight.s);
    vector(x, bias.s);
    n = rk_add_node(&x->b, "LayerNormalization", out, value, weight.s, bias.s, NULL);
    rk_attr_int(&x->b, n, "axis", -1);
    rk_attr_float(&x->b, n, "epsilon", x->c->eps);
}

static void constants(context *x)
{
    const int64_t zero = 0, one = 1, two[2] = {1, 2};
    const int64_t heads = (int64_t)x->c->heads, hidden = (int64_t)x->c->hidden;
    const int64_t split[4] = {0, 0, heads, hidden / heads}, merge[3] = {0, 0, hidden};
    void *p = rk_add_initializer(&x->b, "const.first", RK_DT_I64, NULL, 0);

    if (p) memcpy(p, &zero, sizeof zero);
    rk_add_vector_i64(&x->b, "const.axis0", &zero, 1);
    rk_add_vector_i64(&x->b, "const.axes12", two, 2);
    rk_add_vector_i64(&x->b, "const.split_heads", split, 4);
    rk_add_vector_i64(&x->b, "const.merge_heads", merge, 3);
    rk_add_scalar_f32(&x->b, "const.one", (float)one);
    rk_add_scalar_f32(&x->b, "const.mask_bias", MASK_BIAS);
    rk_add_scalar_f32(&x->b, "const.head_divisor", sqrtf((float)(hidden / heads)));
    if (x->c->act == RK_ACT_GELU) {
        rk_add_scalar_f32(&x->b, "const.sqrt2", sqrtf(2.0f));
        rk_add_scalar_f32(&x->b, "const.half", 0.5f);
    } else if (x->c->act == RK_ACT_GELU_TANH) {
        rk_add_scalar_f32(&x->b, "const.half", 0.5f);
        rk_add_scalar_f32(&x->b, "const.gelu_cubic", 0.044715f);
        rk_add_scalar_f32(&x->b, "const.gelu_slope", 0.7978845608028654f);   /* sqrt(2 / pi) */
    }
}

/* mask.bias [batch, 1, 1, sequence]: 0 for a token, MASK_BIAS for padding. */
static void mask(context *x)
{
    Onnx__NodeProto *n;

    rk_add_node(&x->b, "Unsqueeze", "mask.unsqueezed", "attention_mask", "const.axes12", NULL);
    n = rk_add_node(&x->b, "Cast", "mask.float", "mask.unsqueezed", NULL);
    rk_attr_int(&x->b, n, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    rk_add_node(&x->b, "Sub", "mask.inverted", "const.one", "mask.float", NULL);
    rk_add_node(&x->b, "Mul", "mask.bias", "mask.inverted", "const.mask_bias", NULL);
}

static void embeddings(context *x, const char *out)
{
    static const char at[] = "bert.embeddings";
    const name word = named("%s.word_embeddings.weight", at);
    const name position = named("%s.position_embeddings.weight", at);
    const name type = named("%s.token_type_embeddings.weight", at);
    Onnx__NodeProto *n;

    parameter(x, word.s, x->source->vocab, false);
    parameter(x, position.s, x->c->positions, false);
    parameter(x, type.s, x->c->types, false);
    const name w = quantised_parameter(x, word.s, x->source->vocab, 0);
    const name p = quantised_parameter(x, position.s, x->c->positions, 0);
    const name t = quantised_parameter(x, type.s, x->c->types, 0);

    n = rk_add_node(&x->b, "Gather", "embeddings.word", w.s, "input_ids", NULL);
    rk_attr_int(&x->b, n, "axis", 0);
    n = rk_add_node(&x->b, "Shape", "embeddings.length", "input_ids", NULL);
    rk_attr_int(&x->b, n, "start", 1);
    rk_attr_int(&x->b, n, "end", 2);
    rk_add_node(&x->b, "Slice", "embeddings.position", p.s, "const.axis0", "embeddings.length",
                "const.axis0", NULL);
    n = rk_add_node(&x->b, "Gather", "embeddings.type", t.s, "const.first", NULL);
    rk_attr_int(&x->b, n, "axis", 0);
    rk_add_node(&x->b, "Add", "embeddings.word_type", "embeddings.word", "embeddings.type", NULL);
    rk_add_node(&x->b, "Add", "embeddings.sum", "embeddings.word_type", "embeddings.position",
                NULL);
    layer_norm(x, out, "embeddings.sum", named("%s.LayerNorm", at).s);
}

/* [batch, sequence, hidden] to [batch, heads, sequence, head] in the order that perm gives. */
static name heads_of(context *x, const char *value, const char *prefix, const int64_t perm[4])
{
    const name split = named("%s.split", prefix), out = named("%s.heads", prefix);
    Onnx__NodeProto *n;

    rk_add_node(&x->b, "Reshape", split.s, value, "const.split_heads", NULL);
    n = rk_add_node(&x->b, "Transpose", out.s, split.s, NULL);
    rk_attr_ints(&x->b, n, "perm", perm, 4);
    return out;
}

static name attention(context *x, const char *value, const char *at, size_t layer)
{
    static const int64_t rows[4] = {0, 2, 1, 3}, columns[4] = {0, 2, 3, 1};
    static const char *const part[3] = {"query", "key", "value"};
    const name in = quantised_input(x, value, RK_SITES_PER_LAYER * layer + RK_SITE_QKV);
    const name self = named("%s.attention.self", at);
    name head[3];
    Onnx__NodeProto *n;

    for (size_t i = 0; i < 3; i++) {
        const name prefix = named("%s.%s", self.s, part[i]), out = named("%s.Add", prefix.s);
        linear(x, out.s, in.s, prefix.s);
        head[i] = heads_of(x, out.s, prefix.s, i == 1 ? columns : rows);
    }
    const name products = named("%s.products", self.s), scores = named("%s.scores", self.s);
    const name masked = named("%s.masked", self.s), probs = named("%s.probabilities", self.s);
    const name context_heads = named("%s.context_heads", self.s);
    const name turned = named("%s.context_turned", self.s), out = named("%s.context", self.s);
    rk_add_node(&x->b, "MatMul", products.s, head[0].s, head[1].s, NULL);
    rk_add_node(&x->b, "Div", scores.s, products.s, "const.head_divisor", NULL);
    rk_add_node(&x->b, "Add", masked.s, scores.s, "mask.bias", NULL);
    n = rk_add_node(&x->b, "Softmax", probs.s, masked.s, NULL);
    rk_attr_int(&x->b, n, "axis", -1);
    rk_add_node(&x->b, "MatMul", context_heads.s, probs.s, head[2].s, NULL);
    n = rk_add_node(&x->b, "Transpose", turned.s, context_heads.s, NULL);
    rk_attr_ints(&x->b, n, "perm", rows, 4);
    rk_add_node(&x->b, "Reshape", out.s, turned.s, "const.merge_heads", NULL);
    return out;
}

static name activation(context *x, const char *v, const char *prefix)
{
    const name out = named("%s.activation", prefix);
    const name a = named("%s.act.1", prefix), b = named("%s.act.2", prefix);
    const name c = named("%s.act.3", prefix), d = named("%s.act.4", prefix);
    const name e = named("%s.act.5", prefix), f = named("%s.act.6", prefix);

    switch (x->c->act) {
    case RK_ACT_RELU:
        rk_add_node(&x->b, "Relu", out.s, v, NULL);
        break;
    case RK_ACT_GELU:   /* v (1 + erf(v / sqrt 2)) / 2 */
        rk_add_node(&x->b, "Div", a.s, v, "const.sqrt2", NULL);
        rk_add_node(&x->b, "Erf", b.s, a.s, NULL);
        rk_add_node(&x->b, "Add", c.s, b.s, "const.one", NULL);
        rk_add_node(&x->b, "Mul", d.s, v, c.s, NULL);
        rk_add_node(&x->b, "Mul", out.s, d.s, "const.half", NULL);
        break;
    case RK_ACT_GELU_TANH: {   /* v (1 + tanh(sqrt(2 / pi) v (1 + 0.044715 v v))) / 2 */
        const name g = named("%s.act.7", prefix);
        rk_add_node(&x->b, "Mul", a.s, v, v, NULL);
        rk_add_node(&x->b, "Mul", b.s, a.s, "const.gelu_cubic", NULL);
        rk_add_node(&x->b, "Add", c.s, b.s, "const.one", NULL);
        rk_add_node(&x->b, "Mul", d.s, v, c.s, NULL);
        rk_add_node(&x->b, "Mul", e.s, d.s, "const.gelu_slope", NULL);
        rk_add_node(&x->b, "Tanh", f.s, e.s, NULL);
        rk_add_node(&x->b, "Add", g.s, f.s, "const.one", NULL);
        const name h = named("%s.act.8", prefix);
        rk_add_node(&x->b, "Mul", h.s, v, g.s, NULL);
        rk_add_node(&x->b, "Mul", out.s, h.s, "const.half", NULL);
        break;
    }
    }
    return out;
}

/* One Linear with what follows it: the residual and its LayerNorm. */
static name block(context *x, const char *value, size_t site, const char *at, const char *residual)
{
    const name dense = named("%s.dense", at), out = named("%s.dense.Add", at);
    const name sum = named("%s.residual", at), norm = named("%s.LayerNorm", at);
    const name result = named("%s.LayerNorm.output", at);
    const name in = quantised_input(x, value, site);

    linear(x, out.s, in.s, dense.s);
    rk_add_node(&x->b, "Add", sum.s, out.s, residual, NULL);
    layer_norm(x, result.s, sum.s, norm.s);
    return result;
}

static name layer(context *x, const char *value, size_t i)
{
    const size_t site = RK_SITES_PER_LAYER * i;
    const name at = named("bert.encoder.layer.%zu", i);
    const name mixed = attention(x, value, at.s, i);
    const name attended =
        block(x, mixed.s, site + RK_SITE_ATTN, named("%s.attention.output", at.s).s, value);
    const name dense = named("%s.intermediate.dense", at.s), wide = named("%s.Add", dense.s);
    const name in = quantised_input(x, attended.s, site + RK_SITE_INTER);

    linear(x, wide.s, in.s, dense.s);
    const name act = activation(x, wide.s, named("%s.intermediate", at.s).s);
    return block(x, act.s, site + RK_SITE_OUT, named("%s.output", at.s).s, attended.s);
}

static void head(context *x, const char *value)
{
    const size_t site = RK_SITES_PER_LAYER * x->c->layers;
    Onnx__NodeProto *n = rk_add_node(&x->b, "Gather", "pooler.first", value, "const.first", NULL);

    rk_attr_int(&x->b, n, "axis", 1);
    const name first = quantised_input(x, "pooler.first", site);
    linear(x, "bert.pooler.dense.Add", first.s, "bert.pooler.dense");
    rk_add_node(&x->b, "Tanh", "bert.pooler.output", "bert.pooler.dense.Add", NULL);
    const name pooled = quantised_input(x, "bert.pooler.output", site + 1);
    linear(x, "logits", pooled.s, "classifier");
}

rk_status rk_bert_graph(rk_onnx **out, const rk_bert_source *source, int opset, const char *path,
                        rk_error *err)
{
    const rk_bert_config *c = source->config;
    const rk_ranges *r = source->ranges;
    context x = {.source = source, .c = c,
                 .ranges = r && r->precision == RK_QAT_INT8 ? r : NULL};
    const char *const ids[2] = {"batch", "sequence"};
    const name labels = named("%zu", c->labels.count);
    const char *const logits[2] = {"batch", labels.s};
    rk_onnx *m;
    rk_status st;

    *out = NULL;
    if (opset < RK_EXPORT_OPSET || opset > RK_EXPORT_OPSET_MAX)
        return rk_fail(err, RK_E_ARG, "opset %d cannot be written; %d to %d can", opset,
                       RK_EXPORT_OPSET, RK_EXPORT_OPSET_MAX);
    /* The IR version that came with each operator set. */
    st = rk_onnx_new(&m, path, opset <= 18 ? 8 : opset <= 20 ? 9 : 10, opset, err);
    if (st) return st;
    x.b.graph = m->proto->graph;
    rk_add_input(&x.b, "input_ids", RK_DT_I64, ids, 2);
    rk_add_input(&x.b, "attention_mask", RK_DT_I64, ids, 2);
    rk_add_output(&x.b, "logits", RK_DT_F32, logits, 2);
    constants(&x);
    mask(&x);
    name value = named("bert.embeddings.output");
    embeddings(&x, value.s);
    for (size_t i = 0; i < c->layers && !x.b.failed; i++) value = layer(&x, value.s, i);
    head(&x, value.s);
    if (x.b.failed) {
        rk_onnx_close(m);
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory for the graph", path);
    }
    *out = m;
    return RK_OK;
}
