/* links: base */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/dtype.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/utf8.h"
#include "support/scratch.h"

/* ---- half-width floats ---- */

/* The value of a binary16 pattern from its definition; the pattern of infinity counts as the next
 * power of two, which is what rounding compares with. */
static double half_value(unsigned h)
{
    const unsigned e = h >> 10 & 31, f = h & 1023;
    const double v = e ? ldexp(1024 + f, (int)e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -v : v;
}

static void half_all_patterns(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        const float x = rk_f16_to_f32((uint16_t)h);
        const unsigned back = rk_f16_from_f32(x);
        if ((h & 0x7fff) > 0x7c00) {
            assert_true(isnan(x));
            assert_true((back & 0x7fff) > 0x7c00);
            assert_int_equal(back & 0x8000, h & 0x8000);
        } else {
            if ((h & 0x7fff) == 0x7c00) assert_true(isinf(x));
            else assert_true((double)x == half_value(h));
            assert_int_equal(!!signbit(x), h >> 15);
            assert_int_equal(back, h);
        }
    }
}

/* Between each two neighbours: halfway goes to the even one, the next float on each side to the
 * nearer one. The last pair is the largest finite value and infinity. */
static void half_ties(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++) {
        const float middle = (float)((half_value(h) + half_value(h + 1)) / 2);
        const unsigned even = h & 1 ? h + 1 : h;
        assert_true((double)middle == (half_value(h) + half_value(h + 1)) / 2);
        assert_int_equal(rk_f16_from_f32(middle), even);
        assert_int_equal(rk_f16_from_f32(nextafterf(middle, 0)), h);
        assert_int_equal(rk_f16_from_f32(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(rk_f16_from_f32(-middle), even | 0x8000);
        assert_int_equal(rk_f16_from_f32(nextafterf(-middle, 0)), h | 0x8000);
        assert_int_equal(rk_f16_from_f32(nextafterf(-middle, -INFINITY)), (h + 1) | 0x8000);
    }
    assert_int_equal(rk_f16_from_f32(65504.0f), 0x7bff);
    assert_int_equal(rk_f16_from_f32(65520.0f), 0x7c00);
    assert_int_equal(rk_f16_from_f32(FLT_MAX), 0x7c00);
    assert_int_equal(rk_f16_from_f32(FLT_TRUE_MIN), 0);
    assert_int_equal(rk_f16_from_f32(-0.0f), 0x8000);
}

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void bfloat_all_patterns_and_ties(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float x = rk_bf16_to_f32((uint16_t)h);
        const uint32_t next = h + 1, even = h & 1 ? next : h;
        if ((h & 0x7fff) > 0x7f80) {
            assert_true(isnan(x) && (rk_bf16_from_f32(x) & 0x7fff) > 0x7f80);
            continue;
        }
        assert_int_equal(rk_bf16_from_f32(x), h);
        if ((h & 0x7fff) == 0x7f80) continue;
        assert_int_equal(rk_bf16_from_f32(from_bits(h << 16 | 0x8000)), even);
        assert_int_equal(rk_bf16_from_f32(from_bits(h << 16 | 0x7fff)), h);
        assert_int_equal(rk_bf16_from_f32(from_bits(h << 16 | 0x8001)), next);
    }
    /* a NaN whose bits would round up to infinity or to zero */
    assert_true((rk_bf16_from_f32(from_bits(0x7f800001)) & 0x7fff) > 0x7f80);
    assert_true((rk_bf16_from_f32(from_bits(0xffffffff)) & 0x7fff) > 0x7f80);
}

static void to_f32_of_each_type(void **state)
{
    static const double d[3] = {1.5, -2, 1e300};
    static const float f[3] = {1.5f, -2, 3};
    static const uint16_t h[3] = {0x3e00, 0xc000, 0x0001}, b[3] = {0x3fc0, 0xc000, 0x7f80};
    char shifted[13];
    float out[3];
    (void)state;
    memcpy(shifted + 1, f, sizeof f);
    rk_to_f32(out, shifted + 1, RK_DT_F32, 3);       /* not aligned, as in a file */
    assert_true(out[0] == 1.5f && out[1] == -2 && out[2] == 3);
    rk_to_f32(out, h, RK_DT_F16, 3);
    assert_true(out[0] == 1.5f && out[1] == -2 && out[2] == 0x1p-24f);
    rk_to_f32(out, b, RK_DT_BF16, 3);
    assert_true(out[0] == 1.5f && out[1] == -2 && isinf(out[2]));
    rk_to_f32(out, d, RK_DT_F64, 3);
    assert_true(out[0] == 1.5f && out[1] == -2 && isinf(out[2]));
    assert_string_equal(rk_dtype_name(RK_DT_BF16), "BF16");
    assert_string_equal(rk_dtype_name(RK_DT_BOOL), "BOOL");
    assert_int_equal(rk_dtype_size(RK_DT_I64), 8);
    assert_int_equal(rk_dtype_size(RK_DT_BOOL), 1);
    assert_int_equal(rk_dtype_size((rk_dtype)99), 0);
}

