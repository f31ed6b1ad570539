/* Inside a tokenizer; for the files of this folder only. */
#ifndef RK_TEXT_TOKENIZER_PARTS_H
#define RK_TEXT_TOKENIZER_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "text/steps/flow.h"
#include "text/unicode/normalize.h"
#include "text/tokenizer.h"
#include "text/tokenizer/trie.h"
#include "text/tokenizer/wholes.h"

enum {
    RK_VOCAB_MAX = 2000000,      /* ids are below */
    RK_TOKEN_BYTES_MAX = 1024,
    RK_PREFIX_BYTES_MAX = 100,   /* of the mark of continuing pieces, "##" */
    RK_WORD_CHARS_MAX = 10000,   /* the most that max_input_chars_per_word may be */
    RK_FRAME_MAX = 8             /* special tokens on one side of a text */
};

typedef enum rk_model_kind { RK_WORDPIECE, RK_UNIGRAM, RK_BPE } rk_model_kind;

/* A token taken whole wherever it stands in a text. */
typedef struct rk_added {
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} rk_added;

/* Finds added tokens: values of the trie are indices into added[]. */
typedef struct rk_added_set {
    rk_trie trie;
    bool any, starts[256];
} rk_added_set;

enum { RK_UNK, RK_CLS, RK_SEP, RK_PAD, RK_MASK, RK_SPECIALS };

typedef struct rk_slot {
    size_t offset;               /* of the token in names.data */
    uint32_t length;
    bool used;
    bool model;                  /* in the WordPiece vocabulary; false: added only */
    bool added;                  /* in added[] */
} rk_slot;

/* left and right become id; a merge's rank is its place. */
typedef struct rk_merge {
    int32_t left, right, id;
} rk_merge;

typedef struct rk_bpe {
    rk_merge *merge;
    size_t merges;
    uint32_t *table;             /* rank + 1, 0 for empty; open addressing */
    size_t table_size;           /* a power of two */
    char *prefix, *suffix;       /* of continuing and of last characters, or NULL */
    int32_t unk;                 /* -1: what is unknown is dropped */
    bool fuse_unk, ignore_merges;
} rk_bpe;

struct rk_tokenizer {
    rk_model_kind kind;
    size_t size, capacity;       /* of slot, which is indexed by id */
    rk_slot *slot;
    rk_buffer names;             /* tokens, each with a NUL behind it */
    rk_normalizer norm;
    int strip_accents;           /* as the file has it: 0, 1, or -1 for "as lower" */
    bool split;                  /* BERT's pre-tokeniser; false: a text is one word */
    char *prefix;
    size_t prefix_length, max_chars;
    char *special[RK_SPECIALS];  /* names; [MASK] may be absent from the vocabulary */
    int32_t special_id[RK_SPECIALS];
    size_t max_length;           /* told to transformers in tokenizer_config.json; 0: not */
    unsigned fixed;              /* 1 << special: named by tokenizer.json, not only by default */
    rk_added *added;
    size_t added_count, added_capacity;
    rk_added_set raw, normalized;
    rk_trie pieces;
    rk_wholes wholes;            /* WordPiece only: what is in pieces, by the whole */
    int32_t padding_id;          /* of "padding" in tokenizer.json, -1: none is named */
    size_t repeated;             /* tokens of the vocabulary that came again */
    int32_t repeat[2];           /* ids of the first such token and of its next place */
    uint32_t head[2][256];       /* children of the root, and of the node of the prefix */

    int32_t frame[2][RK_FRAME_MAX];    /* special tokens before a text, and behind it */
    size_t frames[2];
    rk_steps *steps;             /* what norm and split cannot say; NULL: they say all */
    json_t *said[4];             /* as the file has them, with steps or another kind than WordPiece:
                                    normaliser, pre-tokeniser, post-processor, decoder;
                                    NULL: null */
    unsigned told;               /* 1 << special: named by a config file */
    int prefix_space;            /* ByteLevel's: 0, 1, or -1 for none */

    /* Unigram and BPE */
    double *score;               /* Unigram: [vocab], as the file has them */
    double *read, min_score;     /* as the reference reads them: see unigram.c */
    size_t vocab;                /* Unigram: pieces of the file's list */
    int32_t unigram_unk;
    bool byte_fallback;
    int32_t byte_id[256];        /* of <0x00> .. <0xFF>, -1 where there is none */
    rk_bpe *bpe;
};

/* ---- making one (tokenizer.c): new, tokens, index, added tokens, ready ---- */

/* With BERT's defaults. NULL when out of memory. */
rk_tokenizer *rk_tokenizer_new(void);
/* A token of the WordPiece vocabulary. RK_E_FORMAT when the id is taken (names both), too large, or
 * the token too long. where names the source ("FILE" or "FILE:LINE", made safe to print). */
rk_status rk_tokenizer_put(rk_tokenizer *t, int64_t id, const char *text, size_t length,
                           const char *where, rk_error *err);
