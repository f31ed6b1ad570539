/* Attention in an ONNX graph. Nodes that only move numbers are known by where they move them to: a
 * numbered tensor is sent through them. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"

enum { CHAIN = 64 };

/* ---- views ---- */

static bool moves(const rk_walk *w, const Onnx__NodeProto *n)
{
    static const char *const ops[] = {"Reshape", "Transpose", "Squeeze", "Unsqueeze",
                                      "Flatten", "Slice",     "Expand",  "Gather"};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (rk_node_is(n, ops[i])) return !rk_index_initializer(w->x, rk_node_input(n, 0));
    return false;
}

/* A Mul or Div by a number: the factor, and what is multiplied. */
static bool scales(rk_walk *w, const char **value, double *factor, const Onnx__NodeProto *n)
{
    const bool divides = rk_node_is(n, "Div");
    double by;

    if (n->n_input != 2 || !(divides || rk_node_is(n, "Mul"))) return false;
    if (rk_walk_scalar(w, &by, rk_node_input(n, 1)))
        *value = rk_node_input(n, 0);
    else if (!divides && rk_walk_scalar(w, &by, rk_node_input(n, 0)))
        *value = rk_node_input(n, 1);
    else
        return false;
    *factor = divides ? 1 / by : by;
    return true;
}

rk_status rk_walk_chain(rk_walk *w, rk_chain *out, const char *value)
{
    *out = (rk_chain){.before = 1, .after = 1};
    for (size_t i = 0; i < CHAIN; i++) {
        const Onnx__NodeProto *n;
        double factor;

        value = rk_walk_behind(w, value);
        n = rk_index_producer(w->x, value);
        if (n && moves(w, n)) {
            value = rk_node_input(n, 0);
        } else if (n && scales(w, &value, &factor, n)) {
            if (out->round.on)
                out->before *= factor;
            else
                out->after *= factor;
        } else if (n && rk_node_is(n, "DequantizeLinear")) {
            const char *at = value;
            rk_quantiser q;
            rk_status st = rk_walk_rounding(w, &q, &value);
            if (st) return st;
            if (!q.on) {
                out->from = value;
                return RK_OK;
            }
            if (out->round.on && (out->before != 1 || q.scale != out->round.scale ||
                                  q.zero != out->round.zero || q.least != out->round.least))
                return rk_walk_misfit(w, at, "one rounding");
            out->round = q;
        } else {
            out->from = value;
            return RK_OK;
        }
    }
    return rk_walk_misfit(w, value, "fewer nodes that only move numbers");
}

bool rk_walk_view(rk_walk *w, rk_array *out, size_t example, const char *value, const char *from)
{
    rk_example *e = w->example[example];
    const rk_array *first = rk_example_find(e, from);
    const Onnx__NodeProto *step[CHAIN];
    size_t count = 0;
    bool ok;

    *out = (rk_array){0};
    for (value = rk_walk_behind(w, value); strcmp(value, from) != 0;
         value = rk_walk_behind(w, value)) {
        const Onnx__NodeProto *n = rk_index_producer(w->x, value);
        double factor;
        if (!n || count == CHAIN) return false;
        if (moves(w, n)) {
            step[count++] = n;
            value = rk_node_input(n, 0);
        } else if (!scales(w, &value, &factor, n)) {
            value = rk_node_input(n, 0); /* one of a rounding */
        }
    }
    ok = first && rk_array_shape(out, first->rank, first->dim) && rk_array_numbers(out, e);
    for (size_t i = 0; ok && i < out->count; i++) out->data[i] = (double)i;
    while (ok && count > 0) {
        rk_array next;
        ok = rk_example_apply(e, step[--count], out, &next);
        rk_free(out->data);
        *out = next;
    }
    if (!ok) {
        rk_free(out->data);
        out->data = NULL;
    }
    return ok;
}

/* ---- heads ---- */

typedef enum layout { ROWS, COLUMNS } layout;

/* Whether a view of a Linear [batch, sequence, width] has heads before tokens: [batch, heads,
 * sequence, size], batch and heads perhaps as one, or the last two the other way round. */
static bool heads_first(rk_walk *w, size_t example, size_t *heads, layout turned, const char *value,
                        const char *from, size_t width)
{
    const size_t b = w->example[example]->batch, l = w->example[example]->length;
    rk_array v;
    bool ok = rk_walk_view(w, &v, example, value, from);
    size_t h = 0, s;

    if (ok) h = v.rank == 4 ? v.dim[1] : v.rank == 3 ? v.dim[0] / b : 0;
    ok = ok && h > 0 && width % h == 0 && (*heads == 0 || *heads == h) && v.count == b * l * width;
    s = ok ? width / h : 0;
    ok = ok && v.dim[v.rank - 1] == (turned == ROWS ? s : l) &&
         v.dim[v.rank - 2] == (turned == ROWS ? l : s) && (v.rank == 3 || v.dim[0] == b);
    for (size_t i = 0; ok && i < v.count; i++) {
        const size_t last = v.dim[v.rank - 1], row = i / last % v.dim[v.rank - 2], col = i % last;
        const size_t token = turned == ROWS ? row : col, at = turned == ROWS ? col : row;
        const size_t head = i / (l * s) % h, batch = i / (l * s * h);
        ok = v.data[i] == (double)((batch * l + token) * width + head * s + at);
    }
    rk_free(v.data);
    if (ok) *heads = h;
    return ok;
}

