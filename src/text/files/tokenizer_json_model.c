/* The model of a tokenizer.json: WordPiece, Unigram or BPE. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

static rk_status no_memory(const rk_json_source *s)
{
    return rk_fail(s->err, RK_E_MEMORY, "%s: out of memory for the vocabulary", s->where);
}

static rk_status too_many(const rk_json_source *s, size_t count)
{
    return rk_fail(s->err, RK_E_FORMAT, "%s: %zu tokens; at most %d are taken", s->where, count,
                   RK_VOCAB_MAX);
}

/* {token: id}. */
static rk_status parse_vocab(const rk_json_source *s, const json_t *vocab)
{
    char name[RK_QUOTE_SIZE];
    const char *token;
    json_t *value;
    rk_status st;

    if (!json_is_object(vocab) || json_object_size(vocab) == 0)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"model.vocab\" must map tokens to ids, at least one",
                       s->where);
    if (json_object_size(vocab) > RK_VOCAB_MAX) return too_many(s, json_object_size(vocab));
    json_object_foreach((json_t *)(uintptr_t)vocab, token, value) {
        int64_t id;
        if (!rk_json_whole(&id, value))
            return rk_fail(s->err, RK_E_FORMAT, "%s: the id of token \"%s\" must be a whole number",
                           s->where, rk_quote(name, token, strlen(token)));
        st = rk_tokenizer_put(s->t, id, token, strlen(token), s->where, s->err);
        if (st) return st;
    }
    return rk_tokenizer_index(s->t, s->where, s->err);
}

/* A mark of a character's place in its word; "" and null are none. */
static rk_status parse_mark(const rk_json_source *s, const json_t *model, const char *key,
                            char **out)
{
    const char *text = *out ? *out : "";
    char *copy;
    rk_status st = rk_json_string(&text, model, key, s->path, s->err);

    if (st) return st;
    if (strlen(text) > RK_PREFIX_BYTES_MAX)
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"%s\" has %zu bytes; at most %d are taken",
                       s->where, key, strlen(text), RK_PREFIX_BYTES_MAX);
    copy = rk_strdup(text);
    if (!copy) return no_memory(s);
    rk_free(*out);
    *out = copy;
    return RK_OK;
}

static rk_status name_unk(const rk_json_source *s, const char *unk)
{
    s->t->fixed |= 1u << RK_UNK;
    return rk_tokenizer_name(s->t, RK_UNK, unk, s->err);
}

static rk_status wordpiece(const rk_json_source *s, const json_t *model)
{
    const char *unk = NULL;
    rk_status st = rk_json_size(&s->t->max_chars, model, "max_input_chars_per_word", 1,
                                RK_WORD_CHARS_MAX, s->path, s->err);

    if (!st) st = parse_mark(s, model, "continuing_subword_prefix", &s->t->prefix);
    if (!st) st = rk_json_string(&unk, model, "unk_token", s->path, s->err);
    if (st) return st;
    s->t->prefix_length = strlen(s->t->prefix);
    if (unk) st = name_unk(s, unk);
    return st ? st : parse_vocab(s, json_object_get(model, "vocab"));
}

/* The other kinds have no special tokens but those that the file names. */
static rk_status become(const rk_json_source *s, rk_model_kind kind)
{
    rk_status st = RK_OK;
    s->t->kind = kind;
    s->t->prefix_length = 0;
    for (int i = 0; i < RK_SPECIALS && !st; i++) st = rk_tokenizer_name(s->t, i, "", s->err);
    return st;
}

static void find_bytes(rk_tokenizer *t)
{
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        t->byte_id[b] = rk_tokenizer_find_piece(t, name, 6);
    }
}

/* ---- Unigram ---- */

