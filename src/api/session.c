#include "api/session.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "encoder/calibration.h"
#include "encoder/config.h"
#include "eval/scores.h"
#include "file/model_folder.h"
#include "onnx/model.h"
#include "text/clean.h"

enum { LENGTH_MAX = 1 << 20, LENGTH_DEFAULT = 512, CALL_ROWS = 32 };

static rk_status no_memory(rk_error *err, const rk_model *m)
{
    char name[RK_QUOTE_SIZE];
    const char *path = m && m->path ? m->path : "model";
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", rk_quote(name, path, strlen(path)));
}

void rk_model_close(rk_model *m)
{
    rk_model *shared;

    if (!m) return;
    shared = m->opened;
    if (shared) {
        rk_engine_close(m->engine);
        rk_free(m);
        m = shared;
    }
    if (atomic_fetch_sub(&m->handles, 1) > 1) return;
    rk_engine_close(m->engine);
    rk_tokenizer_close(m->tokenizer);
    rk_labels_free(&m->labels);
    json_decref(m->calibration);
    rk_free(m->path);
    rk_free(m);
}

rk_status rk_model_set_calibration(rk_model *m, json_t *object, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_calibration c;
    rk_status st;

    if (!object) return RK_OK;
    st = rk_calibration_read(&c, object, m->labels.count,
                             rk_quote(name, m->path, strlen(m->path)), err);
    if (st) return st;
    m->abstain = c.threshold;
    m->calibration = json_incref(object);
    rk_calibration_free(&c);
    return RK_OK;
}

double rk_model_abstain(const rk_model *m)
{
    return m ? m->abstain : 0.0;
}

static rk_status set_labels(rk_model *m, const rk_labels *labels, rk_error *err)
{
    rk_labels_free(&m->labels);
    memset(&m->labels, 0, sizeof m->labels);
    return rk_labels_copy(&m->labels, (const char *const *)labels->name, labels->count, err);
}

static rk_status set_clean(rk_model *m, const char *clean, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    if (rk_clean_parse(&m->clean, clean, err) == RK_OK) return RK_OK;
    rk_fail_prefix(err, RK_E_FORMAT, "%s: \"clean\": ", rk_quote(name, path, strlen(path)));
    /* A wrong step in a file is the file's fault, not the caller's. */
    if (err) err->code = RK_E_FORMAT;
    return RK_E_FORMAT;
}

/* ringkas.json: how the model was trained to see a text. */
static rk_status set_from_ringkas(rk_model *m, const json_t *ringkas, const char *folder,
                                  rk_error *err)
{
    const char *clean = "none";
    char *path;
    rk_status st;

    if (!ringkas) return RK_OK;
    path = rk_path_join(folder, "ringkas.json");
    if (!path) return no_memory(err, m);
    st = rk_json_string(&clean, ringkas, "clean", path, err);
    if (!st) st = set_clean(m, clean, path, err);
    if (!st) st = rk_json_size(&m->max_length, ringkas, "max_length", 2, LENGTH_MAX, path, err);
    rk_free(path);
    return st;
}

/* What every way of opening ends with: the parts must fit each other. */
static rk_status check(rk_model *m, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_quote(name, m->path, strlen(m->path));
    if (m->engine && m->labels.count != rk_engine_config(m->engine)->labels.count)
        return rk_fail(err, RK_E_FORMAT, "%s: %zu label names for %zu outputs; they must agree",
                       name, m->labels.count, rk_engine_config(m->engine)->labels.count);
    if (m->engine && m->labels.count < 2)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: names no labels; \"id2label\" in config.json or a model that was "
                       "trained is wanted", name);
    if (m->vocab && rk_tokenizer_size(m->tokenizer) > m->vocab)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: the tokenizer has %zu tokens and the embedding only %zu rows", name,
                       rk_tokenizer_size(m->tokenizer), m->vocab);
    if (!m->max_length) m->max_length = m->positions ? m->positions : LENGTH_DEFAULT;
    if (m->positions && m->max_length > m->positions)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: \"max_length\" is %zu; the model has only %zu positions", name,
                       m->max_length, m->positions);
    return RK_OK;
}

