#include <math.h>

#include "eval/report_parts.h"

static const json_t *eval_of(const json_t *result)
{
    return json_object_get(result, "eval");
}

/* ---- the comparison: one column per file, so that it fits a phone ---- */

/* Puts one cell; `base` is for "times smaller" and the like. */
typedef void (*cell)(rk_buffer *b, const json_t *result, const json_t *base);

static void note_times(rk_buffer *b, double times, const char *what)
{
    if (!(times >= 1.05 && times < 1e6)) return;
    rk_buffer_puts(b, "<small>");
    rk_page_fixed(b, times, 1);
    rk_buffer_printf(b, "\xc3\x97 %s</small>", what);
}

static void cell_bytes(rk_buffer *b, const json_t *result, const json_t *base)
{
    const double bytes = rk_page_number(result, "model_bytes");
    rk_page_bytes(b, bytes);
    if (result != base) note_times(b, rk_page_number(base, "model_bytes") / bytes, "smaller");
}

static void note_interval(rk_buffer *b, const json_t *eval, const char *key)
{
    if (!rk_page_part(eval, key)) return;
    rk_buffer_puts(b, "<small>");
    rk_page_fixed(b, rk_page_item(eval, key, 0) * 100, 1);
    rk_buffer_puts(b, "\xe2\x80\x93");
    rk_page_percent(b, rk_page_item(eval, key, 1));
    rk_buffer_puts(b, "</small>");
}

static void cell_accuracy(rk_buffer *b, const json_t *result, const json_t *base)
{
    (void)base;
    rk_page_percent(b, rk_page_number(eval_of(result), "accuracy"));
    note_interval(b, eval_of(result), "accuracy_ci95");
}

static void cell_f1_weighted(rk_buffer *b, const json_t *result, const json_t *base)
{
    (void)base;
    rk_page_percent(b, rk_page_number(eval_of(result), "f1_weighted"));
    note_interval(b, eval_of(result), "f1_weighted_ci95");
}

static void cell_f1_macro(rk_buffer *b, const json_t *result, const json_t *base)
{
    (void)base;
    rk_page_percent(b, rk_page_number(eval_of(result), "f1_macro"));
    note_interval(b, eval_of(result), "f1_macro_ci95");
}

static void cell_latency(rk_buffer *b, const json_t *result, const json_t *base)
{
    const json_t *ms = json_object_get(eval_of(result), "latency_ms");
    const double p50 = rk_page_number(ms, "p50"), p95 = rk_page_number(ms, "p95");
    (void)base;
    rk_page_short(b, p50);
    if (!isnan(p50)) rk_buffer_puts(b, "\xc2\xa0ms");
    if (isnan(p95)) return;
    rk_buffer_puts(b, "<small>p95 ");
    rk_page_short(b, p95);
    rk_buffer_puts(b, "\xc2\xa0ms</small>");
}

static void cell_rate(rk_buffer *b, const json_t *result, const json_t *base)
{
    const double rate = rk_page_number(eval_of(result), "rows_per_s");
    rk_page_short(b, rate);
    if (result != base)
        note_times(b, rate / rk_page_number(eval_of(base), "rows_per_s"), "as many");
}

static void cell_memory(rk_buffer *b, const json_t *result, const json_t *base)
{
    (void)base;
    rk_page_bytes(b, rk_page_number(eval_of(result), "rss_bytes"));
}

static void cell_ran(rk_buffer *b, const json_t *result, const json_t *base)
{
    const json_t *eval = eval_of(result);
    const char *name = rk_page_string(result, "name");
    const char *isa = rk_page_string(eval, "isa");
    (void)base;
    rk_page_precision(b, rk_page_string(eval, "precision_ran"));
    if (rk_page_fell_back(result)) {
        rk_buffer_puts(b, "<small class=\"warn\">\xe2\x9a\xa0 not ");
        rk_page_precision(b, name);
        rk_buffer_puts(b, "</small>");
    }
    if (!isa) return;
    rk_buffer_puts(b, "<small>");
    rk_page_name(b, isa);
    rk_buffer_puts(b, "</small>");
}

static const struct {
    const char *title, *note;
    cell put;
} lines[] = {
    { "Size", "on disk", cell_bytes },
    { "Accuracy", "95% interval", cell_accuracy },
    { "Weighted F1", NULL, cell_f1_weighted },
    { "Macro F1", NULL, cell_f1_macro },
    { "Latency, p50", "one row", cell_latency },
    { "Rows per second", NULL, cell_rate },
    { "Memory", "resident", cell_memory },
    { "Ran as", "level", cell_ran },
};

