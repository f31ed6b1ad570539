/* links: base compute quant text file onnx encoder convert */
/* Conversion to half and int8 as passes: what they report, what they refuse, memory. Numbers and
 * validity are parity.convert_graphs' and parity.onnx_export's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "convert/half_tensor.h"
#include "convert/passes.h"
#include "convert/simplify.h"
#include "onnx/check.h"
#include "quant/qparams.h"
#include "ringkas.h"
#include "support/onnx_text.h"
#include "support/scratch.h"

static const rk_half_options plain = {.type = RK_DT_F16};

static const Onnx__TensorProto *initializer(const rk_onnx *m, const char *name)
{
    const Onnx__GraphProto *g = m->proto->graph;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0) return g->initializer[i];
    return NULL;
}

/* Nodes as text: "Neg(x)>a Cast(a)>b". */
static const char *shown(const rk_onnx *m)
{
    static char text[2048];
    const Onnx__GraphProto *g = m->proto->graph;
    size_t at = 0;

    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *n = g->node[i];
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s(", i ? " " : "", n->op_type);
        for (size_t k = 0; k < n->n_input; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", k ? "," : "", n->input[k]);
        at += (size_t)snprintf(text + at, sizeof text - at, ")>%s", n->output[0]);
    }
    return text;
}

static json_t *half(rk_onnx *m, const rk_half_options *o)
{
    json_t *report = json_object();
    rk_error err = {0};

    if (rk_to_half(m, o, report, &err)) fail_msg("%s", err.message);
    if (rk_onnx_check(m, &err)) fail_msg("%s", err.message);
    return report;
}

static json_int_t number(const json_t *report, const char *key, const char *field)
{
    const json_t *o = json_object_get(report, key);
    return json_integer_value(field ? json_object_get(o, field) : o);
}

static void test_casts(void **state)
{
    rk_onnx *m = onnx_text_model(17, "a=Neg(x);b=Sqrt(a);c=Mul(a,b);y=Add(b,c)");
    json_t *report = half(m, &plain);
    (void)state;

    /* One Cast for each value and type: b is read by two half nodes. */
    assert_string_equal(shown(m), "Cast(x)>x_fp16 Neg(x_fp16)>a Cast(a)>a_fp32 Sqrt(a_fp32)>b "
                                  "Cast(b)>b_fp16 Mul(a,b_fp16)>c Add(b_fp16,c)>y_fp16 "
                                  "Cast(y_fp16)>y");
    assert_int_equal(number(report, "casts", "added"), 4);
    assert_int_equal(number(report, "casts", "removed"), 0);
    assert_int_equal(number(report, "casts", "kept"), 0);
    assert_int_equal(number(report, "nodes", "half"), 3);
    assert_int_equal(number(report, "nodes", "float"), 1);
    const json_t *kept = json_array_get(json_object_get(report, "kept_float"), 0);
    assert_string_equal(json_string_value(json_object_get(kept, "node")), "b");
    assert_string_equal(json_string_value(json_object_get(kept, "op")), "Sqrt");
    assert_non_null(strstr(json_string_value(json_object_get(kept, "why")), "range"));
    json_decref(report);
    rk_onnx_close(m);

    m = onnx_text_model(17, "i=Shape(x);f=Cast[to:1](i);g=Cast[to:1](f);y=Mul(x,g)");
    const rk_half_options io = {.type = RK_DT_BF16, .convert_io = true};
    report = half(m, &io);
    assert_string_equal(shown(m), "Shape(x)>i Cast(i)>f Mul(x,f)>y");
    assert_int_equal(number(report, "casts", "removed"), 1);
    assert_int_equal(number(report, "casts", "kept"), 1);
    assert_int_equal(m->proto->graph->input[0]->type->tensor_type->elem_type, 16);
    assert_int_equal(m->proto->graph->output[0]->type->tensor_type->elem_type, 16);
    assert_int_equal(m->proto->graph->node[1]->attribute[0]->i, 16);
    json_decref(report);
    rk_onnx_close(m);
}

static void test_keep(void **state)
{
    const rk_half_options ops = {.type = RK_DT_F16, .keep_ops = "Neg,Mul"};
    const rk_half_options nodes = {.type = RK_DT_F16, .keep_nodes = "y"};
    const rk_half_options wrong = {.type = RK_DT_F16, .keep_nodes = "y,Y"};
    rk_onnx *m = onnx_text_model(17, "a=Neg(x);y=Mul(a,w)");
    rk_error err = {0};
    json_t *report = half(m, &ops);
    (void)state;

    assert_string_equal(shown(m), "Neg(x)>a Mul(a,w)>y");
    assert_int_equal(initializer(m, "w")->data_type, 1);
    json_decref(report);
    rk_onnx_close(m);
    m = onnx_text_model(17, "a=Neg(x);y=Mul(a,w)");
    report = half(m, &nodes);
    assert_string_equal(shown(m), "Cast(x)>x_fp16 Neg(x_fp16)>a Cast(a)>a_fp32 Mul(a_fp32,w)>y");
    json_decref(report);
    rk_onnx_close(m);
    m = onnx_text_model(17, "a=Neg(x);y=Mul(a,w)");
    report = json_object();
    assert_int_equal(rk_to_half(m, &wrong, report, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "no node 'Y' in the graph"));
    rk_onnx_close(m);
    const rk_half_options brain = {.type = RK_DT_BF16};
    m = onnx_text_model(12, "y=Neg(x)");
    assert_int_equal(rk_to_half(m, &brain, report, &err), RK_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "operator set 12 has no bfloat16"));
    json_decref(report);
    rk_onnx_close(m);
}

