/* links: base text */
/* Learning a vocabulary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "support/fail_each.h"
#include "support/scratch.h"
#include "text/clean.h"
#include "text/rows.h"
#include "text/tokenizer.h"

static rk_error err;

static rk_rows *rows_of(const char *text)
{
    rk_rows *rows = NULL;
    if (rk_rows_load(&rows, scratch_write("v.txt", text, strlen(text)), false, 0, &err))
        fail_msg("%s", err.message);
    return rows;
}

static int32_t id_of(const rk_tokenizer *t, const char *token)
{
    for (int32_t id = 0; (size_t)id < rk_tokenizer_size(t); id++)
        if (strcmp(rk_tokenizer_token(t, id), token) == 0) return id;
    return -1;
}

static void test_small(void **state)
{
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    rk_rows *rows = rows_of("Makan, makan makanan! \xc3\xa9\nmakan minum\n");
    rk_tokenizer *t;
    rk_ids ids = {0};
    (void)state;
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 1000, &err), RK_OK);
    for (int32_t i = 0; i < 5; i++) assert_string_equal(rk_tokenizer_token(t, i), specials[i]);
    assert_int_equal(rk_tokenizer_pad_id(t), 0);
    /* ! , and a e i k m n u in both places; then what is seen twice, makan at last. */
    assert_true(id_of(t, "!") >= 0 && id_of(t, "##!") < 0);
    for (const char *c = "aeikmnu"; *c; c++) {
        const char one[] = {*c, 0}, inside[] = {'#', '#', *c, 0};
        assert_true(id_of(t, one) >= 0);
        assert_true(id_of(t, inside) >= 0);
    }
    assert_int_equal(id_of(t, "\xc3\xa9"), -1);
    assert_int_equal(id_of(t, "minum"), -1);
    assert_true(id_of(t, "makan") >= 0);
    assert_int_equal(rk_tokenizer_encode(t, "MAKAN unik", 10, 16, &ids, NULL, &err), RK_OK);
    assert_int_equal(ids.count, 7);
    assert_int_equal(ids.id[0], 2);
    assert_int_equal(ids.id[1], id_of(t, "makan"));
    assert_int_equal(ids.id[6], 3);
    rk_ids_clear(&ids);
    rk_tokenizer_close(t);
    rk_rows_free(rows);
}

static void test_size(void **state)
{
    rk_rows *rows = rows_of("ab ab ab abc abc\n");
    rk_tokenizer *t;
    (void)state;
    /* 5 special tokens and 2 x 3 characters */
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 10, &err), RK_E_ARG);
    assert_null(t);
    assert_non_null(strstr(err.message, "10 tokens"));
    assert_non_null(strstr(err.message, "are 11"));
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 11, &err), RK_OK);
    assert_int_equal(rk_tokenizer_size(t), 11);
    rk_tokenizer_close(t);
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 12, &err), RK_OK);
    assert_string_equal(rk_tokenizer_token(t, 11), "ab");                  /* 5 times, the most */
    rk_tokenizer_close(t);
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 100, &err), RK_OK);
    assert_int_equal(rk_tokenizer_size(t), 13);
    assert_string_equal(rk_tokenizer_token(t, 12), "abc");
    rk_tokenizer_close(t);
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 2000001, &err), RK_E_ARG);
    rk_rows_free(rows);
}

/* Equal counts: the pair of the earlier tokens, by the first piece before the second. */
static void test_ties(void **state)
{
    rk_rows *rows = rows_of("cb cb ad ad\n");
    rk_tokenizer *t;
    (void)state;
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 14, &err), RK_OK);
    assert_int_equal(rk_tokenizer_size(t), 14);
    assert_string_equal(rk_tokenizer_token(t, 13), "ad");
    rk_tokenizer_close(t);
    rk_rows_free(rows);
}

