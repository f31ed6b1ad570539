/* links: base text */
/* Reading rows: what is taken, what is refused and where the message says it is. The names TS-..
 * are those of the list of bad inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/fail_each.h"
#include "support/scratch.h"
#include "text/rows.h"

#define LITERAL(s) s, sizeof(s) - 1

static rk_error err;

static rk_rows *load(const char *name, const char *bytes, size_t length, bool labels)
{
    rk_rows *rows = NULL;
    const rk_status st = rk_rows_load(&rows, scratch_write(name, bytes, length), labels, 0, &err);
    if (st) {
        assert_null(rows);
        assert_int_equal(st, err.code);
    } else {
        err.message[0] = '\0';
        assert_non_null(rows);
    }
    return rows;
}

/* Refused as RK_E_FORMAT, with FILE:PLACE in front and `says` in the message. */
static void refused(const char *name, const char *bytes, size_t length, bool labels,
                    const char *place, const char *says)
{
    char start[512];
    assert_null(load(name, bytes, length, labels));
    assert_int_equal(err.code, RK_E_FORMAT);
    snprintf(start, sizeof start, "%s%s", scratch_path(name), place);
    if (strncmp(err.message, start, strlen(start)) != 0 || !strstr(err.message, says))
        fail_msg("want \"%s\" and \"%s\" in: %s", start, says, err.message);
    assert_null(strchr(err.message, '\n'));
}

static void row_is(const rk_rows *rows, size_t i, const char *text, const char *label, size_t line)
{
    const rk_row *r = &rows->row[i];
    assert_int_equal(r->length, strlen(text));
    assert_memory_equal(r->text, text, r->length);
    if (label) assert_string_equal(r->label, label);
    else assert_null(r->label);
    assert_int_equal(r->line, line);
    assert_int_equal(r->label_id, -1);
}

static void test_tsv(void **state)
{
    static const char plain[] = "enak sekali\tpositive\n\"kutip di depan\tnegative\n"
                                "tiga \"kutip\" ' , ;\tneutral";
    rk_rows *rows = load("a.tsv", LITERAL(plain), true);
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->count, 3);
    assert_string_equal(rows->path, scratch_path("a.tsv"));
    row_is(rows, 0, "enak sekali", "positive", 1);
    row_is(rows, 1, "\"kutip di depan", "negative", 2);          /* TS-08 */
    row_is(rows, 2, "tiga \"kutip\" ' , ;", "neutral", 3);       /* TS-17 */
    rk_rows_free(rows);
}

static void test_line_ends(void **state)
{
    rk_rows *rows = load("a.tsv", LITERAL("a\tx\r\nb\ty\nc\tz\r\n"), true);    /* TS-10 */
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->count, 3);
    row_is(rows, 0, "a", "x", 1);
    row_is(rows, 2, "c", "z", 3);
    rk_rows_free(rows);
    refused("a.tsv", LITERAL("a\tx\nb\ty\rc\tz\n"), true, ":2: ", "carriage return");
    refused("a.tsv", LITERAL("a\tx\rb\ty\r"), true, ":1: ", "byte 4");
    rows = load("a.tsv", LITERAL("a\tx\nb\ty\n\n\r\n\n"), true);
    assert_non_null(rows);
    assert_int_equal(rows->count, 2);
    rk_rows_free(rows);
    refused("a.tsv", LITERAL("a\tx\n\n\nb\ty\n"), true, ":2: ", "empty line");
    refused("a.tsv", LITERAL("\na\tx\n"), true, ":1: ", "empty line");
}