void rk_page_results(rk_buffer *b, const json_t *results, const rk_page_verdict *v)
{
    const json_t *result;
    size_t i;

    rk_buffer_puts(b, "<div class=\"wide\"><table class=\"results\">\n<thead><tr><td></td>");
    json_array_foreach(results, i, result) {
        const char *file = rk_page_string(result, "file");
        rk_buffer_puts(b, result == v->ship ? "<th scope=\"col\" class=\"ship\">"
                                            : "<th scope=\"col\">");
        rk_page_precision(b, rk_page_string(result, "name"));
        if (file) {
            rk_buffer_puts(b, "<small>");
            rk_page_name(b, file);
            rk_buffer_puts(b, "</small>");
        }
        if (result == v->ship) rk_buffer_puts(b, "<span class=\"tag\">ship this</span>");
        rk_buffer_puts(b, "</th>");
    }
    rk_buffer_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t l = 0; l < sizeof lines / sizeof *lines; l++) {
        rk_buffer_printf(b, "<tr><th scope=\"row\">%s", lines[l].title);
        if (lines[l].note) rk_buffer_printf(b, "<small>%s</small>", lines[l].note);
        rk_buffer_puts(b, "</th>");
        json_array_foreach(results, i, result) {
            rk_buffer_puts(b, result == v->ship ? "<td class=\"ship\">" : "<td>");
            lines[l].put(b, result, v->base);
            rk_buffer_puts(b, "</td>");
        }
        rk_buffer_puts(b, "</tr>\n");
    }
    rk_buffer_puts(b, "</tbody></table></div>\n");
}

/* ---- epochs of a run ---- */

void rk_page_epochs(rk_buffer *b, const json_t *run)
{
    const json_t *epoch;
    size_t i;

    rk_buffer_puts(b, "<div class=\"wide\"><table class=\"numbers\">\n<thead><tr>"
                      "<th scope=\"col\">Epoch</th>"
                      "<th scope=\"col\">Train loss</th><th scope=\"col\">Valid loss</th>"
                      "<th scope=\"col\">Valid accuracy</th><th scope=\"col\">Valid F1</th>"
                      "</tr></thead>\n<tbody>\n");
    json_array_foreach(json_object_get(run, "epochs"), i, epoch) {
        const bool kept = json_is_true(json_object_get(epoch, "kept"));
        rk_buffer_printf(b, "<tr%s><th scope=\"row\">", kept ? " class=\"kept\"" : "");
        rk_page_count(b, rk_page_number(epoch, "epoch"));
        if (rk_page_number(epoch, "epoch") == 0.0)
            rk_buffer_puts(b, " <span class=\"tag\">start</span>");
        rk_buffer_printf(b, "%s</th><td>", kept ? " <span class=\"tag\">kept</span>" : "");
        rk_page_fixed(b, rk_page_number(epoch, "train_loss"), 4);
        rk_buffer_puts(b, "</td><td>");
        rk_page_fixed(b, rk_page_number(epoch, "valid_loss"), 4);
        rk_buffer_puts(b, "</td><td>");
        rk_page_percent(b, rk_page_number(epoch, "valid_accuracy"));
        rk_buffer_puts(b, "</td><td>");
        rk_page_percent(b, rk_page_number(epoch, "valid_f1_weighted"));
        rk_buffer_puts(b, "</td></tr>\n");
    }
    rk_buffer_puts(b, "</tbody></table></div>\n");
}

/* ---- labels of a result ---- */

/* A larger matrix cannot be read; its worst cells can. */
enum { MATRIX_MAX = 12, WORST = 12 };

/* Name of label i: from labels, else the i-th key of per_label; NULL when unknown. */
static const char *label_name(const json_t *eval, size_t i)
{
    const json_t *labels = rk_page_part(eval, "labels");
    json_t *scores = json_object_get(eval, "per_label");
    void *at;

    if (labels) return json_string_value(json_array_get(labels, i));
    at = json_object_iter(scores);
    while (at && i--) at = json_object_iter_next(scores, at);
    return at ? json_object_iter_key(at) : NULL;
}

static void put_label(rk_buffer *b, const json_t *eval, size_t i)
{
    const char *name = label_name(eval, i);
    if (name && *name) {
        rk_page_name(b, name);
    } else {
        rk_buffer_puts(b, "#");
        rk_page_count(b, (double)i);
    }
}

static double count_at(const json_t *table, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(table, i), j));
}

static double row_sum(const json_t *table, size_t i)
{
    double sum = 0.0;
    for (size_t j = 0; j < json_array_size(table); j++) sum += count_at(table, i, j);
    return sum;
}

