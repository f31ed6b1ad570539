#include "onnx/infer_rules.h"

#include <string.h>
#include <strings.h>

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, FROM_NONE = 99 };

/* Recursion is bounded by the wire's nesting. */
int32_t rk_declared_type(const Onnx__TypeProto *t)
{
    int32_t e;

    if (!t) return 0;
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE__NOT_SET:
        return 0;
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        e = t->tensor_type ? t->tensor_type->elem_type : 0;
        return e > 0 && e < RK_TYPE_OTHER ? e : 0;
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        e = t->sequence_type ? rk_declared_type(t->sequence_type->elem_type) : 0;
        return e && !(e & RK_KIND_MASK) ? e | RK_KIND_SEQUENCE : RK_KIND_OTHER;
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        e = t->optional_type ? rk_declared_type(t->optional_type->elem_type) : 0;
        if (!e) return RK_KIND_OTHER;
        if (!(e & RK_KIND_MASK)) return e | RK_KIND_OPTIONAL;
        return (e & RK_KIND_MASK) == RK_KIND_SEQUENCE
                   ? (e & RK_ELEMENT_MASK) | RK_KIND_OPTIONAL_SEQUENCE : RK_KIND_OTHER;
    default:
        return RK_KIND_OTHER;
    }
}

/* A type given as a number or, in Cast before operator set 6, by its name. */
static int32_t attr_type(const Onnx__NodeProto *n, const char *name)
{
    const Onnx__AttributeProto *a = rk_node_attr(n, name);

    if (!a) return 0;
    if (a->has_i) return a->i >= 0 && a->i < RK_TYPE_OTHER ? (int32_t)a->i : RK_NO_TYPE;
    for (int32_t t = 1; a->has_s && t < RK_NO_TYPE; t++) {
        const char *shown = rk_onnx_type_name(t);
        if (strlen(shown) == a->s.len && strncasecmp(shown, (const char *)a->s.data, a->s.len) == 0)
            return t;
    }
    return 0;
}

static int32_t tensor_attr_type(const Onnx__NodeProto *n, const char *name)
{
    const Onnx__AttributeProto *a = rk_node_attr(n, name);
    return a && a->t ? a->t->data_type : 0;
}

static int32_t constant_type(const Onnx__NodeProto *n)
{
    const Onnx__AttributeProto *sparse = rk_node_attr(n, "sparse_value");

    if (rk_node_attr(n, "value")) return tensor_attr_type(n, "value");
    if (rk_node_attr(n, "value_float") || rk_node_attr(n, "value_floats")) return FLOAT;
    if (rk_node_attr(n, "value_int") || rk_node_attr(n, "value_ints"))
        return ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    if (rk_node_attr(n, "value_string") || rk_node_attr(n, "value_strings"))
        return ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
    if (sparse && sparse->sparse_tensor && sparse->sparse_tensor->values)
        return sparse->sparse_tensor->values->data_type;
    return 0;
}

/* Output types that come from an attribute, else from an input, else `otherwise` (0: as the type
 * variables say). Only the first output. */
static const struct {
    const char *op, *attribute;
    size_t from;              /* slot of an input of the same type, or FROM_NONE */
    int32_t otherwise;
} by_attribute[] = {
    {"Cast", "to", FROM_NONE, 0},
    {"BitCast", "to", FROM_NONE, 0},
    {"EyeLike", "dtype", 0, 0},
    {"RandomNormal", "dtype", FROM_NONE, FLOAT},
    {"RandomUniform", "dtype", FROM_NONE, FLOAT},
    {"RandomNormalLike", "dtype", 0, 0},
    {"RandomUniformLike", "dtype", 0, 0},
    {"Bernoulli", "dtype", 0, 0},
    {"Multinomial", "dtype", FROM_NONE, ONNX__TENSOR_PROTO__DATA_TYPE__INT32},
    {"HannWindow", "output_datatype", FROM_NONE, FLOAT},
    {"HammingWindow", "output_datatype", FROM_NONE, FLOAT},
    {"BlackmanWindow", "output_datatype", FROM_NONE, FLOAT},
    {"MelWeightMatrix", "output_datatype", FROM_NONE, FLOAT},
    {"QuantizeLinear", "output_dtype", 2, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8},
    {"DequantizeLinear", "output_dtype", 1, 0},
};

