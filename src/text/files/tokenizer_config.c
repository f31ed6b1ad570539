/* tokenizer_config.json and special_tokens_map.json, and the opening of a folder. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

enum { EXTRA_MAX = 1000 };    /* tokens of additional_special_tokens */

static const char *const name_key[RK_SPECIALS] = {"unk_token", "cls_token", "sep_token",
                                                  "pad_token", "mask_token"};

/* A token is a string or an object with a content. */
static const char *content_of(const json_t *value)
{
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static rk_status take_names(rk_tokenizer *t, const json_t *config, const char *where, rk_error *err)
{
    char here[RK_QUOTE_SIZE], there[RK_QUOTE_SIZE];
    rk_status st = RK_OK;

    for (int i = 0; i < RK_SPECIALS && !st; i++) {
        const json_t *value = json_object_get(config, name_key[i]);
        const char *text = content_of(value);
        if (!value || json_is_null(value)) continue;
        if (!text || !*text)
            return rk_fail(err, RK_E_FORMAT, "%s: \"%s\" must be a token", where, name_key[i]);
        if ((t->fixed & 1u << i) && strcmp(text, t->special[i]) != 0)
            return rk_fail(err, RK_E_FORMAT,
                           "%s: \"%s\" is \"%s\" here, \"%s\" in tokenizer.json; they must agree",
                           where, name_key[i], rk_quote(here, text, strlen(text)),
                           rk_quote(there, t->special[i], strlen(t->special[i])));
        st = rk_tokenizer_name(t, i, text, err);
        t->told |= 1u << i;
    }
    return st;
}

static rk_status contradiction(const char *where, const char *key, bool here, rk_error *err)
{
    return rk_fail(err, RK_E_FORMAT,
                   "%s: \"%s\" is %s here and %s in tokenizer.json; they must agree",
                   where, key, here ? "true" : "false", here ? "false" : "true");
}

static rk_status take_switches(rk_tokenizer *t, const json_t *config, bool fixed, const char *path,
                               const char *where, rk_error *err)
{
    const json_t *strip_json = json_object_get(config, "strip_accents");
    bool lower = t->norm.lower, han = t->norm.han, strip = t->norm.strip, basic = true;
    rk_status st = rk_json_bool(&lower, config, "do_lower_case", path, err);

    if (!st) st = rk_json_bool(&han, config, "tokenize_chinese_chars", path, err);
    if (!st) st = rk_json_bool(&strip, config, "strip_accents", path, err);
    if (!st) st = rk_json_bool(&basic, config, "do_basic_tokenize", path, err);
    if (st) return st;
    if (fixed) {
        if (lower != t->norm.lower) return contradiction(where, "do_lower_case", lower, err);
        if (han != t->norm.han) return contradiction(where, "tokenize_chinese_chars", han, err);
        if (strip != t->norm.strip) return contradiction(where, "strip_accents", strip, err);
        return RK_OK;
    }
    if (!basic)
        return rk_fail(err, RK_E_FORMAT, "%s: \"do_basic_tokenize\" false is not supported", where);
    t->norm.lower = lower;
    t->norm.han = han;
    t->strip_accents = json_is_boolean(strip_json) ? strip : -1;
    t->norm.strip = t->strip_accents < 0 ? lower : strip;
    return RK_OK;
}

/* transformers lets this key change the pre-tokeniser. */
static rk_status check_prefix_space(const rk_tokenizer *t, const json_t *config, const char *path,
                                    const char *where, rk_error *err)
{
    bool prefix = t->prefix_space == 1;
    rk_status st = RK_OK;

    if (t->prefix_space < 0) return RK_OK;
    st = rk_json_bool(&prefix, config, "add_prefix_space", path, err);
    if (st || prefix == (t->prefix_space == 1)) return st;
    return contradiction(where, "add_prefix_space", prefix, err);
}

/* Without a tokenizer.json the class decides what is done to a text, so it must be one that does as
 * BERT's. */
static rk_status check_class(const json_t *config, const char *where, rk_error *err)
{
    static const char *const known[] = {"Bert", "DistilBert", "Electra", "MobileBert", "ConvBert",
                                        "PreTrained"};
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    char name[RK_QUOTE_SIZE];

    if (!class) return RK_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t n = strlen(known[i]);
        if (strncmp(class, known[i], n) == 0 &&
            (strcmp(class + n, "Tokenizer") == 0 || strcmp(class + n, "TokenizerFast") == 0))
            return RK_OK;
    }
    return rk_fail(err, RK_E_FORMAT,
                   "%s: \"tokenizer_class\" is \"%s\"; BertTokenizer is supported",
                   where, rk_quote(name, class, strlen(class)));
}

