/* links: base onnx */
/* What rk_onnx_check and the type inference say: one row a fault, IDs as in the list of bad inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "onnx/check.h"
#include "onnx/infer.h"
#include "onnx/schema.h"
#include "support/onnx_text.h"

/* says NULL: accepted. */
static void expect(const char *id, rk_onnx *m, rk_status status, const char *says)
{
    rk_error err = {0};
    const rk_status st = rk_onnx_check(m, &err);

    rk_onnx_close(m);
    if (!says) {
        if (st) fail_msg("%s: %s", id, err.message);
        return;
    }
    if (st != status || !strstr(err.message, says) || strncmp(err.message, "t.onnx: ", 8) != 0 ||
        strchr(err.message, '\n'))
        fail_msg("%s: %s: %s; '%s' is wanted", id, rk_status_name(st), err.message, says);
}

typedef struct row {
    const char *id, *nodes;
    int64_t opset;
    rk_status status;
    const char *says;
} row;

static void test_nodes(void **state)
{
    static const row rows[] = {
        {"good", "a=Neg(x);y=Add(a,w)", 17, RK_OK, NULL},
        {"good attribute", "y=Softmax[axis:-1](x)", 17, RK_OK, NULL},
        {"OX-01 no nodes", "", 17, RK_E_FORMAT, "'y' is a graph output that nobody makes"},
        {"OX-04 unknown", "a=Neg(x);b=Odd(a);y=Odder(b)", 17, RK_E_UNSUPPORTED,
         "unknown in operator set 17: 'Odd' (node 'b'), 'Odder' (node 'y')"},
        {"OX-04 once", "a=Odd(x);b=Odd(a);y=Odd(b)", 17, RK_E_UNSUPPORTED, "17: 'Odd' (node 'a')"},
        {"OX-04 not yet", "y=LayerNormalization(x,w)", 16, RK_E_UNSUPPORTED,
         "'LayerNormalization'"},
        {"deprecated", "y=Upsample(x,w)", 10, RK_E_UNSUPPORTED, "deprecated"},
        {"OX-09 none", "y=Neg()", 17, RK_E_FORMAT, "node 'y' (Neg): 0 inputs; 1 to 1 are right"},
        {"OX-09 many", "y=Neg(x,w)", 17, RK_E_FORMAT, "2 inputs"},
        {"OX-09 empty", "y=Add(x,-)", 17, RK_E_FORMAT, "input 1 must not be left out"},
        {"may be empty", "y=Clip(x,-,w)", 17, RK_OK, NULL},
        {"outputs", "y,z=Neg(x)", 17, RK_E_FORMAT, "2 outputs"},
        {"OX-10 missing", "y=Concat(x,x)", 17, RK_E_FORMAT, "missing the attribute axis"},
        {"OX-10 type", "y=Softmax[axis:f1](x)", 17, RK_E_FORMAT, "wrong type of attribute axis"},
        {"OX-10 twice", "y=Softmax[axis:0,axis:0](x)", 17, RK_E_FORMAT, "twice the attribute axis"},
        {"OX-10 unknown", "y=Softmax[axes:0](x)", 17, RK_E_FORMAT, "unknown attribute axes"},
        {"string", "y=Gelu[approximate:stanh](x)", 20, RK_OK, NULL},
        {"cycle", "a=Add(x,b);b=Neg(a);y=Neg(b)", 17, RK_E_FORMAT, "node 'a' reads 'b'"},
        {"OX-03 opset 0", "y=Neg(x)", 0, RK_E_FORMAT, "operator set 0; 7 to"},
        {"OX-03 opset 9999", "y=Neg(x)", 9999, RK_E_FORMAT, "operator set 9999"},
        {"types agree", "a=Shape(x);b=Cast[to:1](a);y=Mul(b,w)", 17, RK_OK, NULL},
        {"types differ", "a=Shape(x);y=Mul(a,w)", 17, RK_E_FORMAT,
         "node 'y' (Mul): 'w' is float, another input is int64"},
        {"type not taken", "a=Cast[to:9](x);y=Neg(a)", 17, RK_E_FORMAT,
         "'a' is bool, which this operator does not take there"},
        {"Cast to nothing", "a=Cast[to:99](x);y=Neg(a)", 17, RK_E_FORMAT,
         "'a' is unknown, which this operator does not give"},
        {"OX-40", "y=Cast[to:10](x)", 17, RK_E_FORMAT,
         "graph output 'y' is declared float but node 'y' makes float16"},
        {"half inside", "a=Cast[to:10](x);b=Neg(a);y=Cast[to:1](b)", 17, RK_OK, NULL},
        {"bfloat16 then", "a=Cast[to:16](x);b=Neg(a);y=Cast[to:1](b)", 13, RK_OK, NULL},
        {"bfloat16 not yet", "a=Cast[to:16](x);b=Neg(a);y=Cast[to:1](b)", 12, RK_E_FORMAT,
         "which this operator does not give"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(rows[i].id, onnx_text_model(rows[i].opset, rows[i].nodes), rows[i].status,
               rows[i].says);
}

static void test_model(void **state)
{
    static const struct {
        int64_t ir;
        const char *says;
    } versions[] = {{0, "IR version 0; 3 to"}, {2, "IR version 2"}, {3, NULL}, {10, NULL},
                    {99, "IR version 99"}, {INT64_MAX, "IR version"}};
    rk_onnx *m;
    (void)state;

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {   /* OX-02 */
        m = onnx_text_model(17, "y=Neg(x)");
        m->proto->ir_version = versions[i].ir;
        expect("OX-02", m, RK_E_FORMAT, versions[i].says);
    }
    m = onnx_text_model(17, "y=Neg(x)");
    m->proto->opset_import[0]->domain[0] = 0;
    rk_free(m->proto->opset_import[0]->domain);
    m->proto->opset_import[0]->domain = rk_strdup("other.domain");
    expect("OX-03", m, RK_E_FORMAT, "no default operator set");
    m = onnx_text_model(17, "y=Neg(x)");
    m->proto->graph->node[0]->domain = rk_strdup("com.some\x1b");
    expect("OX-04 domain", m, RK_E_UNSUPPORTED, "'Neg' of domain 'com.some\\x1b'");
    m = onnx_text_model(17, "y=Neg(x)");
    rk_onnx_free(m->proto->graph->output[0]);
    m->proto->graph->n_output = 0;
    expect("OX-01 outputs", m, RK_E_FORMAT, "no outputs");
    m = onnx_text_model(17, "y=Neg(x)");
    m->proto->graph->input[0]->type->tensor_type->elem_type = 99;
    expect("input type", m, RK_E_FORMAT, "graph input 'x' has element type 99");
    m = onnx_text_model(17, "y=Neg(x)");
    m->proto->graph->initializer[0]->raw_data.len = 3;
    expect("OX-15", m, RK_E_FORMAT, "tensor 'w': 3 bytes of data, 4 expected");
    m = onnx_text_model(17, "y=Neg(x)");
    m->proto->graph->initializer[0]->data_type = 8;
    expect("OX-18", m, RK_E_UNSUPPORTED, "holds strings");
    m = onnx_text_model(17, "y=Neg(x)");
    assert_int_equal(rk_onnx_set_metadata(m, "a", "1", NULL), RK_OK);
    assert_int_equal(rk_onnx_set_metadata(m, "b", "1", NULL), RK_OK);
    m->proto->metadata_props[1]->key[0] = 'a';
    expect("OX-38", m, RK_E_FORMAT, "metadata 'a' is there twice");
    m = onnx_text_model(17, "y=Neg(x)");
    rk_free(m->proto->graph->initializer[0]->name);
    m->proto->graph->initializer[0]->name = rk_strdup("x");   /* OX-17 old style */
    expect("OX-17 old style", m, RK_OK, NULL);
    m = onnx_text_model(17, "y=Neg(x)");
    rk_build b = {m->proto->graph, false};
    rk_add_scalar_f32(&b, "w", 1.0f);
    expect("OX-17 twice", m, RK_E_FORMAT, "'w' is an initializer twice");
    m = onnx_text_model(17, "y=Neg(x)");
    b = (rk_build){m->proto->graph, false};
    rk_attr_int(&b, m->proto->graph->node[0], "axis", 1);
    m->proto->graph->node[0]->attribute[0]->ref_attr_name = rk_strdup("outer");
    expect("OX-10, OX-11", m, RK_E_FORMAT, "unknown attribute");
    m = onnx_text_model(17, "y=Softmax[axis:1](x)");
    m->proto->graph->node[0]->attribute[0]->ref_attr_name = rk_strdup("outer");
    expect("OX-11", m, RK_E_FORMAT, "refers outside a function");
}

/* A pair of QuantizeLinear and DequantizeLinear of a [2, 3] initializer. */
static rk_onnx *quantised(const float *scale, size_t scales, size_t zeros, int64_t axis,
                          rk_dtype type)
{
    rk_onnx *m = onnx_text_model(17, "y=Neg(x)");
    rk_build b = {m->proto->graph, false};
    const size_t dim[2] = {2, 3};

    memset(rk_add_initializer(&b, "m", RK_DT_F32, dim, 2), 0, 24);
    memcpy(rk_add_initializer(&b, "s", RK_DT_F32, &scales, 1), scale, scales * sizeof *scale);
    memset(rk_add_initializer(&b, "z", type, &zeros, 1), 0, zeros * rk_dtype_size(type));
    onnx_text_nodes(&b, "q=QuantizeLinear(m,s,z);d=DequantizeLinear(q,s,z)");
    for (size_t i = 1; i < 3; i++) rk_attr_int(&b, m->proto->graph->node[i], "axis", axis);
    return m;
}

static void test_scales(void **state)
{
    const float good[3] = {1, 2, 3}, tiny[3] = {1e-40f, 1, 1};
    const float bad[4][3] = {{0, 1, 1}, {1, -1, 1}, {1, 1, NAN}, {INFINITY, 1, 1}};
    (void)state;

    expect("good", quantised(good, 3, 3, 1, RK_DT_I8), RK_OK, NULL);
    expect("OX-26 denormal", quantised(tiny, 3, 3, 1, RK_DT_I8), RK_OK, NULL);
    for (size_t i = 0; i < 4; i++)
        expect("OX-26", quantised(bad[i], 3, 3, 1, RK_DT_I8), RK_E_FORMAT,
               "it must be positive: s");
    expect("OX-26 zero point", quantised(good, 3, 3, 1, RK_DT_F32), RK_E_FORMAT,
           "does not take there");
    expect("OX-26 shapes", quantised(good, 3, 2, 1, RK_DT_I8), RK_E_FORMAT, "shape differs");
    expect("OX-27 length", quantised(good, 2, 2, 1, RK_DT_I8), RK_E_FORMAT,
           "2 scales for 3 rows of axis 1: m");
    expect("OX-27 axis", quantised(good, 3, 3, 2, RK_DT_I8), RK_E_FORMAT, "axis is out of range");
    expect("OX-27 negative", quantised(good, 3, 3, -1, RK_DT_I8), RK_OK, NULL);
    expect("OX-27 rows", quantised(good, 2, 2, -2, RK_DT_I8), RK_OK, NULL);
}

static int32_t type_of(const rk_onnx *m, const char *value)
{
    rk_index *x = NULL;
    int32_t *types = NULL, t;

    assert_int_equal(rk_index_new(&x, m->proto->graph, "t", NULL), RK_OK);
    assert_int_equal(rk_types_infer(&types, m, x, NULL), RK_OK);
    t = types[rk_index_find(x, value) - x->value];
    rk_free(types);
    rk_index_free(x);
    return t;
}

static void test_inference(void **state)
{
    static const struct {
        const char *nodes, *value;
        int64_t opset;
        int32_t type;
    } rows[] = {
        {"s=Shape(x);y=Neg(x)", "s", 17, 7},
        {"s=Shape(x);c=ConstantOfShape(s);y=Neg(x)", "c", 17, 1},
        {"r=RandomNormalLike[dtype:10](x);y=Neg(x)", "r", 17, 10},
        {"r=RandomNormalLike(x);y=Neg(x)", "r", 17, 1},
        {"g=Greater(x,w);y=Where(g,x,w)", "g", 17, 9},
        {"q=QuantizeLinear(x,w);y=Neg(x)", "q", 17, 2},
        {"q=QuantizeLinear[output_dtype:3](x,w);y=Neg(x)", "q", 21, 3},
        {"q,s,z=DynamicQuantizeLinear(x);y=Neg(x)", "z", 17, 2},
        {"v,i=TopK(x,k);y=Neg(x)", "i", 17, 7},
        {"l=SplitToSequence(x);y=Neg(x)", "l", 17, RK_TYPE_OTHER},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rk_onnx *m = onnx_text_model(rows[i].opset, rows[i].nodes);
        rk_build b = {m->proto->graph, false};
        const int64_t k = 1;
        rk_add_vector_i64(&b, "k", &k, 1);
        const int32_t t = type_of(m, rows[i].value);
        if (t != rows[i].type) fail_msg("%s: %s is %d", rows[i].nodes, rows[i].value, (int)t);
        rk_onnx_close(m);
    }
}

static void test_schema(void **state)
{
    char kind = 0;
    size_t length = 0;
    const char *at;
    (void)state;

    assert_null(rk_schema_find("Nothing", 17));
    assert_null(rk_schema_find("LayerNormalization", 16));
    assert_int_equal(rk_schema_find("Add", 13)->since, 13);
    assert_int_equal(rk_schema_find("Add", 17)->since, 14);
    const rk_schema *s = rk_schema_find("Concat", 17);
    assert_int_equal(rk_schema_input(s, 40, &kind), rk_schema_output(s, 0, NULL));
    assert_int_equal(kind, '*');
    assert_int_equal(rk_schema_output(s, 1, NULL), 0);
    assert_int_equal(rk_schema_attribute(s, "axis"), 'i');
    assert_int_equal(rk_schema_attribute(s, "axi"), 0);
    assert_int_equal(rk_schema_attribute(s, "axiss"), 0);
    at = s->attributes;
    assert_memory_equal(rk_schema_required(&at, &length), "axis", 4);
    assert_int_equal(length, 4);
    assert_null(rk_schema_required(&at, &length));
    /* Half in CumSum from 14 on; never in QuantizeLinear before 19. */
    assert_false(rk_schema_types(rk_schema_find("CumSum", 11), 'A') >> 10 & 1);
    assert_true(rk_schema_types(rk_schema_find("CumSum", 14), 'A') >> 10 & 1);
    assert_false(rk_schema_types(rk_schema_find("QuantizeLinear", 13), 'A') >> 10 & 1);
    assert_true(rk_schema_types(rk_schema_find("QuantizeLinear", 19), 'A') >> 10 & 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),     cmocka_unit_test(test_model),
        cmocka_unit_test(test_scales),    cmocka_unit_test(test_inference),
        cmocka_unit_test(test_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
