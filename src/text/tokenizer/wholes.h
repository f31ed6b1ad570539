/* A hash table over the vocabulary: most words of a text are one token, and one look finds it where
 * a walk through the trie takes a step for each byte. */
#ifndef RK_TEXT_WHOLES_H
#define RK_TEXT_WHOLES_H

#include "text/tokenizer/trie.h"

typedef struct rk_whole {
    uint32_t hash, length; /* length 0: empty */
    uint32_t offset;       /* of the key's text */
    int32_t value;
} rk_whole;

typedef struct rk_wholes {
    rk_whole *slot;
    size_t mask; /* slots - 1, a power of two less one */
} rk_wholes;

/* Keys without duplicates, whose texts lie in the 4 GiB behind base; empty ones are left out. False
 * when out of memory or past these. rk_wholes_free takes a zeroed one. */
bool rk_wholes_build(rk_wholes *w, const rk_trie_key *keys, size_t count, const char *base);
void rk_wholes_free(rk_wholes *w);

/* The value of the key that is all of text, -1 where there is none; base is where the keys' texts
 * lie by now. */
int32_t rk_wholes_find(const rk_wholes *w, const char *base, const char *text, size_t length);

#endif