static rk_status parse_pieces(const rk_json_source *s, const json_t *vocab)
{
    rk_tokenizer *t = s->t;
    const size_t count = json_array_size(vocab);

    if (count == 0)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"model.vocab\" must be a list of [token, score], one at least",
                       s->where);
    if (count > RK_VOCAB_MAX) return too_many(s, count);
    t->score = rk_calloc(count, sizeof *t->score);
    t->read = rk_calloc(count, sizeof *t->read);
    if (!t->score || !t->read) return no_memory(s);
    t->vocab = count;
    t->min_score = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const json_t *piece = json_array_get(vocab, i);
        const json_t *text = json_array_get(piece, 0), *score = json_array_get(piece, 1);
        rk_status st;
        if (json_array_size(piece) != 2 || !json_is_string(text) || !json_is_number(score))
            return rk_fail(s->err, RK_E_FORMAT, "%s: \"model.vocab[%zu]\" must be [token, score]",
                           s->where, i);
        t->score[i] = json_number_value(score);
        t->read[i] = rk_unigram_read(t->score[i]);
        if (t->read[i] < t->min_score) t->min_score = t->read[i];
        st = rk_tokenizer_put(t, (int64_t)i, json_string_value(text), json_string_length(text),
                              s->where, s->err);
        if (st) return st;
    }
    return rk_tokenizer_index(t, s->where, s->err);
}

static rk_status unigram(const rk_json_source *s, const json_t *model)
{
    rk_tokenizer *t = s->t;
    size_t unk = SIZE_MAX;
    rk_status st = become(s, RK_UNIGRAM);

    if (!st) st = parse_pieces(s, json_object_get(model, "vocab"));
    if (!st) st = rk_json_bool(&t->byte_fallback, model, "byte_fallback", s->path, s->err);
    if (!st)
        st = rk_json_size(&unk, model, "unk_id", 0, json_array_size(json_object_get(model, "vocab"))
                          - 1, s->path, s->err);
    if (!st && unk == SIZE_MAX)
        st = rk_fail(s->err, RK_E_FORMAT, "%s: \"model.unk_id\" is missing; texts may hold what no "
                     "piece has", s->where);
    if (st) return st;
    t->unigram_unk = (int32_t)unk;
    find_bytes(t);
    return name_unk(s, t->names.data + t->slot[unk].offset);
}

/* ---- BPE ---- */

/* Both halves of a merge, whichever way it is written. */
static bool halves(const char *out[2], size_t length[2], const json_t *merge)
{
    const char *text = json_string_value(merge), *space;

    if (json_array_size(merge) == 2) {
        for (size_t k = 0; k < 2; k++) {
            const json_t *half = json_array_get(merge, k);
            out[k] = json_string_value(half);
            length[k] = json_string_length(half);
            if (!out[k]) return false;
        }
        return true;
    }
    space = text ? strchr(text, ' ') : NULL;
    if (!space || strchr(space + 1, ' ')) return false;
    out[0] = text;
    length[0] = (size_t)(space - text);
    out[1] = space + 1;
    length[1] = strlen(out[1]);
    return true;
}

static rk_status parse_merge(const rk_json_source *s, const json_t *merge, size_t index,
                             rk_buffer *joined)
{
    rk_tokenizer *t = s->t;
    rk_bpe *b = t->bpe;
    const size_t prefix = b->prefix ? strlen(b->prefix) : 0;
    rk_merge *m = &b->merge[b->merges];
    char name[RK_QUOTE_SIZE];
    const char *half[2];
    size_t length[2];

    if (!halves(half, length, merge))
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"model.merges[%zu]\" must be two tokens",
                       s->where, index);
    rk_buffer_clear(joined);
    rk_buffer_put(joined, half[0], length[0]);
    if (length[1] >= prefix) rk_buffer_put(joined, half[1] + prefix, length[1] - prefix);
    if (joined->failed) return no_memory(s);
    m->left = rk_tokenizer_find_piece(t, half[0], length[0]);
    m->right = rk_tokenizer_find_piece(t, half[1], length[1]);
    m->id = rk_tokenizer_find_piece(t, joined->data, joined->length);
    if (m->left < 0 || m->right < 0 || m->id < 0)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"model.merges[%zu]\" needs \"%s\", which the vocabulary lacks",
                       s->where, index,
                       m->left < 0    ? rk_quote(name, half[0], length[0])
                       : m->right < 0 ? rk_quote(name, half[1], length[1])
                                      : rk_quote(name, joined->data, joined->length));
    b->merges++;
    return RK_OK;
}