static void put_matrix(rk_buffer *b, const json_t *eval)
{
    const json_t *table = json_object_get(eval, "confusion");
    const size_t n = json_array_size(table);

    rk_buffer_printf(b, "<div class=\"wide\"><table class=\"confusion\" style=\"--n:%zu\">\n"
                        "<thead><tr><td></td>", n);
    for (size_t j = 0; j < n; j++) {
        rk_buffer_puts(b, "<th scope=\"col\">");
        put_label(b, eval, j);
        rk_buffer_puts(b, "</th>");
    }
    rk_buffer_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < n; i++) {
        const double sum = row_sum(table, i);
        rk_buffer_puts(b, "<tr><th scope=\"row\">");
        put_label(b, eval, i);
        rk_buffer_puts(b, "</th>");
        for (size_t j = 0; j < n; j++) {
            const double count = count_at(table, i, j), share = sum > 0 ? count / sum : 0.0;
            rk_buffer_printf(b, "<td%s style=\"--a:", i == j ? " class=\"hit\"" : "");
            rk_page_fixed(b, share, 2);
            rk_buffer_puts(b, "\">");
            rk_page_count(b, count);
            rk_buffer_puts(b, "<small>");
            rk_page_fixed(b, sum > 0 ? share * 100 : (double)NAN, 0);
            rk_buffer_printf(b, "%s</small></td>", sum > 0 ? "%" : "");
        }
        rk_buffer_puts(b, "</tr>\n");
    }
    rk_buffer_puts(b, "</tbody></table></div>\n");
}

/* The most frequent mistakes, by count; each pass takes the largest below the last one. */
static void put_worst(rk_buffer *b, const json_t *eval)
{
    const json_t *table = json_object_get(eval, "confusion");
    const size_t n = json_array_size(table);
    double last = (double)INFINITY;
    size_t last_cell = 0;

    rk_buffer_puts(b, "<div class=\"wide\"><table class=\"numbers\">\n"
                      "<caption>The most frequent mistakes.</caption>\n"
                      "<thead><tr><th scope=\"col\">Truth</th><th scope=\"col\">Answer</th>"
                      "<th scope=\"col\">Rows</th><th scope=\"col\">Of the truth</th></tr>"
                      "</thead>\n<tbody>\n");
    for (int k = 0; k < WORST; k++) {
        double most = 0.0;
        size_t cell_most = 0;
        for (size_t c = 0; c < n * n; c++) {
            const double count = c / n == c % n ? 0.0 : count_at(table, c / n, c % n);
            if (count > most && (count < last || (count == last && c > last_cell))) {
                most = count;
                cell_most = c;
            }
        }
        if (most <= 0.0) break;
        last = most;
        last_cell = cell_most;
        rk_buffer_puts(b, "<tr><th scope=\"row\">");
        put_label(b, eval, cell_most / n);
        rk_buffer_puts(b, "</th><td>");
        put_label(b, eval, cell_most % n);
        rk_buffer_puts(b, "</td><td>");
        rk_page_count(b, most);
        rk_buffer_puts(b, "</td><td>");
        rk_page_percent(b, most / row_sum(table, cell_most / n));
        rk_buffer_puts(b, "</td></tr>\n");
    }
    rk_buffer_puts(b, "</tbody></table></div>\n");
}

static void put_scores(rk_buffer *b, const json_t *eval)
{
    json_t *scores = json_object_get(eval, "per_label"), *one;
    const char *name;

    rk_buffer_puts(b, "<div class=\"wide\"><table class=\"numbers\">\n<thead><tr>"
                      "<th scope=\"col\">Label</th>"
                      "<th scope=\"col\">Precision</th><th scope=\"col\">Recall</th>"
                      "<th scope=\"col\">F1</th><th scope=\"col\">Rows</th></tr>"
                      "</thead>\n<tbody>\n");
    json_object_foreach(scores, name, one) {
        rk_buffer_puts(b, "<tr><th scope=\"row\">");
        rk_page_name(b, name);
        rk_buffer_puts(b, "</th><td>");
        rk_page_percent(b, rk_page_number(one, "precision"));
        rk_buffer_puts(b, "</td><td>");
        rk_page_percent(b, rk_page_number(one, "recall"));
        rk_buffer_puts(b, "</td><td>");
        rk_page_percent(b, rk_page_number(one, "f1"));
        rk_buffer_puts(b, "</td><td>");
        rk_page_count(b, rk_page_number(one, "support"));
        rk_buffer_puts(b, "</td></tr>\n");
    }
    rk_buffer_puts(b, "</tbody></table></div>\n");
}

