/* A tokenizer as JSON and as the files of a model folder. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

static const char *name_of(const rk_tokenizer *t, int32_t id)
{
    return t->names.data + t->slot[id].offset;
}

/* Sets a field and takes the value over; false when either failed. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static int by_id(const void *a, const void *b)
{
    const rk_added *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* The added tokens in the order of their ids; the caller's. */
static rk_added *sorted_added(const rk_tokenizer *t)
{
    rk_added *list = rk_calloc(t->added_count, sizeof *list);
    if (!list || t->added_count == 0) return list;
    memcpy(list, t->added, t->added_count * sizeof *list);
    qsort(list, t->added_count, sizeof *list, by_id);
    return list;
}

static json_t *added_object(const rk_tokenizer *t, const rk_added *a, bool with_id)
{
    json_t *o = json_object();
    bool ok = o != NULL;
    if (with_id) ok = ok && set(o, "id", json_integer(a->id));
    ok = ok && set(o, "content", json_string(name_of(t, a->id)));
    ok = ok && set(o, "single_word", json_boolean(a->single_word));
    ok = ok && set(o, "lstrip", json_boolean(a->lstrip));
    ok = ok && set(o, "rstrip", json_boolean(a->rstrip));
    ok = ok && set(o, "normalized", json_boolean(a->normalized));
    ok = ok && set(o, "special", json_boolean(a->special));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static json_t *added_list(const rk_tokenizer *t)
{
    json_t *list = json_array();
    rk_added *sorted = sorted_added(t);
    bool ok = list && sorted;

    for (size_t i = 0; ok && i < t->added_count; i++)
        ok = json_array_append_new(list, added_object(t, &sorted[i], true)) == 0;
    rk_free(sorted);
    if (ok) return list;
    json_decref(list);
    return NULL;
}

/* A part as the file had it. */
static json_t *said(const rk_tokenizer *t, int part)
{
    return t->said[part] ? json_incref(t->said[part]) : json_null();
}

/* null when nothing is normalised. */
static json_t *normalizer(const rk_tokenizer *t)
{
    const rk_normalizer *n = &t->norm;
    if (t->steps) return said(t, 0);
    if (!n->clean && !n->han && !n->strip && !n->lower) return json_null();
    return json_pack("{s:s, s:b, s:b, s:o, s:b}", "type", "BertNormalizer", "clean_text", n->clean,
                     "handle_chinese_chars", n->han, "strip_accents",
                     t->strip_accents < 0 ? json_null() : json_boolean(t->strip_accents),
                     "lowercase", n->lower);
}

static json_t *pre_tokenizer(const rk_tokenizer *t)
{
    if (t->steps) return said(t, 1);
    return t->split ? json_pack("{s:s}", "type", "BertPreTokenizer") : json_null();
}

static json_t *post_processor(const rk_tokenizer *t)
{
    const char *cls = t->special[RK_CLS], *sep = t->special[RK_SEP];
    if (t->kind != RK_WORDPIECE) return said(t, 2);
    return json_pack(
        "{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}],"
        " s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}, {s:{s:s, s:i}}],"
        " s:{s:{s:s, s:[i], s:[s]}, s:{s:s, s:[i], s:[s]}}}",
        "type", "TemplateProcessing",
        "single", "SpecialToken", "id", cls, "type_id", 0, "Sequence", "id", "A", "type_id", 0,
        "SpecialToken", "id", sep, "type_id", 0,
        "pair", "SpecialToken", "id", cls, "type_id", 0, "Sequence", "id", "A", "type_id", 0,
        "SpecialToken", "id", sep, "type_id", 0, "Sequence", "id", "B", "type_id", 1,
        "SpecialToken", "id", sep, "type_id", 1,
        "special_tokens", cls, "id", cls, "ids", t->special_id[RK_CLS], "tokens", cls,
        sep, "id", sep, "ids", t->special_id[RK_SEP], "tokens", sep);
}

static json_t *vocab_object(const rk_tokenizer *t)
{
    json_t *vocab = json_object();
    bool ok = vocab != NULL;

    for (size_t id = 0; ok && id < t->size; id++)
        if (t->slot[id].used && t->slot[id].model)
            ok = set(vocab, name_of(t, (int32_t)id), json_integer((json_int_t)id));
    if (ok) return vocab;
    json_decref(vocab);
    return NULL;
}

/* [[token, score], ..]; a token that comes again further down keeps its place. */
static json_t *unigram_list(const rk_tokenizer *t)
{
    json_t *list = json_array();
    bool ok = list != NULL;

    for (size_t id = 0; ok && id < t->vocab; id++)
        ok = json_array_append_new(list, json_pack("[s, f]", name_of(t, (int32_t)id),
                                                   t->score[id])) == 0;
    if (ok) return list;
    json_decref(list);
    return NULL;
}

static json_t *merge_list(const rk_tokenizer *t)
{
    json_t *list = json_array();
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < t->bpe->merges; i++)
        ok = json_array_append_new(list, json_pack("[s, s]", name_of(t, t->bpe->merge[i].left),
                                                   name_of(t, t->bpe->merge[i].right))) == 0;
    if (ok) return list;
    json_decref(list);
    return NULL;
}

