/* links: base file */
/* The malformations of a PyTorch file's zip, one case each; IDs as in the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "file/weights.h"
#include "support/pickle_parts.h"
#include "support/scratch.h"
#include "support/zip_make.h"

static const char PICKLE[] = PK_FILE;
static const float FOUR[4] = {1, 2, 3, 4};

#define ADD(z, name, data, size) zip_add(z, name, sizeof(name) - 1, data, size)

enum { PKL, ORDER, BYTES, VERSION };     /* the entries of a good file */

static void add_good(zip_made *z)
{
    ADD(z, "r/data.pkl", PICKLE, sizeof PICKLE - 1);
    ADD(z, "r/byteorder", "little", 6);
    ADD(z, "r/data/0", FOUR, sizeof FOUR);
    ADD(z, "r/version", "3\n", 2);
}

static void good(zip_made *z)
{
    zip_begin(z);
    add_good(z);
    zip_finish(z);
}

static rk_status open_bytes(rk_weights **w, const zip_made *z, rk_error *err)
{
    const char *path = scratch_write("t.bin", z->bytes.data, z->bytes.length);
    memset(err, 0, sizeof *err);
    return rk_torch_zip_open(w, path, err);
}

static void refused(const char *id, zip_made *z, const char *says)
{
    rk_weights *w = (rk_weights *)&w;
    rk_error err;
    const rk_status st = open_bytes(&w, z, &err);
    if (st != RK_E_FORMAT || err.code != st || w || !strstr(err.message, says) ||
        !strstr(err.message, "t.bin: ") || strpbrk(err.message, "\n\x1b"))
        fail_msg("%s: %s: \"%s\", wanted \"%s\"", id, rk_status_name(st), err.message, says);
    zip_free(z);
}

static rk_weights *accepted(const char *id, zip_made *z)
{
    rk_weights *w = NULL;
    rk_error err;
    if (open_bytes(&w, z, &err)) fail_msg("%s: %s", id, err.message);
    assert_int_equal(w->count, 1);
    assert_string_equal(w->tensor[0].name, "w");
    assert_int_equal(w->tensor[0].type, RK_DT_F32);
    assert_int_equal(w->tensor[0].rank, 1);
    assert_int_equal(w->tensor[0].dim[0], 4);
    assert_memory_equal(w->tensor[0].data, FOUR, sizeof FOUR);
    zip_free(z);
    return w;
}

static void taken(const char *id, zip_made *z)
{
    rk_weights_close(accepted(id, z));
}

/* One field of a good file overwritten. */
static void patched(const char *id, size_t at, uint64_t value, int bytes, const char *says)
{
    zip_made z;
    good(&z);
    zip_set(&z, at, value, bytes);
    refused(id, &z, says);
}

static void good_files(void **state)
{
    zip_made z;
    rk_weights *w;
    (void)state;
    good(&z);
    w = accepted("good", &z);
    assert_null(w->note);
    rk_weights_close(w);
    zip_begin(&z);
    z.plain = true;                      /* as zip tools write it */
    add_good(&z);
    zip_finish(&z);
    taken("without descriptors", &z);
    good(&z);                            /* without the zip64 records */
    memmove(z.bytes.data + z.end64, z.bytes.data + z.end, 22);
    z.bytes.length = z.end64 + 22;
    taken("without zip64", &z);
}

static void PZ_01_cut(void **state)
{
    zip_made z;
    (void)state;
    good(&z);
    for (size_t n = z.bytes.length - 1; n > 4; n--) {
        zip_made cut = {0};
        rk_buffer_put(&cut.bytes, z.bytes.data, n);
        refused("PZ-01", &cut, n < z.end ? "likely cut" : "");
    }
    zip_free(&z);
}

