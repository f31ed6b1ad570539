#include "base/mem.h"
#include "text/tokenizer/tokenizer_parts.h"

bool rk_ids_reserve(rk_ids *ids, size_t more)
{
    size_t need, capacity = ids->capacity ? ids->capacity : 64;
    int32_t *grown;

    if (!rk_add(&need, ids->count, more)) return false;
    if (need <= ids->capacity) return true;
    while (capacity < need) capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    grown = rk_realloc(ids->id, capacity, sizeof *grown);
    if (!grown) return false;
    ids->id = grown;
    ids->capacity = capacity;
    return true;
}

static bool too_long(const rk_tokenizer *t, const char *word, size_t length)
{
    size_t chars = 0;
    if (length <= t->max_chars) return false;
    if (length > t->max_chars * 4) return true;
    for (size_t i = 0; i < length; i++) chars += ((unsigned char)word[i] & 0xc0) != 0x80;
    return chars > t->max_chars;
}

/* The longest token at word[*at]; moves *at past it. -1 when there is none. */
static int32_t longest(const rk_tokenizer *t, const unsigned char *word, size_t length, size_t *at)
{
    const rk_trie *pieces = &t->pieces;
    int32_t best = -1;
    size_t i = *at;
    uint32_t node = t->head[i > 0][word[i]];

    while (node != RK_TRIE_NONE) {
        i++;
        if (pieces->value[node] >= 0) {
            best = pieces->value[node];
            *at = i;
        }
        if (i == length) break;
        node = rk_trie_child(pieces, node, word[i]);
    }
    return best;
}

bool rk_wordpiece(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids)
{
    const size_t before = ids->count;
    int32_t whole;
    size_t at = 0;

    if (too_long(t, word, length)) {
        if (!rk_ids_reserve(ids, 1)) return false;
        ids->id[ids->count++] = t->special_id[RK_UNK];
        return true;
    }
    if (!rk_ids_reserve(ids, length)) return false;    /* a piece has a byte at least */
    whole = rk_wholes_find(&t->wholes, t->names.data, word, length);
    if (whole >= 0) {
        ids->id[ids->count++] = whole;
        return true;
    }
    while (at < length) {
        const int32_t id = longest(t, (const unsigned char *)word, length, &at);
        if (id < 0) {
            ids->count = before;
            ids->id[ids->count++] = t->special_id[RK_UNK];
            return true;
        }
        ids->id[ids->count++] = id;
    }
    return true;
}
