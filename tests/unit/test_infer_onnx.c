/* links: base compute quant text file onnx encoder */
/* Reading an ONNX file when memory runs out: every allocation fails once; or where it would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "encoder/engine.h"
#include "encoder/infer.h"

static void every_failure(const char *file)
{
    const char *source = getenv("RK_SOURCE");
    char path[512];
    size_t nth = 0;

    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/engine/%s", source ? source : ".", file);
    for (;; nth++) {
        rk_engine *e = NULL;
        json_t *metadata = NULL;
        rk_error err = { 0 };
        rk_mem_fail_at(nth, false);
        const rk_status st = rk_engine_open_onnx(&e, path, RK_COMPUTE_AUTO, &metadata, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (st == RK_OK) {
            assert_non_null(e);
            assert_true(json_is_object(metadata));
            assert_int_equal(rk_engine_config(e)->layers, 2);
            assert_int_equal(rk_engine_config(e)->heads, 2);
            assert_int_equal(rk_engine_config(e)->vocab, 7);
            assert_int_equal(rk_engine_config(e)->positions, 5);
            json_decref(metadata);
            rk_engine_close(e);
            break;
        }
        if (st != RK_E_MEMORY) fail_msg("allocation %zu: %s", nth, err.message);
        assert_null(e);
        assert_null(metadata);
    }
    assert_true(nth > 100);
}

static void test_no_memory(void **state)
{
    static const char *const files[] = { "fp32.onnx", "fp16.onnx", "qdq.onnx", "int8.onnx" };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) every_failure(files[i]);
}

/* Weights that many layers name have a copy in each. */
static void test_shared_weights(void **state)
{
    const size_t most = ((size_t)64 << 20) + 40 * 1000;
    rk_error err;

    (void)state;
    assert_int_equal(rk_copies_fit(1000, most, "m.onnx", &err), RK_OK);
    assert_int_equal(rk_copies_fit(1000, most + 40, "m.onnx", &err), RK_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "m.onnx: its layers share weights"));
    assert_int_equal(rk_copies_fit(0, SIZE_MAX, "folder", &err), RK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_memory),
                                        cmocka_unit_test(test_shared_weights) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
