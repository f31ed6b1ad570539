#include "eval/report.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "eval/report_parts.h"

/* The page may load nothing at all, whatever text ends up in it. */
static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<meta name=\"color-scheme\" content=\"light dark\"/>\n";

static void put_head(rk_buffer *b, const json_t *report)
{
    const char *model = rk_page_string(json_object_get(report, "model"), "name");

    rk_buffer_puts(b, HEAD);
    rk_buffer_puts(b, "<title>");
    if (model) {
        rk_page_escape(b, model);
        rk_buffer_puts(b, " \xc2\xb7 ");
    }
    rk_buffer_puts(b, "Ringkas report</title>\n");
    rk_page_style(b);
    rk_buffer_puts(b, "</head>\n<body>\n<main>\n");
}

static void put_over(rk_buffer *b, const json_t *report)
{
    const char *created = rk_page_string(report, "created");

    rk_buffer_puts(b, "<header>\n<p class=\"over\">Ringkas report");
    if (created) {
        rk_buffer_puts(b, " \xc2\xb7 ");
        rk_page_time(b, created);
    }
    rk_buffer_puts(b, "</p>\n");
}

static void open_section(rk_buffer *b, const char *title)
{
    rk_buffer_printf(b, "<section>\n<h2>%s</h2>\n", title);
}

/* True when a result has the part of eval by that name. */
static bool any_has(const json_t *results, const char *key)
{
    const json_t *result;
    size_t i;

    json_array_foreach(results, i, result) {
        const json_t *v = json_object_get(json_object_get(result, "eval"), key);
        if (json_is_number(v) || json_array_size(v) || json_object_size(v)) return true;
    }
    return false;
}

static void put_results(rk_buffer *b, const json_t *report, const rk_page_verdict *v)
{
    const json_t *results = rk_page_part(report, "results");

    if (!results) return;
    open_section(b, json_array_size(results) > 1 ? "The files compared" : "The file measured");
    /* Past four columns the table needs the whole width. */
    rk_buffer_puts(b, json_array_size(results) > 4 ? "<div class=\"stack\">\n"
                                                   : "<div class=\"split\">\n");
    rk_page_results(b, results, v);
    rk_buffer_puts(b, "<div class=\"beside\">\n");
    if (any_has(results, "accuracy")) {
        rk_buffer_puts(b, "<figure>\n<figcaption>Accuracy with its 95% interval. The band is the "
                          "interval of ");
        rk_page_precision(b, rk_page_string(v->base, "name"));
        rk_buffer_puts(b, ".</figcaption>\n");
        rk_page_intervals(b, results, v);
        rk_buffer_puts(b, "</figure>\n");
    }
    (void)rk_page_trade_chart(b, results);
    (void)rk_page_latency_chart(b, results);
    rk_buffer_puts(b, "</div>\n</div>\n</section>\n");
}

/* Epoch 0 is what training for FP16 or INT8 began with. */
static size_t trained_epochs(const json_t *epochs)
{
    size_t n = json_array_size(epochs);
    if (n && rk_page_number(json_array_get(epochs, 0), "epoch") == 0.0) n--;
    return n;
}

static void put_run(rk_buffer *b, const json_t *run)
{
    const double steps = rk_page_number(run, "steps"), seconds = rk_page_number(run, "seconds");
    const json_t *kept = rk_page_kept(run);
    const size_t listed = json_array_size(json_object_get(run, "epochs"));
    const size_t epochs = trained_epochs(json_object_get(run, "epochs"));
    const char *between = " <span>";
    bool beside;

    rk_buffer_puts(b, "<div class=\"run\">\n<h3>");
    rk_page_precision(b, rk_page_string(run, "name"));
    if (epochs) {
        rk_buffer_puts(b, between);
        rk_page_some(b, (double)epochs, "epoch", "epochs");
        between = ", ";
    }
    if (!isnan(steps)) {
        rk_buffer_puts(b, between);
        rk_page_some(b, steps, "step", "steps");
        between = ", ";
    }
    if (!isnan(seconds)) {
        rk_buffer_puts(b, between);
        rk_page_seconds(b, seconds);
        between = ", ";
    }
    if (kept) {
        rk_buffer_puts(b, between);
        rk_buffer_puts(b, "epoch ");
        rk_page_count(b, rk_page_number(kept, "epoch"));
        rk_buffer_puts(b, " kept");
        between = ", ";
    }
    rk_buffer_puts(b, *between == ',' ? "</span></h3>\n" : "</h3>\n");
    rk_buffer_puts(b, "<div class=\"charts\">\n");
    rk_page_loss_chart(b, run);
    beside = !rk_page_f1_chart(b, run) && listed;
    /* The table takes the place of a chart that is not there. */
    rk_buffer_puts(b, beside ? "<div>\n" : "</div>\n");
    if (listed) rk_page_epochs(b, run);
    rk_buffer_puts(b, beside ? "</div>\n</div>\n</div>\n" : "</div>\n");
}

static void put_runs(rk_buffer *b, const json_t *report)
{
    const json_t *run, *runs = rk_page_part(report, "runs");
    size_t i;

    if (!runs) return;
    open_section(b, "How training went");
    json_array_foreach(runs, i, run) put_run(b, run);
    rk_buffer_puts(b, "</section>\n");
}

rk_status rk_report_html(rk_buffer *out, const json_t *report, rk_error *err)
{
    rk_page_verdict v;
    rk_status st = rk_report_check(report, err);
    const json_t *results = json_object_get(report, "results");

    if (st) return st;
    rk_page_judge(&v, report);
    put_head(out, report);
    put_over(out, report);
    rk_page_headline(out, report, &v);
    rk_buffer_puts(out, "</header>\n");
    put_results(out, report, &v);
    if (rk_page_part(report, "compare")) {
        open_section(out, "Row by row");
        rk_page_pairs(out, report);
        rk_buffer_puts(out, "</section>\n");
    }
    if (any_has(results, "confusion") || any_has(results, "per_label")) {
        open_section(out, "Which labels are confused");
        rk_page_labels(out, results);
        rk_buffer_puts(out, "</section>\n");
    }
    if (rk_page_has_bins(results)) {
        open_section(out, "Can the probabilities be trusted");
        rk_page_reliability(out, results);
        rk_buffer_puts(out, "</section>\n");
    }
    if (rk_page_has_flips(report)) {
        open_section(out, "The rows that changed");
        rk_page_flips(out, report);
        rk_buffer_puts(out, "</section>\n");
    }
    put_runs(out, report);
    if (rk_page_part(report, "data")) {
        open_section(out, "The data");
        rk_page_data(out, report);
        rk_buffer_puts(out, "</section>\n");
    }
    rk_page_how(out, report);
    if (v.best) {
        open_section(out, "How to read the numbers");
        rk_page_reading(out, report, &v);
        rk_buffer_puts(out, "</section>\n");
    }
    rk_buffer_puts(out, "</main>\n</body>\n</html>\n");
    return out->failed ? rk_fail(err, RK_E_MEMORY, "out of memory for the report page") : RK_OK;
}

rk_status rk_report_write(const char *html_path, const char *report_json, rk_error *err)
{
    rk_buffer page = { 0 };
    json_t *report;
    rk_status st;

    if (!html_path || !report_json)
        return rk_fail(err, RK_E_ARG, "the report needs a path and its JSON");
    st = rk_json_parse(&report, report_json, strlen(report_json), "report", err);
    if (st) return st;
    st = rk_report_html(&page, report, err);
    if (!st) st = rk_file_write(html_path, page.data, page.length, err);
    json_decref(report);
    rk_buffer_free(&page);
    return st;
}
