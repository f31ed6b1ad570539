/* links: base file */
/* What a file is by its content, shards and their index, and a model's folder. IDs as in the list
 * of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "file/model_folder.h"
#include "file/weights.h"
#include "support/pickle_parts.h"
#include "support/scratch.h"
#include "support/zip_make.h"

static const float FOUR[4] = {1, 2, 3, 4};

static rk_tensor tensor(const char *name, size_t n)
{
    return (rk_tensor){name, RK_DT_F32, 1, {n}, FOUR, 4 * n};
}

static void save(const char *path, const char *a, const char *b)
{
    const rk_tensor t[2] = {tensor(a, 4), tensor(b ? b : "", 2)};
    rk_error err;
    assert_int_equal(rk_safetensors_save(path, t, b ? 2 : 1, NULL, &err), RK_OK);
}

static const char *write_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

static void make_zip(const char *name)
{
    zip_made z;
    zip_begin(&z);
    zip_add(&z, "r/data.pkl", 10, PK_FILE, sizeof PK_FILE - 1);
    zip_add(&z, "r/data/0", 8, FOUR, 16);
    zip_add(&z, "r/version", 9, "3\n", 2);
    zip_finish(&z);
    scratch_write(name, z.bytes.data, z.bytes.length);
    zip_free(&z);
}

typedef rk_status open_fn(rk_weights **out, const char *path, rk_error *err);

static void refused(const char *id, open_fn *open, const char *path, rk_status want,
                    const char *says)
{
    rk_weights *w = (rk_weights *)&w;
    rk_error err = {RK_OK, ""};
    const rk_status st = open(&w, path, &err);
    if (st != want || err.code != st || w || !strstr(err.message, says) ||
        strpbrk(err.message, "\n\x1b"))
        fail_msg("%s: %s: \"%s\", wanted \"%s\"", id, rk_status_name(st), err.message, says);
}

static rk_weights *accepted(const char *id, const char *path)
{
    rk_weights *w = NULL;
    rk_error err;
    if (rk_weights_open(&w, path, &err)) fail_msg("%s: %s", id, err.message);
    return w;
}

/* ---- by content ---- */

