#include "text/tokenizer.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/note.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_parts.h"

static const char *const default_name[RK_SPECIALS] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

static rk_status no_memory(const char *where, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory for the vocabulary", where);
}

/* ---- making one ---- */

rk_tokenizer *rk_tokenizer_new(void)
{
    rk_tokenizer *t = rk_calloc(1, sizeof *t);
    bool ok = t != NULL;

    for (int i = 0; ok && i < RK_SPECIALS; i++)
        ok = (t->special[i] = rk_strdup(default_name[i])) != NULL;
    if (!ok || !(t->prefix = rk_strdup("##"))) {
        rk_tokenizer_close(t);
        return NULL;
    }
    t->prefix_length = 2;
    t->max_chars = 100;
    t->norm = (rk_normalizer){.clean = true, .han = true, .strip = true, .lower = true};
    t->strip_accents = -1;
    t->split = true;
    t->padding_id = -1;
    t->prefix_space = -1;
    return t;
}

static void free_parts(rk_tokenizer *t)
{
    rk_free(t->slot);
    rk_buffer_free(&t->names);
    rk_free(t->prefix);
    for (int i = 0; i < RK_SPECIALS; i++) rk_free(t->special[i]);
    rk_free(t->added);
    rk_added_set_free(&t->raw);
    rk_added_set_free(&t->normalized);
    rk_trie_free(&t->pieces);
    rk_wholes_free(&t->wholes);
    rk_steps_free(t->steps);
    rk_bpe_close(t->bpe);
    rk_free(t->score);
    rk_free(t->read);
    for (int i = 0; i < 4; i++) json_decref(t->said[i]);
}

void rk_tokenizer_close(rk_tokenizer *t)
{
    if (!t) return;
    free_parts(t);
    rk_free(t);
}

static bool grow_slots(rk_tokenizer *t, size_t size)
{
    if (size > t->capacity) {
        size_t capacity = t->capacity ? t->capacity : 1024;
        rk_slot *slot;
        while (capacity < size) capacity *= 2;    /* size is at most RK_VOCAB_MAX */
        slot = rk_realloc(t->slot, capacity, sizeof *slot);
        if (!slot) return false;
        t->slot = slot;
        t->capacity = capacity;
    }
    if (size > t->size) {
        memset(t->slot + t->size, 0, (size - t->size) * sizeof *t->slot);
        t->size = size;
    }
    return true;
}

static rk_status put(rk_tokenizer *t, int64_t id, const char *text, size_t length, bool model,
                     const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE], other[RK_QUOTE_SIZE];
    rk_slot *slot;

    rk_quote(name, text, length);
    if (length > RK_TOKEN_BYTES_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: token \"%s\" has %zu bytes; at most %d are taken",
                       where, name, length, RK_TOKEN_BYTES_MAX);
    if (id < 0 || id >= RK_VOCAB_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: token \"%s\" has id %lld; ids from 0 to %d are taken",
                       where, name, (long long)id, RK_VOCAB_MAX - 1);
    if ((size_t)id < t->size && t->slot[id].used)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: tokens \"%s\" and \"%s\" have the same id %lld", where,
                       rk_quote(other, t->names.data + t->slot[id].offset, t->slot[id].length),
                       name, (long long)id);
    if (!grow_slots(t, (size_t)id + 1)) return no_memory(where, err);
    slot = &t->slot[id];
    slot->offset = t->names.length;
    slot->length = (uint32_t)length;
    slot->used = true;
    slot->model = model;
    rk_buffer_put(&t->names, text, length);
    rk_buffer_put(&t->names, "", 1);
    return t->names.failed ? no_memory(where, err) : RK_OK;
}

rk_status rk_tokenizer_put(rk_tokenizer *t, int64_t id, const char *text, size_t length,
                           const char *where, rk_error *err)
{
    return put(t, id, text, length, true, where, err);
}

