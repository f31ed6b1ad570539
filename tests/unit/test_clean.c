/* links: base text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/clean.h"
#include "text/clean/stopwords.h"

static void cleaned(const char *steps, const char *text, const char *want)
{
    rk_buffer b = {0};
    unsigned bits;
    assert_int_equal(rk_clean_parse(&bits, steps, NULL), RK_OK);
    rk_buffer_puts(&b, "=");    /* what is there already stays */
    rk_clean_apply(&b, bits, text, strlen(text));
    assert_false(b.failed);
    assert_string_equal(b.data + 1, want);
    assert_int_equal(b.length, strlen(want) + 1);
    assert_int_equal(b.data[0], '=');
    rk_buffer_free(&b);
}

static void test_steps(void **state)
{
    (void)state;
    cleaned("none", " A  b ", " A  b ");
    cleaned("lower", "ENAK \xc3\x89 \xc4\xb0", "enak \xc3\xa9 i\xcc\x87");
    cleaned("lower", "\xce\x9f\xce\xa3 \xce\xa3", "\xce\xbf\xcf\x82 \xcf\x83");    /* OS, S */
    cleaned("strip-special", "Enak, 100%!\n", "nak \n");
    cleaned("collapse", " \t a \x1c\xc2\xa0 b\n", "a b");
    cleaned("collapse", " \t ", "");
    cleaned("stopwords", "yang  enak itu  Yang sekali-kali", "Yang");
    cleaned("stopwords", "ini itu", "");
    cleaned("stopwords", "makan ini", "makan");
    cleaned("stopwords-keep-negation", "itu tidak enak, bukan enak", "tidak enak, bukan");
    cleaned("lower,collapse", " Nasi  GORENG ", "nasi goreng");
    cleaned("seed", "Makanan-nya TIDAK enak!! 100 kali", "makanannya");
    cleaned("seed", "", "");
}

static void test_parse(void **state)
{
    rk_error err;
    unsigned steps = 77;
    (void)state;
    assert_int_equal(rk_clean_parse(&steps, "seed", &err), RK_OK);
    assert_int_equal(steps, RK_CLEAN_SEED);
    assert_int_equal(rk_clean_parse(&steps, "stopwords,lower", &err), RK_OK);
    assert_int_equal(steps, RK_CLEAN_LOWER | RK_CLEAN_STOPWORDS);
    steps = 77;
    assert_int_equal(rk_clean_parse(&steps, "lower,stem", &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "\"stem\""));
    assert_non_null(strstr(err.message, "strip-special"));
    assert_int_equal(rk_clean_parse(&steps, "", &err), RK_E_ARG);
    assert_int_equal(rk_clean_parse(&steps, "lower,", &err), RK_E_ARG);
    assert_int_equal(rk_clean_parse(&steps, "Lower", &err), RK_E_ARG);
    assert_int_equal(rk_clean_parse(&steps, "seed,lower", &err), RK_E_ARG);
    assert_int_equal(steps, 77);
}

/* Every set of steps has a name that reads back as the same set. */
static void test_names(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 32; steps++) {
        unsigned again;
        char *name;
        if ((steps & RK_CLEAN_KEEP_NEGATION) && !(steps & RK_CLEAN_STOPWORDS)) continue;
        name = rk_clean_name(steps);
        assert_non_null(name);
        assert_int_equal(rk_clean_parse(&again, name, NULL), RK_OK);
        assert_int_equal(again, steps);
        if (steps == 0) assert_string_equal(name, "none");
        if (steps == RK_CLEAN_SEED) assert_string_equal(name, "seed");
        rk_free(name);
    }
}

static void test_stopwords(void **state)
{
    static const char nul[] = "yang\0itu";
    (void)state;
    assert_true(rk_stopword("a", 1));
    assert_true(rk_stopword("z", 1));
    assert_true(rk_stopword("yang", 4));
    assert_true(rk_stopword("enak", 4));
    assert_false(rk_stopword("", 0));
    assert_false(rk_stopword("yan", 3));
    assert_false(rk_stopword("yangs", 5));
    assert_false(rk_stopword(nul, sizeof nul - 1));
    assert_false(rk_stopword("zebra", 5));
    assert_true(rk_negation("tidak", 5));
    assert_true(rk_negation("belum", 5));
    assert_false(rk_negation("enak", 4));
    assert_false(rk_negation("setidaknya", 10));
}

/* Sigmas in a row with nothing but marks between them: quadratic work would take minutes. */
static void test_long(void **state)
{
    enum { COPIES = 100000 };
    rk_buffer in = {0}, out = {0};
    (void)state;
    for (int i = 0; i < COPIES; i++) rk_buffer_puts(&in, "\xce\xa3\xcc\x81\xcc\x81\xcc\x81");
    for (int i = 0; i < COPIES; i++) rk_buffer_puts(&in, "\xcc\x81");
    rk_clean_apply(&out, RK_CLEAN_SEED, in.data, in.length);
    assert_int_equal(out.length, 0);
    rk_clean_apply(&out, RK_CLEAN_LOWER, in.data, in.length);
    assert_int_equal(out.length, in.length);
    rk_buffer_free(&in);
    rk_buffer_free(&out);
}

/* A text of one character and a whole text of it: the room that is made for the result must do for
 * the characters whose lower case is longer. */
static void test_room(void **state)
{
    (void)state;
    for (uint32_t cp = 0x80; cp < 0x110000; cp++) {
        char text[124];    /* and what is made of it is past the next power of two */
        size_t n, length = 0;
        rk_buffer b = {0};
        if (cp == 0xd800) cp = 0xe000;
        while (length + 4 < sizeof text) length += rk_utf8_encode(text + length, cp);
        n = rk_utf8_length(text, length);
        rk_clean_apply(&b, RK_CLEAN_LOWER, text, n);
        rk_clean_apply(&b, RK_CLEAN_LOWER, text, length);
        assert_false(b.failed);
        assert_in_range(b.length, 1, 2 * (n + length));
        assert_true(b.length < b.capacity);
        rk_buffer_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_stopwords),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
