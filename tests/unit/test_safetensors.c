/* links: base file */
/* The malformations of the safetensors format, one row each; IDs as in the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "file/weights.h"
#include "support/scratch.h"

#define X4 "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"

static void put_length(rk_buffer *b, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        const char c = (char)(n >> (8 * i));
        rk_buffer_put(b, &c, 1);
    }
}

/* A file of a header text and so many bytes of data: 0, 1, 2, ... */
static void make(rk_buffer *b, const char *header, size_t header_length, size_t data)
{
    rk_buffer_clear(b);
    put_length(b, header_length);
    rk_buffer_put(b, header, header_length);
    for (size_t i = 0; i < data; i++) {
        const char c = (char)i;
        rk_buffer_put(b, &c, 1);
    }
}

static rk_status open_bytes(rk_weights **w, const rk_buffer *b, rk_error *err)
{
    const char *path = scratch_write("t.safetensors", b->length ? b->data : "", b->length);
    memset(err, 0, sizeof *err);
    return rk_safetensors_open(w, path, err);
}

/* Refused as bad input, in one line that names the file and says `says`. */
static void refused(const char *id, const rk_buffer *b, const char *says)
{
    rk_weights *w = (rk_weights *)&w;
    rk_error err;
    const rk_status st = open_bytes(&w, b, &err);
    if (st != RK_E_FORMAT || err.code != st || w || !strstr(err.message, says) ||
        !strstr(err.message, "t.safetensors:") || strpbrk(err.message, "\n\x1b"))
        fail_msg("%s: %s: \"%s\", wanted \"%s\"", id, rk_status_name(st), err.message, says);
}

static rk_weights *accepted(const char *id, const rk_buffer *b)
{
    rk_weights *w = NULL;
    rk_error err;
    if (open_bytes(&w, b, &err)) fail_msg("%s: %s", id, err.message);
    return w;
}

typedef struct row {
    const char *id, *header;
    size_t data;
    const char *says;        /* NULL: accepted */
} row;

#define U8(rest) "{\"dtype\":\"U8\",\"shape\":[" rest "}"
#define TWO(a, b) "{\"a\":" U8(a) ",\"b\":" U8(b) "}"
#define ONE(dtype, shape, offsets)                                                                 \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define F32(shape, offsets) ONE("\"F32\"", shape, offsets)

