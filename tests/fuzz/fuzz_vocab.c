/* links: base text */
/* vocab.txt, alone in a folder; and a vocabulary learnt from the same bytes as texts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/scratch.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "fuzz_vocab: %s\n", what);
    abort();
}

static void use(const rk_tokenizer *t)
{
    static const char text[] = "makan [MASK] nasi, tidak enak";
    rk_ids ids = {0};
    must(rk_tokenizer_encode(t, text, sizeof text - 1, 12, &ids, NULL, NULL) == RK_OK, "no ids");
    for (size_t i = 0; i < ids.count; i++)
        must(rk_tokenizer_token(t, ids.id[i]) != NULL, "an id without a token");
    rk_ids_clear(&ids);
}

static void learn(const uint8_t *data, size_t size)
{
    rk_rows *rows;
    rk_tokenizer *t;

    if (rk_rows_load(&rows, scratch_write("learn.txt", data, size), false, 0, NULL)) return;
    if (rk_vocab_learn(&t, rows, 0, 200, NULL) == RK_OK) {
        must(rk_tokenizer_size(t) <= 200, "too many tokens");
        use(t);
        rk_tokenizer_close(t);
    }
    rk_rows_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_tokenizer *t;
    rk_error err = {RK_OK, ""};

    mkdir(scratch_path("vocab"), 0777);
    scratch_write("vocab/vocab.txt", data, size);
    if (rk_tokenizer_open(&t, scratch_path("vocab"), &err) == RK_OK) use(t);
    else must(err.message[0] && !strchr(err.message, '\n'), "no message of one line");
    rk_tokenizer_close(t);
    learn(data, size);
    return 0;
}
