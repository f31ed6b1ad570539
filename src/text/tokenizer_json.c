/* tokenizer.json as the `tokenizers` package writes it, for WordPiece models. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer_parts.h"

enum { NESTED_MAX = 4 };    /* of "Sequence" in "Sequence" */

/* What the steps below need to name a place. */
typedef struct source {
    rk_tokenizer *t;
    const char *path, *where;    /* as given, and made safe to print */
    rk_error *err;
} source;

static rk_status refuse_type(const source *s, const char *what, const json_t *value,
                             const char *wanted)
{
    char name[RK_QUOTE_SIZE];
    const char *type = json_string_value(json_object_get(value, "type"));
    if (!type)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"%s\" has no type; %s is supported", s->where, what,
                       wanted);
    return rk_fail(s->err, RK_E_FORMAT,
                   "%s: \"%s\" has type \"%s\"; only %s is supported", s->where,
                   what, rk_quote(name, type, strlen(type)), wanted);
}

static bool is_type(const json_t *value, const char *type)
{
    const char *own = json_string_value(json_object_get(value, "type"));
    return own && strcmp(own, type) == 0;
}

/* Null for a missing or null field. */
static const json_t *field(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return v && !json_is_null(v) ? v : NULL;
}

/* Whole numbers; documents with a number past 64 bits hold them all as reals. */
static bool whole(int64_t *out, const json_t *value)
{
    double x;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value)) return false;
    x = json_real_value(value);
    if (!(fabs(x) < 1e15) || x != floor(x)) return false;
    *out = (int64_t)x;
    return true;
}

/* ---- model ---- */

static rk_status parse_vocab(const source *s, const json_t *vocab)
{
    char name[RK_QUOTE_SIZE];
    const char *token;
    json_t *value;
    rk_status st;

    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"model.vocab\" must map tokens to ids, at least one",
                       s->where);
    if (json_object_size(vocab) > RK_VOCAB_MAX)
        return rk_fail(s->err, RK_E_FORMAT, "%s: %zu tokens; at most %d are taken", s->where,
                       json_object_size(vocab), RK_VOCAB_MAX);
    json_object_foreach((json_t *)(uintptr_t)vocab, token, value) {
        int64_t id;
        if (!whole(&id, value))
            return rk_fail(s->err, RK_E_FORMAT, "%s: the id of token \"%s\" must be a whole number",
                           s->where, rk_quote(name, token, strlen(token)));
        st = rk_tokenizer_put(s->t, id, token, strlen(token), s->where, s->err);
        if (st) return st;
    }
    return rk_tokenizer_index(s->t, s->where, s->err);
}

static rk_status parse_model(const source *s, const json_t *model)
{
    const char *prefix = s->t->prefix, *unk = NULL;
    char *copy;
    rk_status st;

    if (!json_is_object(model))
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"model\" must be an object", s->where);
    /* Files of old versions have no type; this field tells WordPiece from the others. */
    if (!is_type(model, "WordPiece") &&
        (json_object_get(model, "type") || !json_object_get(model, "max_input_chars_per_word")))
        return refuse_type(s, "model", model, "WordPiece");
    st = rk_json_size(&s->t->max_chars, model, "max_input_chars_per_word", 1, RK_WORD_CHARS_MAX,
                      s->path, s->err);
    if (!st)
        st = rk_json_string(&prefix, model, "continuing_subword_prefix", s->path, s->err);
    if (!st) st = rk_json_string(&unk, model, "unk_token", s->path, s->err);
    if (st) return st;
    if (strlen(prefix) > RK_PREFIX_BYTES_MAX)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"continuing_subword_prefix\" has %zu bytes; at most %d are taken",
                       s->where, strlen(prefix), RK_PREFIX_BYTES_MAX);
    copy = rk_strdup(prefix);
    if (!copy) return rk_fail(s->err, RK_E_MEMORY, "%s: out of memory", s->where);
    rk_free(s->t->prefix);
    s->t->prefix = copy;
    s->t->prefix_length = strlen(copy);
    if (unk) {
        st = rk_tokenizer_name(s->t, RK_UNK, unk, s->err);
        s->t->fixed |= 1u << RK_UNK;
    }
    return st ? st : parse_vocab(s, json_object_get(model, "vocab"));
}

/* ---- added tokens, normaliser, pre-tokeniser ---- */

