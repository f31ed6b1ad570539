#include "api/calibrated_out.h"

#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "convert/calibrated.h"
#include "file/model_folder.h"
#include "onnx/check.h"
#include "text/clean.h"

rk_status rk_calibrated_out_check(const char *model, const char *out, rk_error *err)
{
    char name[RK_QUOTE_SIZE];

    if (!rk_path_is_dir(model) || !rk_path_exists(out) || rk_path_same(model, out)) return RK_OK;
    return rk_fail(err, RK_E_ARG, "%s: is there already; a new folder or the model's own is wanted",
                   rk_quote(name, out, strlen(out)));
}

static rk_status no_memory(rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "out of memory");
}

static rk_status copy_file(const char *from, const char *to, rk_error *err)
{
    enum { CHUNK = 1 << 20 };
    char *bytes = rk_malloc(CHUNK);
    rk_reader *r = NULL;
    rk_writer *w = NULL;
    size_t got = 1;
    rk_status st = bytes ? rk_reader_open(&r, from, err) : no_memory(err);

    if (!st) st = rk_writer_open(&w, to, err);
    while (!st && got) {
        st = rk_reader_read(r, bytes, CHUNK, &got, err);
        if (!st && got) st = rk_writer_put(w, bytes, got, err);
    }
    if (st)
        rk_writer_abort(w);
    else
        st = rk_writer_commit(w, err);
    rk_reader_close(r);
    rk_free(bytes);
    return st;
}

static rk_status copy_files(const char *from, const char *to, rk_error *err)
{
    DIR *d = opendir(from);
    const struct dirent *e;
    char name[RK_QUOTE_SIZE];
    rk_status st = RK_OK;

    if (!d)
        return rk_fail(err, RK_E_OPEN, "%s: cannot read the folder",
                       rk_quote(name, from, strlen(from)));
    while (!st && (e = readdir(d))) {
        char *a, *b;
        if (strcmp(e->d_name, "ringkas.json") == 0 || e->d_name[0] == '.') continue;
        a = rk_path_join(from, e->d_name);
        b = rk_path_join(to, e->d_name);
        if (!a || !b)
            st = no_memory(err);
        else if (!rk_path_is_dir(a))
            st = copy_file(a, b, err);
        rk_free(a);
        rk_free(b);
    }
    closedir(d);
    return st;
}

/* ringkas.json of the model with the calibration in it. */
static rk_status save_json(const rk_model *m, const char *folder, json_t *stored, rk_error *err)
{
    rk_folder *f = NULL;
    char *path = rk_path_join(folder, "ringkas.json"), *clean = rk_clean_name(m->clean);
    json_t *out = NULL;
    rk_status st = path && clean ? rk_folder_open(&f, m->path, false, err) : no_memory(err);

    if (!st) {
        out = f->ringkas ? json_deep_copy(f->ringkas)
                         : json_pack("{s:i, s:s, s:s, s:I}", "format", 1, "version", RK_VERSION,
                                     "clean", clean, "max_length", (json_int_t)m->max_length);
        if (!out || json_object_set(out, "calibration", stored)) st = no_memory(err);
    }
    if (!st) st = rk_json_save(out, path, err);
    json_decref(out);
    rk_folder_close(f);
    rk_free(clean);
    rk_free(path);
    return st;
}

static rk_status write_folder(const rk_model *m, const char *out, json_t *stored, rk_error *err)
{
    char *temp = NULL;
    rk_status st;

    if (rk_path_same(m->path, out)) return save_json(m, out, stored, err);
    st = rk_dir_temp(&temp, out, err);
    if (!st) st = copy_files(m->path, temp, err);
    if (!st) st = save_json(m, temp, stored, err);
    if (!st) st = rk_dir_commit(temp, out, err);
    if (st && temp) rk_dir_remove(temp);
    rk_free(temp);
    return st;
}

rk_status rk_calibrated_out(const rk_model *m, const char *out, float scale, const float *bias,
                            json_t *stored, rk_error *err)
{
    rk_onnx *file = NULL;
    rk_status st;

    if (rk_path_is_dir(m->path)) return write_folder(m, out, stored, err);
    st = rk_onnx_load(&file, m->path, err);
    if (!st) st = rk_onnx_calibrate(file, scale, bias, m->labels.count, stored, err);
    if (!st) st = rk_onnx_check(file, err);
    if (!st) st = rk_onnx_save(file, out, err);
    rk_onnx_close(file);
    return st;
}
