#include <string.h>

#include "api/session.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "encoder/config.h"
#include "file/model_folder.h"
#include "onnx/describe.h"
#include "text/clean.h"

static rk_status no_memory(rk_error *err, const char *path)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", rk_quote(name, path, strlen(path)));
}

static json_t *integer(size_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *shape_json(const rk_tensor *t)
{
    json_t *shape = json_array();
    for (size_t i = 0; shape && i < t->rank; i++)
        if (json_array_append_new(shape, integer(t->dim[i]))) {
            json_decref(shape);
            return NULL;
        }
    return shape;
}

static size_t elements(const rk_tensor *t)
{
    size_t n = 1;
    for (size_t i = 0; i < t->rank; i++) n *= t->dim[i];   /* the reader checked the product */
    return n;
}

/* Adds "parameters", "weight_bytes", "tensors" of a weight file. */
static int put_weights(json_t *out, const rk_weights *w)
{
    json_t *table = json_array();
    size_t count = 0, bytes = 0;

    if (json_object_set_new(out, "tensor_count", integer(w->count))) return -1;
    for (size_t i = 0; i < w->count; i++) {
        const rk_tensor *t = &w->tensor[i];
        json_t *one = json_pack("{s:s, s:s, s:o, s:I}", "name", t->name, "type",
                                rk_dtype_name(t->type), "shape", shape_json(t), "bytes",
                                (json_int_t)t->bytes);
        if (!one || json_array_append_new(table, one)) {
            json_decref(table);
            return -1;
        }
        count += elements(t);
        bytes += t->bytes;
    }
    return json_object_set_new(out, "parameters", integer(count)) ||
           json_object_set_new(out, "weight_bytes", integer(bytes)) ||
           json_object_set_new(out, "tensors", table);
}

/* The one number of activation.<site>.<what>, as a double. */
static json_t *site_number(const rk_weights *quant, const char *site, size_t length,
                           const char *what)
{
    char name[256];
    const rk_tensor *t;
    float x;

    if (length > 160) return json_null();
    snprintf(name, sizeof name, "%.*s.%s", (int)length, site, what);
    t = rk_weights_find(quant, name);
    if (!t || elements(t) != 1) return json_null();
    if (t->type == RK_DT_U8) return json_integer(*(const uint8_t *)t->data);
    if (t->type != RK_DT_F32) return json_null();
    memcpy(&x, t->data, sizeof x);
    return x == x && x - x == 0.0f ? json_real((double)x) : json_null();
}

/* What the folder has learned: precision, and each activation's range and scale. */
static json_t *ranges_json(const rk_weights *quant)
{
    static const char prefix[] = "activation.", end[] = ".scale";
    const char *precision = json_string_value(json_object_get(quant->metadata, "precision"));
    json_t *sites = json_array();
    size_t weights = 0;

    for (size_t i = 0; sites && i < quant->count; i++) {
        const char *name = quant->tensor[i].name;
        const size_t n = strlen(name);
        json_t *one;
        if (strncmp(name, "weight.", 7) == 0) weights++;
        if (strncmp(name, prefix, sizeof prefix - 1) != 0 || n < sizeof end ||
            strcmp(name + n - (sizeof end - 1), end) != 0)
            continue;
        one = json_pack("{s:s%, s:o, s:o, s:o, s:o}", "site", name + sizeof prefix - 1,
                        n - (sizeof prefix - 1) - (sizeof end - 1),
                        "min", site_number(quant, name, n - (sizeof end - 1), "min"),
                        "max", site_number(quant, name, n - (sizeof end - 1), "max"),
                        "scale", site_number(quant, name, n - (sizeof end - 1), "scale"),
                        "zero_point", site_number(quant, name, n - (sizeof end - 1), "zero_point"));
        if (!one || json_array_append_new(sites, one)) {
            json_decref(sites);
            return NULL;
        }
    }
    return json_pack("{s:s?, s:I, s:I, s:o}", "precision", precision, "activations",
                     (json_int_t)json_array_size(sites), "quantised_weights", (json_int_t)weights,
                     "sites", sites);
}

static int put_config(json_t *out, const rk_bert_config *c)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < c->labels.count; i++)
        if (json_array_append_new(labels, json_string(c->labels.name[i]))) {
            json_decref(labels);
            return -1;
        }
    return json_object_set_new(out, "layers", integer(c->layers)) ||
           json_object_set_new(out, "hidden", integer(c->hidden)) ||
           json_object_set_new(out, "heads", integer(c->heads)) ||
           json_object_set_new(out, "inner", integer(c->inner)) ||
           json_object_set_new(out, "vocab", integer(c->vocab)) ||
           json_object_set_new(out, "positions", integer(c->positions)) ||
           json_object_set_new(out, "types", integer(c->types)) ||
           json_object_set_new(out, "labels", labels);
}

