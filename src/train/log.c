/* training.jsonl: one line a step, readable while the run goes on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/run.h"

void rk_say(const rk_run *r, const char *format, ...)
{
    char line[1024];
    va_list args;
    rk_progress p = {.kind = "log", .line = line, .seconds_left = -1.0};

    if (!r->progress) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)r->progress(&p, r->user);
}

/* The old lines of steps 1 .. last, in a new file that replaces the old one. */
static rk_status keep_lines(const char *path, size_t last, rk_error *err)
{
    enum { LIMIT = 1 << 30 };
    char *text, *line, *end;
    size_t size;
    rk_buffer kept = {0};
    rk_status st = rk_file_read(&text, &size, path, LIMIT, err);

    if (st) return st;
    for (line = text; (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
        size_t step = 0;
        json_t *o;
        if (rk_json_parse(&o, line, (size_t)(end - line), path, NULL)) break;
        (void)rk_json_size(&step, o, "step", 0, SIZE_MAX / 2, path, NULL);
        json_decref(o);
        if (step == 0 || step > last) break;
        rk_buffer_put(&kept, line, (size_t)(end - line) + 1);
    }
    st = kept.failed ? rk_fail(err, RK_E_MEMORY, "out of memory")
                     : rk_file_write(path, kept.data ? kept.data : "", kept.length, err);
    rk_buffer_free(&kept);
    rk_free(text);
    return st;
}

rk_status rk_log_open(rk_run *r, rk_error *err)
{
    char *path = rk_path_join(r->o->out, "training.jsonl");
    rk_status st = RK_OK;

    if (!path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (r->step > 0 && rk_file_size(path) > 0)
        st = keep_lines(path, r->step, err);
    else
        st = rk_file_write(path, "", 0, err);
    if (!st) {
        r->log = fopen(path, "ae");
        if (!r->log) st = rk_fail(err, RK_E_OUTPUT, "%s: %s", path, strerror(errno));
    }
    rk_free(path);
    return st;
}

rk_status rk_log_step(rk_run *r, double loss, double lr, double norm, double rows_per_s,
                      rk_error *err)
{
    rk_buffer b = {0};
    size_t n;

    rk_buffer_printf(&b,
                     "{\"step\": %zu, \"epoch\": %zu, \"loss\": %.9g, \"lr\": %.9g, "
                     "\"grad_norm\": %.9g, \"rows_per_s\": %.7g",
                     r->step, r->epoch + 1, loss, lr, norm, rows_per_s);
    if (r->o->qat == RK_QAT_FP16)
        rk_buffer_printf(&b, ", \"clamped\": %llu, \"subnormal\": %llu",
                         (unsigned long long)r->half.clamped,
                         (unsigned long long)r->half.subnormal);
    rk_buffer_puts(&b, "}\n");
    if (b.failed) return rk_fail(err, RK_E_MEMORY, "out of memory");
    n = fwrite(b.data, 1, b.length, r->log);
    if (n != b.length || fflush(r->log) != 0) {
        rk_buffer_free(&b);
        return rk_fail(err, RK_E_IO, "%s/training.jsonl: writing failed: %s", r->o->out,
                       strerror(errno));
    }
    rk_buffer_free(&b);
    return RK_OK;
}

void rk_log_close(rk_run *r)
{
    if (r->log) fclose(r->log);
    r->log = NULL;
}