/* TS-22: a header line is known by its names; no option declares one. */
static void test_header(void **state)
{
    rk_rows *rows = load("a.tsv", LITERAL("Text\tLabel\na\tx\n"), true);
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->count, 1);
    row_is(rows, 0, "a", "x", 2);
    rk_rows_free(rows);
    rows = load("a.csv", LITERAL("\xef\xbb\xbftext,label\r\na,x\r\n"), true);
    assert_non_null(rows);
    row_is(rows, 0, "a", "x", 2);
    rk_rows_free(rows);
    rows = load("a.csv", LITERAL("text\na\n"), false);
    assert_non_null(rows);
    assert_int_equal(rows->count, 1);
    rk_rows_free(rows);
    rows = load("a.txt", LITERAL("text\na\n"), false);
    assert_non_null(rows);
    assert_int_equal(rows->count, 2);
    rk_rows_free(rows);
    refused("a.tsv", LITERAL("label\ttext\nx\ta\n"), true, ":1: ", "text<TAB>label");
    /* TS-01 */
    refused("a.tsv", LITERAL("text\tlabel\n"), true, ": ", "no rows behind the header");
    refused("a.tsv", LITERAL("\n\n"), true, ": ", "no rows");
    refused("a.tsv", LITERAL(""), true, ": ", "no rows;");
    refused("a.tsv", LITERAL("\xef\xbb\xbf"), true, ": ", "no rows");
}

static void test_columns(void **state)
{
    rk_rows *rows;
    (void)state;
    refused("a.tsv", LITERAL("a\tx\nb tanpa label\n"), true, ":2: ", "1 column;");      /* TS-04 */
    refused("a.tsv", LITERAL("a\tx\nb\ty\tz\n"), true, ":2: ", "3 columns");             /* TS-03 */
    refused("a.tsv", LITERAL("a\tx\nb\ty\t\n"), true, ":2: ", "3 columns");
    refused("a.tsv", LITERAL("a\n"), true, ":1: ", "text<TAB>label wants 2");            /* TS-02 */
    refused("a.tsv", LITERAL("bagus,positive\n"), true, ":1: ", "commas");               /* TS-21 */
    refused("a.csv", LITERAL("bagus;positive\n"), true, ":1: ", "semicolons");
    refused("a.csv", LITERAL("bagus\tpositive\n"), true, ":1: ", "tabs");
    refused("a.tsv", LITERAL("a\nb\tx\n"), false, ":2: ", "by its first row, wants 1");
    refused("a.tsv", LITERAL("a\tx\nb\n"), false, ":2: ", "1 column");
    refused("a.tsv", LITERAL("a\tx\ty\n"), false, ":1: ", "3 columns");
    refused("a.tsv", LITERAL("a\tb\tc\td\te\tf\tg\th\ti\n"), false, ":1: ", "9 columns");
    rows = load("a.tsv", LITERAL("a\n\nb\nc\n\n"), false);
    assert_non_null(rows);
    assert_int_equal(rows->count, 4);
    row_is(rows, 0, "a", NULL, 1);
    row_is(rows, 1, "", NULL, 2);
    row_is(rows, 2, "b", NULL, 3);
    rk_rows_free(rows);
    refused("a.tsv", LITERAL("\na\tx\n"), false, ":1: ", "empty line");
    rows = load("a.tsv", LITERAL("a\tx\n\ty\n"), false);
    assert_non_null(rows);
    row_is(rows, 0, "a", "x", 1);
    row_is(rows, 1, "", "y", 2);
    rk_rows_free(rows);
}

static void test_fields(void **state)
{
    char *big = malloc(600);
    (void)state;
    refused("a.tsv", LITERAL("a\t\n"), true, ":1: ", "label is empty");                  /* TS-06 */
    refused("a.tsv", LITERAL("\tx\n"), true, ":1: ", "text is empty");
    refused("a.tsv", LITERAL(" \xc2\xa0 \tx\n"), true, ":1: ", "text is empty");
    refused("a.tsv", LITERAL("a\t x\n"), true, ":1: ", "white space around");            /* TS-05 */
    refused("a.tsv", LITERAL("a\tx\xe3\x80\x80\n"), true, ":1: ", "white space around");
    assert_non_null(big);
    memset(big, 'y', 600);
    memcpy(big, "a\t", 2);
    big[2 + 257] = '\n';
    refused("a.tsv", big, 2 + 257 + 1, true, ":1: ", "256 bytes");
    big[2 + 256] = '\n';
    rk_rows_free(load("a.tsv", big, 2 + 256 + 1, true));
    assert_string_equal(err.message, "");
    free(big);
}

