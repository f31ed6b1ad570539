/* links: base compute quant text file onnx encoder convert */
/* Whatever passes the check is converted in every way, and what comes out must pass it too, and be
 * taken once more. */
#define _DEFAULT_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "convert/passes.h"
#include "onnx/check.h"
#include "onnx/model.h"

enum { WAYS = 8 };

static rk_status convert(rk_onnx *m, int way, rk_error *err)
{
    static const rk_target target[WAYS] = {[4] = RK_TARGET_ORT_CPU,
                                           [5] = RK_TARGET_ORT_CUDA,
                                           [6] = RK_TARGET_TENSORRT};
    const rk_half_options half = {.type = way & 1 ? RK_DT_BF16 : RK_DT_F16,
                                  .convert_io = way & 2,
                                  .target = target[way]};
    json_t *report = json_object();
    const rk_status st = way == WAYS - 1 ? rk_to_int8(m, report, err)
                                         : rk_to_half(m, &half, report, err);
    json_decref(report);
    return st;
}

static rk_status check(const rk_onnx *m, int way, rk_error *err)
{
    return way == WAYS - 1 ? rk_onnx_check(m, err) : rk_onnx_check_any(m, err);
}

static void must(rk_status st, int way, const rk_error *err)
{
    if (!st) return;
    fprintf(stderr, "fuzz_convert: way %d: %s\n", way, err->message);
    abort();
}

/* What was written is what is read. */
static rk_status write_and_read(const rk_onnx *m, rk_error *err)
{
    char folder[] = P_tmpdir "/fuzz-convert-XXXXXX", path[64];
    rk_onnx *again = NULL;
    rk_status st;

    if (!mkdtemp(folder)) return RK_OK;
    snprintf(path, sizeof path, "%s/out.onnx", folder);
    st = rk_onnx_save(m, path, err);
    if (!st) st = rk_onnx_open(&again, path, err);
    rk_onnx_close(again);
    unlink(path);
    rmdir(folder);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int way = 0; way < WAYS; way++) {
        rk_onnx *m = NULL;
        rk_error err = {0};
        bool good = !rk_onnx_parse(&m, data, size, "fuzz.onnx", &err) && !check(m, way, &err);
        if (good && !convert(m, way, &err)) {
            must(check(m, way, &err), way, &err);
            if (way == 0 && size % 8 == 0) must(write_and_read(m, &err), way, &err);
            if (way < WAYS - 1) must(convert(m, way, &err), way, &err);
        }
        rk_onnx_close(m);
    }
    return 0;
}