static const row ROWS[] = {
    {"good", "{\"x\":" X4 "}", 4, NULL},
    {"ST-07 list", "[]", 0, "must be a JSON object"},
    {"ST-07 null", "null", 0, "safetensors:1: not valid JSON at column 4"},
    {"ST-07 string", "\"x\"", 0, "safetensors:1: not valid JSON at column 3"},
    {"ST-07 cut", "{ ", 0, "safetensors:1: not valid JSON"},
    {"ST-08 BOM", "\xef\xbb\xbf{}", 0, "not valid JSON"},
    {"ST-09 blanks", " \t\r\n{\"x\":" X4 "} \t\r\n", 4, NULL},
    {"ST-06 FF", "{\"\xff\":" X4 "}", 4, "not UTF-8 at byte 2"},
    {"ST-11 twice", "{\"x\":" U8("4],\"data_offsets\":[0,4]") ",\"x\":" X4 "}", 4,
     "duplicate object key near '\"x\"'"},
    {"ST-12 escape", "{\"x\":" X4 ",\"\\u0078\":" X4 "}", 4, "duplicate object key"},
    {"ST-13 backwards", F32("[4]", "[16,0]"), 16,
     "tensor \"x\": data_offsets [16, 0] run backwards"},
    {"ST-14 overlap", TWO("4],\"data_offsets\":[0,4]", "4],\"data_offsets\":[3,7]"), 7,
     "\"a\" and \"b\" overlap: one ends at 4, the other starts at 3"},
    {"ST-16 hole", TWO("4],\"data_offsets\":[0,4]", "4],\"data_offsets\":[5,9]"), 9,
     "tensor \"b\" starts at 5; 1 bytes before it belong to none"},
    {"ST-17 first at 4", F32("[1]", "[4,8]"), 8, "tensor \"x\" starts at 4; 4 bytes before it"},
    {"ST-18 tail of 1", "{\"x\":" X4 "}", 5, "1 bytes after the last tensor"},
    {"ST-18 tail of 34", "{\"x\":" X4 "}", 38, "34 bytes after the last tensor"},
    {"ST-19 short", "{\"x\":" X4 "}", 2, "holds 2 bytes of data: 2 are missing, the file is trunc"},
    {"ST-20 negative", F32("[1]", "[-4,0]"), 4, "\"data_offsets\" must be two whole numbers"},
    {"ST-20 fraction", F32("[1]", "[0.5,4.5]"), 4, "\"data_offsets\" must be"},
    {"ST-20 real", F32("[1]", "[0.0,4.0]"), 4, "\"data_offsets\" must be"},
    {"ST-20 string", F32("[1]", "[\"0\",\"4\"]"), 4, "\"data_offsets\" must be"},
    {"ST-20 1e3", F32("[250]", "[0,1e3]"), 1000, "\"data_offsets\" must be"},
    {"ST-20 1e400", F32("[1]", "[0,1e400]"), 4, "real number overflow"},
    {"ST-20 2^64", F32("[1]", "[0,18446744073709551616]"), 4, "\"data_offsets\" must be"},
    {"ST-20 one", F32("[1]", "[4]"), 4, "\"data_offsets\" must be"},
    {"ST-20 three", F32("[1]", "[0,4,4]"), 4, "\"data_offsets\" must be"},
    {"ST-20 absent", "{\"x\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"data_offsets\" must be"},
    {"ST-21 2^64-2", F32("[2,18446744073709551614]", "[0,4]"), 4, "below 2^63"},
    {"ST-21 2^63-1", F32("[2,9223372036854775807]", "[0,4]"), 4, "of F32 overflows"},
    {"ST-21 2^32", ONE("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "of U8 overflows"},
    {"ST-22 one less", F32("[2,2]", "[0,12]"), 12,
     "tensor \"x\": 12 bytes but shape [2, 2] of F32 needs 16"},
    {"ST-22 one more", F32("[2,2]", "[0,20]"), 20, "20 bytes but shape [2, 2] of F32 needs 16"},
    {"ST-23 zero", TWO("4],\"data_offsets\":[0,4]", "0,7],\"data_offsets\":[4,4]"), 4, NULL},
    {"ST-24 shared start", TWO("4],\"data_offsets\":[0,4]", "0],\"data_offsets\":[0,0]"), 4, NULL},
    {"ST-24 inside", TWO("4],\"data_offsets\":[0,4]", "0],\"data_offsets\":[2,2]"), 4, "overlap"},
    {"ST-25 zero first", F32("[0,9223372036854775807]", "[0,0]"), 0, NULL},
    {"ST-25 zero first, 2^65", F32("[0,4611686018427387904,8]", "[0,0]"), 0, NULL},
    {"ST-25 zero last", F32("[4611686018427387904,8,0]", "[0,0]"), 0, "overflows"},
    {"ST-25 2^63", F32("[9223372036854775808,4,0]", "[0,0]"), 0, "below 2^63"},
    {"ST-26 scalar", F32("[]", "[0,4]"), 4, NULL},
    {"ST-27 rank 8", F32("[1,1,1,1,1,1,1,1]", "[0,4]"), 4, NULL},
    {"ST-27 rank 9", F32("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "9 dimensions; at most 8"},
    {"shape object", F32("{}", "[0,4]"), 4, "\"shape\" must be a list"},
    {"shape negative", F32("[-1]", "[0,4]"), 4, "\"shape\" must be"},
    {"ST-28 F33", ONE("\"F33\"", "[1]", "[0,4]"), 4, "tensor \"x\": dtype \"F33\" is not known"},
    {"ST-28 lower case", ONE("\"f32\"", "[1]", "[0,4]"), 4, "dtype \"f32\" is not known"},
    {"ST-28 number", ONE("32", "[1]", "[0,4]"), 4, "\"dtype\" must be a string"},
    {"ST-28 missing", "{\"x\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"dtype\" must be"},
    {"ST-29 F8", ONE("\"F8_E4M3\"", "[4]", "[0,4]"), 4, NULL},
    {"ST-29 C64", ONE("\"C64\"", "[1]", "[0,8]"), 8, NULL},
    {"ST-29 F8 length", ONE("\"F8_E4M3\"", "[3]", "[0,4]"), 4, "needs 3"},
    {"ST-29 U16", ONE("\"U16\"", "[2]", "[0,4]"), 4, NULL},
    {"ST-30 F4 whole", ONE("\"F4\"", "[2]", "[0,1]"), 1, NULL},
    {"ST-30 F4 half", ONE("\"F4\"", "[3]", "[0,2]"), 2, "does not fill whole bytes"},
    {"ST-32 number", "{\"__metadata__\":{\"a\":1},\"x\":" X4 "}", 4, "\"a\" must be a string"},
    {"ST-32 nested", "{\"__metadata__\":{\"a\":{}},\"x\":" X4 "}", 4, "\"a\" must be a string"},
    {"ST-32 list", "{\"__metadata__\":[],\"x\":" X4 "}", 4, "must be an object of strings"},
    {"ST-33 twice", "{\"__metadata__\":{},\"__metadata__\":{},\"x\":" X4 "}", 4, "duplicate"},
    {"ST-33 tensor", "{\"__metadata__\":" X4 "}", 4, "\"shape\" must be a string"},
    {"ST-34 extra key", "{\"x\":{\"more\":[{}],\"dtype\":\"F32\",\"shape\":[1],"
                        "\"data_offsets\":[0,4]}}", 4, NULL},
    {"ST-36 empty", "{\"\":" X4 "}", 4, "the name is empty"},
    {"ST-36 NUL", "{\"a\\u0000\":" X4 "}", 4, "safetensors:1: not valid JSON"},
    {"ST-36 newline", "{\"a\\n\":" X4 "}", 4,
     "tensor \"a\\x0a\": the name is empty or has control"},
    {"ST-36 DEL", "{\"a\x7f\":" X4 "}", 4, "tensor \"a\\x7f\": "},
    {"ST-36 ESC", "{\"\\u001b[31m\":" X4 "}", 4, "tensor \"\\x1b[31m\": "},
    {"entry number", "{\"x\":1}", 0, "must be an object with dtype"},
    {"no tensors", "{}", 0, NULL},
    {"metadata null", "{\"__metadata__\":null,\"x\":" X4 "}", 4, NULL},
};

static void table(void **state)
{
    rk_buffer b = {0};
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const row *r = &ROWS[i];
        make(&b, r->header, strlen(r->header), r->data);
        if (r->says) refused(r->id, &b, r->says);
        else rk_weights_close(accepted(r->id, &b));
    }
    rk_buffer_free(&b);
}

static void ST_01_to_05_header_length(void **state)
{
    static const struct {
        const char *id;
        uint64_t length;
    } rows[] = {{"ST-02 0", 0},
                {"ST-02 1", 1},
                {"ST-03 one past", 11},
                {"ST-04 cap + 1", 100000001},
                {"ST-05 2^63", (uint64_t)1 << 63},
                {"ST-05 2^64-1", UINT64_MAX},
                {"ST-05 2^64-8", UINT64_MAX - 7}};
    rk_buffer b = {0};
    char says[80];
    (void)state;
    rk_buffer_put(&b, "\2\0\0\0\0\0\0", 7);
    refused("ST-01", &b, "7 bytes; the header's length alone takes 8");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rk_buffer_clear(&b);
        put_length(&b, rows[i].length);
        rk_buffer_puts(&b, "{}        ");
        snprintf(says, sizeof says, "header of %llu bytes in a file of 18",
                 (unsigned long long)rows[i].length);
        rk_mem_fail_at(64, true);          /* and no large allocation is needed to say so */
        refused(rows[i].id, &b, says);
        rk_mem_fail_at(SIZE_MAX, false);
    }
    rk_buffer_free(&b);
}

/* The whole cap in blanks; one more is refused though it is there. */
static void ST_04_cap(void **state)
{
    enum { CAP = 100000000 };
    char *text = malloc(CAP);
    rk_buffer b = {0};
    rk_weights *w;
    rk_error err;
    const char *path;
    FILE *f;
    (void)state;
    assert_non_null(text);
    memset(text, ' ', CAP);
    memcpy(text, "{\"x\":" X4 "}", strlen("{\"x\":" X4 "}"));
    make(&b, text, CAP, 4);
    rk_weights_close(accepted("ST-04", &b));
    free(text);
    rk_buffer_free(&b);
    path = scratch_path("t.safetensors");
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fputc((CAP + 1) & 255, f), (CAP + 1) & 255);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(fputc(0, f), 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rk_safetensors_open(&w, path, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "header of 100000001 bytes in a file of 100000013"));
    unlink(path);
}

static void ST_10_nul_after_the_brace(void **state)
{
    static const char header[] = "{\"x\":" X4 "}\0 ";
    rk_buffer b = {0};
    (void)state;
    make(&b, header, sizeof header - 1, 4);
    refused("ST-10", &b, "safetensors:1: not valid JSON");
    rk_buffer_free(&b);
}

static void ST_15_ten_on_one_place(void **state)
{
    rk_buffer b = {0}, text = {0};
    (void)state;
    rk_buffer_puts(&text, "{");
    for (int i = 0; i < 10; i++)
        rk_buffer_printf(&text, "%s\"t%d\":" U8("16],\"data_offsets\":[0,16]"), i ? "," : "", i);
    rk_buffer_puts(&text, "}");
    make(&b, text.data, text.length, 16);
    refused("ST-15", &b, "\"t0\" and \"t1\" overlap");
    rk_buffer_free(&text);
    rk_buffer_free(&b);
}

static void ST_27_and_37_deep_and_wide(void **state)
{
    rk_buffer b = {0}, text = {0};
    (void)state;
    rk_buffer_puts(&text, "{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,4],\"shape\":[1");
    for (int i = 1; i < 10000; i++) rk_buffer_puts(&text, ",1");
    rk_buffer_puts(&text, "]}}");
    make(&b, text.data, text.length, 4);
    refused("ST-27", &b, "10000 dimensions");
    rk_buffer_clear(&text);
    rk_buffer_puts(&text, "{\"x\":");
    for (int i = 0; i < 100000; i++) rk_buffer_puts(&text, "[");
    make(&b, text.data, text.length, 4);
    refused("ST-37", &b, "nested deeper than 64");
    /* a small text that would become a tree of a hundred times its size */
    rk_buffer_clear(&text);
    rk_buffer_puts(&text, "{\"x\":[");
    for (int i = 0; i < 70000; i++) rk_buffer_puts(&text, "1,");
    rk_buffer_puts(&text, "1]}");
    make(&b, text.data, text.length, 4);
    refused("values", &b, "more values than");
    rk_buffer_clear(&text);
    rk_buffer_puts(&text, "{\"x\":[");
    for (int i = 0; i < 200000; i++) rk_buffer_puts(&text, "[],");
    rk_buffer_puts(&text, "1]}");
    make(&b, text.data, text.length, 4);
    refused("values", &b, "more values than");
    rk_buffer_free(&text);
    rk_buffer_free(&b);
}

static void ST_35_how_many(void **state)
{
    rk_buffer b = {0}, text = {0};
    (void)state;
    for (int n = 65536; n <= 65537; n++) {
        rk_buffer_clear(&text);
        for (int i = 0; i < n; i++)
            rk_buffer_printf(&text, "%s\"%d\":" U8("0],\"data_offsets\":[0,0]"), i ? "," : "{",
                             i);
        rk_buffer_puts(&text, "}");
        make(&b, text.data, text.length, 0);
        if (n == 65536) {
            rk_weights *w = accepted("ST-35", &b);
            assert_int_equal(w->count, 65536);
            assert_string_equal(w->tensor[65535].name, "65535");
            rk_weights_close(w);
        } else {
            refused("ST-35", &b, "65537 tensors; at most 65536");
        }
    }
    rk_buffer_free(&text);
    rk_buffer_free(&b);
}

static void ST_36_long_names(void **state)
{
    rk_buffer b = {0}, text = {0};
    (void)state;
    for (int n = 1024; n <= 1025; n++) {
        rk_buffer_clear(&text);
        rk_buffer_puts(&text, "{\"");
        for (int i = 0; i < n; i++) rk_buffer_puts(&text, "n");
        rk_buffer_puts(&text, "\":" X4 "}");
        make(&b, text.data, text.length, 4);
        if (n == 1024) rk_weights_close(accepted("ST-36", &b));
        else refused("ST-36", &b, "nnn...\": the name is longer than 1024 bytes");
    }
    rk_buffer_free(&text);
    rk_buffer_free(&b);
}

/* What is accepted is what the file says, in the header's order, pointing into the map. */
static void content(void **state)
{
    static const char header[] =
        "{\"late\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[6,14]},"
        "\"early\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[0,6]},"
        "\"__metadata__\":{\"format\":\"pt\"}}";
    rk_buffer b = {0};
    rk_weights *w;
    const rk_tensor *t;
    (void)state;
    make(&b, header, sizeof header - 1, 14);
    w = accepted("content", &b);
    assert_int_equal(w->count, 2);
    assert_string_equal(w->tensor[0].name, "late");
    t = rk_weights_find(w, "early");
    assert_ptr_equal(t, &w->tensor[1]);
    assert_int_equal(t->type, RK_DT_BF16);
    assert_int_equal(t->rank, 1);
    assert_int_equal(t->dim[0], 3);
    assert_int_equal(t->bytes, 6);
    assert_memory_equal(t->data, "\0\1\2\3\4\5", 6);
    assert_memory_equal(w->tensor[0].data, "\6\7\10\11\12\13\14\15", 8);
    assert_string_equal(json_string_value(json_object_get(w->metadata, "format")), "pt");
    assert_null(rk_weights_find(w, "absent"));
    assert_null(w->note);
    rk_weights_close(w);
    rk_weights_close(NULL);
    rk_buffer_free(&b);
}

/* ---- sweeps ---- */

static const char SEED[] = "{\"__metadata__\":{\"a\":\"b\"},"
                           "\"w.x\":{\"dtype\":\"F32\",\"shape\":[2,1],"
                           "\"data_offsets\":[4,12]},\"b\":{\"dtype\":\"F16\",\"shape\":[2],"
                           "\"data_offsets\":[0,4]}}";

static void SW_01_truncated(void **state)
{
    rk_buffer b = {0};
    (void)state;
    make(&b, SEED, sizeof SEED - 1, 12);
    rk_weights_close(accepted("SW-01", &b));
    while (b.length > 1) {
        b.length--;
        refused("SW-01", &b, "");
    }
    rk_buffer_free(&b);
}

/* Accepted only with sizes that fit; the reference reader is asked in parity/test_weights.py. */
static void SW_02_one_byte_changed(void **state)
{
    rk_buffer b = {0};
    size_t taken = 0, total = 0;
    (void)state;
    make(&b, SEED, sizeof SEED - 1, 12);
    for (size_t i = 0; i < b.length; i++) {
        const char old = b.data[i];
        const char other[4] = {0, (char)0xff, (char)(old ^ 1), (char)(old ^ 0x80)};
        for (int k = 0; k < 4; k++) {
            rk_weights *w = NULL;
            rk_error err;
            size_t bytes = 0;
            b.data[i] = other[k];
            total++;
            if (open_bytes(&w, &b, &err)) {
                assert_int_equal(err.code, RK_E_FORMAT);
                assert_null(w);
                continue;
            }
            for (size_t t = 0; t < w->count; t++) bytes += w->tensor[t].bytes;
            assert_int_equal(bytes, 12);
            rk_weights_close(w);
            taken++;
        }
        b.data[i] = old;
    }
    /* names, metadata and the data themselves may change; lengths, types and offsets may not */
    assert_in_range(taken, 1, total / 3);
    rk_buffer_free(&b);
}

static void SW_04_appended(void **state)
{
    rk_buffer b = {0};
    char zeros[4096] = {0}, spaces[4096], copy[512];
    size_t n;
    (void)state;
    memset(spaces, ' ', sizeof spaces);
    make(&b, SEED, sizeof SEED - 1, 12);
    n = b.length;
    memcpy(copy, b.data, n);
    rk_buffer_put(&b, "\0", 1);
    refused("SW-04 byte", &b, "1 bytes after");
    make(&b, SEED, sizeof SEED - 1, 12);
    rk_buffer_put(&b, zeros, sizeof zeros);
    refused("SW-04 zeros", &b, "4096 bytes after");
    make(&b, SEED, sizeof SEED - 1, 12);
    rk_buffer_put(&b, spaces, sizeof spaces);
    refused("SW-04 spaces", &b, "4096 bytes after");
    make(&b, SEED, sizeof SEED - 1, 12);
    rk_buffer_put(&b, copy, n);
    refused("SW-04 copy", &b, "bytes after");
    rk_buffer_free(&b);
}

static void many_bad_loads_then_a_good_one(void **state)
{
    rk_buffer bad = {0}, good = {0};
    rk_weights *w;
    rk_error err, first;
    (void)state;
    make(&good, SEED, sizeof SEED - 1, 12);
    make(&bad, SEED, sizeof SEED - 1, 11);
    scratch_write("good.safetensors", good.data, good.length);
    open_bytes(&w, &bad, &first);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(rk_safetensors_open(&w, scratch_path("t.safetensors"), &err), RK_E_FORMAT);
        assert_string_equal(err.message, first.message);
    }
    assert_int_equal(rk_safetensors_open(&w, scratch_path("good.safetensors"), &err), RK_OK);
    rk_weights_close(w);
    rk_buffer_free(&bad);
    rk_buffer_free(&good);
}

