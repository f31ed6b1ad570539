/* links: base eval */
/* The report's charts and changed rows with hostile, strange and missing data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/report_page.h"

/* Rows that changed: hostile texts, a long one, more than are shown, and nothing but a text. */
static void flipped_rows(void **state)
{
    json_t *report = fixture(), *flips = at(report, "compare.1.flips");
    char longest[2001];

    (void)state;
    memset(longest, 'x', 2000);
    longest[2000] = '\0';
    json_object_set_new(at(report, "compare.1.flips.0"), "text", json_string(hostile));
    assert_says(report, "<bdi>&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)");
    json_object_set_new(at(report, "compare.1.flips.0"), "text", json_string(longest));
    assert_says(report, "xxx\xe2\x80\xa6</bdi><small>");
    assert_silent(report, longest);
    for (int i = 0; i < 20; i++)
        json_array_append_new(flips, json_pack("{s:s, s:s, s:s, s:i}", "label", "a", "base", "a",
                                               "candidate", "b", "line", 1000 + i));
    assert_says(report, "Turned wrong, 24\xc2\xa0rows; here are 6</h4>");
    assert_says(report, "line\xc2\xa0"
                        "1,001<");
    assert_silent(report, "line\xc2\xa0"
                          "1,002<");
    json_array_clear(flips);
    json_array_append_new(flips, json_pack("{s:s}", "text", "hanya teks"));
    assert_says(report, "Wrong before and after, 1\xc2\xa0row</h4>");
    json_decref(report);
}

/* Charts with little or strange data draw what there is, or leave themselves out. */
static void strange_pictures(void **state)
{
    static const char *const bins[] = {
        "[{\"rows\": 1, \"confidence\": 1, \"accuracy\": 0}]",
        "[{\"rows\": 3}]",
        "[{\"rows\": 0, \"confidence\": 0, \"accuracy\": 0}, {\"rows\": 1000000000000000, "
        "\"confidence\": 0, \"accuracy\": 1}]",
    };
    json_t *report = fixture(), *results = at(report, "results");

    (void)state;
    for (size_t i = 0; i < COUNT(bins); i++) {
        json_object_set_new(at(report, "results.0.eval"), "reliability",
                            json_loads(bins[i], 0, NULL));
        rk_free(page_of(report));
    }
    for (size_t i = 0; i < 3; i++) {
        json_t *ms = at(json_array_get(results, i), "eval.latency_ms");
        json_object_del(ms, "quantiles");
        json_object_set_new(ms, "p50", json_real(0.0));
    }
    assert_silent(report, "Time of one text at a time"); /* p50 and p95 alone are no picture */
    json_object_set_new(json_array_get(results, 1), "model_bytes", json_integer(0));
    json_object_set_new(at(report, "results.2"), "model_bytes", json_integer(1));
    assert_says(report, "What accuracy costs");
    json_object_del(at(report, "results.2"), "model_bytes");
    assert_silent(report, "What accuracy costs");
    for (int i = 0; i < 40; i++) /* more circles than names have room */
        json_array_append_new(results, json_deep_copy(at(report, "results.0")));
    assert_says(report, "What accuracy costs");
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flipped_rows),
                                       cmocka_unit_test(strange_pictures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
