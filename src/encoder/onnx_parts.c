/* Parts of a BERT classifier in an ONNX graph: Linears, activations, embeddings; plain or
 * quantised. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"
#include "quant/qparams.h"

enum { DEPTH = 12 };    /* of an activation's nodes; they branch, so twice the work each */

/* ---- quantised tensors ---- */

/* Scales of a DequantizeLinear, [count] or one for all, spread to [count]; zero points must be
 * zero. */
static rk_status symmetric_scales(rk_walk *w, const float **out, const Onnx__NodeProto *n,
                                  size_t count)
{
    const char *zero = rk_node_input(n, 2);
    rk_tensor t;
    bool found;
    float *f;
    rk_status st = rk_walk_constant(w, &t, &found, rk_node_input(n, 1));

    if (st) return st;
    if (!found || t.type != RK_DT_F32 || t.rank > 1 || (t.rank == 1 && t.dim[0] != count))
        return rk_walk_misfit(w, rk_node_output(n, 0), "constant float scales, one an output");
    f = rk_walk_alloc(w, count, sizeof *f);
    if (!f) return rk_walk_memory(w);
    for (size_t i = 0; i < count; i++) f[i] = ((const float *)t.data)[t.rank ? i : 0];
    *out = f;
    if (!zero) return RK_OK;
    st = rk_walk_constant(w, &t, &found, zero);
    for (size_t i = 0; !st && found && i < t.bytes; i++)
        found = t.type == RK_DT_I8 && ((const int8_t *)t.data)[i] == 0;
    if (!st && !found) st = rk_walk_misfit(w, rk_node_output(n, 0), "int8 zero points of 0");
    return st;
}

/* Codes of a float matrix as QuantizeLinear has them: -128 is a code too. */
static int8_t *codes_of(rk_walk *w, const rk_tensor *t, const float *scale, size_t axis)
{
    const size_t rows = t->dim[0], cols = t->dim[1];
    const float *x = t->data;
    int8_t *codes = rk_walk_alloc(w, rows * cols, 1);

    if (!codes) return NULL;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < cols; k++) {
            const float s = scale[axis == 0 ? i : k], v = nearbyintf(x[i * cols + k] / s);
            codes[i * cols + k] =
                v < -127.5f ? (int8_t)-128 : rk_quantize_s8(x[i * cols + k], s);
        }
    return codes;
}

/* A matrix [dim 0, dim 1]: float, half, bfloat16, or int8 with *scale [dim axis]. Quantised forms:
 * DequantizeLinear of codes, or of QuantizeLinear of floats. */
static rk_status matrix(rk_walk *w, rk_tensor *out, const float **scale, size_t axis,
                        const char *value, bool *found)
{
    const Onnx__NodeProto *d = rk_walk_node(w, value, "DequantizeLinear");
    const Onnx__NodeProto *q = d ? rk_walk_node(w, rk_node_input(d, 0), "QuantizeLinear") : NULL;
    rk_status st;

    *scale = NULL;
    st = rk_walk_constant(w, out, found, q   ? rk_node_input(q, 0)
                                         : d ? rk_node_input(d, 0)
                                             : value);
    if (st || !*found) return st;
    if (out->rank != 2 || out->dim[0] == 0 || out->dim[1] == 0)
        return rk_walk_misfit(w, value, "a matrix");
    if (!d) {
        if (out->type != RK_DT_F32 && out->type != RK_DT_F16 && out->type != RK_DT_BF16)
            return rk_walk_misfit(w, value, "float weights");
        return RK_OK;
    }
    st = symmetric_scales(w, scale, d, out->dim[axis]);
    if (st) return st;
    if (rk_node_int(d, "axis", 1) != (int64_t)axis &&
        rk_node_int(d, "axis", 1) != (int64_t)axis - 2)
        return rk_walk_misfit(w, rk_node_output(d, 0), "scales along the other axis");
    if (q) {
        const float *same = NULL;
        if (out->type != RK_DT_F32)
            return rk_walk_misfit(w, rk_node_output(q, 0), "float weights");
        st = symmetric_scales(w, &same, q, out->dim[axis]);
        if (st) return st;
        if (memcmp(same, *scale, out->dim[axis] * sizeof **scale) != 0)
            return rk_walk_misfit(w, rk_node_output(d, 0), "the scales of its QuantizeLinear");
        out->data = codes_of(w, out, *scale, axis);
        if (!out->data) return rk_walk_memory(w);
        out->type = RK_DT_I8;
    }
    return out->type == RK_DT_I8 ? RK_OK : rk_walk_misfit(w, value, "int8 codes");
}

