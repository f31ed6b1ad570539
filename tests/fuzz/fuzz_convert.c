/* links: base compute quant text file onnx encoder convert */
/* Whatever passes the check is converted in every way, and what comes out must pass it too. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "convert/passes.h"
#include "onnx/check.h"
#include "onnx/model.h"

enum { WAYS = 5 };

static rk_status convert(rk_onnx *m, int way, rk_error *err)
{
    const rk_half_options half = {.type = way & 1 ? RK_DT_BF16 : RK_DT_F16, .convert_io = way & 2};
    json_t *report = json_object();
    const rk_status st = way == WAYS - 1 ? rk_to_int8(m, report, err)
                                         : rk_to_half(m, &half, report, err);
    json_decref(report);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int way = 0; way < WAYS; way++) {
        rk_onnx *m = NULL;
        rk_error err = {0};
        bool good = !rk_onnx_parse(&m, data, size, "fuzz.onnx", &err) && !rk_onnx_check(m, &err);
        if (good && !convert(m, way, &err) && rk_onnx_check(m, &err)) {
            fprintf(stderr, "fuzz_convert: way %d: %s\n", way, err.message);
            abort();
        }
        rk_onnx_close(m);
        if (!good) break;
    }
    return 0;
}
