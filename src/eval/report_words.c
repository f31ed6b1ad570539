#include <math.h>
#include <string.h>

#include "eval/report_parts.h"

/* ---- the verdict ---- */

static const json_t *eval_of(const json_t *result)
{
    return json_object_get(result, "eval");
}

static bool named(const json_t *object, const char *key, const char *name)
{
    const char *text = rk_page_string(object, key);
    return text && name && !strcmp(text, name);
}

static const json_t *pair_of(const json_t *report, const json_t *base, const json_t *candidate)
{
    const json_t *pair, *pairs = json_object_get(report, "compare");
    size_t i;

    json_array_foreach(pairs, i, pair) {
        if (named(pair, "base", rk_page_string(base, "name")) &&
            named(pair, "candidate", rk_page_string(candidate, "name")))
            return pair;
    }
    return NULL;
}

static const json_t *find_base(const json_t *report)
{
    const json_t *result, *results = json_object_get(report, "results");
    const char *name =
        rk_page_string(json_array_get(json_object_get(report, "compare"), 0), "base");
    size_t i;

    json_array_foreach(results, i, result) {
        if (named(result, "name", name)) return result;
    }
    return json_array_get(results, 0);
}

/* True when the numbers do not show the candidate to be worse than the base: the interval of the
 * paired difference reaches 0; or, for files not compared row by row, the intervals overlap. */
static bool holds_up(const json_t *base, const json_t *candidate, const json_t *pair)
{
    const double low = rk_page_item(pair, "accuracy_drop_ci95", 0);
    if (!isnan(low)) return low <= 0.0;
    return rk_page_item(eval_of(candidate), "accuracy_ci95", 1) >=
           rk_page_item(eval_of(base), "accuracy_ci95", 0);
}

void rk_page_judge(rk_page_verdict *v, const json_t *report)
{
    const json_t *result, *results = json_object_get(report, "results");
    double top = -1.0, least = (double)INFINITY;
    size_t i;

    memset(v, 0, sizeof *v);
    v->base = find_base(report);
    json_array_foreach(results, i, result) {
        const double accuracy = rk_page_number(eval_of(result), "accuracy");
        const double bytes = rk_page_number(result, "model_bytes");
        const json_t *pair = pair_of(report, v->base, result);
        if (accuracy > top) {
            top = accuracy;
            v->best = result;
        }
        /* What ran in another precision was not measured. */
        if (isnan(accuracy) || !(bytes < least) || rk_page_fell_back(result)) continue;
        if (result != v->base && !holds_up(v->base, result, pair)) continue;
        least = bytes;
        v->ship = result;
        v->pair = result == v->base ? NULL : pair;
    }
    if (json_array_size(results) < 2) v->ship = NULL;
}

/* ---- the headline ---- */

static void put_file(rk_buffer *b, const json_t *result)
{
    const char *file = rk_page_string(result, "file");
    if (file) rk_page_name(b, file);
    else rk_page_precision(b, rk_page_string(result, "name"));
}

static void put_interval(rk_buffer *b, const json_t *object, const char *key)
{
    rk_page_fixed(b, rk_page_item(object, key, 0) * 100, 1);
    rk_buffer_puts(b, " to ");
    rk_page_percent(b, rk_page_item(object, key, 1));
}

/* How many times smaller or faster; "" where it is not. */
static bool ratio(double *times, double big, double small)
{
    *times = big / small;
    return *times >= 1.05 && *times < 1e6;
}

static void put_title(rk_buffer *b, const json_t *report, const rk_page_verdict *v)
{
    const char *model = rk_page_string(json_object_get(report, "model"), "name");
    double times;

    if (!v->ship) {
        if (model) rk_page_name(b, model);
        else rk_buffer_puts(b, "Training report");
        return;
    }
    rk_buffer_puts(b, "Ship ");
    put_file(b, v->ship);
    rk_buffer_puts(b, ": ");
    rk_page_percent(b, rk_page_number(eval_of(v->ship), "accuracy"));
    rk_buffer_puts(b, " right");
    if (v->ship == v->base ||
        !ratio(&times, rk_page_number(v->base, "model_bytes"),
               rk_page_number(v->ship, "model_bytes")))
        return;
    rk_buffer_puts(b, ", ");
    rk_page_fixed(b, times, 1);
    rk_buffer_puts(b, " times smaller than ");
    rk_page_precision(b, rk_page_string(v->base, "name"));
}

