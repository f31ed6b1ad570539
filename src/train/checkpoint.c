/* Checkpoints: OUT/checkpoint-<step>/ with
 *   state.safetensors   params, m, v: F32 blocks in the order of rk_params
 *   best.safetensors    the block of the best epoch; a hard link while it does not change
 *   ranges.safetensors, best_ranges.safetensors   QAT only; the best ones with best.safetensors
 *   state.json          where the run is, what it is a run of, and a checksum of each file
 * The folder is written under another name, synced and renamed, so it is there whole or not at all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/optimizer.h"
#include "train/run.h"

enum { VERSION = 3 };
static const char PREFIX[] = "checkpoint-";

rk_status rk_run_lock(rk_run *r, rk_error *err)
{
    char *path = rk_path_join(r->o->out, ".lock");
    struct stat held, there;
    rk_status st = RK_OK;
    int fd, failed;

    if (!path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    failed = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
    if (failed && failed != EWOULDBLOCK)
        st = rk_fail(err, RK_E_OUTPUT, "%s: cannot make a lock there: %s", r->o->out,
                     strerror(failed));
    /* a run that ends removes the file's name: what is locked must still be what is found there */
    else if (failed || fstat(fd, &held) < 0 || stat(path, &there) < 0 ||
             held.st_ino != there.st_ino || held.st_dev != there.st_dev)
        st = rk_fail(err, RK_E_OUTPUT, "%s: another run is training into this folder", r->o->out);
    else
        r->lock = fd;
    if (st && fd >= 0) close(fd);
    rk_free(path);
    return st;
}

void rk_run_unlock(rk_run *r)
{
    char *path = r->lock >= 0 ? rk_path_join(r->o->out, ".lock") : NULL;
    if (path) unlink(path);
    if (r->lock >= 0) close(r->lock);
    r->lock = -1;
    rk_free(path);
}

enum { HASH_TEXT = 17 };

static const char *hash_text(char out[HASH_TEXT], uint64_t hash)
{
    snprintf(out, HASH_TEXT, "%016llx", (unsigned long long)hash);
    return out;
}

