/* Byte-pair encoding: the merge of least rank first, the leftmost of equal ones, by a heap. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_parts.h"

void rk_bpe_close(rk_bpe *b)
{
    if (!b) return;
    rk_free(b->merge);
    rk_free(b->table);
    rk_free(b->prefix);
    rk_free(b->suffix);
    rk_free(b);
}

static size_t slot_of(const rk_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    h = (h ^ h >> 32) * 0x94D049BB133111EBu;
    return (size_t)(h >> 20) & (b->table_size - 1);
}

bool rk_bpe_index(rk_bpe *b)
{
    b->table_size = 16;
    while (b->table_size < 2 * b->merges) b->table_size *= 2;
    b->table = rk_calloc(b->table_size, sizeof *b->table);
    if (!b->table) return false;
    for (size_t rank = 0; rank < b->merges; rank++) {
        const rk_merge *m = &b->merge[rank];
        size_t at = slot_of(b, m->left, m->right);
        while (b->table[at] && (b->merge[b->table[at] - 1].left != m->left ||
                                b->merge[b->table[at] - 1].right != m->right))
            at = (at + 1) & (b->table_size - 1);
        b->table[at] = (uint32_t)rank + 1;    /* of a pair that comes twice, the last counts */
    }
    return true;
}

/* The rank of a pair, or -1. */
static int64_t rank_of(const rk_bpe *b, int32_t left, int32_t right)
{
    size_t at = slot_of(b, left, right);
    while (b->table[at]) {
        const rk_merge *m = &b->merge[b->table[at] - 1];
        if (m->left == left && m->right == right) return (int64_t)b->table[at] - 1;
        at = (at + 1) & (b->table_size - 1);
    }
    return -1;
}

/* ---- a word's symbols, a list by places; the heap of merges beside them ---- */

enum { NONE = -1 };

typedef struct symbol {
    int32_t id;
    int32_t before, after;       /* places, or NONE */
    bool gone;
} symbol;

typedef struct merger {
    const rk_bpe *b;
    symbol *s;                   /* [count] */
    size_t count;
    uint64_t *heap;              /* rank << 32 | place; least on top */
    size_t heaped;
} merger;

static void push(merger *m, int32_t place)
{
    const symbol *left = &m->s[place];
    const int64_t rank = left->after == NONE ? -1 : rank_of(m->b, left->id, m->s[left->after].id);
    size_t i = m->heaped;
    uint64_t key;

    if (rank < 0) return;
    key = (uint64_t)rank << 32 | (uint32_t)place;
    m->heaped++;
    while (i > 0 && m->heap[(i - 1) / 2] > key) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = key;
}

static uint64_t pop(merger *m)
{
    const uint64_t top = m->heap[0], last = m->heap[--m->heaped];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < m->heaped) {
        if (child + 1 < m->heaped && m->heap[child + 1] < m->heap[child]) child++;
        if (m->heap[child] >= last) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* A symbol stands for one pair at a time on either side, and each merge makes two pairs at most, so
 * three times the symbols is room enough for the heap. */
static void merge_all(merger *m)
{
    for (size_t i = 0; i + 1 < m->count; i++) push(m, (int32_t)i);
    while (m->heaped > 0) {
        const uint64_t top = pop(m);
        const int32_t place = (int32_t)(uint32_t)top;
        const int32_t made = m->b->merge[top >> 32].id;
        symbol *left = &m->s[place], *right;
        int64_t rank;

        if (left->gone || left->after == NONE) continue;
        right = &m->s[left->after];
        rank = rank_of(m->b, left->id, right->id);
        if (rank < 0 || m->b->merge[rank].id != made) continue;    /* of a pair that is no more */
        left->id = made;
        right->gone = true;
        left->after = right->after;
        if (right->after != NONE) m->s[right->after].before = place;
        if (left->before != NONE) push(m, left->before);
        push(m, place);
    }
}

static void add(merger *m, int32_t id)
{
    const int32_t place = (int32_t)m->count;
    m->s[place] = (symbol){id, place - 1, NONE, false};
    if (place > 0) m->s[place - 1].after = place;
    m->count++;
}

/* The id of a word's character, with what marks its place in the word; -1 when there is none. */
static int32_t find_character(const rk_tokenizer *t, const char *text, size_t length, bool starts,
                              bool ends)
{
    const rk_bpe *b = t->bpe;
    char bytes[2 * RK_PREFIX_BYTES_MAX + 8];
    size_t n = 0;

    if ((starts || !b->prefix) && (!ends || !b->suffix))
        return rk_tokenizer_find_piece(t, text, length);
    if (!starts && b->prefix) {
        memcpy(bytes, b->prefix, strlen(b->prefix));
        n += strlen(b->prefix);
    }
    memcpy(bytes + n, text, length);
    n += length;
    if (ends && b->suffix) {
        memcpy(bytes + n, b->suffix, strlen(b->suffix));
        n += strlen(b->suffix);
    }
    return rk_tokenizer_find_piece(t, bytes, n);
}

static bool add_bytes(merger *m, const rk_tokenizer *t, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (t->byte_id[(unsigned char)text[i]] < 0) return false;
    for (size_t i = 0; i < length; i++) add(m, t->byte_id[(unsigned char)text[i]]);
    return true;
}

static void add_word(merger *m, const rk_tokenizer *t, const char *word, size_t length)
{
    const rk_bpe *b = m->b;
    bool unknown = false;

    for (size_t i = 0; i < length;) {
        const size_t used = rk_utf8_length(word + i, length - i);
        const size_t n = used ? used : 1;
        const bool starts = i == 0, ends = i + n == length;
        const int32_t id = find_character(t, word + i, n, starts, ends);
        if (id >= 0) {
            if (unknown) add(m, b->unk);
            unknown = false;
            add(m, id);
        } else if (!t->byte_fallback || !add_bytes(m, t, word + i, n)) {
            if (unknown && !b->fuse_unk) add(m, b->unk);
            unknown = b->unk >= 0;
        }
        i += n;
    }
    if (unknown) add(m, b->unk);
}

bool rk_bpe_word(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids, rk_work *w)
{
    const rk_bpe *b = t->bpe;
    merger m = {.b = b};
    const size_t room = length + 1;    /* a byte gives a symbol at most */

    if (b->ignore_merges) {
        const int32_t id = rk_tokenizer_find_piece(t, word, length);
        if (id >= 0) {
            if (!rk_ids_reserve(ids, 1)) return false;
            ids->id[ids->count++] = id;
            return true;
        }
    }
    if (room > INT32_MAX) return false;
    m.heap = rk_work_model(w, room, 3 * sizeof *m.heap + sizeof *m.s);
    if (!m.heap) return false;
    m.s = (symbol *)(void *)(m.heap + 3 * room);
    add_word(&m, t, word, length);
    merge_all(&m);
    if (!rk_ids_reserve(ids, m.count)) return false;
    for (size_t i = 0; i < m.count; i++)
        if (!m.s[i].gone) ids->id[ids->count++] = m.s[i].id;
    return true;
}
