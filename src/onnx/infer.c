#include "onnx/infer.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/schema.h"

enum { LETTERS = 26, NO_TYPE = 30 };   /* 30: a bit that no mask has */

typedef struct inference {
    const rk_onnx *m;
    const rk_index *x;
    int64_t opset;
    int32_t *type;            /* [x->values] */
    rk_error *err;
} inference;

static const char *type_name(int32_t t)
{
    return t == RK_TYPE_OTHER ? "no tensor" : rk_onnx_type_name(t);
}

/* Declared type of a graph input or output or value_info: 0 where it is not said. */
static int32_t declared(const Onnx__ValueInfoProto *v)
{
    const Onnx__TypeProto *t = v->type;

    if (!t || t->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return 0;
    if (t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return RK_TYPE_OTHER;
    return t->tensor_type ? t->tensor_type->elem_type : 0;
}

static rk_status wrong(const inference *f, size_t node, const char *value, const char *what,
                       int32_t found, int32_t expected)
{
    char n[RK_QUOTE_SIZE], v[RK_QUOTE_SIZE], op[RK_QUOTE_SIZE];
    const Onnx__NodeProto *p = f->x->graph->node[node];

    rk_node_shown(n, f->x->graph, node);
    rk_quote(v, value, strlen(value));
    rk_quote(op, p->op_type, strlen(p->op_type));
    if (expected)
        return rk_fail(f->err, RK_E_FORMAT, "%s: node '%s' (%s): '%s' is %s, %s %s", f->m->shown, n,
                       op, v, type_name(found), what, type_name(expected));
    return rk_fail(f->err, RK_E_FORMAT, "%s: node '%s' (%s): '%s' is %s, %s", f->m->shown, n, op, v,
                   type_name(found), what);
}

/* The type that an attribute sets, 0 where it is absent, NO_TYPE for a number that is no type. */
static int32_t attr_type(const Onnx__NodeProto *n, const char *name)
{
    const int64_t t = rk_node_int(n, name, 0);
    return t >= 0 && t < RK_TYPE_OTHER ? (int32_t)t : NO_TYPE;
}

static int32_t tensor_attr_type(const Onnx__NodeProto *n, const char *name)
{
    const Onnx__AttributeProto *a = rk_node_attr(n, name);
    return a && a->t ? a->t->data_type : 0;
}

static int32_t constant_type(const Onnx__NodeProto *n)
{
    if (rk_node_attr(n, "value")) return tensor_attr_type(n, "value");
    if (rk_node_attr(n, "value_float") || rk_node_attr(n, "value_floats"))
        return ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    if (rk_node_attr(n, "value_int") || rk_node_attr(n, "value_ints"))
        return ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    if (rk_node_attr(n, "value_string") || rk_node_attr(n, "value_strings"))
        return ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
    return 0;
}

/* Output types that come from an attribute, else from the first input (`like`), else `otherwise`.
 */
static const struct {
    const char *op, *attribute;
    bool like;
    int32_t otherwise;
} by_attribute[] = {
    {"Cast", "to", false, 0},
    {"EyeLike", "dtype", true, 0},
    {"RandomNormal", "dtype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"RandomUniform", "dtype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"RandomNormalLike", "dtype", true, 0},
    {"RandomUniformLike", "dtype", true, 0},
    {"Bernoulli", "dtype", true, 0},
    {"Multinomial", "dtype", false, ONNX__TENSOR_PROTO__DATA_TYPE__INT32},
    {"HannWindow", "output_datatype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"HammingWindow", "output_datatype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"BlackmanWindow", "output_datatype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"MelWeightMatrix", "output_datatype", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
    {"QuantizeLinear", "output_dtype", false, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8},
    {"DequantizeLinear", "output_dtype", false, 0},
    {"LayerNormalization", "stash_type", false, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT},
};

/* The type of an output whose type variable no input has bound. */
static int32_t free_output(const inference *f, const Onnx__NodeProto *n, uint32_t mask)
{
    int32_t t = 0;

    if (rk_node_is(n, "Constant")) return constant_type(n);
    if (rk_node_is(n, "ConstantOfShape"))
        return rk_node_attr(n, "value") ? tensor_attr_type(n, "value")
                                        : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    for (size_t i = 0; i < sizeof by_attribute / sizeof by_attribute[0]; i++) {
        if (strcmp(n->op_type, by_attribute[i].op) != 0) continue;
        t = attr_type(n, by_attribute[i].attribute);
        if (!t && by_attribute[i].like && rk_node_input(n, 0)) {
            const rk_value *v = rk_index_find(f->x, rk_node_input(n, 0));
            t = f->type[v - f->x->value];
        }
        return t ? t : by_attribute[i].otherwise;
    }
    if (mask && (mask & (mask - 1)) == 0)
        while (!(mask >> t & 1)) t++;
    return t;
}

static rk_status node_inputs(inference *f, size_t node, const rk_schema *s, int32_t bound[LETTERS])
{
    const Onnx__NodeProto *n = f->x->graph->node[node];

    for (size_t i = 0; i < n->n_input; i++) {
        const char *name = rk_node_input(n, i);
        char kind = '.';
        const char letter = rk_schema_input(s, i, &kind);
        const rk_value *v = name ? rk_index_find(f->x, name) : NULL;
        const int32_t t = v ? f->type[v - f->x->value] : 0;

        if (!t || !letter) continue;
        if (!(rk_schema_types(s, letter) >> t & 1))
            return wrong(f, node, name, "which this operator does not take there", t, 0);
        if (kind == '+') continue;
        if (bound[letter - 'A'] && bound[letter - 'A'] != t)
            return wrong(f, node, name, "another input is", t, bound[letter - 'A']);
        bound[letter - 'A'] = t;
    }
    return RK_OK;
}

static rk_status node_outputs(inference *f, size_t node, const rk_schema *s,
                              const int32_t bound[LETTERS])
{
    const Onnx__NodeProto *n = f->x->graph->node[node];

    for (size_t i = 0; i < n->n_output; i++) {
        const char *name = rk_node_output(n, i);
        char kind = '.';
        const char letter = rk_schema_output(s, i, &kind);
        int32_t t;

        if (!name || !letter) continue;
        const uint32_t mask = rk_schema_types(s, letter);
        if (kind == '+') t = 0;
        else t = bound[letter - 'A'] ? bound[letter - 'A'] : free_output(f, n, mask);
        if (t && !(mask >> t & 1))
            return wrong(f, node, name, "which this operator does not give", t, 0);
        f->type[rk_index_find(f->x, name) - f->x->value] = t;
    }
    return RK_OK;
}

static rk_status one_node(inference *f, size_t node)
{
    const Onnx__NodeProto *n = f->x->graph->node[node];
    const rk_schema *s = rk_node_is(n, n->op_type ? n->op_type : "")
                             ? rk_schema_find(n->op_type, f->opset) : NULL;
    int32_t bound[LETTERS] = {0};
    rk_status st;

    if (!s || s->deprecated) return RK_OK; /* types stay unknown; rk_onnx_check has a word on it */
    st = node_inputs(f, node, s, bound);
    return st ? st : node_outputs(f, node, s, bound);
}

static rk_status compare(const inference *f, const Onnx__ValueInfoProto *v, const char *what)
{
    char name[RK_QUOTE_SIZE], node[RK_QUOTE_SIZE];
    const rk_value *value = rk_index_find(f->x, v->name);
    const int32_t d = declared(v), t = value ? f->type[value - f->x->value] : 0;

    if (!d || !t || d == t) return RK_OK;
    rk_quote(name, v->name, strlen(v->name));
    if (value->node != RK_NONE)
        return rk_fail(f->err, RK_E_FORMAT, "%s: %s '%s' is declared %s but node '%s' makes %s",
                       f->m->shown, what, name, type_name(d),
                       rk_node_shown(node, f->x->graph, value->node), type_name(t));
    return rk_fail(f->err, RK_E_FORMAT, "%s: %s '%s' is declared %s but is %s", f->m->shown, what,
                   name, type_name(d), type_name(t));
}

static rk_status sources(inference *f)
{
    const Onnx__GraphProto *g = f->x->graph;
    rk_status st = RK_OK;

    for (size_t i = 0; i < f->x->values; i++) {
        const rk_value *v = &f->x->value[i];
        if (v->initializer != RK_NONE) f->type[i] = g->initializer[v->initializer]->data_type;
        else if (v->input != RK_NONE) f->type[i] = declared(g->input[v->input]);
    }
    for (size_t i = 0; i < g->n_input && !st; i++) st = compare(f, g->input[i], "graph input");
    return st;
}

rk_status rk_types_infer(int32_t **types, const rk_onnx *m, const rk_index *x, rk_error *err)
{
    const Onnx__GraphProto *g = x->graph;
    inference f = {m, x, rk_onnx_opset(m, ""), NULL, err};
    rk_status st;

    *types = NULL;
    f.type = rk_calloc(x->values ? x->values : 1, sizeof *f.type);
    if (!f.type) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    st = sources(&f);
    for (size_t i = 0; i < g->n_node && !st; i++) st = one_node(&f, i);
    for (size_t i = 0; i < g->n_output && !st; i++) st = compare(&f, g->output[i], "graph output");
    for (size_t i = 0; i < g->n_value_info && !st; i++) st = compare(&f, g->value_info[i], "value");
    if (st) rk_free(f.type);
    else *types = f.type;
    return st;
}
