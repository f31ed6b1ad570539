/* links: base compute quant text file onnx encoder */
/* infer_probe MODEL [COMPUTE [ISA [BATCH [ENGINES]]]] < ids > logits
 * stdin: a row of token ids a line. stdout: the precision that ran, then a line of logits a row.
 * COMPUTE: auto, f32 or bf16; ISA: a level or "best"; BATCH: rows a call (0: all in one).
 * ENGINES: so many run all rows at once, on one file's weights, and must give the same bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "compute/cpu.h"
#include "encoder/infer.h"

typedef struct batch {
    int32_t *ids;
    size_t *starts;
    size_t rows;
} batch;

static void read_rows(batch *b)
{
    size_t tokens = 0, room = 1 << 20, lines = 1 << 16;
    char *line = NULL;
    size_t capacity = 0;

    b->ids = malloc(room * sizeof *b->ids);
    b->starts = malloc((lines + 1) * sizeof *b->starts);
    if (!b->ids || !b->starts) exit(1);
    b->starts[0] = 0;
    while (getline(&line, &capacity, stdin) > 0 && b->rows < lines) {
        char *at = line, *end;
        for (;;) {
            const long id = strtol(at, &end, 10);
            if (end == at || tokens == room) break;
            b->ids[tokens++] = (int32_t)id;
            at = end;
        }
        b->starts[++b->rows] = tokens;
    }
    free(line);
}

static rk_status run(rk_engine *e, const batch *b, size_t step, float *logits, rk_error *err)
{
    const size_t labels = rk_engine_config(e)->labels.count;
    rk_status st = RK_OK;

    if (step == 0) step = b->rows;
    for (size_t r = 0; !st && r < b->rows; r += step) {
        const size_t n = step < b->rows - r ? step : b->rows - r;
        st = rk_engine_run(e, b->ids, b->starts + r, n, logits + r * labels, err);
    }
    return st;
}

/* Engines that share e, each on a thread of its own. */
static rk_status run_shared(rk_engine *e, const batch *b, size_t step, size_t engines,
                            float *logits, rk_error *err)
{
    const size_t bytes = b->rows * rk_engine_config(e)->labels.count * sizeof(float);
    rk_status st = RK_OK;
    size_t same = 0;

#pragma omp parallel num_threads((int)engines) reduction(+ : same)
    {
        rk_engine *mine = NULL;
        rk_error why = { 0 };
        float *y = calloc(1, bytes + 1);
        rk_status s = y ? rk_engine_share(&mine, e, &why) : RK_E_MEMORY;
        if (!s) s = run(mine, b, step, y, &why);
        same += !s && memcmp(y, logits, bytes) == 0;
        rk_engine_close(mine);
        free(y);
    }
    if (same != engines)
        st = rk_fail(err, RK_E_NUMERIC, "%zu of %zu engines at once give the same", same, engines);
    return st;
}

int main(int argc, char **argv)
{
    const char *compute = argc > 2 ? argv[2] : "auto";
    const rk_compute c = strcmp(compute, "bf16") == 0  ? RK_COMPUTE_BF16
                         : strcmp(compute, "f32") == 0 ? RK_COMPUTE_F32
                                                       : RK_COMPUTE_AUTO;
    rk_engine *e = NULL;
    rk_error err = { 0 };
    rk_status st = RK_OK;
    batch b = { 0 };
    float *logits;
    size_t labels, step, engines;

    if (argc < 2) return 2;
    if (argc > 3 && strcmp(argv[3], "best") != 0) st = rk_cpu_limit(argv[3], &err);
    if (!st)
        st = rk_path_is_dir(argv[1]) ? rk_engine_open_folder(&e, argv[1], c, &err)
                                     : rk_engine_open_onnx(&e, argv[1], c, NULL, &err);
    if (st) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    read_rows(&b);
    labels = rk_engine_config(e)->labels.count;
    logits = calloc(b.rows * labels + 1, sizeof *logits);
    step = argc > 4 ? (size_t)atol(argv[4]) : 0;
    engines = argc > 5 ? (size_t)atol(argv[5]) : 1;
    st = run(e, &b, step, logits, &err);
    if (!st && engines > 1) st = run_shared(e, &b, step, engines, logits, &err);
    if (st) fprintf(stderr, "%s\n", err.message);
    else printf("%s %s %zu\n", rk_engine_precision(e), rk_level_name(rk_cpu_level()),
                rk_engine_bytes(e));
    for (size_t r = 0; !st && r < b.rows; r++)
        for (size_t k = 0; k < labels; k++)
            printf("%.9g%c", (double)logits[r * labels + k], k + 1 < labels ? ' ' : '\n');
    rk_engine_close(e);
    free(b.ids);
    free(b.starts);
    free(logits);
    return st ? 1 : 0;
}
