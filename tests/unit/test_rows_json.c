/* links: base text */
/* JSON Lines: what is taken, what is refused and where the message says it is; the same rules as
 * for TSV and CSV. The names TS-.. and JS-.. are those of the list of bad inputs. */
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
#define X "{\"text\": \"a\", \"label\": \"x\"}\n"

static rk_error err;

static rk_rows *load_fields(const char *name, const char *bytes, size_t length, bool labels,
                            const rk_fields *fields)
{
    rk_rows *rows = NULL;
    const char *path = scratch_write(name, bytes, length);
    const rk_status st = rk_rows_load_fields(&rows, path, fields, labels, 0, &err);
    if (st) {
        assert_null(rows);
        assert_int_equal(st, err.code);
    } else {
        err.message[0] = '\0';
        assert_non_null(rows);
    }
    return rows;
}

static rk_rows *load(const char *bytes, size_t length, bool labels)
{
    return load_fields("a.jsonl", bytes, length, labels, NULL);
}

static void says(const char *place, const char *what)
{
    char start[512];
    assert_int_equal(err.code, RK_E_FORMAT);
    snprintf(start, sizeof start, "%s%s", scratch_path("a.jsonl"), place);
    if (strncmp(err.message, start, strlen(start)) != 0 || !strstr(err.message, what))
        fail_msg("want \"%s\" and \"%s\" in: %s", start, what, err.message);
    assert_null(strchr(err.message, '\n'));
}

static void refused(const char *bytes, size_t length, bool labels, const char *place,
                    const char *what)
{
    assert_null(load(bytes, length, labels));
    says(place, what);
}

static void row_is(const rk_rows *rows, size_t i, const char *text, const char *label, size_t line)
{
    const rk_row *r = &rows->row[i];
    assert_int_equal(r->length, strlen(text));
    assert_memory_equal(r->text, text, r->length);
    if (label) assert_string_equal(r->label, label);
    else assert_null(r->label);
    assert_int_equal(r->line, line);
}

static void test_rows(void **state)
{
    static const char good[] =
        "\xef\xbb\xbf{\"text\": \"enak\\tsekali\\n\\\"ya\\\"\", \"label\": \"positive\"}\r\n"
        " {\"id\": 7, \"label\": \"negative\", \"tags\": [1, {}], "
        "\"text\": \"\\u00e9 \xc3\xa9\"} \n"
        "{\"text\":\"=1+1\",\"label\":\"neutral\"}";
    rk_rows *rows = load(LITERAL(good), true);    /* TS-10, TS-11, TS-17, TS-24 */
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rows->count, 3);
    row_is(rows, 0, "enak\tsekali\n\"ya\"", "positive", 1);
    row_is(rows, 1, "\xc3\xa9 \xc3\xa9", "negative", 2);
    row_is(rows, 2, "=1+1", "neutral", 3);
    rk_rows_free(rows);
    rows = load_fields("A.NDJSON", LITERAL(X X "\n\r\n"), true, NULL);
    assert_non_null(rows);
    assert_int_equal(rows->count, 2);
    rk_rows_free(rows);
    rows = load(LITERAL("{\"text\": \"\"}\n{\"text\": \"b\", \"label\": null}\n"), false);
    assert_non_null(rows);
    row_is(rows, 0, "", NULL, 1);    /* TS-06 */
    row_is(rows, 1, "b", NULL, 2);
    rk_rows_free(rows);
}

static void test_fields(void **state)
{
    static const char bytes[] = "{\"ulasan\": \"a\", \"kelas\": \"x\", \"text\": 1}\n";
    const rk_fields both = {"ulasan", "kelas"}, same = {"a", "a"}, empty = {"", NULL};
    const rk_fields only = {"ulasan", NULL}, bad = {"\xff", NULL};
    rk_rows *rows = load_fields("a.jsonl", LITERAL(bytes), true, &both);
    (void)state;
    assert_non_null(rows);
    row_is(rows, 0, "a", "x", 1);
    rk_rows_free(rows);
    rows = load_fields("a.jsonl", LITERAL(bytes), false, &only);
    assert_non_null(rows);
    row_is(rows, 0, "a", NULL, 1);
    rk_rows_free(rows);
    assert_null(load_fields("a.jsonl", LITERAL(bytes), true, &only));
    says(":1: ", "no field \"label\"");
    assert_non_null(strstr(err.message, "--label-field"));
    refused(LITERAL(bytes), true, ":1: ", "the field \"text\" is a number");
    refused(LITERAL("{\"Text\": \"a\"}\n"), false, ":1: ", "--text-field");
    assert_null(load_fields("a.jsonl", LITERAL(bytes), true, &same));
    assert_int_equal(err.code, RK_E_ARG);
    assert_null(load_fields("a.jsonl", LITERAL(bytes), true, &empty));
    assert_int_equal(err.code, RK_E_ARG);
    assert_null(load_fields("a.jsonl", LITERAL(bytes), true, &bad));
    assert_int_equal(err.code, RK_E_ARG);
    /* the names of the columns in a header line */
    rows = load_fields("a.tsv", LITERAL("ulasan\tkelas\na\tx\n"), true, &both);
    assert_non_null(rows);
    assert_int_equal(rows->count, 1);
    row_is(rows, 0, "a", "x", 2);
    rk_rows_free(rows);
}

