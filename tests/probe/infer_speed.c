/* links: base compute quant text file onnx eval encoder train convert api */
/* How fast a model answers token ids, for bench/bench_runtime.py; through the public interface.
 *
 *   infer_speed MODEL COMPUTE THREADS ROWS CALLS BATCH
 *
 * COMPUTE: auto, f32 or bf16. ROWS and CALLS are files of token ids, a row a line. Timed are: from
 * nothing to the first answer; each row of ROWS alone; all rows of CALLS, BATCH in a call. Before
 * each of the two come calls that do not count: a row of every length, and all of CALLS. The ids
 * lie in memory before a clock runs. stdout: one JSON object. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ringkas.h"

enum { ROWS_MAX = 1 << 16, TOKENS_MAX = 1 << 20, LENGTH_MAX = 512, CALL_MAX = 1024 };

typedef struct rows {
    int32_t *ids;
    size_t *starts;
    size_t count;
    float *logits;
} rows;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "infer_speed: %s\n", what);
    exit(1);
}

static void check(rk_status st, const rk_error *err)
{
    need(!st, err->message);
}

static void read_rows(rows *r, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, tokens = 0;

    need(f != NULL, path);
    r->ids = malloc(TOKENS_MAX * sizeof *r->ids);
    r->starts = calloc(ROWS_MAX + 1, sizeof *r->starts);
    need(r->ids && r->starts, "out of memory");
    while (getline(&line, &capacity, f) > 0) {
        char *at = line, *end;
        need(r->count < ROWS_MAX, "too many rows");
        for (;;) {
            const long id = strtol(at, &end, 10);
            if (end == at) break;
            need(tokens < TOKENS_MAX, "too many tokens");
            r->ids[tokens++] = (int32_t)id;
            at = end;
        }
        need(tokens - r->starts[r->count] <= LENGTH_MAX, "a row of over 512 tokens");
        r->starts[++r->count] = tokens;
    }
    free(line);
    fclose(f);
    need(r->count > 0, "no rows");
}

static void run(rk_model *m, const rows *r, size_t at, size_t n)
{
    rk_error err;
    float *logits = r->logits + at * rk_model_labels(m);
    size_t starts[CALL_MAX + 1]; /* of these rows alone */

    for (size_t i = 0; i <= n; i++) starts[i] = r->starts[at + i] - r->starts[at];
    check(rk_model_classify_ids(m, r->ids + r->starts[at], starts, n, logits, &err), &err);
}

/* Seconds of all rows, so many in a call. */
static double run_calls(rk_model *m, const rows *r, size_t batch)
{
    const double began = now();
    for (size_t at = 0; at < r->count; at += batch)
        run(m, r, at, batch < r->count - at ? batch : r->count - at);
    return now() - began;
}

static void run_every_length(rk_model *m, const rows *r)
{
    char seen[LENGTH_MAX + 1] = {0};
    for (size_t i = 0; i < r->count; i++) {
        const size_t tokens = r->starts[i + 1] - r->starts[i];
        if (!seen[tokens]) run(m, r, i, 1);
        seen[tokens] = 1;
    }
}

static size_t resident(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long kib = 0;

    need(f != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %lu", &kib) == 1) break;
    fclose(f);
    return (size_t)kib * 1024;
}

static void print_logits(const char *key, const rows *r, size_t labels)
{
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < labels; k++)
            printf("%s%.9g%s",
                   k   ? ", "
                   : i ? ", ["
                       : "[",
                   (double)r->logits[i * labels + k], k + 1 < labels ? "" : "]");
    printf("]");
}

int main(int argc, char **argv)
{
    rows one = {0}, many = {0};
    rk_model *m = NULL;
    rk_error err;
    rk_compute compute;
    double began, load, seconds, *ms;
    size_t labels, batch, bytes;

    if (argc != 7) {
        fprintf(stderr, "usage: infer_speed MODEL COMPUTE THREADS ROWS CALLS BATCH\n");
        return 2;
    }
    compute = strcmp(argv[2], "bf16") == 0  ? RK_COMPUTE_BF16
              : strcmp(argv[2], "f32") == 0 ? RK_COMPUTE_F32
                                            : RK_COMPUTE_AUTO;
    rk_set_threads((size_t)atol(argv[3]));
    batch = (size_t)atol(argv[6]);
    need(batch > 0 && batch <= CALL_MAX, "1 to 1024 rows in a call");
    read_rows(&one, argv[4]);
    read_rows(&many, argv[5]);
    ms = malloc(one.count * sizeof *ms);
    one.logits = calloc(one.count * 64, sizeof *one.logits);
    many.logits = calloc(many.count * 64, sizeof *many.logits);
    need(ms && one.logits && many.logits, "out of memory");

    began = now();
    check(rk_model_open(&m, argv[1], compute, &err), &err);
    labels = rk_model_labels(m);
    need(labels <= 64, "over 64 labels");
    run(m, &one, 0, 1);
    load = now() - began;
    bytes = resident();
    run_every_length(m, &one);
    for (size_t i = 0; i < one.count; i++) {
        began = now();
        run(m, &one, i, 1);
        ms[i] = 1e3 * (now() - began);
    }
    run_calls(m, &many, batch);
    seconds = run_calls(m, &many, batch);

    printf(
        "{\"precision\": \"%s %s\", \"load_ms\": %.3f, \"resident_bytes\": %zu, \"seconds\": %.9f",
        rk_model_precision(m), rk_isa(), 1e3 * load, bytes, seconds);
    printf(", \"ms\": [");
    for (size_t i = 0; i < one.count; i++) printf("%s%.6f", i ? ", " : "", ms[i]);
    printf("]");
    print_logits("logits", &one, labels);
    print_logits("logits_in_calls", &many, labels);
    printf("}\n");
    rk_model_close(m);
    return 0;
}
