#include <string.h>

#include "base/mem.h"
#include "convert/half_plan.h"
#include "convert/half_ranges.h"
#include "convert/half_rules.h"

enum {
    FEW = 1024,
    FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    PAST_HALF = RK_REACH_HUGE | RK_REACH_WIDE | RK_REACH_SMALL,
    PASSES = 64           /* states that hand on to each other carry a mark round that often */
};

typedef struct deciding {
    rk_half_plan *p;
    unsigned char *cell_reach;    /* [cells] of nodes with bodies */
    bool changed;
    rk_error *err;
} deciding;

static const rk_snode *node_of(const deciding *d, size_t i) { return &d->p->s->node[i]; }

static size_t number(const rk_half_plan *p, const rk_svalue *v)
{
    return (size_t)(v - p->s->value);
}

static void reach(deciding *d, const rk_svalue *v, unsigned what)
{
    unsigned char *r = &d->p->reach[number(d->p, v)];
    /* bfloat16 reaches as far as float. */
    if (d->p->o->type == RK_DT_BF16) what &= RK_REACH_HUGE | RK_REACH_SMALL;
    if ((*r | what) == *r) return;
    *r = (unsigned char)(*r | what);
    d->changed = true;
}

/* ---- constants ---- */

static rk_status stats_of(deciding *d, const rk_svalue *v, const rk_half_stats **out)
{
    rk_half_stats *s = &d->p->stats[number(d->p, v)];
    const rk_status st = s->known ? RK_OK : rk_half_look(s, v->tensor, d->p->o->type, d->p->m,
                                                         d->err);
    *out = s;
    return st;
}

/* What the constants that a node reads do to it. */
static rk_status constants(deciding *d, size_t i, unsigned rule, unsigned *out)
{
    const rk_snode *n = node_of(d, i);

    for (size_t k = 0; k < n->proto->n_input; k++) {
        const rk_svalue *v = rk_scope_in(d->p->s, i, k);
        const rk_half_stats *s;
        if (!rk_half_is_float(v) || !v->tensor) continue;
        if (!rk_half_allowed(d->p, n->schema, rk_schema_input(n->schema, k, NULL))) continue;
        const rk_status st = stats_of(d, v, &s);
        if (st) return st;
        if (s->largest > 0.0f && s->largest < rk_half_smallest(d->p->o->type)) {
            rk_half_keep(d->p, i, "half has too few digits for a constant that it reads");
            *out |= RK_REACH_SMALL;
        }
        if (s->vanish && (rule & RK_RULE_BOUNDS || (k == 1 && rk_node_is(n->proto, "Div")))) {
            rk_half_keep(d->p, i, "a divisor or a bound that it reads is zero in half");
            *out |= RK_REACH_SMALL;
        }
        /* A sum with the last numbers of the range leaves it; a move does not. */
        const bool near = s->largest > rk_half_limit(d->p->o->type);
        if (near && rule & RK_RULE_MOVER) *out |= RK_REACH_HUGE;
        if (!(rule & RK_RULE_BOUNDS) &&
            (s->beyond || (near && !(rule & (RK_RULE_PRODUCT | RK_RULE_MOVER))))) {
            rk_half_keep(d->p, i, "a constant that it reads is at or beyond half's range");
            if (!(rule & RK_RULE_PRODUCT)) *out |= RK_REACH_HUGE;
        }
    }
    return RK_OK;
}

/* A ConstantOfShape or Constant: what it makes is in an attribute. */
static rk_status filler(deciding *d, size_t i, unsigned *out)
{
    const Onnx__AttributeProto *a = rk_node_attr(node_of(d, i)->proto, "value");
    rk_half_stats s = {0};
    const rk_status st =
        a && a->t ? rk_half_look(&s, a->t, d->p->o->type, d->p->m, d->err) : RK_OK;

    if (st || !(s.beyond || (s.largest > 0.0f && s.largest < rk_half_smallest(d->p->o->type))))
        return st;
    rk_half_keep(d->p, i, "half cannot hold the value that it makes");
    *out |= s.beyond ? RK_REACH_HUGE : RK_REACH_SMALL;
    return RK_OK;
}

/* ---- what a node is made of ---- */

typedef struct content {
    bool floats, unknown, can, series;
    unsigned reach;           /* of its float inputs */
} content;

