/* links: base text */
/* Unigram and BPE of tokenizer.json: by hand, and what is refused by name. That ids equal the
 * reference's is shown by the parity test. The names TK-.. are those of the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/mem.h"
#include "support/fail_each.h"
#include "support/scratch.h"
#include "text/steps/flow.h"
#include "text/tokenizer.h"

#define U(more) "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [" \
                "[\"<unk>\", 0.0], [\"<s>\", 0.0], [\"</s>\", 0.0], [\"\xe2\x96\x81\", -4.0], " \
                "[\"\xe2\x96\x81" "ab\", -3.0], [\"a\", -5.0], [\"b\", -5.0], " \
                "[\"ba\", -6.5]" more "]}"
#define META ", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xe2\x96\x81\", " \
             "\"prepend_scheme\": \"always\"}"
#define ROBERTA ", \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"<s>\", 1], " \
                "\"sep\": [\"</s>\", 2], \"trim_offsets\": true, \"add_prefix_space\": false}"
#define B(more, merges) "{\"model\": {\"type\": \"BPE\", " more "\"vocab\": {" \
                        "\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2, \"a\": 3, \"b\": 4, \"c\": 5, " \
                        "\"ab\": 6, \"abc\": 7, \"bc\": 8, \"\xc4\xa0\": 9}, " \
                        "\"merges\": [" merges "]}"
#define MERGES "\"a b\", [\"b\", \"c\"], \"ab c\""

static rk_error err;

static rk_tokenizer *open_json(const char *text)
{
    rk_tokenizer *t = NULL;
    json_t *json;
    if (rk_json_parse(&json, text, strlen(text), "t.json", &err)) fail_msg("%s", err.message);
    if (rk_tokenizer_from_json(&t, json, "t.json", &err)) assert_null(t);
    json_decref(json);
    return t;
}

static void refused(const char *text, const char *says)
{
    if (open_json(text)) fail_msg("accepted: %s", text);
    assert_int_equal(err.code, RK_E_FORMAT);
    if (strncmp(err.message, "t.json: ", 8) != 0 || !strstr(err.message, says))
        fail_msg("want \"%s\" in: %s", says, err.message);
}

static void encodes_with(const rk_tokenizer *t, const char *text, size_t limit, const char *want)
{
    rk_ids ids = {0};
    rk_buffer b = {0};
    bool cut;
    if (rk_tokenizer_encode(t, text, strlen(text), limit, &ids, &cut, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < ids.count; i++) rk_buffer_printf(&b, i ? " %d" : "%d", ids.id[i]);
    if (cut) rk_buffer_puts(&b, " cut");
    assert_string_equal(b.data ? b.data : "", want);
    rk_buffer_free(&b);
    rk_ids_clear(&ids);
}

static void encodes(const char *json, const char *text, const char *want)
{
    rk_tokenizer *t = open_json(json);
    if (!t) fail_msg("%s", err.message);
    encodes_with(t, text, 64, want);
    rk_tokenizer_close(t);
}

static void test_unigram(void **state)
{
    (void)state;
    encodes(U("") META ROBERTA "}", "ab", "1 4 2");
    encodes(U("") META ROBERTA "}", "ba", "1 3 7 2");
    encodes(U("") META ROBERTA "}", "abb  a", "1 4 6 3 3 5 2");
    encodes(U("") META ROBERTA "}", "xyzb", "1 3 0 6 2");    /* unknown ones run together */
    encodes(U("") META ROBERTA "}", "", "1 2");
    /* two ways of equal score: the first one found stays */
    encodes(U(", [\"ab\", -10.0]") "}", "ab", "8");
    encodes(U(", [\"<0x78>\", 0.0]") "}", "x", "0");
    encodes("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, "
            "\"vocab\": "
            "[[\"<unk>\", 0], [\"<0x78>\", 0], [\"a\", -1]]}}", "xxa", "1 1 2");
    encodes("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, "
            "\"vocab\": "
            "[[\"<unk>\", 0], [\"<0x78>\", 0], [\"a\", -1]]}}", "xya", "0 2");
}

/* A piece that comes again has both ids; texts give the last one, an unknown one that of "unk_id".
 * The reference says the same of this file. */