static rk_status parse_merges(const rk_json_source *s, const json_t *list)
{
    const size_t count = json_array_size(list);
    rk_buffer joined = {0};
    rk_status st = RK_OK;

    if (!json_is_array(list) || count > RK_VOCAB_MAX)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: \"model.merges\" must be a list of at most %d pairs", s->where,
                       RK_VOCAB_MAX);
    s->t->bpe->merge = rk_calloc(count, sizeof *s->t->bpe->merge);
    if (!s->t->bpe->merge) return no_memory(s);
    for (size_t i = 0; i < count && !st; i++) {
        const json_t *merge = json_array_get(list, i);
        const char *text = json_string_value(merge);
        if (text && strncmp(text, "#version", 8) == 0) continue;
        st = parse_merge(s, merge, i, &joined);
    }
    rk_buffer_free(&joined);
    if (!st && !rk_bpe_index(s->t->bpe)) st = no_memory(s);
    return st;
}

static rk_status bpe_marks(const rk_json_source *s, const json_t *model)
{
    rk_bpe *b = s->t->bpe;
    rk_status st = parse_mark(s, model, "continuing_subword_prefix", &b->prefix);

    if (!st) st = parse_mark(s, model, "end_of_word_suffix", &b->suffix);
    if (st) return st;
    if (!*b->prefix) {
        rk_free(b->prefix);
        b->prefix = NULL;
    }
    if (!*b->suffix) {
        rk_free(b->suffix);
        b->suffix = NULL;
    }
    if (s->t->byte_fallback && (b->prefix || b->suffix))
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"byte_fallback\" together with a subword prefix "
                       "or suffix is not supported", s->where);
    return RK_OK;
}

static rk_status bpe(const rk_json_source *s, const json_t *model)
{
    rk_tokenizer *t = s->t;
    const char *unk = NULL;
    char name[RK_QUOTE_SIZE];
    double dropout = 0.0;
    rk_status st = become(s, RK_BPE);

    if (st) return st;
    t->bpe = rk_calloc(1, sizeof *t->bpe);
    if (!t->bpe) return no_memory(s);
    t->bpe->unk = -1;
    st = rk_json_double(&dropout, model, "dropout", 0.0, 1.0, s->path, s->err);
    if (!st && dropout > 0.0)
        st = rk_fail(s->err, RK_E_FORMAT, "%s: \"dropout\" %g gives other ids each time; it is not "
                     "supported", s->where, dropout);
    if (!st) st = rk_json_bool(&t->byte_fallback, model, "byte_fallback", s->path, s->err);
    if (!st) st = rk_json_bool(&t->bpe->fuse_unk, model, "fuse_unk", s->path, s->err);
    if (!st) st = rk_json_bool(&t->bpe->ignore_merges, model, "ignore_merges", s->path, s->err);
    if (!st) st = rk_json_string(&unk, model, "unk_token", s->path, s->err);
    if (!st) st = bpe_marks(s, model);
    if (!st) st = parse_vocab(s, json_object_get(model, "vocab"));
    if (!st) st = parse_merges(s, json_object_get(model, "merges"));
    if (st) return st;
    find_bytes(t);
    if (!unk || !*unk) return RK_OK;
    t->bpe->unk = rk_tokenizer_find_piece(t, unk, strlen(unk));
    if (t->bpe->unk < 0)
        return rk_fail(s->err, RK_E_FORMAT, "%s: the vocabulary lacks the unknown token \"%s\"",
                       s->where, rk_quote(name, unk, strlen(unk)));
    return name_unk(s, unk);
}

rk_status rk_json_model(const rk_json_source *s, const json_t *model)
{
    static const char wanted[] = "WordPiece, Unigram or BPE";

    if (!json_is_object(model))
        return rk_fail(s->err, RK_E_FORMAT, "%s: \"model\" must be an object", s->where);
    /* Files of old versions have no type; what they hold tells them apart. */
    if (!json_object_get(model, "type")) {
        if (json_object_get(model, "max_input_chars_per_word")) return wordpiece(s, model);
        if (json_object_get(model, "merges")) return bpe(s, model);
        if (json_object_get(model, "unk_id")) return unigram(s, model);
    }
    if (rk_json_is_type(model, "WordPiece")) return wordpiece(s, model);
    if (rk_json_is_type(model, "Unigram")) return unigram(s, model);
    if (rk_json_is_type(model, "BPE")) return bpe(s, model);
    return rk_json_refuse_type(s, "model", model, wanted);
}
