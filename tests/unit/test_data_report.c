/* links: base text */
/* The report on the data, on a set made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "support/fail_each.h"
#include "support/scratch.h"
#include "text/data_report.h"

#define LITERAL(s) s, sizeof(s) - 1
enum { LIMIT = 5 };

static rk_error err;

/* train: "a" three times, once with another label; "b c" twice; ten rows in all, 6 x and 4 y.
 * valid: "a" with x, "c" with y where train has x only, a new text; 1 x and 2 y.
 * test: "b c" (train has y, this x), "new" of valid, "a" with y (train has both); 2 x and 1 y. */
static const char train[] = "a\tx\nb c\ty\na\ty\nb c\ty\na\tx\nc\tx\nd e f\tx\ng\tx\n"
                            "a b c d e f\ty\ng h\tx\n";
static const char valid[] = "a\tx\nc\ty\nnew\ty\n";
static const char test[] = "b c\tx\nnew\tx\na\ty\n";

static rk_rows *rows[RK_SPLITS];
static rk_encoded encoded[RK_SPLITS];
static rk_labels labels;
static rk_tokenizer *t;

static int set_up(void **state)
{
    static const char *const tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"};
    static const char *const name[] = {"train.tsv", "valid.tsv", "test.tsv"};
    static const char *const bytes[] = {train, valid, test};
    (void)state;
    if (rk_tokenizer_from_tokens(&t, tokens, 6, &err)) return 1;
    for (int s = 0; s < RK_SPLITS; s++) {
        const char *path = scratch_write(name[s], bytes[s], strlen(bytes[s]));
        if (rk_rows_load(&rows[s], path, true, 0, &err)) return 1;
        if (s == 0 && rk_labels_from_rows(&labels, rows[0], &err)) return 1;
        if (rk_rows_bind(rows[s], &labels, &err)) return 1;
        if (rk_encode_rows(&encoded[s], rows[s], t, 0, LIMIT, &err)) return 1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int s = 0; s < RK_SPLITS; s++) {
        rk_rows_free(rows[s]);
        rk_encoded_free(&encoded[s]);
    }
    rk_labels_free(&labels);
    rk_tokenizer_close(t);
    return 0;
}

static rk_status make(rk_data_report *r, int splits)
{
    const rk_rows *all[RK_SPLITS] = {NULL};
    const rk_encoded *e[RK_SPLITS] = {NULL};
    for (int s = 0; s < splits; s++) {
        all[s] = rows[s];
        e[s] = &encoded[s];
    }
    return rk_data_report_make(r, all, e, &labels, t, 0, LIMIT, &err);
}

/* TS-20 */
static void test_counts(void **state)
{
    rk_data_report r;
    const rk_split_report *s;
    (void)state;
    assert_int_equal(make(&r, 3), RK_OK);
    s = &r.split[RK_SPLIT_TRAIN];
    assert_int_equal(s->rows, 10);
    assert_int_equal(s->label[0], 6);
    assert_int_equal(s->label[1], 4);
    assert_int_equal(s->texts, 7);
    assert_int_equal(s->repeats, 3);
    assert_int_equal(s->conflicts, 1);
    assert_true(s->shift < 1e-12);
    s = &r.split[RK_SPLIT_VALID];
    assert_int_equal(s->texts, 3);
    assert_int_equal(s->repeats, 0);
    assert_int_equal(s->conflicts, 0);
    assert_int_equal(s->in[RK_SPLIT_TRAIN].rows, 2);
    assert_int_equal(s->in[RK_SPLIT_TRAIN].other_label, 1);
    assert_true(fabs(s->shift - (0.6 - 1.0 / 3)) < 1e-12);
    s = &r.split[RK_SPLIT_TEST];
    assert_int_equal(s->in[RK_SPLIT_TRAIN].rows, 2);
    assert_int_equal(s->in[RK_SPLIT_TRAIN].other_label, 1);
    assert_int_equal(s->in[RK_SPLIT_VALID].rows, 2);
    assert_int_equal(s->in[RK_SPLIT_VALID].other_label, 2);
    rk_data_report_free(&r);
}