static void test_unigram_again(void **state)
{
    rk_tokenizer *t = open_json("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": "
                                "[[\"a\", -1], [\"u\", -2], [\"ab\", -2], [\"u\", -5], "
                                "[\"a\", -9], [\"aau\", -3]]}}");
    (void)state;
    assert_non_null(t);
    encodes_with(t, "a", 64, "4");
    encodes_with(t, "u", 64, "3");
    encodes_with(t, "aba", 64, "2 4");
    encodes_with(t, "xu", 64, "1 3");
    encodes_with(t, "aau", 64, "5");
    assert_string_equal(rk_tokenizer_token(t, 1), "u");
    assert_string_equal(rk_tokenizer_token(t, 0), "a");
    rk_tokenizer_close(t);
}

static void test_bpe(void **state)
{
    rk_tokenizer *t = open_json(B("", MERGES) ROBERTA "}");
    (void)state;
    assert_non_null(t);
    encodes_with(t, "abc", 64, "1 7 2");
    encodes_with(t, "bcab", 64, "1 8 6 2");
    encodes_with(t, "xabx", 64, "1 6 2");    /* nothing stands for the unknown: it is dropped */
    encodes_with(t, "abcabc", 3, "1 7 2 cut");
    encodes_with(t, "abc", 2, "1 2 cut");
    rk_tokenizer_close(t);
    encodes(B("", MERGES) ROBERTA "}", "a<s>",
            "1 3 2");    /* special only where the file adds it */
    encodes(B("", MERGES) ", \"added_tokens\": [{\"id\": 1, \"content\": \"<s>\", \"special\": "
            "true}]}",
            "a<s>", "3 1");
    encodes(B("\"unk_token\": \"<unk>\", ", MERGES) "}", "xxa", "0 0 3");
    encodes(B("\"unk_token\": \"<unk>\", \"fuse_unk\": true, ", MERGES) "}", "xxa", "0 3");
    encodes(B("", "\"b c\", \"a b\", \"ab c\"") "}", "abc", "3 8");    /* the rank decides */
    encodes(B("", "\"a b\"") "}", "abc", "6 5");
    encodes(B("\"ignore_merges\": true, ", "\"a b\"") "}", "abc", "7");
    encodes(B("", MERGES) ", \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": "
            "false}}", "ab abc", "6 9 7");
    encodes(B("", MERGES) ", \"pre_tokenizer\": {\"type\": \"ByteLevel\"}}", "ab", "9 6");
}

static void test_bpe_refused(void **state)
{
    (void)state;
    refused(B("\"dropout\": 0.1, ", MERGES) "}", "\"dropout\" 0.1");
    refused(B("", "\"a x\"") "}", "merges[0]\" needs \"x\"");
    refused(B("", "\"b a\"") "}", "merges[0]\" needs \"ba\"");
    refused(B("", "\"a b\", \"a b c\"") "}", "merges[1]\" must be two tokens");
    refused(B("", "\"ab\"") "}", "merges[0]\" must be two tokens");
    refused(B("", "[\"a\"]") "}", "merges[0]\" must be two tokens");
    refused(B("", "[\"a\", 1]") "}", "merges[0]\" must be two tokens");
    refused(B("\"unk_token\": \"<x>\", ", MERGES) "}", "lacks the unknown token \"<x>\"");
    refused(B("\"byte_fallback\": true, \"end_of_word_suffix\": \"</w>\", ", "") "}",
            "byte_fallback");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}", "\"model.merges\"");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", "\"model.vocab\"");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}",
            "the same id 0");
}

static void test_unigram_refused(void **state)
{
    (void)state;
    refused("{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}}", "unk_id\" is missing");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [[\"a\", 0]]}}",
            "unk_id");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": -1, \"vocab\": [[\"a\", 0]]}}",
            "unk_id");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": {}}}",
            "\"model.vocab\"");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\"]]}}",
            "vocab[0]");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\", \"0\"]]}}",
            "vocab[0]");
    refused("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [3]}}", "vocab[0]");
}

#define STEP(kind, step) U("") ", \"" kind "\": " step "}"