/* Heads of a Linear: what is made of its output by moving and scaling it. */
static rk_status heads_of(rk_walk *w, rk_source_linear *out, rk_chain *chain, const char **input,
                          size_t *count, layout turned, const char *value)
{
    bool fits;
    rk_status st = rk_walk_chain(w, chain, value);

    if (!st) st = rk_walk_linear(w, out, input, &fits, chain->from);
    if (st) return st;
    if (!fits) return rk_walk_misfit(w, chain->from, "query, key or value of a Linear");
    for (size_t i = 0; i < 2; i++)
        if (!heads_first(w, i, count, turned, value, chain->from, out->w.out))
            return rk_walk_misfit(w, rk_walk_behind(w, value),
                                  "heads moved before tokens, as many as elsewhere");
    return RK_OK;
}

/* ---- mask ---- */

/* Nothing where the caller's mask is 1, a large negative number where it is 0. Tokens that are
 * masked themselves may see what they like. Rows are never padded here, so the mask is not needed;
 * but it must be one. */
static bool is_mask(const rk_example *e, const char *value)
{
    const rk_array *m = rk_example_find(e, value);
    const size_t b = e->batch, l = e->length;

    if (!m || !m->data || m->rank < 1 || m->rank > 4 || m->dim[m->rank - 1] != l || m->count == 0)
        return false;
    if (m->rank >= 2 && m->dim[m->rank - 2] != 1 && m->dim[m->rank - 2] != l) return false;
    if (m->rank < 4 || m->dim[0] != b) return false;
    for (size_t i = 0; i < m->count; i++) {
        const size_t rows = m->dim[2], heads = m->dim[1];
        const size_t key = i % l, query = i / l % rows, batch = i / (l * rows * heads);
        if (rows != 1 && batch > 0 && query > 0) continue;
        if (batch == 0 || key == 0 ? m->data[i] != 0 : !(m->data[i] <= -1000)) return false;
    }
    return true;
}

static rk_status mask(rk_walk *w, const char *value)
{
    value = rk_walk_behind(w, value);
    if (w->mask && strcmp(w->mask, value) == 0) return RK_OK;
    if (!is_mask(w->example[0], value) || !is_mask(w->example[1], value))
        return rk_walk_misfit(w, value,
                              "a mask: 0 where attention_mask is 1, else a large negative number");
    w->mask = value;
    return RK_OK;
}

/* Whether a caller can mask anything at all. */
static bool has_mask(const rk_walk *w)
{
    for (size_t i = 0; i < w->g->n_input; i++)
        if (w->feeds[i] == RK_FEED_MASK) return true;
    return false;
}

/* ---- attention ---- */

/* The Softmax behind a guard that turns NaN to 0. */
static const Onnx__NodeProto *softmax(rk_walk *w, const char *value)
{
    const Onnx__NodeProto *n = rk_walk_node(w, value, "Where"), *nan;
    double zero;

    if (n) {
        nan = rk_walk_node(w, rk_node_input(n, 0), "IsNaN");
        if (!nan || !rk_walk_scalar(w, &zero, rk_node_input(n, 1)) || zero != 0 ||
            strcmp(rk_node_input(nan, 0), rk_node_input(n, 2)) != 0)
            return NULL;
        value = rk_node_input(n, 2);
    }
    n = rk_walk_node(w, value, "Softmax");
    return n && (rk_node_int(n, "axis", -1) == -1 || rk_node_int(n, "axis", -1) == 3) ? n : NULL;
}

/* Whether a chain of scores or probabilities leaves every number where it is. */
static bool in_place(rk_walk *w, const char *value, const char *from)
{
    rk_array v;
    bool ok = rk_walk_view(w, &v, 0, value, from);

    for (size_t i = 0; ok && i < v.count; i++) ok = v.data[i] == (double)i;
    rk_free(v.data);
    return ok;
}

