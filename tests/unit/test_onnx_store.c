/* links: base onnx */
/* Data that stays in its file: where it may lie, what is written back, what is left behind. IDs as
 * in the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "onnx/check.h"
#include "onnx/model.h"
#include "onnx/store.h"
#include "support/onnx_text.h"
#include "support/scratch.h"

enum { N = 200 };    /* 800 bytes: past RK_STORED_MIN */

static void fill(float x[N])
{
    for (size_t i = 0; i < N; i++) x[i] = (float)i / 7.0f;
}

static Onnx__TensorProto *add_entry(Onnx__TensorProto *t, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *e = rk_malloc(sizeof *e);
    onnx__string_string_entry_proto__init(e);
    e->key = rk_strdup(key);
    e->value = rk_strdup(value);
    t->external_data = rk_realloc(t->external_data, t->n_external_data + 1, sizeof e);
    t->external_data[t->n_external_data++] = e;
    return t;
}

/* y = x + b, b [N] in another file; offset and length unless NULL. */
static const char *external(const char *location, const char *offset, const char *length)
{
    const char *path = scratch_path("ext.onnx");
    rk_onnx *m = onnx_text_model(17, "y=Add(x,b)");
    rk_build b = {m->proto->graph, false};
    const size_t dim = N;
    Onnx__TensorProto *t;

    rk_add_initializer(&b, "b", RK_DT_F32, &dim, 1);
    t = m->proto->graph->initializer[m->proto->graph->n_initializer - 1];
    rk_free(t->raw_data.data);
    t->raw_data.data = NULL;
    t->has_raw_data = 0;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    add_entry(t, "location", location);
    if (offset) add_entry(t, "offset", offset);
    if (length) add_entry(t, "length", length);
    assert_int_equal(rk_onnx_save(m, path, NULL), RK_OK);
    rk_onnx_close(m);
    return path;
}

static void put_data(const char *name, size_t before)
{
    char bytes[64 + N * sizeof(float)] = {0};
    float x[N];

    fill(x);
    memcpy(bytes + before, x, sizeof x);
    assert_int_equal(rk_file_write(scratch_path(name), bytes, before + sizeof x, NULL), RK_OK);
}

static void refused(const char *id, const char *path, const char *says)
{
    rk_onnx *m = NULL;
    rk_error err = {0};
    const rk_status st = rk_onnx_open(&m, path, &err);

    if (!st || m) fail_msg("%s: accepted", id);
    if (!strstr(err.message, says)) fail_msg("%s: '%s'; '%s' is wanted", id, err.message, says);
}

static void test_places(void **state)
{
    static const char *const bad[] = {"", "/etc/passwd", "../w.bin", "a/../w.bin", ".", "./w.bin",
                                      "a\\w.bin", "w.bin/", "a//w.bin"};
    (void)state;

    put_data("w.bin", 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("OX-20", external(bad[i], NULL, NULL), "is refused; a path below");
    refused("no file", external("none.bin", NULL, NULL), "No such file");
    scratch_remove(scratch_path("link.bin"));
    assert_int_equal(symlink("w.bin", scratch_path("link.bin")), 0);
    refused("OX-21 link", external("link.bin", NULL, NULL), "through a link");
    assert_int_equal(link(scratch_path("w.bin"), scratch_path("hard.bin")), 0);
    refused("OX-21 hard link", external("hard.bin", NULL, NULL), "second name");
    remove(scratch_path("hard.bin"));
    assert_int_equal(mkfifo(scratch_path("fifo.bin"), 0600), 0);
    refused("OX-21 FIFO", external("fifo.bin", NULL, NULL), "no regular file");
    refused("OX-23 offset", external("w.bin", "4", NULL), "796 bytes of data, 800 expected");
    refused("OX-23 past", external("w.bin", "0", "801"), "would end past 'w.bin' (800 bytes)");
    refused("OX-23 far", external("w.bin", "900", NULL), "would end past");
    refused("OX-23 words", external("w.bin", "-4", NULL), "is no number");
    refused("OX-23 words", external("w.bin", "0", "8x"), "is no number");
    refused("OX-23 2^64", external("w.bin", "99999999999999999999", NULL), "is no number");
}

static void same_data(const rk_onnx *m, const char *name)
{
    const Onnx__GraphProto *g = m->proto->graph;
    float want[N], got[N];
    rk_tensor_data d;

    fill(want);
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (strcmp(g->initializer[i]->name, name) != 0) continue;
        assert_int_equal(rk_tensor_open(&d, m, g->initializer[i], NULL), RK_OK);
        assert_int_equal(rk_tensor_read(&d, got, 0, sizeof got, NULL), RK_OK);
        rk_tensor_close(&d);
        assert_memory_equal(got, want, sizeof got);
        return;
    }
    fail_msg("no %s", name);
}

