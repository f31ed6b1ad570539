/* links: base text */
/* The normaliser's bounds; that its results are right, the parity test shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode/normalize.h"
#include "text/tokenizer/trie.h"

static rk_normalizer switches(unsigned bits)
{
    rk_normalizer n = {.clean = bits & 1, .han = bits & 2, .strip = bits & 4, .lower = bits & 8};
    rk_normalizer_ready(&n);
    return n;
}

/* The room that rk_normalize makes is three bytes for one and a little: no character may need more,
 * on its own or as one of many. */
static void test_growth(void **state)
{
    rk_scratch out = {0};
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++) {
        const rk_normalizer n = switches(bits);
        for (uint32_t cp = 0; cp < 0x110000; cp++) {
            char text[4];
            const size_t length = rk_utf8_encode(text, cp);
            if (cp >= 0xd800 && cp < 0xe000) continue;
            assert_true(rk_normalize(&out, &n, text, length));
            if (out.length > 3 * length)
                fail_msg("U+%04X: %zu bytes to %zu", cp, length, out.length);
            if (!rk_utf8_valid(out.data, out.length, NULL)) fail_msg("U+%04X: not UTF-8", cp);
        }
    }
    rk_free(out.data);
}

static void normalized(unsigned bits, const char *text, const char *want)
{
    rk_scratch out = {0};
    const rk_normalizer n = switches(bits);
    assert_true(rk_normalize(&out, &n, text, strlen(text)));
    assert_int_equal(out.length, strlen(want));
    assert_memory_equal(out.data, want, out.length);
    rk_free(out.data);
}

static void test_cases(void **state)
{
    (void)state;
    normalized(15, "\xc3\x89T\xc3\x89\t\x7f!", "ete !");
    normalized(15, "\xe4\xb8\xad" "a", " \xe4\xb8\xad a");
    normalized(15, "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1");
    normalized(8, "\xc4\xb0", "i\xcc\x87");
    normalized(12, "\xc4\xb0", "i");
    normalized(0, "\xef\xbf\xbd\x01", "\xef\xbf\xbd\x01");
    normalized(1, "\xef\xbf\xbd\x01", "");
    /* U+302E (class 224) goes behind U+1B44 (9); the accent (230) between them is dropped, and
     * U+0941, a mark of class 0, keeps what is behind it from moving before it. */
    normalized(15, "\xe3\x80\xae\xcc\x81\xe1\xad\x84", "\xe1\xad\x84\xe3\x80\xae");
    normalized(15, "\xe3\x80\xae\xe0\xa5\x81\xe1\xad\x84", "\xe3\x80\xae\xe1\xad\x84");
}

/* A megabyte of characters that all wait for each other. */
static void test_linear(void **state)
{
    enum { COPIES = 200000 };
    rk_buffer in = {0};
    rk_scratch out = {0};
    const rk_normalizer n = switches(15);
    (void)state;
    for (int i = 0; i < COPIES; i++) rk_buffer_puts(&in, "\xe3\x80\xae\xe1\xad\x84");
    assert_true(rk_normalize(&out, &n, in.data, in.length));
    assert_int_equal(out.length, in.length);
    assert_memory_equal(out.data, "\xe1\xad\x84\xe1\xad\x84", 6);
    assert_memory_equal(out.data + out.length - 3, "\xe3\x80\xae", 3);
    rk_free(out.data);
    rk_buffer_free(&in);
}

static int32_t find(const rk_trie *t, const char *text)
{
    uint32_t node = 0;
    for (size_t i = 0; text[i]; i++)
        if ((node = rk_trie_child(t, node, (uint8_t)text[i])) == RK_TRIE_NONE) return -2;
    return t->value[node];
}

static void test_trie(void **state)
{
    rk_trie_key keys[] = {{"nya", 3, 0}, {"n", 1, 1}, {"\xff", 1, 2}, {"nyata", 5, 3}, {"", 0, 4}};
    rk_trie t;
    (void)state;
    rk_trie_sort(keys, 5);
    assert_true(rk_trie_build(&t, keys, 5));
    assert_int_equal(t.count, 1 + 5 + 1);
    assert_int_equal(find(&t, "nya"), 0);
    assert_int_equal(find(&t, "n"), 1);
    assert_int_equal(find(&t, "\xff"), 2);
    assert_int_equal(find(&t, "nyata"), 3);
    assert_int_equal(find(&t, ""), 4);
    assert_int_equal(find(&t, "ny"), -1);
    assert_int_equal(find(&t, "nyatas"), -2);
    assert_int_equal(find(&t, "a"), -2);
    rk_trie_free(&t);
    assert_true(rk_trie_build(&t, keys, 0));
    assert_int_equal(find(&t, "a"), -2);
    rk_trie_free(&t);
    rk_mem_fail_at(2, false);
    assert_false(rk_trie_build(&t, keys, 5));
    rk_mem_fail_at(SIZE_MAX, false);
    assert_int_equal(t.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth), cmocka_unit_test(test_cases), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_trie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