static rk_status parse_added(const source *s, const json_t *list)
{
    size_t i;
    json_t *item;
    rk_status st = RK_OK;

    if (!list) return RK_OK;
    if (!json_is_array(list))
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"added_tokens\" must be a list", s->where);
    json_array_foreach(list, i, item) {
        const char *content = NULL;
        int64_t id;
        rk_added a = {.id = -1};
        if (!json_is_object(item) || !whole(&id, json_object_get(item, "id")) || id < 0 ||
            id >= RK_VOCAB_MAX)
            return rk_fail(s->err, RK_E_FORMAT, "%s: \"added_tokens[%zu]\" has no id from 0 to %d",
                           s->where, i, RK_VOCAB_MAX - 1);
        a.id = (int32_t)id;
        st = rk_json_string(&content, item, "content", s->path, s->err);
        if (!st) st = rk_json_bool(&a.special, item, "special", s->path, s->err);
        a.normalized = !a.special;
        if (!st) st = rk_json_bool(&a.normalized, item, "normalized", s->path, s->err);
        if (!st) st = rk_json_bool(&a.single_word, item, "single_word", s->path, s->err);
        if (!st) st = rk_json_bool(&a.lstrip, item, "lstrip", s->path, s->err);
        if (!st) st = rk_json_bool(&a.rstrip, item, "rstrip", s->path, s->err);
        if (!st)
            st = rk_tokenizer_add(s->t, content ? content : "", content ? strlen(content) : 0, a,
                                  s->where, s->err);
        if (st) return st;
    }
    return RK_OK;
}

/* Takes a value out of "Sequence"s that hold only one. Fails by leaving a Sequence. */
static const json_t *unwrapped(const json_t *value, const char *list)
{
    for (int depth = 0; value && depth < NESTED_MAX && is_type(value, "Sequence"); depth++) {
        const json_t *items = json_object_get(value, list);
        if (json_array_size(items) != 1) break;
        value = json_array_get(items, 0);
    }
    return value;
}

static rk_status parse_normalizer(const source *s, const json_t *value)
{
    rk_normalizer *n = &s->t->norm;
    bool strip = false;
    rk_status st;

    value = unwrapped(value, "normalizers");
    if (!value) {
        *n = (rk_normalizer){0};
        s->t->strip_accents = 0;
        return RK_OK;
    }
    if (!is_type(value, "BertNormalizer"))
        return refuse_type(s, "normalizer", value, "BertNormalizer");
    st = rk_json_bool(&n->clean, value, "clean_text", s->path, s->err);
    if (!st) st = rk_json_bool(&n->han, value, "handle_chinese_chars", s->path, s->err);
    if (!st) st = rk_json_bool(&n->lower, value, "lowercase", s->path, s->err);
    if (!st) st = rk_json_bool(&strip, value, "strip_accents", s->path, s->err);
    s->t->strip_accents = field(value, "strip_accents") ? strip : -1;
    n->strip = s->t->strip_accents < 0 ? n->lower : strip;
    return st;
}

static rk_status parse_pre_tokenizer(const source *s, const json_t *value)
{
    value = unwrapped(value, "pretokenizers");
    s->t->split = value != NULL;
    if (value && !is_type(value, "BertPreTokenizer"))
        return refuse_type(s, "pre_tokenizer", value, "BertPreTokenizer");
    return RK_OK;
}

/* ---- post-processor: [CLS] text [SEP] ---- */

static rk_status check_id(const source *s, const char *token, const json_t *id)
{
    char name[RK_QUOTE_SIZE];
    const int32_t own = rk_tokenizer_find(s->t, token, strlen(token));
    int64_t said;

    rk_quote(name, token, strlen(token));
    if (own < 0)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor\" names \"%s\", which the vocabulary lacks", s->where,
                       name);
    if (!whole(&said, id) || said != own)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor\" gives \"%s\" another id than the vocabulary's %d",
                       s->where, name, own);
    return RK_OK;
}

static rk_status take_name(const source *s, int special, const char *token)
{
    s->t->fixed |= 1u << special;
    return rk_tokenizer_name(s->t, special, token, s->err);
}

static rk_status parse_bert_processing(const source *s, const json_t *value)
{
    static const char *const key[] = {"cls", "sep"};
    static const int special[] = {RK_CLS, RK_SEP};
    rk_status st = RK_OK;

    for (int i = 0; i < 2 && !st; i++) {
        const json_t *pair = json_object_get(value, key[i]);
        const char *token = json_string_value(json_array_get(pair, 0));
        if (!token)
            return rk_fail(s->err, RK_E_FORMAT, "%s: \"post_processor.%s\" must be [token, id]",
                           s->where, key[i]);
        st = check_id(s, token, json_array_get(pair, 1));
        if (!st) st = take_name(s, special[i], token);
    }
    return st;
}