/* In: two files; out: two files, named by the content; a second run leaves no third. */
static void test_split(void **state)
{
    const char *out = scratch_path("o.onnx");
    const char *path;
    rk_onnx *m = NULL, *again = NULL;
    size_t files;
    rk_error err = {0};
    (void)state;

    put_data("w.bin", 64);
    path = external("w.bin", "64", "800");
    assert_int_equal(rk_onnx_open(&m, path, &err), RK_OK);
    assert_int_equal(rk_onnx_check_any(m, &err), RK_OK);
    assert_true(rk_store_reads(m, scratch_path("w.bin")));
    assert_false(rk_store_reads(m, out));
    same_data(m, "b");
    files = scratch_count(scratch_dir());
    assert_int_equal(rk_onnx_save(m, out, &err), RK_OK);
    assert_int_equal(scratch_count(scratch_dir()), files + 2);
    assert_int_equal(rk_onnx_open(&again, out, &err), RK_OK);
    same_data(again, "b");
    assert_true(again->bytes == rk_onnx_size_at(m, out));
    rk_onnx_close(again);
    /* Other content, another name; the old data file goes. */
    put_data("w.bin", 63);
    assert_int_equal(rk_file_write(scratch_path("w.bin"), "", 0, NULL), RK_OK);
    put_data("w.bin", 64);
    ((char *)m->proto->graph->name)[0] = 'M';
    assert_int_equal(rk_onnx_save(m, out, &err), RK_OK);
    assert_int_equal(scratch_count(scratch_dir()), files + 2);
    rk_onnx_close(m);
    assert_int_equal(rk_file_write(scratch_path("o.onnx.0123456789abcdef.data"), "x", 1, NULL), 0);
    assert_int_equal(rk_onnx_open(&m, path, &err), RK_OK);
    assert_int_equal(rk_onnx_save(m, out, &err), RK_OK);
    assert_int_equal(scratch_count(scratch_dir()), files + 2);
    /* The data changes under the reader. */
    assert_int_equal(truncate(scratch_path("w.bin"), 500), 0);
    files = scratch_count(scratch_dir());
    assert_int_equal(rk_onnx_save(m, out, &err), RK_E_IO);
    assert_int_equal(scratch_count(scratch_dir()), files);
    rk_onnx_close(m);
    assert_int_equal(rk_onnx_open(&again, out, &err), RK_OK);
    same_data(again, "b");
    rk_onnx_close(again);
}

/* A single file stays one, and comes back bit by bit; every allocation may fail. */
static void test_single(void **state)
{
    const char *in = scratch_path("s.onnx"), *out = scratch_path("so.onnx");
    rk_onnx *m = onnx_text_model(17, "y=Add(x,b)"), *back = NULL;
    rk_build b = {m->proto->graph, false};
    const size_t dim = N;
    rk_error err = {0};
    (void)state;

    fill(rk_add_initializer(&b, "b", RK_DT_F32, &dim, 1));
    assert_int_equal(rk_onnx_save(m, in, NULL), RK_OK);
    rk_onnx_close(m);
    for (size_t n = 0;; n++) {
        scratch_remove(out);
        m = NULL;
        rk_mem_fail_at(n, false);
        rk_status st = rk_onnx_open(&m, in, &err);
        if (!st) st = rk_onnx_check_any(m, &err);
        if (!st) st = rk_onnx_save(m, out, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (!st) {
            assert_true(n > 40);
            break;
        }
        rk_onnx_close(m);
        assert_int_equal(st, RK_E_MEMORY);
    }
    assert_true(rk_tensor_stored(m->proto->graph->initializer[1]));
    assert_int_equal(rk_onnx_load(&back, out, &err), RK_OK);
    assert_true(back->bytes == rk_onnx_size(m) && back->bytes == rk_file_size(in));
    same_data(back, "b");
    rk_onnx_close(back);
    rk_onnx_close(m);
    /* A file that holds a mark of ours is not from us. */
    m = onnx_text_model(17, "y=Add(x,w)");
    add_entry(m->proto->graph->initializer[0], RK_STORED_KEY, "0:0:4:0");
    assert_int_equal(rk_onnx_save(m, in, NULL), RK_OK);
    rk_onnx_close(m);
    refused("mark", in, "no other tool writes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_single),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