/* ---- added tokens ---- */

typedef struct numbered {
    int64_t id;
    const json_t *value;
} numbered;

static int by_id(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static rk_status add_one(rk_tokenizer *t, const json_t *value, int32_t id, bool special,
                         const char *path, const char *where, rk_error *err)
{
    const char *text = content_of(value);
    rk_added a = {.id = id, .special = special};
    rk_status st = RK_OK;

    if (!text) return rk_fail(err, RK_E_FORMAT, "%s: an added token has no content", where);
    if (json_is_object(value)) {
        st = rk_json_bool(&a.special, value, "special", path, err);
        a.normalized = !a.special;
        if (!st) st = rk_json_bool(&a.normalized, value, "normalized", path, err);
        if (!st) st = rk_json_bool(&a.single_word, value, "single_word", path, err);
        if (!st) st = rk_json_bool(&a.lstrip, value, "lstrip", path, err);
        if (!st) st = rk_json_bool(&a.rstrip, value, "rstrip", path, err);
    }
    return st ? st : rk_tokenizer_add(t, text, strlen(text), a, where, err);
}

static rk_status take_decoder(rk_tokenizer *t, const json_t *decoder, const char *path,
                              const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *key;
    json_t *value;
    numbered *list;
    size_t count = 0;
    rk_status st = RK_OK;

    if (!decoder || json_is_null(decoder)) return RK_OK;
    if (!json_is_object(decoder))
        return rk_fail(err, RK_E_FORMAT, "%s: \"added_tokens_decoder\" must be an object", where);
    list = rk_calloc(json_object_size(decoder), sizeof *list);
    if (!list) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    json_object_foreach((json_t *)(uintptr_t)decoder, key, value) {
        char *end;
        const long id = strtol(key, &end, 10);
        if (*key < '0' || *key > '9' || *end || id >= RK_VOCAB_MAX) {
            st = rk_fail(err, RK_E_FORMAT, "%s: \"added_tokens_decoder\" has a key \"%s\"; ids are "
                         "wanted", where, rk_quote(name, key, strlen(key)));
            break;
        }
        list[count++] = (numbered){id, value};
    }
    qsort(list, count, sizeof *list, by_id);    /* new ids must come in order */
    for (size_t i = 0; i < count && !st; i++)
        st = add_one(t, list[i].value, (int32_t)list[i].id, false, path, where, err);
    rk_free(list);
    return st;
}

static rk_status take_extra(rk_tokenizer *t, const json_t *list, const char *path,
                            const char *where, rk_error *err)
{
    rk_status st = RK_OK;

    if (json_array_size(list) > EXTRA_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: %zu additional special tokens; at most %d are taken",
                       where, json_array_size(list), EXTRA_MAX);
    for (size_t i = 0; i < json_array_size(list) && !st; i++)
        st = add_one(t, json_array_get(list, i), -1, true, path, where, err);
    return st;
}

rk_status rk_tokenizer_config(rk_tokenizer *t, const json_t *config, bool fixed, const char *path,
                              rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    rk_status st;

    rk_quote(where, path, strlen(path));
    if (!json_is_object(config))
        return rk_fail(err, RK_E_FORMAT, "%s: a JSON object is wanted", where);
    st = fixed ? RK_OK : check_class(config, where, err);
    if (!st) st = take_names(t, config, where, err);
    if (!st && t->kind == RK_WORDPIECE && !t->steps)
        st = take_switches(t, config, fixed, path, where, err);
    if (!st) st = check_prefix_space(t, config, path, where, err);
    if (!st)
        st = take_decoder(t, json_object_get(config, "added_tokens_decoder"), path, where, err);
    if (!st)
        st = take_extra(t, json_object_get(config, "additional_special_tokens"), path, where, err);
    if (!st) st = take_extra(t, json_object_get(config, "extra_special_tokens"), path, where, err);
    return st;
}

/* ---- a folder ---- */

/* *exists says whether folder/name is there; *path is its name in any case. */
static rk_status locate(char **path, bool *exists, const char *folder, const char *name,
                        rk_error *err)
{
    *path = rk_path_join(folder, name);
    if (!*path) return rk_fail(err, RK_E_MEMORY, "out of memory");
    *exists = rk_path_exists(*path);
    return RK_OK;
}

static rk_status read_vocabulary(rk_tokenizer *t, const char *folder, bool *fixed, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    char *json_path = NULL, *vocab_path = NULL;
    json_t *json = NULL;
    bool vocab = false;
    rk_status st = locate(&json_path, fixed, folder, "tokenizer.json", err);

    if (!st) st = locate(&vocab_path, &vocab, folder, "vocab.txt", err);
    if (st) goto done;
    if (!*fixed && !vocab) {
        st = rk_fail(err, RK_E_OPEN, "%s: holds neither tokenizer.json nor vocab.txt",
                     rk_quote(name, folder, strlen(folder)));
    } else if (*fixed) {
        st = rk_json_load(&json, json_path, err);
        if (!st) st = rk_tokenizer_parse(t, json, json_path, err);
        if (!st && vocab && t->kind == RK_WORDPIECE) st = rk_vocab_agrees(t, vocab_path, err);
    } else {
        st = rk_vocab_read(t, vocab_path, err);
    }
done:
    json_decref(json);
    rk_free(json_path);
    rk_free(vocab_path);
    return st;
}

static rk_status read_config(rk_tokenizer *t, const char *folder, const char *file, bool fixed,
                             rk_error *err)
{
    char *path;
    json_t *json = NULL;
    bool exists = false;
    rk_status st = locate(&path, &exists, folder, file, err);

    if (!st && exists) st = rk_json_load(&json, path, err);
    if (!st && exists) st = rk_tokenizer_config(t, json, fixed, path, err);
    json_decref(json);
    rk_free(path);
    return st;
}

rk_status rk_tokenizer_open(rk_tokenizer **out, const char *folder, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_tokenizer *t = rk_tokenizer_new();
    bool fixed = false;
    rk_status st;

    *out = NULL;
    rk_quote(name, folder, strlen(folder));
    if (!t) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", name);
    if (!rk_path_is_dir(folder)) {
        rk_tokenizer_close(t);
        return rk_fail(err, RK_E_OPEN, "%s: is not a folder; a model folder is wanted", name);
    }
    st = read_vocabulary(t, folder, &fixed, err);
    if (!st) st = read_config(t, folder, "special_tokens_map.json", fixed, err);
    if (!st) st = read_config(t, folder, "tokenizer_config.json", fixed, err);
    if (!st) st = rk_tokenizer_ready(t, name, err);
    if (st) rk_tokenizer_close(t);
    else *out = t;
    return st;
}

rk_status rk_tokenizer_from_json(rk_tokenizer **out, const json_t *json, const char *path,
                                 rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    rk_tokenizer *t = rk_tokenizer_new();
    rk_status st;

    *out = NULL;
    rk_quote(where, path, strlen(path));
    if (!t) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    st = rk_tokenizer_parse(t, json, path, err);
    if (!st) st = rk_tokenizer_ready(t, where, err);
    if (st) rk_tokenizer_close(t);
    else *out = t;
    return st;
}