/* Lengths of train's rows, [CLS] and [SEP] with them: 3 3 3 3 3 4 4 4 5 8. */
static void test_lengths(void **state)
{
    rk_data_report r;
    (void)state;
    assert_int_equal(make(&r, 1), RK_OK);
    assert_int_equal(r.split[0].p50, 3);
    assert_int_equal(r.split[0].p95, 8);
    assert_int_equal(r.split[0].longest, 8);
    assert_int_equal(r.split[0].cut, 1);
    assert_int_equal(r.split[1].rows, 0);
    rk_data_report_free(&r);
}

/* 100,000 words and a limit of 5: counted whole, and quickly (TS-14). */
static void test_long_row(void **state)
{
    rk_buffer b = {0};
    rk_rows *own;
    rk_encoded e;
    rk_data_report r;
    const rk_rows *all[RK_SPLITS] = {NULL};
    const rk_encoded *list[RK_SPLITS] = {NULL};
    (void)state;
    for (int i = 0; i < 100000; i++) rk_buffer_puts(&b, "a ");
    rk_buffer_puts(&b, "\tx\nb\ty\n");
    assert_int_equal(rk_rows_load(&own, scratch_write("long.tsv", b.data, b.length), true, 0, &err),
                     RK_OK);
    assert_int_equal(rk_rows_bind(own, &labels, &err), RK_OK);
    assert_int_equal(rk_encode_rows(&e, own, t, 0, LIMIT, &err), RK_OK);
    all[0] = own;
    list[0] = &e;
    assert_int_equal(rk_data_report_make(&r, all, list, &labels, t, 0, LIMIT, &err), RK_OK);
    assert_int_equal(r.split[0].longest, 100002);
    assert_int_equal(r.split[0].cut, 1);
    rk_data_report_free(&r);
    rk_encoded_free(&e);
    rk_rows_free(own);
    rk_buffer_free(&b);
}

static void add_line(void *context, const char *text)
{
    rk_buffer_puts(context, text);
    rk_buffer_puts(context, "\n");
}

static void test_lines(void **state)
{
    rk_data_report r;
    rk_buffer b = {0};
    (void)state;
    assert_int_equal(make(&r, 3), RK_OK);
    assert_true(rk_data_report_lines(&r, add_line, &b));
    assert_string_equal(
        b.data,
        "train: 10 rows (x 6, y 4); tokens p50 3, p95 8, max 8; 1 cut at 5\n"
        "train: 3 rows repeat an earlier text, 1 text has more than one label\n"
        "valid: 3 rows (x 1, y 2); tokens p50 3, p95 3, max 3; 0 cut at 5\n"
        "valid: 2 rows are also in train (1 with another label)\n"
        "valid: label shares 26.7 points from train's, most for x: 60.0 % there, 33.3 % here\n"
        "test: 3 rows (x 2, y 1); tokens p50 3, p95 4, max 4; 0 cut at 5\n"
        "test: 2 rows are also in train (1 with another label), 2 rows are also in valid (2 with "
        "another label)\n"
        "test: label shares 6.7 points from train's, most for x: 60.0 % there, 66.7 % here\n");
    rk_buffer_free(&b);
    rk_data_report_free(&r);
}

static void test_json(void **state)
{
    rk_data_report r;
    json_t *o;
    int rows_in = 0, other = 0, p95 = 0, y = 0, repeats = 0;
    double shift = 0.0;
    (void)state;
    assert_int_equal(make(&r, 2), RK_OK);
    o = rk_data_report_json(&r);
    assert_non_null(o);
    assert_int_equal(json_object_size(o), 2);
    assert_int_equal(json_unpack(o, "{s:{s:i, s:{s:i}, s:{s:i}}, s:{s:{s:i, s:i}, s:f}}", "train",
                                 "repeats", &repeats, "labels", "y", &y, "tokens", "p95", &p95,
                                 "valid", "in_train", "rows", &rows_in, "other_label", &other,
                                 "label_shift", &shift), 0);
    assert_true(repeats == 3 && y == 4 && p95 == 8 && rows_in == 2 && other == 1 && shift > 0.26);
    json_decref(o);
    rk_data_report_free(&r);
}

static rk_status make_once(void *unused, rk_error *e)
{
    rk_data_report r;
    const rk_status st = make(&r, 3);
    (void)unused;
    if (st) *e = err;
    rk_data_report_free(&r);
    return st;
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(fail_each(make_once, NULL, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_long_row), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