static void test_labels(void **state)
{
    (void)state;
    refused(LITERAL(X "{\"text\": \"b\"}\n"), true, ":2: ", "no field \"label\"");    /* TS-04 */
    refused(LITERAL(X "{\"text\": \"b\"}\n"), false, ":2: ", "no field \"label\"");
    refused(LITERAL("{\"text\": \"b\"}\n" X), false, ":2: ", "the rows before have none");
    refused(LITERAL("{\"text\": \"b\", \"label\": null}\n"), true, ":1: ", "no field \"label\"");
    refused(LITERAL("{\"text\": \"b\", \"label\": 1}\n"), true,
            ":1: ", "is a number");   /* TS-07 */
    refused(LITERAL("{\"text\": \"b\", \"label\": true}\n"), true, ":1: ", "is true or false");
    refused(LITERAL("{\"text\": \"b\", \"label\": \"\"}\n"), true, ":1: ", "label is empty");
    refused(LITERAL("{\"text\": \"b\", \"label\": \" x\"}\n"), true, ":1: ", "white space");
    refused(LITERAL("{\"text\": \"b\", \"label\": \"x\\ty\"}\n"), true, ":1: ", "control");
    refused(LITERAL(X "{\"text\": \"\", \"label\": \"x\"}\n"), true, ":2: ", "text is empty");
    refused(LITERAL("{\"text\": \" \\u3000\", \"label\": \"x\"}\n"), true, ":1: ", "text is empty");
    refused(LITERAL("{\"text\": null, \"label\": \"x\"}\n"), true, ":1: ", "is null");
    refused(LITERAL("{\"text\": [\"a\"]}\n"), false, ":1: ", "is a list");
}

static void test_unknown_label(void **state)
{
    static const char *const known[] = {"positive", "negative"};
    rk_rows *rows = load(LITERAL("{\"text\": \"a\", \"label\": \"positive\"}\n"
                                 "{\"text\": \"b\", \"label\": \"positiv\"}\n"), true);
    rk_labels labels;
    (void)state;
    assert_non_null(rows);
    assert_int_equal(rk_labels_copy(&labels, known, 2, &err), RK_OK);
    assert_int_equal(rk_rows_bind(rows, &labels, &err), RK_E_FORMAT);    /* TS-05 */
    says(":2: ", "unknown label \"positiv\"; known: positive, negative; nearest: positive");
    rk_labels_free(&labels);
    rk_rows_free(rows);
}

static void test_lines(void **state)
{
    (void)state;
    refused(LITERAL(""), true, ": ", "no rows;");    /* TS-01 */
    refused(LITERAL("\n\n"), true, ": ", "no rows");
    refused(LITERAL(X "\n" X), true, ":2: ", "an empty line between rows; an object");
    refused(LITERAL("\n" X), false, ":1: ", "an empty line");
    refused(LITERAL("{\"text\": \"a\"}\n\n{\"text\": \"b\"}\n"), false, ":2: ", "an empty line");
    refused(LITERAL("{}\r{}\r"), true, ":1: ", "carriage return at byte 3");    /* TS-10 */
    refused(LITERAL("[" X "]\n"), true, ":1: ", "put one object on each line");
    refused(LITERAL("[]\n"), true, ":1: ", "the line is a list; an object");
    refused(LITERAL("{\n\"text\": \"a\"}\n"), true, ":1: ", "on one line of its own");
    refused(LITERAL("bagus\tpositive\n"), true, ":1: ", "name it .tsv");    /* TS-21 */
    refused(LITERAL(X "17\n"), true, ":2: ", "not valid JSON at column");
    assert_null(load_fields("b.tsv", LITERAL("{\"text\": \"a\"}\n"), true, NULL));
    assert_non_null(strstr(err.message, "name it .jsonl"));
}