static void count_value(const deciding *d, content *c, const rk_svalue *v, const rk_schema *s,
                        char letter)
{
    if (!v) return;
    if (v->type == 0 && letter) c->unknown = true;
    if ((v->type & RK_KIND_MASK) && (v->type & RK_ELEMENT_MASK) == FLOAT)
        c->series = c->floats = true;
    if (v->type != FLOAT) return;
    c->floats = true;
    if (rk_half_allowed(d->p, s, letter)) c->can = true;
}

static content content_of(const deciding *d, size_t i)
{
    const rk_snode *n = node_of(d, i);
    content c = {0};

    for (size_t k = 0; k < n->proto->n_output; k++)
        count_value(d, &c, rk_scope_out(d->p->s, i, k), n->schema,
                    n->schema ? rk_schema_output(n->schema, k, NULL) : 0);
    for (size_t k = 0; k < n->proto->n_input; k++) {
        const rk_svalue *v = rk_scope_in(d->p->s, i, k);
        count_value(d, &c, v, n->schema, n->schema ? rk_schema_input(n->schema, k, NULL) : 0);
        if (v) c.reach |= d->p->reach[number(d->p, v)];
    }
    return c;
}

static const Onnx__NodeProto *maker(const deciding *d, const rk_svalue *v)
{
    return v && v->node != RK_NONE ? node_of(d, v->node)->proto : NULL;
}

static bool made_by(const deciding *d, const rk_svalue *v, const char *op)
{
    const Onnx__NodeProto *n = maker(d, v);
    return n && rk_node_is(n, op);
}

/* One over something that may be tiny. */
static bool reciprocal(const deciding *d, const rk_svalue *v)
{
    const rk_svalue *top = v && v->node != RK_NONE ? rk_scope_in(d->p->s, v->node, 0) : NULL;
    return made_by(d, v, "Reciprocal") || (made_by(d, v, "Div") && rk_half_is_constant(top));
}

/* The quotient or product that ends the statistics of a normalisation. */
static bool normalised(const deciding *d, const rk_svalue *v)
{
    const rk_svalue *a, *b;

    if (!v || v->node == RK_NONE) return false;
    a = rk_scope_in(d->p->s, v->node, 0);
    b = rk_scope_in(d->p->s, v->node, 1);
    if (made_by(d, v, "Div")) return made_by(d, b, "Sqrt");
    return made_by(d, v, "Mul") && (reciprocal(d, a) || reciprocal(d, b));
}

/* That, times a constant: the normalisation's scale. */
static bool scaled(const deciding *d, const rk_svalue *v)
{
    const rk_svalue *a, *b;

    if (!made_by(d, v, "Mul")) return false;
    a = rk_scope_in(d->p->s, v->node, 0);
    b = rk_scope_in(d->p->s, v->node, 1);
    return (normalised(d, a) && rk_half_is_constant(b)) ||
           (normalised(d, b) && rk_half_is_constant(a));
}

/* A normalisation, told by its structure. */
static bool of_norm(const deciding *d, size_t i)
{
    const Onnx__NodeProto *n = node_of(d, i)->proto;
    const rk_svalue *a = rk_scope_in(d->p->s, i, 0), *b = rk_scope_in(d->p->s, i, 1);

    if (rk_node_is(n, "Sub")) return made_by(d, a, "ReduceMean") || made_by(d, b, "ReduceMean");
    return (rk_node_is(n, "Div") || rk_node_is(n, "Mul")) &&
           normalised(d, rk_scope_out(d->p->s, i, 0));
}

/* What a normalisation is of, from the value that ends its statistics. */
static const rk_svalue *origin(const deciding *d, const rk_svalue *v)
{
    const rk_svalue *a = rk_scope_in(d->p->s, v->node, 0), *b = rk_scope_in(d->p->s, v->node, 1);
    const rk_svalue *top = made_by(d, v, "Mul") && reciprocal(d, a) ? b : a;
    return made_by(d, top, "Sub") ? rk_scope_in(d->p->s, top->node, 0) : top;
}

/* The scale and the shift of a normalisation have the type of what it is of: ONNX Runtime fuses all
 * of it into one node of one type, also across the Cast in front. NULL for another node. */
static const rk_svalue *followed(const deciding *d, size_t i)
{
    const rk_svalue *a = rk_scope_in(d->p->s, i, 0), *b = rk_scope_in(d->p->s, i, 1);
    const rk_svalue *v = rk_scope_out(d->p->s, i, 0);

    if (rk_node_is(node_of(d, i)->proto, "Add")) {
        v = scaled(d, a) && rk_half_is_constant(b)   ? a
            : scaled(d, b) && rk_half_is_constant(a) ? b : NULL;
        if (!v) return NULL;
        a = rk_scope_in(d->p->s, v->node, 0);
        b = rk_scope_in(d->p->s, v->node, 1);
    }
    if (!v || !scaled(d, v)) return NULL;
    return origin(d, normalised(d, a) ? a : b);
}