static bool knows_training(const json_t *report)
{
    const json_t *train = json_object_get(json_object_get(report, "data"), "train");
    return rk_page_string(json_object_get(report, "model"), "name") ||
           !isnan(rk_page_number(train, "rows"));
}

static void put_trained(rk_buffer *b, const json_t *report)
{
    const char *model = rk_page_string(json_object_get(report, "model"), "name");
    const json_t *train = json_object_get(json_object_get(report, "data"), "train");
    const double rows = rk_page_number(train, "rows");
    const size_t labels = json_object_size(json_object_get(train, "labels"));

    if (!knows_training(report)) return;
    if (model) rk_page_name(b, model);
    else rk_buffer_puts(b, "The model");
    rk_buffer_puts(b, " was trained");
    if (!isnan(rows)) {
        rk_buffer_puts(b, " on ");
        rk_page_some(b, rows, "row", "rows");
    }
    if (labels) {
        rk_buffer_puts(b, " to tell ");
        rk_page_some(b, (double)labels, "label", "labels");
        rk_buffer_puts(b, " apart");
    }
    rk_buffer_puts(b, ". ");
}

/* Share of the most common true label, from the support of the scores; NAN when unknown. */
static double majority(const json_t *eval)
{
    const double rows = rk_page_number(eval, "rows");
    json_t *scores = json_object_get(eval, "per_label"), *one;
    const char *name;
    double most = -1.0;

    json_object_foreach(scores, name, one) most = fmax(most, rk_page_number(one, "support"));
    return most >= 0 && rows > 0 ? most / rows : (double)NAN;
}

static void put_best(rk_buffer *b, const json_t *best)
{
    const json_t *eval = eval_of(best);
    const double common = majority(eval), accuracy = rk_page_number(eval, "accuracy");

    rk_buffer_puts(b, "The best accuracy on ");
    if (isnan(rk_page_number(eval, "rows"))) rk_buffer_puts(b, "the test rows");
    else rk_page_some(b, rk_page_number(eval, "rows"), "test row", "test rows");
    rk_buffer_puts(b, " is <strong>");
    rk_page_percent(b, accuracy);
    rk_buffer_puts(b, "</strong> (");
    rk_page_precision(b, rk_page_string(best, "name"));
    if (rk_page_part(eval, "accuracy_ci95")) {
        rk_buffer_puts(b, ", 95% interval ");
        put_interval(b, eval, "accuracy_ci95");
    }
    rk_buffer_puts(b, ").");
    if (isnan(common)) return;
    if (accuracy > common)
        rk_buffer_puts(b, " Always answering the most common label would be right in ");
    else
        rk_buffer_puts(b, " That is <strong>no better</strong> than always answering the most "
                          "common label, which is right in ");
    rk_page_percent(b, common);
    rk_buffer_puts(b, " of them.");
}

/* What speaks for the file: bytes, speed, and how the answers compare. */
static void put_why(rk_buffer *b, const rk_page_verdict *v)
{
    const json_t *own = eval_of(v->ship), *base = eval_of(v->base);
    const double worst = rk_page_item(v->pair, "accuracy_drop_ci95", 1);
    const json_t *flipped = json_object_get(v->pair, "flipped");
    const double moved = rk_page_number(flipped, "to_right") + rk_page_number(flipped, "to_wrong");
    double times;

    if (v->ship == v->base) {
        rk_buffer_puts(b, "It is the smallest file that is not shown to lose accuracy.");
        return;
    }
    if (v->ship != v->best && rk_page_part(own, "accuracy_ci95")) {
        rk_buffer_puts(b, "It is right on ");
        rk_page_percent(b, rk_page_number(own, "accuracy"));
        rk_buffer_puts(b, " of the test rows (95% interval ");
        put_interval(b, own, "accuracy_ci95");
        rk_buffer_puts(b, "), takes ");
    } else {
        rk_buffer_puts(b, "It takes ");
    }
    rk_page_bytes(b, rk_page_number(v->ship, "model_bytes"));
    rk_buffer_puts(b, " instead of ");
    rk_page_bytes(b, rk_page_number(v->base, "model_bytes"));
    if (ratio(&times, rk_page_number(own, "rows_per_s"), rk_page_number(base, "rows_per_s"))) {
        rk_buffer_puts(b, ", runs ");
        rk_page_fixed(b, times, 1);
        rk_buffer_puts(b, " times as many rows per second");
    }
    rk_buffer_puts(b, ", and these rows do not show it to be less accurate than ");
    rk_page_precision(b, rk_page_string(v->base, "name"));
    if (moved == 0.0) {
        rk_buffer_puts(b, ": it is right on exactly the same ones");
    } else if (!isnan(worst)) {
        rk_buffer_puts(b, ": a loss of more than ");
        rk_page_points(b, fmax(worst, 0.0));
        rk_buffer_puts(b, " points is ruled out (95%)");
    }
    rk_buffer_puts(b, ".");
}