/* Checks one item of a template; *token is its special token, NULL for a text. */
static rk_status template_item(const source *s, const json_t *item, const json_t *specials,
                               const char **token)
{
    char name[RK_QUOTE_SIZE];
    const char *text = json_string_value(json_object_get(json_object_get(item, "Sequence"), "id"));
    const json_t *ids;

    *token = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
    if (text && (strcmp(text, "A") == 0 || strcmp(text, "B") == 0)) return RK_OK;
    if (text)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor\" has a text \"%s\"; A and B are known",
                       s->where, rk_quote(name, text, strlen(text)));
    if (!*token)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor\" holds what is neither SpecialToken nor Sequence",
                       s->where);
    ids = json_object_get(json_object_get(specials, *token), "ids");
    if (json_array_size(ids) != 1)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor.special_tokens\" has no one id for "
                       "\"%s\"", s->where, rk_quote(name, *token, strlen(*token)));
    return check_id(s, *token, json_array_get(ids, 0));
}

static rk_status parse_template(const source *s, const json_t *value)
{
    const json_t *single = json_object_get(value, "single"), *pair = json_object_get(value, "pair");
    const json_t *specials = json_object_get(value, "special_tokens");
    const char *token[3] = {NULL, NULL, NULL}, *other;
    const size_t count = json_array_size(single);
    rk_status st = RK_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = template_item(s, json_array_get(single, i), specials, i < 3 ? &token[i] : &other);
    for (size_t i = 0; i < json_array_size(pair) && !st; i++)
        st = template_item(s, json_array_get(pair, i), specials, &other);
    if (st) return st;
    if (count != 3 || !token[0] || token[1] || !token[2])
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor.single\" must be a class token, the "
                       "text, a separator token", s->where);
    st = take_name(s, RK_CLS, token[0]);
    return st ? st : take_name(s, RK_SEP, token[2]);
}

static rk_status parse_post_processor(const source *s, const json_t *value)
{
    value = unwrapped(value, "processors");
    if (!value) return RK_OK;    /* what BERT's own tokeniser then does: [CLS] text [SEP] */
    if (is_type(value, "TemplateProcessing")) return parse_template(s, value);
    if (is_type(value, "BertProcessing")) return parse_bert_processing(s, value);
    return refuse_type(s, "post_processor", value, "TemplateProcessing or BertProcessing");
}

/* ---- truncation and padding: checked, not used (lengths are the caller's; rows never pad) ---- */

static rk_status check_lengths(const source *s, const json_t *truncation, const json_t *padding)
{
    size_t max_length = 512, stride = 0, pad_id = 0;
    const char *pad = NULL;
    rk_status st = RK_OK;

    if ((truncation && !json_is_object(truncation)) || (padding && !json_is_object(padding)))
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"truncation\" and \"padding\" must be objects or null",
                       s->where);
    if (truncation) {
        st = rk_json_size(&max_length, truncation, "max_length", 2, SIZE_MAX / 2, s->path, s->err);
        if (!st && max_length > 0)
            st = rk_json_size(&stride, truncation, "stride", 0, max_length - 1, s->path, s->err);
    }
    if (st || !padding) return st;
    st = rk_json_size(&pad_id, padding, "pad_id", 0, s->t->size - 1, s->path, s->err);
    if (!st && json_object_get(padding, "pad_id")) s->t->padding_id = (int32_t)pad_id;
    if (!st) st = rk_json_string(&pad, padding, "pad_token", s->path, s->err);
    if (!st && pad) st = rk_tokenizer_name(s->t, RK_PAD, pad, s->err);
    return st;
}

rk_status rk_tokenizer_parse(rk_tokenizer *t, const json_t *json, const char *path, rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    const source s = {t, path, rk_quote(where, path, strlen(path)), err};
    const json_t *own = json_object_get(json, "ringkas");
    const char *pad = NULL, *mask = NULL;
    rk_status st;

    if (!json_is_object(json))
        return rk_fail(err, RK_E_FORMAT, "%s: a JSON object is wanted", where);
    st = parse_model(&s, json_object_get(json, "model"));
    if (!st) st = parse_added(&s, field(json, "added_tokens"));
    if (!st) st = parse_normalizer(&s, field(json, "normalizer"));
    if (!st) st = parse_pre_tokenizer(&s, field(json, "pre_tokenizer"));
    if (!st) st = parse_post_processor(&s, field(json, "post_processor"));
    if (!st) st = check_lengths(&s, field(json, "truncation"), field(json, "padding"));
    if (!st) st = rk_json_string(&pad, own, "pad_token", path, err);
    if (!st) st = rk_json_string(&mask, own, "mask_token", path, err);
    if (!st && pad) st = rk_tokenizer_name(t, RK_PAD, pad, err);
    if (!st && mask) st = rk_tokenizer_name(t, RK_MASK, mask, err);
    return st;
}