/* The limit itself: up to it, and not one byte past it. */
static void test_flow_limit(void **state)
{
    rk_flow f = {0};
    char *most = calloc(RK_FLOW_MAX, 1);
    (void)state;

    assert_non_null(most);
    rk_flow_put(&f, most, RK_FLOW_MAX, false);
    assert_true(!f.text.failed && f.text.length == RK_FLOW_MAX);
    rk_flow_put(&f, most, 1, false);
    assert_true(f.text.failed && f.text.length == RK_FLOW_MAX);
    rk_buffer_free(&f.text);
    free(most);
}

/* Steps that each make ten of one end at the limit, and the next text is none the worse. */
static void test_steps_without_end(void **state)
{
    const char *step = "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, "
                       "\"content\": \"aaaaaaaaaa\"}";
    rk_buffer json = {0};
    rk_ids ids = {0};
    rk_tokenizer *t;
    bool cut;
    (void)state;

    rk_buffer_puts(&json, U("") ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    for (int i = 0; i < 20; i++) rk_buffer_printf(&json, "%s%s", i ? ", " : "", step);
    rk_buffer_puts(&json, "]}}");
    t = open_json(json.data);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(rk_tokenizer_encode(t, "a", 1, 64, &ids, &cut, &err), RK_E_MEMORY);
    assert_int_equal(rk_tokenizer_encode(t, "b", 1, 64, &ids, &cut, &err), RK_OK);
    rk_ids_clear(&ids);
    rk_tokenizer_close(t);
    rk_buffer_free(&json);
}

static void test_steps_refused(void **state)
{
    (void)state;
    refused(STEP("normalizer", "{\"type\": \"ByteLevel\"}"), "type \"ByteLevel\"; only Bert");
    refused(STEP("normalizer", "{\"type\": \"Sequence\"}"), "normalizers\" must be a list");
    refused(STEP("normalizer", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a+b\"}, "
                 "\"content\": \"\"}"), "regular expression \"a+b\"");
    refused(STEP("normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, "
                 "\"content\": \"\"}"), "not empty");
    refused(STEP("normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}"),
            "content");
    refused(STEP("normalizer", "{\"type\": \"Prepend\"}"), "\"normalizer.prepend\"");
    refused(STEP("normalizer", "{\"type\": \"Precompiled\"}"), "precompiled_charsmap");
    refused(STEP("normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"a\"}"),
            "not base64");
    refused(STEP("normalizer",
            "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAA==\"}"),
            "units of 4 bytes");
    refused(STEP("normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": "
                 "\"BAAAAAAAAAD/AA==\"}"), "not UTF-8");
    refused(STEP("pre_tokenizer", "{\"type\": \"UnicodeScripts\"}"), "type \"UnicodeScripts\"");
    refused(STEP("pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\d\"}, "
                 "\"behavior\": \"Isolated\"}"), "regular expression \"\\d\"");
    refused(STEP("pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, "
                 "\"behavior\": \"Foo\"}"), "behavior");
    refused(STEP("pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"_\", "
                 "\"prepend_scheme\": \"often\"}"), "prepend_scheme");
    refused(STEP("pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"_\", "
                 "\"prepend_scheme\": \"first\", \"add_prefix_space\": false}"), "must agree");
    refused(STEP("pre_tokenizer", "{\"type\": \"Metaspace\"}"), "replacement");
    refused(STEP("post_processor", "{\"type\": \"Foo\"}"), "type \"Foo\"; only Template");
    refused(STEP("post_processor", "{\"type\": \"Sequence\", \"processors\": [{\"type\": "
                 "\"ByteLevel\"}, {\"type\": \"RobertaProcessing\"}, {\"type\": "
            "\"BertProcessing\"}]}"),
            "\"Sequence\"");
}

static void test_many_steps(void **state)
{
    rk_buffer b = {0};
    (void)state;
    rk_buffer_puts(&b, U("") ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    for (int i = 0; i < 100; i++) rk_buffer_printf(&b, "%s{\"type\": \"NFC\"}", i ? ", " : "");
    rk_buffer_puts(&b, "]}}");
    refused(b.data, "more than 30 steps");
    rk_buffer_free(&b);
}

/* A table whose entries point nowhere does nothing, and reads nothing outside. */
static void test_wild_table(void **state)
{
    (void)state;
    encodes(STEP("normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": "
                 "\"BAAAAP////8=\"}"), "ab", "5 6");
}

static void test_frame(void **state)
{
    static const char two[] = U("") ", \"post_processor\": {\"type\": \"TemplateProcessing\", "
        "\"single\": [{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"SpecialToken\": {\"id\": "
            "\"</s>\"}}, "
        "{\"Sequence\": {\"id\": \"A\"}}, {\"SpecialToken\": {\"id\": \"</s>\"}}], \"pair\": [], "
        "\"special_tokens\": {\"<s>\": {\"ids\": [1]}, \"</s>\": {\"ids\": [2]}}}}";
    rk_tokenizer *t = open_json(two);
    rk_ids ids = {0};
    (void)state;
    if (!t) fail_msg("%s", err.message);
    encodes_with(t, "ab", 64, "1 2 5 6 2");
    encodes_with(t, "ab", 4, "1 2 5 2 cut");
    assert_int_equal(rk_tokenizer_encode(t, "a", 1, 2, &ids, NULL, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "3 or more"));
    rk_tokenizer_close(t);
}

/* A row without tokens is refused with its place; a text alone may be empty. */
static void test_empty_row(void **state)
{
    rk_tokenizer *t = open_json(B("", MERGES) "}");
    rk_rows *rows;
    rk_encoded e;
    (void)state;
    assert_non_null(t);
    encodes_with(t, "", 8, "");
    assert_int_equal(rk_rows_load(&rows, scratch_write("e.tsv", "a\nx\n", 4), false, 0, &err),
            RK_OK);
    assert_int_equal(rk_encode_rows(&e, rows, t, 0, 8, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "e.tsv:2: the text gives no token"));
    rk_rows_free(rows);
    rk_tokenizer_close(t);
}

static void write_file(const char *name, const char *text)
{
    mkdir(scratch_path("m"), 0777);
    scratch_write(name, text, strlen(text));
}

static void test_folder(void **state)
{
    rk_tokenizer *t, *again;
    (void)state;
    write_file("m/tokenizer.json", B("", MERGES) ", \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
               "\"add_prefix_space\": false}" ROBERTA "}");
    write_file("m/tokenizer_config.json", "{\"cls_token\": \"<s>\", \"sep_token\": \"</s>\", "
               "\"do_lower_case\": true, \"add_prefix_space\": false, \"pad_token\": \"<unk>\"}");
    assert_int_equal(rk_tokenizer_open(&t, scratch_path("m"), &err), RK_OK);
    assert_int_equal(rk_tokenizer_pad_id(t), 0);
    encodes_with(t, "ab</s>", 9, "1 6 2 2");
    mkdir(scratch_path("s"), 0777);
    assert_int_equal(rk_tokenizer_save(t, scratch_path("s"), &err), RK_OK);
    assert_int_equal(scratch_count(scratch_path("s")), 3);    /* no vocab.txt */
    assert_int_equal(rk_tokenizer_open(&again, scratch_path("s"), &err), RK_OK);
    encodes_with(again, "ab</s>", 9, "1 6 2 2");
    rk_tokenizer_close(again);
    rk_tokenizer_close(t);
    write_file("m/tokenizer_config.json", "{\"add_prefix_space\": true}");
    assert_int_equal(rk_tokenizer_open(&t, scratch_path("m"), &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "\"add_prefix_space\" is true here and false"));
    write_file("m/tokenizer_config.json", "{\"pad_token\": \"<pad>\"}");
    assert_int_equal(rk_tokenizer_open(&t, scratch_path("m"), &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "lacks \"<pad>\""));
    scratch_remove(scratch_path("m"));
}

/* Every part of the document is in what is written of it, as it was. */
static void keeps(const char *text)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    rk_tokenizer *t = open_json(text);
    json_t *json, *own, *value;
    const char *key;
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(rk_json_parse(&json, text, strlen(text), "t.json", &err), RK_OK);
    own = rk_tokenizer_json(t);
    assert_non_null(own);
    json_object_foreach(json_object_get(json, "model"), key, value)
        if (!json_equal(value, json_object_get(json_object_get(own, "model"), key)))
            fail_msg("model.%s is not kept", key);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        value = json_object_get(json, parts[i]);
        if (value && !json_equal(value, json_object_get(own, parts[i])))
            fail_msg("%s is not kept", parts[i]);
    }
    json_decref(own);
    json_decref(json);
    rk_tokenizer_close(t);
}