/* Read in pieces: a mapped file of all moments would be the run's peak of memory. */
static rk_status checksum_file(char sum[HASH_TEXT], const char *path, rk_error *err)
{
    enum { PIECE = 1 << 20 };
    unsigned char *bytes = rk_malloc(PIECE);
    rk_reader *in = NULL;
    uint64_t hash = 0;
    size_t got = 1;
    rk_status st =
        bytes ? rk_reader_open(&in, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");

    while (!st && got > 0) {
        st = rk_reader_read(in, bytes, PIECE, &got, err);
        if (!st && got > 0) hash = rk_checksum(hash, bytes, got);
    }
    if (!st) hash_text(sum, hash);
    rk_reader_close(in);
    rk_free(bytes);
    return st;
}

/* What must be the same for a run to go on: an object of plain values. */
static json_t *identity(const rk_run *r)
{
    const rk_train_options *o = r->o;
    const rk_bert_config *c = &r->config;
    char train[HASH_TEXT], valid[HASH_TEXT], base[HASH_TEXT];
    json_t *more = rk_run_options_json(r);
    json_t *j = json_pack(
        "{s:s s:s s:s s:I s:I s:i s:i s:I s:I s:f s:f s:f s:f s:f s:I s:i s:I s:I s:I "
        "s:I s:I s:I}",
        "training data", hash_text(train, r->train_hash), "validation data",
        hash_text(valid, r->valid_hash), "base model", hash_text(base, r->base_hash), "steps",
        (json_int_t)r->total, "seed", (json_int_t)o->seed, "qat", (int)o->qat, "compute",
        (int)o->compute, "epochs", (json_int_t)o->epochs, "batch", (json_int_t)o->batch, "lr",
        r->lr, "weight decay", o->weight_decay, "warm-up", o->warmup, "dropout", o->dropout, "clip",
        o->clip, "max length", (json_int_t)r->max_length, "cleaning", (int)r->clean, "layers",
        (json_int_t)c->layers, "hidden", (json_int_t)c->hidden, "heads", (json_int_t)c->heads,
        "inner", (json_int_t)c->inner, "vocabulary", (json_int_t)c->vocab, "labels",
        (json_int_t)c->labels.count);

    json_object_del(more, "teacher"); /* its weights tell, wherever they lie */
    if (!j || !more || json_object_update(j, more)) {
        json_decref(j);
        j = NULL;
    }
    json_decref(more);
    return j;
}

static json_t *learned_json(const rk_run *r)
{
    json_t *list = json_array();
    for (size_t i = 0; list && r->learned && i < r->ranges->sites; i++)
        json_array_append_new(list, json_pack("[ff]", r->learned[i].m, r->learned[i].v));
    return list;
}

static json_t *state_json(const rk_run *r, json_t *files)
{
    return json_pack("{s:i s:o s:I s:I s:I s:f s:f s:f s:I s:f s:I s:o s:O s:o}", "version",
                     VERSION, "run", identity(r), "step", (json_int_t)r->step, "epoch",
                     (json_int_t)r->epoch, "best_epoch", (json_int_t)r->best_epoch, "best_f1",
                     r->best_f1, "best_accuracy", r->best_accuracy, "loss_sum", r->loss_sum,
                     "loss_rows", (json_int_t)r->loss_rows, "seconds", r->seconds, "clamped",
                     (json_int_t)r->clamped, "learned", learned_json(r), "epochs", r->epochs,
                     "files", files);
}

/* The weights as they are; `all`: with the moments. */
static rk_status put_blocks(const rk_run *r, const char *path, bool all, rk_error *err)
{
    const size_t n = r->params->count;
    const rk_tensor t[3] = {
        {"params", RK_DT_F32, 1, {n}, r->params->block, n * sizeof(float)},
        {"m", RK_DT_F32, 1, {n}, r->opt->m, n * sizeof(float)},
        {"v", RK_DT_F32, 1, {n}, r->opt->v, n * sizeof(float)},
    };
    return rk_safetensors_save(path, t, all ? 3 : 1, NULL, err);
}

static char *checkpoint_path(const rk_run *r, size_t step)
{
    char name[64];
    snprintf(name, sizeof name, "%s%zu", PREFIX, step);
    return rk_path_join(r->o->out, name);
}

/* The step of a checkpoint of ours, or 0: other trainers use the same names for folders, but put no
 * state.json into them. */
static size_t step_of(const char *out, const char *name)
{
    char *end, *folder, *state;
    unsigned long long n;
    bool ours;

    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0) return 0;
    if (name[sizeof PREFIX - 1] < '1' || name[sizeof PREFIX - 1] > '9') return 0;
    errno = 0;
    n = strtoull(name + sizeof PREFIX - 1, &end, 10);
    if (*end || errno) return 0;
    folder = rk_path_join(out, name);
    state = folder ? rk_path_join(folder, "state.json") : NULL;
    ours = state && rk_path_exists(state);
    rk_free(state);
    rk_free(folder);
    return ours ? (size_t)n : 0;
}

/* The largest step below `below` that has a folder, 0 when there is none. */
static size_t newest(const char *out, size_t below)
{
    DIR *d = opendir(out);
    const struct dirent *e;
    size_t best = 0;
    if (!d) return 0;
    while ((e = readdir(d))) {
        const size_t step = step_of(out, e->d_name);
        if (step > best && step < below) best = step;
    }
    closedir(d);
    return best;
}

bool rk_train_unfinished(const char *out)
{
    return newest(out, SIZE_MAX) > 0;
}

/* The temporary name of a save that was killed: one of our names, and what the writer hangs on it.
 */