/* Where tokenizer_config.json cuts texts; left as it is where the file is missing or sets no limit
 * that a text could reach (transformers writes 1e30 for none). */
static rk_status set_length_of_tokenizer(rk_model *m, rk_error *err)
{
    char *path = rk_path_join(m->path, "tokenizer_config.json");
    json_t *config = NULL;
    double length;
    rk_status st = path ? RK_OK : no_memory(err, m);

    if (!st && rk_path_exists(path)) st = rk_json_load(&config, path, err);
    length = json_number_value(json_object_get(config, "model_max_length"));
    if (!st && length >= 2.0 && length <= LENGTH_MAX) m->max_length = (size_t)length;
    json_decref(config);
    rk_free(path);
    return st;
}

/* The tokenizer of a folder whose encoder is none of ours (XLM-R, RoBERTa, GPT-2, T5, ...). What
 * config.json says of sizes has other meanings there and is not looked at. */
static rk_status open_foreign(rk_model *m, const rk_folder *folder, rk_error *err)
{
    rk_status st = set_length_of_tokenizer(m, err);

    if (!st) st = set_from_ringkas(m, folder->ringkas, m->path, err);
    if (!st) st = rk_tokenizer_open(&m->tokenizer, m->path, err);
    return st ? st : check(m, err);
}

static rk_status open_folder(rk_model *m, rk_compute compute, bool weights, rk_error *err)
{
    rk_folder *folder = NULL;
    rk_bert_config c = {0};
    const char *type;
    rk_status st = rk_folder_open(&folder, m->path, false, err);

    if (st) goto done;
    type = json_string_value(json_object_get(folder->config, "model_type"));
    if (!weights && type && strcmp(type, "bert") != 0) {
        st = open_foreign(m, folder, err);
        goto done;
    }
    st = rk_bert_config_read(&c, folder->config, folder->config_path, err);
    if (st) goto done;
    m->positions = c.positions;
    m->vocab = c.vocab;
    st = set_from_ringkas(m, folder->ringkas, m->path, err);
    if (st) goto done;
    st = rk_tokenizer_open(&m->tokenizer, m->path, err);
    if (st) goto done;
    rk_tokenizer_note_pad(m->tokenizer, folder->config, folder->config_path);
    if (weights) {
        st = rk_engine_open_folder(&m->engine, m->path, compute, err);
        if (st) goto done;
        st = set_labels(m, &rk_engine_config(m->engine)->labels, err);
    } else {
        st = set_labels(m, &c.labels, err);
    }
    if (!st)
        st = rk_model_set_calibration(m, json_object_get(folder->ringkas, "calibration"), err);
    if (!st) st = check(m, err);
done:
    rk_bert_config_free(&c);
    rk_folder_close(folder);
    return st;
}

static rk_status parse_entry(json_t **out, const json_t *metadata, const char *key,
                             const char *path, rk_error *err)
{
    const json_t *text = json_object_get(metadata, key);
    char name[RK_QUOTE_SIZE];
    rk_status st;

    *out = NULL;
    if (!text) return RK_OK;
    st = rk_json_parse(out, json_string_value(text), json_string_length(text), path, err);
    if (st)
        rk_fail_prefix(err, st, "%s: metadata \"%s\": ", rk_quote(name, path, strlen(path)), key);
    return st;
}

static rk_status labels_from_list(rk_model *m, const json_t *list, rk_error *err)
{
    const size_t n = json_array_size(list);
    const char **names = rk_calloc(n ? n : 1, sizeof *names);
    char name[RK_QUOTE_SIZE];
    rk_status st = RK_OK;

    if (!names) return no_memory(err, m);
    for (size_t i = 0; i < n && !st; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (!names[i] || !*names[i])
            st = rk_fail(err, RK_E_FORMAT,
                         "%s: metadata \"ringkas.labels\": entry %zu is not a name",
                         rk_quote(name, m->path, strlen(m->path)), i);
    }
    if (!st && n < 2)
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: metadata \"ringkas.labels\" must list at least two names",
                     rk_quote(name, m->path, strlen(m->path)));
    if (!st) st = rk_labels_copy(&m->labels, names, n, err);
    rk_free(names);
    return st;
}

