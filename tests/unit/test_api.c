/* links: base compute quant text file onnx eval encoder train convert api */
/* The public interface on a model made here: what it answers, and what it does with wrong calls. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "ringkas.h"

static char dir[] = "/tmp/ringkas-api-XXXXXX";
static char rows_path[64], init_path[64], model_path[64], onnx_path[64];

static void must(rk_status st, const rk_error *err)
{
    if (st) fail_msg("%s: %s", rk_status_name(st), err->message);
}

static int make(void **state)
{
    rk_init_options init;
    rk_train_options train;
    rk_error err = {RK_OK, ""};
    char *json;
    FILE *f;

    (void)state;
    if (!mkdtemp(dir)) return -1;
    snprintf(rows_path, sizeof rows_path, "%s/rows.tsv", dir);
    snprintf(init_path, sizeof init_path, "%s/init", dir);
    snprintf(model_path, sizeof model_path, "%s/model", dir);
    snprintf(onnx_path, sizeof onnx_path, "%s/model.onnx", dir);
    f = fopen(rows_path, "w");
    if (!f) return -1;
    for (int i = 0; i < 20; i++)
        fprintf(f, "makanan nomor %d enak dan murah\tpositive\nlayanan %d buruk\tnegative\n", i, i);
    fclose(f);
    rk_set_threads(1);
    rk_init_defaults(&init);
    init.train = rows_path;
    init.out = init_path;
    init.layers = 1;
    init.hidden = 16;
    init.heads = 2;
    init.max_length = 24;
    must(rk_init(&json, &init, &err), &err);
    rk_string_free(json);
    rk_train_defaults(&train);
    train.model = init_path;
    train.train = train.valid = rows_path;
    train.out = model_path;
    train.epochs = 12;
    train.batch = 8;
    train.lr = 1e-2;
    train.dropout = 0.0;
    must(rk_train(&json, &train, NULL, NULL, &err), &err);
    rk_string_free(json);
    must(rk_export(model_path, onnx_path, 0, &err), &err);
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

/* A folder and the file exported from it answer alike, from texts and from ids. */
static void answers(void **state)
{
    const char *texts[] = {"makanan enak", "", "lambat sekali", "\xf0\x9f\x98\x80"};
    rk_model *m[2] = {open_at(model_path), open_at(onnx_path)};
    float logits[2][8], probs[8], again[8];
    rk_error err;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rk_model_labels(m[i]), 2);
        assert_string_equal(rk_model_label(m[i], 0), "positive");
        assert_string_equal(rk_model_label(m[i], 1), "negative");
        assert_null(rk_model_label(m[i], 2));
        assert_int_equal(rk_model_max_length(m[i]), 24);
        assert_string_equal(rk_model_precision(m[i]), "fp32");
        must(rk_model_classify(m[i], texts, NULL, 4, logits[i], probs, &err), &err);
        for (int r = 0; r < 4; r++) {
            const double a = exp((double)logits[i][2 * r]), b = exp((double)logits[i][2 * r + 1]);
            assert_true(fabs((double)probs[2 * r] - a / (a + b)) < 1e-6);
        }
    }
    for (int k = 0; k < 8; k++) assert_true(fabsf(logits[0][k] - logits[1][k]) < 1e-5f);
    /* alone, by length and by ids: the same bits */
    for (size_t r = 0; r < 4; r++) {
        const size_t n = strlen(texts[r]);
        int32_t *ids;
        size_t starts[2] = {0, 0};
        must(rk_model_classify(m[1], &texts[r], &n, 1, again, NULL, &err), &err);
        assert_memory_equal(again, logits[1] + 2 * r, 2 * sizeof *again);
        must(rk_model_tokenize(m[1], texts[r], n, &ids, &starts[1], &err), &err);
        assert_true(starts[1] >= 2 && starts[1] <= 24);
        must(rk_model_classify_ids(m[1], ids, starts, 1, again, &err), &err);
        assert_memory_equal(again, logits[1] + 2 * r, 2 * sizeof *again);
        rk_ids_free(ids);
    }
    rk_model_close(m[0]);
    rk_model_close(m[1]);
}

/* More texts in one call than the engine gets at a time. */
static void many(void **state)
{
    enum { N = 100 };
    char text[N][32];
    const char *texts[N];
    float all[2 * N], one[2];
    rk_model *m = open_at(onnx_path);
    rk_error err;

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "%s nomor %d%s", i % 3 ? "makanan" : "layanan", i,
                 i % 5 ? "" : " enak sekali");
        texts[i] = text[i];
    }
    must(rk_model_classify(m, texts, NULL, N, all, NULL, &err), &err);
    for (int i = 0; i < N; i++) {
        must(rk_model_classify(m, &texts[i], NULL, 1, one, NULL, &err), &err);
        assert_memory_equal(one, all + 2 * i, sizeof one);
    }
    rk_model_close(m);
}

