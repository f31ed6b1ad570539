/* links: base text */
/* Tokenizers in folders: which files are read, what is refused, what is saved. The names TK-.. and
 * VO-.. are those of the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "support/fail_each.h"
#include "support/scratch.h"
#include "support/token_folder.h"

static rk_error err;

static void encodes(const rk_tokenizer *t, const char *text, size_t limit, const char *want)
{
    char *got = token_ids(t, text, limit, &err);
    if (!got) fail_msg("refused: %s: %s", text, err.message);
    assert_string_equal(got, want);
    rk_free(got);
}

/* ---- folders ---- */

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nenak\n##nya\n!\n";

static void folder_refused(rk_status want, const char *says)
{
    rk_tokenizer *t;
    assert_int_equal(rk_tokenizer_open(&t, token_folder(), &err), want);
    assert_null(t);
    if (!strstr(err.message, says)) fail_msg("want \"%s\" in: %s", says, err.message);
}

static rk_tokenizer *open_folder(void)
{
    rk_tokenizer *t;
    if (rk_tokenizer_open(&t, token_folder(), &err)) fail_msg("%s", err.message);
    return t;
}

static void test_folder(void **state)
{
    rk_tokenizer *t;
    (void)state;
    scratch_remove(scratch_path("m"));
    assert_int_equal(rk_tokenizer_open(&t, scratch_path("m"), &err), RK_E_OPEN);
    assert_non_null(strstr(err.message, "not a folder"));
    token_folder_empty();
    folder_refused(RK_E_OPEN, "neither tokenizer.json nor vocab.txt");
    token_file("m/vocab.txt", vocab);
    t = open_folder();
    encodes(t, "ENAKnya!", 9, "2 7 8 9 3");
    rk_tokenizer_close(t);
    token_file("m/tokenizer_config.json", "{\"do_lower_case\": false, \"model_max_length\": "
               /* TK-21 */
               "1000000000000000019884624838656, \"tokenizer_class\": \"BertTokenizer\"}");
    t = open_folder();
    encodes(t, "ENAKnya! enak", 9, "2 1 9 7 3");
    rk_tokenizer_close(t);
    token_file("m/tokenizer.json", "{" MODEL ", " TWO "}");
    folder_refused(RK_E_FORMAT, "\"do_lower_case\" is false here and true in tokenizer.json");
    token_file("m/tokenizer_config.json", "{\"cls_token\": {\"content\": \"[CLS]\"}}");
    rk_tokenizer_close(open_folder());
    token_file("m/tokenizer_config.json", "{\"unk_token\": \"[PAD]\"}");
    folder_refused(RK_E_FORMAT, "\"unk_token\" is \"[PAD]\" here, \"[UNK]\" in tokenizer.json");
    token_file("m/tokenizer_config.json", "{\"tokenize_chinese_chars\": false}");
    folder_refused(RK_E_FORMAT, "\"tokenize_chinese_chars\" is false here and true");
    token_file("m/tokenizer_config.json", "{\"strip_accents\": false}");
    folder_refused(RK_E_FORMAT, "\"strip_accents\" is false here and true");
    token_file("m/tokenizer_config.json", "{\"strip_accents\": 3}");
    folder_refused(RK_E_FORMAT, "\"strip_accents\" must be true or false");
    token_file("m/tokenizer_config.json", "{]");
    folder_refused(RK_E_FORMAT, "tokenizer_config.json:1: ");
}

static void test_disagree(void **state)
{
    (void)state;
    token_folder_empty();
    token_file("m/tokenizer.json", "{" MODEL ", " TWO "}");
    token_file("m/vocab.txt", vocab);
    rk_tokenizer_close(open_folder());
    token_file("m/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##c\nenak\n##nya\n!\n");
    folder_refused(RK_E_FORMAT, "vocab.txt: id 6 is \"##c\" here");    /* TK-20 */
    token_file("m/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nenak\n##nya\n");
    folder_refused(RK_E_FORMAT, "id 9 is no token here");
    token_file("m/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nenak\n##nya\n!\n?\n");
    folder_refused(RK_E_FORMAT, "id 10 is \"?\" here");
}

static void test_config(void **state)
{
    rk_tokenizer *t;
    (void)state;
    token_folder_empty();
    token_file("m/vocab.txt", "<pad>\n<unk>\n<s>\n</s>\na\n##b\n");
    folder_refused(RK_E_FORMAT, "lacks \"[UNK]\"");
    token_file("m/special_tokens_map.json", "{\"unk_token\": \"<unk>\", \"cls_token\": \"<s>\", "
               "\"sep_token\": \"</s>\", \"pad_token\": {\"content\": \"<pad>\"}}");
    t = open_folder();
    encodes(t, "ab x</s>", 9, "2 4 5 1 3 3");
    encodes(t, "[MASK]", 9, "2 1 1 1 3");
    rk_tokenizer_close(t);
    token_file("m/tokenizer_config.json", "{\"added_tokens_decoder\": {\"7\": {\"content\": "
               "\"<y>\"}, \"6\": {\"content\": \"<x>\", \"special\": true}}, "
               "\"additional_special_tokens\": [\"<z>\"]}");
    t = open_folder();
    encodes(t, "<x><Y><z>", 9, "2 6 7 8 3");
    rk_tokenizer_close(t);
    token_file("m/tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {}}}");
    folder_refused(RK_E_FORMAT, "a key \"x\"");
    token_file("m/tokenizer_config.json",
               "{\"added_tokens_decoder\": {\"4\": {\"content\": \"b\"}}}");
    folder_refused(RK_E_FORMAT, "the same id 4");
    token_file("m/tokenizer_config.json", "{\"tokenizer_class\": \"XLMRobertaTokenizer\"}");
    folder_refused(RK_E_FORMAT, "\"XLMRobertaTokenizer\"");
    token_file("m/tokenizer_config.json", "{\"do_basic_tokenize\": false}");
    folder_refused(RK_E_FORMAT, "do_basic_tokenize");
}