/* ---- UTF-8 ---- */

static void utf8_round_trip(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char text[4];
        uint32_t back = 0;
        size_t n;
        if (cp >= 0xd800 && cp < 0xe000) continue;
        n = rk_utf8_encode(text, cp);
        assert_int_equal(rk_utf8_decode(&back, text, n), n);
        assert_int_equal(back, cp);
        assert_int_equal(rk_utf8_length(text, n - 1), 0);
    }
}

static void utf8_bad(void **state)
{
    static const char *const bad[] = {"\x80",         "\xc0\x80",         "\xc1\xbf",
                                      "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
                                      "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xff",         "\xc3(",            "\xe2\x82(",
                                      "\xf0\x9f\x98", "\xfe"};
    size_t at = 9;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rk_utf8_length(bad[i], strlen(bad[i])), 0);
    assert_true(rk_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10, NULL));
    assert_false(rk_utf8_valid("ab\xc3", 3, &at));
    assert_int_equal(at, 2);
    assert_true(rk_utf8_valid("", 0, NULL));
}

/* ---- messages ---- */

static void quote(void **state)
{
    char out[RK_QUOTE_SIZE], text[400];
    (void)state;
    assert_string_equal(rk_quote(out, "plain \xc3\xa9", 8), "plain \xc3\xa9");
    assert_string_equal(rk_quote(out, "\x1b[31m\n\t\x7f", 8), "\\x1b[31m\\x0a\\x09\\x7f");
    assert_string_equal(rk_quote(out, "a\0b", 3), "a\\x00b");
    assert_string_equal(rk_quote(out, "\xff\xc3", 2), "\\xff\\xc3");
    assert_string_equal(rk_quote(out, "\xc2\x9b" "m", 3), "\\xc2\\x9bm");    /* C1 escape */
    assert_string_equal(rk_quote(out, "", 0), "");
    memset(text, 'x', sizeof text);
    rk_quote(out, text, 120);
    assert_int_equal(strlen(out), 120);
    rk_quote(out, text, 121);
    assert_int_equal(strlen(out), 123);
    assert_string_equal(out + 120, "...");
    memcpy(text + 118, "\xe2\x82\xac", 3);                    /* would end past the cut */
    rk_quote(out, text, 400);
    assert_string_equal(out + 116, "xx...");
    memset(text, 1, sizeof text);
    rk_quote(out, text, sizeof text);
    assert_int_equal(strlen(out), 4 * 120 + 3);
}

