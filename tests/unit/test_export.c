/* links: base compute quant text file onnx encoder convert */
/* rk_export: what it refuses, what it leaves behind, memory. That the graph computes the classifier
 * is parity.onnx_export's to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "encoder/params.h"
#include "encoder/ranges.h"
#include "onnx/check.h"
#include "onnx/graph.h"
#include "ringkas.h"
#include "support/scratch.h"
#include "text/tokenizer.h"

static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                     "enak",  "tidak", "##nya", "sekali"};
enum { TOKENS = sizeof tokens / sizeof tokens[0] };

static rk_bert_config config(void)
{
    static char *names[] = {(char *)(uintptr_t) "positif", (char *)(uintptr_t) "negatif"};
    return (rk_bert_config){.layers = 1, .hidden = 8, .heads = 2, .inner = 12, .vocab = TOKENS + 4,
                            .positions = 16, .types = 2, .eps = 1e-12f, .init_range = 0.2f,
                            .act = RK_ACT_GELU, .labels = {2, names}};
}

/* A model folder; ranges: with learned INT8 ranges. */
static const char *make(const char *name, bool ranges, const char *ringkas)
{
    const rk_bert_config c = config();
    rk_params *p = NULL;
    rk_tokenizer *t = NULL;
    char *dir = rk_strdup(scratch_path(name)), *path;
    json_t *json = rk_bert_config_json(&c, NULL);

    assert_int_equal(rk_dir_make(dir, NULL), RK_OK);
    path = rk_path_join(dir, "config.json");
    assert_int_equal(rk_json_save(json, path, NULL), RK_OK);
    rk_free(path);
    assert_int_equal(rk_params_new(&p, &c, NULL), RK_OK);
    rk_params_init(p, &c, 3);
    path = rk_path_join(dir, "model.safetensors");
    assert_int_equal(rk_params_save(p, path, NULL), RK_OK);
    rk_free(path);
    if (ranges) {
        rk_ranges *r = NULL;
        assert_int_equal(rk_ranges_new(&r, &c, p, RK_QAT_INT8, NULL), RK_OK);
        for (size_t i = 0; i < r->sites; i++)
            r->site[i] = (rk_range){-1.0f, 2.0f, rk_qparams_u8(-1.0f, 2.0f + (float)i)};
        rk_ranges_weights(r, p);
        path = rk_path_join(dir, "quant.safetensors");
        assert_int_equal(rk_ranges_save(r, &c, p, path, NULL), RK_OK);
        rk_free(path);
        rk_ranges_free(r);
    }
    assert_int_equal(rk_tokenizer_from_tokens(&t, tokens, TOKENS, NULL), RK_OK);
    assert_int_equal(rk_tokenizer_save(t, dir, NULL), RK_OK);
    if (ringkas) {
        path = rk_path_join(dir, "ringkas.json");
        assert_int_equal(rk_file_write(path, ringkas, strlen(ringkas), NULL), RK_OK);
        rk_free(path);
    }
    rk_tokenizer_close(t);
    rk_params_free(p);
    json_decref(json);
    return dir;
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char *path = rk_path_join(dir, name);
    assert_int_equal(rk_file_write(path, text, strlen(text), NULL), RK_OK);
    rk_free(path);
}

static void test_export(void **state)
{
    const char *dir = make("good", false, "{\"clean\": \"seed\", \"max_length\": 12}");
    const char *out = scratch_path("good.onnx");
    rk_onnx *m = NULL;
    rk_error err = {0};
    (void)state;

    if (rk_export(dir, out, 0, &err)) fail_msg("%s", err.message);
    assert_int_equal(rk_onnx_load(&m, out, &err), RK_OK);
    assert_int_equal(rk_onnx_check(m, &err), RK_OK);
    assert_int_equal(m->proto->ir_version, 8);
    assert_int_equal(rk_onnx_opset(m, ""), 17);
    assert_string_equal(rk_onnx_metadata(m, "ringkas.format"), "1");
    assert_string_equal(rk_onnx_metadata(m, "ringkas.precision"), "fp32");
    assert_string_equal(rk_onnx_metadata(m, "ringkas.labels"), "[\"positif\", \"negatif\"]");
    assert_string_equal(rk_onnx_metadata(m, "ringkas.clean"), "seed");
    assert_string_equal(rk_onnx_metadata(m, "ringkas.max_length"), "12");
    assert_null(rk_onnx_metadata(m, "ringkas.ranges"));
    assert_non_null(strstr(rk_onnx_metadata(m, "ringkas.tokenizer"), "sekali"));
    assert_non_null(strstr(rk_onnx_metadata(m, "ringkas.config"), "\"vocab\": 9"));
    rk_onnx_close(m);
    assert_int_equal(rk_export(dir, out, 16, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "opset 16 cannot be written; 17 to 21 can"));
    assert_int_equal(rk_export(dir, out, 22, &err), RK_E_ARG);
    assert_int_equal(rk_export(NULL, out, 0, &err), RK_E_ARG);
    rk_free((void *)(uintptr_t)dir);
}