/* Where a word's second and later pieces are looked for. */
static void make_heads(rk_tokenizer *t)
{
    uint32_t node = 0;

    memset(t->head, 0, sizeof t->head);
    for (size_t i = 0; i < t->prefix_length; i++) {
        node = rk_trie_child(&t->pieces, node, (uint8_t)t->prefix[i]);
        if (node == RK_TRIE_NONE) break;
    }
    for (unsigned b = 0; b < 256; b++) {
        t->head[0][b] = rk_trie_child(&t->pieces, 0, (uint8_t)b);
        if (node != RK_TRIE_NONE || t->prefix_length == 0)
            t->head[1][b] = rk_trie_child(&t->pieces, node, (uint8_t)b);
    }
}

static void note_repeat(rk_tokenizer *t, int32_t id, int32_t again)
{
    if (!t->repeated++ || id < t->repeat[0]) {
        t->repeat[0] = id;
        t->repeat[1] = again;
    }
}

rk_status rk_tokenizer_index(rk_tokenizer *t, const char *where, rk_error *err)
{
    rk_trie_key *keys = rk_calloc(t->size, sizeof *keys);
    size_t count = 0, kept = 0;
    bool ok;

    if (!keys) return no_memory(where, err);
    for (size_t id = 0; id < t->size; id++) {
        if (!t->slot[id].used) continue;
        keys[count].text = t->names.data + t->slot[id].offset;
        keys[count].length = t->slot[id].length;
        keys[count++].value = (int32_t)id;
    }
    rk_trie_sort(keys, count);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && rk_trie_same(&keys[kept - 1], &keys[i])) {
            if (keys[i].length) note_repeat(t, keys[kept - 1].value, keys[i].value);
            /* a Unigram list keeps the piece under both ids, and "unk_id" may be the first */
            if (t->kind != RK_UNIGRAM) t->slot[keys[kept - 1].value].used = false;
            kept--;
        }
        keys[kept++] = keys[i];
    }
    ok = rk_trie_build(&t->pieces, keys, kept);
    if (ok && t->kind == RK_WORDPIECE)
        ok = rk_wholes_build(&t->wholes, keys, kept, t->names.data);
    rk_free(keys);
    if (!ok) return no_memory(where, err);
    make_heads(t);
    return RK_OK;
}

int32_t rk_tokenizer_find_piece(const rk_tokenizer *t, const char *text, size_t length)
{
    uint32_t node = 0;
    for (size_t i = 0; i < length; i++) {
        node = rk_trie_child(&t->pieces, node, (uint8_t)text[i]);
        if (node == RK_TRIE_NONE) return -1;
    }
    return t->pieces.value[node];
}

static bool is_token(const rk_tokenizer *t, int32_t id, const char *text, size_t length)
{
    const rk_slot *s = &t->slot[id];
    return s->length == length && memcmp(t->names.data + s->offset, text, length) == 0;
}

int32_t rk_tokenizer_find(const rk_tokenizer *t, const char *text, size_t length)
{
    const int32_t id = rk_tokenizer_find_piece(t, text, length);
    if (id >= 0) return id;
    for (size_t i = 0; i < t->added_count; i++)
        if (is_token(t, t->added[i].id, text, length)) return t->added[i].id;
    return -1;
}

/* The id of a token that is to be added; makes it where the vocabulary lacks it. */
static rk_status place(rk_tokenizer *t, int32_t *id, const char *text, size_t length,
                       const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const int32_t wanted = *id;

    /* With an id at hand the slow search among added tokens is not needed. */
    *id = wanted < 0 ? rk_tokenizer_find(t, text, length)
                     : rk_tokenizer_find_piece(t, text, length);
    if (*id < 0 && wanted >= 0 && (size_t)wanted < t->size && t->slot[wanted].used &&
        is_token(t, wanted, text, length))
        *id = wanted;
    rk_quote(name, text, length);
    if (*id >= 0) {
        if (wanted < 0 || wanted == *id) return RK_OK;
        return rk_fail(err, RK_E_FORMAT,
                       "%s: added token \"%s\" has id %d, in the vocabulary it is %d",
                       where, name, wanted, *id);
    }
    if (wanted >= 0 && (size_t)wanted > t->size)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: added token \"%s\" has id %d; the next free one is %zu",
                       where, name, wanted, t->size);
    *id = wanted < 0 ? (int32_t)t->size : wanted;
    return put(t, *id, text, length, false, where, err);
}