static void fail_lines(void **state)
{
    rk_error err;
    char text[3000];
    (void)state;
    assert_int_equal(rk_fail(&err, RK_E_FORMAT, "a\nb %d", 7), RK_E_FORMAT);
    assert_string_equal(err.message, "a b 7");
    assert_int_equal(rk_fail_prefix(&err, RK_E_IO, "%s: ", "f"), RK_E_FORMAT);
    assert_string_equal(err.message, "f: a b 7");
    assert_int_equal(rk_fail(NULL, RK_E_IO, "x"), RK_E_IO);
    assert_int_equal(rk_fail_prefix(NULL, RK_E_IO, "x"), RK_E_IO);
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    rk_fail(&err, RK_E_ARG, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    rk_fail_prefix(&err, RK_E_ARG, "%s", text);
    assert_true(strlen(err.message) < sizeof err.message);
    assert_string_equal(rk_status_name(RK_E_UNSUPPORTED), "RK_E_UNSUPPORTED");
    assert_string_equal(rk_status_name((rk_status)77), "RK_E_UNKNOWN");
}

/* ---- buffer ---- */

static void buffer(void **state)
{
    rk_buffer b = {0};
    char *text;
    (void)state;
    text = rk_buffer_take(&b);
    assert_string_equal(text, "");
    rk_free(text);
    for (int i = 0; i < 1000; i++) rk_buffer_printf(&b, "%d,", i);
    assert_int_equal(b.length, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(b.data), b.length);
    rk_buffer_put(&b, "\0x", 2);
    assert_int_equal(b.length, 3892);
    rk_buffer_clear(&b);
    rk_buffer_puts(&b, "hello");
    text = rk_buffer_take(&b);
    assert_string_equal(text, "hello");
    assert_null(b.data);
    rk_free(text);
    rk_buffer_free(&b);
}

static void buffer_out_of_memory(void **state)
{
    rk_buffer b = {0};
    (void)state;
    rk_buffer_puts(&b, "first");
    rk_mem_fail_at(0, true);
    for (int i = 0; i < 100; i++) rk_buffer_puts(&b, "and more than fits the first block");
    rk_mem_fail_at(SIZE_MAX, false);
    assert_true(b.failed);
    rk_buffer_puts(&b, "still failed");
    assert_null(rk_buffer_take(&b));
    assert_false(b.failed);
}

static void memory(void **state)
{
    size_t n = 0;
    void *p;
    (void)state;
    assert_false(rk_mul(&n, SIZE_MAX / 2 + 1, 2));
    assert_true(rk_mul(&n, SIZE_MAX, 0) && n == 0);
    assert_true(rk_mul(&n, SIZE_MAX, 1) && n == SIZE_MAX);
    assert_false(rk_add(&n, SIZE_MAX, 1));
    assert_null(rk_calloc(SIZE_MAX / 2, 4));
    assert_null(rk_realloc(NULL, SIZE_MAX / 2, 4));
    assert_null(rk_alloc_aligned(SIZE_MAX / 2, 4));
    assert_null(rk_malloc(SIZE_MAX));
    p = rk_malloc(0);
    assert_non_null(p);
    rk_free(p);
    for (size_t bytes = 0; bytes < 9u << 20; bytes = bytes ? bytes * 3 : 1) {
        p = rk_alloc_aligned(bytes, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, bytes);
        rk_free_aligned(p);
    }
    rk_mem_fail_at(1, false);
    p = rk_malloc(1);
    assert_non_null(p);
    assert_null(rk_malloc(1));
    rk_free(p);
    p = rk_malloc(1);
    assert_non_null(p);
    rk_free(p);
    assert_int_equal(rk_mem_fail_at(SIZE_MAX, false), 3);
}

/* ---- JSON ---- */

static rk_status parse(const char *text, rk_error *err)
{
    json_t *v = NULL;
    const rk_status st = rk_json_parse(&v, text, strlen(text), "f.json", err);
    assert_true((st == RK_OK) == (v != NULL));
    json_decref(v);
    return st;
}

static void json_refused(void **state)
{
    static const struct {
        const char *id, *text, *says;
    } rows[] = {
        {"JS-03", "{\"a\": 1, \"a\": 2}", "duplicate"},
        {"JS-03 escape", "{\"a\": 1, \"\\u0061\": 2}", "duplicate"},
        {"JS-04 surrogate", "[\"\\ud800\"]", "f.json:1"},
        {"JS-05 overlong", "[\"\xc0\x80\"]", "byte 2"},
        {"JS-05 surrogate", "[\"\xed\xa0\x80\"]", "byte 2"},
        {"JS-05 high", "[\"\xf5\x80\x80\x80\"]", "byte 2"},
        {"JS-06 control", "[\"\x01\"]", "f.json:1"},
        {"JS-06 newline", "[\"a\nb\"]", "f.json:1"},
        {"JS-07 comma", "[1,]", "f.json:1"},
        {"JS-07 comment", "[1] // x", "f.json:1"},
        {"JS-07 quotes", "['a']", "f.json:1"},
        {"JS-07 NaN", "[NaN]", "f.json:1"},
        {"JS-07 Infinity", "[Infinity]", "f.json:1"},
        {"JS-07 hex", "[0x10]", "f.json:1"},
        {"JS-07 zero", "[01]", "f.json:1"},
        {"JS-07 plus", "[+1]", "f.json:1"},
        {"JS-07 dot", "[.5]", "f.json:1"},
        {"JS-07 dot after", "[1.]", "f.json:1"},
        {"JS-08 UTF-16", "\xff\xfe[", "UTF-16"},
        {"JS-09 1e400", "[1e400]", "f.json:1"},
        {"JS-11 second", "{} {}", "f.json:1"},
        {"JS-11 garbage", "[1]x", "f.json:1"},
        {"line", "{\n\"a\": 1,\n\"b\" 2}", "f.json:3"},
        {"empty", "", "f.json"},
    };
    rk_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (parse(rows[i].text, &err) != RK_E_FORMAT || !strstr(err.message, rows[i].says))
            fail_msg("%s: %s", rows[i].id, err.message);
    }
}