/* A Transpose that ONNX Runtime 1.32 would fuse with the MatMul behind it, and crash: it moves the
 * first axis to the last two and leaves the order of the others. */
static bool crashes(const deciding *d, size_t i)
{
    const Onnx__AttributeProto *a = rk_node_attr(node_of(d, i)->proto, "perm");
    const rk_svalue *out = rk_scope_out(d->p->s, i, 0);
    const size_t n = a ? a->n_ints : 0;

    if (d->p->o->target != RK_TARGET_ANY && d->p->o->target != RK_TARGET_ORT_CPU) return false;
    if (n < 3 || !out || (a->ints[n - 1] != 0 && a->ints[n - 2] != 0)) return false;
    for (size_t k = 0; k + 2 < n; k++)
        if (a->ints[k] != (int64_t)k + 1) return false;
    for (size_t k = 0; k < out->reads; k++)
        if (out->read[k].node != RK_NONE &&
            (rk_node_is(node_of(d, out->read[k].node)->proto, "MatMul") ||
             rk_node_is(node_of(d, out->read[k].node)->proto, "Cast")))
            return true;
    return false;
}

/* A value before it was turned round. */
static const rk_svalue *unturned(const deciding *d, const rk_svalue *v)
{
    return made_by(d, v, "Transpose") ? rk_scope_in(d->p->s, v->node, 0) : v;
}

/* A value times itself, or a sum of such products. */
static bool squares(const deciding *d, size_t i)
{
    static const char *const ops[] = {"Mul", "MatMul", "Gemm", "Einsum"};
    const Onnx__NodeProto *n = node_of(d, i)->proto;
    const rk_svalue *a = unturned(d, rk_scope_in(d->p->s, i, 0));
    bool found = false;

    for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) found |= rk_node_is(n, ops[k]);
    return found && a && !rk_half_is_constant(a) &&
           a == unturned(d, rk_scope_in(d->p->s, i, 1));
}

/* What a node's structure says; NULL where it says nothing. */
static const char *structure(const deciding *d, size_t i, unsigned *out)
{
    const Onnx__NodeProto *n = node_of(d, i)->proto;

    if (rk_node_is(n, "ScatterElements") || rk_node_is(n, "ScatterND")) {
        const Onnx__AttributeProto *r = rk_node_attr(n, "reduction");
        return r && r->has_s && !(r->s.len == 4 && memcmp(r->s.data, "none", 4) == 0)
                   ? "it adds up or compares what falls on one place" : NULL;
    }
    if (rk_node_is(n, "Attention") && rk_scope_out(d->p->s, i, 3))
        return "it gives out its masked scores";
    if (rk_node_is(n, "Transpose") && crashes(d, i))
        return "ONNX Runtime crashes fusing a half Transpose of this kind with a MatMul";
    if (of_norm(d, i)) return "it is part of a normalisation: mean and variance need float";
    if (!squares(d, i)) return NULL;
    *out |= RK_REACH_WIDE;
    return "a square leaves half's range";
}

/* Beyond half's range by measurement; false where it was not measured. */
static bool measured(const deciding *d, const rk_svalue *v, bool *beyond)
{
    double largest;
    if (!v || !d->p->o->ranges || !rk_half_ranges_find(d->p->o->ranges, v->name, &largest))
        return false;
    *beyond = !(largest <= rk_half_limit(d->p->o->type));
    return true;
}

static bool measured_beyond(deciding *d, size_t i)
{
    bool any = false, beyond = false;

    for (size_t k = 0; k < node_of(d, i)->proto->n_output; k++) {
        const rk_svalue *v = rk_scope_out(d->p->s, i, k);
        if (!rk_half_is_float(v) || !measured(d, v, &beyond) || !beyond) continue;
        reach(d, v, RK_REACH_HUGE);
        any = true;
    }
    return any;
}

/* ---- one node ---- */

static const char *reached(unsigned r)
{
    if (r & RK_REACH_HUGE) return "it reads a value beyond half's range";
    if (r & RK_REACH_WIDE)
        return "it reads a power, a sum or a reciprocal, which may leave half's range";
    return "it reads a value that a tiny constant keeps from zero";
}

