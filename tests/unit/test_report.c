/* links: base eval */
/* The report page: well-formed, safe with any text, whole without any of its parts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/report_parts.h"
#include "support/report_page.h"
#include "support/scratch.h"

/* ---- tests ---- */

static void whole_page(void **state)
{
    static const char *const says[] = {
        "<h1>Ship <bdi>model_<wbr/>int8<wbr/>.onnx</bdi>: 90.0% right, 3.9 times smaller than FP32",
        "was trained on 11,000\xc2\xa0rows to tell 3\xc2\xa0labels apart",
        "<strong>90.2%</strong> (FP32, 95% interval 87.3 to 92.5%)",
        "most common label would be right in 41.6% of them",
        "takes 34.3\xc2\xa0MB instead of 133.6\xc2\xa0MB, runs 3.1 times as many rows per second",
        "a loss of more than 1.2 points is ruled out (95%)",
        "(95% interval of the change \xe2\x88\x92" "1.2 to 0.8)",
        "INT8 changed 8 of 500\xc2\xa0" "answers: 3 to right, 4 to wrong, 1 from one wrong label",
        "<i>p</i>\xc2\xa0=\xc2\xa0" "1.00: no difference that 500\xc2\xa0rows could show",
        "<td class=\"hit\" style=\"--a:0.94\">196<small>94%</small></td>",
        "3\xc2\xa0" "epochs, 2,064\xc2\xa0steps, 21\xc2\xa0min\xc2\xa0" "3\xc2\xa0s, epoch 2 kept",
        "kept</text>",
        "expected calibration error 6.8 points",
        "Calibrated, temperature 1.84, on 1,260\xc2\xa0rows.",
        "<td class=\"ship\">89.9%<small>87.2\xe2\x80\x93" "92.5%</small></td>",
        "<th scope=\"row\">Also in training<small>same text</small></th><td></td><td>14<small>"
        "1 labelled otherwise</small></td><td>58<small>5 labelled otherwise</small></td>",
        "33<small>95% 79, most 132</small>",
        "Turned wrong, 4\xc2\xa0rows</h4>", "Turned right, 3\xc2\xa0rows</h4>",
        "Wrong before and after, 1\xc2\xa0row</h4>",
        "<span>line\xc2\xa0" "188</span> <span>truth\xc2\xa0<b><bdi>neutral</bdi></b></span> "
        "<span>FP32\xc2\xa0<b><bdi>positive</bdi></b> 52%</span> "
        "<span>INT8\xc2\xa0<b><bdi>neutral</bdi></b> 50%</span>",
        "What accuracy costs", "Time of one text at a time",
        "<dt>Built with</dt><dd><bdi>oneDNN 3<wbr/>.2<wbr/>.0, gcc 12<wbr/>.2</bdi></dd>",
        "<th scope=\"row\"><bdi>model<wbr/>.safetensors</bdi><small>weights started from</small>"
        "</th><td><code>9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4</code>",
        "16.7% of them would have to change their label",
        "--qat fp16,int8 --seed 42</code>",
        "2026-11-25 08:30 UTC",
        "default-src 'none'; style-src 'unsafe-inline'",
        "prefers-color-scheme:dark",
    };
    json_t *report = fixture();
    char *page = page_of(report);

    (void)state;
    for (size_t i = 0; i < COUNT(says); i++)
        if (!strstr(page, says[i])) {
            print_error("the page lacks: %s\n", says[i]);
            fail();
        }
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "//"));
    rk_free(page);
    json_decref(report);
}

/* The smallest report gives a page without any section but how it was run. */
static void nearly_nothing(void **state)
{
    json_t *report = json_pack("{s:i}", "version", 1);

    (void)state;
    assert_says(report, "<h1>Training report</h1>");
    assert_silent(report, "<table");
    assert_silent(report, "<svg");
    assert_silent(report, "\xe2\x80\x93");
    json_decref(report);
}

/* Removes every field of every object in turn, renders, and puts it back; then the same with null,
 * and with an empty array or object where it holds one. */
static size_t without_each(json_t *report, json_t *value, size_t depth)
{
    size_t tried = 0, i;
    json_t *item;

    assert_true(depth < 16);
    if (json_is_array(value)) {
        json_array_foreach(value, i, item) {
            tried += without_each(report, item, depth + 1);
        }
    } else if (json_is_object(value)) {
        json_t *copy = json_copy(value);
        const char *key;
        json_object_foreach(copy, key, item) {
            if (depth == 0 && !strcmp(key, "version")) continue;
            json_object_del(value, key);
            rk_free(page_of(report));
            json_object_set_new(value, key, json_null());
            rk_free(page_of(report));
            if (json_is_array(item) && !strstr(key, "_ci95")) {
                json_object_set_new(value, key, json_array());
                rk_free(page_of(report));
            } else if (json_is_object(item)) {
                json_object_set_new(value, key, json_object());
                rk_free(page_of(report));
            }
            json_object_set(value, key, item);
            tried += 1 + without_each(report, item, depth + 1);
        }
        json_decref(copy);
    }
    return tried;
}