/* JS-01: what the grammar of RFC 8259 has, and what comes close to it. */
static void json_grammar(void **state)
{
    static const char *const good[] = {
        "[]", "{}", " [ ] ", "\t{\r\n}", "[null]", "[true,false]", "[0]", "[-0]", "[0.0]", "[1e5]",
        "[1E+2]", "[1e-2]", "[-1.5e10]", "[1234567890123456789]", "[\"\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\u0041\\u00e9\"]", "[\"\\ud83d\\ude00\"]",
        "[\"\xf0\x9f\x98\x80\"]", "[\"\x7f\"]", "{\"\":0}", "{\"a\":{\"a\":[{}]}}", "[[[[]]]]",
        "[\"\xe2\x80\xa8\"]",
    };
    static const char *const bad[] = {
        "[", "]", "{", "}", "[,]", "[1,,2]", "[,1]", "[1", "[1 2]", "{\"a\"}", "{\"a\":}", "{:1}",
        "{a:1}", "{1:1}", "{\"a\":1,}", "{\"a\" \"b\"}", "{\"a\":1 \"b\":2}", "[\"a]", "[\"a\\\"]",
        "[\"\\x41\"]", "[\"\\u00\"]", "[\"\\u00g0\"]", "[\"\\udc00\"]", "[\"\\ud800\\u0041\"]",
        "[\"\\", "[-]", "[--1]", "[1e]", "[1e+]", "[1.e1]", "[.1]", "[-.1]", "[1.5.5]", "[012]",
        "[-01]", "[0x1]", "[1_000]", "[tru]", "[True]", "[nul]", "[NULL]", "[undefined]",
        "[-Infinity]", "[-NaN]", "[1]]", "{}}", "[1],",
        "/* */ []", "[] #", "\xc2\xa0[]", "[\xe2\x81\xa0]",
        "[\"\xe9\"]", "[\"\xf4\x90\x80\x80\"]", "[\"\xc3\"]", "\x01[]", "[\v]", "[\f]",
    };
    rk_error err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (parse(good[i], &err) != RK_OK) fail_msg("refused: %s: %s", good[i], err.message);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &err) != RK_E_FORMAT) fail_msg("taken: %s", bad[i]);
}

/* JS-12: a file past the limit is refused by its size; the time of a great many keys, all of which
 * are looked up to see whether they come again, is that of their number. (JS-13: jansson hashes
 * keys with a seed of the process, so no file can choose them to collide.) */
static void json_large(void **state)
{
    enum { KEYS = 300000 };
    const char *path = scratch_path("large.json");
    json_t *o = NULL;
    rk_error err;
    char *text = malloc((size_t)KEYS * 16 + 2), *at = text;
    clock_t began;
    double small = 0;
    FILE *file = fopen(path, "wb");
    (void)state;
    assert_non_null(text);
    assert_non_null(file);
    assert_int_equal(fseek(file, 256L << 20, SEEK_SET), 0);
    assert_int_equal(fputc(' ', file), ' ');
    fclose(file);
    assert_int_equal(rk_json_load(&o, path, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "large.json"));
    scratch_remove(path);
    for (int round = 0; round < 2; round++) {
        const int keys = round ? KEYS : KEYS / 30;
        at = text;
        *at++ = '{';
        for (int i = 0; i < keys; i++) at += sprintf(at, "%s\"k%d\":0", i ? "," : "", i);
        strcpy(at, "}");
        began = clock();
        assert_int_equal(parse(text, &err), RK_OK);
        if (round == 0) small = (double)(clock() - began);
        /* thirty times the keys; squared it would be nine hundred times */
        else assert_true((double)(clock() - began) < 200.0 * small + CLOCKS_PER_SEC);
    }
    free(text);
}