/* Scores of queries and keys, scaled, masked: what the Softmax reads. */
static rk_status scores(rk_walk *w, rk_source_layer *l, rk_chain part[3], const char *input[3],
                        size_t *count, const char *value)
{
    const Onnx__NodeProto *product;
    const char *pair[2];
    rk_chain c;
    rk_status st;

    if (rk_walk_pair(w, "Add", value, pair)) {
        const rk_array *known = rk_example_find(w->example[0], rk_walk_behind(w, pair[0]));
        st = mask(w, pair[known && known->data ? 0 : 1]);
        if (st) return st;
        value = pair[known && known->data ? 1 : 0];
    } else if (has_mask(w)) {
        return rk_walk_misfit(w, rk_walk_behind(w, value), "scores plus mask");
    }
    st = rk_walk_chain(w, &c, value);
    if (st) return st;
    product = rk_walk_node(w, c.from, "MatMul");
    if (!product || c.before != 1 || !in_place(w, value, c.from))
        return rk_walk_misfit(w, c.from, "a product of queries and keys");
    l->attention.score = c.round;
    l->attention.score_scale = (float)c.after;
    st = heads_of(w, &l->q, &part[0], &input[0], count, ROWS, rk_node_input(product, 0));
    if (!st)
        st = heads_of(w, &l->k, &part[1], &input[1], count, COLUMNS, rk_node_input(product, 1));
    if (st) return st;
    /* In a half file the root is rounded to 11 bits, in a bfloat16 file to 8. */
    const double want = 1 / sqrt((double)(l->q.w.out / *count));
    const double scale = c.after * part[0].before * part[0].after * part[1].before * part[1].after;
    if (!(fabs(scale - want) <= want * 0x1p-8))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "scores by the root of the head size");
    return RK_OK;
}

/* Whether [batch, heads, sequence, size] becomes [batch, sequence, hidden]. */
static bool merged(rk_walk *w, size_t example, size_t heads, const char *value, const char *from)
{
    const size_t b = w->example[example]->batch, l = w->example[example]->length;
    rk_array v;
    bool ok = rk_walk_view(w, &v, example, value, from);
    size_t width = 0, s;

    if (ok && v.rank == 3) width = v.dim[2];
    ok = ok && v.rank == 3 && v.dim[0] == b && v.dim[1] == l && width % heads == 0 && width > 0;
    s = ok ? width / heads : 1;
    for (size_t i = 0; ok && i < v.count; i++) {
        const size_t col = i % width, token = i / width % l, batch = i / (width * l);
        ok = v.data[i] == (double)(((batch * heads + col / s) * l + token) * s + col % s);
    }
    rk_free(v.data);
    return ok;
}

static void keep_roundings(rk_source_attention *a, const rk_chain part[3])
{
    a->q = part[0].round;
    a->k = part[1].round;
    a->v = part[2].round;
    a->q_scale = (float)(part[0].round.on ? part[0].before : part[0].after);
    a->k_scale = (float)(part[1].round.on ? part[1].before : part[1].after);
    if (part[0].round.on) a->score_scale *= (float)part[0].after;
    if (part[1].round.on) a->score_scale *= (float)part[1].after;
    a->rounds = a->q.on || a->k.on || a->v.on || a->score.on || a->probability.on || a->context.on;
}

rk_status rk_walk_attention(rk_walk *w, rk_source_layer *l, const char **input, size_t *heads,
                            const char *value)
{
    const Onnx__NodeProto *mix, *soft;
    const char *in[3], *probability;
    rk_chain c, part[3];
    rk_status st = rk_walk_chain(w, &c, value);

    if (st) return st;
    mix = rk_walk_node(w, c.from, "MatMul");
    if (!mix || c.before != 1 || c.after != 1)
        return rk_walk_misfit(w, c.from, "probabilities times values");
    l->attention.context = c.round;
    probability = rk_node_input(mix, 0);
    st = rk_walk_rounding(w, &l->attention.probability, &probability);
    if (st) return st;
    soft = softmax(w, probability);
    if (!soft) return rk_walk_misfit(w, rk_walk_behind(w, probability), "a Softmax over the keys");
    st = scores(w, l, part, in, heads, rk_node_input(soft, 0));
    if (!st) st = heads_of(w, &l->v, &part[2], &in[2], heads, ROWS, rk_node_input(mix, 1));
    if (st) return st;
    if (part[2].before != 1 || part[2].after != 1)
        return rk_walk_misfit(w, rk_node_output(mix, 0), "values as they are");
    if (!merged(w, 0, *heads, value, c.from) || !merged(w, 1, *heads, value, c.from))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "the heads of attention merged");
    keep_roundings(&l->attention, part);
    for (size_t i = 0; i < 3; i++) in[i] = rk_walk_behind(w, in[i]);
    if (strcmp(in[0], in[1]) != 0 || strcmp(in[0], in[2]) != 0)
        return rk_walk_misfit(w, rk_walk_behind(w, value), "query, key and value of one input");
    *input = in[0];
    return RK_OK;
}
