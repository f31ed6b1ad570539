/* tokenizer.json as the `tokenizers` package writes it. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

typedef rk_json_source source;

rk_status rk_json_refuse_type(const rk_json_source *s, const char *what, const json_t *value,
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

bool rk_json_is_type(const json_t *value, const char *type)
{
    const char *own = json_string_value(json_object_get(value, "type"));
    return own && strcmp(own, type) == 0;
}

const json_t *rk_json_field(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return v && !json_is_null(v) ? v : NULL;
}

/* Whole numbers; documents with a number past 64 bits hold them all as reals. */
bool rk_json_whole(int64_t *out, const json_t *value)
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

/* ---- added tokens ---- */

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
        if (!json_is_object(item) || !rk_json_whole(&id, json_object_get(item, "id")) || id < 0 ||
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

/* ---- post-processor: special tokens, text, special tokens ---- */

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
    if (!rk_json_whole(&said, id) || said != own)
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

/* A special token on one side of the text. */
static rk_status frame(const source *s, int side, const char *token)
{
    rk_tokenizer *t = s->t;
    if (t->frames[side] == RK_FRAME_MAX)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"post_processor\" has more than %d special tokens on one side of the "
                       "text", s->where, RK_FRAME_MAX);
    t->frame[side][t->frames[side]++] = rk_tokenizer_find(t, token, strlen(token));
    return RK_OK;
}

/* BertProcessing and RobertaProcessing. */
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
        if (!st) st = frame(s, i, token);
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

/* A classifier of the BERT family wants a class token in front and a separator behind. */
static rk_status check_frame(const source *s, const char *before, const char *behind)
{
    const rk_tokenizer *t = s->t;
    rk_status st = RK_OK;

    if (t->frames[0] == 1 && t->frames[1] == 1) {
        st = take_name(s, RK_CLS, before);
        return st ? st : take_name(s, RK_SEP, behind);
    }
    if (t->kind != RK_WORDPIECE) return RK_OK;
    return rk_fail(s->err, RK_E_FORMAT,
                   "%s: \"post_processor.single\" must be a class token, the "
                   "text, a separator token", s->where);
}

static rk_status parse_template(const source *s, const json_t *value)
{
    const json_t *single = json_object_get(value, "single"), *pair = json_object_get(value, "pair");
    const json_t *specials = json_object_get(value, "special_tokens");
    const char *last[2] = {NULL, NULL}, *token;
    size_t texts = 0;
    rk_status st = RK_OK;

    for (size_t i = 0; i < json_array_size(single) && !st; i++) {
        st = template_item(s, json_array_get(single, i), specials, &token);
        if (st) break;
        if (!token) {
            texts++;
        } else {
            last[texts > 0] = token;
            st = frame(s, texts > 0, token);
        }
    }
    for (size_t i = 0; i < json_array_size(pair) && !st; i++)
        st = template_item(s, json_array_get(pair, i), specials, &token);
    if (!st && texts != 1)
        st = rk_fail(s->err, RK_E_FORMAT, "%s: \"post_processor.single\" must be a class token, "
                     "the text, a separator token; the text stands there %zu times", s->where,
                     texts);
    return st ? st : check_frame(s, last[0], last[1]);
}

static rk_status parse_post_processor(const source *s, const json_t *value)
{
    const json_t *items = json_object_get(value, "processors"), *own = value;
    const bool list = value && rk_json_is_type(value, "Sequence");

    /* ByteLevel changes offsets only; what is left of a Sequence without it must be one. */
    for (size_t i = 0, seen = 0; list && i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (rk_json_is_type(item, "ByteLevel")) {
            if (seen == 0) own = NULL;
            continue;
        }
        if (++seen > 1 || rk_json_is_type(item, "Sequence"))
            return rk_json_refuse_type(s, "post_processor", value,
                                       "one processor beside ByteLevel");
        own = item;
    }
    if (list && json_array_size(items) == 0) own = NULL;
    if (s->t->kind != RK_WORDPIECE || s->t->steps)
        s->t->said[2] = value ? json_incref((json_t *)(uintptr_t)value) : NULL;
    /* Without one BERT's own tokeniser gives [CLS] text [SEP], the others the text alone. */
    if (!own || (s->t->kind != RK_WORDPIECE && rk_json_is_type(own, "ByteLevel"))) return RK_OK;
    if (rk_json_is_type(own, "TemplateProcessing")) return parse_template(s, own);
    if (rk_json_is_type(own, "BertProcessing") || rk_json_is_type(own, "RobertaProcessing"))
        return parse_bert_processing(s, own);
    return rk_json_refuse_type(s, "post_processor", own,
                               "TemplateProcessing, BertProcessing or RobertaProcessing");
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
    if (!st && pad && *pad) st = rk_tokenizer_name(s->t, RK_PAD, pad, s->err);
    return st;
}

rk_status rk_tokenizer_parse(rk_tokenizer *t, const json_t *json, const char *path, rk_error *err)
{
    char where[RK_QUOTE_SIZE];
    const rk_json_source s = {t, path, rk_quote(where, path, strlen(path)), err};
    const json_t *own = json_object_get(json, "ringkas");
    const char *pad = NULL, *mask = NULL;
    rk_status st;

    if (!json_is_object(json))
        return rk_fail(err, RK_E_FORMAT, "%s: a JSON object is wanted", where);
    st = rk_json_model(&s, json_object_get(json, "model"));
    if (!st) st = parse_added(&s, rk_json_field(json, "added_tokens"));
    if (!st)
        st = rk_json_steps(&s, rk_json_field(json, "normalizer"),
                           rk_json_field(json, "pre_tokenizer"));
    if (!st) st = parse_post_processor(&s, rk_json_field(json, "post_processor"));
    if (!st && t->kind != RK_WORDPIECE && rk_json_field(json, "decoder"))
        t->said[3] = json_incref(json_object_get(json, "decoder"));
    if (!st)
        st = check_lengths(&s, rk_json_field(json, "truncation"), rk_json_field(json, "padding"));
    if (!st) st = rk_json_string(&pad, own, "pad_token", path, err);
    if (!st) st = rk_json_string(&mask, own, "mask_token", path, err);
    if (!st && pad && *pad) st = rk_tokenizer_name(t, RK_PAD, pad, err);
    if (!st && mask && *mask) st = rk_tokenizer_name(t, RK_MASK, mask, err);
    return st;
}
