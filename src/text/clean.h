/* Cleaning a text before it is tokenised; each step a switch, `seed` is what the old pipeline did.
 * Order is fixed: lower, strip-special, collapse, stopwords. */
#ifndef RK_TEXT_CLEAN_H
#define RK_TEXT_CLEAN_H

#include "base/buffer.h"

enum {
    RK_CLEAN_LOWER = 1,         /* Unicode lower-casing as Python's str.lower */
    RK_CLEAN_STRIP_SPECIAL = 2, /* remove all but a-z and white space */
    RK_CLEAN_COLLAPSE = 4,      /* runs of white space to one space, ends trimmed */
    RK_CLEAN_STOPWORDS = 8,     /* remove Sastrawi's stop words, word by word */
    RK_CLEAN_KEEP_NEGATION = 16 /* with STOPWORDS: keep tidak, bukan, belum, ... */
};
enum {
    RK_CLEAN_SEED = RK_CLEAN_LOWER | RK_CLEAN_STRIP_SPECIAL | RK_CLEAN_COLLAPSE | RK_CLEAN_STOPWORDS
};

/* "none", "seed", or steps by comma: lower, strip-special, collapse, stopwords,
 * stopwords-keep-negation. RK_E_ARG names an unknown step and lists the known ones. */
rk_status rk_clean_parse(unsigned *steps, const char *text, rk_error *err);
/* The canonical spelling ("none", "seed", "lower,collapse"); rk_free it; NULL when out of
 * memory. */
char *rk_clean_name(unsigned steps);

/* Appends the cleaned text to out (out->failed on memory). text must be valid UTF-8. */
void rk_clean_apply(rk_buffer *out, unsigned steps, const char *text, size_t length);

#endif