static void test_json(void **state)
{
    (void)state;
    refused(LITERAL(X X "{\"text\": \"a\", }\n"), true, ":3: ", "not valid JSON at column 15");
    refused(LITERAL("{\"text\": \"a\"\n"), true, ":1: ", "not valid JSON");
    /* JS-11 */
    refused(LITERAL(X "{\"text\": \"a\"} {}\n"), true, ":2: ", "end of file expected");
    refused(LITERAL("{'text': 'a'}\n"), true, ":1: ", "not valid JSON");    /* JS-07 */
    refused(LITERAL("{\"text\": \"a\", \"x\": NaN}\n"), true, ":1: ", "not valid JSON");
    /* JS-03 */
    refused(LITERAL("{\"text\": \"a\", \"text\": \"b\"}\n"), true, ":1: ", "duplicate");
    refused(LITERAL("{\"text\": \"a\\ud800\"}\n"), true, ":1: ", "not valid JSON");    /* JS-04 */
    refused(LITERAL(X "{\"text\": \"a\\u0000b\"}\n"), true, ":2: ", "\\u0000");    /* TS-12 */
    refused(LITERAL("{\"text\": \"a\tb\"}\n"), true, ":1: ", "control character");    /* JS-06 */
    refused(LITERAL("{\"text\": \"a\0b\"}\n"), true, ":1: ", "NUL byte");
    refused(LITERAL("{\"text\": \"\xe9\"}\n"), true, ":1: ", "byte 11 of the line (0xe9)");
    /* JS-05 */
    refused(LITERAL("{\"text\": \"\xed\xa0\x80\"}\n"), true, ":1: ", "not valid UTF-8");
    refused(LITERAL("\xff\xfe{\0}\0"), true, ":1: ", "UTF-16");    /* JS-08 */
    /* a number that no type holds, in a field that nobody reads */
    rk_rows_free(load(LITERAL("{\"text\": \"a\", \"n\": 123456789012345678901234}\n"), false));
    assert_string_equal(err.message, "");
}

static void test_limits(void **state)
{
    enum { LIMIT = 1 << 20 };
    static const char open[] = "{\"text\": \"";
    char *big = malloc(LIMIT + 64);
    rk_rows *rows;
    size_t at = sizeof "{\"a\": " - 1;
    (void)state;
    assert_non_null(big);
    memset(big, 'a', LIMIT + 64);
    memcpy(big, open, sizeof open - 1);
    memcpy(big + LIMIT - 2, "\"}\n", 3);    /* TS-13 */
    rows = load(big, LIMIT + 1, false);
    assert_non_null(rows);
    assert_int_equal(rows->row[0].length, LIMIT - 2 - (sizeof open - 1));
    rk_rows_free(rows);
    memcpy(big + LIMIT - 2, "a\"}\n", 4);
    refused(big, LIMIT + 2, false, ":1: ", "longer than 1048576 bytes");
    /* JS-02: depth 64 counts the row's own object */
    memcpy(big, "{\"a\": ", at);
    for (int i = 0; i < 63; i++) big[at + (size_t)i] = '[', big[at + 63 + (size_t)i] = ']';
    memcpy(big + at + 126, ", \"text\": \"a\"}\n", 16);
    rk_rows_free(load(big, at + 126 + 15, false));
    assert_string_equal(err.message, "");
    memset(big, '[', 100000);
    memcpy(big, "{\"a\": ", at);
    big[100000] = '\n';
    refused(big, 100001, false, ":1: ", "nested deeper than 64");
    free(big);
}

static rk_status load_once(void *path, rk_error *e)
{
    rk_rows *rows;
    const rk_status st = rk_rows_load(&rows, path, true, 0, e);
    rk_rows_free(rows);
    return st;
}

/* Every allocation of ours, not jansson's. */
static void test_memory(void **state)
{
    char *path = rk_strdup(scratch_write("m.jsonl", LITERAL(X X X)));
    (void)state;
    assert_true(fail_each(load_once, path, 4));
    rk_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),  cmocka_unit_test(test_fields), cmocka_unit_test(test_labels),
        cmocka_unit_test(test_unknown_label), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_limits), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
