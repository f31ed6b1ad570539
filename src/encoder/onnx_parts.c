/* Parts of a BERT classifier in an ONNX graph: Linears, activations, embeddings; plain or
 * quantised. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"

enum { DEPTH = 12, VISITS = 512 }; /* of an activation's nodes, which branch */

/* ---- Linear ---- */

/* A QuantizeLinear and DequantizeLinear pair before a Linear; signed codes are 128 higher here. */
static rk_status quantised_input(rk_walk *w, rk_matrix *form, const char **input)
{
    rk_quantiser q;
    rk_status st = rk_walk_rounding(w, &q, input);

    *form = (rk_matrix){ .form = RK_FORM_F32 };
    if (st || !q.on) return st;
    form->form = RK_FORM_U8;
    form->scale = q.scale;
    form->zero = (uint8_t)(q.zero - q.least);
    return RK_OK;
}

static void put_weight(rk_source_linear *out, const rk_walk_matrix *m, bool transposed)
{
    const size_t *dim = m->t.dim;

    out->w = (rk_weight){
        .data = m->t.data, .type = m->t.type, .scale = m->scale,
        .out = dim[transposed ? 0 : 1], .in = dim[transposed ? 1 : 0],
        .out_step = transposed ? dim[1] : 1, .in_step = transposed ? 1 : dim[1],
    };
    out->zero = m->zero;
}

static rk_status product(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                         const char *x, const char *weights, bool transposed)
{
    const Onnx__NodeProto *turn = rk_walk_node(w, weights, "Transpose");
    rk_walk_matrix m;
    rk_status st;

    if (turn) {
        transposed = !transposed;
        weights = rk_node_input(turn, 0);
    }
    st = rk_walk_weights(w, &m, transposed ? 0 : 1, weights, fits);
    if (st || !*fits) return st;
    put_weight(out, &m, transposed);
    *input = x;
    st = quantised_input(w, &out->input, input);
    if (st) return st;
    if ((out->input.form == RK_FORM_U8) != (m.t.type == RK_DT_I8))
        return rk_walk_misfit(w, x, "input and weights both quantised, or neither");
    return RK_OK;
}

/* Mul(Cast(MatMulInteger(codes of x, codes)), scale of x times scales): x quantised by its own
 * range, DynamicQuantizeLinear. */
static rk_status dynamic_product(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                                 const char *value)
{
    const Onnx__NodeProto *sum, *range;
    const char *pair[2], *factor[2], *codes, *scale, *zero;
    rk_walk_matrix m;
    rk_status st;

    *fits = false;
    if (!rk_walk_pair(w, "Mul", value, pair)) return RK_OK;
    for (size_t i = 0; i < 2; i++) {
        sum = rk_walk_node(w, pair[i], "MatMulInteger");
        if (!sum || !rk_walk_pair(w, "Mul", pair[1 - i], factor)) continue;
        range = rk_index_producer(w->x, rk_node_input(sum, 0));
        if (!range || !rk_node_is(range, "DynamicQuantizeLinear") || !rk_node_input(sum, 2))
            return rk_walk_misfit(w, rk_node_output(sum, 0), "codes of a DynamicQuantizeLinear");
        codes = rk_node_output(range, 0); /* a file may leave each of the three without a name */
        scale = rk_node_output(range, 1);
        zero = rk_node_output(range, 2);
        if (!codes || !scale || !zero || strcmp(rk_node_input(sum, 0), codes) != 0 ||
            strcmp(rk_node_input(sum, 2), zero) != 0)
            return rk_walk_misfit(w, rk_node_output(sum, 0), "codes of a DynamicQuantizeLinear");
        if (strcmp(factor[0], scale) != 0) {
            const char *first = factor[0];
            factor[0] = factor[1];
            factor[1] = first;
        }
        if (strcmp(factor[0], scale) != 0)
            return rk_walk_misfit(w, pair[1 - i], "the scale of its DynamicQuantizeLinear");
        st = rk_walk_codes(w, &m, 1, rk_node_input(sum, 1), factor[1], rk_node_input(sum, 3), fits);
        if (st) return st;
        if (!*fits) return rk_walk_misfit(w, rk_node_output(sum, 0), "a product with constants");
        put_weight(out, &m, false);
        out->dynamic = true;
        out->input = (rk_matrix){ .form = RK_FORM_U8, .scale = 1 };
        *input = rk_node_input(range, 0);
        return RK_OK;
    }
    return RK_OK;
}