static void PZ_02_03_around(void **state)
{
    zip_made z, twice = {0}, shifted = {0};
    char end[22];
    (void)state;
    good(&z);                            /* a comment that is an end record of its own */
    memcpy(end, z.bytes.data + z.end, 22);
    zip_set(&z, z.end + 20, 22, 2);
    rk_buffer_put(&z.bytes, end, 22);
    refused("PZ-02", &z, "but it must end");
    good(&z);
    zip_set(&z, z.end + 20, 3, 2);
    rk_buffer_put(&z.bytes, "abc", 3);
    refused("PZ-02 comment", &z, "is followed by other bytes or a comment");
    good(&z);
    zip_set(&z, z.end + 20, 3, 2);
    refused("PZ-02 no comment", &z, "is followed by other bytes or a comment");
    good(&z);
    rk_buffer_put(&z.bytes, "x", 1);
    refused("SW-04 byte", &z, "is followed by other bytes");
    good(&z);
    for (int i = 0; i < 2; i++) rk_buffer_put(&twice.bytes, z.bytes.data, z.bytes.length);
    refused("SW-04 copy", &twice, "the zip64 locator points at byte");
    rk_buffer_puts(&shifted.bytes, "#!/bin/sh\n");     /* not counted in the offsets */
    rk_buffer_put(&shifted.bytes, z.bytes.data, z.bytes.length);
    refused("PZ-03", &shifted, "the zip64 locator points at byte");
    zip_free(&z);
    zip_begin(&z);
    rk_buffer_puts(&z.bytes, "PK\003\004 polyglot");
    add_good(&z);
    zip_finish(&z);
    refused("PZ-03", &z, "there are bytes before the first entry");
}

static void PZ_04_headers_disagree(void **state)
{
    zip_made z;
    (void)state;
    good(&z);
    zip_free(&z);
    patched("PZ-04 name", z.local[BYTES] + 30 + 7, '1', 1, "\"r/data/0\": the name differs");
    patched("PZ-04 name length", z.local[BYTES] + 26, 7, 2, "\"r/data/0\": the name differs");
    patched("PZ-04 size", z.local[BYTES] + 22, 15, 4, "\"r/data/0\": size or CRC differ");
    patched("PZ-04 packed", z.local[BYTES] + 18, 15, 4, "\"r/data/0\": size or CRC differ");
    patched("PZ-04 CRC", z.local[BYTES] + 14, 15, 4, "\"r/data/0\": size or CRC differ");
    patched("PZ-04 method", z.local[BYTES] + 8, 8, 2, "\"r/data/0\": flags or method differ");
    patched("PZ-04 flags", z.local[BYTES] + 6, 0x800, 2, "\"r/data/0\": flags or method differ");
    patched("PZ-04 descriptor", z.after[BYTES] + 8, 9, 4, "descriptor differs");
    patched("PZ-04 descriptor CRC", z.after[BYTES] + 4, 9, 4, "descriptor differs");
    zip_begin(&z);
    z.plain = true;
    add_good(&z);
    zip_finish(&z);
    zip_set(&z, z.local[BYTES] + 14, 15, 4);
    refused("PZ-04 CRC alone", &z, "\"r/data/0\": size or CRC differ");
    good(&z);
    zip_free(&z);
    patched("PZ-04 no header", z.local[BYTES], 9, 4, "there is no local header");
}

static void PZ_05_flags(void **state)
{
    zip_made z;
    (void)state;
    for (unsigned bit = 0; bit < 16; bit++) {
        const unsigned flags = 0x808u ^ 1u << bit;
        good(&z);
        zip_set(&z, z.local[BYTES] + 6, flags, 2);
        zip_set(&z, z.central[BYTES] + 8, flags, 2);
        if (bit == 11) taken("PZ-05 UTF-8", &z);
        else if (bit == 3) refused("PZ-05", &z, "size or CRC differ");
        else refused("PZ-05", &z, bit ? "flags that torch.save does not set" : "is encrypted");
    }
}

static void PZ_06_07_crc(void **state)
{
    zip_made z;
    rk_weights *w;
    (void)state;
    good(&z);
    zip_free(&z);
    patched("PZ-06 weights", z.data[BYTES] + 3, 9, 1, "\"r/data/0\": the CRC is wrong");
    patched("PZ-06 pickle", z.data[PKL] + 9, 9, 1, "\"r/data.pkl\": the CRC is wrong");
    patched("PZ-06 version", z.data[VERSION], '4', 1, "\"r/version\": the CRC is wrong");
    patched("PZ-06 order", z.data[ORDER], 'L', 1, "\"r/byteorder\": the CRC is wrong");
    zip_begin(&z);
    z.no_crc = true;
    add_good(&z);
    zip_finish(&z);
    w = accepted("PZ-07", &z);
    assert_non_null(w->note);
    assert_non_null(strstr(w->note, "without check sums"));
    rk_weights_close(w);
    zip_begin(&z);                       /* a mix: the real one is checked */
    z.no_crc = true;
    ADD(&z, "r/data.pkl", PICKLE, sizeof PICKLE - 1);
    z.no_crc = false;
    ADD(&z, "r/data/0", FOUR, sizeof FOUR);
    ADD(&z, "r/version", "3\n", 2);
    zip_finish(&z);
    z.bytes.data[z.data[1]] ^= 1;
    refused("PZ-07 mix", &z, "\"r/data/0\": the CRC is wrong");
}

