/* links: base text */
/* Encoding, and what of a tokenizer.json is taken or refused. The names TK-.. are those of the list
 * of bad inputs; that ids equal the reference's is shown by the parity test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "support/scratch.h"
#include "support/token_folder.h"

#define CLS "{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}"
#define SEP "{\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}"
#define TEXT "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define IDS "\"special_tokens\": {\"[CLS]\": {\"id\": \"[CLS]\", \"ids\": [2]}, " \
            "\"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [3]}}"
#define POST(single) "\"post_processor\": {\"type\": \"TemplateProcessing\", " \
                     "\"single\": [" single "], \"pair\": [], " IDS "}"

static rk_error err;

static void accepted(const char *text)
{
    rk_tokenizer *t = token_open_json(text, &err);
    if (!t) fail_msg("refused: %s: %s", text, err.message);
    rk_tokenizer_close(t);
}

static void refused(const char *text, const char *says)
{
    if (token_open_json(text, &err)) fail_msg("accepted: %s", text);
    assert_int_equal(err.code, RK_E_FORMAT);
    if (!strstr(err.message, "tokenizer.json") && !strstr(err.message, "/m:"))
        fail_msg("no place in: %s", err.message);
    if (!strstr(err.message, says)) fail_msg("want \"%s\" in: %s", says, err.message);
}

static void encodes(const rk_tokenizer *t, const char *text, size_t limit, const char *want)
{
    char *got = token_ids(t, text, limit, &err);
    if (!got) fail_msg("refused: %s: %s", text, err.message);
    assert_string_equal(got, want);
    rk_free(got);
}

static void test_encode(void **state)
{
    rk_tokenizer *t = token_open_json("{" MODEL ", " TWO "}", &err);
    rk_ids ids = {0};
    (void)state;
    assert_non_null(t);
    assert_int_equal(rk_tokenizer_size(t), 10);
    assert_int_equal(rk_tokenizer_pad_id(t), 0);
    assert_string_equal(rk_tokenizer_token(t, 7), "enak");
    assert_null(rk_tokenizer_token(t, 10));
    assert_null(rk_tokenizer_token(t, -1));
    encodes(t, "", 8, "2 3");
    encodes(t, "Enaknya!", 8, "2 7 8 9 3");
    encodes(t, "ab abb x", 8, "2 5 6 5 6 6 1 3");
    encodes(t, "abz enakz", 8, "2 1 1 3");
    encodes(t, "ab abb x", 7, "2 5 6 5 6 6 3 cut");
    encodes(t, "ab", 4, "2 5 6 3");
    encodes(t, "ab", 3, "2 5 3 cut");
    encodes(t, "ab", 2, "2 3 cut");
    encodes(t, " ", 2, "2 3");
    encodes(t, "a[SEP]a [MASK] [sep]", 20, "2 5 3 5 4 1 1 1 3");
    assert_int_equal(rk_tokenizer_encode(t, "a", 1, 1, &ids, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_tokenizer_encode(t, "a\xff", 2, 8, &ids, NULL, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "byte 2"));
    assert_int_equal(ids.count, 0);
    rk_tokenizer_close(t);
}

static void test_model(void **state)
{
    (void)state;
    /* TK-01 */
    refused("{\"model\": {\"type\": \"WordLevel\", " VOCAB "}}", "type \"WordLevel\"; only WordP");
    refused("{\"model\": {\"type\": \"Foo\", \"vocab\": []}}", "\"Foo\"");
    refused("{\"model\": {" VOCAB "}}", "has no type");
    accepted("{\"model\": {\"max_input_chars_per_word\": 100, " VOCAB "}, " TWO "}");    /* TK-02 */
    refused("{}", "\"model\" must be an object");    /* TK-03 */
    refused("{\"model\": null}", "\"model\" must be an object");
    refused("{\"model\": []}", "\"model\" must be an object");
    refused("[]", "a JSON object");
    refused("{\"model\": {\"type\": \"WordPiece\"}}", "model.vocab");    /* TK-04 */
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}", "model.vocab");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": [\"a\"]}}", "model.vocab");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0, \"b\": 0}}}",   /* TK-06 */
            "\"a\" and \"b\" have the same id 0");
    /* TK-10 */
    refused("{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"<unk>\", " VOCAB "}}",
            "lacks \"<unk>\"");
}