static rk_status set_length(rk_model *m, const char *text, rk_error *err)
{
    char name[RK_QUOTE_SIZE], what[RK_QUOTE_SIZE], *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < 2 || n > LENGTH_MAX)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: metadata \"ringkas.max_length\" is \"%s\"; 2 to %d is wanted",
                       rk_quote(name, m->path, strlen(m->path)),
                       rk_quote(what, text, strlen(text)), LENGTH_MAX);
    m->max_length = n;
    return RK_OK;
}

/* The parts that the file's own metadata has. */
static rk_status set_from_metadata(rk_model *m, const json_t *metadata, rk_error *err)
{
    json_t *labels = NULL, *tokenizer = NULL;
    const json_t *clean = json_object_get(metadata, "ringkas.clean");
    const char *length = json_string_value(json_object_get(metadata, "ringkas.max_length"));
    rk_status st = parse_entry(&labels, metadata, "ringkas.labels", m->path, err);

    if (!st && labels) st = labels_from_list(m, labels, err);
    if (!st) st = parse_entry(&tokenizer, metadata, "ringkas.tokenizer", m->path, err);
    if (!st && tokenizer)
        st = rk_tokenizer_from_json(&m->tokenizer, tokenizer, m->path, err);
    if (!st && clean) st = set_clean(m, json_string_value(clean), m->path, err);
    if (!st && length) st = set_length(m, length, err);
    json_decref(labels);
    json_decref(tokenizer);
    return st;
}

/* The rest from the files beside the .onnx file. */
static rk_status set_from_beside(rk_model *m, rk_error *err)
{
    char *dir = rk_path_dir(m->path);
    rk_folder *folder = NULL;
    rk_bert_config c = {0};
    char name[RK_QUOTE_SIZE];
    rk_status st;

    if (!dir) return no_memory(err, m);
    st = rk_folder_open(&folder, dir, false, err);
    if (!st) st = rk_bert_config_read(&c, folder->config, folder->config_path, err);
    if (st) {
        rk_fail_prefix(err, st, "%s: its metadata lacks %s, and beside it: ",
                       rk_quote(name, m->path, strlen(m->path)),
                       m->tokenizer ? "ringkas.labels" : "ringkas.tokenizer");
        goto done;
    }
    if (!m->labels.count) st = set_labels(m, &c.labels, err);
    if (!st && !m->tokenizer) {
        st = rk_tokenizer_open(&m->tokenizer, dir, err);
        if (!st) st = set_from_ringkas(m, folder->ringkas, dir, err);
    }
done:
    rk_bert_config_free(&c);
    rk_folder_close(folder);
    rk_free(dir);
    return st;
}

/* Our part of the file's metadata, for when no engine is wanted. */
static rk_status read_metadata(json_t **out, const char *path, rk_error *err)
{
    static const char *const keys[] = {"ringkas.labels", "ringkas.tokenizer", "ringkas.clean",
                                       "ringkas.max_length"};
    rk_onnx *file;
    rk_status st = rk_onnx_view(&file, path, err);

    *out = NULL;
    if (st) return st;
    *out = json_object();
    for (size_t i = 0; *out && i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = rk_onnx_metadata(file, keys[i]);
        if (value && json_object_set_new(*out, keys[i], json_string(value)))
            st = RK_E_FORMAT;
    }
    rk_onnx_close(file);
    if (!*out) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (st) {
        char name[RK_QUOTE_SIZE];
        return rk_fail(err, RK_E_FORMAT, "%s: its metadata is not valid UTF-8",
                       rk_quote(name, path, strlen(path)));
    }
    return RK_OK;
}

static rk_status open_onnx(rk_model *m, rk_compute compute, bool weights, rk_error *err)
{
    json_t *metadata = NULL, *calibration = NULL;
    rk_status st = weights ? rk_engine_open_onnx(&m->engine, m->path, compute, &metadata, err)
                           : read_metadata(&metadata, m->path, err);

    if (!st && m->engine) {
        m->positions = rk_engine_config(m->engine)->positions;
        m->vocab = rk_engine_config(m->engine)->vocab;
    }
    if (!st) st = set_from_metadata(m, metadata, err);
    if (!st && (!m->labels.count || !m->tokenizer)) st = set_from_beside(m, err);
    if (!st && weights)
        st = parse_entry(&calibration, metadata, "ringkas.calibration", m->path, err);
    if (!st) st = rk_model_set_calibration(m, calibration, err);
    if (!st) st = check(m, err);
    json_decref(calibration);
    json_decref(metadata);
    return st;
}