static void test_bytes(void **state)
{
    (void)state;
    refused("a.tsv", LITERAL("a\tx\nb\xe9\ty\n"), true, ":2: ", "byte 2 of the line (0xe9)");
    refused("a.tsv", LITERAL("a\tx\nb\xed\xa0\x80\ty\n"), true, ":2: ", "not valid UTF-8");
    refused("a.tsv", LITERAL("a\0b\tx\n"), true, ":1: ", "NUL byte at byte 2");          /* TS-12 */
    refused("a.tsv", LITERAL("\xff\xfe" "a\0\t\0x\0\n\0"), true, ":1: ", "UTF-16");      /* TS-11 */
    refused("a.tsv", LITERAL("\xfe\xff\0a"), true, ":1: ", "UTF-16");
    rk_rows_free(load("a.tsv", LITERAL("a\x01\x7f\xef\xbf\xbd\tx\n"), true));
    assert_string_equal(err.message, "");
}

static void test_long_line(void **state)
{
    enum { LIMIT = 1 << 20 };
    char *big = malloc(LIMIT + 64);
    rk_rows *rows;
    (void)state;
    assert_non_null(big);
    memset(big, 'a', LIMIT + 64);
    memcpy(big + LIMIT - 2, "\tx\nb\ty\n", 7);    /* TS-13 */
    rows = load("a.tsv", big, LIMIT + 5, true);
    assert_non_null(rows);
    assert_int_equal(rows->count, 2);
    assert_int_equal(rows->row[0].length, LIMIT - 2);
    rk_rows_free(rows);
    memset(big, 'a', LIMIT + 64);
    memcpy(big + LIMIT - 1, "\tx\nb\ty\n", 7);
    refused("a.tsv", big, LIMIT + 6, true, ":1: ", "longer than 1048576 bytes");
    memset(big, 'a', LIMIT + 64);
    refused("a.tsv", big, LIMIT + 64, false, ":1: ", "longer than 1048576 bytes");
    free(big);
}

static void test_csv(void **state)
{
    static const char good[] = "\"a, b\",x\n\"dua \"\"kutip\"\"\",y\r\n\"baris\nkedua\r\ntiga\",z\n"
                               "polos \xc3\xa9,\"x\"\n,y\n";
    rk_rows *rows = load("a.csv", LITERAL(good), false);    /* TS-09 */
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->count, 5);
    row_is(rows, 0, "a, b", "x", 1);
    row_is(rows, 1, "dua \"kutip\"", "y", 2);
    row_is(rows, 2, "baris\nkedua\r\ntiga", "z", 3);
    row_is(rows, 3, "polos \xc3\xa9", "x", 6);
    row_is(rows, 4, "", "y", 7);
    rk_rows_free(rows);
    refused("a.csv", LITERAL("a,x\nb \"c\",y\n"), true, ":2: ", "quote inside a field");
    refused("a.csv", LITERAL("a,x\n\"b\"c,y\n"), true, ":2: ", "behind a closing quote");
    refused("a.csv", LITERAL("a,x\n\n"
                             "b,y\n"), true, ":2: ", "empty line");
    refused("a.csv", LITERAL("a,x\n\"b,y\nc,z\n"), true, ":2: ", "never closed");
    refused("a.csv", LITERAL("a,x\n\"b,y\nc,z"), true, ":2: ", "never closed");
    refused("a.csv", LITERAL("a,x\nb\rc,y\n"), true, ":2: ", "carriage return");
    refused("a.csv", LITERAL("a,x\nb,y,z\n"), true, ":2: ", "quotes round the field");
    refused("A.CSV", LITERAL("a,x,y\n"), true, ":1: ", "3 columns");
}

static void test_csv_long_field(void **state)
{
    enum { LINES = 5000, LINE = 256 };
    char *big = malloc(LINES * LINE + 1);
    (void)state;
    assert_non_null(big);
    memset(big, 'a', LINES * LINE);
    for (size_t i = 0; i < LINES; i++) big[i * LINE + LINE - 1] = '\n';
    big[0] = '"';
    refused("a.csv", big, LINES * LINE, false, ":1: ", "longer than 1048576 bytes");
    free(big);
}