/* A QuantizeLinear and DequantizeLinear pair of u8 before a Linear. */
static rk_status quantised_input(rk_walk *w, rk_matrix *form, const char **input)
{
    const Onnx__NodeProto *d = rk_walk_node(w, *input, "DequantizeLinear");
    const Onnx__NodeProto *q = d ? rk_walk_node(w, rk_node_input(d, 0), "QuantizeLinear") : NULL;
    double scale[2], zero[2];

    *form = (rk_matrix){ .form = RK_FORM_F32 };
    if (!d) return RK_OK;
    if (!q || !rk_node_input(q, 2) || !rk_node_input(d, 2))
        return rk_walk_misfit(w, *input, "a QuantizeLinear to uint8 before it");
    for (size_t i = 0; i < 2; i++) {
        const Onnx__NodeProto *n = i ? d : q;
        rk_tensor t;
        bool found;
        rk_status st = rk_walk_constant(w, &t, &found, rk_node_input(n, 2));
        if (st) return st;
        if (!found || t.type != RK_DT_U8 || !rk_walk_scalar(w, &zero[i], rk_node_input(n, 2)) ||
            !rk_walk_scalar(w, &scale[i], rk_node_input(n, 1)))
            return rk_walk_misfit(w, rk_node_output(n, 0),
                                  "one constant scale and uint8 zero point");
    }
    if (scale[0] != scale[1] || zero[0] != zero[1])
        return rk_walk_misfit(w, *input, "the scale and zero point of its QuantizeLinear");
    form->form = RK_FORM_U8;
    form->scale = (float)scale[0];
    form->zero = (uint8_t)zero[0];
    *input = rk_node_input(q, 0);
    return RK_OK;
}

/* ---- Linear ---- */

static rk_status product(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                         const char *x, const char *weights, bool transposed)
{
    const Onnx__NodeProto *turn = rk_walk_node(w, weights, "Transpose");
    rk_tensor t;
    const float *scale;
    rk_status st;

    if (turn) {
        transposed = !transposed;
        weights = rk_node_input(turn, 0);
    }
    st = matrix(w, &t, &scale, transposed ? 0 : 1, weights, fits);
    if (st || !*fits) return st;
    out->w = (rk_weight){
        .data = t.data, .type = t.type, .scale = scale,
        .out = t.dim[transposed ? 0 : 1], .in = t.dim[transposed ? 1 : 0],
        .out_step = transposed ? t.dim[1] : 1, .in_step = transposed ? 1 : t.dim[1],
    };
    *input = x;
    st = quantised_input(w, &out->input, input);
    if (st) return st;
    if ((out->input.form == RK_FORM_U8) != (t.type == RK_DT_I8))
        return rk_walk_misfit(w, x, "input and weights both quantised, or neither");
    return RK_OK;
}