static void put_rule(rk_buffer *b, const rk_page_verdict *v)
{
    const char *base = rk_page_string(v->base, "name");

    rk_buffer_puts(b, "<p class=\"note\"><b>The rule.</b> Ship the smallest file whose accuracy is "
                      "not shown to be below that of ");
    rk_page_precision(b, base);
    rk_buffer_puts(b, ": the 95% interval of the paired difference on the same rows includes zero "
                      "(files that were not compared row by row: the two accuracy intervals "
                      "overlap). A file that did not run in its own precision is left out. Few "
                      "rows show little, so read the loss that is ruled out, "
                      "too.</p>\n");
}

void rk_page_headline(rk_buffer *b, const json_t *report, const rk_page_verdict *v)
{
    rk_buffer_puts(b, "<h1>");
    put_title(b, report, v);
    rk_buffer_puts(b, "</h1>\n");
    if (v->best || knows_training(report)) {
        rk_buffer_puts(b, "<p class=\"lead\">");
        put_trained(b, report);
        if (v->best) put_best(b, v->best);
        rk_buffer_puts(b, "</p>\n");
    }
    if (!v->ship) return;
    rk_buffer_puts(b, "<p class=\"lead\"><strong>Why ");
    put_file(b, v->ship);
    rk_buffer_puts(b, ".</strong> ");
    put_why(b, v);
    rk_buffer_puts(b, "</p>\n");
    put_rule(b, v);
}

/* ---- paired comparison ---- */

static void put_flips(rk_buffer *b, const json_t *pair, double rows)
{
    const json_t *flipped = json_object_get(pair, "flipped");
    const double right = rk_page_number(flipped, "to_right");
    const double wrong = rk_page_number(flipped, "to_wrong");
    const double changed = rk_page_number(pair, "changed");
    const double other = changed - right - wrong;

    rk_page_precision(b, rk_page_string(pair, "candidate"));
    if (changed == 0.0 || (isnan(changed) && right + wrong == 0.0)) {
        rk_buffer_puts(b, changed == 0.0 ? " gave the same answer on every row"
                                         : " was right on exactly the same rows");
    } else if (changed >= 1.0) {
        rk_buffer_puts(b, " changed ");
        rk_page_count(b, changed);
        rk_buffer_puts(b, " of ");
        rk_page_some(b, rows, "answer", "answers");
    } else {
        rk_buffer_puts(b, " was right where it had been wrong, or the reverse, on ");
        rk_page_count(b, right + wrong);
        rk_buffer_puts(b, " of ");
        rk_page_some(b, rows, "row", "rows");
    }
    if (right + wrong > 0.0 || other > 0.0) {
        rk_buffer_puts(b, ": ");
        rk_page_count(b, right);
        rk_buffer_puts(b, " to right, ");
        rk_page_count(b, wrong);
        rk_buffer_puts(b, " to wrong");
        if (other > 0.0) {
            rk_buffer_puts(b, ", ");
            rk_page_count(b, other);
            rk_buffer_puts(b, " from one wrong label to another");
        }
    }
    rk_buffer_puts(b, ". ");
}

static void put_significance(rk_buffer *b, const json_t *pair, double rows)
{
    const double p = rk_page_number(pair, "mcnemar_p");
    const double drop = rk_page_number(pair, "accuracy_drop");

    if (isnan(p)) return;
    rk_buffer_puts(b, "McNemar ");
    rk_page_p(b, p);
    if (p < 0.05) {
        rk_buffer_puts(b, drop < 0 ? ": a real gain, more than chance explains. "
                                   : ": a real loss, more than chance explains. ");
    } else {
        rk_buffer_puts(b, ": no difference that ");
        if (isnan(rows)) rk_buffer_puts(b, "these rows");
        else rk_page_some(b, rows, "row", "rows");
        rk_buffer_puts(b, " could show. ");
    }
}

