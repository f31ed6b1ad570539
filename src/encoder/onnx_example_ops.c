/* What an operator makes of small arrays: shapes always, numbers where they follow. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/onnx_example.h"

static bool like(rk_array *out, const rk_array *a)
{
    out->whole = a->whole;
    return rk_array_shape(out, a->rank, a->dim);
}

/* ---- element by element ---- */

typedef enum binary {
    ADD,
    SUB,
    MUL,
    DIV,
    POW,
    MAX,
    MIN,
    EQUAL,
    GREATER,
    LESS,
    NOT_LESS,
    NOT_GREATER,
    AND,
    OR
} binary;

static bool is_binary(binary *op, const Onnx__NodeProto *n)
{
    static const char *const names[] = {"Add",
                                        "Sub",
                                        "Mul",
                                        "Div",
                                        "Pow",
                                        "Max",
                                        "Min",
                                        "Equal",
                                        "Greater",
                                        "Less",
                                        "GreaterOrEqual",
                                        "LessOrEqual",
                                        "And",
                                        "Or"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (rk_node_is(n, names[i])) {
            *op = (binary)i;
            return true;
        }
    return false;
}

static double calculated(binary op, double a, double b, bool whole)
{
    switch (op) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return whole ? trunc(a / b) : a / b;
    case POW:
        return pow(a, b);
    case MAX:
        return fmax(a, b);
    case MIN:
        return fmin(a, b);
    case EQUAL:
        return a == b;
    case GREATER:
        return a > b;
    case LESS:
        return a < b;
    case NOT_LESS:
        return a >= b;
    case NOT_GREATER:
        return a <= b;
    case AND:
        return a != 0 && b != 0;
    case OR:
        break;
    }
    return a != 0 || b != 0;
}

static bool both(rk_array *out, binary op, const rk_array *a, const rk_array *b, rk_example *e)
{
    size_t dim[RK_MAX_RANK], rank;
    rk_array x = {0}, y = {0};

    if (!rk_array_broadcast(dim, &rank, a, b) || !rk_array_shape(out, rank, dim)) return false;
    out->whole = op >= EQUAL || (a->whole && b->whole);
    if (!a->data || !b->data) return true;
    if (rk_array_expanded(&x, a, rank, dim, e) && rk_array_expanded(&y, b, rank, dim, e) &&
        x.data && y.data && rk_array_numbers(out, e))
        for (size_t i = 0; i < out->count; i++)
            out->data[i] = calculated(op, x.data[i], y.data[i], out->whole && op < EQUAL);
    rk_free(x.data);
    rk_free(y.data);
    return true;
}

static bool where(rk_array *out, const rk_array *const *in, size_t inputs, rk_example *e)
{
    size_t dim[RK_MAX_RANK], rank;
    rk_array all = {0}, part[3] = {{0}};
    bool known = true;

    if (inputs != 3 || !in[1] || !in[2]) return false;
    if (!rk_array_broadcast(dim, &rank, in[0], in[1]) || !rk_array_shape(&all, rank, dim) ||
        !rk_array_broadcast(dim, &rank, &all, in[2]) || !rk_array_shape(out, rank, dim))
        return false;
    out->whole = in[1]->whole;
    for (size_t i = 0; i < 3; i++)
        known = known && in[i]->data && rk_array_expanded(&part[i], in[i], rank, dim, e) &&
                part[i].data;
    if (known && rk_array_numbers(out, e))
        for (size_t i = 0; i < out->count; i++)
            out->data[i] = part[0].data[i] != 0 ? part[1].data[i] : part[2].data[i];
    for (size_t i = 0; i < 3; i++) rk_free(part[i].data);
    return true;
}

static double cast(double v, int64_t to, bool *whole)
{
    switch (to) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        *whole = false;
        return v;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
        *whole = true;
        return v != 0;
    default:
        *whole = true;
        return trunc(v);
    }
}