void rk_page_labels(rk_buffer *b, const json_t *results)
{
    const json_t *result;
    size_t i, most = 0;

    json_array_foreach(results, i, result) {
        const size_t n = json_array_size(json_object_get(eval_of(result), "confusion"));
        if (n > most) most = n;
    }
    if (most && most <= MATRIX_MAX)
        rk_buffer_puts(b, "<p class=\"note\">Down: the truth. Across: the answer. Counts of test "
                          "rows, and their share of the true label.</p>\n");
    rk_buffer_puts(b, most > 4 && most <= MATRIX_MAX ? "<div class=\"cards large\">\n"
                                                     : "<div class=\"cards\">\n");
    json_array_foreach(results, i, result) {
        const json_t *eval = eval_of(result), *table = rk_page_part(eval, "confusion");
        if (!table && !rk_page_part(eval, "per_label")) continue;
        rk_buffer_puts(b, "<div>\n<h3>");
        rk_page_precision(b, rk_page_string(result, "name"));
        rk_buffer_puts(b, "</h3>\n");
        if (table && json_array_size(table) <= MATRIX_MAX) put_matrix(b, eval);
        else if (table) put_worst(b, eval);
        if (rk_page_part(eval, "per_label")) put_scores(b, eval);
        rk_buffer_puts(b, "</div>\n");
    }
    rk_buffer_puts(b, "</div>\n");
}

/* ---- the data ---- */

static const char *const splits[][2] = {
    { "train", "Training" }, { "valid", "Validation" }, { "test", "Test" },
};
enum { SPLITS = sizeof splits / sizeof *splits };

static const json_t *split_of(const json_t *report, size_t s)
{
    return json_object_get(json_object_get(report, "data"), splits[s][0]);
}

static void put_data_row(rk_buffer *b, const json_t *report, const char *label)
{
    for (size_t s = 0; s < SPLITS; s++) {
        const json_t *split = split_of(report, s);
        const double rows = rk_page_number(split, "rows");
        const double n = rk_page_number(json_object_get(split, "labels"), label);
        if (!split) continue;
        rk_buffer_puts(b, "<td>");
        rk_page_count(b, n);
        if (rows > 0 && !isnan(n)) {
            rk_buffer_puts(b, "<small>");
            rk_page_percent(b, n / rows);
            rk_buffer_puts(b, "</small>");
        }
        rk_buffer_puts(b, "</td>");
    }
}

/* True when an earlier split has the label, whose row then stands already. */
static bool seen_before(const json_t *report, size_t s, const char *label)
{
    while (s-- > 0)
        if (json_object_get(json_object_get(split_of(report, s), "labels"), label)) return true;
    return false;
}

/* Half the summed difference of the two label mixes: the share of rows that would have to change
 * their label; NAN when unknown. */
static double shift(const json_t *a, const json_t *c)
{
    json_t *of_a = json_object_get(a, "labels"), *of_c = json_object_get(c, "labels"), *n;
    const double rows_a = rk_page_number(a, "rows"), rows_c = rk_page_number(c, "rows");
    const char *label;
    double sum = 0.0;

    if (!of_a || !of_c || !(rows_a > 0) || !(rows_c > 0)) return (double)NAN;
    json_object_foreach(of_a, label, n) {
        const json_t *other = json_object_get(of_c, label);
        sum += fabs(json_number_value(n) / rows_a - json_number_value(other) / rows_c);
    }
    json_object_foreach(of_c, label, n) {
        if (!json_object_get(of_a, label)) sum += json_number_value(n) / rows_c;
    }
    return sum / 2;
}

/* One row of counts beside the labels; `put` says what the split has. */
typedef void (*fact)(rk_buffer *b, const json_t *split);

static void fact_tokens(rk_buffer *b, const json_t *split)
{
    const json_t *tokens = json_object_get(split, "tokens");
    rk_page_count(b, rk_page_number(tokens, "p50"));
    rk_buffer_puts(b, "<small>95% ");
    rk_page_count(b, rk_page_number(tokens, "p95"));
    rk_buffer_puts(b, ", most ");
    rk_page_count(b, rk_page_number(tokens, "max"));
    rk_buffer_puts(b, "</small>");
}

static void fact_cut(rk_buffer *b, const json_t *split)
{
    const json_t *tokens = json_object_get(split, "tokens");
    rk_page_count(b, rk_page_number(tokens, "cut"));
    rk_buffer_puts(b, "<small>at ");
    rk_page_count(b, rk_page_number(tokens, "limit"));
    rk_buffer_puts(b, "</small>");
}

