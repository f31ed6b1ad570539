/* links: base compute quant text file onnx eval encoder train convert api */
/* Handles that share a model: four threads, each with its own, work at the same time and get the
 * bits of one thread alone; handles are closed in any order; what fails leaves nothing behind.
 * Under ThreadSanitizer: cmake -S . -B build/tsan -DCMAKE_C_FLAGS=-fsanitize=thread, then
 * cmake --build build/tsan --target unit_share, and build/tsan/unit/unit_share. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "ringkas.h"

enum { TEXTS = 40, LABELS = 2, WORKERS = 4, ROUNDS = 6, KINDS = 3 };

static char dir[] = "/tmp/ringkas-share-XXXXXX";
static char model_path[KINDS][80]; /* fp32, fp16, int8 */
static const char *const PRECISION[KINDS] = {"fp32", "fp16", "int8"};
static char text[TEXTS][64];

static void must(rk_status st, const rk_error *err)
{
    if (st) fail_msg("%s: %s", rk_status_name(st), err->message);
}

static void train(const char *model, const char *rows, const char *out, rk_qat qat)
{
    rk_train_options o;
    rk_error err;
    char *json;

    rk_train_defaults(&o);
    o.model = model;
    o.train = o.valid = rows;
    o.out = out;
    o.qat = qat;
    o.epochs = qat ? 0 : 2;
    o.batch = 8;
    o.lr = 1e-2;
    must(rk_train(&json, &o, NULL, NULL, &err), &err);
    rk_string_free(json);
}

static void convert(const char *folder, const char *out, rk_precision to)
{
    char graph[80], *json;
    const rk_convert_options o = {.in = graph, .out = out, .to = to};
    rk_error err;

    snprintf(graph, sizeof graph, "%s/graph.onnx", dir);
    must(rk_export(folder, graph, 0, &err), &err);
    must(rk_convert(&json, &o, &err), &err);
    rk_string_free(json);
}

static int make(void **state)
{
    char rows[64], start[64], int8[64];
    rk_init_options init;
    rk_error err;
    char *json;
    FILE *f;

    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(rows, sizeof rows, "%s/rows.tsv", dir);
    snprintf(start, sizeof start, "%s/start", dir);
    snprintf(int8, sizeof int8, "%s/int8", dir);
    snprintf(model_path[0], sizeof *model_path, "%s/model", dir);
    snprintf(model_path[1], sizeof *model_path, "%s/fp16.onnx", dir);
    snprintf(model_path[2], sizeof *model_path, "%s/int8.onnx", dir);
    f = fopen(rows, "w");
    if (!f) return -1;
    for (int i = 0; i < TEXTS; i++) {
        snprintf(text[i], sizeof text[i], "%s nomor %d%s", i % 3 ? "makanan enak" : "buruk", i,
                 i % 5 ? "" : " sekali dan murah di kota ini");
        fprintf(f, "%s\t%s\n", text[i], i % 3 ? "positive" : "negative");
    }
    fclose(f);
    rk_set_threads(1);
    rk_init_defaults(&init);
    init.train = rows;
    init.out = start;
    init.layers = 2;
    init.hidden = 48;
    init.heads = 3;
    init.max_length = 24;
    must(rk_init(&json, &init, &err), &err);
    rk_string_free(json);
    train(start, rows, model_path[0], RK_QAT_NONE);
    train(model_path[0], rows, int8, RK_QAT_INT8);
    convert(model_path[0], model_path[1], RK_FP16);
    convert(int8, model_path[2], RK_INT8);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    rk_dir_remove(dir);
    return 0;
}

static rk_model *open_at(const char *path)
{
    rk_model *m;
    rk_error err;
    must(rk_model_open(&m, path, RK_COMPUTE_AUTO, &err), &err);
    return m;
}

/* Logits of all texts, one call each. */
static void alone(float *logits, rk_model *m)
{
    rk_error err;

    for (int i = 0; i < TEXTS; i++) {
        const char *one = text[i];
        must(rk_model_classify(m, &one, NULL, 1, logits + i * LABELS, NULL, &err), &err);
    }
}

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *together;
    rk_model *opened;
    const float *want; /* [TEXTS, LABELS] */
    int number;
    size_t threads; /* of its own calls */
    size_t wrong;   /* logits that differ */
    rk_error err;
} worker;