static void test_max_rows(void **state)
{
    rk_rows *rows;
    (void)state;
    assert_int_equal(rk_rows_load(&rows, scratch_write("a.tsv", LITERAL("a\tx\nb\ty\nbroken\n")),
                                  true, 2, &err), RK_OK);
    assert_int_equal(rows->count, 2);
    rk_rows_free(rows);
}

static void test_open(void **state)
{
    rk_rows *rows;
    (void)state;
    assert_int_equal(rk_rows_load(&rows, scratch_path("missing.tsv"), true, 0, &err), RK_E_OPEN);
    assert_non_null(strstr(err.message, "missing.tsv"));
    assert_int_equal(rk_rows_load(&rows, scratch_dir(), true, 0, &err), RK_E_OPEN);
    assert_int_equal(rk_rows_load(&rows, "/dev/zero", true, 0, &err), RK_E_OPEN);
    assert_int_equal(rk_rows_load(&rows, scratch_path("missing.tsv"), true, 0, NULL), RK_E_OPEN);
}

/* ---- labels ---- */

static void labels_are(const char *bytes, size_t length, size_t count, const char *const *want)
{
    rk_rows *rows = load("l.tsv", bytes, length, true);
    rk_labels labels;
    assert_non_null(rows);
    assert_int_equal(rk_labels_from_rows(&labels, rows, &err), RK_OK);
    assert_int_equal(labels.count, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(labels.name[i], want[i]);
    assert_int_equal(rk_rows_bind(rows, &labels, &err), RK_OK);
    for (size_t i = 0; i < rows->count; i++)
        assert_string_equal(rows->row[i].label, labels.name[rows->row[i].label_id]);
    rk_labels_free(&labels);
    rk_rows_free(rows);
}

static void test_label_order(void **state)
{
    static const char *const three[] = {"positive", "neutral", "negative"};
    static const char *const two[] = {"positive", "negative"};
    static const char *const other[] = {"mixed", "negative", "positive"};
    static const char *const bytes[] = {"B", "a", "\xc3\xa9"};
    (void)state;
    labels_are(LITERAL("a\tnegative\nb\tneutral\nc\tpositive\nd\tneutral\n"), 3, three);
    labels_are(LITERAL("a\tnegative\nb\tpositive\n"), 2, two);
    labels_are(LITERAL("a\tpositive\nb\tnegative\nc\tmixed\n"), 3, other);
    labels_are(LITERAL("x\t\xc3\xa9\ny\ta\nz\tB\n"), 3, bytes);
}

static void test_label_faults(void **state)
{
    static const char *const known[] = {"positive", "neutral", "negative"};
    rk_rows *rows = load("l.tsv", LITERAL("a\tx\nb\tx\n"), true);
    rk_labels labels;
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rk_labels_from_rows(&labels, rows, &err), RK_E_FORMAT);    /* TS-18 */
    assert_non_null(strstr(err.message, "all 2 rows have the one label \"x\""));
    assert_int_equal(labels.count, 0);
    rk_rows_free(rows);
    rows = load("l.tsv", LITERAL("a\tpositive\nb\tpositiv\nc\tNeutral\n"), true);
    assert_non_null(rows);
    assert_int_equal(rk_labels_copy(&labels, known, 3, &err), RK_OK);
    assert_int_equal(rk_rows_bind(rows, &labels, &err), RK_E_FORMAT);    /* TS-05 */
    assert_non_null(strstr(err.message, "l.tsv:2: unknown label \"positiv\"; known: positive, "
                                        "neutral, negative; nearest: positive"));
    rk_rows_free(rows);
    rows = load("l.tsv", LITERAL("a\nb\n"), false);
    assert_non_null(rows);
    assert_int_equal(rk_rows_bind(rows, &labels, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "l.tsv:1: no label"));
    rk_labels_free(&labels);
    assert_int_equal(rk_labels_from_rows(&labels, rows, &err), RK_E_FORMAT);
    rk_rows_free(rows);
}