rk_status rk_walk_linear(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                         const char *value)
{
    const Onnx__NodeProto *n = rk_walk_node(w, value, "Gemm");
    const char *pair[2];
    rk_status st;

    *fits = false;
    if (n) {
        if (rk_node_int(n, "transA", 0) || rk_node_float(n, "alpha", 1) != 1.0f ||
            rk_node_float(n, "beta", 1) != 1.0f || n->n_input != 3)
            return rk_walk_misfit(w, rk_walk_behind(w, value), "a Gemm of x, weight and bias");
        st = product(w, out, input, fits, rk_node_input(n, 0), rk_node_input(n, 1),
                     rk_node_int(n, "transB", 0) != 0);
        if (st || !*fits) return st;
        return rk_walk_floats(w, &out->w.bias, &out->w.out, rk_node_input(n, 2));
    }
    if (!rk_walk_pair(w, "Add", value, pair)) return RK_OK;
    for (size_t i = 0; i < 2; i++) {
        rk_tensor t;
        bool constant;
        n = rk_walk_node(w, pair[i], "MatMul");
        st = rk_walk_constant(w, &t, &constant, pair[1 - i]);
        if (st) return st;
        if (!n || !constant) continue;
        st = product(w, out, input, fits, rk_node_input(n, 0), rk_node_input(n, 1), false);
        if (st || !*fits) return st;
        return rk_walk_floats(w, &out->w.bias, &out->w.out, pair[1 - i]);
    }
    return RK_OK;
}

/* ---- activation: evaluated, not matched, so that any way of writing it is known ---- */

static const char *linear_under(rk_walk *w, const char *value, size_t depth)
{
    rk_source_linear l;
    const char *input;
    bool fits;
    const Onnx__NodeProto *n;

    value = rk_walk_behind(w, value);
    if (depth == DEPTH) return NULL;
    if (!rk_walk_linear(w, &l, &input, &fits, value) && fits) return value;
    n = rk_index_producer(w->x, value);
    for (size_t i = 0; n && i < n->n_input; i++) {
        const char *in = rk_node_input(n, i), *found = in ? linear_under(w, in, depth + 1) : NULL;
        if (found) return found;
    }
    return NULL;
}

/* The number at `value` when `leaf` is x; false where a node is none that an activation is made of.
 */
static bool evaluate(rk_walk *w, double *out, const char *value, const char *leaf, double x,
                     size_t depth)
{
    const Onnx__NodeProto *n;
    double a, b = 0;

    value = rk_walk_behind(w, value);
    if (!value) return false;
    if (strcmp(value, leaf) == 0) {
        *out = x;
        return true;
    }
    if (rk_walk_scalar(w, out, value)) return true;
    n = rk_index_producer(w->x, value);
    if (depth == DEPTH || !n || n->n_input < 1 || n->n_input > 2) return false;
    if (!evaluate(w, &a, rk_node_input(n, 0), leaf, x, depth + 1)) return false;
    if (n->n_input == 2 && !evaluate(w, &b, rk_node_input(n, 1), leaf, x, depth + 1)) return false;
    if (n->n_input == 2) {
        if (rk_node_is(n, "Add")) *out = a + b;
        else if (rk_node_is(n, "Sub")) *out = a - b;
        else if (rk_node_is(n, "Mul")) *out = a * b;
        else if (rk_node_is(n, "Div")) *out = a / b;
        else if (rk_node_is(n, "Pow")) *out = pow(a, b);
        else return false;
        return true;
    }
    if (rk_node_is(n, "Erf")) *out = erf(a);
    else if (rk_node_is(n, "Tanh")) *out = tanh(a);
    else if (rk_node_is(n, "Relu")) *out = a > 0 ? a : 0;
    else if (rk_node_is(n, "Sqrt")) *out = sqrt(a);
    else return false;
    return true;
}

static double activation(rk_activation act, double x)
{
    const double cubic = sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);

    switch (act) {
    case RK_ACT_GELU: return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    case RK_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(cubic));
    case RK_ACT_RELU: break;
    }
    return x > 0 ? x : 0;
}

/* The two forms of GELU are 4.7e-4 apart at most; half-precision constants change a value by a
 * thousandth of itself. So the nearest of the known ones is taken, and must be near. */
