/* A trie over bytes: the longest of many strings at a place in a text. Built once, in time linear
 * in the bytes of the strings whatever they are. */
#ifndef RK_TEXT_TRIE_H
#define RK_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nodes in breadth-first order, so the children of node i are first[i] .. first[i + 1] - 1 and
 * their labels lie side by side, sorted. */
typedef struct rk_trie {
    uint32_t count;        /* nodes; node 0 is the root */
    uint32_t *first;       /* [count + 1] */
    uint8_t *label;        /* [count]; the root's is unused */
    int32_t *value;        /* [count]; -1 where no string ends */
} rk_trie;

typedef struct rk_trie_key {
    const char *text;
    size_t length;
    int32_t value;         /* >= 0 */
} rk_trie_key;

/* keys must be sorted (rk_trie_sort) and without duplicates. False when out of memory or past 2^32
 * nodes; the trie is then empty. rk_trie_free takes an empty or zeroed one. */
bool rk_trie_build(rk_trie *t, const rk_trie_key *keys, size_t count);
void rk_trie_free(rk_trie *t);

/* By bytes, then by value. */
void rk_trie_sort(rk_trie_key *keys, size_t count);
bool rk_trie_same(const rk_trie_key *a, const rk_trie_key *b);

enum { RK_TRIE_NONE = 0 };   /* the root is nobody's child */

/* The child of a node, or RK_TRIE_NONE. */
static inline uint32_t rk_trie_child(const rk_trie *t, uint32_t node, uint8_t byte)
{
    const uint32_t end = t->first[node + 1];
    for (uint32_t c = t->first[node]; c < end; c++)
        if (t->label[c] >= byte) return t->label[c] == byte ? c : RK_TRIE_NONE;
    return RK_TRIE_NONE;
}

#endif