static void test_ids(void **state)
{
    static const char *const bad[] = {"-1", "2147483648", "9223372036854775807", "1.5", "\"3\"",
                                      "2000000", "99999999999999999999", "null"};
    char text[512];
    rk_tokenizer *t;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {    /* TK-05 */
        snprintf(text, sizeof text,
                 "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"kata\": %s}}}", bad[i]);
        refused(text, "\"kata\"");
    }
    t = token_open_json("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[SEP]\": 0, "
                        "\"[PAD]\": 1, \"[CLS]\": 3, \"[UNK]\": 7}}, " TWO "}", &err);  /* TK-07 */
    assert_non_null(t);
    assert_int_equal(rk_tokenizer_size(t), 8);
    assert_null(rk_tokenizer_token(t, 2));
    assert_int_equal(rk_tokenizer_pad_id(t), 1);
    encodes(t, "x", 8, "3 7 0");
    rk_tokenizer_close(t);
}

static void test_specials(void **state)
{
    (void)state;
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0, \"[CLS]\": 1, "
            "\"[SEP]\": 2}}, " TWO "}", "lacks \"[PAD]\"");    /* TK-11 */
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0, \"[PAD]\": 1, "
            "\"[SEP]\": 2}}, " TWO "}", "lacks \"[CLS]\"");
    accepted("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0, \"[PAD]\": 1, "
             "\"[CLS]\": 2}}, " TWO ", \"added_tokens\": [{\"id\": 3, \"content\": \"[SEP]\", "
             "\"special\": true}]}");
}

static void test_post_processor(void **state)
{
    (void)state;
    accepted("{" MODEL ", " TWO ", " POST(CLS ", " TEXT ", " SEP) "}");
    accepted("{" MODEL ", " TWO ", \"post_processor\": {\"type\": \"BertProcessing\", "
             "\"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}}");
    refused("{" MODEL ", " TWO ", \"post_processor\": {\"type\": \"BertProcessing\", "
            "\"sep\": [\"[SEP]\", 4], \"cls\": [\"[CLS]\", 2]}}", "another id");    /* TK-12 */
    refused("{" MODEL ", " TWO ", \"post_processor\": {\"type\": \"BertProcessing\"}}", "cls");
    refused("{" MODEL ", " TWO ", " POST(CLS ", " TEXT) "}", "must be a class token");
    refused("{" MODEL ", " TWO ", " POST(TEXT) "}", "must be a class token");
    refused("{" MODEL ", " TWO ", " POST(CLS ", " TEXT ", " SEP ", " TEXT) "}", "must be a class");
    refused("{" MODEL ", " TWO ", " POST("{\"Sequence\": {\"id\": \"C\"}}") "}", "a text \"C\"");
    refused("{" MODEL ", " TWO ", " POST("{\"SpecialToken\": {\"id\": \"<s>\"}}") "}", "\"<s>\"");
    refused("{" MODEL ", " TWO ", " POST("17") "}", "neither");
    refused("{" MODEL ", " TWO ", \"post_processor\": {\"type\": \"ByteLevel\"}}", "\"ByteLevel\"");
    refused("{" MODEL ", " TWO ", \"post_processor\": {\"type\": \"Foo\"}}", "\"Foo\"");
}

static void test_steps(void **state)
{
    rk_tokenizer *t;
    (void)state;
    /* TK-13 */
    refused("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"ByteLevel\"}}", "\"ByteLevel\"");
    refused("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
            "{\"type\": \"BertNormalizer\"}, {\"type\": \"Foo\"}]}}", "\"Foo\"");
    accepted("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
             "{\"type\": \"NFD\"}, {\"type\": \"StripAccents\"}, {\"type\": \"Lowercase\"}]}}");
    accepted("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
             "{\"type\": \"BertNormalizer\"}]}}");
    refused("{" MODEL ", " NORMAL ", \"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}}",
            "\"UnicodeScripts\"");
    refused("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"BertNormalizer\", "
            "\"lowercase\": \"yes\"}}", "\"lowercase\" must be true or false");    /* TK-14 */
    t = token_open_json("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"BertNormalizer\", "
                        "\"lowercase\": false, \"strip_accents\": null}}", &err);
    assert_non_null(t);
    encodes(t, "enak ENAK \xc3\xa9nak", 8, "2 7 1 1 3");
    rk_tokenizer_close(t);
    t = token_open_json("{" MODEL ", " SPLIT ", \"normalizer\": {\"type\": \"BertNormalizer\", "
                        "\"lowercase\": false, \"strip_accents\": true}}", &err);
    assert_non_null(t);
    encodes(t, "enak ENAK \xc3\xa9nak", 8, "2 7 1 7 3");
    rk_tokenizer_close(t);
}

static char *nested(int depth)
{
    rk_buffer b = {0};
    rk_buffer_puts(&b, "{" MODEL ", " SPLIT ", \"normalizer\": ");
    for (int i = 0; i < depth; i++)
        rk_buffer_puts(&b, "{\"type\": \"Sequence\", \"normalizers\": [");
    rk_buffer_puts(&b, "{\"type\": \"BertNormalizer\"}");
    for (int i = 0; i < depth; i++) rk_buffer_puts(&b, "]}");
    rk_buffer_puts(&b, "}");
    return rk_buffer_take(&b);
}