rk_status rk_walk_activation(rk_walk *w, rk_activation *act, const char **input, const char *value)
{
    static const rk_activation known[] = { RK_ACT_GELU, RK_ACT_GELU_TANH, RK_ACT_RELU };
    double off[3] = { 0 };
    size_t best = 0;
    bool ok = true;
    const char *leaf = linear_under(w, value, 0);

    if (!leaf) return rk_walk_misfit(w, rk_walk_behind(w, value), "an activation of a Linear");
    for (double x = -8; ok && x <= 8; x += 0.125) {
        double y;
        ok = evaluate(w, &y, value, leaf, x, 0);
        for (size_t i = 0; ok && i < 3; i++)
            off[i] = fmax(off[i], fabs(y - activation(known[i], x)) / fmax(1, fabs(x)));
    }
    for (size_t i = 1; i < 3; i++)
        if (off[i] < off[best]) best = i;
    if (!ok || !(off[best] < 2e-3))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "GELU, its tanh form or ReLU");
    *act = known[best];
    *input = leaf;
    return RK_OK;
}

/* ---- embeddings ---- */

rk_status rk_walk_table(rk_walk *w, rk_table *out, const char *value)
{
    rk_tensor t;
    const float *scale;
    bool found;
    rk_status st = matrix(w, &t, &scale, 0, value, &found);

    if (st) return st;
    if (!found) return rk_walk_misfit(w, value, "a constant table");
    *out = (rk_table){ .data = t.data, .type = t.type, .rows = t.dim[0], .width = t.dim[1],
                       .scale = scale };
    return RK_OK;
}

/* Codes and scales read apart: Mul(reading of the codes, the same reading of the scales [rows, 1]).
 */
static rk_status split_table(rk_walk *w, rk_table *out, const char *codes, const char *scales)
{
    rk_tensor c, s;
    bool found;
    rk_status st = rk_walk_constant(w, &c, &found, codes);

    if (!st && found) st = rk_walk_constant(w, &s, &found, scales);
    if (st) return st;
    if (!found || c.rank != 2 || c.type != RK_DT_I8 || s.type != RK_DT_F32 ||
        s.bytes != c.dim[0] * sizeof(float))
        return rk_walk_misfit(w, codes, "int8 codes [rows, width] and float scales [rows, 1]");
    *out = (rk_table){ .data = c.data, .type = RK_DT_I8, .rows = c.dim[0], .width = c.dim[1],
                       .scale = s.data };
    return RK_OK;
}

/* The node that reads the table of an embedding; *scales the node that reads its scales, or NULL.
 */
static const Onnx__NodeProto *table_reader(const rk_walk *w, const char *value,
                                           const Onnx__NodeProto **scales)
{
    const char *pair[2];
    const Onnx__NodeProto *n;

    *scales = NULL;
    if (rk_walk_pair(w, "Mul", value, pair)) {
        value = pair[0];
        *scales = rk_index_producer(w->x, rk_walk_behind(w, pair[1]));
        if (!*scales) return NULL;
    }
    n = rk_index_producer(w->x, rk_walk_behind(w, value));
    if (n && *scales) {
        /* both are read alike: the same operator by the same values */
        if (n->n_input != (*scales)->n_input || strcmp(n->op_type, (*scales)->op_type) != 0)
            return NULL;
        for (size_t i = 1; i < n->n_input; i++)
            if (strcmp(n->input[i], (*scales)->input[i]) != 0) return NULL;
    }
    return n;
}

/* The graph input behind a value of ids, or NULL. */
static const char *graph_input(const rk_walk *w, const char *value)
{
    const rk_value *v;

    for (;;) {
        const Onnx__NodeProto *n = rk_index_producer(w->x, value);
        if (!n || !(rk_node_is(n, "Cast") || rk_node_is(n, "Identity"))) break;
        value = rk_node_input(n, 0);
    }
    v = rk_index_find(w->x, value);
    return v && v->input != RK_NONE && v->initializer == RK_NONE ? value : NULL;
}