static void test_saved(void **state)
{
    static const char *const merges = "[\"a\", \"b\"], [\"b\", \"c\"], [\"ab\", \"c\"]";
    rk_buffer b = {0};
    (void)state;
    keeps(U(", [\"<0x41>\", -2.5], [\"u\", -1.25]") META ROBERTA
          ", \"normalizer\": {\"type\": \"NFKC\"}, \"decoder\": {\"type\": \"Metaspace\"}}");
    keeps("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"byte_fallback\": true, "
          "\"vocab\": [[\"a\", -1.5], [\"u\", -2.0], [\"u\", -5.0], [\"<0x41>\", 0.0]]}}");
    for (unsigned bits = 0; bits < 8; bits++) {
        rk_buffer_clear(&b);
        rk_buffer_printf(&b, "{\"model\": {\"type\": \"BPE\", \"unk_token\": %s, \"fuse_unk\": %s, "
                         "\"ignore_merges\": %s, \"byte_fallback\": %s, ",
                         bits ? "\"<unk>\"" : "null", bits & 1 ? "true" : "false",
                         bits & 2 ? "true" : "false", bits & 4 ? "true" : "false");
        rk_buffer_printf(&b, "\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"c\": 3, \"ab\": 4, "
                         "\"bc\": 5, \"abc\": 7}, \"merges\": [%s]}, \"pre_tokenizer\": "
                         "{\"type\": \"WhitespaceSplit\"}}", merges);
        keeps(b.data);
    }
    keeps(B("\"continuing_subword_prefix\": \"##\", \"end_of_word_suffix\": \"</w>\", ", "") "}");
    rk_buffer_free(&b);
}

