/* links: base text */
/* Texts: cleaned in every way and encoded by a tokenizer of each kind. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "text/clean.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "b",
                                     "##b", "makan", "##an", "!", ",", "\xc3\xa9", "##\xc3\xa9",
                                     "\xe4\xb8\xad", "\xe1\x84\x80", "##\xe1\x85\xa1"};

static const unsigned cleanings[] = {RK_CLEAN_LOWER, RK_CLEAN_STRIP_SPECIAL, RK_CLEAN_COLLAPSE,
                                     RK_CLEAN_STOPWORDS, RK_CLEAN_SEED,
                                     RK_CLEAN_STOPWORDS | RK_CLEAN_KEEP_NEGATION};

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "fuzz_text: %s\n", what);
    abort();
}

/* Unigram and BPE behind every kind of step; the table's entries point nowhere. */
static const char *const documents[] = {
    "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"<s>\", 0], "
    "[\"a\", -1.5], [\"ab\", -2], [\"\\u2581\", -1], [\"\\u2581a\", -3], [\"\\u00e9\", -2]]}, "
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Nmt\"}, {\"type\": "
    "\"Precompiled\", \"precompiled_charsmap\": \"BAAAAP////8=\"}, {\"type\": \"NFKC\"}, "
    "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}, {\"type\": "
    "\"Strip\"}]}, \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
    "\"Digits\"}, {\"type\": \"Metaspace\", \"replacement\": \"\\u2581\", \"prepend_scheme\": "
    "\"first\"}]}, \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"<s>\", 1], "
    "\"sep\": [\"<s>\", 1]}}",
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0, \"<s>\": 1, "
    "\"a\": 2, \"b\": 3, \"ab\": 4, \"\\u0120\": 5, \"aa\": 6, \"\\u00c3\": 7}, \"merges\": "
    "[\"a b\", \"a a\"]}, \"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": "
    "\"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": "
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?"
    "[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, "
    "\"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\"}]}, \"post_processor\": {\"type\": "
    "\"RobertaProcessing\", \"cls\": [\"<s>\", 1], \"sep\": [\"<s>\", 1]}}"};

static rk_tokenizer *from_document(const char *text)
{
    rk_tokenizer *t = NULL;
    json_t *json;
    rk_error err = {RK_OK, ""};
    must(rk_json_parse(&json, text, strlen(text), "fuzz", &err) == RK_OK, err.message);
    must(rk_tokenizer_from_json(&t, json, "fuzz", &err) == RK_OK, err.message);
    json_decref(json);
    return t;
}

static void subwords(const char *text, size_t size)
{
    static rk_tokenizer *t[2];
    for (int k = 0; k < 2; k++) {
        rk_ids ids = {0}, few = {0};
        rk_error err = {RK_OK, ""};
        bool cut;
        if (!t[k]) t[k] = from_document(documents[k]);
        must(rk_tokenizer_encode(t[k], text, size, 1 << 24, &ids, &cut, &err) == RK_OK, "refused");
        must(!cut && ids.count >= 2 && ids.id[0] == 1 && ids.id[ids.count - 1] == 1, "no frame");
        for (size_t i = 0; i < ids.count; i++)
            must(rk_tokenizer_token(t[k], ids.id[i]) != NULL, "an id without a token");
        must(rk_tokenizer_encode(t[k], text, size, 5, &few, &cut, &err) == RK_OK, "refused");
        must(cut == (ids.count > 5) && few.count == (cut ? 5 : ids.count), "cut wrongly");
        must(memcmp(few.id, ids.id, (few.count - 1) * sizeof *few.id) == 0, "other ids when cut");
        rk_ids_clear(&ids);
        rk_ids_clear(&few);
    }
}

static void clean(const char *text, size_t size, unsigned steps)
{
    rk_buffer once = {0}, twice = {0};

    rk_clean_apply(&once, steps, text, size);
    must(!once.failed, "out of memory");
    must(rk_utf8_valid(once.data ? once.data : "", once.length, NULL), "cleaned to no UTF-8");
    /* All steps but the lower-casing of sigmas, which looks at neighbours, do nothing twice. */
    if (!(steps & RK_CLEAN_LOWER) || steps == RK_CLEAN_SEED) {
        rk_clean_apply(&twice, steps, once.data ? once.data : "", once.length);
        must(once.length == twice.length &&
                 (once.length == 0 || memcmp(once.data, twice.data, once.length) == 0),
             "cleaning twice is not cleaning once");
    }
    rk_buffer_free(&once);
    rk_buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rk_tokenizer *t;
    const char *text = (const char *)data;
    const bool valid = rk_utf8_valid(text, size, NULL);
    rk_error err = {RK_OK, ""};
    rk_ids ids = {0}, few = {0};
    bool cut;

    if (!t && rk_tokenizer_from_tokens(&t, tokens, sizeof tokens / sizeof tokens[0], &err))
        must(0, err.message);
    must((rk_tokenizer_encode(t, text, size, 1 << 24, &ids, &cut, &err) == RK_OK) == valid,
         "taken or refused wrongly");
    if (!valid) return 0;
    must(!cut && ids.count >= 2 && ids.id[0] == 2 && ids.id[ids.count - 1] == 3, "no frame");
    must(rk_tokenizer_encode(t, text, size, 5, &few, &cut, &err) == RK_OK, "refused");
    must(cut == (ids.count > 5) && few.count == (cut ? 5 : ids.count), "cut wrongly");
    must(memcmp(few.id, ids.id, (few.count - 1) * sizeof *few.id) == 0, "other ids when cut");
    subwords(text, size);
    for (size_t i = 0; i < sizeof cleanings / sizeof cleanings[0]; i++)
        clean(text, size, cleanings[i]);
    rk_ids_clear(&ids);
    rk_ids_clear(&few);
    return 0;
}
