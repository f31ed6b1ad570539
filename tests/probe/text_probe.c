/* links: base text */
/* For the parity tests of the text folder. Texts come on standard input as a 32-bit little-endian
 * length and so many bytes; answers go out one a line, or with lengths in the same way.
 *
 *   text_probe ids FOLDER MAX        ids of each text, one line each
 *   text_probe words FOLDER          normalised words of each text, a line feed behind each and
 *                                    behind each added token (its id in brackets), with lengths
 *   text_probe clean STEPS           each text cleaned, with lengths
 *   text_probe rows FILE LABELS MAX FOLDER STEPS   rows loaded and encoded: ids, one row a line
 *   text_probe save FOLDER OUT       opens a tokenizer and saves it
 *   text_probe json FOLDER OUT       ... through rk_tokenizer_json and rk_tokenizer_from_json
 *   text_probe learn FILE SIZE OUT STEPS   learns a vocabulary and saves it
 *   text_probe open FOLDER           only opens it
 *
 * Exit 1 with the error's line on standard error. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/clean.h"
#include "text/rows.h"
#include "text/tokenizer/tokenizer_parts.h"

static int fail(const rk_error *err)
{
    fprintf(stderr, "%s: %s\n", rk_status_name(err->code), err->message);
    return 1;
}

static bool read_text(char **text, size_t *length)
{
    unsigned char n[4];
    char *grown;
    if (fread(n, 1, 4, stdin) != 4) return false;
    *length = n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24;
    grown = realloc(*text, *length + 1);
    if (!grown) return false;
    *text = grown;
    return fread(*text, 1, *length, stdin) == *length;
}

static void print_ids(const int32_t *id, size_t count)
{
    for (size_t i = 0; i < count; i++) printf(i ? " %d" : "%d", id[i]);
    putchar('\n');
}

static int run_ids(const char *folder, size_t max_length)
{
    rk_tokenizer *t;
    rk_error err;
    rk_ids ids = {0};
    char *text = NULL;
    size_t length;
    int rc = 0;

    if (rk_tokenizer_open(&t, folder, &err)) return fail(&err);
    while (rc == 0 && read_text(&text, &length)) {
        ids.count = 0;
        if (rk_tokenizer_encode(t, text, length, max_length, &ids, NULL, &err)) rc = fail(&err);
        else print_ids(ids.id, ids.count);
    }
    rk_ids_clear(&ids);
    free(text);
    rk_tokenizer_close(t);
    return rc;
}

static void write_framed(const rk_buffer *b)
{
    unsigned char n[4];
    for (int i = 0; i < 4; i++) n[i] = (unsigned char)(b->length >> (8 * i));
    fwrite(n, 1, 4, stdout);
    if (b->length) fwrite(b->data, 1, b->length, stdout);
}

static bool add_word(void *context, const char *text, size_t length)
{
    rk_buffer_put(context, text, length);
    rk_buffer_puts(context, "\n");
    return true;
}

static bool add_token(void *context, int32_t id)
{
    rk_buffer_printf(context, "[%d]\n", id);
    return true;
}

static int run_words(const char *folder)
{
    rk_tokenizer *t;
    rk_error err;
    rk_buffer out = {0};
    rk_word_sink sink = {.word = add_word, .token = add_token, .context = &out};
    char *text = NULL;
    size_t length;

    if (rk_tokenizer_open(&t, folder, &err)) return fail(&err);
    while (read_text(&text, &length)) {
        rk_buffer_clear(&out);
        if (rk_words(t, text, length, &sink)) write_framed(&out);
    }
    rk_work_free(&sink.work);
    rk_buffer_free(&out);
    free(text);
    rk_tokenizer_close(t);
    return 0;
}

static int run_clean(const char *name)
{
    rk_error err;
    rk_buffer out = {0};
    unsigned steps;
    char *text = NULL;
    size_t length;

    if (rk_clean_parse(&steps, name, &err)) return fail(&err);
    while (read_text(&text, &length)) {
        rk_buffer_clear(&out);
        rk_clean_apply(&out, steps, text, length);
        write_framed(&out);
    }
    rk_buffer_free(&out);
    free(text);
    return 0;
}

static int run_rows(char **arg)
{
    rk_rows *rows = NULL;
    rk_tokenizer *t = NULL;
    rk_encoded e = {0};
    rk_error err;
    unsigned steps;
    int rc = 0;

    if (rk_clean_parse(&steps, arg[4], &err) || rk_tokenizer_open(&t, arg[3], &err) ||
        rk_rows_load(&rows, arg[0], strcmp(arg[1], "1") == 0, 0, &err) ||
        rk_encode_rows(&e, rows, t, steps, (size_t)atol(arg[2]), &err))
        rc = fail(&err);
    for (size_t r = 0; rc == 0 && r < e.rows; r++)
        print_ids(e.ids + e.starts[r], e.starts[r + 1] - e.starts[r]);
    rk_encoded_free(&e);
    rk_rows_free(rows);
    rk_tokenizer_close(t);
    return rc;
}

static int run_save(const char *folder, const char *out, bool through_json)
{
    rk_tokenizer *t = NULL, *again = NULL;
    rk_error err;
    json_t *json = NULL;
    int rc = 0;

    if (rk_tokenizer_open(&t, folder, &err)) return fail(&err);
    if (through_json) {
        json = rk_tokenizer_json(t);
        if (!json || rk_tokenizer_from_json(&again, json, "json", &err)) rc = fail(&err);
    }
    if (rc == 0 && rk_tokenizer_save(again ? again : t, out, &err)) rc = fail(&err);
    json_decref(json);
    rk_tokenizer_close(t);
    rk_tokenizer_close(again);
    return rc;
}

static int run_learn(char **arg)
{
    rk_rows *rows = NULL;
    rk_tokenizer *t = NULL;
    rk_error err;
    unsigned steps;
    int rc = 0;

    if (rk_clean_parse(&steps, arg[3], &err) || rk_rows_load(&rows, arg[0], false, 0, &err) ||
        rk_vocab_learn(&t, rows, steps, (size_t)atol(arg[1]), &err) ||
        rk_tokenizer_save(t, arg[2], &err))
        rc = fail(&err);
    rk_rows_free(rows);
    rk_tokenizer_close(t);
    return rc;
}

static int run_open(const char *folder)
{
    rk_tokenizer *t;
    rk_error err;
    if (rk_tokenizer_open(&t, folder, &err)) return fail(&err);
    printf("%zu\n", rk_tokenizer_size(t));
    rk_tokenizer_close(t);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "ids") == 0 && argc == 4) return run_ids(argv[2], (size_t)atol(argv[3]));
    if (strcmp(what, "words") == 0 && argc == 3) return run_words(argv[2]);
    if (strcmp(what, "clean") == 0 && argc == 3) return run_clean(argv[2]);
    if (strcmp(what, "rows") == 0 && argc == 7) return run_rows(argv + 2);
    if (strcmp(what, "save") == 0 && argc == 4) return run_save(argv[2], argv[3], false);
    if (strcmp(what, "json") == 0 && argc == 4) return run_save(argv[2], argv[3], true);
    if (strcmp(what, "learn") == 0 && argc == 6) return run_learn(argv + 2);
    if (strcmp(what, "open") == 0 && argc == 3) return run_open(argv[2]);
    fprintf(stderr, "text_probe: wrong use\n");
    return 2;
}