/* Makes the vocabulary searchable; of equal tokens the last id stays. */
rk_status rk_tokenizer_index(rk_tokenizer *t, const char *where, rk_error *err);
/* Id of a token of the vocabulary, -1 when there is none; rk_tokenizer_find: or of an added one. */
int32_t rk_tokenizer_find_piece(const rk_tokenizer *t, const char *text, size_t length);
int32_t rk_tokenizer_find(const rk_tokenizer *t, const char *text, size_t length);
/* Marks a token as added, and makes it when the vocabulary lacks it: under the next free id, which
 * must be `id` unless that is -1. A token that is added already stays as it is. */
rk_status rk_tokenizer_add(rk_tokenizer *t, const char *text, size_t length, rk_added added,
                           const char *where, rk_error *err);
rk_status rk_tokenizer_name(rk_tokenizer *t, int special, const char *text, rk_error *err);
/* Checks the special tokens, adds them, and makes the rest; the last step. */
rk_status rk_tokenizer_ready(rk_tokenizer *t, const char *where, rk_error *err);

/* ---- files ---- */

/* Fills t (new) from a tokenizer.json document, up to but without rk_tokenizer_ready. */
rk_status rk_tokenizer_parse(rk_tokenizer *t, const json_t *json, const char *path, rk_error *err);
/* The parts of it: model (tokenizer_json_model.c), steps (tokenizer_json_steps.c). */
typedef struct rk_json_source {
    rk_tokenizer *t;
    const char *path, *where;    /* as given, and made safe to print */
    rk_error *err;
} rk_json_source;
rk_status rk_json_model(const rk_json_source *s, const json_t *model);
rk_status rk_json_steps(const rk_json_source *s, const json_t *normalizer,
                        const json_t *pre_tokenizer);
bool rk_json_is_type(const json_t *value, const char *type);
const json_t *rk_json_field(const json_t *object, const char *key);    /* NULL: missing or null */
bool rk_json_whole(int64_t *out, const json_t *value);
/* RK_E_FORMAT: the type of `what` is not among `wanted`. */
rk_status rk_json_refuse_type(const rk_json_source *s, const char *what, const json_t *value,
                              const char *wanted);
/* Reads vocab.txt into t (new). */
rk_status rk_vocab_read(rk_tokenizer *t, const char *path, rk_error *err);
/* RK_E_FORMAT when vocab.txt at path has other tokens than t. */
rk_status rk_vocab_agrees(const rk_tokenizer *t, const char *path, rk_error *err);
/* Takes special tokens, switches and added tokens from tokenizer_config.json. fixed: t has a
 * tokenizer.json behind it, and what contradicts it is RK_E_FORMAT. */
rk_status rk_tokenizer_config(rk_tokenizer *t, const json_t *config, bool fixed, const char *path,
                              rk_error *err);

/* ---- a text in words ---- */

/* word and token return false to stop early. */
typedef struct rk_word_sink {
    bool (*word)(void *context, const char *text, size_t length);
    bool (*token)(void *context, int32_t id);
    void *context;
    rk_work work;                /* zeroed before the first text, rk_work_free after the last */
} rk_word_sink;

/* Finds added tokens, normalises what lies between and splits it into words. text is valid UTF-8.
 * False when out of memory; a stop by the sink is true. */
bool rk_words(const rk_tokenizer *t, const char *text, size_t length, rk_word_sink *sink);

/* Text as the tokenizer's normaliser has it, valid until w is used again; `first` of its leading
 * bytes come from the text's first character (0 where nobody asks). False when out of memory. */
typedef struct rk_normal {
    const char *text;
    size_t length, first;
} rk_normal;
bool rk_normal_make(rk_normal *out, const rk_tokenizer *t, rk_work *w, const char *text,
                    size_t length, bool at_start);

/* Ids of one word (longest match first, the unknown token when a part is not found), appended. */
bool rk_wordpiece(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids);
bool rk_ids_reserve(rk_ids *ids, size_t more);

/* Makes merges searchable. False when out of memory. */
bool rk_bpe_index(rk_bpe *b);
void rk_bpe_close(rk_bpe *b);    /* takes NULL */
/* As rk_wordpiece. */
bool rk_bpe_word(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids, rk_work *w);
/* A score as the reference reads it from the file. */
double rk_unigram_read(double score);
bool rk_unigram_word(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids,
                     rk_work *w);

/* RK_E_ARG when the special tokens alone are longer. */
rk_status rk_check_max_length(const rk_tokenizer *t, size_t max_length, rk_error *err);
/* As rk_tokenizer_encode for text that is known to be valid UTF-8; work is used again. */
bool rk_encode_valid(const rk_tokenizer *t, const char *text, size_t length, size_t max_length,
                     rk_ids *ids, bool *truncated, rk_work *work);

/* ---- added tokens (added.c) ---- */

rk_status rk_added_sets_make(rk_tokenizer *t, const char *where, rk_error *err);
void rk_added_set_free(rk_added_set *set);
/* The next added token of text at or after *at that counts as a match: fills *start and *stop (the
 * white space that it takes along included) and *index. `from` is the end of the match before. */
bool rk_added_next(const rk_tokenizer *t, const rk_added_set *set, const char *text, size_t length,
                   size_t from, size_t *at, size_t *start, size_t *stop, size_t *index);

#endif
