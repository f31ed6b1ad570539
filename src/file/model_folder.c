#include "file/model_folder.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const WEIGHTS[] = {"model.safetensors", "model.safetensors.index.json",
                                      "pytorch_model.bin"};

/* *out: path of the file of that name in the folder, or NULL when there is none. */
static rk_status look_for(char **out, const rk_folder *f, const char *name, rk_error *err)
{
    char *path = rk_path_join(f->path, name);
    *out = NULL;
    if (!path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (rk_path_exists(path)) *out = path;
    else rk_free(path);
    return RK_OK;
}

static rk_status load_object(json_t **out, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_status st = rk_json_load(out, path, err);
    if (st || json_is_object(*out)) return st;
    return rk_fail(err, RK_E_FORMAT, "%s: must be a JSON object",
                   rk_quote(name, path, strlen(path)));
}

static rk_status open_weights(rk_folder *f, rk_error *err)
{
    char name[RK_QUOTE_SIZE], *path;
    for (size_t i = 0; i < sizeof WEIGHTS / sizeof WEIGHTS[0]; i++) {
        rk_status st = look_for(&path, f, WEIGHTS[i], err);
        if (st) return st;
        if (!path) continue;
        st = rk_weights_open(&f->weights, path, err);
        rk_free(path);
        return st;
    }
    return rk_fail(err, RK_E_OPEN, "%s: no weights in this folder; looked for %s, %s and %s",
                   rk_quote(name, f->path, strlen(f->path)), WEIGHTS[0], WEIGHTS[1], WEIGHTS[2]);
}

static rk_status fill(rk_folder *f, bool with_weights, rk_error *err)
{
    char name[RK_QUOTE_SIZE], *path;
    rk_status st;

    if (rk_path_exists(f->path) && !rk_path_is_dir(f->path))
        return rk_fail(err, RK_E_OPEN, "%s: is not a folder; a model folder is wanted",
                       rk_quote(name, f->path, strlen(f->path)));
    st = load_object(&f->config, f->config_path, err);
    if (st) return st;
    st = look_for(&path, f, "ringkas.json", err);
    if (st) return st;
    if (path) st = load_object(&f->ringkas, path, err);
    rk_free(path);
    if (st) return st;
    if (with_weights) st = open_weights(f, err);
    if (st) return st;
    st = look_for(&path, f, "quant.safetensors", err);
    if (st) return st;
    if (path) st = rk_weights_open(&f->quant, path, err);
    rk_free(path);
    return st;
}

rk_status rk_folder_open(rk_folder **out, const char *path, bool with_weights, rk_error *err)
{
    rk_folder *f = rk_calloc(1, sizeof *f);
    rk_status st;

    *out = NULL;
    if (!f || !(f->path = rk_strdup(path)) ||
        !(f->config_path = rk_path_join(path, "config.json"))) {
        rk_folder_close(f);
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    st = fill(f, with_weights, err);
    if (st) rk_folder_close(f);
    else *out = f;
    return st;
}

void rk_folder_close(rk_folder *f)
{
    if (!f) return;
    rk_weights_close(f->weights);
    rk_weights_close(f->quant);
    json_decref(f->config);
    json_decref(f->ringkas);
    rk_free(f->config_path);
    rk_free(f->path);
    rk_free(f);
}