static json_t *model(const rk_tokenizer *t)
{
    const rk_bpe *b = t->bpe;

    switch (t->kind) {
    case RK_WORDPIECE:
        return json_pack("{s:s, s:s, s:s, s:I, s:o}", "type", "WordPiece", "unk_token",
                         t->special[RK_UNK], "continuing_subword_prefix", t->prefix,
                         "max_input_chars_per_word", (json_int_t)t->max_chars, "vocab",
                         vocab_object(t));
    case RK_UNIGRAM:
        return json_pack("{s:s, s:i, s:o, s:b}", "type", "Unigram", "unk_id", t->unigram_unk,
                         "vocab", unigram_list(t), "byte_fallback", t->byte_fallback);
    case RK_BPE:
        return json_pack("{s:s, s:n, s:s?, s:s?, s:s?, s:b, s:b, s:b, s:o, s:o}", "type", "BPE",
                         "dropout", "unk_token", b->unk >= 0 ? name_of(t, b->unk) : NULL,
                         "continuing_subword_prefix", b->prefix, "end_of_word_suffix", b->suffix,
                         "fuse_unk", b->fuse_unk, "byte_fallback", t->byte_fallback,
                         "ignore_merges", b->ignore_merges, "vocab", vocab_object(t), "merges",
                         merge_list(t));
    }
    return NULL;
}

/* For turning ids back into text, which this program does not. */
static json_t *decoder(const rk_tokenizer *t)
{
    if (t->kind != RK_WORDPIECE) return said(t, 3);
    return json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", t->prefix, "cleanup", 1);
}