static void fact_repeats(rk_buffer *b, const json_t *split)
{
    rk_page_count(b, rk_page_number(split, "repeats"));
}

static void fact_conflicts(rk_buffer *b, const json_t *split)
{
    rk_page_count(b, rk_page_number(split, "conflicts"));
}

static void put_shared(rk_buffer *b, const json_t *shared)
{
    const double other = rk_page_number(shared, "other_label");
    rk_page_count(b, rk_page_number(shared, "rows"));
    if (!(other > 0)) return;
    rk_buffer_puts(b, "<small>");
    rk_page_count(b, other);
    rk_buffer_puts(b, " labelled otherwise</small>");
}

static void fact_in_train(rk_buffer *b, const json_t *split)
{
    put_shared(b, json_object_get(split, "in_train"));
}

static void fact_in_valid(rk_buffer *b, const json_t *split)
{
    put_shared(b, json_object_get(split, "in_valid"));
}

static const struct {
    const char *key, *title, *note;
    fact put;
} facts[] = {
    { "tokens", "Tokens of a row", "median", fact_tokens },
    { "tokens", "Rows cut", "past the limit", fact_cut },
    { "repeats", "Repeated rows", "text seen above", fact_repeats },
    { "conflicts", "Contradictions", "one text, two labels", fact_conflicts },
    { "in_train", "Also in training", "same text", fact_in_train },
    { "in_valid", "Also in validation", "same text", fact_in_valid },
};

static void put_facts(rk_buffer *b, const json_t *report)
{
    for (size_t f = 0; f < sizeof facts / sizeof *facts; f++) {
        bool any = false;
        for (size_t s = 0; s < SPLITS; s++)
            any = any || json_object_get(split_of(report, s), facts[f].key);
        if (!any) continue;
        rk_buffer_printf(b, "<tr><th scope=\"row\">%s<small>%s</small></th>", facts[f].title,
                         facts[f].note);
        for (size_t s = 0; s < SPLITS; s++) {
            const json_t *split = split_of(report, s);
            if (!split) continue;
            rk_buffer_puts(b, "<td>");
            if (json_object_get(split, facts[f].key)) facts[f].put(b, split);
            rk_buffer_puts(b, "</td>");
        }
        rk_buffer_puts(b, "</tr>\n");
    }
}

void rk_page_data(rk_buffer *b, const json_t *report)
{
    const double moved = shift(split_of(report, 0), split_of(report, SPLITS - 1));
    const char *label;
    json_t *n;

    rk_buffer_puts(b, "<div class=\"wide\"><table class=\"numbers data\">\n<thead><tr>"
                      "<th scope=\"col\">Label</th>");
    for (size_t s = 0; s < SPLITS; s++) {
        const char *path = rk_page_string(split_of(report, s), "path");
        if (!split_of(report, s)) continue;
        rk_buffer_printf(b, "<th scope=\"col\">%s", splits[s][1]);
        if (path) {
            rk_buffer_puts(b, "<small>");
            rk_page_name(b, path);
            rk_buffer_puts(b, "</small>");
        }
        rk_buffer_puts(b, "</th>");
    }
    rk_buffer_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t s = 0; s < SPLITS; s++) {
        json_object_foreach(json_object_get(split_of(report, s), "labels"), label, n) {
            if (seen_before(report, s, label)) continue;
            rk_buffer_puts(b, "<tr><th scope=\"row\">");
            rk_page_name(b, label);
            rk_buffer_puts(b, "</th>");
            put_data_row(b, report, label);
            rk_buffer_puts(b, "</tr>\n");
        }
    }
    rk_buffer_puts(b, "</tbody>\n<tbody class=\"sum\"><tr><th scope=\"row\">All rows</th>");
    for (size_t s = 0; s < SPLITS; s++) {
        if (!split_of(report, s)) continue;
        rk_buffer_puts(b, "<td>");
        rk_page_count(b, rk_page_number(split_of(report, s), "rows"));
        rk_buffer_puts(b, "</td>");
    }
    rk_buffer_puts(b, "</tr></tbody>\n<tbody>\n");
    put_facts(b, report);
    rk_buffer_puts(b, "</tbody></table></div>\n");
    if (moved < 0.1 || isnan(moved)) return;
    rk_buffer_puts(b, "<p class=\"note\">The test rows have another mix of labels than the "
                      "training rows: ");
    rk_page_percent(b, moved);
    rk_buffer_puts(b, " of them would have to change their label for the two to be alike. Expect "
                      "other accuracy where the mix differs.</p>\n");
}
