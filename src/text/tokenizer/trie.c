#include "text/tokenizer/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int compare(const void *a, const void *b)
{
    const rk_trie_key *x = a, *y = b;
    const size_t n = x->length < y->length ? x->length : y->length;
    const int c = n ? memcmp(x->text, y->text, n) : 0;
    if (c) return c;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

void rk_trie_sort(rk_trie_key *keys, size_t count)
{
    if (count) qsort(keys, count, sizeof *keys, compare);
}

bool rk_trie_same(const rk_trie_key *a, const rk_trie_key *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->text, b->text, a->length) == 0);
}

/* Nodes are the distinct prefixes: each key adds what it does not share with the one before. */
static bool count_nodes(uint32_t *out, const rk_trie_key *keys, size_t count)
{
    size_t nodes = 1;
    for (size_t i = 0; i < count; i++) {
        size_t shared = 0;
        if (i > 0) {
            const rk_trie_key *a = &keys[i - 1], *b = &keys[i];
            while (shared < a->length && shared < b->length && a->text[shared] == b->text[shared])
                shared++;
        }
        nodes += keys[i].length - shared;
    }
    if (nodes >= UINT32_MAX) return false;
    *out = (uint32_t)nodes;
    return true;
}

/* The keys below one node, while the level below is not made. */
typedef struct span {
    uint32_t lo, hi;
} span;

/* Makes the children of the node whose keys are `own`, all equal in their first `depth` bytes. */
static void add_children(rk_trie *t, span *spans, uint32_t *next, uint32_t node, size_t depth,
                         const rk_trie_key *keys)
{
    uint32_t i = spans[node].lo;
    const uint32_t hi = spans[node].hi;

    t->first[node] = *next;
    if (i < hi && keys[i].length == depth) t->value[node] = keys[i++].value;
    while (i < hi) {
        const uint8_t label = (uint8_t)keys[i].text[depth];
        const uint32_t lo = i;
        while (i < hi && (uint8_t)keys[i].text[depth] == label) i++;
        t->label[*next] = label;
        spans[*next] = (span){lo, i};
        ++*next;
    }
}

bool rk_trie_build(rk_trie *t, const rk_trie_key *keys, size_t count)
{
    uint32_t next = 1, level_end = 1;
    size_t depth = 0;
    span *spans = NULL;

    memset(t, 0, sizeof *t);
    if (count >= UINT32_MAX || !count_nodes(&t->count, keys, count)) return false;
    t->first = rk_calloc((size_t)t->count + 1, sizeof *t->first);
    t->label = rk_calloc(t->count, 1);
    t->value = rk_calloc(t->count, sizeof *t->value);
    spans = rk_calloc(t->count, sizeof *spans);
    if (!t->first || !t->label || !t->value || !spans) {
        rk_free(spans);
        rk_trie_free(t);
        return false;
    }
    memset(t->value, 0xff, t->count * sizeof *t->value);
    spans[0] = (span){0, (uint32_t)count};
    for (uint32_t node = 0; node < t->count; node++) {
        if (node == level_end) {    /* breadth first: all nodes of one depth are made together */
            depth++;
            level_end = next;
        }
        add_children(t, spans, &next, node, depth, keys);
    }
    t->first[t->count] = next;
    rk_free(spans);
    return true;
}

void rk_trie_free(rk_trie *t)
{
    rk_free(t->first);
    rk_free(t->label);
    rk_free(t->value);
    memset(t, 0, sizeof *t);
}
