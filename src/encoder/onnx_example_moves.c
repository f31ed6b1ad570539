/* Operators that move numbers, or make them of shapes. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/onnx_example.h"

/* An axis of a, counted from the end where negative. */
static bool axis_of(size_t *out, double axis, size_t rank)
{
    if (axis < 0) axis += (double)rank;
    if (!(axis >= 0) || !(axis < (double)rank)) return false;
    *out = (size_t)axis;
    return true;
}

/* ---- elements by where they come from ---- */

/* out[i] = a[offset + sum of index * step]: what Transpose, Slice and Expand are. */
static bool moved(rk_array *out, const rk_array *a, double offset, const double *step,
                  rk_example *e)
{
    size_t at[RK_MAX_RANK] = {0};
    double from = offset;

    if (!a->data) return true;
    if (!rk_array_numbers(out, e)) return true;
    for (size_t i = 0; i < out->count; i++) {
        out->data[i] = a->data[(size_t)from];
        for (size_t d = out->rank; d-- > 0;) {
            from += step[d];
            if (++at[d] < out->dim[d]) break;
            from -= step[d] * (double)out->dim[d];
            at[d] = 0;
        }
    }
    return true;
}

static void steps(double *step, const rk_array *a)
{
    double s = 1;

    for (size_t d = a->rank; d-- > 0;) {
        step[d] = s;
        s *= (double)a->dim[d];
    }
}

static bool same_order(rk_array *out, const rk_array *a, rk_example *e)
{
    if (out->count != a->count) return false;
    out->whole = a->whole;
    if (a->data && rk_array_numbers(out, e)) memcpy(out->data, a->data, a->count * sizeof *a->data);
    return true;
}

/* ---- shapes ---- */

static bool reshape(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, const rk_array *to,
                    rk_example *e)
{
    size_t dim[RK_MAX_RANK], rest = 0, known = 1;
    bool open = false;

    if (!to || !to->data || to->rank != 1 || to->count > RK_MAX_RANK) return false;
    for (size_t i = 0; i < to->count; i++) {
        const double v = to->data[i];
        if (v == -1 && !open) {
            open = true;
            rest = i;
            continue;
        }
        if (v == 0 && !rk_node_int(n, "allowzero", 0)) {
            if (i >= a->rank) return false;
            dim[i] = a->dim[i];
        } else {
            if (!(v >= 0) || v > 1e12) return false;
            dim[i] = (size_t)v;
        }
        if (!rk_mul(&known, known, dim[i])) return false;
    }
    if (open) {
        if (known == 0 || a->count % known != 0) return false;
        dim[rest] = a->count / known;
    }
    return rk_array_shape(out, to->count, dim) && same_order(out, a, e);
}

/* Axes from the second input, else from the attribute. */
bool rk_array_axes(bool mask[RK_MAX_RANK], bool *given, const Onnx__NodeProto *n,
                   const rk_array *axes, size_t rank)
{
    const Onnx__AttributeProto *p = rk_node_attr(n, "axes");
    const size_t count = axes ? axes->count : p ? p->n_ints : 0;

    memset(mask, 0, RK_MAX_RANK * sizeof *mask);
    *given = count > 0;
    if (n->n_input > 1 && rk_node_input(n, 1) && (!axes || !axes->data)) return false;
    for (size_t i = 0; i < count; i++) {
        size_t d;
        if (!axis_of(&d, axes ? axes->data[i] : (double)p->ints[i], rank)) return false;
        mask[d] = true;
    }
    return true;
}

static bool squeeze(rk_array *out, const Onnx__NodeProto *n, const rk_array *a,
                    const rk_array *axes, rk_example *e)
{
    size_t dim[RK_MAX_RANK], rank = 0;
    bool drop[RK_MAX_RANK], given;

    if (!rk_array_axes(drop, &given, n, axes, a->rank)) return false;
    for (size_t d = 0; d < a->rank; d++) {
        if (given && drop[d] && a->dim[d] != 1) return false;
        if (given ? !drop[d] : a->dim[d] != 1) dim[rank++] = a->dim[d];
    }
    return rk_array_shape(out, rank, dim) && same_order(out, a, e);
}

