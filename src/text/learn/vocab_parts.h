/* Learning a vocabulary, in two files: words and their counts; merges. */
#ifndef RK_TEXT_VOCAB_PARTS_H
#define RK_TEXT_VOCAB_PARTS_H

#include <stdint.h>

#include "base/buffer.h"
#include "text/tokenizer/tokenizer_parts.h"

/* Distinct strings, numbered in the order of their coming. Zero it first. */
typedef struct rk_strings {
    rk_buffer bytes;
    size_t count, capacity;
    struct rk_string {
        size_t offset;
        uint32_t length;
        uint32_t hash;
    } *item;
    uint32_t *table;        /* item + 1, 0 for empty; open addressing */
    size_t table_size;      /* a power of two */
} rk_strings;

/* The number of the string, new or known (*fresh says which); SIZE_MAX when out of memory. */
size_t rk_strings_put(rk_strings *s, const char *text, size_t length, bool *fresh);
void rk_strings_free(rk_strings *s);

typedef struct rk_word_counts {
    rk_strings words;
    uint64_t *count;        /* [words.count] */
    size_t capacity;
} rk_word_counts;

/* The words of the cleaned rows as the tokenizer t parts them; words past t's limit are left out,
 * since they are unknown to any vocabulary. */
rk_status rk_words_count(rk_word_counts *out, const rk_tokenizer *t, const rk_rows *rows,
                         unsigned clean_steps, rk_error *err);
void rk_word_counts_free(rk_word_counts *w);

#endif
