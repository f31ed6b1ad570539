/* links: base onnx */
/* Wire format, loading and saving, tensors in all their fields, names, building and indexing. IDs
 * as in the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/model.h"
#include "onnx/names.h"
#include "support/scratch.h"

/* ---- wire format by hand ---- */

static void varint(rk_buffer *b, uint64_t v)
{
    do {
        const unsigned char c = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        rk_buffer_put(b, &c, 1);
        v >>= 7;
    } while (v);
}

static void field(rk_buffer *b, unsigned number, const void *bytes, size_t length)
{
    varint(b, (uint64_t)number << 3 | 2);
    varint(b, length);
    rk_buffer_put(b, bytes, length);
}

static void number_field(rk_buffer *b, unsigned number, uint64_t v)
{
    varint(b, (uint64_t)number << 3);
    varint(b, v);
}

enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_NAME = 2 };

/* A model of IR 8 with an empty graph. */
static void start(rk_buffer *b)
{
    rk_buffer_clear(b);
    number_field(b, MODEL_IR, 8);
    field(b, MODEL_GRAPH, "", 0);
}

static rk_status parse(const rk_buffer *b, rk_error *err)
{
    rk_onnx *m = NULL;
    memset(err, 0, sizeof *err);
    const rk_status st = rk_onnx_parse(&m, b->data, b->length, "t.onnx", err);
    assert_int_equal(st != RK_OK, m == NULL);
    rk_onnx_close(m);
    return st;
}

static void refused(const char *id, const rk_buffer *b, const char *says)
{
    rk_error err;
    const rk_status st = parse(b, &err);
    if (st != RK_E_FORMAT || !strstr(err.message, says) || strncmp(err.message, "t.onnx", 6) != 0)
        fail_msg("%s: %s: %s; '%s' is wanted", id, rk_status_name(st), err.message, says);
}

static void accepted(const char *id, const rk_buffer *b)
{
    rk_error err;
    if (parse(b, &err)) fail_msg("%s: %s", id, err.message);
}