/* What may leave half's range is followed: which nodes stay float. */
static void test_reach(void **state)
{
    static const struct {
        const char *nodes, *floats;
    } rows[] = {
        {"a=Neg(x);b=Mul(a,a);c=Neg(b);d=Sqrt(c);y=Neg(d)", "b c d"},          /* a square */
        {"a=Exp(x);b=Reshape(a,k);c=Neg(b);d=Tanh(c);y=Neg(d)", "a b c d"},    /* bounded again */
        {"a=Neg(x);b=Mul(a,h);c=Add(b,x);d=Softmax(c);y=Neg(d)", "b c d"},     /* huge */
        {"a=Mul(x,h);b=MatMul(a,x);y=Neg(b)", "a b"},                          /* a product */
        {"a=Neg(x);b=MatMul(a,a);y=Neg(b)", "b y"},                            /* of squares */
        {"a=Neg(x);b=Max(a,t);c=Expand(b,k);y=Div(x,c)", "b c y"},             /* kept from zero */
        {"a=Neg(x);b=Reciprocal(a);c=Mul(x,b);y=Neg(c)", "b c"},               /* a normalisation */
        {"s=Size(x);f=Cast[to:1](s);a=Div(x,f);y=Neg(a)", "a"},                /* a count */
        {"a=Max(x,h);y=Neg(a)", ""},                                           /* a limit */
        {"a=Sqrt(x);b=Reshape(a,k);y=Sqrt(b)", "a b y"},                       /* a mover */
        {"a=Neg(x);b=Reshape(a,k);y=Sqrt(b)", "y"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rk_onnx *m = onnx_text_model(17, rows[i].nodes);
        rk_build b = {m->proto->graph, false};
        const int64_t k = -1;
        char got[64] = "";
        size_t n;
        json_t *one;
        rk_add_vector_i64(&b, "k", &k, 1);
        rk_add_scalar_f32(&b, "h", 1e9f);
        rk_add_scalar_f32(&b, "t", 1e-12f);
        json_t *report = half(m, &plain);
        json_array_foreach(json_object_get(report, "kept_float"), n, one)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", n ? " " : "",
                     json_string_value(json_object_get(one, "node")));
        if (strcmp(got, rows[i].floats) != 0) fail_msg("%s: '%s'", rows[i].nodes, got);
        json_decref(report);
        rk_onnx_close(m);
    }
}