/* A pair that becomes rarer, because another one took its pieces, still gets its turn. */
static void test_rarer(void **state)
{
    rk_rows *rows = rows_of("ab ab ab ab ab ab ab ab ab ab abc abc abc abc abc dbc dbc dbc\n");
    rk_tokenizer *t;
    (void)state;
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 100, &err), RK_OK);
    assert_string_equal(rk_tokenizer_token(t, 13), "ab");
    assert_string_equal(rk_tokenizer_token(t, 14), "abc");
    assert_string_equal(rk_tokenizer_token(t, 15), "##bc");
    assert_string_equal(rk_tokenizer_token(t, 16), "dbc");
    rk_tokenizer_close(t);
    rk_rows_free(rows);
}

static void test_cleaned(void **state)
{
    rk_rows *rows = rows_of("yang enak 99 yang nasi nasi\n");
    rk_tokenizer *t;
    (void)state;
    assert_int_equal(rk_vocab_learn(&t, rows, RK_CLEAN_SEED, 100, &err), RK_OK);
    assert_true(id_of(t, "nasi") >= 0);
    assert_int_equal(id_of(t, "9"), -1);
    assert_int_equal(id_of(t, "y"), -1);
    rk_tokenizer_close(t);
    rk_rows_free(rows);
}

/* Words of a made-up language, Zipf-like in frequency. */
static char *corpus(size_t rows, size_t words)
{
    static const char *const part[] = {"ma", "ka", "n", "si", "tu", "ber", "ng", "a", "lo", "pe"};
    char *text = malloc(rows * words * 16 + 1);
    size_t at = 0;
    uint64_t s = 88172645463325252u;
    assert_non_null(text);
    for (size_t r = 0; r < rows; r++) {
        for (size_t w = 0; w < words; w++) {
            size_t number;
            s ^= s << 13, s ^= s >> 7, s ^= s << 17;
            number = (size_t)((double)(1u << 20) / (double)(1 + (s >> 20) % (1u << 16)));
            for (int i = 0; i < 5; i++, number /= 10)
                at += (size_t)sprintf(text + at, "%s", part[(number * 7 + (size_t)i) % 10]);
            text[at++] = w + 1 < words ? ' ' : '\n';
        }
    }
    text[at] = '\0';
    return text;
}

/* Frequent words are one token each; the same rows give the same vocabulary; and it is fast. */
static void test_quality(void **state)
{
    char *text = corpus(1000, 40);
    rk_rows *rows = rows_of(text);
    rk_tokenizer *t, *again;
    struct timespec a, b;
    size_t whole = 0, seen = 0;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(rk_vocab_learn(&t, rows, 0, 2000, &err), RK_OK);
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true(b.tv_sec - a.tv_sec < 20);
    assert_int_equal(rk_vocab_learn(&again, rows, 0, 2000, &err), RK_OK);
    assert_int_equal(rk_tokenizer_size(t), rk_tokenizer_size(again));
    for (int32_t i = 0; (size_t)i < rk_tokenizer_size(t); i++)
        assert_string_equal(rk_tokenizer_token(t, i), rk_tokenizer_token(again, i));
    /* tokens of the text itself, frequent words first by their very number */
    for (const char *w = strtok(text, " \n"); w && seen < 5000; w = strtok(NULL, " \n"), seen++) {
        rk_ids ids = {0};
        assert_int_equal(rk_tokenizer_encode(t, w, strlen(w), 64, &ids, NULL, &err), RK_OK);
        whole += ids.count == 3;
        rk_ids_clear(&ids);
    }
    assert_int_equal(seen, 5000);
    assert_true(whole > 4500);
    rk_tokenizer_close(t);
    rk_tokenizer_close(again);
    rk_rows_free(rows);
    free(text);
}

static rk_status learn_once(void *rows, rk_error *e)
{
    rk_tokenizer *t;
    const rk_status st = rk_vocab_learn(&t, rows, 0, 60, e);
    assert_true((t == NULL) == (st != RK_OK));
    rk_tokenizer_close(t);
    return st;
}

static void test_memory(void **state)
{
    rk_rows *rows = rows_of("makan makanan\nmakan minum minuman\n");
    (void)state;
    assert_true(fail_each(learn_once, rows, 20));
    rk_rows_free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_rarer),
        cmocka_unit_test(test_cleaned),
        cmocka_unit_test(test_quality),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