static void test_wire(void **state)
{
    rk_buffer b = {0}, inner = {0};
    (void)state;

    start(&b);
    accepted("a model", &b);
    rk_buffer_put(&b, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    refused("OW-01 long", &b, "does not fit 64 bits");
    start(&b);
    rk_buffer_put(&b, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
    refused("OW-01 big", &b, "does not fit 64 bits");
    start(&b);
    rk_buffer_put(&b, "\x08\x80", 2);
    refused("OW-01 cut", &b, "cut off");
    start(&b);
    rk_buffer_put(&b, "\x02\x00", 2);
    refused("OW-02 number 0", &b, "field number out of range");
    start(&b);
    varint(&b, UINT64_C(1) << 32);
    refused("OW-02 large number", &b, "field number out of range");
    for (char wire = 3; wire < 8; wire++) {
        if (wire == 5) continue;
        start(&b);
        const char tag = (char)(100 << 3 | wire);
        varint(&b, (uint64_t)(unsigned char)tag | 0x300);
        refused("OW-02, OW-04 wire type", &b, "wire type");
    }
    static const uint64_t lengths[] = {UINT64_C(1) << 63, UINT64_C(1) << 32, 1};
    for (size_t i = 0; i < 3; i++) {
        start(&b);
        varint(&b, MODEL_PRODUCER << 3 | 2);
        varint(&b, lengths[i]);
        refused("OW-03", &b, "announced, 0 left");
    }
    start(&b);
    number_field(&b, MODEL_PRODUCER, 1);
    refused("OW-06", &b, "'producer_name' has wire type 0");
    start(&b);
    field(&b, MODEL_GRAPH, "", 0);
    refused("OW-09", &b, "'graph' is there twice");
    start(&b);
    number_field(&b, MODEL_IR, 9);
    field(&b, MODEL_PRODUCER, "a", 1);
    field(&b, MODEL_PRODUCER, "b", 1);
    accepted("OW-08 last wins", &b);
    start(&b);
    field(&b, MODEL_PRODUCER, "a\0b", 3);
    refused("OW-12 NUL", &b, "NUL in the string");
    start(&b);
    field(&b, MODEL_PRODUCER, "a\xff", 2);
    refused("OW-12 UTF-8", &b, "not UTF-8");
    rk_buffer_clear(&b);
    rk_buffer_puts(&b, "ir_version: 8\ngraph { }\n");
    refused("OW-13 text", &b, "text form");
    rk_buffer_clear(&b);
    rk_buffer_puts(&b, "{\"irVersion\": 8}");
    refused("OW-13 JSON", &b, "JSON");
    rk_buffer_clear(&b);
    rk_buffer_puts(&b, "version https://git-lfs.github.com/spec/v1\n");
    refused("AN-09", &b, "LFS");
    rk_buffer_clear(&b);
    number_field(&b, MODEL_IR, 8);
    refused("OX-01", &b, "no graph");
    rk_buffer_free(&b);
    rk_buffer_free(&inner);
}

/* A graph within a graph (attribute g of a node), so deep below the first; `more` puts an empty
 * node into the innermost. */
static void nest(rk_buffer *b, size_t depth, bool more)
{
    rk_buffer now = {0}, next = {0};

    if (more) field(&now, GRAPH_NODE, "", 0);
    for (size_t i = 0; i < depth; i += 3) {
        rk_buffer_clear(&next);
        field(&next, 6, now.data ? now.data : "", now.length);      /* AttributeProto.g */
        rk_buffer_clear(&now);
        field(&now, 5, next.data, next.length);                     /* NodeProto.attribute */
        rk_buffer_clear(&next);
        field(&next, GRAPH_NODE, now.data, now.length);             /* GraphProto.node */
        rk_buffer_clear(&now);
        rk_buffer_put(&now, next.data, next.length);
    }
    rk_buffer_clear(b);
    number_field(b, MODEL_IR, 8);
    field(b, MODEL_GRAPH, now.data, now.length);
    rk_buffer_free(&now);
    rk_buffer_free(&next);
}

static void test_limits(void **state)
{
    rk_buffer b = {0}, graph = {0};
    (void)state;

    nest(&b, 99, false);    /* the graph, and 33 times node, attribute, graph */
    accepted("OW-05 100 deep", &b);
    nest(&b, 99, true);
    refused("OW-05 101 deep", &b, "more than 100 deep");
    nest(&b, 60000, false);
    refused("OW-05 deep", &b, "more than 100 deep");
    for (size_t i = 0; i < 200000; i++) rk_buffer_put(&graph, "\xa0\x06\x01", 3);   /* field 100 */
    rk_buffer_clear(&b);
    number_field(&b, MODEL_IR, 8);
    field(&b, MODEL_GRAPH, graph.data, graph.length);
    accepted("OW-10 many unknown fields", &b);
    rk_buffer_clear(&graph);
    for (size_t i = 0; i < 1000001; i++) rk_buffer_put(&graph, "\x0a\x00", 2);
    rk_buffer_clear(&b);
    number_field(&b, MODEL_IR, 8);
    field(&b, MODEL_GRAPH, graph.data, graph.length);
    refused("OX-37", &b, "more than 1,000,000 nodes");
    rk_buffer_free(&b);
    rk_buffer_free(&graph);
}

/* SW-01, SW-02 on a small real model: never a crash, and what is accepted can be saved and read
 * again. */
static void test_sweeps(void **state)
{
    rk_onnx *m = NULL, *again = NULL;
    rk_error err;
    size_t length = 0, good = 0;
    (void)state;

    assert_int_equal(rk_onnx_new(&m, "t.onnx", 8, 17, &err), RK_OK);
    rk_build g = {m->proto->graph, false};
    const char *const dims[2] = {"n", "4"};
    const size_t dim = 4;
    rk_add_input(&g, "x", RK_DT_F32, dims, 2);
    rk_add_output(&g, "y", RK_DT_F32, dims, 2);
    float *w = rk_add_initializer(&g, "w", RK_DT_F32, &dim, 1);
    for (size_t i = 0; i < 4; i++) w[i] = (float)i;
    rk_attr_int(&g, rk_add_node(&g, "Softmax", "s", "x", NULL), "axis", -1);
    rk_add_node(&g, "Mul", "y", "s", "w", NULL);
    assert_false(g.failed);
    const char *path = scratch_path("sweep.onnx");
    assert_int_equal(rk_onnx_set_metadata(m, "key", "value", &err), RK_OK);
    assert_int_equal(rk_onnx_save(m, path, &err), RK_OK);
    rk_onnx_close(m);
    char *bytes = scratch_read(path, &length);
    assert_non_null(bytes);
    for (size_t cut = 0; cut < length; cut++) {
        const rk_status st = rk_onnx_parse(&m, cut ? bytes : NULL, cut, "t", &err);
        good += st == RK_OK;
        rk_onnx_close(m);
    }
    assert_true(good < 8);   /* only cuts between fields of the model, after the graph */
    for (size_t i = 0; i < length; i++)
        for (size_t k = 0; k < 4; k++) {
            const char old = bytes[i];
            bytes[i] = (char)(k == 0 ? 0 : k == 1 ? 0xff : k == 2 ? old ^ 1 : old ^ 0x80);
            if (rk_onnx_parse(&m, bytes, length, "t", &err) == RK_OK) {
                assert_int_equal(rk_onnx_save(m, path, &err), RK_OK);
                assert_int_equal(rk_onnx_load(&again, path, &err), RK_OK);
                rk_onnx_close(again);
            }
            rk_onnx_close(m);
            bytes[i] = old;
        }
    free(bytes);
}

/* ---- tensors ---- */

static void tensor_refused(Onnx__TensorProto *t, const char *says)
{
    rk_tensor out;
    void *owned = &out;
    rk_error err = {0};
    assert_int_equal(rk_onnx_tensor(&out, &owned, t, "t.onnx", &err), RK_E_FORMAT);
    assert_null(owned);
    if (!strstr(err.message, says)) fail_msg("'%s' in: %s", says, err.message);
}

static void test_tensor(void **state)
{
    int64_t dims[9] = {2, 2};
    float floats[4] = {1, 2, 3, 4};
    int32_t ints[4] = {0x3c00, 0xfc00, 0x0001, 0x7e01};
    rk_tensor out;
    void *owned;
    rk_error err;
    Onnx__TensorProto t;
    (void)state;

    onnx__tensor_proto__init(&t);
    t.name = (char *)(uintptr_t) "a\x1b[31m";
    t.dims = dims;
    t.n_dims = 2;
    t.data_type = 1;
    tensor_refused(&t, "a\\x1b[31m': 0 elements stored, 4 expected");   /* OX-15 neither */
    t.float_data = floats;
    t.n_float_data = 4;
    assert_int_equal(rk_onnx_tensor(&out, &owned, &t, "t", &err), RK_OK);
    assert_ptr_equal(out.data, floats);
    assert_int_equal(out.bytes, 16);
    t.has_raw_data = 1;
    t.raw_data = (ProtobufCBinaryData){16, (uint8_t *)floats};
    tensor_refused(&t, "raw and typed");                                /* OX-15 both */
    t.n_float_data = 0;
    assert_int_equal(rk_onnx_tensor(&out, &owned, &t, "t", &err), RK_OK);
    t.raw_data.len = 15;
    tensor_refused(&t, "15 bytes of data, 16 expected");
    t.raw_data.len = 17;
    tensor_refused(&t, "17 bytes of data, 16 expected");
    dims[0] = -1;
    tensor_refused(&t, "dimension 0 is -1");                            /* OX-14 */
    dims[0] = dims[1] = INT64_C(1) << 32;
    tensor_refused(&t, "overflow");
    dims[0] = INT64_MAX;
    dims[1] = 2;
    tensor_refused(&t, "overflow");
    t.n_dims = 9;
    tensor_refused(&t, "rank 9");
    t.n_dims = 2;
    dims[0] = 0;
    t.raw_data.len = 0;
    assert_int_equal(rk_onnx_tensor(&out, &owned, &t, "t", &err), RK_OK);
    static const int32_t unknown[] = {0, 8, 14, 99, -1};                /* OX-18 */
    for (size_t i = 0; i < 5; i++) {
        t.data_type = unknown[i];
        tensor_refused(&t, "is not supported");
    }
    t.data_type = 10;
    t.has_raw_data = 0;
    dims[0] = dims[1] = 2;
    t.int32_data = ints;
    t.n_int32_data = 4;
    assert_int_equal(rk_onnx_tensor(&out, &owned, &t, "t", &err), RK_OK);
    assert_int_equal(((const uint16_t *)out.data)[1], 0xfc00);          /* patterns, not numbers */
    rk_free(owned);
    t.data_type = 3;
    tensor_refused(&t, "does not fit int8");                            /* OX-16 */
    t.n_external_data = 1;
    tensor_refused(&t, "lies in another file");                         /* OX-19 */
}

/* ---- names ---- */

static void test_names(void **state)
{
    rk_names *n = rk_names_new();
    char key[32];
    bool added;
    (void)state;

    for (size_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "name %zu", i);
        assert_non_null(rk_names_add(n, key, i, &added));
        assert_true(added);
    }
    for (size_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "name %zu", i);
        assert_int_equal(*rk_names_get(n, key), i);
    }
    assert_null(rk_names_get(n, "name 5000"));
    assert_int_equal(*rk_names_add(n, "name 7", 1, &added), 7);
    assert_false(added);
    assert_string_equal(rk_names_fresh(n, "x", 0), "x");
    assert_string_equal(rk_names_fresh(n, "x", 0), "x_1");
    rk_names_add(n, "x_2", 0, NULL);
    assert_string_equal(rk_names_fresh(n, "x", 0), "x_3");
    assert_string_equal(rk_names_fresh(n, "x_1", 0), "x_1_1");
    assert_int_equal(rk_names_count(n), 5005);
    rk_names_free(n);
}