static void PZ_08_compressed(void **state)
{
    zip_made z;
    (void)state;
    for (int method = 1; method < 100; method += method < 14 ? 1 : 79) {
        good(&z);
        zip_set(&z, z.local[BYTES] + 8, (uint64_t)method, 2);
        zip_set(&z, z.central[BYTES] + 10, (uint64_t)method, 2);
        refused("PZ-08", &z, "\"r/data/0\": is compressed");
    }
    good(&z);                            /* a bomb by its sizes */
    zip_set(&z, z.central[BYTES] + 24, 4294967294u, 4);
    refused("PZ-08 sizes", &z, "\"r/data/0\": is stored, yet its two sizes differ");
}

/* A gap: an entry that the directory leaves out. */
static void hidden(bool plain)
{
    zip_made z;
    size_t less;
    zip_begin(&z);
    z.plain = plain;
    add_good(&z);
    zip_finish(&z);
    less = z.central[BYTES] - z.central[ORDER];
    memmove(z.bytes.data + z.central[ORDER], z.bytes.data + z.central[BYTES],
            z.bytes.length - z.central[BYTES]);
    z.bytes.length -= less;
    zip_set(&z, z.end64 - less + 24, 3, 8);
    zip_set(&z, z.end64 - less + 32, 3, 8);
    zip_set(&z, z.end64 - less + 40, z.end64 - less - z.central[0], 8);
    zip_set(&z, z.locator - less + 8, z.end64 - less, 8);
    zip_set(&z, z.end - less + 8, 3, 2);
    zip_set(&z, z.end - less + 10, 3, 2);
    zip_set(&z, z.end - less + 12, z.end64 - less - z.central[0], 4);
    refused("PZ-09 hidden", &z, "is not followed by the next entry");
}

static void PZ_09_overlap(void **state)
{
    zip_made z;
    (void)state;
    good(&z);                            /* two directory records on one local entry */
    zip_set(&z, z.central[VERSION] + 42, z.local[BYTES], 4);
    refused("PZ-09 same", &z, "the name differs");
    zip_begin(&z);                       /* one entry's bytes hold another whole entry */
    {
        zip_made inner;
        zip_begin(&inner);
        ADD(&inner, "r/in", "x", 1);
        add_good(&z);
        ADD(&z, "r/out", inner.bytes.data, inner.bytes.length);
        ADD(&z, "r/in", "x", 1);
        zip_free(&inner);
    }
    zip_finish(&z);
    zip_set(&z, z.central[5] + 42, z.data[4], 4);
    refused("PZ-09 inside", &z, "\"r/out\": overlaps the next entry");
    hidden(false);
    hidden(true);
}

static void PZ_10_11_names(void **state)
{
    static const struct {
        const char *name;
        size_t length;
    } bad[] = {{"r/../x", 6}, {"../x", 4},  {"/r/x", 4}, {"r\\x", 3},  {"r/a\0b", 5},
               {"", 0},       {"r/./x", 5}, {"r//x", 4}, {"r/x/", 4},  {"r/\xff", 3},
               {"r/a\n", 4},  {"..", 2},    {"r/..", 4}, {"r/\x1b", 3}};
    zip_made z;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zip_begin(&z);
        add_good(&z);
        zip_add(&z, bad[i].name, bad[i].length, "x", 1);
        zip_finish(&z);
        refused("PZ-11", &z, "is not a name torch.save writes");
    }
    zip_begin(&z);
    add_good(&z);
    ADD(&z, "r/data/0", "other", 5);
    zip_finish(&z);
    refused("PZ-10", &z, "\"r/data/0\": is there twice");
    zip_begin(&z);
    add_good(&z);
    ADD(&z, "r/DATA/0", "other", 5);
    zip_finish(&z);
    taken("PZ-10 case", &z);
}