static void AN_06_to_09_kinds(void **state)
{
    static const struct {
        const char *id, *bytes;
        size_t length;
        const char *says;
    } rows[] = {
        {"AN-06", "", 0, "the file is empty"},
        {"AN-09 HTML", "<!DOCTYPE html>\n<html>", 22, "this is an HTML page"},
        {"AN-09 HTML", "  \n<HTML><body>404", 18, "this is an HTML page"},
        {"AN-09 LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", 64,
         "this is a Git LFS pointer"},
        {"AN-07 pickle", "\200\002}q\000.", 6, "a bare pickle, PyTorch's format before 1.6"},
        {"AN-07 ONNX", "\010\010\022\007pytorch", 11, "this is an ONNX model"},
        {"AN-07 vocab", "[PAD]\n[UNK]\n", 12, "plain text"},
        {"AN-07 TSV", "bagus sekali\tpositive\n", 22, "this is plain text"},
        {"AN-07 CSV", "text,label\n\"a,b\",c\n", 19, "this is plain text"},
        {"AN-07 gzip", "\037\213\010\000", 4, "this is gzip data"},
        {"AN-07 HDF5", "\211HDF\r\n\032\n", 8, "this is an HDF5 file"},
        {"AN-07 GGUF", "GGUF\003\000", 6, "this is a GGUF file"},
        {"AN-07 ELF", "\177ELF\002", 5, "this is a program"},
        {"AN-07 noise", "\001\002\003\004", 4, "a file of unknown kind"},
        {"AN-07 7 bytes", "\001\000\000\000\000\000\000", 7, "unknown kind"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = scratch_write("x.dat", rows[i].bytes, rows[i].length);
        refused(rows[i].id, rk_weights_open, path, RK_E_FORMAT, rows[i].says);
        refused(rows[i].id, rk_safetensors_open, path, RK_E_FORMAT, "x.dat: ");
        refused(rows[i].id, rk_torch_zip_open, path, RK_E_FORMAT,
                rows[i].length ? "a PyTorch zip is wanted" : "the file is empty");
    }
}

static void AN_07_08_wrong_reader_wrong_name(void **state)
{
    (void)state;
    save(scratch_path("good.safetensors"), "a", NULL);
    make_zip("good.bin");
    refused("AN-07", rk_safetensors_open, scratch_path("good.bin"), RK_E_FORMAT,
            "this is a zip, as PyTorch writes it");
    refused("AN-07", rk_torch_zip_open, scratch_path("good.safetensors"), RK_E_FORMAT,
            "this is a safetensors file; a PyTorch zip is wanted");
    assert_int_equal(rename(scratch_path("good.bin"), scratch_path("zip.safetensors")), 0);
    refused("AN-08", rk_weights_open, scratch_path("zip.safetensors"), RK_E_FORMAT,
            "this is a zip, as PyTorch writes it, not what the file's name says");
    assert_int_equal(rename(scratch_path("good.safetensors"), scratch_path("st.bin")), 0);
    refused("AN-08", rk_weights_open, scratch_path("st.bin"), RK_E_FORMAT,
            "this is a safetensors file, not what the file's name says");
    assert_int_equal(rename(scratch_path("st.bin"), scratch_path("plain")), 0);
    rk_weights_close(accepted("no ending", scratch_path("plain")));
    assert_int_equal(rename(scratch_path("zip.safetensors"), scratch_path("plain")), 0);
    rk_weights_close(accepted("no ending", scratch_path("plain")));
    /* cut, and its length starts like JSON */
    scratch_write("cut.safetensors", "{\0\0\0\0\0\0\0{\"a\":", 13);
    refused("SW-01", rk_weights_open, scratch_path("cut.safetensors"), RK_E_FORMAT,
            "header of 123 bytes in a file of 13");
    scratch_write("short.safetensors", "\1\0\0", 3);
    refused("ST-01", rk_weights_open, scratch_path("short.safetensors"), RK_E_FORMAT,
            "3 bytes; the header's length alone takes 8");
}

/* A header's length is the first thing in the file and may look like the start of any other. */
static void lengths_like_magic_numbers(void **state)
{
    static const unsigned lengths[] = {0x180, 0x280, 0x580, 0x8b1f, 0x1208, 0x3c, 0x0a3c, 0x2020};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const size_t n = lengths[i];
        char *bytes = malloc(8 + n);
        assert_non_null(bytes);
        memset(bytes, ' ', 8 + n);
        for (int k = 0; k < 8; k++) bytes[k] = (char)((uint64_t)n >> (8 * k));
        memcpy(bytes + 8, "{}", 2);
        rk_weights_close(accepted("length", scratch_write("l", bytes, 8 + n)));
        free(bytes);
    }
}

static void AN_10_14_17(void **state)
{
    const char *path = scratch_path("zeros.safetensors");
    FILE *f = fopen(path, "wb");
    (void)state;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(truncate(path, (off_t)8 << 30), 0);
    refused("AN-14", rk_weights_open, path, RK_E_FORMAT, "header of 0 bytes");
    refused("AN-14", rk_torch_zip_open, path, RK_E_FORMAT, "unknown kind");
    unlink(path);
    save(scratch_path("target"), "a", NULL);
    assert_int_equal(symlink("target", scratch_path("link")), 0);
    rk_weights_close(accepted("AN-10", scratch_path("link")));
    save(scratch_path("n\n\x1b[1m\xff"), "a", NULL);
    rk_weights_close(accepted("AN-17", scratch_path("n\n\x1b[1m\xff")));
    write_text("t\n\x1b[1m\xff", "text");
    refused("AN-17", rk_weights_open, scratch_path("t\n\x1b[1m\xff"), RK_E_FORMAT,
            "/t\\x0a\\x1b[1m\\xff: this is plain text");
    refused("AN-01", rk_weights_open, scratch_path("absent"), RK_E_OPEN, "absent: No such file");
    refused("AN-02", rk_weights_open, scratch_dir(), RK_E_OPEN, "is a folder");
}

/* ---- shards ---- */

#define MAP(entries) "{\"metadata\":{\"total_size\":40},\"weight_map\":{" entries "}}"