static void test_half_tensor(void **state)
{
    static const struct {
        float x;
        uint16_t f16, bf16;
    } rows[] = {
        {1.0f, 0x3c00, 0x3f80},      {65504.0f, 0x7bff, 0x4780}, {65519.0f, 0x7bff, 0x4780},
        {65520.0f, 0x7bff, 0x4780},  {-1e9f, 0xfbff, 0xce6e},    {3.4e38f, 0x7bff, 0x7f80 - 1},
        {1e-8f, 0x0000, 0x322c},     {6e-8f, 0x0001, 0x3381},    {2049.0f, 0x6800, 0x4500},
    };
    enum { N = sizeof rows / sizeof rows[0] };
    const size_t dim = N + 3;
    Onnx__TensorProto *t = rk_onnx_tensor_new("t", RK_DT_F32, &dim, 1), *h;
    float *x = (float *)(void *)t->raw_data.data;
    rk_onnx *m = onnx_text_model(17, "y=Neg(x)");
    rk_half_stats s;
    uint16_t v;
    (void)state;

    for (size_t i = 0; i < N; i++) x[i] = rows[i].x;
    x[N] = INFINITY;
    x[N + 1] = -INFINITY;
    x[N + 2] = NAN;
    for (size_t k = 0; k < 2; k++) {
        assert_int_equal(
            rk_half_tensor(&h, t, "h", k ? RK_DT_BF16 : RK_DT_F16, m, NULL), RK_OK);
        assert_int_equal(rk_half_look(&s, t, k ? RK_DT_BF16 : RK_DT_F16, m, NULL), RK_OK);
        for (size_t i = 0; i < N; i++) {
            memcpy(&v, h->raw_data.data + 2 * i, 2);
            if (v != (k ? rows[i].bf16 : rows[i].f16))
                fail_msg("%g is %04x", (double)rows[i].x, (unsigned)v);
        }
        memcpy(&v, h->raw_data.data + 2 * N, 2);
        assert_int_equal(v, k ? 0x7f80 : 0x7c00);
        memcpy(&v, h->raw_data.data + 2 * N + 2, 2);
        assert_int_equal(v, k ? 0xff80 : 0xfc00);
        memcpy(&v, h->raw_data.data + 2 * N + 4, 2);
        assert_true((v & 0x7fff) > (k ? 0x7f80 : 0x7c00));
        assert_int_equal(s.beyond, k ? 1 : 3);
        assert_int_equal(s.vanish, k ? 0 : 1);
        assert_true(s.largest == 3.4e38f);
        rk_onnx_free(h);
    }
    rk_onnx_free(t);
    rk_onnx_close(m);
}

/* ---- int8 ---- */

/* A table [5, 4] read by Gather, a weight [4, 3], an input pair. zero: of the weight. */
static rk_onnx *ranged(int8_t zero)
{
    rk_onnx *m = onnx_text_model(17, "i=Shape(x)");
    rk_build b = {m->proto->graph, false};
    const size_t table[2] = {5, 4}, weight[2] = {4, 3};
    float *t = rk_add_initializer(&b, "t", RK_DT_F32, table, 2);
    float *w = rk_add_initializer(&b, "m", RK_DT_F32, weight, 2);
    for (size_t i = 0; i < 20; i++) t[i] = (float)i - 9.5f;
    for (size_t i = 0; i < 12; i++) w[i] = 0.3f * (float)i - 1.0f;
    float *ts = rk_add_initializer(&b, "ts", RK_DT_F32, table, 1);
    float *ws = rk_add_initializer(&b, "ws", RK_DT_F32, weight + 1, 1);
    memset(rk_add_initializer(&b, "tz", RK_DT_I8, table, 1), 0, 5);
    memset(rk_add_initializer(&b, "wz", RK_DT_I8, weight + 1, 1), zero, 3);
    memset(rk_add_initializer(&b, "z", RK_DT_U8, NULL, 0), 7, 1);
    for (size_t i = 0; i < 5; i++) ts[i] = 0.1f + (float)i / 64.0f;
    for (size_t i = 0; i < 3; i++) ws[i] = 0.02f + (float)i / 1024.0f;
    onnx_text_nodes(&b, "tc=QuantizeLinear[axis:0](t,ts,tz);td=DequantizeLinear[axis:0](tc,ts,tz);"
                        "e=Gather[axis:0](td,i);"
                        "ec=QuantizeLinear(e,w,z);ed=DequantizeLinear(ec,w,z);"
                        "wc=QuantizeLinear[axis:1](m,ws,wz);wd=DequantizeLinear[axis:1](wc,ws,wz);"
                        "p=MatMul(ed,wd);y=ReduceSum[keepdims:0](p)");
    assert_false(b.failed);
    return m;
}