static void test_nested(void **state)
{
    char *text = nested(4);
    (void)state;
    accepted(text);
    rk_free(text);
    text = nested(5);
    refused(text, "\"Sequence\"");
    rk_free(text);
    text = nested(1000);
    refused(text, "nested deeper");
    rk_free(text);
}

static void test_words(void **state)
{
    char text[2048], prefix[1025];
    rk_tokenizer *t;
    static const char *const bad[] = {"0", "-1", "1099511627776", "10001", "1.5"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {    /* TK-16 */
        snprintf(text, sizeof text, "{\"model\": {\"type\": \"WordPiece\", "
                 "\"max_input_chars_per_word\": %s, " VOCAB "}, " TWO "}", bad[i]);
        refused(text, "max_input_chars_per_word");
    }
    memset(prefix, 'x', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    snprintf(text, sizeof text, "{\"model\": {\"type\": \"WordPiece\", "    /* TK-15 */
             "\"continuing_subword_prefix\": \"%s\", " VOCAB "}, " TWO "}", prefix);
    refused(text, "continuing_subword_prefix");
    refused("{\"model\": {\"type\": \"WordPiece\", \"continuing_subword_prefix\": 2, " VOCAB "}}",
            "continuing_subword_prefix");
    t = token_open_json("{\"model\": {\"type\": \"WordPiece\", \"continuing_subword_prefix\": "
                        "\"\", \"max_input_chars_per_word\": 5, " VOCAB "}, " TWO "}", &err);
    assert_non_null(t);
    encodes(t, "aenak aenaka", 9, "2 5 7 1 3");
    rk_tokenizer_close(t);
    t = token_open_json("{\"model\": {\"type\": \"WordPiece\", \"max_input_chars_per_word\": 3, "
                        "\"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, "
                        "\"\xc3\x9f\": 4, \"##\xc3\x9f\": 5}}, " TWO "}", &err);
    assert_non_null(t);
    encodes(t, "\xc3\x9f\xc3\x9f\xc3\x9f \xc3\x9f\xc3\x9f\xc3\x9f\xc3\x9f", 9, "2 4 5 5 1 3");
    rk_tokenizer_close(t);
}

static void test_added(void **state)
{
    rk_tokenizer *t;
    (void)state;
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 10, \"content\": \"\"}]}", "empty");
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 5, \"content\": \"b\"}]}",
            "\"a\" and \"b\" have the same id 5");
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 6, \"content\": \"a\"}]}", "it is 5");
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 99, \"content\": \"z\"}]}",
            "the next free one is 10");
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"content\": \"z\"}]}", "added_tokens[0]");
    refused("{" MODEL ", " TWO ", \"added_tokens\": {}}", "must be a list");
    refused("{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 10, \"content\": \"\xcc\x81\"}]}",
            "nothing is left");
    t = token_open_json("{" MODEL ", " TWO ", \"added_tokens\": ["    /* TK-17 */
                        "{\"id\": 10, \"content\": \"<x\", \"normalized\": false}, "
                        "{\"id\": 11, \"content\": \"<x>\", \"normalized\": false}, "
                        "{\"id\": 12, \"content\": \"a.*\", \"normalized\": false}]}", &err);
    assert_non_null(t);
    assert_int_equal(rk_tokenizer_size(t), 13);
    encodes(t, "a<x>a<xa.*", 9, "2 5 11 5 10 12 3");
    rk_tokenizer_close(t);
}

static void test_many_added(void **state)
{
    rk_buffer b = {0};
    rk_tokenizer *t;
    (void)state;
    rk_buffer_puts(&b, "{" MODEL ", " TWO ", \"added_tokens\": [");
    for (int i = 0; i < 100000; i++)
        rk_buffer_printf(&b, "%s{\"id\": %d, \"content\": \"<t%d>\", \"normalized\": %s}",
                         i ? ", " : "", 10 + i, i, i % 2 ? "true" : "false");
    rk_buffer_puts(&b, "]}");
    assert_false(b.failed);
    t = token_open_json(b.data, &err);
    assert_non_null(t);
    encodes(t, "<t7><t77777><t99998>", 9, "2 17 77787 100008 3");
    rk_tokenizer_close(t);
    rk_buffer_free(&b);
}

