/* links: base onnx */
/* Any bytes as an ONNX file: read, checked, described. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/check.h"
#include "onnx/describe.h"
#include "onnx/graph.h"
#include "onnx/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_onnx *m = NULL;
    json_t *about = NULL;
    rk_error err = {0};
    const rk_status st = rk_onnx_parse(&m, data, size, "fuzz.onnx", &err);

    if (st) {
        /* One line that names the file. */
        if (m || strncmp(err.message, "fuzz.onnx: ", 11) != 0 || strpbrk(err.message, "\n\r\x1b"))
            abort();
        return 0;
    }
    err = (rk_error){0};
    if (rk_onnx_check(m, &err) && (!err.message[0] || strpbrk(err.message, "\n\r\x1b"))) abort();
    if (rk_onnx_describe(&about, m, &err) == RK_OK) {
        char *text = json_dumps(about, 0);
        if (!text) abort();
        free(text);
    }
    json_decref(about);
    rk_onnx_close(m);
    return 0;
}
