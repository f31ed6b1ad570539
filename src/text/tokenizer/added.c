/* Tokens that are taken whole: special ones, and those a user added to the vocabulary. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_parts.h"
#include "text/unicode/unicode.h"

void rk_added_set_free(rk_added_set *set)
{
    rk_trie_free(&set->trie);
    memset(set, 0, sizeof *set);
}

static const char *content(const rk_tokenizer *t, size_t index, size_t *length)
{
    const rk_slot *slot = &t->slot[t->added[index].id];
    *length = slot->length;
    return t->names.data + slot->offset;
}

static rk_status make_set(rk_added_set *set, rk_trie_key *keys, size_t count, const char *where,
                          rk_error *err)
{
    size_t kept = 0;

    rk_trie_sort(keys, count);
    for (size_t i = 0; i < count; i++)    /* tokens that normalise to the same: the first counts */
        if (kept == 0 || !rk_trie_same(&keys[kept - 1], &keys[i])) keys[kept++] = keys[i];
    if (!rk_trie_build(&set->trie, keys, kept))
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory for the added tokens", where);
    for (size_t i = 0; i < kept; i++) set->starts[(unsigned char)keys[i].text[0]] = true;
    set->any = kept > 0;
    return RK_OK;
}

/* Appends the normalised contents to `names` and points the keys there. */
static rk_status normalized_keys(const rk_tokenizer *t, rk_trie_key *keys, size_t *count,
                                 rk_buffer *names, const char *where, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_work work = {0};
    rk_status st = RK_OK;
    size_t offset = 0;

    *count = 0;
    for (size_t i = 0; i < t->added_count && !st; i++) {
        size_t length;
        const char *text = content(t, i, &length);
        rk_normal clean = {0};
        if (!t->added[i].normalized) continue;
        if (!rk_normal_make(&clean, t, &work, text, length, true)) names->failed = true;
        if (!names->failed && clean.length == 0)
            st = rk_fail(err, RK_E_FORMAT,
                         "%s: nothing is left of the added token \"%s\" when it is normalised; "
                         "mark it \"normalized\": false", where, rk_quote(name, text, length));
        keys[*count].length = clean.length;
        keys[(*count)++].value = (int32_t)i;
        rk_buffer_put(names, clean.text, clean.length);
    }
    rk_work_free(&work);
    if (!st && names->failed) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    for (size_t i = 0; i < *count && !st; i++) {
        keys[i].text = names->data + offset;
        offset += keys[i].length;
    }
    return st;
}

rk_status rk_added_sets_make(rk_tokenizer *t, const char *where, rk_error *err)
{
    rk_trie_key *keys = rk_calloc(t->added_count, sizeof *keys);
    rk_buffer names = {0};
    size_t count = 0;
    rk_status st;

    if (!keys) return rk_fail(err, RK_E_MEMORY, "%s: out of memory for the added tokens", where);
    for (size_t i = 0; i < t->added_count; i++) {
        if (t->added[i].normalized) continue;
        keys[count].text = content(t, i, &keys[count].length);
        keys[count++].value = (int32_t)i;
    }
    st = make_set(&t->raw, keys, count, where, err);
    if (!st) st = normalized_keys(t, keys, &count, &names, where, err);
    if (!st) st = make_set(&t->normalized, keys, count, where, err);
    rk_buffer_free(&names);
    rk_free(keys);
    return st;
}

/* ---- finding them ---- */

/* The character before `at`, which is > 0. */
static uint32_t before(const char *text, size_t at)
{
    uint32_t cp = 0;
    size_t start = at - 1;
    while (start > 0 && at - start < 4 && ((unsigned char)text[start] & 0xc0) == 0x80) start--;
    rk_utf8_decode(&cp, text + start, at - start);
    return cp;
}

static bool is_word(uint32_t cp)
{
    return rk_pattern_class(cp) & RK_PAT_WORD;
}

static bool inside_word(const char *text, size_t length, size_t start, size_t stop)
{
    uint32_t cp;
    if (start > 0 && is_word(before(text, start))) return true;
    return stop < length && rk_utf8_decode(&cp, text + stop, length - stop) && is_word(cp);
}

static size_t space_before(const char *text, size_t start, size_t from)
{
    while (start > from) {
        const uint32_t cp = before(text, start);
        char bytes[4];
        if (!(rk_char_class(cp) & RK_CHAR_SPACE)) break;
        start -= rk_utf8_encode(bytes, cp);
    }
    return start;
}

static size_t space_after(const char *text, size_t length, size_t stop)
{
    uint32_t cp;
    size_t n;
    while ((n = rk_utf8_decode(&cp, text + stop, length - stop)) > 0) {
        if (!(rk_char_class(cp) & RK_CHAR_SPACE)) break;
        stop += n;
    }
    return stop;
}

/* The longest token that starts at `start`: its end, or `start` when there is none. */
static size_t longest(const rk_trie *trie, const char *text, size_t length, size_t start,
                      size_t *index)
{
    size_t end = start, i = start;
    uint32_t node = 0;

    while (i < length && (node = rk_trie_child(trie, node, (uint8_t)text[i])) != RK_TRIE_NONE) {
        i++;
        if (trie->value[node] >= 0) {
            end = i;
            *index = (size_t)trie->value[node];
        }
    }
    return end;
}

bool rk_added_next(const rk_tokenizer *t, const rk_added_set *set, const char *text, size_t length,
                   size_t from, size_t *at, size_t *start, size_t *stop, size_t *index)
{
    if (!set->any) return false;
    while (*at < length) {
        const rk_added *a;
        size_t end;
        if (!set->starts[(unsigned char)text[*at]] ||
            (end = longest(&set->trie, text, length, *at, index)) == *at) {
            ++*at;
            continue;
        }
        a = &t->added[*index];
        *start = *at;
        *stop = end;
        *at = end;    /* the search goes on behind it, whether it counts or not */
        if (a->single_word && inside_word(text, length, *start, *stop)) continue;
        if (a->lstrip) *start = space_before(text, *start, from);
        if (a->rstrip) *stop = space_after(text, length, *stop);
        return true;
    }
    return false;
}