/* Texts first .. first + n - 1, from `first` on round the list, as texts or as ids. */
static rk_status part(worker *w, rk_model *m, size_t first, size_t n, bool as_ids)
{
    const char *texts[TEXTS];
    size_t starts[TEXTS + 1] = {0}, count;
    int32_t ids[TEXTS * 32], *one;
    float logits[TEXTS * LABELS];
    rk_status st = RK_OK;

    for (size_t i = 0; i < n; i++) texts[i] = text[(first + i) % TEXTS];
    for (size_t i = 0; i < n && as_ids && !st; i++) {
        st = rk_model_tokenize(m, texts[i], strlen(texts[i]), &one, &count, &w->err);
        if (st) break;
        memcpy(ids + starts[i], one, count * sizeof *ids);
        starts[i + 1] = starts[i] + count;
        rk_ids_free(one);
    }
    if (!st && as_ids)
        st = rk_model_classify_ids(m, ids, starts, n, logits, &w->err);
    else if (!st)
        st = rk_model_classify(m, texts, NULL, n, logits, NULL, &w->err);
    for (size_t i = 0; i < n && !st; i++)
        w->wrong += memcmp(logits + i * LABELS, w->want + (first + i) % TEXTS * LABELS,
                           LABELS * sizeof *logits) != 0;
    return st;
}

static void *work(void *user)
{
    worker *w = user;
    rk_model *m = NULL;
    rk_status st;

    rk_set_threads(w->threads);
    pthread_barrier_wait(w->together);
    st = rk_model_share(&m, w->opened, &w->err);
    pthread_barrier_wait(w->together); /* the opened one may be closed from here on */
    for (size_t round = 0; round < ROUNDS && !st; round++)
        for (size_t first = 0, n; first < TEXTS && !st; first += n) {
            n = 1 + (first + round + (size_t)w->number) % 7;
            st = part(w, m, first + 11 * (size_t)w->number, n, (first + round) % 2 != 0);
        }
    rk_model_close(m);
    return NULL;
}

static void at_once(const char *path, const char *precision, size_t threads)
{
    static float want[TEXTS * LABELS];
    worker w[WORKERS];
    pthread_barrier_t together;
    rk_model *m = open_at(path);

    assert_string_equal(rk_model_precision(m), precision);
    alone(want, m);
    assert_int_equal(pthread_barrier_init(&together, NULL, WORKERS + 1), 0);
    for (int i = 0; i < WORKERS; i++) {
        w[i] = (worker){
            .together = &together, .opened = m, .want = want, .number = i, .threads = threads};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    rk_model_close(m);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(w[i].thread, NULL);
        if (w[i].err.code) fail_msg("worker %d: %s", i, w[i].err.message);
        if (w[i].wrong) fail_msg("%s: worker %d: %zu rows differ", precision, i, w[i].wrong);
    }
    pthread_barrier_destroy(&together);
}

static void threads(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) at_once(model_path[k], PRECISION[k], 1);
/* The OpenMP runtime's own synchronisation is not seen by ThreadSanitizer. */
#ifndef __SANITIZE_THREAD__
    for (int k = 0; k < KINDS; k++) at_once(model_path[k], PRECISION[k], 2);
#endif
}

/* Handles of handles, closed oldest first. */
static void order(void **state)
{
    float want[TEXTS * LABELS], got[TEXTS * LABELS];
    rk_model *m[4] = {open_at(model_path[2])};
    rk_error err;

    (void)state;
    alone(want, m[0]);
    for (int i = 1; i < 4; i++) must(rk_model_share(&m[i], m[i - 1], &err), &err);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rk_model_labels(m[i]), LABELS);
        assert_string_equal(rk_model_label(m[i], 1), rk_model_label(m[3], 1));
        assert_string_equal(rk_model_precision(m[i]), "int8");
        assert_int_equal(rk_model_max_length(m[i]), 24);
        alone(got, m[i]);
        assert_memory_equal(want, got, sizeof want);
        if (i < 3) rk_model_close(m[i]);
    }
    rk_model_close(m[3]);
}

static void refusals(void **state)
{
    rk_model *m, *words, *out = (rk_model *)(void *)&m;
    rk_error err;
    size_t nth = 0;

    (void)state;
    assert_int_equal(rk_model_share(&out, NULL, &err), RK_E_ARG);
    assert_null(out);
    m = open_at(model_path[0]);
    assert_int_equal(rk_model_share(NULL, m, &err), RK_E_ARG);
    must(rk_model_open_tokenizer(&words, model_path[0], &err), &err);
    assert_int_equal(rk_model_share(&out, words, &err), RK_E_ARG);
    rk_model_close(words);
    for (;; nth++) {
        rk_mem_fail_at(nth, false);
        const rk_status st = rk_model_share(&out, m, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (st == RK_OK) break;
        assert_int_equal(st, RK_E_MEMORY);
        assert_null(out);
    }
    assert_true(nth >= 2);
    rk_model_close(out);
    rk_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads),
        cmocka_unit_test(order),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
