/* Text to token ids, equal to Hugging Face's tokenizers: WordPiece, Unigram, BPE. */
#ifndef RK_TEXT_TOKENIZER_H
#define RK_TEXT_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/rows.h"

/* Immutable once made: any number of threads may encode. */
typedef struct rk_tokenizer rk_tokenizer;

/* From a model folder: tokenizer.json where present, else vocab.txt with
 * tokenizer_config.json. RK_E_FORMAT when the two disagree on an id. */
rk_status rk_tokenizer_open(rk_tokenizer **out, const char *folder, rk_error *err);
/* From what rk_tokenizer_json wrote (ONNX metadata); path names the source in errors. */
rk_status rk_tokenizer_from_json(rk_tokenizer **out, const json_t *json, const char *path,
                                 rk_error *err);
/* From a list of tokens (ids by order) that holds [PAD] [UNK] [CLS] [SEP], [MASK] maybe too;
 * lower-casing on. */
rk_status rk_tokenizer_from_tokens(rk_tokenizer **out, const char *const *tokens, size_t count,
                                   rk_error *err);
void rk_tokenizer_close(rk_tokenizer *t);

size_t rk_tokenizer_size(const rk_tokenizer *t);                   /* ids are below this */
const char *rk_tokenizer_token(const rk_tokenizer *t, int32_t id); /* NULL where there is none */
int32_t rk_tokenizer_pad_id(const rk_tokenizer *t);
/* Notes (rk_set_notes) where config.json, read from path, names another padding token. */
void rk_tokenizer_note_pad(const rk_tokenizer *t, const json_t *config, const char *path);
/* Where readers of a saved folder cut long texts; it changes nothing here. Before any encoding. */
void rk_tokenizer_set_max_length(rk_tokenizer *t, size_t tokens);

/* Everything needed to make an equal tokenizer: a new reference; NULL when out of memory. */
json_t *rk_tokenizer_json(const rk_tokenizer *t);
/* Writes vocab.txt (WordPiece only), tokenizer.json, tokenizer_config.json and
 * special_tokens_map.json so that transformers' AutoTokenizer reads the folder. */
rk_status rk_tokenizer_save(const rk_tokenizer *t, const char *folder, rk_error *err);

/* Ids of one text with its special tokens ([CLS], [SEP]), at most max_length of them (>= 2, and no
 * fewer than the special ones; longer texts lose their end, *truncated, unless NULL, says so).
 * Appends to *ids; capacity grows by rk_realloc. */
typedef struct rk_ids {
    int32_t *id;
    size_t count, capacity;
} rk_ids;
rk_status rk_tokenizer_encode(const rk_tokenizer *t, const char *text, size_t length,
                              size_t max_length, rk_ids *ids, bool *truncated, rk_error *err);
void rk_ids_clear(rk_ids *ids); /* frees and zeroes */

/* All rows, cleaned and encoded, end to end: row r is ids[starts[r]] .. ids[starts[r + 1] - 1]. */
typedef struct rk_encoded {
    size_t rows, tokens, truncated, longest;
    int32_t *ids;    /* [tokens] */
    size_t *starts;  /* [rows + 1] */
    int32_t *labels; /* [rows], -1 where the row has none */
} rk_encoded;
rk_status rk_encode_rows(rk_encoded *out, const rk_rows *rows, const rk_tokenizer *t,
                         unsigned clean_steps, size_t max_length, rk_error *err);
void rk_encoded_free(rk_encoded *e); /* takes a zeroed struct */

/* Learns a WordPiece vocabulary of at most `size` tokens (specials [PAD] [UNK] [CLS] [SEP] [MASK]
 * first) from the cleaned rows: pairs of pieces are merged by freq(ab) / (freq(a) freq(b))-like or
 * plain frequency score (see doc/FORMATS.md) until the size is reached. Deterministic. */
rk_status rk_vocab_learn(rk_tokenizer **out, const rk_rows *rows, unsigned clean_steps, size_t size,
                         rk_error *err);

#endif