static bool asked(const deciding *d, const Onnx__NodeProto *n)
{
    return rk_names_get(d->p->keep_ops, n->op_type) ||
           (n->name && *n->name && rk_names_get(d->p->keep_nodes, n->name));
}

/* The kind of a node by itself. */
static rk_status kind_of(deciding *d, size_t i, const content *c, unsigned *out)
{
    rk_half_plan *p = d->p;
    const rk_snode *n = node_of(d, i);
    const char *op = n->proto->op_type;
    const unsigned rule = rk_rule(op);
    const rk_svalue *of;
    const char *why;
    rk_status st = RK_OK;

    if (!n->schema) rk_half_keep(p, i, "nobody knows its operator");
    else if (!rk_onnx_opset(p->m, ""))
        rk_half_keep(p, i, "the model imports no operator set that has Cast");
    else if (asked(d, n->proto)) rk_half_keep(p, i, "asked for");
    else if (rk_node_is(n->proto, "Cast")) p->node[i] = RK_HN_CAST;
    else if (rk_node_is(n->proto, "ConstantOfShape") ||
             (rk_node_is(n->proto, "Constant") && rk_node_attr(n->proto, "value"))) {
        p->node[i] = RK_HN_CAST;
        st = filler(d, i, out);
    }
    else if (rk_node_is(n->proto, "Constant")) rk_half_keep(p, i, "its value is sparse");
    else if (rk_node_is(n->proto, "Shape") || rk_node_is(n->proto, "Size")) p->node[i] = RK_HN_ANY;
    else if (c->series) rk_half_keep(p, i, "sequences and optionals stay float");
    else if (c->unknown) rk_half_keep(p, i, "it has a value whose type is not known");
    else if (measured_beyond(d, i)) rk_half_keep(p, i, "its measured values pass half's range");
    else if ((of = followed(d, i)) != NULL) {
        p->node[i] = RK_HN_HALF;
        p->follows[i] = number(p, of) + 1;
        if (c->reach & (RK_REACH_HUGE | RK_REACH_WIDE)) rk_half_keep(p, i, reached(c->reach));
    }
    else if ((why = rk_target_float(p->o->target, n->schema->domain, op)) != NULL ||
             (why = rk_rule_float(op)) != NULL)
        rk_half_keep(p, i, why);
    else if (!c->can)
        rk_half_keep(p, i, "the operator has no half version in this operator set");
    else if ((why = structure(d, i, out)) != NULL) rk_half_keep(p, i, why);
    else {
        p->node[i] = rule & RK_RULE_MOVER ? RK_HN_MOVER : RK_HN_HALF;
        const bool ends = rule & (RK_RULE_PRODUCT | RK_RULE_BOUNDED);
        if (c->reach & (RK_REACH_HUGE | RK_REACH_WIDE | (ends ? 0 : RK_REACH_SMALL)))
            rk_half_keep(p, i, reached(c->reach));
    }
    if (!st && p->node[i] != RK_HN_CAST && p->node[i] != RK_HN_ANY)
        if (n->schema && !(p->node[i] == RK_HN_FLOAT && rule & (RK_RULE_PRODUCT | RK_RULE_BOUNDED)))
            st = constants(d, i, rule, out);
    return st;
}

/* A Cast of a constant that is no float: what its numbers are. */
static rk_status cast_constant(deciding *d, size_t i, unsigned *out)
{
    const rk_svalue *v = rk_scope_in(d->p->s, i, 0);
    const rk_half_stats *s;
    rk_status st;

    if (!v || !v->tensor || !rk_node_is(node_of(d, i)->proto, "Cast")) return RK_OK;
    st = stats_of(d, v, &s);
    if (st) return st;
    if (s->largest > rk_half_limit(d->p->o->type)) *out |= RK_REACH_HUGE;
    if (s->largest > 0.0f && s->largest < rk_half_smallest(d->p->o->type)) *out |= RK_REACH_SMALL;
    return RK_OK;
}