/* Settings of how a text is seen; absent ones are null. */
static int put_settings(json_t *out, const json_t *ringkas)
{
    json_t *clean = json_object_get(ringkas, "clean");
    json_t *length = json_object_get(ringkas, "max_length");
    return json_object_set(out, "clean", clean ? clean : json_null()) ||
           json_object_set(out, "max_length", length ? length : json_null());
}

static rk_status inspect_folder(json_t *out, const char *path, rk_error *err)
{
    rk_folder *folder = NULL;
    rk_bert_config c = {0};
    rk_tokenizer *tokenizer = NULL;
    rk_status st = rk_folder_open(&folder, path, true, err);
    int bad;

    if (st) goto done;
    st = rk_bert_config_read(&c, folder->config, folder->config_path, err);
    if (st) goto done;
    bad = json_object_set_new(out, "kind", json_string("folder")) || put_config(out, &c) ||
          put_settings(out, folder->ringkas);
    if (!bad && rk_tokenizer_open(&tokenizer, path, NULL) == RK_OK)
        bad = json_object_set_new(out, "tokens", integer(rk_tokenizer_size(tokenizer)));
    if (!bad) {
        const bool head = rk_weights_find(folder->weights, "classifier.weight") != NULL;
        bad = json_object_set_new(out, "classifier", json_boolean(head)) ||
              json_object_set_new(out, "ranges",
                                  folder->quant ? ranges_json(folder->quant) : json_null()) ||
              put_weights(out, folder->weights);
    }
    if (bad) st = no_memory(err, path);
done:
    rk_tokenizer_close(tokenizer);
    rk_bert_config_free(&c);
    rk_folder_close(folder);
    return st;
}

static rk_status inspect_weights(json_t *out, const char *path, bool zip, rk_error *err)
{
    rk_weights *w;
    rk_status st = rk_weights_open(&w, path, err);

    if (st) return st;
    if (json_object_set_new(out, "kind", json_string(zip ? "torch" : "safetensors")) ||
        (w->metadata && json_object_set(out, "metadata", w->metadata)) || put_weights(out, w))
        st = no_memory(err, path);
    rk_weights_close(w);
    return st;
}

static rk_status inspect_onnx(json_t *out, const char *path, rk_error *err)
{
    json_t *about = NULL;
    rk_onnx *file;
    rk_status st = rk_onnx_open(&file, path, err);

    if (st) return st;
    st = rk_onnx_describe(&about, file, err);
    if (!st && json_object_update(out, about)) st = no_memory(err, path);
    json_decref(about);
    rk_onnx_close(file);
    return st;
}

typedef enum kind { WEIGHTS, TORCH, ONNX } kind;

/* By content; the readers then say what else a file is. */
static rk_status look(kind *out, const char *path, rk_error *err)
{
    rk_map map;
    const rk_status st = rk_map_open(&map, path, err);
    if (st) return st;
    *out = WEIGHTS;
    if (map.size >= 4 && memcmp(map.data, "PK\3\4", 4) == 0) *out = TORCH;
    else if (map.size >= 2 && map.data[0] == 0x08 && !(map.size > 8 && map.data[8] == '{'))
        *out = ONNX;
    rk_map_close(&map);
    return RK_OK;
}

static rk_status inspect_file(json_t *out, const char *path, rk_error *err)
{
    kind what;
    rk_status st = look(&what, path, err);
    if (st) return st;
    if (json_object_set_new(out, "bytes", json_integer((json_int_t)rk_file_size(path))))
        return no_memory(err, path);
    if (what != ONNX) return inspect_weights(out, path, what == TORCH, err);
    return inspect_onnx(out, path, err);
}

rk_status rk_inspect(char **json, const char *path, rk_error *err)
{
    json_t *out;
    rk_status st;

    if (!json || !path || !*path) return rk_fail(err, RK_E_ARG, "inspect: nothing named");
    *json = NULL;
    out = json_pack("{s:s}", "path", path);
    if (!out) return no_memory(err, path);
    st = rk_path_is_dir(path) ? inspect_folder(out, path, err) : inspect_file(out, path, err);
    if (!st) {
        *json = rk_json_text(out, 0);
        if (!*json) st = no_memory(err, path);
    }
    json_decref(out);
    return st;
}