static bool unsqueeze(rk_array *out, const Onnx__NodeProto *n, const rk_array *a,
                      const rk_array *axes, rk_example *e)
{
    const Onnx__AttributeProto *p = rk_node_attr(n, "axes");
    const size_t count = axes ? axes->count : p ? p->n_ints : 0, rank = a->rank + count;
    size_t dim[RK_MAX_RANK], from = 0;
    bool add[RK_MAX_RANK], given;

    if (count == 0 || rank > RK_MAX_RANK || !rk_array_axes(add, &given, n, axes, rank))
        return false;
    for (size_t d = 0; d < rank; d++) {
        if (!add[d] && from == a->rank) return false;
        dim[d] = add[d] ? 1 : a->dim[from++];
    }
    return from == a->rank && rk_array_shape(out, rank, dim) && same_order(out, a, e);
}

static bool flatten(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, rk_example *e)
{
    int64_t axis = rk_node_int(n, "axis", 1);
    size_t dim[2] = {1, 1};

    if (axis < 0) axis += (int64_t)a->rank;
    if (axis < 0 || axis > (int64_t)a->rank) return false;
    for (size_t d = 0; d < a->rank; d++)
        if (!rk_mul(&dim[d >= (size_t)axis], dim[d >= (size_t)axis], a->dim[d])) return false;
    return rk_array_shape(out, 2, dim) && same_order(out, a, e);
}

static bool shape_of(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, rk_example *e)
{
    int64_t rank = (int64_t)a->rank, start = rk_node_int(n, "start", 0);
    int64_t end = rk_node_int(n, "end", rank);
    size_t count;

    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    count = (size_t)(end - start);
    out->whole = true;
    if (!rk_array_shape(out, 1, &count) || !rk_array_numbers(out, e)) return false;
    for (size_t i = 0; i < count; i++) out->data[i] = (double)a->dim[(size_t)start + i];
    return true;
}

/* ---- moves ---- */

static bool transpose(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, rk_example *e)
{
    const Onnx__AttributeProto *p = rk_node_attr(n, "perm");
    size_t dim[RK_MAX_RANK];
    double step[RK_MAX_RANK], from[RK_MAX_RANK];
    bool seen[RK_MAX_RANK] = {false};

    if (p && p->n_ints != a->rank) return false;
    steps(from, a);
    for (size_t d = 0; d < a->rank; d++) {
        const int64_t s = p ? p->ints[d] : (int64_t)(a->rank - 1 - d);
        if (s < 0 || s >= (int64_t)a->rank || seen[s]) return false;
        seen[s] = true;
        dim[d] = a->dim[s];
        step[d] = from[s];
    }
    out->whole = a->whole;
    return rk_array_shape(out, a->rank, dim) && moved(out, a, 0, step, e);
}

/* Shapes of a and b together as numpy broadcasts them. */
bool rk_array_broadcast(size_t *dim, size_t *rank, const rk_array *a, const rk_array *b)
{
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (size_t d = 0; d < *rank; d++) {
        const size_t back = *rank - d;
        const size_t x = back <= a->rank ? a->dim[a->rank - back] : 1;
        const size_t y = back <= b->rank ? b->dim[b->rank - back] : 1;
        if (x != y && x != 1 && y != 1) return false;
        dim[d] = x == 1 ? y : x;
    }
    return true;
}

/* Steps through a for indices of `rank` dimensions: zero where it is repeated. */
static void repeated(double *step, const rk_array *a, size_t rank)
{
    double own[RK_MAX_RANK];

    steps(own, a);
    for (size_t d = 0; d < rank; d++) {
        const size_t back = rank - d;
        step[d] = back <= a->rank && a->dim[a->rank - back] != 1 ? own[a->rank - back] : 0;
    }
}