static rk_status open_model(rk_model **out, const char *path, rk_compute compute, bool weights,
                            rk_error *err)
{
    rk_model *m;
    rk_status st;

    if (!out) return rk_fail(err, RK_E_ARG, "out is NULL");
    *out = NULL;
    if (!path || !*path) return rk_fail(err, RK_E_ARG, "no model given");
    m = rk_calloc(1, sizeof *m);
    if (m) atomic_init(&m->handles, 1);
    if (!m || !(m->path = rk_strdup(path))) {
        st = no_memory(err, m);
        goto fail;
    }
    st = rk_path_is_dir(path) ? open_folder(m, compute, weights, err)
                             : open_onnx(m, compute, weights, err);
    if (st) goto fail;
    *out = m;
    return RK_OK;
fail:
    rk_model_close(m);
    return st;
}

rk_status rk_model_open(rk_model **out, const char *path, rk_compute compute, rk_error *err)
{
    return open_model(out, path, compute, true, err);
}

rk_status rk_model_open_tokenizer(rk_model **out, const char *path, rk_error *err)
{
    return open_model(out, path, RK_COMPUTE_AUTO, false, err);
}

rk_status rk_model_share(rk_model **out, rk_model *model, rk_error *err)
{
    rk_model *m, *opened;
    rk_status st;

    if (!out) return rk_fail(err, RK_E_ARG, "out is NULL");
    *out = NULL;
    if (!model || !model->engine)
        return rk_fail(err, RK_E_ARG, "rk_model_share: NULL argument or no weights");
    opened = model->opened ? model->opened : model;
    m = rk_calloc(1, sizeof *m);
    if (!m) return no_memory(err, opened);
    m->path = opened->path;
    m->tokenizer = opened->tokenizer;
    m->labels = opened->labels;
    m->clean = opened->clean;
    m->max_length = opened->max_length;
    m->positions = opened->positions;
    m->vocab = opened->vocab;
    m->calibration = opened->calibration;
    m->abstain = opened->abstain;
    st = rk_engine_share(&m->engine, opened->engine, err);
    if (st) {
        rk_free(m);
        return st;
    }
    m->opened = opened;
    atomic_fetch_add(&opened->handles, 1);
    *out = m;
    return RK_OK;
}

size_t rk_model_labels(const rk_model *m)
{
    return m ? m->labels.count : 0;
}

const char *rk_model_label(const rk_model *m, size_t label)
{
    return m && label < m->labels.count ? m->labels.name[label] : NULL;
}

size_t rk_model_max_length(const rk_model *m)
{
    return m ? m->max_length : 0;
}

const char *rk_model_precision(const rk_model *m)
{
    return m && m->engine ? rk_engine_precision(m->engine) : NULL;
}

/* Cleans and encodes one text onto the end of *ids. scratch is only memory to reuse. */
static rk_status encode(const rk_model *m, const char *text, size_t length, rk_buffer *scratch,
                        rk_ids *ids, rk_error *err)
{
    size_t bad;
    if (!rk_utf8_valid(text, length, &bad))
        return rk_fail(err, RK_E_FORMAT, "invalid UTF-8 at byte %zu", bad);
    if (m->clean) {
        rk_buffer_clear(scratch);
        rk_clean_apply(scratch, m->clean, text, length);
        if (scratch->failed) return no_memory(err, m);
        text = scratch->length ? scratch->data : "";
        length = scratch->length;
    }
    return rk_tokenizer_encode(m->tokenizer, text, length, m->max_length, ids, NULL, err);
}