/* ---- vocab.txt ---- */

#define FIVE "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static rk_tokenizer *open_vocab(const char *bytes, size_t length)
{
    rk_tokenizer *t = NULL;
    token_folder_empty();
    scratch_write("m/vocab.txt", bytes, length);
    if (rk_tokenizer_open(&t, token_folder(), &err)) assert_null(t);
    else err.message[0] = '\0';
    return t;
}

static void vocab_refused(const char *bytes, size_t length, const char *says)
{
    if (open_vocab(bytes, length)) fail_msg("accepted, though: %s", says);
    assert_int_equal(err.code, RK_E_FORMAT);
    if (!strstr(err.message, says)) fail_msg("want \"%s\" in: %s", says, err.message);
}

static void vocab_encodes(const char *bytes, size_t length, size_t size, const char *text,
                          const char *want)
{
    rk_tokenizer *t = open_vocab(bytes, length);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(rk_tokenizer_size(t), size);
    encodes(t, text, 16, want);
    rk_tokenizer_close(t);
}

#define LITERAL(s) s, sizeof(s) - 1

static void test_vocab_lines(void **state)
{
    (void)state;
    /* VO-01 */
    vocab_encodes(LITERAL("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n"), 5, "a b", "2 4 1 3");
    vocab_refused(LITERAL(FIVE "a\rb\nc\n"), "vocab.txt:6: a carriage return");    /* VO-02 */
    vocab_encodes(LITERAL("\xef\xbb\xbf" FIVE "a\n"), 6, "a", "2 5 3");    /* VO-03 */
    /* VO-04 */
    vocab_refused(LITERAL(FIVE "a\nb\xff\n"), "vocab.txt:7: not valid UTF-8 at byte 2");
    vocab_refused(LITERAL(FIVE "a\nb\0\n"), "vocab.txt:7: a NUL byte at byte 2");
    vocab_encodes(LITERAL(FIVE "a\nb\na\n"), 8, "a b", "2 7 6 3");    /* VO-05 */
    vocab_encodes(LITERAL(FIVE "\nb\n"), 7, "b", "2 6 3");    /* VO-06 */
    vocab_encodes(LITERAL(FIVE "a\nb"), 7, "a b", "2 5 6 3");    /* VO-07 */
    vocab_encodes(LITERAL(FIVE "a\nb\n\n"), 8, "a b", "2 5 6 3");
    vocab_refused(LITERAL("[PAD]\n[UNK]\n[CLS]\na\n"), "lacks \"[SEP]\"");    /* VO-08 */
    /* VO-09 */
    vocab_encodes(LITERAL("a\n[SEP]\n[UNK]\nb\n[PAD]\n[CLS]\n"), 6, "a b c", "5 0 3 2 1");
    vocab_encodes(LITERAL(FIVE "##\n a \na\xe2\x80\xa8\n"), 8, "a ##", "2 1 1 1 3");    /* VO-12 */
    vocab_refused(LITERAL("\xff\xfe[\0P\0"), "this is UTF-16");    /* VO-13 */
    vocab_refused(LITERAL(""), "the file is empty");
}

/* Of equal tokens the last counts; the ids of the others, and of empty lines, name nothing. */
static void test_vocab_doubles(void **state)
{
    rk_tokenizer *t = open_vocab(LITERAL(FIVE "a\n\na\n\n"));
    (void)state;
    assert_non_null(t);
    assert_int_equal(rk_tokenizer_size(t), 9);
    assert_null(rk_tokenizer_token(t, 5));
    assert_null(rk_tokenizer_token(t, 6));
    assert_string_equal(rk_tokenizer_token(t, 7), "a");
    rk_tokenizer_close(t);
}

static void test_vocab_limits(void **state)
{
    char *big = malloc(8 << 20);
    size_t at;
    (void)state;
    assert_non_null(big);
    at = (size_t)sprintf(big, FIVE);
    memset(big + at, 'x', 1 << 20);
    vocab_refused(big, at + (1 << 20), "vocab.txt:6: a token of 1048576 bytes");    /* VO-10 */
    big[at + 1025] = '\n';
    vocab_refused(big, at + 1026, "1025 bytes; at most 1024");
    big[at + 1024] = '\n';
    rk_tokenizer_close(open_vocab(big, at + 1025));
    assert_string_equal(err.message, "");
    for (size_t i = 5; i < 2000000; i++) big[at++] = '\n';    /* VO-11 */
    rk_tokenizer_close(open_vocab(big, at));
    assert_string_equal(err.message, "");
    big[at++] = '\n';
    vocab_refused(big, at, "vocab.txt:2000001: at most 2000000 tokens");
    free(big);
}

