/* The normaliser and the pre-tokeniser of a tokenizer.json. BERT's own two, alone, become switches
 * of the tokenizer; anything else, a list of steps. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

enum { NESTED_MAX = 4 };    /* of "Sequence" in "Sequence" */

static const char NORMS[] = "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Strip, StripAccents, "
                            "Replace, Prepend, Precompiled or Nmt";
static const char SPLITS[] = "BertPreTokenizer, Whitespace, WhitespaceSplit, Metaspace, ByteLevel, "
                             "Split, Digits or Punctuation";

typedef rk_status (*take_step)(const rk_json_source *s, rk_steps *steps, const json_t *value);

static rk_status no_memory(const rk_json_source *s)
{
    return rk_fail(s->err, RK_E_MEMORY, "%s: out of memory", s->where);
}

static rk_status field_wrong(const rk_json_source *s, const char *what, const char *key,
                             const char *wanted)
{
    return rk_fail(s->err, RK_E_FORMAT, "%s: \"%s.%s\" must be %s", s->where, what, key, wanted);
}

/* Steps of a value and of the Sequences in it, to a depth. */
static rk_status flatten(const rk_json_source *s, rk_steps *steps, const json_t *value,
                         const char *what, const char *list, const char *wanted, take_step take,
                         int depth)
{
    const json_t *items = json_object_get(value, list);
    rk_status st = RK_OK;

    if (!rk_json_is_type(value, "Sequence")) {
        if (steps->norms >= RK_STEPS_MAX - 2 || steps->splits >= RK_STEPS_MAX - 2)
            return rk_fail(s->err, RK_E_FORMAT, "%s: \"%s\" has more than %d steps", s->where, what,
                           RK_STEPS_MAX - 2);
        return take(s, steps, value);
    }
    if (depth == NESTED_MAX) return rk_json_refuse_type(s, what, value, wanted);
    if (!json_is_array(items)) return field_wrong(s, what, list, "a list");
    for (size_t i = 0; i < json_array_size(items) && !st; i++)
        st = flatten(s, steps, json_array_get(items, i), what, list, wanted, take, depth + 1);
    return st;
}

/* ---- what both have ---- */

static rk_status take_text(const rk_json_source *s, char **out, size_t *length, const json_t *value,
                           const char *what, const char *key)
{
    const json_t *text = json_object_get(value, key);
    if (!json_is_string(text)) return field_wrong(s, what, key, "a string");
    *length = json_string_length(text);
    *out = rk_strndup(json_string_value(text), *length);
    return *out ? RK_OK : no_memory(s);
}

/* {"String": ..} or {"Regex": ..}. */
static rk_status take_pattern(const rk_json_source *s, rk_pattern *p, const json_t *value,
                              const char *what)
{
    const json_t *pattern = json_object_get(value, "pattern");
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    char name[RK_QUOTE_SIZE];
    rk_status st;

    if (regex) {
        if (rk_pattern_known(&p->kind, regex)) return RK_OK;
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"%s\" has the regular expression \"%s\"; only those of GPT-2, Llama 3 "
                       "and Qwen 2 and a few of white space are supported", s->where, what,
                       rk_quote(name, regex, strlen(regex)));
    }
    p->kind = RK_PATTERN_LITERAL;
    st = take_text(s, &p->literal, &p->length, pattern, what, "String");
    if (!st && p->length == 0) st = field_wrong(s, what, "pattern", "a string that is not empty");
    return st;
}

/* ---- normalisers ---- */

static rk_status take_bert(const rk_json_source *s, rk_normalizer *n, int *strip_accents,
                           const json_t *value)
{
    bool strip = false;
    rk_status st;

    *n = (rk_normalizer){.clean = true, .han = true, .lower = true};
    st = rk_json_bool(&n->clean, value, "clean_text", s->path, s->err);
    if (!st) st = rk_json_bool(&n->han, value, "handle_chinese_chars", s->path, s->err);
    if (!st) st = rk_json_bool(&n->lower, value, "lowercase", s->path, s->err);
    if (!st) st = rk_json_bool(&strip, value, "strip_accents", s->path, s->err);
    *strip_accents = rk_json_field(value, "strip_accents") ? strip : -1;
    n->strip = *strip_accents < 0 ? n->lower : strip;
    rk_normalizer_ready(n);
    return st;
}

static bool take_form(rk_norm_step *n, const json_t *value)
{
    static const char *const name[] = {"NFD", "NFC", "NFKD", "NFKC"};
    for (size_t i = 0; i < 4; i++) {
        if (!rk_json_is_type(value, name[i])) continue;
        n->kind = RK_NORM_FORM;
        n->form = (rk_form)i;
        return true;
    }
    return false;
}

