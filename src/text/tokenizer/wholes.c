#include "text/tokenizer/wholes.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

/* The high bits mixed into the low ones, which the table takes. */
static uint32_t hash_of(const char *text, size_t length)
{
    const uint32_t h = rk_hash(text, length);
    return h ^ h >> 15;
}

bool rk_wholes_build(rk_wholes *w, const rk_trie_key *keys, size_t count, const char *base)
{
    size_t slots = 16;

    memset(w, 0, sizeof *w);
    if (count > SIZE_MAX / 4) return false;
    while (slots < 2 * count) slots *= 2;
    w->slot = rk_calloc(slots, sizeof *w->slot);
    if (!w->slot) return false;
    w->mask = slots - 1;
    for (size_t i = 0; i < count; i++) {
        const rk_trie_key *key = &keys[i];
        const size_t offset = key->length ? (size_t)(key->text - base) : 0;
        const uint32_t hash = hash_of(key->text, key->length);
        size_t at = hash & w->mask;
        if (key->length == 0) continue;
        if (offset > UINT32_MAX || key->length > UINT32_MAX) {
            rk_wholes_free(w);
            return false;
        }
        while (w->slot[at].length) at = (at + 1) & w->mask;
        w->slot[at] = (rk_whole){hash, (uint32_t)key->length, (uint32_t)offset, key->value};
    }
    return true;
}

void rk_wholes_free(rk_wholes *w)
{
    rk_free(w->slot);
    memset(w, 0, sizeof *w);
}

int32_t rk_wholes_find(const rk_wholes *w, const char *base, const char *text, size_t length)
{
    const uint32_t hash = hash_of(text, length);

    for (size_t at = hash & w->mask; w->slot[at].length; at = (at + 1) & w->mask) {
        const rk_whole *s = &w->slot[at];
        if (s->hash == hash && s->length == length && memcmp(base + s->offset, text, length) == 0)
            return s->value;
    }
    return -1;
}