/* own: with a field of ours for the names that the format has no place for. */
static json_t *document(const rk_tokenizer *t, bool own)
{
    json_t *o = json_object();
    bool ok = o && set(o, "version", json_string("1.0")) && set(o, "truncation", json_null()) &&
              set(o, "padding", json_null());

    ok = ok && set(o, "added_tokens", added_list(t)) && set(o, "normalizer", normalizer(t));
    ok = ok && set(o, "pre_tokenizer", pre_tokenizer(t));
    ok = ok && set(o, "post_processor", post_processor(t));
    ok = ok && set(o, "decoder", decoder(t));
    ok = ok && set(o, "model", model(t));
    if (own)
        ok = ok && set(o, "ringkas", json_pack("{s:s, s:s}", "pad_token", t->special[RK_PAD],
                                               "mask_token", t->special[RK_MASK]));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

json_t *rk_tokenizer_json(const rk_tokenizer *t)
{
    return document(t, true);
}

/* ---- files of a folder ---- */

static json_t *special_map(const rk_tokenizer *t)
{
    static const char *const key[RK_SPECIALS] = {"unk_token", "cls_token", "sep_token", "pad_token",
                                                 "mask_token"};
    static const int order[RK_SPECIALS] = {RK_CLS, RK_MASK, RK_PAD, RK_SEP, RK_UNK};
    json_t *o = json_object();
    bool ok = o != NULL;

    for (int i = 0; ok && i < RK_SPECIALS; i++)
        if (t->special_id[order[i]] >= 0)
            ok = set(o, key[order[i]], json_string(t->special[order[i]]));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

/* BertTokenizer's class in transformers makes the rest from the switches alone, so what they cannot
 * say needs the general class, which takes tokenizer.json as it is. */
static const char *class_of(const rk_tokenizer *t)
{
    const bool bert = t->kind == RK_WORDPIECE && !t->steps && t->norm.clean && t->split &&
                      t->max_chars == 100 && strcmp(t->prefix, "##") == 0;
    return bert ? "BertTokenizer" : "PreTrainedTokenizerFast";
}

static json_t *added_decoder(const rk_tokenizer *t)
{
    json_t *o = json_object();
    rk_added *sorted = sorted_added(t);
    bool ok = o && sorted;

    for (size_t i = 0; ok && i < t->added_count; i++) {
        rk_buffer key = {0};
        rk_buffer_printf(&key, "%d", sorted[i].id);
        ok = !key.failed && set(o, key.data, added_object(t, &sorted[i], false));
        rk_buffer_free(&key);
    }
    rk_free(sorted);
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static json_t *config(const rk_tokenizer *t)
{
    json_t *o = special_map(t);
    bool ok = o && set(o, "added_tokens_decoder", added_decoder(t)) &&
              set(o, "clean_up_tokenization_spaces", json_true());
    if (t->kind == RK_WORDPIECE && !t->steps)
        ok = ok && set(o, "do_lower_case", json_boolean(t->norm.lower)) &&
             set(o, "tokenize_chinese_chars", json_boolean(t->norm.han)) &&
             set(o, "strip_accents",
                 t->strip_accents < 0 ? json_null() : json_boolean(t->strip_accents));
    ok = ok && set(o, "tokenizer_class", json_string(class_of(t)));
    if (t->max_length)
        ok = ok && set(o, "model_max_length", json_integer((json_int_t)t->max_length));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static rk_status save_json(json_t *value, const char *folder, const char *file, rk_error *err)
{
    char *path = rk_path_join(folder, file);
    rk_status st = value && path ? rk_json_save(value, path, err)
                                 : rk_fail(err, RK_E_MEMORY, "%s: out of memory", file);
    rk_free(path);
    json_decref(value);
    return st;
}

static rk_status save_vocab(const rk_tokenizer *t, const char *folder, rk_error *err)
{
    char *path = rk_path_join(folder, "vocab.txt");
    rk_buffer text = {0};
    size_t size = t->size;
    rk_status st;

    while (size > 0 && !t->slot[size - 1].model) size--;
    for (size_t id = 0; id < size; id++) {
        const char *token = t->slot[id].used && t->slot[id].model ? name_of(t, (int32_t)id) : "";
        /* a token with a line end fits on no line; the empty one keeps its id from others */
        if (!strpbrk(token, "\r\n")) rk_buffer_puts(&text, token);
        rk_buffer_puts(&text, "\n");
    }
    if (!path || text.failed) st = rk_fail(err, RK_E_MEMORY, "vocab.txt: out of memory");
    else st = rk_file_write(path, text.data, text.length, err);
    rk_buffer_free(&text);
    rk_free(path);
    return st;
}

void rk_tokenizer_set_max_length(rk_tokenizer *t, size_t tokens)
{
    t->max_length = tokens;
}

rk_status rk_tokenizer_save(const rk_tokenizer *t, const char *folder, rk_error *err)
{
    /* the lines of vocab.txt say all of a WordPiece vocabulary, of the others too little */
    rk_status st = t->kind == RK_WORDPIECE ? save_vocab(t, folder, err) : RK_OK;
    if (!st) st = save_json(document(t, false), folder, "tokenizer.json", err);
    if (!st) st = save_json(config(t), folder, "tokenizer_config.json", err);
    if (!st) st = save_json(special_map(t), folder, "special_tokens_map.json", err);
    return st;
}