/* Operators of one value that leave its shape. */
static bool one(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in, size_t inputs,
                rk_example *e)
{
    const rk_array *a = in[0];
    const int64_t to = rk_node_int(n, "to", 0);

    if (!like(out, a)) return false;
    if (rk_node_is(n, "CastLike")) out->whole = inputs > 1 && in[1] ? in[1]->whole : a->whole;
    if (rk_node_is(n, "Not") || rk_node_is(n, "IsNaN")) out->whole = true;
    if (rk_node_is(n, "Cast")) cast(0, to, &out->whole);
    if (!a->data || !rk_array_numbers(out, e)) return true;
    for (size_t i = 0; i < a->count; i++) {
        const double v = a->data[i];
        bool whole;
        out->data[i] = rk_node_is(n, "Not")     ? v == 0
                       : rk_node_is(n, "IsNaN") ? isnan(v)
                       : rk_node_is(n, "Neg")   ? -v
                       : rk_node_is(n, "Abs")   ? fabs(v)
                       : rk_node_is(n, "Sqrt")  ? sqrt(v)
                       : rk_node_is(n, "Cast")  ? cast(v, to, &whole)
                       : out->whole             ? trunc(v)
                                                : v;
    }
    return true;
}

static bool leaves_shape(const Onnx__NodeProto *n, bool *numbers)
{
    static const char *const known[] = {"Identity", "Cast", "CastLike", "Dropout", "Not",
                                        "IsNaN",    "Neg",  "Abs",      "Sqrt"};
    static const char *const shaped[] = {"LayerNormalization",
                                         "Softmax",
                                         "Erf",
                                         "Tanh",
                                         "Gelu",
                                         "Relu",
                                         "Exp",
                                         "Reciprocal",
                                         "QuantizeLinear",
                                         "DequantizeLinear",
                                         "DynamicQuantizeLinear",
                                         "Sigmoid"};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (rk_node_is(n, known[i])) return *numbers = true;
    for (size_t i = 0; i < sizeof shaped / sizeof *shaped; i++)
        if (rk_node_is(n, shaped[i])) {
            *numbers = false;
            return true;
        }
    return false;
}

/* ---- shapes of products and means; their numbers are never asked for ---- */

static bool product(rk_array *out, const rk_array *a, const rk_array *b)
{
    rk_array x = *a, y = *b;
    size_t dim[RK_MAX_RANK + 2], rank;

    if (a->rank < 2 || b->rank < 2) return false;
    x.rank -= 2;
    y.rank -= 2;
    if (!rk_array_broadcast(dim, &rank, &x, &y) || rank + 2 > RK_MAX_RANK) return false;
    dim[rank] = a->dim[a->rank - 2];
    dim[rank + 1] = b->dim[b->rank - 1];
    return a->dim[a->rank - 1] == b->dim[b->rank - 2] && rk_array_shape(out, rank + 2, dim);
}

static bool gemm(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, const rk_array *b)
{
    size_t dim[2];

    if (a->rank != 2 || b->rank != 2) return false;
    dim[0] = a->dim[rk_node_int(n, "transA", 0) != 0];
    dim[1] = b->dim[rk_node_int(n, "transB", 0) == 0];
    return rk_array_shape(out, 2, dim);
}

static bool mean(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, const rk_array *axes)
{
    size_t dim[RK_MAX_RANK];
    bool over[RK_MAX_RANK], given;

    if (!rk_array_axes(over, &given, n, axes, a->rank) || !given || !rk_node_int(n, "keepdims", 1))
        return false;
    for (size_t d = 0; d < a->rank; d++) dim[d] = over[d] ? 1 : a->dim[d];
    return rk_array_shape(out, a->rank, dim);
}

bool rk_array_node(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in,
                   size_t inputs, rk_example *e)
{
    const rk_array *a = inputs > 0 ? in[0] : NULL, *b = inputs > 1 ? in[1] : NULL;
    binary op;
    bool numbers;

    if (!a) return false;
    if (leaves_shape(n, &numbers)) return numbers ? one(out, n, in, inputs, e) : like(out, a);
    if (is_binary(&op, n)) return b && inputs == 2 && both(out, op, a, b, e);
    if (rk_node_is(n, "Where")) return where(out, in, inputs, e);
    if (rk_node_is(n, "MatMul") || rk_node_is(n, "MatMulInteger")) return b && product(out, a, b);
    if (rk_node_is(n, "Gemm")) return b && gemm(out, n, a, b);
    if (rk_node_is(n, "ReduceMean")) return mean(out, n, a, b);
    return rk_array_move(out, n, in, inputs, e);
}