/* ---- index ---- */

typedef struct wiring {
    const char *id, *nodes, *says;    /* nodes: "out=Op(in,in);..." */
} wiring;

static void build(rk_build *b, const char *text)
{
    char copy[256], *save = NULL;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *node = strtok_r(copy, ";", &save); node; node = strtok_r(NULL, ";", &save)) {
        char *op = strchr(node, '='), *in = strchr(node, '('), *inner = NULL;
        const char *inputs[4], *out = node;
        size_t n = 0;
        *op++ = 0;
        *in++ = 0;
        in[strcspn(in, ")")] = 0;
        for (char *i = strtok_r(in, ",", &inner); i; i = strtok_r(NULL, ",", &inner))
            inputs[n++] = i;
        rk_add_node_n(b, op, NULL, inputs, n, &out, 1);
    }
}

static void test_index(void **state)
{
    static const wiring rows[] = {
        {"good", "a=Neg(x);b=Add(a,w);y=Mul(b,a)", NULL},
        {"OX-05 one", "a=Add(a,x);y=Neg(a)", "node 'a' reads 'a', its own output"},
        {"OX-05 two", "a=Neg(b);b=Neg(a);y=Neg(x)", "node 'a' reads 'b', which a later node makes"},
        {"OX-06", "y=Neg(a);a=Neg(x)", "which a later node makes"},
        {"OX-07", "y=Add(x,nowhere)", "node 'y' reads 'nowhere', which nobody makes"},
        {"OX-08 twice", "y=Neg(x);y=Abs(x)", "'y' is written by two nodes"},
        {"OX-08 input", "x=Neg(w);y=Neg(x)", "'x' is a graph input and written by a node"},
        {"OX-08 initializer", "w=Neg(x);y=Neg(w)", "'w' is an initializer and written by a node"},
        {"no output", "a=Neg(x)", "'y' is a graph output that nobody makes"},
    };
    rk_error err = {0};
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rk_onnx *m = NULL;
        rk_index *x = NULL;
        assert_int_equal(rk_onnx_new(&m, "t.onnx", 8, 17, &err), RK_OK);
        rk_build b = {m->proto->graph, false};
        rk_add_input(&b, "x", RK_DT_F32, NULL, 0);
        rk_add_output(&b, "y", RK_DT_F32, NULL, 0);
        rk_add_scalar_f32(&b, "w", 2.0f);
        build(&b, rows[i].nodes);
        const rk_status st = rk_index_new(&x, m->proto->graph, m->shown, &err);
        if (!rows[i].says) {
            assert_int_equal(st, RK_OK);
            const rk_value *a = rk_index_find(x, "a");
            assert_int_equal(a->uses, 2);
            assert_int_equal(a->use[0].node, 1);
            assert_int_equal(a->use[1].node, 2);
            assert_int_equal(a->use[1].slot, 1);
            assert_string_equal(rk_index_producer(x, "y")->op_type, "Mul");
            assert_null(rk_index_producer(x, "x"));
            assert_non_null(rk_index_initializer(x, "w"));
            assert_int_equal(rk_index_find(x, "y")->output, 0);
            assert_null(rk_index_find(x, ""));
        } else if (st != RK_E_FORMAT || !strstr(err.message, rows[i].says)) {
            fail_msg("%s: %s: %s", rows[i].id, rk_status_name(st), err.message);
        }
        rk_index_free(x);
        rk_onnx_close(m);
    }
}