/* What goes on to a node's results. */
static unsigned passed_on(const deciding *d, size_t i, const content *c, unsigned out)
{
    const rk_snode *n = node_of(d, i);
    const unsigned rule = rk_rule(n->proto->op_type);
    unsigned in = c->reach & PAST_HALF;
    const rk_svalue *a = rk_scope_in(d->p->s, i, 0), *b = rk_scope_in(d->p->s, i, 1);

    if (!n->schema || rule & (RK_RULE_BOUNDED | RK_RULE_PRODUCT)) in = 0;
    if (rule & RK_RULE_NARROWS) in &= RK_REACH_HUGE | RK_REACH_SMALL;
    if (rk_node_is(n->proto, "Div") || rk_node_is(n->proto, "Log")) in &= RK_REACH_HUGE;
    if (rk_node_is(n->proto, "Mul") && (reciprocal(d, a) || reciprocal(d, b))) in &= RK_REACH_HUGE;
    if (rule & RK_RULE_WIDE) in |= RK_REACH_WIDE;
    if (rk_node_is(n->proto, "Div") && rk_half_is_constant(a)) in |= RK_REACH_WIDE;
    return in | out;
}

/* Integers that may be large: products and sums of sizes. */
static unsigned counts(const content *c, const rk_snode *n)
{
    static const char *const grow[] = {"Size",       "Shape",     "Range",  "NonZero", "Mul",
                                       "ReduceProd", "ReduceSum", "CumSum", "Pow"};

    for (size_t k = 0; k < sizeof grow / sizeof grow[0]; k++)
        if (rk_node_is(n->proto, grow[k])) return RK_REACH_COUNT;
    return rk_rule(n->proto->op_type) & RK_RULE_MOVER || rk_node_is(n->proto, "Cast")
               ? c->reach & RK_REACH_COUNT : 0;
}