bool rk_array_expanded(rk_array *out, const rk_array *a, size_t rank, const size_t *dim,
                       rk_example *e)
{
    double step[RK_MAX_RANK];

    repeated(step, a, rank);
    out->whole = a->whole;
    return rk_array_shape(out, rank, dim) && moved(out, a, 0, step, e);
}

static bool expand(rk_array *out, const rk_array *a, const rk_array *to, rk_example *e)
{
    rk_array shape = {0};
    size_t dim[RK_MAX_RANK], rank;

    if (!to || !to->data || to->rank != 1 || to->count > RK_MAX_RANK) return false;
    for (size_t i = 0; i < to->count; i++) {
        if (!(to->data[i] >= 0) || to->data[i] > 1e12) return false;
        dim[i] = (size_t)to->data[i];
    }
    return rk_array_shape(&shape, to->count, dim) && rk_array_broadcast(dim, &rank, a, &shape) &&
           rk_array_expanded(out, a, rank, dim, e);
}

static bool slice(rk_array *out, const rk_array *const *in, size_t inputs, rk_example *e)
{
    const rk_array *a = in[0], *start = inputs > 1 ? in[1] : NULL, *end = inputs > 2 ? in[2] : NULL;
    const rk_array *axes = inputs > 3 ? in[3] : NULL, *stride = inputs > 4 ? in[4] : NULL;
    size_t dim[RK_MAX_RANK];
    double step[RK_MAX_RANK], offset = 0;

    if (!start || !start->data || !end || !end->data || start->count != end->count ||
        (axes && (!axes->data || axes->count != start->count)) ||
        (stride && (!stride->data || stride->count != start->count)))
        return false;
    steps(step, a);
    memcpy(dim, a->dim, sizeof dim);
    for (size_t i = 0; i < start->count; i++) {
        size_t d;
        double from = start->data[i], to = end->data[i], size;
        const double by = stride ? stride->data[i] : 1;
        if (!axis_of(&d, axes ? axes->data[i] : (double)i, a->rank) || !(by >= 1)) return false;
        /* a fraction of a row would be elements of another */
        if (from != trunc(from) || to != trunc(to) || by != trunc(by)) return false;
        size = (double)a->dim[d];
        from = from < 0 ? fmax(0, from + size) : fmin(from, size);
        to = to < 0 ? fmax(0, to + size) : fmin(to, size);
        dim[d] = to > from ? (size_t)ceil((to - from) / by) : 0;
        offset += from * step[d];
        step[d] *= by;
    }
    out->whole = a->whole;
    return rk_array_shape(out, a->rank, dim) && moved(out, a, offset, step, e);
}

static bool gather(rk_array *out, const Onnx__NodeProto *n, const rk_array *a, const rk_array *at,
                   rk_example *e)
{
    size_t dim[RK_MAX_RANK], axis, inner = 1, outer = 1, rank;

    if (!at || !axis_of(&axis, (double)rk_node_int(n, "axis", 0), a->rank)) return false;
    rank = a->rank - 1 + at->rank;
    if (rank > RK_MAX_RANK) return false;
    for (size_t d = 0; d < axis; d++) dim[d] = a->dim[d];
    for (size_t d = 0; d < at->rank; d++) dim[axis + d] = at->dim[d];
    for (size_t d = axis + 1; d < a->rank; d++) dim[d - 1 + at->rank] = a->dim[d];
    out->whole = a->whole;
    if (!rk_array_shape(out, rank, dim)) return false;
    if (!a->data || !at->data || !rk_array_numbers(out, e)) return true;
    if (out->count == 0) return true; /* dimensions beside a zero are as large as they like */
    for (size_t d = 0; d < axis; d++) outer *= a->dim[d];
    for (size_t d = axis + 1; d < a->rank; d++) inner *= a->dim[d];
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < at->count; k++) {
            size_t row;
            if (!axis_of(&row, at->data[k], a->dim[axis])) return false;
            memcpy(out->data + (o * at->count + k) * inner,
                   a->data + (o * a->dim[axis] + row) * inner, inner * sizeof *out->data);
        }
    return true;
}