static void json_depth(void **state)
{
    char text[2 * 100000 + 2];
    rk_error err;
    (void)state;
    for (size_t depth = RK_JSON_DEPTH; depth <= RK_JSON_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        assert_int_equal(parse(text, &err), depth > RK_JSON_DEPTH ? RK_E_FORMAT : RK_OK);
    }
    memset(text, '[', 100000);
    text[100000] = '\0';
    assert_int_equal(parse(text, &err), RK_E_FORMAT);
    /* brackets in strings are not depth; JS-02 */
    text[0] = '[';
    text[1] = '"';
    text[99999] = '"';
    text[100000] = ']';
    text[100001] = '\0';
    assert_int_equal(parse(text, &err), RK_OK);
}

static void json_fields(void **state)
{
    static const char text[] =
        "{\"n\": 768.0, \"big\": 1000000000000000019884624838656, \"edge\": 9223372036854775807,"
        " \"twenty\": 18446744073709551616, \"past\": -9223372036854775809,"
        " \"text\": \"5\", \"yes\": true, \"minus\": -1,"
        " \"half\": 0.5, \"none\": null, \"in\": \"12345678901234567890123 \\\"1\"}";
    json_t *o;
    size_t n = 7;
    double x = 7;
    bool b = false;
    const char *s = "kept";
    rk_error err;
    (void)state;
    assert_int_equal(rk_json_parse(&o, text, sizeof text - 1, "f.json", &err), RK_OK);
    assert_int_equal(rk_json_size(&n, o, "absent", 0, 9, "f", &err), RK_OK);
    assert_int_equal(rk_json_size(&n, o, "none", 0, 9, "f", &err), RK_OK);
    assert_int_equal(n, 7);
    assert_int_equal(rk_json_size(&n, o, "n", 1, 768, "f", &err), RK_OK);    /* JS-10 */
    assert_int_equal(n, 768);
    assert_int_equal(rk_json_size(&n, o, "n", 1, 767, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "text", 0, 9, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "yes", 0, 9, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "minus", 0, SIZE_MAX, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "half", 0, 9, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "big", 0, SIZE_MAX, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_size(&n, o, "edge", 0, SIZE_MAX, "f", &err), RK_OK);
    assert_true(n == (size_t)INT64_MAX);
    assert_int_equal(rk_json_double(&x, o, "big", 0, 1e40, "f", &err), RK_OK);
    assert_true(x == 1e30);
    assert_int_equal(rk_json_double(&x, o, "twenty", 0, 1e40, "f", &err), RK_OK);
    assert_true(x == 0x1p64);
    assert_int_equal(rk_json_double(&x, o, "past", -1e40, 0, "f", &err), RK_OK);
    assert_true(x == -0x1p63);
    assert_int_equal(rk_json_double(&x, o, "half", 1, 2, "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_bool(&b, o, "yes", "f", &err), RK_OK);
    assert_true(b);
    assert_int_equal(rk_json_bool(&b, o, "n", "f", &err), RK_E_FORMAT);
    assert_int_equal(rk_json_string(&s, o, "none", "f", &err), RK_OK);
    assert_string_equal(s, "kept");
    assert_int_equal(rk_json_string(&s, o, "in", "f", &err), RK_OK);
    assert_string_equal(s, "12345678901234567890123 \"1");
    assert_int_equal(rk_json_string(&s, o, "n", "f", &err), RK_E_FORMAT);
    json_decref(o);
}

static void json_round_trip(void **state)
{
    const char *path = scratch_path("j.json");
    json_t *o = json_object(), *back = NULL;
    rk_error err;
    (void)state;
    json_object_set_new(o, "z", json_real(0.1));
    json_object_set_new(o, "a", json_real(5e-324));
    json_object_set_new(o, "m", json_integer(INT64_MIN));
    assert_int_equal(rk_json_save(o, path, &err), RK_OK);
    assert_int_equal(rk_json_load(&back, path, &err), RK_OK);
    assert_true(json_equal(o, back));
    assert_string_equal(json_object_iter_key(json_object_iter(back)), "z");
    json_decref(back);
    json_decref(o);
    scratch_write("bom.json", "\xef\xbb\xbf{}", 5);            /* JS-08 */
    assert_int_equal(rk_json_load(&back, scratch_path("bom.json"), &err), RK_OK);
    json_decref(back);
    assert_int_equal(rk_json_load(&back, scratch_path("no.json"), &err), RK_E_OPEN);
    assert_null(back);
}

/* ---- random numbers ---- */

/* Known answers of Random123's philox4x32-10: counter and key all 0, all ones, digits of pi. */
static void philox_known_answers(void **state)
{
    static const struct {
        uint64_t seed, stream, block;
        uint32_t want[4];
    } rows[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint32_t got[4];
        rk_philox(got, rows[i].seed, rows[i].stream, rows[i].block);
        assert_memory_equal(got, rows[i].want, sizeof got);
    }
}

static void rng_sequence(void **state)
{
    rk_rng r = {42, 7, 0}, s = {42, 7, 0};
    uint32_t block[4], order[100], seen[100] = {0};
    double sum = 0, squares = 0;
    size_t count[3] = {0};
    (void)state;
    rk_philox(block, 42, 7, 1);
    for (int i = 0; i < 4; i++) rk_rng_u32(&r);
    for (int i = 0; i < 4; i++) assert_int_equal(rk_rng_u32(&r), block[i]);
    r.next = s.next = 0;
    rk_philox(block, 42, 7, 0);
    assert_true(rk_rng_below(&s, UINT64_MAX) == ((uint64_t)block[0] << 32 | block[1]));
    for (int i = 0; i < 8; i++) rk_rng_u32(&r);
    s.next = 8;                                /* a place in the stream is all the state */
    assert_int_equal(rk_rng_u32(&r), rk_rng_u32(&s));
    for (int i = 0; i < 100000; i++) {
        const double u = rk_rng_uniform(&r), g = (double)rk_rng_normal(&r);
        assert_true(u >= 0 && u < 1 && isfinite(g));
        sum += g;
        squares += g * g;
        count[rk_rng_below(&r, 3)]++;
    }
    /* five standard errors of each mean */
    assert_true(fabs(sum / 1e5) < 5 / sqrt(1e5));
    assert_true(fabs(squares / 1e5 - 1) < 5 * sqrt(2 / 1e5));
    for (int k = 0; k < 3; k++)
        assert_true(fabs((double)count[k] - 1e5 / 3) < 5 * sqrt(1e5 * 2 / 9));
    assert_int_equal(rk_rng_below(&r, 1), 0);
    for (uint32_t i = 0; i < 100; i++) order[i] = i;
    rk_rng_shuffle(&r, order, 100);
    for (int i = 0; i < 100; i++) seen[order[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
}

/* Every bit counts, each order and each length too; going on from a sum is not starting anew. */
static void checksum(void **state)
{
    uint8_t bytes[37] = {0};
    const uint64_t whole = rk_checksum(0, bytes, sizeof bytes);
    (void)state;

    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(rk_checksum(0, bytes, sizeof bytes) != whole);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(rk_checksum(0, bytes, sizeof bytes) == whole);
    for (size_t n = 0; n < sizeof bytes; n++) assert_true(rk_checksum(0, bytes, n) != whole);
    bytes[3] = 1;
    bytes[9] = 2;
    const uint64_t first = rk_checksum(0, bytes, sizeof bytes);
    assert_true(rk_checksum(whole, bytes, sizeof bytes) != first);
    bytes[3] = 2;
    bytes[9] = 1;
    assert_true(rk_checksum(0, bytes, sizeof bytes) != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_all_patterns), cmocka_unit_test(half_ties),
        cmocka_unit_test(bfloat_all_patterns_and_ties), cmocka_unit_test(to_f32_of_each_type),
        cmocka_unit_test(utf8_round_trip), cmocka_unit_test(utf8_bad), cmocka_unit_test(quote),
        cmocka_unit_test(fail_lines), cmocka_unit_test(buffer),
        cmocka_unit_test(buffer_out_of_memory), cmocka_unit_test(memory),
        cmocka_unit_test(json_refused), cmocka_unit_test(json_grammar),
        cmocka_unit_test(json_large), cmocka_unit_test(json_depth),
        cmocka_unit_test(json_fields), cmocka_unit_test(json_round_trip),
        cmocka_unit_test(philox_known_answers), cmocka_unit_test(rng_sequence),
        cmocka_unit_test(checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