static bool floating(int32_t t)
{
    return t == FLOAT || t == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
           t == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           t == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

static void put_results(deciding *d, size_t i, unsigned out, const content *c)
{
    const rk_snode *n = node_of(d, i);

    for (size_t k = 0; k < n->proto->n_output; k++) {
        const rk_svalue *v = rk_scope_out(d->p->s, i, k);
        bool beyond;
        unsigned r = out;
        if (!v) continue;
        if (!floating(v->type)) r = counts(c, n);
        else if (rk_node_is(n->proto, "Cast") && c->reach & RK_REACH_COUNT) r |= RK_REACH_WIDE;
        if (floating(v->type) && measured(d, v, &beyond) && !beyond) r &= RK_REACH_SMALL;
        reach(d, v, r);
    }
}

static void give_results(deciding *d, size_t node);

static rk_status one(deciding *d, size_t i)
{
    rk_half_plan *p = d->p;
    const rk_snode *n = node_of(d, i);
    const content c = content_of(d, i);
    unsigned out = 0;
    rk_status st = RK_OK;

    if (p->node[i] != RK_HN_FLOAT) p->node[i] = RK_HN_OTHER;
    if (n->bodies && n->schema && p->node_cells[i]) {
        for (size_t k = 0; k < p->node_cells[i] && asked(d, n->proto); k++)
            p->cell_forced[p->first_cell[i] + k] = 1;
        give_results(d, i);
        return RK_OK;
    }
    if (c.floats) st = kind_of(d, i, &c, &out);
    if (!st) st = cast_constant(d, i, &out);
    if (!st) put_results(d, i, passed_on(d, i, &c, out), &c);
    return st;
}

/* ---- nodes with bodies: what reaches a cell reaches all of it ---- */

static void share_cells(deciding *d)
{
    rk_half_plan *p = d->p;

    for (size_t i = 0; i < p->s->values; i++) {
        const rk_svalue *v = &p->s->value[i];
        const size_t made = rk_half_made_cell(p, v);
        if (!p->reach[i] && (made == RK_NONE || !d->cell_reach[made])) continue;
        for (size_t k = 0; k < v->reads; k++) {
            const rk_read *r = &v->read[k];
            const size_t c = rk_half_read_cell(p, r);
            if (c != RK_NONE && (r->node == RK_NONE || p->s->node[r->node].bodies))
                d->cell_reach[c] |= p->reach[i];
        }
        if (made != RK_NONE && (v->node == RK_NONE || p->s->node[v->node].bodies))
            reach(d, v, d->cell_reach[made]);
    }
    for (size_t c = 0; c < p->cells; c++)
        if (d->cell_reach[c] & PAST_HALF) p->cell_forced[c] = 1;
}

/* What the bodies give to a node's results at once: what comes behind it is looked at next. */
static void give_results(deciding *d, size_t node)
{
    rk_half_plan *p = d->p;
    const rk_snode *n = node_of(d, node);

    for (size_t k = 0; k < n->proto->n_input; k++) {
        const rk_read r = {node, k, n->graph};
        const rk_svalue *v = rk_scope_in(p->s, node, k);
        const size_t c = v ? rk_half_read_cell(p, &r) : RK_NONE;
        if (c != RK_NONE) d->cell_reach[c] |= p->reach[number(p, v)];
    }
    for (size_t b = n->body; b < n->body + n->bodies; b++)
        for (size_t k = 0; k < p->s->graph[b].proto->n_output; k++) {
            const size_t c = rk_half_body_out_cell(p, b, k);
            if (c != RK_NONE) d->cell_reach[c] |= p->reach[p->s->graph[b].out[k]];
        }
    for (size_t k = 0; k < n->proto->n_output; k++) {
        const rk_svalue *v = rk_scope_out(p->s, node, k);
        const size_t c = v ? rk_half_made_cell(p, v) : RK_NONE;
        if (c != RK_NONE) reach(d, v, d->cell_reach[c]);
    }
}

/* Every state carries every mark: for graphs that take more passes than any real one. */
static void give_up(deciding *d)
{
    memset(d->cell_reach, PAST_HALF, d->p->cells);
    share_cells(d);
}

/* The numbers that an angle is made of: where a turn is 6.28, half has no digits left for an angle
 * of thousands. Not past a product with more than a few constants. */
static bool hands_angle(const deciding *d, size_t i, bool *product)
{
    static const char *const ops[] = {"Mul", "Div", "Add", "Sub", "Neg", "MatMul", "Einsum"};
    const Onnx__NodeProto *n = node_of(d, i)->proto;
    bool found = d->p->node[i] == RK_HN_MOVER;

    *product = rk_rule(n->op_type) & RK_RULE_PRODUCT;
    for (size_t k = 0; k < sizeof ops / sizeof ops[0]; k++) found |= rk_node_is(n, ops[k]);
    for (size_t k = 0; k < n->n_input && found && *product; k++) {
        const rk_svalue *v = rk_scope_in(d->p->s, i, k);
        int64_t count = 1;
        for (size_t a = 0; v && v->tensor && a < v->tensor->n_dims && count <= FEW; a++)
            count *= v->tensor->dims[a] > FEW ? FEW + 1 : v->tensor->dims[a];
        found = count <= FEW;
    }
    return found;
}

static rk_status keep_angles(deciding *d)
{
    rk_half_plan *p = d->p;
    bool *angle = rk_calloc(p->s->values + 1, sizeof *angle), product;

    if (!angle) return rk_fail(d->err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
    for (size_t o = p->s->nodes; o-- > 0;) {
        const size_t i = p->s->order[o];
        const Onnx__NodeProto *n = node_of(d, i)->proto;
        bool is = rk_node_is(n, "Sin") || rk_node_is(n, "Cos");
        if (!is) {
            for (size_t k = 0; k < n->n_output && !is; k++) {
                const rk_svalue *v = rk_scope_out(p->s, i, k);
                is = v && angle[number(p, v)];
            }
            is = is && (p->node[i] == RK_HN_HALF || p->node[i] == RK_HN_MOVER) &&
                 hands_angle(d, i, &product);
            if (is) rk_half_keep(p, i, "an angle is made of it: half has too few digits");
        }
        for (size_t k = 0; k < n->n_input && is; k++) {
            const rk_svalue *v = rk_scope_in(p->s, i, k);
            if (v) angle[number(p, v)] = true;
        }
    }
    rk_free(angle);
    return RK_OK;
}

rk_status rk_half_decide_nodes(rk_half_plan *p, rk_error *err)
{
    deciding d = {.p = p, .cell_reach = rk_calloc(p->cells + 1, 1), .changed = true, .err = err};
    rk_status st = d.cell_reach ? RK_OK : rk_fail(err, RK_E_MEMORY, "%s: out of memory",
                                                  p->m->shown);
    bool beyond;

    for (size_t i = 0; i < p->s->values && !st; i++) {
        const rk_svalue *v = &p->s->value[i];
        if (v->node == RK_NONE && rk_half_is_float(v) && measured(&d, v, &beyond) && beyond)
            reach(&d, v, RK_REACH_HUGE);
    }
    /* Decisions for float only grow, so the passes end; one is enough without bodies. */
    for (size_t pass = 0; pass < PASSES && d.changed && !st; pass++) {
        d.changed = false;
        for (size_t i = 0; i < p->s->nodes && !st; i++) st = one(&d, p->s->order[i]);
        if (!st) share_cells(&d);
        if (p->s->graphs == 1) break;
        if (pass + 2 == PASSES && d.changed) give_up(&d);
    }
    if (!st) st = keep_angles(&d);
    rk_free(d.cell_reach);
    return st;
}