rk_status rk_walk_linear(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                         const char *value)
{
    const Onnx__NodeProto *n;
    const char *pair[2];
    rk_status st;

    *fits = false;
    *out = (rk_source_linear){ 0 };
    st = rk_walk_rounding(w, &out->end, &value);
    if (st) return st;
    n = rk_walk_node(w, value, "Gemm");
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
        const char *of = pair[i];
        rk_quantiser rounding = { 0 };
        rk_tensor t;
        bool constant;
        st = rk_walk_constant(w, &t, &constant, pair[1 - i]);
        if (st) return st;
        if (!constant) continue;
        if (rk_walk_node(w, of, "DequantizeLinear")) st = rk_walk_rounding(w, &rounding, &of);
        if (st) return st;
        n = rk_walk_node(w, of, "MatMul");
        st = n ? product(w, out, input, fits, rk_node_input(n, 0), rk_node_input(n, 1), false)
               : dynamic_product(w, out, input, fits, of);
        if (st || !*fits) return st;
        out->product = rounding;
        return rk_walk_floats(w, &out->w.bias, &out->w.out, pair[1 - i]);
    }
    return RK_OK;
}

/* ---- activation: evaluated, not matched, so that any way of writing it is known ---- */

/* Whether a Linear ends at value; what was made to know it is not kept. */
static bool is_linear(rk_walk *w, const char *value)
{
    const size_t owns = w->owns;
    rk_source_linear l;
    const char *input;
    bool fits;
    const rk_status st = rk_walk_linear(w, &l, &input, &fits, value);

    while (w->owns > owns) rk_free(w->owned[--w->owns]);
    return !st && fits;
}

/* Nodes of more than two inputs are no part of an activation; visits: how many values may still be
 * looked at, since a file may send every node back to the same few. */
static const char *linear_under(rk_walk *w, const char *value, size_t depth, size_t *visits)
{
    const Onnx__NodeProto *n;

    value = rk_walk_behind(w, value);
    if (depth == DEPTH || *visits == 0) return NULL;
    --*visits;
    if (is_linear(w, value)) return value;
    n = rk_walk_maker(w, value);
    for (size_t i = 0; n && n->n_input <= 2 && i < n->n_input; i++) {
        const char *in = rk_node_input(n, i);
        const char *found = in ? linear_under(w, in, depth + 1, visits) : NULL;
        if (found) return found;
    }
    return NULL;
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

static rk_activation gelu_of(const Onnx__NodeProto *n)
{
    const Onnx__AttributeProto *p = rk_node_attr(n, "approximate");

    return p && p->s.len == 4 && memcmp(p->s.data, "tanh", 4) == 0 ? RK_ACT_GELU_TANH
                                                                  : RK_ACT_GELU;
}

/* The number at `value` when `leaf` is x; false where a node is none that an activation is made of,
 * or the visits are spent. */
static bool evaluate(rk_walk *w, double *out, const char *value, const char *leaf, double x,
                     size_t depth, size_t *visits)
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
    n = rk_walk_maker(w, value);
    if (depth == DEPTH || *visits == 0 || !n || n->n_input < 1 || n->n_input > 2) return false;
    --*visits;
    if (!evaluate(w, &a, rk_node_input(n, 0), leaf, x, depth + 1, visits)) return false;
    if (n->n_input == 2 && !evaluate(w, &b, rk_node_input(n, 1), leaf, x, depth + 1, visits))
        return false;
    if (n->n_input == 2) {
        if (rk_node_is(n, "Add")) *out = a + b;
        else if (rk_node_is(n, "Sub")) *out = a - b;
        else if (rk_node_is(n, "Mul")) *out = a * b;
        else if (rk_node_is(n, "Div")) *out = a / b;
        else if (rk_node_is(n, "Pow")) *out = pow(a, b);
        else return false;
        return true;
    }
    if (rk_node_is(n, "Gelu")) *out = activation(gelu_of(n), a);
    else if (rk_node_is(n, "Erf")) *out = erf(a);
    else if (rk_node_is(n, "Tanh")) *out = tanh(a);
    else if (rk_node_is(n, "Relu")) *out = a > 0 ? a : 0;
    else if (rk_node_is(n, "Sqrt")) *out = sqrt(a);
    else return false;
    return true;
}

/* The two forms of GELU are 4.7e-4 apart at most; half-precision constants change a value by a
 * thousandth of itself. So the nearest of the known ones is taken, and must be near. */
rk_status rk_walk_activation(rk_walk *w, rk_activation *act, const char **input, const char *value)
{
    static const rk_activation known[] = { RK_ACT_GELU, RK_ACT_GELU_TANH, RK_ACT_RELU };
    double off[3] = { 0 };
    size_t best = 0, visits = VISITS;
    bool ok = true;
    const char *leaf = linear_under(w, value, 0, &visits);

    if (!leaf) return rk_walk_misfit(w, rk_walk_behind(w, value), "an activation of a Linear");
    for (double x = -8; ok && x <= 8; x += 0.125) {
        double y;
        visits = VISITS;
        ok = evaluate(w, &y, value, leaf, x, 0, &visits);
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