/* What is saved opens as an equal tokenizer, and saves to the same bytes. */
static void test_save(void **state)
{
    static const char *const file[] = {"tokenizer.json", "vocab.txt", "tokenizer_config.json",
                                       "special_tokens_map.json"};
    rk_tokenizer *t = token_open_json("{" MODEL ", " TWO ", \"added_tokens\": ["
                                      "{\"id\": 10, \"content\": \"<x>\", \"lstrip\": true, "
                                      "\"special\": true}]}", &err);
    rk_tokenizer *again;
    json_t *json;
    (void)state;
    assert_non_null(t);
    mkdir(scratch_path("s1"), 0777);
    mkdir(scratch_path("s2"), 0777);
    assert_int_equal(rk_tokenizer_save(t, scratch_path("s1"), &err), RK_OK);
    assert_int_equal(scratch_count(scratch_path("s1")), 4);
    assert_int_equal(rk_tokenizer_open(&again, scratch_path("s1"), &err), RK_OK);
    encodes(again, "enaknya <x>!", 9, "2 7 8 10 9 3");
    json = rk_tokenizer_json(again);
    assert_non_null(json);
    rk_tokenizer_close(again);
    assert_int_equal(rk_tokenizer_from_json(&again, json, "metadata", &err), RK_OK);
    json_decref(json);
    assert_int_equal(rk_tokenizer_save(again, scratch_path("s2"), &err), RK_OK);
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        size_t n, m;
        char *a, *b;
        snprintf(name, sizeof name, "s1/%s", file[i]);
        a = scratch_read(scratch_path(name), &n);
        snprintf(name, sizeof name, "s2/%s", file[i]);
        b = scratch_read(scratch_path(name), &m);
        assert_non_null(a);
        assert_non_null(b);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    rk_tokenizer_close(again);
    /* where transformers is to cut */
    rk_tokenizer_set_max_length(t, 77);
    assert_int_equal(rk_tokenizer_save(t, scratch_path("s2"), &err), RK_OK);
    assert_int_equal(rk_json_load(&json, scratch_path("s2/tokenizer_config.json"), &err), RK_OK);
    assert_int_equal(json_integer_value(json_object_get(json, "model_max_length")), 77);
    json_decref(json);
    rk_tokenizer_close(t);
}

static rk_status open_and_encode(void *folder, rk_error *e)
{
    rk_tokenizer *t = NULL;
    rk_ids ids = {0};
    rk_status st = rk_tokenizer_open(&t, folder, e);
    if (!st) st = rk_tokenizer_encode(t, "abx \xe3\x80\xae\xe1\xad\x84", 10, 8, &ids, NULL, e);
    rk_tokenizer_close(t);
    rk_ids_clear(&ids);
    return st;
}

static void test_memory(void **state)
{
    char *folder = rk_strdup(scratch_path("m"));
    (void)state;
    token_folder_empty();
    token_file("m/tokenizer.json",
               "{" MODEL ", " TWO ", \"added_tokens\": [{\"id\": 10, \"content\": \"x\"}]}");
    token_file("m/vocab.txt", vocab);
    token_file("m/tokenizer_config.json",
               "{\"added_tokens_decoder\": {\"5\": {\"content\": \"a\"}}}");
    assert_true(fail_each(open_and_encode, folder, 30));
    rk_free(folder);
}

/* vocab.txt has no place for a token with a line end, nor for an id without one: an empty line
 * keeps the others' ids, and the folder opens again. */
static void test_save_gaps(void **state)
{
    rk_tokenizer *t = token_open_json("{\"model\": {\"type\": \"WordPiece\", \"vocab\": "
                                      "{\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, "
                                      "\"[SEP]\": 3, \"x\\ny\": 5, \"x\\ry\": 6, "
                                      "\"z\": 8}}, " TWO "}", &err);
    char *text;
    size_t n;
    (void)state;
    assert_non_null(t);
    mkdir(scratch_path("gaps"), 0777);
    assert_int_equal(rk_tokenizer_save(t, scratch_path("gaps"), &err), RK_OK);
    rk_tokenizer_close(t);
    text = scratch_read(scratch_path("gaps/vocab.txt"), &n);
    assert_string_equal(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\n\n\n\nz\n");
    free(text);
    assert_int_equal(rk_tokenizer_open(&t, scratch_path("gaps"), &err), RK_OK);
    encodes(t, "z", 8, "2 8 3");
    assert_string_equal(rk_tokenizer_token(t, 5), "x\ny");
    rk_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_disagree),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_vocab_lines),
        cmocka_unit_test(test_vocab_doubles),
        cmocka_unit_test(test_vocab_limits),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_save_gaps),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