static void shorten(json_t *report)
{
    json_t *run;
    size_t i;
    json_array_foreach(at(report, "runs"), i, run) {
        json_t *curve = json_object_get(run, "curve");
        while (json_array_size(curve) > 3) json_array_remove(curve, 3);
    }
}

static void parts_missing(void **state)
{
    json_t *report = fixture();
    (void)state;
    shorten(report);
    /* counts of labels and scores by name cannot be null: those are set aside */
    json_object_clear(at(report, "data.train.labels"));
    json_object_clear(at(report, "data.valid.labels"));
    json_object_clear(at(report, "data.test.labels"));
    for (size_t i = 0; i < 3; i++)
        json_object_clear(json_object_get(
            json_object_get(json_array_get(at(report, "results"), i), "eval"), "per_label"));
    assert_true(without_each(report, report, 0) > 150);
    json_decref(report);
}

/* Sets every string and every free key of the document to a hostile text. */
static void poison(json_t *value)
{
    json_t *item;
    const char *key;
    size_t i;

    json_array_foreach(value, i, item) {
        if (json_is_string(item)) json_array_set_new(value, i, json_string(hostile));
        else poison(item);
    }
    if (json_is_object(value)) {
        json_t *copy = json_copy(value);
        json_object_foreach(copy, key, item) {
            if (json_is_string(item)) {
                json_object_set_new(value, key, json_string(hostile));
            } else if (!strcmp(key, "positive")) {
                json_object_del(value, key);
                json_object_set(value, hostile, item);
            } else {
                poison(item);
            }
        }
        json_decref(copy);
    }
}

static void hostile_text(void **state)
{
    static const char shown[] = "&lt;/<wbr/>td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/<wbr/>script"
                                "&gt;&quot;&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;";
    json_t *report = fixture();
    char *page;

    (void)state;
    poison(report);
    page = page_of(report);
    assert_non_null(strstr(page, shown));
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<img"));
    rk_free(page);
    /* not from a label: text that is no character of HTML */
    json_object_set_new(at(report, "model"), "name",
                        json_string("a\x01\x1b[31m\xc2\x85\xef\xbf\xbf"));
    assert_says(report, "<bdi>a&#xFFFD;&#xFFFD;[31m&#xFFFD;&#xFFFD;</bdi>");
    json_object_set_new(report, "command", json_pack("[s, s, s]", "a b", "it's", ""));
    assert_says(report, "<code>&#39;a b&#39; &#39;it&#39;\\&#39;&#39;s&#39; &#39;&#39;</code>");
    json_decref(report);
}