static void test_lengths(void **state)
{
    (void)state;
    refused("{" MODEL ", " TWO ", \"truncation\": {\"max_length\": 0}}", "max_length");  /* TK-18 */
    refused("{" MODEL ", " TWO ", \"truncation\": {\"max_length\": 1}}", "max_length");
    accepted("{" MODEL ", " TWO ", \"truncation\": {\"max_length\": 2, \"stride\": 0}}");
    accepted("{" MODEL ", " TWO ", \"truncation\": {\"max_length\": 1000000000}}");
    refused("{" MODEL ", " TWO ", \"truncation\": {\"max_length\": 8, \"stride\": 8}}", "stride");
    refused("{" MODEL ", " TWO ", \"truncation\": 8}", "objects or null");
    refused("{" MODEL ", " TWO ", \"padding\": {\"pad_id\": 10}}", "pad_id");    /* TK-19 */
    accepted("{" MODEL ", " TWO ", \"padding\": {\"pad_id\": 1, \"pad_token\": \"[PAD]\"}}");
    refused("{" MODEL ", " TWO ", \"padding\": {\"pad_token\": \"<pad>\"}}", "lacks \"<pad>\"");
    /* TK-22 */
    accepted("{" MODEL ", " TWO ", \"chat_template\": \"{{ 1 }}\", \"decoder\": null}");
}

static void test_from_tokens(void **state)
{
    static const char *const tokens[] = {"[SEP]", "a", "[CLS]", "[UNK]", "[PAD]"};
    static const char *const bad[] = {"[SEP]", "\xff", "[CLS]", "[UNK]", "[PAD]"};
    rk_tokenizer *t;
    (void)state;
    assert_int_equal(rk_tokenizer_from_tokens(&t, tokens, 5, &err), RK_OK);
    encodes(t, "A b", 9, "2 1 3 0");
    rk_tokenizer_close(t);
    assert_int_equal(rk_tokenizer_from_tokens(&t, tokens, 4, &err), RK_E_FORMAT);
    assert_int_equal(rk_tokenizer_from_tokens(&t, bad, 5, &err), RK_E_FORMAT);
    assert_int_equal(rk_tokenizer_from_tokens(&t, NULL, 0, &err), RK_E_FORMAT);
}

/* A long word, and a long text that is cut: time must not grow with their square. */
static void test_long(void **state)
{
    enum { SIZE = 1 << 20 };
    rk_tokenizer *t = token_open_json("{" MODEL ", " TWO "}", &err);
    char *text = malloc(SIZE + 1);
    (void)state;
    assert_non_null(t);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    text[SIZE] = '\0';
    encodes(t, text, 9, "2 1 3");    /* TS-15 */
    for (size_t i = 1; i < SIZE; i += 2) text[i] = ' ';
    encodes(t, text, 4, "2 5 5 3 cut");
    for (size_t i = 0; i < SIZE; i++) text[i] = '[';
    encodes(t, text, 4, "2 1 1 3 cut");
    free(text);
    rk_tokenizer_close(t);
}

static void test_rows(void **state)
{
    rk_buffer b = {0};
    rk_rows *rows;
    rk_encoded e;
    rk_tokenizer *t = token_open_json("{" MODEL ", " TWO "}", &err);
    (void)state;
    assert_non_null(t);
    for (int i = 0; i < 1000; i++) rk_buffer_printf(&b, "%s\tx\n", i % 3 ? "a" : "enaknya enak a");
    assert_int_equal(rk_rows_load(&rows, scratch_write("r.tsv", b.data, b.length), true, 0, &err),
                     RK_OK);
    rows->row[7].label_id = 2;
    assert_int_equal(rk_encode_rows(&e, rows, t, 0, 5, &err), RK_OK);
    assert_int_equal(e.rows, 1000);
    assert_int_equal(e.truncated, 334);
    assert_int_equal(e.longest, 5);
    assert_int_equal(e.tokens, 334 * 5 + 666 * 3);
    assert_int_equal(e.starts[1000], e.tokens);
    assert_int_equal(e.labels[7], 2);
    assert_int_equal(e.labels[8], -1);
    for (size_t r = 0; r < 1000; r++) {
        const int32_t *id = e.ids + e.starts[r];
        assert_int_equal(e.starts[r + 1] - e.starts[r], r % 3 ? 3 : 5);
        assert_int_equal(id[0], 2);
        assert_int_equal(id[1], r % 3 ? 5 : 7);
        assert_int_equal(id[e.starts[r + 1] - e.starts[r] - 1], 3);
    }
    rk_encoded_free(&e);
    assert_int_equal(rk_encode_rows(&e, rows, t, 0, 1, &err), RK_E_ARG);
    rk_mem_fail_at(3, true);
    assert_int_equal(rk_encode_rows(&e, rows, t, 0, 8, &err), RK_E_MEMORY);
    rk_mem_fail_at(SIZE_MAX, false);
    assert_non_null(strstr(err.message, "r.tsv:1: "));
    assert_null(e.ids);
    rk_rows_free(rows);
    rk_tokenizer_close(t);
    rk_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_specials),
        cmocka_unit_test(test_post_processor),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_many_added),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_from_tokens),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