/* Positions 0 .. length - 1: a Slice along the rows from 0, in steps of 1, to the length of ids. */
static bool reads_positions(rk_walk *w, const Onnx__NodeProto *n, const char *ids)
{
    const Onnx__NodeProto *length;
    int64_t from[1], axis[1] = { 0 }, step[1] = { 1 };
    size_t k;

    if (!rk_node_is(n, "Slice") || n->n_input < 3) return false;
    if (!rk_walk_whole(w, from, &k, 1, rk_node_input(n, 1)) || from[0] != 0) return false;
    if (rk_node_input(n, 3) &&
        (!rk_walk_whole(w, axis, &k, 1, rk_node_input(n, 3)) || axis[0] != 0))
        return false;
    if (rk_node_input(n, 4) &&
        (!rk_walk_whole(w, step, &k, 1, rk_node_input(n, 4)) || step[0] != 1))
        return false;
    length = rk_index_producer(w->x, rk_node_input(n, 2));
    return length && rk_node_is(length, "Shape") && rk_node_int(length, "start", 0) == 1 &&
           rk_node_int(length, "end", 0) == 2 &&
           strcmp(rk_node_input(length, 0), ids) == 0;
}

/* One of the three: which (0 word, 1 position, 2 type) and its table. */
static rk_status embedding(rk_walk *w, rk_table table[3], const char **ids, bool seen[3],
                           const char *value, bool late)
{
    const Onnx__NodeProto *scales, *n = table_reader(w, value, &scales);
    const char *input = n && rk_node_is(n, "Gather") ? graph_input(w, rk_node_input(n, 1)) : NULL;
    double row = -1;
    size_t which;

    if (input) which = 0;
    else if (n && rk_node_is(n, "Gather") && rk_walk_scalar(w, &row, rk_node_input(n, 1)) &&
             row == 0)
        which = 2;
    else if (late && n && reads_positions(w, n, *ids)) which = 1;
    else if (!late) return RK_OK;
    else
        return rk_walk_misfit(w, rk_walk_behind(w, value), "the word, position or type embedding");
    if (seen[which]) return late ? RK_OK : rk_walk_misfit(w, value, "one embedding of each kind");
    if (which != 1 && rk_node_int(n, "axis", 0) != 0)
        return rk_walk_misfit(w, rk_walk_behind(w, value), "a Gather of rows");
    seen[which] = true;
    if (input) *ids = input;
    return scales ? split_table(w, &table[which], rk_node_input(n, 0), rk_node_input(scales, 0))
                  : rk_walk_table(w, &table[which], rk_node_input(n, 0));
}

rk_status rk_walk_embeddings(rk_walk *w, rk_source *out, const char **ids, float *eps,
                             const char *value)
{
    rk_table table[3];
    bool seen[3] = { false };
    size_t width = 0;
    const char *sum, *outer[2], *inner[2], *part[3];
    rk_status st = rk_walk_norm(w, &out->emb_ln_w, &out->emb_ln_b, eps, &width, &sum, value);

    if (st) return st;
    if (!rk_walk_pair(w, "Add", sum, outer))
        return rk_walk_misfit(w, rk_walk_behind(w, sum), "a sum of three embeddings");
    if (rk_walk_pair(w, "Add", outer[0], inner)) part[2] = outer[1];
    else if (rk_walk_pair(w, "Add", outer[1], inner)) part[2] = outer[0];
    else return rk_walk_misfit(w, rk_walk_behind(w, sum), "a sum of three embeddings");
    part[0] = inner[0];
    part[1] = inner[1];
    /* The positions are known by the length of the ids, so those come first. */
    for (size_t i = 0; !st && i < 3; i++) st = embedding(w, table, ids, seen, part[i], false);
    if (!st && !seen[0]) st = rk_walk_misfit(w, rk_walk_behind(w, sum), "a Gather of input ids");
    for (size_t i = 0; !st && i < 3; i++) st = embedding(w, table, ids, seen, part[i], true);
    if (!st && !(seen[1] && seen[2]))
        st = rk_walk_misfit(w, rk_walk_behind(w, sum), "word, position and type embeddings");
    for (size_t i = 0; !st && i < 3; i++)
        if (table[i].width != width)
            st = rk_walk_misfit(w, rk_walk_behind(w, sum), "tables of the same width");
    out->word = table[0];
    out->position = table[1];
    out->type = table[2];
    return st;
}