static bool gather_elements(rk_array *out, const Onnx__NodeProto *n, const rk_array *a,
                            const rk_array *at, rk_example *e)
{
    size_t axis, index[RK_MAX_RANK] = {0};
    double step[RK_MAX_RANK];

    if (!at || at->rank != a->rank || !axis_of(&axis, (double)rk_node_int(n, "axis", 0), a->rank))
        return false;
    for (size_t d = 0; d < a->rank; d++)
        if (d != axis && at->dim[d] > a->dim[d]) return false;
    out->whole = a->whole;
    if (!rk_array_shape(out, at->rank, at->dim)) return false;
    if (!a->data || !at->data || !rk_array_numbers(out, e)) return true;
    steps(step, a);
    for (size_t i = 0; i < at->count; i++) {
        size_t row, from = 0;
        if (!axis_of(&row, at->data[i], a->dim[axis])) return false;
        for (size_t d = 0; d < a->rank; d++) from += (size_t)step[d] * (d == axis ? row : index[d]);
        out->data[i] = a->data[from];
        for (size_t d = a->rank; d-- > 0;) {
            if (++index[d] < at->dim[d]) break;
            index[d] = 0;
        }
    }
    return true;
}

static bool gather_nd(rk_array *out, const Onnx__NodeProto *n, const rk_array *a,
                      const rk_array *at, rk_example *e)
{
    size_t dim[RK_MAX_RANK], depth, rank = 0, inner = 1;
    double step[RK_MAX_RANK];

    if (!at || at->rank < 1 || rk_node_int(n, "batch_dims", 0) != 0) return false;
    depth = at->dim[at->rank - 1];
    if (depth < 1 || depth > a->rank || at->rank - 1 + a->rank - depth > RK_MAX_RANK) return false;
    for (size_t d = 0; d + 1 < at->rank; d++) dim[rank++] = at->dim[d];
    for (size_t d = depth; d < a->rank; d++) {
        dim[rank++] = a->dim[d];
        inner *= a->dim[d];
    }
    out->whole = a->whole;
    if (!rk_array_shape(out, rank, dim)) return false;
    if (!a->data || !at->data || !rk_array_numbers(out, e)) return true;
    steps(step, a);
    for (size_t i = 0; i < at->count / depth; i++) {
        size_t from = 0;
        for (size_t d = 0; d < depth; d++) {
            size_t row;
            if (!axis_of(&row, at->data[i * depth + d], a->dim[d])) return false;
            from += row * (size_t)step[d];
        }
        memcpy(out->data + i * inner, a->data + from, inner * sizeof *out->data);
    }
    return true;
}

static bool concat(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in,
                   size_t inputs, rk_example *e)
{
    size_t dim[RK_MAX_RANK], axis, outer = 1, line = 0, done = 0;
    bool known = true;

    if (!axis_of(&axis, (double)rk_node_int(n, "axis", 0), in[0]->rank)) return false;
    memcpy(dim, in[0]->dim, sizeof dim);
    dim[axis] = 0;
    for (size_t i = 0; i < inputs; i++) {
        if (!in[i] || in[i]->rank != in[0]->rank) return false;
        for (size_t d = 0; d < in[0]->rank; d++)
            if (d != axis && in[i]->dim[d] != dim[d]) return false;
        if (!rk_add(&dim[axis], dim[axis], in[i]->dim[axis])) return false;
        known = known && in[i]->data;
    }
    out->whole = in[0]->whole;
    if (!rk_array_shape(out, in[0]->rank, dim)) return false;
    if (!known || !rk_array_numbers(out, e)) return true;
    if (out->count == 0) return true;
    for (size_t d = 0; d < axis; d++) outer *= dim[d];
    line = out->count / outer;
    for (size_t i = 0; i < inputs; i++) {
        const size_t part = in[i]->count / outer;
        for (size_t o = 0; o < outer; o++)
            memcpy(out->data + o * line + done, in[i]->data + o * part, part * sizeof *out->data);
        done += part;
    }
    return true;
}