static bool left_over(const char *name)
{
    static const char *const ours[] = {"training.jsonl", RK_FINISH_NAME};
    const char *mark = strstr(name, ".tmp-");
    if (!mark || strlen(mark) != sizeof ".tmp-XXXXXX" - 1) return false;
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) == 0) return true;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strncmp(name, ours[i], (size_t)(mark - name)) == 0 && ours[i][mark - name] == '\0')
            return true;
    return false;
}

/* Under a name that tells what a kill may leave of it; half a checkpoint would be nobody's. */
static void remove_checkpoint(const char *path)
{
    rk_buffer b = {0};

    rk_buffer_printf(&b, "%s.tmp-remove", path);
    if (b.failed) return;
    rk_dir_remove(b.data);
    if (rename(path, b.data) == 0) rk_dir_remove(b.data);
    rk_buffer_free(&b);
}

/* Removes all checkpoints but `keep` (0: none is kept), and what killed saves left. Called under
 * the run's lock. */
static void remove_others(const rk_run *r, size_t keep)
{
    DIR *d = opendir(r->o->out);
    const struct dirent *e;
    if (!d) return;
    while ((e = readdir(d))) {
        const size_t step = step_of(r->o->out, e->d_name);
        const bool left = left_over(e->d_name);
        char *path;
        if (!left && (step == 0 || step == keep)) continue;
        path = rk_path_join(r->o->out, e->d_name);
        if (path && !left) remove_checkpoint(path);
        if (path && left && unlink(path) < 0) rk_dir_remove(path);
        rk_free(path);
    }
    closedir(d);
}

void rk_checkpoint_clear(const rk_run *r)
{
    remove_others(r, 0);
}

static char *best_path(const rk_run *r, size_t step)
{
    char *folder = checkpoint_path(r, step);
    char *path = folder ? rk_path_join(folder, "best.safetensors") : NULL;
    rk_free(folder);
    return path;
}

/* Where links cannot be made. */
static rk_status copy_best(const char *to, const char *from, rk_error *err)
{
    rk_weights *w = NULL;
    rk_status st = rk_safetensors_open(&w, from, err);
    const rk_tensor *t = st ? NULL : rk_weights_find(w, "params");
    if (!st && !t) st = rk_fail(err, RK_E_FORMAT, "%s: no tensor params", from);
    if (!st) st = rk_safetensors_save(to, t, 1, NULL, err);
    rk_weights_close(w);
    return st;
}

/* The best epoch's weights are the same file from checkpoint to checkpoint until another epoch is
 * better; they are nowhere else, which saves the memory of a second model. */
static rk_status put_best(const rk_run *r, const char *to, rk_error *err)
{
    char *from;
    rk_status st = RK_OK;

    if (r->best_saved != r->best_epoch) return put_blocks(r, to, false, err);
    from = best_path(r, r->best_at);
    if (!from) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (link(from, to) < 0) st = copy_best(to, from, err);
    rk_free(from);
    return st;
}

enum { STATE, BEST, RANGES, BEST_RANGES, FILES };
static const char *const file_name[FILES] = {"state.safetensors", "best.safetensors",
                                             "ranges.safetensors", "best_ranges.safetensors"};

/* Whether the state that r is in has this file. */
static bool wanted(const rk_run *r, int file)
{
    switch (file) {
    case BEST:
        return r->best_epoch > 0;
    case RANGES:
        return r->o->qat != RK_QAT_NONE;
    case BEST_RANGES:
        return r->o->qat != RK_QAT_NONE;
    default:
        return true;
    }
}

static rk_status put_file(rk_run *r, int file, const char *path, rk_error *err)
{
    switch (file) {
    case BEST:
        return put_best(r, path, err);
    case RANGES:
        rk_ranges_weights(r->ranges, r->params);
        return rk_ranges_save(r->ranges, &r->config, r->params, path, err);
    case BEST_RANGES:
        return rk_ranges_save(r->best_ranges, &r->config, r->params, path, err);
    default:
        return put_blocks(r, path, true, err);
    }
}