static const char *shard_folder(const char *index)
{
    const char *dir = scratch_path("shards");
    scratch_remove(dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    save(scratch_path("shards/one.safetensors"), "a", NULL);
    save(scratch_path("shards/two.safetensors"), "b", "c");
    return write_text("shards/model.safetensors.index.json", index);
}

static void ST_43_44_shards(void **state)
{
    static const struct {
        const char *id, *index, *says;
    } rows[] = {
        {"ST-43 parent", MAP("\"a\":\"../one.safetensors\""), "tensor \"a\": shard \"../one.s"},
        {"ST-43 absolute", MAP("\"a\":\"/etc/passwd\""), "is not the name of a file in this f"},
        {"ST-43 below", MAP("\"a\":\"x/one.safetensors\""), "is not the name of a file"},
        {"ST-43 backslash", MAP("\"a\":\"..\\\\one\""), "is not the name of a file"},
        {"ST-43 backslash", MAP("\"a\":\"x\\\\one\""), "is not the name of a file"},
        {"ST-43 dots", MAP("\"a\":\"..\""), "is not the name of a file"},
        {"ST-43 empty", MAP("\"a\":\"\""), "is not the name of a file"},
        {"ST-43 ESC", MAP("\"a\":\"\\u001b[1m\""), "shard \"\\x1b[1m\" is not the name"},
        {"ST-43 number", MAP("\"a\":1"), "is not the name of a file"},
        {"ST-43 link", MAP("\"a\":\"link.safetensors\""), "shard \"link.safetensors\" is not a"},
        {"ST-43 folder", MAP("\"a\":\"folder\""), "shard \"folder\" is not a regular file"},
        {"ST-44 missing shard", MAP("\"a\":\"three.safetensors\""), "three.safetensors: No such"},
        {"ST-44 in the other", MAP("\"a\":\"two.safetensors\",\"b\":\"two.safetensors\",\"c\":"
                                   "\"one.safetensors\""),
         "shard \"two.safetensors\" has tensor \"c\", which the index puts in another shard"},
        {"ST-44 not listed", MAP("\"b\":\"two.safetensors\""),
         "shard \"two.safetensors\" has tensor \"c\", which the index does not list"},
        {"ST-44 not there", MAP("\"a\":\"one.safetensors\",\"d\":\"one.safetensors\""),
         "tensor \"d\" is not in shard \"one.safetensors\""},
        {"no map, a brace at byte 8", "{\"meta\":{}}", "\"weight_map\" must be an object"},
        {"no map", "{}", "\"weight_map\" must be an object"},
        {"list", "[]", "this is plain text; weights must be"},
        {"bad JSON", "{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}", "duplicate"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = shard_folder(rows[i].index);
        assert_int_equal(symlink("one.safetensors", scratch_path("shards/link.safetensors")), 0);
        assert_int_equal(mkdir(scratch_path("shards/folder"), 0755), 0);
        refused(rows[i].id, rk_weights_open, path,
                strstr(rows[i].says, "No such") ? RK_E_OPEN : RK_E_FORMAT, rows[i].says);
    }
    /* a tensor in two shards is always in one that the index does not name for it */
    shard_folder(MAP("\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":"
                     "\"two.safetensors\""));
    save(scratch_path("shards/one.safetensors"), "a", "b");
    refused("ST-44 in two", rk_weights_open, scratch_path("shards/model.safetensors.index.json"),
            RK_E_FORMAT, "shard \"one.safetensors\" has tensor \"b\", which the index puts in");
}

static void shards_read(void **state)
{
    rk_weights *w;
    rk_error err;
    const char *path;
    (void)state;
    path = shard_folder(MAP("\"c\":\"two.safetensors\",\"a\":\"one.safetensors\",\"b\":"
                            "\"two.safetensors\""));
    w = accepted("shards", path);
    assert_int_equal(w->count, 3);
    assert_memory_equal(rk_weights_find(w, "a")->data, FOUR, 16);
    assert_memory_equal(rk_weights_find(w, "c")->data, FOUR, 8);
    assert_null(w->note);
    rk_weights_close(w);
    for (size_t n = 0;; n++) {
        rk_status st;
        rk_mem_fail_at(n, false);
        st = rk_weights_open(&w, path, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        rk_weights_close(w);
        if (!st) break;
        assert_int_equal(st, RK_E_MEMORY);
    }
    path = write_text("shards/model.safetensors.index.json",
                      "{\"metadata\":{\"total_size\":41},\"weight_map\":{\"a\":"
                      "\"one.safetensors\"}}");
    w = accepted("ST-45", path);
    assert_non_null(strstr(w->note, "total_size is 41 but the tensors hold 16 bytes"));
    rk_weights_close(w);
    path = write_text("shards/model.safetensors.index.json",
                      "{\"weight_map\":{\"a\":\"one.safetensors\"}}");
    w = accepted("no metadata", path);
    assert_null(w->note);
    rk_weights_close(w);
}

/* ---- folders ---- */

static const char *model_folder(void)
{
    const char *dir = scratch_path("model");
    scratch_remove(dir);
    assert_int_equal(mkdir(dir, 0755), 0);
    write_text("model/config.json", "{\"hidden_size\": 8}");
    return dir;
}

static void folder_refused(const char *dir, bool with_weights, rk_status want, const char *says)
{
    rk_folder *f = (rk_folder *)&f;
    rk_error err = {RK_OK, ""};
    const rk_status st = rk_folder_open(&f, dir, with_weights, &err);
    if (st != want || err.code != want || f || !strstr(err.message, says))
        fail_msg("%s: \"%s\", wanted \"%s\"", rk_status_name(st), err.message, says);
}

static void folder_looks_in_order(void **state)
{
    const char *dir = model_folder();
    rk_folder *f;
    rk_error err;
    (void)state;
    folder_refused(dir, true, RK_E_OPEN,
                   "model: no weights in this folder; looked for model.safetensors, "
                   "model.safetensors.index.json and pytorch_model.bin");
    assert_int_equal(rk_folder_open(&f, dir, false, &err), RK_OK);
    assert_int_equal(json_integer_value(json_object_get(f->config, "hidden_size")), 8);
    assert_null(f->weights);
    assert_null(f->quant);
    assert_null(f->ringkas);
    assert_string_equal(f->path, dir);
    assert_non_null(strstr(f->config_path, "model/config.json"));
    rk_folder_close(f);
    make_zip("model/pytorch_model.bin");
    assert_int_equal(rk_folder_open(&f, dir, true, &err), RK_OK);
    assert_string_equal(f->weights->tensor[0].name, "w");
    rk_folder_close(f);
    save(scratch_path("model/s.safetensors"), "sharded", NULL);
    write_text("model/model.safetensors.index.json",
               "{\"weight_map\":{\"sharded\":\"s.safetensors\"}}");
    assert_int_equal(rk_folder_open(&f, dir, true, &err), RK_OK);
    assert_string_equal(f->weights->tensor[0].name, "sharded");
    rk_folder_close(f);
    save(scratch_path("model/model.safetensors"), "first", NULL);
    save(scratch_path("model/quant.safetensors"), "range", NULL);
    write_text("model/ringkas.json", "{\"clean\": \"seed\"}");
    assert_int_equal(rk_folder_open(&f, dir, true, &err), RK_OK);
    assert_string_equal(f->weights->tensor[0].name, "first");
    assert_string_equal(f->quant->tensor[0].name, "range");
    assert_string_equal(json_string_value(json_object_get(f->ringkas, "clean")), "seed");
    rk_folder_close(f);
    rk_folder_close(NULL);
}

static void folder_refuses(void **state)
{
    const char *dir = model_folder();
    (void)state;
    folder_refused(scratch_path("nowhere"), true, RK_E_OPEN, "nowhere/config.json: No such file");
    folder_refused(scratch_path("model/config.json"), true, RK_E_OPEN, "is not a folder");
    write_text("model/model.safetensors", "<html>");
    folder_refused(dir, true, RK_E_FORMAT, "model/model.safetensors: this is an HTML page");
    write_text("model/ringkas.json", "[1]");
    folder_refused(dir, false, RK_E_FORMAT, "model/ringkas.json: must be a JSON object");
    write_text("model/ringkas.json", "{");
    folder_refused(dir, false, RK_E_FORMAT, "model/ringkas.json:1: not valid JSON");
    unlink(scratch_path("model/ringkas.json"));
    write_text("model/quant.safetensors", "{}");
    folder_refused(dir, false, RK_E_FORMAT, "model/quant.safetensors: ");
    write_text("model/config.json", "7");
    folder_refused(dir, false, RK_E_FORMAT, "model/config.json:1: not valid JSON");
    write_text("model/config.json", "[]");
    folder_refused(dir, false, RK_E_FORMAT, "model/config.json: must be a JSON object");
    unlink(scratch_path("model/config.json"));
    folder_refused(dir, false, RK_E_OPEN, "model/config.json: No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(AN_06_to_09_kinds), cmocka_unit_test(AN_07_08_wrong_reader_wrong_name),
        cmocka_unit_test(lengths_like_magic_numbers), cmocka_unit_test(AN_10_14_17),
        cmocka_unit_test(ST_43_44_shards),
        cmocka_unit_test(shards_read), cmocka_unit_test(folder_looks_in_order),
        cmocka_unit_test(folder_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