rk_status rk_tokenizer_add(rk_tokenizer *t, const char *text, size_t length, rk_added added,
                           const char *where, rk_error *err)
{
    rk_status st;

    if (length == 0)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: an added token is empty; it must have a content", where);
    st = place(t, &added.id, text, length, where, err);
    if (st || t->slot[added.id].added) return st;
    if (t->added_count == t->added_capacity) {
        const size_t capacity = t->added_capacity ? t->added_capacity * 2 : 16;
        rk_added *grown = rk_realloc(t->added, capacity, sizeof *grown);
        if (!grown) return no_memory(where, err);
        t->added = grown;
        t->added_capacity = capacity;
    }
    t->slot[added.id].added = true;
    t->added[t->added_count++] = added;
    return RK_OK;
}

rk_status rk_tokenizer_name(rk_tokenizer *t, int special, const char *text, rk_error *err)
{
    char *copy = rk_strdup(text);
    if (!copy) return rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_free(t->special[special]);
    t->special[special] = copy;
    return RK_OK;
}

static rk_status find_special(rk_tokenizer *t, int i, const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *text = t->special[i];
    const size_t length = strlen(text);
    const rk_added plain = {.id = -1, .special = true};
    const bool wordpiece = t->kind == RK_WORDPIECE;

    t->special_id[i] = -1;
    if (!wordpiece && length == 0) return RK_OK;
    t->special_id[i] = rk_tokenizer_find(t, text, length);
    if (t->special_id[i] < 0 && i == RK_MASK) return RK_OK;
    if (t->special_id[i] < 0)
        return rk_fail(err, RK_E_FORMAT, "%s: the vocabulary lacks \"%s\"; it must hold the "
                       "unknown, class, separator and padding tokens", where,
                       rk_quote(name, text, length));
    /* Of the other kinds the file's own list says which tokens are looked for in texts. */
    if (!wordpiece && !(t->told & 1u << i)) return RK_OK;
    return rk_tokenizer_add(t, text, length, plain, where, err);
}

rk_status rk_tokenizer_ready(rk_tokenizer *t, const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_status st = RK_OK;

    for (int i = 0; i < RK_SPECIALS && !st; i++) st = find_special(t, i, where, err);
    if (st) return st;
    if (t->kind == RK_WORDPIECE) {
        t->frame[0][0] = t->special_id[RK_CLS];
        t->frame[1][0] = t->special_id[RK_SEP];
        t->frames[0] = t->frames[1] = 1;
    }
    if (t->padding_id >= 0 && *t->special[RK_PAD] && t->padding_id != t->special_id[RK_PAD])
        rk_note("%s: \"padding\" names id %d, but the padding token \"%s\" is id %d, which "
                "counts", where, t->padding_id,
                rk_quote(name, t->special[RK_PAD], strlen(t->special[RK_PAD])),
                t->special_id[RK_PAD]);
    rk_normalizer_ready(&t->norm);
    return rk_added_sets_make(t, where, err);
}

rk_status rk_tokenizer_from_tokens(rk_tokenizer **out, const char *const *tokens, size_t count,
                                   rk_error *err)
{
    static const char where[] = "vocabulary";
    rk_tokenizer *t = rk_tokenizer_new();
    rk_status st = t ? RK_OK : no_memory(where, err);

    *out = NULL;
    for (size_t i = 0; i < count && !st; i++) {
        if (!rk_utf8_valid(tokens[i], strlen(tokens[i]), NULL))
            st = rk_fail(err, RK_E_FORMAT, "%s: token %zu is not valid UTF-8", where, i);
        else
            st = rk_tokenizer_put(t, (int64_t)i, tokens[i], strlen(tokens[i]), where, err);
    }
    if (!st) st = rk_tokenizer_index(t, where, err);
    if (!st) st = rk_tokenizer_ready(t, where, err);
    if (st) rk_tokenizer_close(t);
    else *out = t;
    return st;
}

/* ---- using one ---- */

size_t rk_tokenizer_size(const rk_tokenizer *t)
{
    return t->size;
}

const char *rk_tokenizer_token(const rk_tokenizer *t, int32_t id)
{
    if (id < 0 || (size_t)id >= t->size || !t->slot[id].used) return NULL;
    return t->names.data + t->slot[id].offset;
}