static rk_status make_and_encode(void *json, rk_error *e)
{
    rk_tokenizer *t = NULL;
    rk_ids ids = {0};
    rk_status st = rk_tokenizer_from_json(&t, json, "t.json", e);
    if (!st) st = rk_tokenizer_encode(t, "ab \xcc\x81\xcc\xa3x", 8, 8, &ids, NULL, e);
    rk_tokenizer_close(t);
    rk_ids_clear(&ids);
    return st;
}

static void test_memory(void **state)
{
    static const char *const text[] = {
        U("") ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, "
        "{\"type\": \"Strip\"}, {\"type\": \"Precompiled\", \"precompiled_charsmap\": "
        "\"BAAAAP////8=\"}]}" META ROBERTA "}",
        B("\"unk_token\": \"<unk>\", ",
            MERGES) ", \"pre_tokenizer\": {\"type\": \"ByteLevel\"}" ROBERTA
        "}",
    };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        json_t *json;
        assert_int_equal(rk_json_parse(&json, text[k], strlen(text[k]), "t.json", &err), RK_OK);
        assert_true(fail_each(make_and_encode, json, 20));
        json_decref(json);
    }
}

/* A megabyte that is one word, and merges all along it. */
static void test_long(void **state)
{
    enum { SIZE = 1 << 20 };
    rk_tokenizer *t = open_json(B("", MERGES) "}");
    char *text = malloc(SIZE + 1);
    rk_ids ids = {0};
    (void)state;
    assert_non_null(t);
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++) text[i] = "abc"[i % 3];
    text[SIZE] = '\0';
    assert_int_equal(rk_tokenizer_encode(t, text, SIZE, 1 << 22, &ids, NULL, &err), RK_OK);
    assert_int_equal(ids.count, SIZE / 3 + 1);
    rk_ids_clear(&ids);
    free(text);
    rk_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram),       cmocka_unit_test(test_unigram_again),
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_bpe_refused),   cmocka_unit_test(test_unigram_refused),
        cmocka_unit_test(test_steps_refused),
        cmocka_unit_test(test_flow_limit),
        cmocka_unit_test(test_steps_without_end), cmocka_unit_test(test_many_steps),
        cmocka_unit_test(test_wild_table),    cmocka_unit_test(test_frame),
        cmocka_unit_test(test_empty_row),     cmocka_unit_test(test_folder),
        cmocka_unit_test(test_saved),
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