/* One learned scale, followed from the ranges to the file: the same bits. */
static void test_ranges(void **state)
{
    const char *dir = make("ranges", true, NULL), *out = scratch_path("ranges.onnx");
    rk_onnx *m = NULL;
    rk_index *x = NULL;
    rk_error err = {0};
    size_t seen = 0;
    (void)state;

    if (rk_export(dir, out, 0, &err)) fail_msg("%s", err.message);
    assert_int_equal(rk_onnx_load(&m, out, &err), RK_OK);
    assert_string_equal(rk_onnx_metadata(m, "ringkas.ranges"), "int8");
    assert_int_equal(rk_index_new(&x, m->proto->graph, "t", &err), RK_OK);
    const rk_bert_config c = config();
    for (size_t i = 0; i < rk_site_count(&c); i++) {
        const rk_qparams want = rk_qparams_u8(-1.0f, 2.0f + (float)i);
        char site[96], name[128];
        rk_site_name(site, &c, i);
        snprintf(name, sizeof name, "%s.scale", site);
        const Onnx__TensorProto *s = rk_index_initializer(x, name);
        snprintf(name, sizeof name, "%s.zero_point", site);
        const Onnx__TensorProto *z = rk_index_initializer(x, name);
        assert_non_null(s);
        assert_non_null(z);
        assert_memory_equal(s->raw_data.data, &want.scale, sizeof want.scale);
        assert_int_equal(z->raw_data.data[0], want.zero);
        seen += rk_index_find(x, name)->uses;   /* one QuantizeLinear, one DequantizeLinear */
    }
    assert_int_equal(seen, 2 * rk_site_count(&c));
    rk_index_free(x);
    rk_onnx_close(m);
    rk_free((void *)(uintptr_t)dir);
}

static void refused(const char *id, const char *dir, rk_status status, const char *says)
{
    const char *out = scratch_path("refused.onnx");
    rk_error err = {0};
    const rk_status st = rk_export(dir, out, 0, &err);

    if (st != status || !strstr(err.message, says))
        fail_msg("%s: %s: %s", id, rk_status_name(st), err.message);
    assert_false(rk_path_exists(out));
}

static void test_refused(void **state)
{
    const char *dir = make("bad", false, NULL);
    rk_error err = {0};
    (void)state;

    assert_int_equal(rk_export(dir, "/nonexistent/x.onnx", 0, &err), RK_E_OUTPUT);
    refused("no folder", scratch_path("nothing"), RK_E_OPEN, "nothing");
    write_file(dir, "ringkas.json", "{\"max_length\": 17}");
    refused("CF-16", dir, RK_E_FORMAT, "17");
    write_file(dir, "ringkas.json", "{\"clean\": \"bleach\"}");
    refused("clean", dir, RK_E_ARG, "bleach");
    write_file(dir, "ringkas.json", "{}");
    rk_bert_config c = config();
    c.labels.count = 0;
    json_t *json = rk_bert_config_json(&c, NULL);
    char *path = rk_path_join(dir, "config.json");
    assert_int_equal(rk_json_save(json, path, NULL), RK_OK);
    json_decref(json);
    refused("no labels", dir, RK_E_FORMAT, "fewer than two labels");
    c = config();
    json = rk_bert_config_json(&c, NULL);
    assert_int_equal(rk_json_save(json, path, NULL), RK_OK);
    json_decref(json);
    rk_free(path);
    rk_tokenizer *t = NULL;
    const char *many[TOKENS + 5] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b",
                                    "c",     "d",     "e",     "f",     "g",      "h", "i"};
    assert_int_equal(rk_tokenizer_from_tokens(&t, many, TOKENS + 5, NULL), RK_OK);
    assert_int_equal(rk_tokenizer_save(t, dir, NULL), RK_OK);
    rk_tokenizer_close(t);
    refused("TK-08", dir, RK_E_FORMAT, "14 tokens, the word table only 13 rows");
    rk_free((void *)(uintptr_t)dir);
}

static void test_memory(void **state)
{
    const char *dir = make("memory", true, "{\"clean\": \"lower\"}");
    const char *out = scratch_path("memory.onnx");
    rk_error err;
    (void)state;

    for (size_t n = 0;; n++) {
        scratch_remove(out);
        rk_mem_fail_at(n, false);
        const rk_status st = rk_export(dir, out, 0, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (!st) {
            assert_true(n > 200);
            break;
        }
        assert_int_equal(st, RK_E_MEMORY);
        assert_false(rk_path_exists(out));
    }
    rk_free((void *)(uintptr_t)dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