/* On failure outputs are untouched, the row is named, and the model still works. */
static void refusals(void **state)
{
    const char *texts[] = {"baik", "buruk \xff", "biasa"};
    const int32_t ids[] = {2, 1 << 30, 3};
    const size_t starts[] = {0, 3}, empty[] = {0, 0}, shifted[] = {1, 3};
    rk_model *m = open_at(onnx_path);
    float logits[6] = {7, 7, 7, 7, 7, 7};
    int32_t *out;
    size_t count;
    rk_error err;

    (void)state;
    assert_int_equal(rk_model_classify(m, texts, NULL, 3, logits, NULL, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "text 2: invalid UTF-8 at byte 6"));
    assert_int_equal(rk_model_classify_ids(m, ids, starts, 1, logits, &err), RK_E_ARG);
    assert_int_equal(rk_model_classify_ids(m, ids, empty, 1, logits, &err), RK_E_ARG);
    assert_int_equal(rk_model_classify_ids(m, ids, shifted, 1, logits, &err), RK_E_ARG);
    assert_int_equal(rk_model_tokenize(m, texts[1], 7, &out, &count, &err), RK_E_FORMAT);
    for (int i = 0; i < 6; i++) assert_true(logits[i] == 7.0f);
    assert_int_equal(rk_model_classify(NULL, texts, NULL, 1, logits, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_model_classify(m, NULL, NULL, 1, logits, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_model_classify(m, texts, NULL, 0, NULL, NULL, NULL), RK_OK);
    must(rk_model_classify(m, texts, NULL, 1, logits, NULL, &err), &err);
    assert_true(logits[0] != 7.0f && logits[2] == 7.0f);
    rk_model_close(m);
    rk_model_close(NULL);
    assert_int_equal(rk_model_labels(NULL), 0);
}

/* Bad loads leave nothing behind and do not stand in the way of good ones. */
static void loads(void **state)
{
    rk_model *m = (rk_model *)(void *)&m;
    rk_error err;

    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(rk_model_open(&m, "/nowhere/model", RK_COMPUTE_AUTO, &err), RK_E_OPEN);
        assert_null(m);
        assert_non_null(strstr(err.message, "/nowhere/model"));
        assert_true(rk_model_open(&m, rows_path, RK_COMPUTE_AUTO, NULL) != RK_OK);
        assert_true(rk_model_open(&m, dir, RK_COMPUTE_AUTO, NULL) != RK_OK);
    }
    assert_int_equal(rk_model_open(&m, NULL, RK_COMPUTE_AUTO, &err), RK_E_ARG);
    assert_int_equal(rk_model_open(NULL, dir, RK_COMPUTE_AUTO, &err), RK_E_ARG);
    /* opened for its words only, it classifies nothing */
    must(rk_model_open_tokenizer(&m, init_path, &err), &err);
    assert_null(rk_model_precision(m));
    assert_int_equal(rk_model_classify(m, (const char *const[]){"a"}, NULL, 1, NULL, NULL, &err),
                     RK_E_ARG);
    rk_model_close(m);
    rk_model_close(open_at(model_path));
}

static bool stop_at_once(const rk_progress *p, void *user)
{
    (void)user;
    return p->line != NULL;      /* talk goes on, work does not */
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* Share of the rows of the data file that m, asked one by one, labels as the file does. */
static double share_right(rk_model *m)
{
    char line[128];
    FILE *f = fopen(rows_path, "r");
    size_t right = 0, rows = 0;
    rk_error err;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *text = line;
        char *label = strchr(line, '\t');
        float logits[2];
        assert_non_null(label);
        *label++ = '\0';
        label[strcspn(label, "\n")] = '\0';
        must(rk_model_classify(m, &text, NULL, 1, logits, NULL, &err), &err);
        right += strcmp(rk_model_label(m, logits[1] > logits[0]), label) == 0;
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 40);
    return (double)right / (double)rows;
}

static rk_status eval_with(char **text, const char *model, const char *data, size_t batch,
                           rk_progress_fn progress, rk_error *err)
{
    const rk_eval_options o = {.model = model, .data = data, .batch = batch};
    return rk_eval(text, &o, progress, NULL, err);
}

/* eval sorts rows by length and must put the answers back. */
static void order(void **state)
{
    rk_model *m = open_at(onnx_path);
    const double share = share_right(m);
    rk_error err;

    (void)state;
    assert_true(share > 0.6);      /* else a wrong order would not show */
    for (size_t batch = 1; batch <= 64; batch += 9) {
        char *text;
        json_t *o;
        must(eval_with(&text, onnx_path, rows_path, batch, NULL, &err), &err);
        o = json_loads(text, 0, NULL);
        rk_string_free(text);
        assert_true(fabs(number(o, "accuracy") - share) < 1e-12);
        json_decref(o);
    }
    rk_model_close(m);
}

static void results(void **state)
{
    rk_error err;
    char *text = NULL;
    const char *candidate = onnx_path;
    rk_compare_options compare;
    json_t *o, *flipped;

    (void)state;
    must(eval_with(&text, onnx_path, rows_path, 7, NULL, &err), &err);
    o = json_loads(text, 0, NULL);
    rk_string_free(text);
    assert_true(number(o, "rows") == 40.0 && number(o, "batch") == 7.0);
    assert_true(number(o, "model_bytes") == (double)rk_file_size(onnx_path));
    assert_true(number(o, "rss_bytes") > 1e6);
    json_decref(o);

    rk_compare_defaults(&compare);
    compare.base = model_path;
    compare.candidate = &candidate;
    compare.candidates = 1;
    compare.data = rows_path;
    compare.max_drop = 0.0;
    must(rk_compare(&text, &compare, NULL, NULL, &err), &err);
    o = json_loads(text, 0, NULL);
    rk_string_free(text);
    flipped = json_object_get(o, "flipped");
    assert_true(number(flipped, "to_right") == 0.0 && number(flipped, "to_wrong") == 0.0);
    assert_true(number(o, "max_logit_diff") < 1e-5 && number(o, "mcnemar_p") == 1.0);
    assert_string_equal(json_string_value(json_object_get(o, "gate")), "pass");
    json_decref(o);

    text = NULL;
    assert_int_equal(eval_with(&text, onnx_path, rows_path, 0, stop_at_once, &err),
                     RK_E_STOPPED);
    assert_null(text);
    assert_int_equal(eval_with(&text, onnx_path, rows_path, 1 << 20, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_bench(&text, onnx_path, NULL, NULL, 0, 0, RK_COMPUTE_AUTO, &err), RK_E_ARG);
    assert_int_equal(rk_inspect(&text, "/nowhere", &err), RK_E_OPEN);
}

static void small_things(void **state)
{
    rk_error err;
    const char *best = rk_isa();

    (void)state;
    assert_string_equal(rk_version(), RK_VERSION);
    assert_string_equal(rk_status_name(RK_E_STOPPED), "RK_E_STOPPED");
    assert_non_null(rk_status_name((rk_status)99));
    rk_string_free(NULL);
    rk_ids_free(NULL);
    assert_int_equal(rk_set_threads(3), 3);
    assert_true(rk_set_threads(0) >= 1);
    assert_true(rk_set_threads(SIZE_MAX) <= 1024);
    assert_int_equal(rk_set_threads(1), 1);
    assert_int_equal(rk_set_isa("sse9", &err), RK_E_ARG);
    assert_int_equal(rk_set_isa("ref", &err), RK_OK);
    assert_string_equal(rk_isa(), "ref");
    assert_int_equal(rk_set_isa(NULL, &err), RK_OK);
    assert_string_equal(rk_isa(), best);
}

static void hear(const char *line, void *user)
{
    assert_non_null(strstr(line, "marked.tsv:1: a byte-order mark"));
    assert_null(strchr(line, '\n'));
    ++*(int *)user;
}

static void notes(void **state)
{
    char path[64], *json;
    rk_error err;
    int heard = 0;
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s/marked.tsv", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("\xef\xbb\xbf" "enak\tpositive\nburuk\tnegative\n", f);
    fclose(f);
    rk_set_notes(hear, &heard);
    must(eval_with(&json, model_path, path, 0, NULL, &err), &err);
    rk_string_free(json);
    assert_int_equal(heard, 1);
    rk_set_notes(NULL, NULL);
    must(eval_with(&json, model_path, path, 0, NULL, &err), &err);
    rk_string_free(json);
    assert_int_equal(heard, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers), cmocka_unit_test(many),    cmocka_unit_test(refusals),
        cmocka_unit_test(loads),   cmocka_unit_test(order),   cmocka_unit_test(results),
        cmocka_unit_test(small_things), cmocka_unit_test(notes),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
