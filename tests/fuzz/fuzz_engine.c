/* links: base compute quant text file onnx encoder */
/* Any bytes as an ONNX file for the runtime: refused in one line, or it answers a row. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/from_onnx.h"

enum { LABELS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float logits[LABELS_MAX];
    const int32_t ids[2] = { 0 };
    const size_t starts[2] = { 0, 2 };
    rk_onnx *m = NULL;
    rk_engine *e = NULL;
    json_t *metadata = NULL;
    rk_error err = { 0 };
    rk_status st = rk_onnx_borrow(&m, data, size, "fuzz.onnx", &err);

    if (!st) st = rk_engine_read_onnx(&e, m, RK_COMPUTE_AUTO, &metadata, &err);
    if (st) {
        if (e || metadata || !err.message[0] || strpbrk(err.message, "\n\r\x1b")) abort();
    } else if (rk_engine_config(e)->labels.count <= LABELS_MAX) {
        st = rk_engine_run(e, ids, starts, 1, logits, &err);
        if (st && !(st == RK_E_ARG && rk_engine_config(e)->positions < 2)) abort();
    }
    json_decref(metadata);
    rk_engine_close(e);
    rk_onnx_close(m);
    return 0;
}