int32_t rk_tokenizer_pad_id(const rk_tokenizer *t)
{
    return t->special_id[RK_PAD];
}

void rk_tokenizer_note_pad(const rk_tokenizer *t, const json_t *config, const char *path)
{
    const json_t *pad = json_object_get(config, "pad_token_id");
    const int32_t id = t->special_id[RK_PAD];
    char name[RK_QUOTE_SIZE];

    if (json_is_integer(pad) && json_integer_value(pad) != id)
        rk_note("%s: \"pad_token_id\" is %lld, but the tokenizer's padding token is id %d, which "
                "counts", rk_quote(name, path, strlen(path)),
                (long long)json_integer_value(pad), id);
}

void rk_ids_clear(rk_ids *ids)
{
    rk_free(ids->id);
    memset(ids, 0, sizeof *ids);
}

typedef struct encoding {
    const rk_tokenizer *t;
    rk_ids *ids;
    rk_work *work;
    size_t limit;        /* ids->count may not pass it */
    bool failed;
} encoding;

static bool encode_word(void *context, const char *text, size_t length)
{
    encoding *e = context;
    switch (e->t->kind) {
    case RK_WORDPIECE: e->failed = !rk_wordpiece(e->t, text, length, e->ids); break;
    case RK_UNIGRAM: e->failed = !rk_unigram_word(e->t, text, length, e->ids, e->work); break;
    case RK_BPE: e->failed = !rk_bpe_word(e->t, text, length, e->ids, e->work); break;
    }
    return !e->failed && e->ids->count <= e->limit;
}

static bool encode_token(void *context, int32_t id)
{
    encoding *e = context;
    e->failed = !rk_ids_reserve(e->ids, 1);
    if (e->failed) return false;
    e->ids->id[e->ids->count++] = id;
    return e->ids->count <= e->limit;
}

static void put_frame(rk_ids *ids, const rk_tokenizer *t, int side)
{
    for (size_t i = 0; i < t->frames[side]; i++) ids->id[ids->count++] = t->frame[side][i];
}

/* max_length leaves room for the frame. */
bool rk_encode_valid(const rk_tokenizer *t, const char *text, size_t length, size_t max_length,
                     rk_ids *ids, bool *truncated, rk_work *work)
{
    const size_t before = ids->count;
    rk_word_sink sink = {encode_word, encode_token, NULL, *work};
    encoding e = {t, ids, &sink.work, 0, false};
    bool cut, ok = rk_add(&e.limit, before, max_length - t->frames[1]) &&
                   rk_ids_reserve(ids, t->frames[0] + 1);

    sink.context = &e;
    if (ok) {
        put_frame(ids, t, 0);
        ok = rk_words(t, text, length, &sink) && !e.failed && rk_ids_reserve(ids, t->frames[1]);
    }
    *work = sink.work;
    if (!ok) {
        ids->count = before;
        return false;
    }
    cut = ids->count > e.limit;
    if (cut) ids->count = e.limit;
    put_frame(ids, t, 1);
    if (truncated) *truncated = cut;
    return true;
}

rk_status rk_check_max_length(const rk_tokenizer *t, size_t max_length, rk_error *err)
{
    const size_t frame = t->frames[0] + t->frames[1], least = frame < 2 ? 2 : frame;
    if (max_length >= least && max_length <= INT32_MAX) return RK_OK;
    return rk_fail(err, RK_E_ARG, "a maximal length of %zu; it must be %zu or more", max_length,
                   least);
}

rk_status rk_tokenizer_encode(const rk_tokenizer *t, const char *text, size_t length,
                              size_t max_length, rk_ids *ids, bool *truncated, rk_error *err)
{
    rk_work work = {0};
    size_t bad;
    rk_status st = rk_check_max_length(t, max_length, err);
    bool ok;

    if (st) return st;
    if (!rk_utf8_valid(text, length, &bad))
        return rk_fail(err, RK_E_FORMAT, "the text is not valid UTF-8 at byte %zu", bad + 1);
    ok = rk_encode_valid(t, text, length, max_length, ids, truncated, &work);
    rk_work_free(&work);
    return ok ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory for a text of %zu bytes", length);
}
