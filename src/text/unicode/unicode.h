/* What a character is to BERT's normaliser and pre-tokeniser, as the reference tokenizer has it;
 * the tables are pinned (tools/make_unicode_tables.py), so ids do not change with the system's
 * Unicode version. utf8proc gives the decompositions, which Unicode keeps stable. */
#ifndef RK_TEXT_UNICODE_H
#define RK_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RK_CHAR_REMOVED = 1,   /* control, format, private use, U+FFFD: dropped by clean_text */
    RK_CHAR_SPACE = 2,     /* Unicode White_Space */
    RK_CHAR_MARK = 4,      /* non-spacing mark: dropped when accents are stripped */
    RK_CHAR_PUNCT = 8,     /* stands alone in pre-tokenisation */
    RK_CHAR_HAN = 16       /* set apart by spaces */
};

/* A table of properties: ranges in ascending order, none overlapping. */
typedef struct rk_char_range {
    uint32_t first, last;
    uint8_t bits;
} rk_char_range;
/* The bits of the range that holds cp, 0 where none does. */
unsigned rk_char_bits(const rk_char_range *range, size_t count, uint32_t cp);

/* The RK_CHAR_ bits of a scalar value. */
unsigned rk_char_class(uint32_t cp);

/* Lower case by one character (Unicode's simple mapping). U+0130 is left to the caller. */
uint32_t rk_char_lower(uint32_t cp);

/* The full canonical decomposition into out; returns 1..4 characters. */
enum { RK_DECOMPOSED_MAX = 4 };
size_t rk_char_decompose(uint32_t out[RK_DECOMPOSED_MAX], uint32_t cp);

/* Canonical combining class of a character that is not an RK_CHAR_MARK, 0 for most. */
uint8_t rk_char_order(uint32_t cp);
/* True when an RK_CHAR_MARK ends a run of reordering: its combining class is 0. */
bool rk_char_mark_starts(uint32_t cp);

/* White space as Python's str.isspace: White_Space and the four separators U+001C to U+001F. */
bool rk_char_python_space(uint32_t cp);

#endif