static rk_status take_norm(const rk_json_source *s, rk_steps *steps, const json_t *value)
{
    rk_norm_step *n = &steps->norm[steps->norms++];
    const char *map;
    int strip;
    rk_status st = RK_OK;

    if (take_form(n, value)) return RK_OK;
    if (rk_json_is_type(value, "BertNormalizer")) {
        n->kind = RK_NORM_BERT;
        return take_bert(s, &n->bert, &strip, value);
    }
    if (rk_json_is_type(value, "Lowercase")) {
        n->kind = RK_NORM_LOWER;
    } else if (rk_json_is_type(value, "StripAccents")) {
        n->kind = RK_NORM_MARKS;
    } else if (rk_json_is_type(value, "Nmt")) {
        n->kind = RK_NORM_NMT;
    } else if (rk_json_is_type(value, "Strip")) {
        n->kind = RK_NORM_STRIP;
        n->left = n->right = true;
        st = rk_json_bool(&n->left, value, "strip_left", s->path, s->err);
        if (!st) st = rk_json_bool(&n->right, value, "strip_right", s->path, s->err);
    } else if (rk_json_is_type(value, "Prepend")) {
        n->kind = RK_NORM_PREPEND;
        st = take_text(s, &n->content, &n->content_length, value, "normalizer", "prepend");
    } else if (rk_json_is_type(value, "Replace")) {
        n->kind = RK_NORM_REPLACE;
        st = take_pattern(s, &n->pattern, value, "normalizer");
        if (!st)
            st = take_text(s, &n->content, &n->content_length, value, "normalizer", "content");
    } else if (rk_json_is_type(value, "Precompiled")) {
        n->kind = RK_NORM_CHARSMAP;
        map = json_string_value(json_object_get(value, "precompiled_charsmap"));
        if (!map) return field_wrong(s, "normalizer", "precompiled_charsmap", "a string");
        st = rk_charsmap_open(&n->map, map, s->where, s->err);
    } else {
        return rk_json_refuse_type(s, "normalizer", value, NORMS);
    }
    return st;
}

/* ---- pre-tokenisers ---- */

static rk_split_step *add_split(rk_steps *steps, rk_split_kind kind, rk_pattern_kind pattern,
                                rk_behavior behavior)
{
    rk_split_step *step = &steps->split[steps->splits++];
    step->kind = kind;
    step->pattern.kind = pattern;
    step->behavior = behavior;
    return step;
}

static rk_status take_behavior(const rk_json_source *s, rk_behavior *out, const json_t *value)
{
    static const char *const name[] = {"Removed", "Isolated", "Contiguous", "MergedWithPrevious",
                                       "MergedWithNext"};
    const char *text = NULL;
    rk_status st = rk_json_string(&text, value, "behavior", s->path, s->err);

    if (st || !text) return st;
    for (size_t i = 0; i < 5; i++) {
        if (strcmp(text, name[i]) != 0) continue;
        *out = (rk_behavior)i;
        return RK_OK;
    }
    return field_wrong(s, "pre_tokenizer", "behavior", "Removed, Isolated, Contiguous, "
                       "MergedWithPrevious or MergedWithNext");
}

static rk_status take_scheme(const rk_json_source *s, rk_scheme *out, const json_t *value)
{
    static const char *const name[] = {"always", "first", "never"};
    const char *text = NULL;
    bool prefix = true;
    rk_status st = rk_json_string(&text, value, "prepend_scheme", s->path, s->err);

    if (!st) st = rk_json_bool(&prefix, value, "add_prefix_space", s->path, s->err);
    if (st) return st;
    *out = prefix ? RK_PREPEND_ALWAYS : RK_PREPEND_NEVER;
    if (!text) return RK_OK;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, name[i]) != 0) continue;
        *out = (rk_scheme)i;
        if (prefix || *out == RK_PREPEND_NEVER) return RK_OK;
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"pre_tokenizer\" has \"add_prefix_space\" false "
                       "and \"prepend_scheme\" \"%s\"; they must agree", s->where, text);
    }
    return field_wrong(s, "pre_tokenizer", "prepend_scheme", "always, first or never");
}

static rk_status take_metaspace(const rk_json_source *s, rk_steps *steps, const json_t *value)
{
    rk_split_step *meta = add_split(steps, RK_SPLIT_META, RK_PATTERN_LITERAL, RK_ISOLATED), *at;
    bool split = true;
    rk_status st = take_scheme(s, &meta->scheme, value);

    if (!st)
        st = take_text(s, &meta->pattern.literal, &meta->pattern.length, value, "pre_tokenizer",
                       "replacement");
    if (!st && meta->pattern.length == 0)
        st = field_wrong(s, "pre_tokenizer", "replacement", "a character");
    if (!st) st = rk_json_bool(&split, value, "split", s->path, s->err);
    if (st || !split) return st;
    at = add_split(steps, RK_SPLIT_AT, RK_PATTERN_LITERAL, RK_WITH_NEXT);
    return take_text(s, &at->pattern.literal, &at->pattern.length, value, "pre_tokenizer",
                     "replacement");
}