rk_status rk_model_tokenize(const rk_model *m, const char *text, size_t length, int32_t **ids,
                            size_t *count, rk_error *err)
{
    rk_buffer scratch = {0};
    rk_ids out = {0};
    rk_status st;

    if (!m || !ids || !count || (!text && length))
        return rk_fail(err, RK_E_ARG, "rk_model_tokenize: NULL argument");
    *ids = NULL;
    *count = 0;
    st = encode(m, text ? text : "", length, &scratch, &out, err);
    rk_buffer_free(&scratch);
    if (st) {
        rk_ids_clear(&out);
        return st;
    }
    *ids = out.id;
    *count = out.count;
    return RK_OK;
}

rk_status rk_model_run(rk_model *m, const int32_t *ids, const size_t *starts, size_t rows,
                       size_t batch, float *logits, rk_error *err)
{
    size_t *local = rk_calloc(batch + 1, sizeof *local);
    rk_status st = RK_OK;

    if (!local) return no_memory(err, m);
    for (size_t r = 0; r < rows && !st; r += batch) {
        const size_t n = rows - r < batch ? rows - r : batch;
        for (size_t i = 0; i <= n; i++) local[i] = starts[r + i] - starts[r];
        st = rk_engine_run(m->engine, ids + starts[r], local, n, logits + r * m->labels.count,
                           err);
    }
    rk_free(local);
    return st;
}

rk_status rk_model_classify_ids(rk_model *m, const int32_t *ids, const size_t *starts, size_t n,
                                float *logits, rk_error *err)
{
    if (!m || !m->engine || (n && (!ids || !starts || !logits)))
        return rk_fail(err, RK_E_ARG, "rk_model_classify_ids: NULL argument or no weights");
    if (!n) return RK_OK;
    if (starts[0] != 0)
        return rk_fail(err, RK_E_ARG, "rk_model_classify_ids: starts[0] is %zu, not 0", starts[0]);
    for (size_t r = 0; r < n; r++)
        if (starts[r + 1] <= starts[r])
            return rk_fail(err, RK_E_ARG, "rk_model_classify_ids: row %zu has no ids", r);
    return rk_model_run(m, ids, starts, n, CALL_ROWS, logits, err);
}

rk_status rk_model_classify(rk_model *m, const char *const *texts, const size_t *lengths, size_t n,
                            float *logits, float *probs, rk_error *err)
{
    const size_t labels = rk_model_labels(m);
    rk_buffer scratch = {0};
    rk_ids ids = {0};
    size_t *starts = NULL, cells;
    float *own = NULL;
    double *wide = NULL;
    rk_status st = RK_OK;

    if (!m || !m->engine || (n && !texts))
        return rk_fail(err, RK_E_ARG, "rk_model_classify: NULL argument or no weights");
    if (!n) return RK_OK;
    if (!rk_mul(&cells, n, labels)) return no_memory(err, m);
    starts = rk_calloc(n + 1, sizeof *starts);
    own = rk_calloc(cells, sizeof *own);
    wide = rk_calloc(labels, sizeof *wide);
    if (!starts || !own || !wide) {
        st = no_memory(err, m);
        goto done;
    }
    for (size_t r = 0; r < n; r++) {
        const size_t length = lengths ? lengths[r] : strlen(texts[r]);
        st = encode(m, texts[r], length, &scratch, &ids, err);
        if (st) {
            rk_fail_prefix(err, st, "text %zu: ", r + 1);
            goto done;
        }
        starts[r + 1] = ids.count;
    }
    /* Into memory of our own first: on failure the caller's stays as it was. */
    st = rk_model_run(m, ids.id, starts, n, CALL_ROWS, own, err);
    for (size_t i = 0; !st && i < cells; i++)
        if (!isfinite(own[i]))
            st = rk_fail(err, RK_E_NUMERIC, "text %zu: the model gives a logit that is not finite",
                         i / labels + 1);
    if (st) goto done;
    if (logits) memcpy(logits, own, cells * sizeof *own);
    for (size_t r = 0; probs && r < n; r++) {
        rk_softmax(wide, own + r * labels, labels);
        for (size_t k = 0; k < labels; k++) probs[r * labels + k] = (float)wide[k];
    }
done:
    rk_buffer_free(&scratch);
    rk_ids_clear(&ids);
    rk_free(starts);
    rk_free(own);
    rk_free(wide);
    return st;
}