static int32_t type_of(const rk_scope *s, size_t node, size_t slot)
{
    const rk_svalue *v = rk_scope_in(s, node, slot);
    return v ? v->type : 0;
}

static int32_t element_of(int32_t t, int32_t kind)
{
    return (t & RK_KIND_MASK) == kind ? t & RK_ELEMENT_MASK : 0;
}

static int32_t optional_of(const rk_scope *s, size_t node)
{
    const Onnx__AttributeProto *a = rk_node_attr(s->node[node].proto, "type");
    const int32_t t = a && a->tp ? rk_declared_type(a->tp) : type_of(s, node, 0);

    if (!t) return RK_KIND_OTHER;
    if (!(t & RK_KIND_MASK)) return t | RK_KIND_OPTIONAL;
    return (t & RK_KIND_MASK) == RK_KIND_SEQUENCE
               ? (t & RK_ELEMENT_MASK) | RK_KIND_OPTIONAL_SEQUENCE : RK_KIND_OTHER;
}

/* What is in an optional; a plain value since operator set 18. */
static int32_t content_of(int32_t t)
{
    if ((t & RK_KIND_MASK) == RK_KIND_OPTIONAL) return t & RK_ELEMENT_MASK;
    if ((t & RK_KIND_MASK) == RK_KIND_OPTIONAL_SEQUENCE)
        return (t & RK_ELEMENT_MASK) | RK_KIND_SEQUENCE;
    return t;
}

static int32_t sequences(const rk_scope *s, size_t node, const char *op)
{
    const Onnx__NodeProto *n = s->node[node].proto;
    const int32_t t = type_of(s, node, 0);

    if (strcmp(op, "SequenceAt") == 0 || strcmp(op, "ConcatFromSequence") == 0)
        return element_of(t, RK_KIND_SEQUENCE);
    if (strcmp(op, "SequenceConstruct") == 0 || strcmp(op, "SplitToSequence") == 0)
        return t && !(t & RK_KIND_MASK) ? t | RK_KIND_SEQUENCE : RK_KIND_OTHER;
    if (strcmp(op, "SequenceEmpty") == 0) {
        const int32_t e = attr_type(n, "dtype");
        return (e ? e : FLOAT) | RK_KIND_SEQUENCE;
    }
    if (strcmp(op, "SequenceInsert") == 0 || strcmp(op, "SequenceErase") == 0) return t;
    if (strcmp(op, "Optional") == 0) return optional_of(s, node);
    if (strcmp(op, "OptionalGetElement") == 0) return content_of(t);
    return 0;
}

int32_t rk_rule_output(const rk_scope *s, size_t node, size_t slot)
{
    const Onnx__NodeProto *n = s->node[node].proto;
    const char *op = n->op_type;
    int32_t t;

    if (!rk_node_is(n, op)) return 0;
    if (strcmp(op, "Constant") == 0) return constant_type(n);
    if (strcmp(op, "ConstantOfShape") == 0)
        return rk_node_attr(n, "value") ? tensor_attr_type(n, "value") : FLOAT;
    if (strcmp(op, "LayerNormalization") == 0 && slot > 0) {   /* mean and deviation */
        t = attr_type(n, "stash_type");
        return t ? t : FLOAT;
    }
    for (size_t i = 0; slot == 0 && i < sizeof by_attribute / sizeof by_attribute[0]; i++) {
        if (strcmp(op, by_attribute[i].op) != 0) continue;
        t = attr_type(n, by_attribute[i].attribute);
        if (!t && by_attribute[i].from != FROM_NONE) t = type_of(s, node, by_attribute[i].from);
        return t ? t : by_attribute[i].otherwise;
    }
    return sequences(s, node, op);
}

size_t rk_scan_first(const rk_snode *n) { return n->schema && n->schema->since < 9 ? 1 : 0; }