static rk_status put_files(rk_run *r, const char *temp, rk_error *err)
{
    json_t *files = json_object(), *state = NULL;
    rk_status st = files ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    for (int i = 0; i < FILES && !st; i++) {
        char *path, sum[HASH_TEXT];
        if (!wanted(r, i)) continue;
        path = rk_path_join(temp, file_name[i]);
        st = path ? put_file(r, i, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");
        if (!st) st = checksum_file(sum, path, err);
        if (!st && json_object_set_new(files, file_name[i], json_string(sum)))
            st = rk_fail(err, RK_E_MEMORY, "out of memory");
        rk_free(path);
    }
    if (!st) {
        char *path = rk_path_join(temp, "state.json");
        state = state_json(r, json_incref(files));
        st = path && state ? rk_json_save(state, path, err)
                           : rk_fail(err, RK_E_MEMORY, "out of memory");
        rk_free(path);
    }
    json_decref(state);
    json_decref(files);
    return st;
}

rk_status rk_checkpoint_save(rk_run *r, rk_error *err)
{
    char *path = checkpoint_path(r, r->step), *temp = NULL;
    rk_status st;

    if (!path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    st = rk_dir_temp(&temp, path, err);
    if (!st) st = put_files(r, temp, err);
    if (!st) st = rk_dir_commit(temp, path, err);
    if (st && temp) rk_dir_remove(temp);
    if (!st) {
        r->best_saved = r->best_epoch;
        r->best_at = r->step;
        remove_others(r, r->step);
    }
    rk_free(temp);
    rk_free(path);
    return st;
}

static rk_status same_run(const rk_run *r, const json_t *state, const char *path, rk_error *err)
{
    json_t *now = identity(r);
    const json_t *then = json_object_get(state, "run");
    const char *key;
    json_t *value;
    rk_status st = now ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    json_object_foreach(now, key, value)
    {
        const json_t *old = json_object_get(then, key);
        char *a, *b;
        if (st || json_equal(value, old)) continue;
        a = rk_json_text(old, 0);
        b = rk_json_text(value, 0);
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: this is a checkpoint of another run: %s was %s and is %s now", path, key,
                     a ? a : "?", b ? b : "?");
        rk_free(a);
        rk_free(b);
    }
    json_decref(now);
    return st;
}

static rk_status get_block(float *out, const rk_weights *w, const char *name, size_t n,
                           rk_error *err)
{
    enum { PIECE = 1 << 20 }; /* floats; the file must not lie in memory beside the run */
    const rk_tensor *t = rk_weights_find(w, name);
    if (!t || t->type != RK_DT_F32 || t->rank != 1 || t->dim[0] != n)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor %s of %zu floats is wanted", w->path, name, n);
    for (size_t i = 0; out && i < n; i += PIECE) {
        const size_t m = n - i < PIECE ? n - i : PIECE;
        const unsigned char *from = (const unsigned char *)t->data + i * sizeof *out;
        memcpy(out + i, from, m * sizeof *out);
        rk_weights_forget(w, from + m * sizeof *out);
    }
    return RK_OK;
}

/* The start is the best where no epoch of QAT beat it; its weights are still in their folder. */
static rk_status base_weights(rk_run *r, rk_error *err)
{
    rk_folder *folder = NULL;
    const char *made;
    rk_status st;

    if (r->step == 0) return RK_OK;
    st = rk_folder_open(&folder, r->o->model, true, err);
    if (!st) st = rk_params_load(r->params, &r->config, folder->weights, r->o->seed, &made, err);
    if (!st && rk_checksum(0, r->params->block, r->params->count * sizeof(float)) != r->base_hash)
        st =
            rk_fail(err, RK_E_FORMAT,
                    "%s: its weights have changed since training began; they are the best ones and "
                    "are needed again",
                    r->o->model);
    rk_folder_close(folder);
    return st;
}

rk_status rk_checkpoint_best(rk_run *r, rk_error *err)
{
    char *path;
    rk_weights *w = NULL;
    rk_status st;

    if (!r->best_epoch) return base_weights(r, err);
    path = best_path(r, r->best_at);
    st = path ? rk_safetensors_open(&w, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!st) st = get_block(r->params->block, w, "params", r->params->count, err);
    rk_weights_close(w);
    rk_free(path);
    return st;
}

static rk_status get_ranges(rk_ranges **out, const rk_run *r, const char *path, rk_error *err)
{
    rk_weights *w;
    rk_status st = rk_safetensors_open(&w, path, err);
    if (st) return st;
    rk_ranges_free(*out);
    *out = NULL;
    st = rk_ranges_load(out, &r->config, r->params, w, err);
    rk_weights_close(w);
    return st;
}

static rk_status get_file(rk_run *r, int file, const char *path, rk_error *err)
{
    const size_t n = r->params->count;
    rk_weights *w;
    rk_status st;

    if (file == RANGES) return get_ranges(&r->ranges, r, path, err);
    if (file == BEST_RANGES) return get_ranges(&r->best_ranges, r, path, err);
    st = rk_safetensors_open(&w, path, err);
    if (st) return st;
    if (file == BEST) {
        st = get_block(NULL, w, "params", n, err); /* it stays where it is */
    } else {
        st = get_block(r->params->block, w, "params", n, err);
        if (!st) st = get_block(r->opt->m, w, "m", n, err);
        if (!st) st = get_block(r->opt->v, w, "v", n, err);
    }
    rk_weights_close(w);
    return st;
}

/* The files that this state must have, each with its checksum. */
static rk_status get_files(rk_run *r, const char *folder, const json_t *sums, const char *path,
                           rk_error *err)
{
    rk_status st = RK_OK;

    for (int i = 0; i < FILES && !st; i++) {
        const char *want = json_string_value(json_object_get(sums, file_name[i]));
        char *file, sum[HASH_TEXT];
        if (!wanted(r, i)) continue;
        if (!want)
            return rk_fail(err, RK_E_FORMAT, "%s: \"files\" must list %s", path, file_name[i]);
        file = rk_path_join(folder, file_name[i]);
        st = file ? checksum_file(sum, file, err) : rk_fail(err, RK_E_MEMORY, "out of memory");
        if (!st && strcmp(sum, want) != 0)
            st = rk_fail(err, RK_E_FORMAT, "%s: damaged: the checksum does not match", file);
        if (!st) st = get_file(r, i, file, err);
        rk_free(file);
    }
    return st;
}

static rk_status get_learned(rk_run *r, const json_t *s, const char *path, rk_error *err)
{
    const json_t *list = json_object_get(s, "learned");
    const size_t n = r->learned ? r->ranges->sites : 0;

    if (!json_is_array(list) || json_array_size(list) != n)
        return rk_fail(err, RK_E_FORMAT, "%s: \"learned\" must list %zu scales", path, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        const json_t *m = json_array_get(pair, 0), *v = json_array_get(pair, 1);
        if (!json_is_number(m) || !json_is_number(v) || !(json_number_value(v) >= 0.0))
            return rk_fail(err, RK_E_FORMAT, "%s: \"learned\": scale %zu is not two numbers", path,
                           i);
        r->learned[i] = (rk_learned){json_number_value(m), json_number_value(v)};
    }
    return RK_OK;
}

static rk_status get_counters(rk_run *r, const json_t *s, const char *path, rk_error *err)
{
    static const char *const field[] = {"step",      "epoch",         "best_epoch",
                                        "best_f1",   "best_accuracy", "loss_sum",
                                        "loss_rows", "seconds",       "clamped"};
    size_t clamped = 0, measured;
    json_t *epochs = json_object_get(s, "epochs");
    rk_status st = RK_OK;

    /* a reader of JSON takes a missing field for its default; here none may be missing */
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        if (!json_is_number(json_object_get(s, field[i])))
            return rk_fail(err, RK_E_FORMAT, "%s: \"%s\" must be a number", path, field[i]);
    st = rk_json_size(&r->step, s, "step", 1, r->total, path, err);
    if (!st) st = rk_json_size(&r->epoch, s, "epoch", 0, r->o->epochs, path, err);
    if (!st) st = rk_json_size(&r->best_epoch, s, "best_epoch", 0, r->epoch, path, err);
    if (!st) st = rk_json_double(&r->best_f1, s, "best_f1", -1.0, 1.0, path, err);
    if (!st) st = rk_json_double(&r->best_accuracy, s, "best_accuracy", 0.0, 1.0, path, err);
    if (!st) st = rk_json_double(&r->loss_sum, s, "loss_sum", 0.0, 1e30, path, err);
    if (!st) st = rk_json_size(&r->loss_rows, s, "loss_rows", 0, SIZE_MAX / 2, path, err);
    if (!st) st = rk_json_double(&r->seconds, s, "seconds", 0.0, 1e12, path, err);
    if (!st) st = rk_json_size(&clamped, s, "clamped", 0, SIZE_MAX / 2, path, err);
    if (st) return st;
    measured = r->epoch + (r->o->qat != RK_QAT_NONE ? 1 : 0); /* QAT's start is an epoch 0 */
    if (!json_is_array(epochs) || json_array_size(epochs) != measured)
        return rk_fail(err, RK_E_FORMAT, "%s: \"epochs\" must list %zu epochs", path, measured);
    st = get_learned(r, s, path, err);
    if (st) return st;
    r->clamped = clamped;
    json_decref(r->epochs);
    r->epochs = json_incref(epochs);
    r->best_saved = r->best_epoch;
    return RK_OK;
}

static rk_status load_one(rk_run *r, const char *folder, rk_error *err)
{
    char *path = rk_path_join(folder, "state.json");
    size_t version = 0;
    json_t *state = NULL;
    rk_status st =
        path ? rk_json_load(&state, path, err) : rk_fail(err, RK_E_MEMORY, "out of memory");

    if (!st) st = rk_json_size(&version, state, "version", 0, 1000, path, err);
    if (!st && version != VERSION)
        st = rk_fail(err, RK_E_FORMAT, "%s: written by version %zu of the format; %d is read", path,
                     version, VERSION);
    if (!st) st = same_run(r, state, path, err);
    if (!st) st = get_counters(r, state, path, err);
    if (!st) st = get_files(r, folder, json_object_get(state, "files"), path, err);
    if (!st) rk_optimizer_restart(r->opt, r->step);
    json_decref(state);
    rk_free(path);
    return st;
}

rk_status rk_checkpoint_load(rk_run *r, rk_error *err)
{
    const size_t last = newest(r->o->out, SIZE_MAX);
    rk_error why, first = {RK_OK, ""};

    if (!last)
        return rk_fail(err, RK_E_OPEN, "%s: there is no checkpoint to resume from", r->o->out);
    for (size_t step = last; step; step = newest(r->o->out, step)) {
        char *folder = checkpoint_path(r, step);
        const rk_status st =
            folder ? load_one(r, folder, &why) : rk_fail(&why, RK_E_MEMORY, "out of memory");
        rk_free(folder);
        if (!st) {
            r->best_at = step;
            return RK_OK;
        }
        /* the newest is the one that was meant */
        if (step == last || st == RK_E_MEMORY) first = why;
        if (st == RK_E_MEMORY) break;
        if (newest(r->o->out, step)) rk_say(r, "%s; trying an older checkpoint", why.message);
    }
    return rk_fail(err, first.code, "%s", first.message);
}