static rk_status take_byte_level(const rk_json_source *s, rk_steps *steps, const json_t *value)
{
    bool prefix = true, regex = true;
    rk_status st = rk_json_bool(&prefix, value, "add_prefix_space", s->path, s->err);

    if (!st) st = rk_json_bool(&regex, value, "use_regex", s->path, s->err);
    if (st) return st;
    s->t->prefix_space = prefix;
    if (prefix) add_split(steps, RK_SPLIT_PREFIX, RK_PATTERN_SPACE, RK_ISOLATED);
    if (regex) add_split(steps, RK_SPLIT_AT, RK_PATTERN_GPT2, RK_ISOLATED);
    add_split(steps, RK_SPLIT_BYTES, RK_PATTERN_SPACE, RK_ISOLATED);
    return RK_OK;
}

static rk_status take_split(const rk_json_source *s, rk_steps *steps, const json_t *value)
{
    rk_split_step *step;
    bool individual = false;
    rk_status st;

    if (rk_json_is_type(value, "BertPreTokenizer")) {
        add_split(steps, RK_SPLIT_AT, RK_PATTERN_SPACE, RK_REMOVED);
        add_split(steps, RK_SPLIT_AT, RK_PATTERN_PUNCT, RK_ISOLATED);
        return RK_OK;
    }
    if (rk_json_is_type(value, "WhitespaceSplit")) {
        add_split(steps, RK_SPLIT_AT, RK_PATTERN_SPACE, RK_REMOVED);
        return RK_OK;
    }
    if (rk_json_is_type(value, "Whitespace")) {
        add_split(steps, RK_SPLIT_AT, RK_PATTERN_WORD, RK_REMOVED)->invert = true;
        return RK_OK;
    }
    if (rk_json_is_type(value, "Metaspace")) return take_metaspace(s, steps, value);
    if (rk_json_is_type(value, "ByteLevel")) return take_byte_level(s, steps, value);
    if (rk_json_is_type(value, "Punctuation")) {
        step = add_split(steps, RK_SPLIT_AT, RK_PATTERN_PUNCT, RK_ISOLATED);
        return take_behavior(s, &step->behavior, value);
    }
    if (rk_json_is_type(value, "Digits")) {
        st = rk_json_bool(&individual, value, "individual_digits", s->path, s->err);
        add_split(steps, RK_SPLIT_AT, RK_PATTERN_NUMERIC,
                  individual ? RK_ISOLATED : RK_CONTIGUOUS);
        return st;
    }
    if (!rk_json_is_type(value, "Split"))
        return rk_json_refuse_type(s, "pre_tokenizer", value, SPLITS);
    step = add_split(steps, RK_SPLIT_AT, RK_PATTERN_LITERAL, RK_ISOLATED);
    st = take_pattern(s, &step->pattern, value, "pre_tokenizer");
    if (!st) st = take_behavior(s, &step->behavior, value);
    if (!st) st = rk_json_bool(&step->invert, value, "invert", s->path, s->err);
    return st;
}

/* ---- both together ---- */

/* Takes a value out of "Sequence"s that hold only one. */
static const json_t *unwrapped(const json_t *value, const char *list)
{
    for (int depth = 0; depth < NESTED_MAX && rk_json_is_type(value, "Sequence"); depth++) {
        const json_t *items = json_object_get(value, list);
        if (json_array_size(items) != 1) break;
        value = json_array_get(items, 0);
    }
    return value;
}

static json_t *kept(const json_t *value)
{
    return value ? json_incref((json_t *)(uintptr_t)value) : NULL;
}

rk_status rk_json_steps(const rk_json_source *s, const json_t *normalizer,
                        const json_t *pre_tokenizer)
{
    const json_t *norm = unwrapped(normalizer, "normalizers");
    const json_t *split = unwrapped(pre_tokenizer, "pretokenizers");
    rk_tokenizer *t = s->t;
    rk_status st = RK_OK;

    t->norm = (rk_normalizer){0};
    t->strip_accents = 0;
    t->split = split != NULL;
    if (norm && rk_json_is_type(norm, "BertNormalizer"))
        st = take_bert(s, &t->norm, &t->strip_accents, norm);
    if (st || ((!norm || rk_json_is_type(norm, "BertNormalizer")) &&
               (!split || rk_json_is_type(split, "BertPreTokenizer"))))
        return st;
    t->steps = rk_calloc(1, sizeof *t->steps);
    if (!t->steps) return no_memory(s);
    if (norm)
        st = flatten(s, t->steps, normalizer, "normalizer", "normalizers", NORMS, take_norm, 0);
    if (!st && split)
        st = flatten(s, t->steps, pre_tokenizer, "pre_tokenizer", "pretokenizers", SPLITS,
                     take_split, 0);
    t->said[0] = kept(normalizer);
    t->said[1] = kept(pre_tokenizer);
    return st;
}