static void PZ_12_counts(void **state)
{
    zip_made z;
    (void)state;
    for (uint64_t n = 0; n < 7; n++) {
        if (n == 4) continue;
        good(&z);
        zip_set(&z, z.end64 + 24, n, 8);
        zip_set(&z, z.end64 + 32, n, 8);
        zip_set(&z, z.end + 8, n, 2);
        zip_set(&z, z.end + 10, n, 2);
        refused("PZ-12", &z, n > 4 ? "entries do not fit a directory of" : "directory");
    }
    good(&z);
    zip_free(&z);
    patched("PZ-12 one of them", z.end + 10, 5, 2, "over several disks");
    patched("PZ-12 64", z.end64 + 32, 5, 8, "contradicts itself");
}

static void PZ_13_entries(void **state)
{
    zip_made z;
    (void)state;
    good(&z);
    zip_set(&z, z.end64 + 24, 65537, 8);
    zip_set(&z, z.end64 + 32, 65537, 8);
    zip_set(&z, z.end + 8, 0xffff, 2);
    zip_set(&z, z.end + 10, 0xffff, 2);
    refused("PZ-13", &z, "65537 entries; at most 65536");
}

static void PZ_14_zip64_lies(void **state)
{
    zip_made z;
    (void)state;
    good(&z);
    zip_free(&z);
    patched("PZ-14 locator itself", z.locator + 8, z.locator, 8, "the zip64 locator points at");
    patched("PZ-14 past the end", z.locator + 8, 1u << 30, 8, "the zip64 locator points at");
    patched("PZ-14 2^63", z.locator + 8, (uint64_t)1 << 63, 8, "the zip64 locator points at");
    patched("PZ-14 size 2^63", z.end64 + 40, (uint64_t)1 << 63, 8, "two end records");
    patched("PZ-14 offset 2^63", z.end64 + 48, (uint64_t)1 << 63, 8, "two end records");
    patched("PZ-14 record size", z.end64 + 4, (uint64_t)1 << 63, 8, "contradicts itself");
    good(&z);
    zip_set(&z, z.end64 + 48, (uint64_t)1 << 63, 8);
    zip_set(&z, z.end + 16, 0xffffffff, 4);
    refused("PZ-14 offset alone", &z, "but it must end at byte");
    good(&z);
    zip_set(&z, z.end64 + 40, UINT64_MAX, 8);
    zip_set(&z, z.end + 12, 0xffffffff, 4);
    refused("PZ-14 size alone", &z, "but it must end at byte");
    good(&z);                            /* a size that promises a zip64 field that is not there */
    zip_set(&z, z.central[BYTES] + 20, 0xffffffff, 4);
    zip_set(&z, z.central[BYTES] + 24, 0xffffffff, 4);
    refused("PZ-14 no field", &z, "the extra field of the directory is malformed");
}

static void PZ_15_lengths(void **state)
{
    zip_made z;
    (void)state;
    good(&z);
    zip_free(&z);
    patched("PZ-15 extra", z.local[VERSION] + 28, 60000, 2, "the local header runs past its end");
    patched("PZ-15 field", z.local[BYTES] + 30 + 8 + 2, 6, 2, "extra field of the local header");
    patched("PZ-15 offset", z.central[BYTES] + 42, 0x7fffffff, 4, "does not lie between");
    patched("PZ-15 offset", z.central[BYTES] + 42, z.end64, 4, "does not lie between");
    patched("PZ-15 name", z.central[BYTES] + 28, 60000, 2, "runs past its end");
    patched("PZ-15 comment", z.central[VERSION] + 32, 1, 2, "runs past its end");
    good(&z);
    zip_set(&z, z.central[BYTES] + 20, 5000, 4);
    zip_set(&z, z.central[BYTES] + 24, 5000, 4);
    refused("PZ-15 data", &z, "does not lie between");
    good(&z);
    zip_set(&z, z.central[VERSION] + 20, 30, 4);
    zip_set(&z, z.central[VERSION] + 24, 30, 4);
    refused("PZ-15 data", &z, "the data run past the directory");
}

