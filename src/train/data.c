/* From files to encoded rows, with every check that can be made before training starts. */
#include <string.h>

#include "base/checksum.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/run.h"

enum { STREAM_ORDER = 0x20000000, LENGTH_DEFAULT = 128 };

static rk_status choose_clean(rk_run *r, rk_error *err)
{
    const char *name = r->o->clean;
    if (!name) name = json_string_value(json_object_get(r->folder->ringkas, "clean"));
    return rk_clean_parse(&r->clean, name ? name : "none", err);
}

static rk_status load_rows(rk_rows **rows, const rk_run *r, const char *path, size_t max,
                           rk_error *err)
{
    rk_status st = rk_rows_load_fields(rows, path, &r->o->fields, true, max, err);
    if (!st && r->config.labels.count) st = rk_rows_bind(*rows, &r->config.labels, err);
    return st;
}

uint64_t rk_run_hash(const rk_encoded *e)
{
    uint64_t h = rk_checksum(0, e->ids, e->tokens * sizeof *e->ids);
    h = rk_checksum(h, e->starts, (e->rows + 1) * sizeof *e->starts);
    return rk_checksum(h, e->labels, e->rows * sizeof *e->labels);
}

static rk_status load_files(rk_run *r, rk_rows *rows[3], rk_error *err)
{
    const char *const path[3] = {r->o->train, r->o->valid, r->o->test};
    rk_status st = load_rows(&rows[0], r, path[0], r->o->max_train_rows, err);

    if (!st && r->config.labels.count == 0) {
        st = rk_labels_from_rows(&r->config.labels, rows[0], err);
        if (!st) st = rk_rows_bind(rows[0], &r->config.labels, err);
    }
    for (int i = 1; i < 3 && !st; i++)
        if (path[i]) st = load_rows(&rows[i], r, path[i], 0, err);
    return st;
}

static rk_status one_label(const rk_rows *rows, rk_error *err)
{
    for (size_t i = 1; i < rows->count; i++)
        if (rows->row[i].label_id != rows->row[0].label_id) return RK_OK;
    return rk_fail(err, RK_E_FORMAT,
                   "%s: every row has the label \"%s\"; two labels are needed to learn", rows->path,
                   rows->count ? rows->row[0].label : "");
}

static rk_status make_report(rk_run *r, rk_rows *const rows[3], rk_error *err)
{
    const rk_rows *const all[RK_SPLITS] = {rows[0], rows[1], rows[2]};
    const rk_encoded *encoded[RK_SPLITS] = {&r->train, &r->valid, NULL};
    rk_encoded test = {0};
    rk_status st = RK_OK;

    if (rows[2]) {
        st = rk_encode_rows(&test, rows[2], r->tokenizer, r->clean, r->max_length, err);
        encoded[RK_SPLIT_TEST] = &test;
    }
    if (!st)
        st = rk_data_report_make(&r->data, all, encoded, &r->config.labels, r->tokenizer, r->clean,
                                 r->max_length, err);
    rk_encoded_free(&test);
    return st;
}

rk_status rk_run_load(rk_run *r, rk_error *err)
{
    rk_rows *rows[3] = {NULL, NULL, NULL};
    rk_status st = rk_folder_open(&r->folder, r->o->model, true, err);

    if (!st) st = rk_bert_config_read(&r->config, r->folder->config, r->folder->config_path, err);
    if (!st) st = rk_tokenizer_open(&r->tokenizer, r->o->model, err);
    if (!st) st = choose_clean(r, err);
    if (st) goto done;
    rk_tokenizer_note_pad(r->tokenizer, r->folder->config, r->folder->config_path);
    if (rk_tokenizer_size(r->tokenizer) > r->config.vocab) {
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: the vocabulary has %zu tokens but the model %zu rows for them",
                     r->o->model, rk_tokenizer_size(r->tokenizer), r->config.vocab);
        goto done;
    }
    r->max_length = r->o->max_length;
    if (!r->max_length)
        r->max_length = r->config.positions < LENGTH_DEFAULT ? r->config.positions : LENGTH_DEFAULT;
    if (r->max_length > r->config.positions) {
        st = rk_fail(err, RK_E_ARG, "max length %zu is more than the %zu positions of the model",
                     r->max_length, r->config.positions);
        goto done;
    }
    rk_tokenizer_set_max_length(r->tokenizer, r->max_length);
    st = load_files(r, rows, err);
    if (!st) st = one_label(rows[0], err);
    if (!st) st = rk_encode_rows(&r->train, rows[0], r->tokenizer, r->clean, r->max_length, err);
    if (!st) st = rk_encode_rows(&r->valid, rows[1], r->tokenizer, r->clean, r->max_length, err);
    if (!st) st = make_report(r, rows, err);
    if (st) goto done;
    r->train_hash = rk_run_hash(&r->train);
    r->valid_hash = rk_run_hash(&r->valid);
    st = rk_run_objective(r, err);
    if (!st && r->o->distill > 0.0) st = rk_teacher_open(&r->teacher, r, rows[1], err);
done:
    for (int i = 0; i < 3; i++) rk_rows_free(rows[i]);
    return st;
}

static void say_line(void *context, const char *text)
{
    rk_run *r = context;
    const rk_progress p = {.kind = "data", .line = text, .seconds_left = -1.0};
    if (r->progress) (void)r->progress(&p, r->user);
}

void rk_run_say_data(rk_run *r)
{
    rk_data_report_lines(&r->data, say_line, r);
}

void rk_run_order(const rk_run *r, size_t epoch, uint32_t *order)
{
    rk_rng rng = {r->o->seed, STREAM_ORDER + epoch, 0};
    for (size_t i = 0; i < r->train.rows; i++) order[i] = (uint32_t)i;
    rk_rng_shuffle(&rng, order, r->train.rows);
}