/* A chain of many nodes takes linear time and no stack (OX-37). */
static void test_long_chain(void **state)
{
    rk_onnx *m = NULL;
    rk_index *x = NULL;
    rk_error err;
    char in[32] = "x", out[32];
    (void)state;

    assert_int_equal(rk_onnx_new(&m, "t.onnx", 8, 17, &err), RK_OK);
    rk_build b = {m->proto->graph, false};
    rk_add_input(&b, "x", RK_DT_F32, NULL, 0);
    for (size_t i = 0; i < 50000; i++) {
        snprintf(out, sizeof out, "v%zu", i);
        rk_add_node(&b, "Identity", out, in, NULL);
        memcpy(in, out, sizeof in);
    }
    rk_add_output(&b, in, RK_DT_F32, NULL, 0);
    assert_int_equal(rk_index_new(&x, m->proto->graph, "t", &err), RK_OK);
    assert_int_equal(x->values, 50001);
    rk_index_free(x);
    rk_onnx_close(m);
}

/* Every allocation fails in turn, in loading and indexing: an error, no crash, no leak. */
static void test_memory(void **state)
{
    const char *path = scratch_path("memory.onnx");
    rk_onnx *m = NULL;
    rk_index *x = NULL;
    rk_error err;
    (void)state;

    assert_int_equal(rk_onnx_new(&m, path, 8, 17, &err), RK_OK);
    rk_build b = {m->proto->graph, false};
    rk_add_input(&b, "x", RK_DT_F32, NULL, 0);
    rk_add_output(&b, "y", RK_DT_F32, NULL, 0);
    rk_add_scalar_f32(&b, "w", 2.0f);
    build(&b, "a=Neg(x);b=Add(a,w);y=Mul(b,a)");
    assert_int_equal(rk_onnx_set_metadata(m, "k", "v", &err), RK_OK);
    assert_int_equal(rk_onnx_save(m, path, &err), RK_OK);
    rk_onnx_close(m);
    for (size_t n = 0;; n++) {
        m = NULL;
        x = NULL;
        rk_mem_fail_at(n, false);
        rk_status st = rk_onnx_load(&m, path, &err);
        if (!st) st = rk_onnx_set_metadata(m, "k2", "v", &err);
        if (!st) st = rk_index_new(&x, m->proto->graph, "t", &err);
        rk_mem_fail_at(SIZE_MAX, false);
        rk_index_free(x);
        rk_onnx_close(m);
        if (!st) {
            assert_true(n > 40);
            break;
        }
        assert_int_equal(st, RK_E_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire), cmocka_unit_test(test_limits), cmocka_unit_test(test_sweeps),
        cmocka_unit_test(test_tensor), cmocka_unit_test(test_names), cmocka_unit_test(test_index),
        cmocka_unit_test(test_long_chain), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