static void put_drop(rk_buffer *b, const json_t *pair)
{
    const double drop = rk_page_number(pair, "accuracy_drop");
    const double most = rk_page_number(pair, "max_logit_diff");

    if (!isnan(drop)) {
        rk_buffer_puts(b, "Accuracy ");
        if (fabs(drop) < 5e-7) {
            rk_buffer_puts(b, "stays the same");
        } else {
            rk_buffer_puts(b, drop > 0 ? "falls by " : "rises by ");
            rk_page_points(b, fabs(drop));
            rk_buffer_puts(b, " points");
        }
        if (rk_page_part(pair, "accuracy_drop_ci95")) {
            /* As a change, so that a loss has a minus. */
            rk_buffer_puts(b, " (95% interval of the change ");
            rk_page_points(b, -rk_page_item(pair, "accuracy_drop_ci95", 1));
            rk_buffer_puts(b, " to ");
            rk_page_points(b, -rk_page_item(pair, "accuracy_drop_ci95", 0));
            rk_buffer_puts(b, ")");
        }
        rk_buffer_puts(b, ". ");
    }
    if (!isnan(most)) {
        rk_buffer_puts(b, "The largest difference of two logits is ");
        rk_page_short(b, most);
        rk_buffer_puts(b, ".");
    }
}

void rk_page_pairs(rk_buffer *b, const json_t *report)
{
    const json_t *pair, *result, *results = json_object_get(report, "results");
    size_t i, j;

    rk_buffer_puts(b, "<ul class=\"pairs\">\n");
    json_array_foreach(json_object_get(report, "compare"), i, pair) {
        double rows = rk_page_number(pair, "rows");
        json_array_foreach(results, j, result) {
            if (isnan(rows) && named(result, "name", rk_page_string(pair, "base")))
                rows = rk_page_number(eval_of(result), "rows");
        }
        rk_buffer_puts(b, "<li><h3>");
        rk_page_precision(b, rk_page_string(pair, "candidate"));
        rk_buffer_puts(b, " against ");
        rk_page_precision(b, rk_page_string(pair, "base"));
        rk_buffer_puts(b, "</h3>\n<p>");
        if (rk_page_part(pair, "flipped")) put_flips(b, pair, rows);
        put_significance(b, pair, rows);
        put_drop(b, pair);
        rk_buffer_puts(b, "</p></li>\n");
    }
    rk_buffer_puts(b, "</ul>\n");
}

/* ---- how to read it ---- */

void rk_page_reading(rk_buffer *b, const json_t *report, const rk_page_verdict *v)
{
    const json_t *eval = eval_of(v->base);
    const double rows = rk_page_number(eval, "rows");
    const double half = (rk_page_item(eval, "accuracy_ci95", 1) -
                         rk_page_item(eval, "accuracy_ci95", 0)) / 2;

    rk_buffer_puts(b, "<p>The <b>95% interval</b> (Wilson) is the range of true accuracies that "
                      "the test rows do not contradict.");
    if (!isnan(rows) && !isnan(half)) {
        rk_buffer_puts(b, " With ");
        rk_page_some(b, rows, "row", "rows");
        rk_buffer_puts(b, " it is about \xc2\xb1");
        rk_page_points(b, half);
        rk_buffer_puts(b, " points; four times as many rows would halve it.");
    }
    rk_buffer_puts(b, "</p>\n");
    if (rk_page_part(report, "compare"))
        rk_buffer_puts(b, "<p>Two files measured on the same rows are compared <b>row by row</b>, "
                          "which sees smaller differences than two intervals side by side. "
                          "<b>McNemar\xe2\x80\x99s test</b> asks whether the rows that turned "
                          "right and the rows that turned wrong could be the two sides of a "
                          "fair coin. A large <i>p</i> does not show that the files are equally "
                          "good, only that these rows cannot tell.</p>\n");
    rk_buffer_puts(b, "<p><b>F1</b> joins precision and recall; <i>weighted</i> counts each label "
                      "by its rows, <i>macro</i> counts all labels alike.</p>\n");
}
