/* Text on its way through the steps of a tokenizer.json: normalisers, then what parts it into
 * words. */
#ifndef RK_TEXT_FLOW_H
#define RK_TEXT_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "text/unicode/normalize.h"

/* first: so many leading bytes come from the first character of the whole text; "prepend to the
 * first word only" asks for it. */
typedef struct rk_flow {
    rk_buffer text;
    size_t first;
} rk_flow;

/* Appends; from_first: the bytes come from the text's first character. Past RK_FLOW_MAX bytes it
 * fails as it does without memory: no line of RK_LINE_MAX grows so far by any normal form. */
enum { RK_FLOW_MAX = 64 << 20 };
void rk_flow_put(rk_flow *f, const char *bytes, size_t length, bool from_first);
void rk_flow_put_char(rk_flow *f, uint32_t cp, bool from_first);

typedef struct rk_piece {
    size_t offset, length;       /* in the text */
    size_t first;                /* leading bytes from the text's first character */
} rk_piece;

typedef struct rk_pieces {
    rk_piece *item;
    size_t count, capacity;
} rk_pieces;
bool rk_pieces_put(rk_pieces *p, size_t offset, size_t length, size_t first);

/* Memory that is used again from text to text; zero it first, rk_work_free last. */
typedef struct rk_work {
    rk_scratch scratch;          /* of rk_normalize */
    rk_flow flow[2], split[2];   /* normalised; parted */
    rk_pieces pieces[2];
    void *model;                 /* of the model: symbols, heap, best paths */
    size_t model_bytes;
} rk_work;
void rk_work_free(rk_work *w);
/* w->model with room for count items of the size; NULL when out of memory. */
void *rk_work_model(rk_work *w, size_t count, size_t size);

/* ---- normal forms (forms.c) ---- */

typedef enum rk_form { RK_NFD, RK_NFC, RK_NFKD, RK_NFKC } rk_form;

/* Appends to out the normal form of text (valid UTF-8), of which the first `first` bytes come from
 * the first character. False when out of memory. */
bool rk_form_put(rk_flow *out, rk_form form, const char *text, size_t length, size_t first);

/* What the patterns ask of a character. */
enum {
    RK_PAT_LETTER = 1, RK_PAT_NUMBER = 2, RK_PAT_SPACE = 4,    /* \p{L} \p{N} \s */
    RK_PAT_MARK = 8,                                           /* what StripAccents drops */
    RK_PAT_NUMERIC = 16,                                       /* what Digits looks for */
    RK_PAT_WORD = 32                                           /* \w of the words around a token */
};
unsigned rk_pattern_class(uint32_t cp);

/* ---- SentencePiece's table of replacements (charsmap.c) ---- */

typedef struct rk_charsmap rk_charsmap;

/* From the base64 text of "precompiled_charsmap"; where names the source in errors. */
rk_status rk_charsmap_open(rk_charsmap **out, const char *base64, const char *where, rk_error *err);
void rk_charsmap_close(rk_charsmap *m);
void rk_charsmap_put(rk_flow *out, const rk_charsmap *m, const char *text, size_t length,
                     size_t first);

/* ---- patterns (patterns.c) ---- */

typedef enum rk_pattern_kind {
    RK_PATTERN_LITERAL,
    RK_PATTERN_SPACE,            /* one character of White_Space */
    RK_PATTERN_PUNCT,            /* one of punctuation, as BERT has it */
    RK_PATTERN_NUMERIC,          /* one of the numbers */
    RK_PATTERN_WORD,             /* \w+|[^\w\s]+ */
    RK_PATTERN_SPACES,           /* \s+ */
    RK_PATTERN_BLANKS,           /* " {2,}" */
    RK_PATTERN_LINES,            /* [\r\n\t] */
    RK_PATTERN_NEWLINE,          /* \n */
    RK_PATTERN_GPT2,
    RK_PATTERN_LLAMA3,
    RK_PATTERN_QWEN2
} rk_pattern_kind;

typedef struct rk_pattern {
    rk_pattern_kind kind;
    char *literal;
    size_t length;
} rk_pattern;

/* The kind of a regular expression, if it is one of those known. */
bool rk_pattern_known(rk_pattern_kind *kind, const char *regex);
/* The next match at or after `from`, never an empty one. */
bool rk_pattern_next(const rk_pattern *p, const char *text, size_t length, size_t from,
                     size_t *start, size_t *end);

/* ---- steps (steps.c) ---- */

typedef enum rk_norm_kind {
    RK_NORM_BERT, RK_NORM_LOWER, RK_NORM_FORM, RK_NORM_STRIP, RK_NORM_MARKS, RK_NORM_REPLACE,
    RK_NORM_PREPEND, RK_NORM_CHARSMAP, RK_NORM_NMT
} rk_norm_kind;

typedef struct rk_norm_step {
    rk_norm_kind kind;
    rk_normalizer bert;
    rk_form form;
    bool left, right;            /* STRIP */
    rk_pattern pattern;          /* REPLACE */
    char *content;               /* REPLACE, PREPEND */
    size_t content_length;
    rk_charsmap *map;
} rk_norm_step;

typedef enum rk_split_kind {
    RK_SPLIT_AT,                 /* the pattern's matches */
    RK_SPLIT_PREFIX,             /* a space in front of what does not start with one */
    RK_SPLIT_META,               /* Metaspace's replacing and prepending */
    RK_SPLIT_BYTES               /* each byte to its printable character */
} rk_split_kind;

typedef enum rk_behavior {
    RK_REMOVED, RK_ISOLATED, RK_CONTIGUOUS, RK_WITH_PREVIOUS, RK_WITH_NEXT
} rk_behavior;

typedef enum rk_scheme { RK_PREPEND_ALWAYS, RK_PREPEND_FIRST, RK_PREPEND_NEVER } rk_scheme;

typedef struct rk_split_step {
    rk_split_kind kind;
    rk_pattern pattern;          /* AT; META: the replacement as its literal */
    rk_behavior behavior;
    bool invert;
    rk_scheme scheme;            /* META */
} rk_split_step;

enum { RK_STEPS_MAX = 32 };

typedef struct rk_steps {
    size_t norms, splits;
    rk_norm_step norm[RK_STEPS_MAX];
    rk_split_step split[RK_STEPS_MAX];
} rk_steps;

void rk_steps_free(rk_steps *s);    /* takes NULL */

/* Normalises: the result is the flow returned, valid until the next call; NULL when out of memory
 * or when the text has grown past RK_FLOW_MAX.
 * at_start: text starts the whole text. */
const rk_flow *rk_steps_normalize(const rk_steps *s, rk_work *w, const char *text, size_t length,
                                  bool at_start);
/* Parts a normalised text into words: *pieces of *base. False when out of memory. */
bool rk_steps_split(const rk_steps *s, rk_work *w, const char *text, size_t length, size_t first,
                    const char **base, const rk_pieces **pieces);

#endif