static void every_allocation_may_fail(void **state)
{
    rk_buffer b = {0};
    const char *path;
    size_t n = 0;
    (void)state;
    make(&b, SEED, sizeof SEED - 1, 12);
    path = scratch_write("m.safetensors", b.data, b.length);
    for (;; n++) {
        rk_weights *w = NULL;
        rk_error err;
        rk_status st;
        rk_mem_fail_at(n, false);
        st = rk_safetensors_open(&w, path, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        rk_weights_close(w);
        if (!st) break;
        assert_int_equal(st, RK_E_MEMORY);
        assert_null(w);
    }
    assert_in_range(n, 3, 100);
    rk_buffer_free(&b);
}

/* ---- writing ---- */

static void save_and_read(void **state)
{
    static const uint8_t u8[3] = {1, 2, 3};
    static const float f32[6] = {0, 1, 2, 3, 4, 5};
    static const int64_t i64[1] = {-9};
    const rk_tensor t[] = {
        {"codes", RK_DT_U8, 1, {3}, u8, 3},      {"w", RK_DT_F32, 2, {2, 3}, f32, 24},
        {"none", RK_DT_F32, 2, {0, 5}, NULL, 0}, {"one", RK_DT_I64, 0, {0}, i64, 8},
        {"\xc3\xa9 \"q\"", RK_DT_BOOL, 1, {1}, u8, 1}};
    json_t *metadata = json_pack("{s:s}", "format", "pt");
    const char *path = scratch_path("saved.safetensors");
    rk_weights *w;
    rk_error err;
    char *first, *second;
    size_t n = 0, m = 0;
    (void)state;
    assert_int_equal(rk_safetensors_save(path, t, 5, metadata, &err), RK_OK);
    first = scratch_read(path, &n);
    assert_int_equal(rk_safetensors_open(&w, path, &err), RK_OK);
    assert_int_equal(w->count, 5);
    for (size_t i = 0; i < 5; i++) {
        const rk_tensor *got = &w->tensor[i];
        assert_string_equal(got->name, t[i].name);
        assert_int_equal(got->type, t[i].type);
        assert_int_equal(got->rank, t[i].rank);
        assert_memory_equal(got->dim, t[i].dim, t[i].rank * sizeof(size_t));
        assert_int_equal(got->bytes, t[i].bytes);
        if (t[i].bytes) assert_memory_equal(got->data, t[i].data, t[i].bytes);
        assert_int_equal((uintptr_t)got->data % rk_dtype_size(got->type), 0);
    }
    assert_true(json_equal(w->metadata, metadata));
    /* SV-19: the same bytes on every run; and over the file that is mapped */
    assert_int_equal(rk_safetensors_save(path, w->tensor, 5, metadata, &err), RK_OK);
    second = scratch_read(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    rk_weights_close(w);
    free(first);
    free(second);
    json_decref(metadata);
}

static void save_refuses(void **state)
{
    static const float f[4] = {0};
    const rk_tensor bad[] = {
        {"", RK_DT_F32, 1, {1}, f, 4},          {"a\n", RK_DT_F32, 1, {1}, f, 4},
        {"\xff", RK_DT_F32, 1, {1}, f, 4},      {"__metadata__", RK_DT_F32, 1, {1}, f, 4},
        {"x", RK_DT_NONE, 1, {1}, f, 4},        {"x", RK_DT_F32, 9, {1}, f, 4},
        {"x", RK_DT_F32, 1, {2}, f, 4},         {"x", RK_DT_F32, 1, {1}, NULL, 4},
        {"x", RK_DT_F32, 2, {SIZE_MAX, 2}, f, 4}};
    const rk_tensor twice[] = {{"x", RK_DT_F32, 1, {1}, f, 4}, {"x", RK_DT_F32, 1, {1}, f, 4}};
    json_t *number = json_pack("{s:i}", "format", 1);
    const char *path = scratch_path("no.safetensors");
    rk_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rk_safetensors_save(path, &bad[i], 1, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_safetensors_save(path, twice, 2, NULL, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "two tensors are named \"x\""));
    assert_int_equal(rk_safetensors_save(path, twice, 1, number, &err), RK_E_ARG);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rk_safetensors_save(scratch_path("no/x"), twice, 1, NULL, &err), RK_E_OUTPUT);
    json_decref(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table), cmocka_unit_test(ST_01_to_05_header_length),
        cmocka_unit_test(ST_04_cap), cmocka_unit_test(ST_10_nul_after_the_brace),
        cmocka_unit_test(ST_15_ten_on_one_place), cmocka_unit_test(ST_27_and_37_deep_and_wide),
        cmocka_unit_test(ST_35_how_many), cmocka_unit_test(ST_36_long_names),
        cmocka_unit_test(content), cmocka_unit_test(SW_01_truncated),
        cmocka_unit_test(SW_02_one_byte_changed), cmocka_unit_test(SW_04_appended),
        cmocka_unit_test(many_bad_loads_then_a_good_one),
        cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(save_and_read),
        cmocka_unit_test(save_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
