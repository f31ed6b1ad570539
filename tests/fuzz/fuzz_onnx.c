/* links: base onnx */
/* Any bytes as an ONNX file: read, checked, described; and read with its large data left in the
 * file, written, and read again: the same model. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "onnx/check.h"
#include "onnx/describe.h"
#include "onnx/functions.h"
#include "onnx/graph.h"
#include "onnx/model.h"

static void one_line(const rk_error *err)
{
    if (!err->message[0] || strpbrk(err->message, "\n\r\x1b")) abort();
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
}

static uint8_t *packed(const rk_onnx *m, size_t *size)
{
    uint8_t *bytes;
    *size = onnx__model_proto__get_packed_size(m->proto);
    bytes = malloc(*size + 1);
    if (!bytes) abort();
    onnx__model_proto__pack(m->proto, bytes);
    return bytes;
}

/* m came from the same bytes. */
static void stored(const rk_onnx *m, const uint8_t *data, size_t size)
{
    static char in[256], out[256];
    rk_onnx *s = NULL, *again = NULL;
    rk_error err = {0};

    const char *const dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir;
    snprintf(in, sizeof in, "%s/fuzz-onnx-%ld.in", dir, (long)getpid());
    snprintf(out, sizeof out, "%s/fuzz-onnx-%ld.out", dir, (long)getpid());
    write_file(in, data, size);
    if (rk_onnx_open(&s, in, &err)) {
        one_line(&err);   /* external data, say, which is not there */
    } else {
        size_t a, b;
        if (rk_onnx_save(s, out, &err) || rk_onnx_load(&again, out, &err)) abort();
        uint8_t *x = packed(m, &a), *y = packed(again, &b);
        if (a != b || memcmp(x, y, a) != 0 || rk_onnx_size(s) == 0) abort();
        free(x);
        free(y);
    }
    rk_onnx_close(again);
    rk_onnx_close(s);
    remove(in);
    remove(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_onnx *m = NULL;
    json_t *about = NULL;
    rk_error err = {0};
    size_t calls;
    const rk_status st = rk_onnx_parse(&m, data, size, "fuzz.onnx", &err);

    if (st) {
        /* One line that names the file. */
        if (m || strncmp(err.message, "fuzz.onnx: ", 11) != 0) abort();
        one_line(&err);
        return 0;
    }
    err = (rk_error){0};
    if (rk_onnx_check(m, &err)) one_line(&err);
    err = (rk_error){0};
    if (rk_onnx_check_any(m, &err)) one_line(&err);
    if (rk_onnx_describe(&about, m, &err) == RK_OK) {
        char *text = json_dumps(about, 0);
        if (!text) abort();
        free(text);
    }
    json_decref(about);
    stored(m, data, size);
    err = (rk_error){0};
    if (rk_onnx_inline(m, &calls, &err)) one_line(&err);
    rk_onnx_close(m);
    return 0;
}
