/* The model folder, in the layout that transformers reads. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/card.h"
#include "train/run.h"

static rk_status save_json(const char *folder, const char *name, json_t *value, rk_error *err)
{
    char *path = rk_path_join(folder, name);
    rk_status st =
        path && value ? rk_json_save(value, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_free(path);
    json_decref(value);
    return st;
}

/* The encoder that all began with: of a folder that was trained here that one's, of a random one
 * none. */
static const char *base_of(const rk_run *r)
{
    const json_t *training = json_object_get(r->folder->ringkas, "training");
    if (!r->folder->ringkas) return r->o->model;
    return json_string_value(json_object_get(training, "base"));
}

static json_t *ringkas_json(const rk_run *r)
{
    static const char *const qat[] = {"none", "fp16", "int8"};
    const rk_train_options *o = r->o;
    char *clean = rk_clean_name(r->clean);
    json_t *more = rk_run_options_json(r);
    json_t *j = json_pack(
        "{s:i s:s s:s s:I"
        "s:{s:s s:o? s:o? s:o? s:s s:I s:I s:f s:f s:f s:f s:s s:I s:I s:I s:f s:I s:O}}",
        "format", 1, "version", RK_VERSION, "clean", clean ? clean : "none", "max_length",
        (json_int_t)r->max_length, "training", "model", o->model, "base", json_string(base_of(r)),
        "train", json_string(o->train), "valid", json_string(o->valid), "qat", qat[o->qat],
        "epochs_asked", (json_int_t)o->epochs, "batch", (json_int_t)o->batch, "lr", r->lr,
        "weight_decay", o->weight_decay, "warmup", o->warmup, "clip", o->clip, "compute",
        o->compute == RK_COMPUTE_BF16 ? "bf16" : "f32", "seed", (json_int_t)o->seed, "rows",
        (json_int_t)r->train.rows, "steps", (json_int_t)r->step, "seconds", r->seconds,
        "best_epoch", (json_int_t)r->best_epoch, "epochs", r->epochs);
    rk_free(clean);
    if (!j || !more || json_object_update(json_object_get(j, "training"), more)) {
        json_decref(j);
        j = NULL;
    }
    json_decref(more);
    return j;
}

static json_t *config_json(const rk_run *r)
{
    json_t *j = rk_bert_config_json(&r->config, r->folder->config);
    /* newer writers say "dtype"; the file holds floats whatever the original held */
    if (j && json_object_get(j, "dtype") &&
        json_object_set_new(j, "dtype", json_string("float32"))) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static rk_status save_weights(const rk_run *r, const char *folder, rk_error *err)
{
    char *path = rk_path_join(folder, "model.safetensors");
    const rk_status st =
        path ? rk_params_save(r->params, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_free(path);
    return st;
}

static rk_status save_quant(const rk_run *r, const char *folder, rk_error *err)
{
    char *path;
    rk_ranges *ranges = r->best_ranges;
    rk_status st;

    if (!ranges) return RK_OK;
    path = rk_path_join(folder, "quant.safetensors");
    if (!path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_ranges_weights(ranges, r->params);
    st = rk_ranges_save(ranges, &r->config, r->params, path, err);
    rk_free(path);
    return st;
}

/* A README.md that somebody wrote is worth more than ours. */
static rk_status save_card(const rk_run *r, const char *folder, rk_error *err)
{
    char *path = rk_path_join(folder, "README.md");
    json_t *config = config_json(r), *ringkas = ringkas_json(r);
    rk_buffer card = {0};
    rk_status st = path && config && ringkas ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    if (!st && rk_card_may_write(r->o->out)) {
        st = rk_card_text(&card, r->o->out, config, ringkas, NULL, err);
        if (!st) st = rk_file_write(path, card.data, card.length, err);
    }
    rk_buffer_free(&card);
    json_decref(config);
    json_decref(ringkas);
    rk_free(path);
    return st;
}

/* Ranges of an earlier run would not belong to these weights. */
static void remove_old_quant(const rk_run *r)
{
    char *path = r->ranges ? NULL : rk_path_join(r->o->out, "quant.safetensors");
    if (path) unlink(path);
    rk_free(path);
}

rk_status rk_run_finish(rk_run *r, rk_error *err)
{
    char *name = rk_path_join(r->o->out, RK_FINISH_NAME), *temp = NULL;
    rk_status st = name ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    if (!st) st = rk_checkpoint_best(r, err);
    /* All files are written before the first takes its place, and the checkpoint goes last: what a
     * kill leaves is the old folder, or something that can be resumed (calibration alone has no
     * checkpoint and is run again). The old weights go first and the new ones come last, so that
     * what is there in between is no model. */
    if (!st) st = rk_dir_temp(&temp, name, err);
    if (!st) st = save_weights(r, temp, err);
    if (!st) st = save_quant(r, temp, err);
    if (!st) st = save_json(temp, "config.json", config_json(r), err);
    if (!st) st = rk_tokenizer_save(r->tokenizer, temp, err);
    if (!st) st = save_json(temp, "ringkas.json", ringkas_json(r), err);
    if (!st) st = save_card(r, temp, err);
    if (!st) st = rk_dir_pour(temp, r->o->out, "model.safetensors", err);
    if (!st) {
        remove_old_quant(r);
        rk_checkpoint_clear(r);
    }
    if (st && temp) rk_dir_remove(temp);
    rk_free(temp);
    rk_free(name);
    return st;
}