static void test_many_labels(void **state)
{
    enum { MOST = 10000 };
    char *text = malloc(MOST * 16 + 16);
    size_t at = 0;
    rk_labels labels;
    rk_rows *rows;
    (void)state;
    assert_non_null(text);
    for (int i = 0; i <= MOST; i++) at += (size_t)sprintf(text + at, "a\tlabel%d\n", i);
    rows = load("l.tsv", text, at, true);
    assert_non_null(rows);
    assert_int_equal(rk_labels_from_rows(&labels, rows, &err), RK_E_FORMAT);    /* TS-23 */
    assert_non_null(strstr(err.message, ":10001: more than 10000 labels"));
    rows->count--;
    assert_int_equal(rk_labels_from_rows(&labels, rows, &err), RK_OK);
    assert_int_equal(labels.count, MOST);
    assert_int_equal(rk_rows_bind(rows, &labels, &err), RK_OK);
    rk_labels_free(&labels);
    rk_rows_free(rows);
    free(text);
}

static rk_status load_and_bind(void *path, rk_error *e)
{
    rk_rows *rows;
    rk_labels labels = {0};
    rk_status st = rk_rows_load(&rows, path, true, 0, e);
    if (!st) st = rk_labels_from_rows(&labels, rows, e);
    if (!st) st = rk_rows_bind(rows, &labels, e);
    rk_labels_free(&labels);
    rk_rows_free(rows);
    return st;
}

/* Piece by piece the rows are those of the whole; a refused one costs nothing but itself. */
static void test_stream(void **state)
{
    static const char bytes[] = "text\tlabel\n"
                                "a\tx\n"
                                "b\ty\n"
                                "\n"
                                "c\tx\n"
                                "d\tz\n"
                                "e\ty\n";
    char *names[] = {(char *)"x", (char *)"y"};
    const rk_labels labels = {2, names};
    const char *path = scratch_write("s.tsv", LITERAL(bytes));
    rk_rows_stream *s;
    rk_rows *rows;
    size_t about;
    (void)state;
    assert_int_equal(rk_rows_estimate(&about, path, &err), RK_OK);
    assert_int_equal(about, 7);
    assert_int_equal(rk_rows_stream_open(&s, path, NULL, &labels, &err), RK_OK);
    assert_int_equal(rk_rows_stream_next(s, &rows, 1, &err), RK_OK);
    assert_int_equal(rows->count, 1);
    assert_int_equal(rows->row[0].line, 2);
    assert_int_equal(rows->row[0].label_id, 0);
    rk_rows_free(rows);
    assert_int_equal(rk_rows_stream_next(s, &rows, 10, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, ":4: an empty line between rows"));
    assert_int_equal(rows->count, 1); /* b, the row before it */
    assert_int_equal(rows->row[0].label_id, 1);
    rk_rows_free(rows);
    assert_int_equal(rk_rows_stream_next(s, &rows, 10, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, ":6: unknown label \"z\"; known: x, y"));
    assert_int_equal(rows->count, 1); /* c, behind the empty line */
    assert_int_equal(rows->row[0].line, 5);
    rk_rows_free(rows);
    assert_int_equal(rk_rows_stream_next(s, &rows, 10, &err), RK_OK);
    assert_int_equal(rows->count, 1);
    assert_memory_equal(rows->row[0].text, "e", 1);
    rk_rows_free(rows);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rk_rows_stream_next(s, &rows, 10, &err), RK_OK);
        assert_int_equal(rows->count, 0);
        rk_rows_free(rows);
    }
    rk_rows_stream_close(s);
}

/* Every allocation fails in turn: an error, no leak, and the next load is good. */
static void test_memory(void **state)
{
    static const char bytes[] = "text,label\n\"a\nb\",x\nc,y\nd,z\n";
    char *path = rk_strdup(scratch_write("m.csv", bytes, sizeof bytes - 1));
    (void)state;
    assert_true(fail_each(load_and_bind, path, 8));
    rk_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsv),          cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_header),       cmocka_unit_test(test_columns),
        cmocka_unit_test(test_fields),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_long_line),    cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_long_field), cmocka_unit_test(test_max_rows),
        cmocka_unit_test(test_open),         cmocka_unit_test(test_label_order),
        cmocka_unit_test(test_label_faults), cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_stream),       cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