static bool range(rk_array *out, const rk_array *const *in, size_t inputs, rk_example *e)
{
    size_t count;
    double steps_there;

    for (size_t i = 0; i < 3; i++)
        if (inputs != 3 || !in[i] || !in[i]->data || in[i]->count != 1) return false;
    steps_there = ceil((in[1]->data[0] - in[0]->data[0]) / in[2]->data[0]);
    if (!(steps_there >= 0) || steps_there > RK_ARRAY_LIMIT) return false;
    count = (size_t)steps_there;
    out->whole = in[0]->whole;
    if (!rk_array_shape(out, 1, &count) || !rk_array_numbers(out, e)) return false;
    for (size_t i = 0; i < count; i++) out->data[i] = in[0]->data[0] + (double)i * in[2]->data[0];
    return true;
}

static bool constant_of_shape(rk_array *out, const Onnx__NodeProto *n, const rk_array *to,
                              rk_example *e)
{
    const Onnx__AttributeProto *p = rk_node_attr(n, "value");
    size_t dim[RK_MAX_RANK];
    void *owned = NULL;
    rk_tensor t;
    rk_error ignored;
    bool known = true;
    int64_t whole = 0;
    float real = 0;

    if (!to->data || to->rank != 1 || to->count > RK_MAX_RANK) return false;
    for (size_t i = 0; i < to->count; i++) {
        if (!(to->data[i] >= 0) || to->data[i] > 1e12) return false;
        dim[i] = (size_t)to->data[i];
    }
    if (!rk_array_shape(out, to->count, dim)) return false;
    if (p && p->t) {
        if (rk_onnx_tensor(&t, &owned, p->t, "", &ignored)) return false;
        out->whole = t.type == RK_DT_I64 || t.type == RK_DT_BOOL || t.type == RK_DT_I32;
        if (t.type == RK_DT_I64 && t.bytes == 8)
            memcpy(&whole, t.data, 8);
        else if (t.type == RK_DT_BOOL && t.bytes == 1)
            whole = *(const uint8_t *)t.data;
        else if (t.type == RK_DT_F32 && t.bytes == 4)
            memcpy(&real, t.data, 4);
        else
            known = false;
        rk_free(owned);
    }
    if (known && rk_array_numbers(out, e))
        for (size_t i = 0; i < out->count; i++)
            out->data[i] = out->whole ? (double)whole : (double)real;
    return true;
}

bool rk_array_move(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in,
                   size_t inputs, rk_example *e)
{
    const rk_array *a = in[0], *b = inputs > 1 ? in[1] : NULL;

    if (rk_node_is(n, "Shape")) return shape_of(out, n, a, e);
    if (rk_node_is(n, "Reshape")) return reshape(out, n, a, b, e);
    if (rk_node_is(n, "Transpose")) return transpose(out, n, a, e);
    if (rk_node_is(n, "Gather")) return gather(out, n, a, b, e);
    if (rk_node_is(n, "Slice")) return slice(out, in, inputs, e);
    if (rk_node_is(n, "Concat")) return concat(out, n, in, inputs, e);
    if (rk_node_is(n, "Unsqueeze")) return unsqueeze(out, n, a, b, e);
    if (rk_node_is(n, "Squeeze")) return squeeze(out, n, a, b, e);
    if (rk_node_is(n, "Flatten")) return flatten(out, n, a, e);
    if (rk_node_is(n, "Expand")) return expand(out, a, b, e);
    if (rk_node_is(n, "Range")) return range(out, in, inputs, e);
    if (rk_node_is(n, "ConstantOfShape")) return constant_of_shape(out, n, a, e);
    if (rk_node_is(n, "GatherElements")) return gather_elements(out, n, a, b, e);
    if (rk_node_is(n, "GatherND")) return gather_nd(out, n, a, b, e);
    return false;
}
