/* Sastrawi's Indonesian stop words. */
#ifndef RK_TEXT_STOPWORDS_H
#define RK_TEXT_STOPWORDS_H

#include <stdbool.h>
#include <stddef.h>

bool rk_stopword(const char *word, size_t length);

/* The stop words that negate: tidak, bukan, belum, jangan, kurang, ... */
bool rk_negation(const char *word, size_t length);

#endif