static void wrong_types(void **state)
{
    static const struct {
        const char *path, *key, *value, *message;
    } cases[] = {
        { "", "version", "2", "report: version is 2; it must be from 1 to 1" },
        { "", "version", "null", "report: version is missing; 1 is known" },
        { "", "command", "\"x\"", "report: command must be an array" },
        { "", "command", "[1]", "report: command[0] must be a string" },
        { "", "data", "[]", "report: data must be an object" },
        { "data.test", "rows", "1.5", "report: data.test.rows must be a whole number" },
        { "data.test", "rows", "-1", "report: data.test.rows is -1; it must be from 0 to 1e+15" },
        { "data.test.labels", "x<y\x1b", "\"many\"",
          "report: data.test.labels.x<y\\x1B must be a whole number" },
        { "runs.0", "curve", "{}", "report: runs[0].curve must be an array" },
        { "runs.1.curve.2", "loss", "\"nan\"", "report: runs[1].curve[2].loss must be a number" },
        { "runs.1.epochs.0", "kept", "1", "report: runs[1].epochs[0].kept must be true or false" },
        { "results.2.eval", "accuracy", "1.01",
          "report: results[2].eval.accuracy is 1.01; it must be from 0 to 1" },
        { "results.2.eval", "accuracy_ci95", "[0.5]",
          "report: results[2].eval.accuracy_ci95 must be two numbers" },
        { "results.2.eval", "confusion", "[[1,2],[3]]",
          "report: results[2].eval.confusion[1] must be an array of 2 counts" },
        { "results.2.eval", "confusion", "[[1,2],[3,4]]",
          "report: results[2].eval.confusion has 2 rows for 3 labels" },
        { "results.2.eval", "confusion", "[[1,2],[3,{}]]",
          "report: results[2].eval.confusion[1][1] must be a whole number" },
        { "results.0.eval.per_label.neutral", "f1", "[]",
          "report: results[0].eval.per_label.neutral.f1 must be a number" },
        { "results.1", "name", "7", "report: results[1].name must be a string" },
        { "compare.1", "accuracy_drop_ci95", "[0, -1.5]",
          "report: compare[1].accuracy_drop_ci95[1] is -1.5; it must be from -1 to 1" },
        { "data.test.tokens", "p50", "[]",
          "report: data.test.tokens.p50 must be a whole number" },
        { "data.valid.in_train", "rows", "-2",
          "report: data.valid.in_train.rows is -2; it must be from 0 to 1e+15" },
        { "results.1.eval.latency_ms", "quantiles", "[1, \"x\"]",
          "report: results[1].eval.latency_ms.quantiles[1] must be a number" },
        { "results.1.eval.reliability.0", "confidence", "1.5",
          "report: results[1].eval.reliability[0].confidence is 1.5; it must be from 0 to 1" },
        { "compare.1.flips.0", "text", "7", "report: compare[1].flips[0].text must be a string" },
        { "compare.1.flipped", "to_right", "1e300",
          "report: compare[1].flipped.to_right is 1e+300; it must be from 0 to 1e+15" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *report = fixture();
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        rk_buffer b = { 0 };
        rk_error err = { 0 };
        assert_non_null(value);
        json_object_set_new(at(report, cases[i].path), cases[i].key, value);
        assert_int_equal(rk_report_html(&b, report, &err), RK_E_FORMAT);
        /* how a control byte is spelled is rk_quote's affair */
        if (!strstr(cases[i].message, "\\x")) assert_string_equal(err.message, cases[i].message);
        else assert_null(strchr(err.message, '\x1b'));
        assert_null(b.data);
        json_decref(report);
    }
}

static void ship_rule(void **state)
{
    json_t *report = fixture(), *pair = at(report, "compare.1");

    (void)state;
    /* shown to be worse: the next smallest */
    json_object_set_new(pair, "accuracy_drop_ci95", json_pack("[f, f]", 0.002, 0.02));
    assert_says(report, "<h1>Ship <bdi>model_<wbr/>fp16<wbr/>.onnx</bdi>");
    /* not compared: the intervals overlap */
    json_array_clear(at(report, "compare"));
    assert_says(report, "<h1>Ship <bdi>model_<wbr/>int8<wbr/>.onnx</bdi>");
    json_object_set_new(at(report, "results.2.eval"), "accuracy_ci95",
                        json_pack("[f, f]", 0.80, 0.87));
    assert_says(report, "<h1>Ship <bdi>model_<wbr/>fp16<wbr/>.onnx</bdi>");
    json_object_set_new(at(report, "results.1.eval"), "accuracy_ci95", json_null());
    assert_says(report, "<h1>Ship <bdi>model<wbr/>.onnx</bdi>: 90.2% right</h1>");
    assert_says(report, "the smallest file that is not shown to lose accuracy");
    json_array_remove(at(report, "results"), 2);
    json_array_remove(at(report, "results"), 1);
    assert_says(report, "<h1><bdi>e5-<wbr/>small-<wbr/>id</bdi></h1>");    /* nothing to choose */
    json_object_set_new(at(report, "results.0.eval"), "accuracy", json_real(0.41));
    assert_says(report, "<strong>no better</strong> than always answering the most common label");
    json_decref(report);
}

static void pair_words(void **state)
{
    json_t *report = fixture(), *pair = at(report, "compare.1");

    (void)state;
    json_object_set_new(pair, "mcnemar_p", json_real(0.0004));
    assert_says(report, "<i>p</i>\xc2\xa0&lt;\xc2\xa0" "0.001: a real loss, more than chance "
                        "explains");
    json_object_set_new(pair, "accuracy_drop", json_real(-0.03));
    assert_says(report, "a real gain, more than chance explains. Accuracy rises by 3.0 points");
    json_object_del(pair, "changed");
    assert_says(report, "INT8 was right where it had been wrong, or the reverse, on 7 of "
                        "500\xc2\xa0rows: 3 to right, 4 to wrong.");
    json_object_set_new(pair, "flipped", json_pack("{s:i, s:i}", "to_right", 0, "to_wrong", 0));
    assert_says(report, "INT8 was right on exactly the same rows. ");
    assert_says(report, "it is right on exactly the same ones");
    json_object_set_new(pair, "changed", json_integer(0));
    assert_says(report, "INT8 gave the same answer on every row. ");
    json_decref(report);
}

/* What executed is shown, and marked where it is not what the file is called. */
static void fell_back(void **state)
{
    json_t *report = fixture();

    (void)state;
    assert_silent(report, "class=\"warn\"");
    json_object_set_new(at(report, "results.2.eval"), "precision_ran", json_string("fp32"));
    assert_says(report, "FP32<small class=\"warn\">\xe2\x9a\xa0 not INT8</small>");
    /* nor is it shipped on numbers that are not its own */
    assert_says(report, "<h1>Ship <bdi>model_<wbr/>fp16<wbr/>.onnx</bdi>");
    json_object_set_new(at(report, "results.1"), "name", json_string("sepuluh<hu>ruf"));
    assert_says(report, "y=\"54.0\">sepuluh&lt;h\xe2\x80\xa6</text>");
    json_decref(report);
}

static void many_labels(void **state)
{
    json_t *report = fixture(), *eval = at(report, "results.0.eval"), *table = json_array();
    json_t *labels = json_array(), *scores = json_object();
    char name[16];

    (void)state;
    for (int i = 0; i < 40; i++) {
        json_t *row = json_array();
        for (int j = 0; j < 40; j++) json_array_append_new(row, json_integer(i == j ? 9 : 0));
        if (i == 30) json_array_set_new(row, 7, json_integer(3));
        if (i == 2) json_array_set_new(row, 1, json_integer(3));
        json_array_append_new(table, row);
        snprintf(name, sizeof name, "topic%d", i);
        json_array_append_new(labels, json_string(name));
        json_object_set_new(scores, name, json_pack("{s:f}", "f1", 0.5));
    }
    json_object_set_new(eval, "confusion", table);
    json_object_set_new(eval, "labels", labels);
    json_object_set_new(eval, "per_label", scores);
    /* the two mistakes in place of the matrix, each once */
    assert_says(report, "<bdi>topic2</bdi></th><td><bdi>topic1</bdi></td><td>3</td><td>25.0%</td>"
                        "</tr>\n<tr><th scope=\"row\"><bdi>topic30</bdi></th><td><bdi>topic7</bdi>"
                        "</td><td>3</td><td>25.0%</td></tr>\n</tbody>");
    json_object_del(eval, "labels");    /* names then come from per_label */
    assert_says(report, "<bdi>topic30</bdi></th><td><bdi>topic7</bdi></td>");
    json_decref(report);
}

static void strange_curves(void **state)
{
    static const char *const curves[] = {
        "[{\"step\": 1, \"loss\": 0}]", "[{\"step\": 5}, {\"loss\": 2}, {}]",
        "[{\"step\": 1, \"loss\": 0}, {\"step\": 2, \"loss\": 0}]",
        "[{\"step\": 7, \"loss\": 3}, {\"step\": 7, \"loss\": 3}]",
        "[{\"step\": 0, \"loss\": -1e15}, {\"step\": 1000000000000000, \"loss\": 1e15}]",
        "[{\"step\": 2, \"loss\": 1e-300}, {\"step\": 1, \"loss\": 2e-300}]",
    };
    static const char *const epochs[] = {
        "[{\"epoch\": 1, \"valid_f1_weighted\": 1}, {\"epoch\": 2, \"valid_f1_weighted\": 1}]",
        "[{\"epoch\": 0, \"valid_f1_weighted\": 0}, {\"epoch\": 1e15, \"valid_f1_weighted\": 1}]",
        "[{\"epoch\": 3, \"valid_f1_weighted\": 0.5}, {\"epoch\": 3}]",
    };
    json_t *report = fixture(), *run = at(report, "runs.0");

    (void)state;
    for (size_t i = 0; i < COUNT(curves); i++) {
        json_object_set_new(run, "curve", json_loads(curves[i], 0, NULL));
        rk_free(page_of(report));
    }
    for (size_t i = 0; i < COUNT(epochs); i++) {
        json_object_set_new(run, "epochs", json_loads(epochs[i], 0, NULL));
        rk_free(page_of(report));
    }
    /* ranges alone, without training: no loss is not a loss of 0 */
    json_object_set_new(at(report, "runs.1.epochs.0"), "train_loss", json_null());
    assert_says(report, "</th><td>\xe2\x80\x93</td><td>0.2700</td>");
    json_decref(report);
}

static void check_number(void (*put)(rk_buffer *, double), double x, const char *want)
{
    rk_buffer b = { 0 };
    put(&b, x);
    assert_string_equal(b.data, want);
    rk_buffer_free(&b);
}

static void numbers(void **state)
{
    rk_buffer b = { 0 };

    (void)state;
    check_number(rk_page_count, 0, "0");
    check_number(rk_page_count, 999, "999");
    check_number(rk_page_count, 1000, "1,000");
    check_number(rk_page_count, 1e15, "1,000,000,000,000,000");
    check_number(rk_page_count, (double)NAN, "\xe2\x80\x93");
    check_number(rk_page_count, (double)INFINITY, "\xe2\x80\x93");
    check_number(rk_page_percent, 0.88849, "88.8%");
    check_number(rk_page_percent, 1, "100.0%");
    check_number(rk_page_percent, (double)NAN, "\xe2\x80\x93");
    check_number(rk_page_points, -0.0123, "\xe2\x88\x92" "1.2");
    check_number(rk_page_points, -0.0004, "0.0");    /* no minus before nothing */
    check_number(rk_page_bytes, 133602417, "133.6\xc2\xa0MB");
    check_number(rk_page_bytes, 999960, "1.0\xc2\xa0MB");
    check_number(rk_page_bytes, 1.5e15, "1500.0\xc2\xa0TB");
    check_number(rk_page_short, 3.614, "3.61");
    check_number(rk_page_short, 12.34, "12.3");
    check_number(rk_page_short, 4321.4, "4,321");
    check_number(rk_page_short, 0.0214, "0.021");
    check_number(rk_page_seconds, 59.94, "59.9\xc2\xa0s");
    check_number(rk_page_seconds, 59.96, "1\xc2\xa0min\xc2\xa0" "0\xc2\xa0s");
    check_number(rk_page_seconds, 3599.7, "1\xc2\xa0h\xc2\xa0" "0\xc2\xa0min");
    check_number(rk_page_seconds, 7384, "2\xc2\xa0h\xc2\xa0" "3\xc2\xa0min");
    rk_page_fixed(&b, 2.5e-9, 9);
    assert_string_equal(b.data, "0.000000003");
    rk_buffer_free(&b);
}

static void memory_runs_out(void **state)
{
    json_t *report = fixture();
    bool failed = true;

    (void)state;
    for (size_t nth = 0; failed; nth++) {
        rk_buffer b = { 0 };
        rk_error err;
        rk_status st;
        assert_true(nth < 100);
        rk_mem_fail_at(nth, false);
        st = rk_report_html(&b, report, &err);
        failed = st == RK_E_MEMORY;
        assert_true(failed || st == RK_OK);
        assert_true(failed == b.failed);
        rk_buffer_free(&b);
    }
    rk_mem_fail_at(SIZE_MAX, false);
    json_decref(report);
}

static void written(void **state)
{
    const char *page = scratch_path("page.html");
    size_t length;
    char *text;
    rk_error err = { 0 };

    (void)state;
    assert_int_equal(rk_report_write(page, "{\"version\": 1}", &err), RK_OK);
    text = scratch_read(page, &length);
    assert_non_null(text);
    assert_page(text);
    assert_int_equal(rk_report_write(page, "{\"version\": 1", &err), RK_E_FORMAT);
    assert_int_equal(rk_report_write(page, "[]", &err), RK_E_FORMAT);
    assert_string_equal(err.message, "report: not a JSON object");
    assert_int_equal(rk_report_write(NULL, "{}", &err), RK_E_ARG);
    assert_int_equal(rk_report_write(page, NULL, &err), RK_E_ARG);
    assert_int_equal(rk_file_size(page), length);    /* a refusal leaves the old page */
    free(text);
    scratch_remove(page);
    assert_int_equal(rk_report_write(page, "{\"version\": 3}", &err), RK_E_FORMAT);
    assert_int_equal(rk_report_write(scratch_path("none/x.html"), "{\"version\": 1}", &err),
                     RK_E_OUTPUT);
    assert_int_equal(scratch_count(scratch_dir()), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_page),      cmocka_unit_test(nearly_nothing),
        cmocka_unit_test(parts_missing),   cmocka_unit_test(hostile_text),
        cmocka_unit_test(wrong_types),     cmocka_unit_test(ship_rule),
        cmocka_unit_test(pair_words),      cmocka_unit_test(fell_back),
        cmocka_unit_test(many_labels),     cmocka_unit_test(strange_curves),
        cmocka_unit_test(numbers),         cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
