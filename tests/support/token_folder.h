/* Tokenizers for tests: a folder m in the scratch folder, and the parts of a tokenizer.json. */
#ifndef RK_TEST_TOKEN_FOLDER_H
#define RK_TEST_TOKEN_FOLDER_H

#include "text/tokenizer.h"

/* Ten tokens and the rest of a whole tokenizer.json "{" MODEL ", " TWO "}". */
#define VOCAB "\"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, " \
              "\"[MASK]\": 4, \"a\": 5, \"##b\": 6, \"enak\": 7, \"##nya\": 8, \"!\": 9}"
#define MODEL "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", " VOCAB "}"
#define NORMAL "\"normalizer\": {\"type\": \"BertNormalizer\"}"
#define SPLIT "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}"
#define TWO NORMAL ", " SPLIT

/* The folder's path; it is made where it is not there. */
const char *token_folder(void);
/* The same, without anything in it. */
const char *token_folder_empty(void);
/* Writes a file; name starts with "m/". */
void token_file(const char *name, const char *text);
/* The tokenizer of a tokenizer.json alone in its folder, NULL where it is refused. err's message is
 * "" where it is taken. */
rk_tokenizer *token_open_json(const char *text, rk_error *err);
/* The ids of a text as "2 7 3", " cut" behind them where the limit cut it; rk_free() it. NULL when
 * it cannot be encoded. */
char *token_ids(const rk_tokenizer *t, const char *text, size_t limit, rk_error *err);

#endif