static void test_int8(void **state)
{
    rk_onnx *m = ranged(0);
    json_t *report = json_object();
    rk_error err = {0};
    float x, s;
    (void)state;

    if (rk_onnx_check(m, &err)) fail_msg("%s", err.message);
    if (rk_to_int8(m, report, &err)) fail_msg("%s", err.message);
    if (rk_onnx_check(m, &err)) fail_msg("%s", err.message);
    assert_string_equal(shown(m),
                        "Shape(x)>i Gather(tc,i)>e.codes Cast(e.codes)>e.float Gather(t.scales,i)>"
                        "e.scales Mul(e.float,e.scales)>e QuantizeLinear(e,w,z)>ec "
                        "DequantizeLinear(ec,w,z)>ed DequantizeLinear(wc,ws,wz)>wd MatMul(ed,wd)>p "
                        "ReduceSum(p)>y");
    assert_int_equal(number(report, "quantised", "weights"), 1);
    assert_int_equal(number(report, "quantised", "tables"), 1);
    assert_int_equal(number(report, "quantised", "inputs"), 1);
    static const char *const gone[] = {"t", "ts", "tz", "m"};
    for (size_t i = 0; i < 4; i++) assert_null(initializer(m, gone[i]));
    const Onnx__TensorProto *tc = initializer(m, "tc"), *wc = initializer(m, "wc");
    const Onnx__TensorProto *ts = initializer(m, "t.scales"), *ws = initializer(m, "ws");
    assert_int_equal(ts->n_dims, 2);
    assert_int_equal(ts->dims[1], 1);
    for (size_t i = 0; i < 20; i++) {
        memcpy(&s, ts->raw_data.data + i / 4 * 4, 4);
        assert_int_equal((int8_t)tc->raw_data.data[i], rk_quantize_s8((float)i - 9.5f, s));
    }
    for (size_t i = 0; i < 12; i++) {
        memcpy(&s, ws->raw_data.data + i % 3 * 4, 4);
        x = 0.3f * (float)i - 1.0f;
        assert_int_equal((int8_t)wc->raw_data.data[i], rk_quantize_s8(x, s));
    }
    json_decref(report);
    report = json_object();
    assert_int_equal(rk_to_int8(m, report, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "int8 already"));
    rk_onnx_close(m);
    m = onnx_text_model(17, "y=Neg(x)");
    assert_int_equal(rk_to_int8(m, report, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "carries no INT8 ranges"));
    rk_onnx_close(m);
    m = ranged(1);
    assert_int_equal(rk_to_int8(m, report, &err), RK_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "zero points of 0"));
    rk_onnx_close(m);
    json_decref(report);
}

/* ---- rk_convert: arguments and failures leave nothing behind ---- */

static void test_convert(void **state)
{
    const char *in = scratch_path("in.onnx"), *out = scratch_path("out.onnx");
    rk_convert_options o = {.in = in, .out = out, .to = RK_FP16};
    rk_onnx *m = onnx_text_model(17, "a=Neg(x);y=Mul(a,w)");
    char *json = NULL;
    rk_error err = {0};
    (void)state;

    assert_int_equal(rk_onnx_save(m, in, &err), RK_OK);
    rk_onnx_close(m);
    const size_t files = scratch_count(scratch_dir());
    o.to = (rk_precision)9;
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_ARG);
    o.to = RK_INT8;
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_FORMAT);   /* no ranges in it */
    o.keep_ops = "Neg";
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_ARG);
    o = (rk_convert_options){.in = in, .out = in, .to = RK_FP16};
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_ARG);   /* AN-19 */
    o.out = "/nonexistent/out.onnx";
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_OUTPUT);
    o.out = out;
    o.in = "/nonexistent/in.onnx";
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_OPEN);
    o.in = in;
    o.check = in;
    assert_int_equal(rk_convert(&json, &o, &err), RK_E_UNSUPPORTED);   /* no classifier of ours */
    assert_null(json);
    assert_int_equal(scratch_count(scratch_dir()), files);
    o.check = NULL;
    assert_int_equal(rk_convert(&json, &o, &err), RK_OK);
    assert_non_null(strstr(json, "\"bytes\": {\"in\": "));
    rk_free(json);
    assert_int_equal(scratch_count(scratch_dir()), files + 1);
}

static void test_memory(void **state)
{
    const char *in = scratch_path("m.onnx"), *out = scratch_path("mo.onnx");
    rk_error err;
    (void)state;

    for (size_t to = RK_FP16; to <= RK_INT8; to++) {
        rk_onnx *m =
            to == RK_INT8
                ? ranged(0)
                : onnx_text_model(17, "s=Shape(x);c=ConstantOfShape(s);a=Add(x,c);b=Exp(a);"
                                      "f=Cast[to:1](b);g=Mul(f,w);h=Pow(g,w);y=Add(h,g)");
        const rk_convert_options o = {.in = in, .out = out, .to = (rk_precision)to};
        assert_int_equal(rk_onnx_save(m, in, NULL), RK_OK);
        rk_onnx_close(m);
        for (size_t n = 0;; n++) {
            char *json = NULL;
            scratch_remove(out);
            rk_mem_fail_at(n, false);
            const rk_status st = rk_convert(&json, &o, &err);
            rk_mem_fail_at(SIZE_MAX, false);
            rk_free(json);
            if (!st) {
                if (n < 80) fail_msg("only %zu allocations failed", n);
                break;
            }
            assert_null(json);
            if (st != RK_E_MEMORY) fail_msg("allocation %zu: %s", n, err.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_casts),       cmocka_unit_test(test_keep),
        cmocka_unit_test(test_half_tensor), cmocka_unit_test(test_reach),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_convert),     cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