/* Files whose entries are fine as a zip but not as a checkpoint. */
static void whole(const char *id, const char *pickle, size_t pickle_length, const char *storage,
                  size_t bytes, const char *order, const char *version, const char *more,
                  const char *says)
{
    zip_made z;
    zip_begin(&z);
    if (pickle) ADD(&z, "r/data.pkl", pickle, pickle_length);
    if (order) ADD(&z, "r/byteorder", order, strlen(order));
    if (storage) zip_add(&z, storage, strlen(storage), FOUR, bytes);
    if (version) ADD(&z, "r/version", version, strlen(version));
    if (more) zip_add(&z, more, strlen(more), "x", 1);
    zip_finish(&z);
    if (says) refused(id, &z, says);
    else taken(id, &z);
}

static void PZ_16_to_25(void **state)
{
    const char *p = PICKLE;
    const size_t n = sizeof PICKLE - 1;
    (void)state;
    whole("PZ-16 short", p, n, "r/data/0", 12, "little", "3\n", NULL,
          "storage \"0\" holds 12 bytes, the pickle says 16");
    whole("PZ-16 long", p, n, "r/data/0", 15, "little", "3\n", NULL, "holds 15 bytes");
    whole("PZ-17 missing", p, n, NULL, 0, "little", "3\n", NULL,
          "the bytes of storage \"0\" are missing");
    whole("PZ-17 extra", p, n, "r/data/0", 16, "little", "3\n", "r/data/1", NULL);
    whole("PZ-18 two roots", p, n, "r/data/0", 16, "little", "3\n", "s/data.pkl",
          "is not in the one folder");
    whole("PZ-18 none", NULL, 0, "r/data/0", 16, "little", "3\n", NULL, "a zip without data.pkl");
    whole("PZ-18 no folder", p, n, "r/data/0", 16, "little", "3\n", "data.pkl",
          "is not in the one folder");
    whole("PZ-20 big", p, n, "r/data/0", 16, "big", "3\n", NULL, "big-endian files are not read");
    whole("PZ-20 middle", p, n, "r/data/0", 16, "middle", "3\n", NULL, "neither little nor big");
    whole("PZ-20 none", p, n, "r/data/0", 16, NULL, "3\n", NULL, NULL);
    whole("PZ-21 3", p, n, "r/data/0", 16, "little", "3", NULL, NULL);
    whole("PZ-21 99", p, n, "r/data/0", 16, "little", "99\n", NULL, "not a version of the format");
    whole("PZ-21 0", p, n, "r/data/0", 16, "little", "0", NULL, "not a version of the format");
    whole("PZ-21 x", p, n, "r/data/0", 16, "little", "x", NULL, "is not a number");
    whole("PZ-21 empty", p, n, "r/data/0", 16, "little", "", NULL, "is not a number");
    whole("PZ-21 none", p, n, "r/data/0", 16, "little", NULL, NULL, "a zip without a version");
    whole("PZ-22 code", p, n, "r/data/0", 16, "little", "3", "r/code/x.py", "this is TorchScript");
    whole("PZ-22 constants", p, n, "r/data/0", 16, "little", "3", "r/constants.pkl", "TorchScript");
}

static void PZ_19_root_and_empty(void **state)
{
    zip_made z;
    (void)state;
    zip_begin(&z);
    ADD(&z, "\xc3\xa9 any/data.pkl", PICKLE, sizeof PICKLE - 1);
    ADD(&z, "\xc3\xa9 any/version", "3", 1);
    ADD(&z, "\xc3\xa9 any/data/0", FOUR, sizeof FOUR);
    zip_finish(&z);
    taken("PZ-19", &z);
    zip_begin(&z);
    zip_finish(&z);
    refused("no entries", &z, "a zip without data.pkl");
}

static void PZ_23_24_25(void **state)
{
    zip_made z, outer;
    rk_weights *w;
    rk_error err;
    static const char legacy[] = "\200\002\212\012l\374\234F\371 j\250P\031.\200\002M\351\003.";
    char tar[1024] = "storages";
    (void)state;
    good(&z);
    zip_begin(&outer);
    ADD(&outer, "model.bin", z.bytes.data, z.bytes.length);
    zip_finish(&outer);
    refused("PZ-23", &outer, "is not in the one folder");
    zip_begin(&outer);
    ADD(&outer, "r/model.bin", z.bytes.data, z.bytes.length);
    zip_finish(&outer);
    refused("PZ-23", &outer, "a zip without data.pkl");
    zip_free(&z);
    patched("PZ-24 disk", z.end + 4, 1, 2, "over several disks");
    patched("PZ-24 start", z.end + 6, 1, 2, "over several disks");
    patched("PZ-24 64", z.end64 + 16, 1, 4, "contradicts itself");
    patched("PZ-24 locator", z.locator + 4, 1, 4, "over several disks");
    patched("PZ-24 total", z.locator + 16, 2, 4, "over several disks");
    patched("PZ-24 entry", z.central[BYTES] + 34, 1, 2, "lies on another disk");
    scratch_write("old.bin", legacy, sizeof legacy - 1);
    assert_int_equal(rk_weights_open(&w, scratch_path("old.bin"), &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "load it there and torch.save it again"));
    memcpy(tar + 257, "ustar", 6);
    scratch_write("tar.bin", tar, sizeof tar);
    assert_int_equal(rk_weights_open(&w, scratch_path("tar.bin"), &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "a tar, PyTorch's oldest format"));
    assert_int_equal(rk_torch_zip_open(&w, scratch_path("tar.bin"), &err), RK_E_FORMAT);
}

/* Bytes that mean nothing may change (times, attributes, padding); what is read stays the same. */
static void SW_02_one_byte_changed(void **state)
{
    zip_made z;
    size_t same = 0;
    (void)state;
    good(&z);
    for (size_t i = 0; i < z.bytes.length; i++) {
        const char old = z.bytes.data[i];
        const char other[4] = {0, (char)0xff, (char)(old ^ 1), (char)(old ^ 0x80)};
        for (int k = 0; k < 4; k++) {
            rk_weights *w = NULL;
            rk_error err;
            z.bytes.data[i] = other[k];
            if (open_bytes(&w, &z, &err)) {
                assert_int_equal(err.code, RK_E_FORMAT);
                continue;
            }
            assert_int_equal(w->count, 1);
            assert_string_equal(w->tensor[0].name, "w");
            assert_int_equal(w->tensor[0].dim[0], 4);
            assert_memory_equal(w->tensor[0].data, FOUR, sizeof FOUR);
            rk_weights_close(w);
            same++;
        }
        z.bytes.data[i] = old;
    }
    assert_true(same > 0);
    zip_free(&z);
}

static void many_bad_loads_then_a_good_one(void **state)
{
    zip_made z;
    rk_weights *w;
    rk_error err;
    (void)state;
    good(&z);
    scratch_write("good.bin", z.bytes.data, z.bytes.length);
    z.bytes.data[z.data[PKL] + 20] ^= 1;
    scratch_write("bad.bin", z.bytes.data, z.bytes.length);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(rk_torch_zip_open(&w, scratch_path("bad.bin"), &err), RK_E_FORMAT);
    assert_int_equal(rk_torch_zip_open(&w, scratch_path("good.bin"), &err), RK_OK);
    rk_weights_close(w);
    for (size_t n = 0;; n++) {                    /* every allocation of ours may fail */
        rk_status st;
        rk_mem_fail_at(n, false);
        st = rk_torch_zip_open(&w, scratch_path("good.bin"), &err);
        rk_mem_fail_at(SIZE_MAX, false);
        rk_weights_close(w);
        if (!st) break;
        assert_int_equal(st, RK_E_MEMORY);
    }
    zip_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files), cmocka_unit_test(PZ_01_cut),
        cmocka_unit_test(PZ_02_03_around), cmocka_unit_test(PZ_04_headers_disagree),
        cmocka_unit_test(PZ_05_flags), cmocka_unit_test(PZ_06_07_crc),
        cmocka_unit_test(PZ_08_compressed), cmocka_unit_test(PZ_09_overlap),
        cmocka_unit_test(PZ_10_11_names), cmocka_unit_test(PZ_12_counts),
        cmocka_unit_test(PZ_13_entries),
        cmocka_unit_test(PZ_14_zip64_lies), cmocka_unit_test(PZ_15_lengths),
        cmocka_unit_test(PZ_16_to_25), cmocka_unit_test(PZ_19_root_and_empty),
        cmocka_unit_test(PZ_23_24_25), cmocka_unit_test(SW_02_one_byte_changed),
        cmocka_unit_test(many_bad_loads_then_a_good_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
