/* The result of eval for people. */
#include <string.h>

#include "cli.h"

enum { CONFUSION_LABELS = 10, TEXT_SHOWN = 100 };

static double at(const json_t *pair, size_t i)
{
    return json_number_value(json_array_get(pair, i));
}

static void put_share(FILE *to, const json_t *e, const char *what, const char *key, const char *ci)
{
    const json_t *pair = json_object_get(e, ci);
    fprintf(to, "%-13s%.2f %%", what, 100.0 * cli_num(e, key));
    if (pair) fprintf(to, "  [%.2f, %.2f] 95 %%", 100.0 * at(pair, 0), 100.0 * at(pair, 1));
    fputc('\n', to);
}

static void put_optional(FILE *to, const json_t *e, const char *key, const char *format)
{
    const json_t *value = json_object_get(e, key);
    if (json_is_number(value))
        fprintf(to, format, json_number_value(value));
    else
        fputs("undefined", to);
}

static void put_quality(FILE *to, const json_t *e)
{
    const json_t *w = json_object_get(e, "f1_weighted_ci95");
    const json_t *m = json_object_get(e, "f1_macro_ci95");

    put_share(to, e, "accuracy", "accuracy", "accuracy_ci95");
    fprintf(to, "F1           %.4f weighted", cli_num(e, "f1_weighted"));
    if (w) fprintf(to, "  [%.4f, %.4f] 95 %%", at(w, 0), at(w, 1));
    fprintf(to, "\n             %.4f macro   ", cli_num(e, "f1_macro"));
    if (m) fprintf(to, "  [%.4f, %.4f] 95 %%", at(m, 0), at(m, 1));
    fprintf(to, "\nbalanced     %.4f, Matthews correlation %.4f, ROC AUC ",
            cli_num(e, "balanced_accuracy"), cli_num(e, "mcc"));
    put_optional(to, e, "roc_auc_macro", "%.4f");
    fprintf(to, "\nprobability  log loss %.4f, Brier %.4f, calibration error %.4f%s\n",
            cli_num(e, "log_loss"), cli_num(e, "brier"), cli_num(e, "ece"),
            json_is_true(json_object_get(e, "fitted_here")) ? " (fitted on these very rows)" : "");
}

static void put_run(FILE *to, const json_t *e)
{
    char size[CLI_SIZE_TEXT], rss[CLI_SIZE_TEXT];
    const json_t *abstain = json_object_get(e, "abstain");

    fprintf(to, "rows         %.0f (%.0f cut to the model's length)", cli_num(e, "rows"),
            cli_num(e, "truncated"));
    if (cli_num(e, "skipped_rows") > 0.0)
        fprintf(to, "; %.0f bad ones skipped", cli_num(e, "skipped_rows"));
    fputc('\n', to);
    if (json_is_object(abstain))
        fprintf(to, "abstaining   below %.4f: answers %.2f %% of the rows, %.2f %% of them right\n",
                cli_num(abstain, "threshold"), 100.0 * cli_num(abstain, "coverage"),
                100.0 * cli_num(abstain, "accuracy"));
    fprintf(to, "latency      p50 %.2f ms, p95 %.2f ms, one text at a time\n",
            cli_num(e, "latency_ms.p50"), cli_num(e, "latency_ms.p95"));
    fprintf(to, "throughput   %.1f rows/s in batches of %.0f\n", cli_num(e, "rows_per_s"),
            cli_num(e, "batch"));
    fprintf(to, "model        %s, %s, %s on %.0f threads, %s of memory\n",
            cli_bytes(size, cli_num(e, "model_bytes")), cli_str(e, "precision_ran"),
            cli_str(e, "isa"), cli_num(e, "threads"), cli_bytes(rss, cli_num(e, "rss_bytes")));
}

static void add_scores(cli_table *t, const char *name, double precision, double recall, double f1,
                       double rows)
{
    cli_table_add(t, "%s", name);
    cli_table_add(t, "%.4f", precision);
    cli_table_add(t, "%.4f", recall);
    cli_table_add(t, "%.4f", f1);
    cli_table_add(t, "%.0f", rows);
}

/* scikit-learn's classification_report, by heart known to many. */
static void put_report(FILE *to, const json_t *e)
{
    const double rows = cli_num(e, "rows");
    const json_t *scores = json_object_get(e, "per_label"), *s;
    const char *name;
    cli_table t;

    cli_table_start(&t, 5);
    cli_table_add(&t, " ");
    cli_table_add(&t, "precision");
    cli_table_add(&t, "recall");
    cli_table_add(&t, "f1-score");
    cli_table_add(&t, "support");
    json_object_foreach((json_t *)(uintptr_t)scores, name, s)
        add_scores(&t, name, cli_num(s, "precision"), cli_num(s, "recall"), cli_num(s, "f1"),
                   cli_num(s, "support"));
    cli_table_add(&t, "accuracy");
    cli_table_add(&t, "%s", "");
    cli_table_add(&t, "%s", "");
    cli_table_add(&t, "%.4f", cli_num(e, "accuracy"));
    cli_table_add(&t, "%.0f", rows);
    add_scores(&t, "macro avg", cli_num(e, "precision_macro"), cli_num(e, "recall_macro"),
               cli_num(e, "f1_macro"), rows);
    add_scores(&t, "weighted avg", cli_num(e, "precision_weighted"), cli_num(e, "recall_weighted"),
               cli_num(e, "f1_weighted"), rows);
    cli_table_end(&t, to);
}

static void put_confusion(FILE *to, const json_t *e)
{
    const json_t *labels = json_object_get(e, "labels");
    const json_t *confusion = json_object_get(e, "confusion");
    const size_t n = json_array_size(labels);
    cli_table t;

    if (n > CONFUSION_LABELS) return;
    fputc('\n', to);
    cli_table_start(&t, n + 1);
    cli_table_add(&t, "truth \\ answer");
    for (size_t i = 0; i < n; i++)
        cli_table_add(&t, "%s", json_string_value(json_array_get(labels, i)));
    for (size_t i = 0; i < n; i++) {
        cli_table_add(&t, "%s", json_string_value(json_array_get(labels, i)));
        for (size_t j = 0; j < n; j++)
            cli_table_add(
                &t, "%lld",
                (long long)json_integer_value(json_array_get(json_array_get(confusion, i), j)));
    }
    cli_table_end(&t, to);
}

void cli_put_text(FILE *to, const char *text)
{
    size_t n = strlen(text), shown = n;

    if (n > TEXT_SHOWN) {
        shown = TEXT_SHOWN;
        while (shown && ((unsigned char)text[shown] & 0xc0) == 0x80) shown--;
    }
    cli_put_escaped(to, text, shown);
    if (shown < n) fputs("...", to);
    fputc('\n', to);
}

static void put_suspects(FILE *to, const json_t *e)
{
    const json_t *list = json_object_get(e, "suspects");
    size_t i;
    json_t *s;

    if (!list) return;
    fprintf(to, "\nRows of the largest loss: where a label may be wrong\n"
                "line  loss  label (its probability) -> answer (its probability)  text\n");
    json_array_foreach(list, i, s)
    {
        fprintf(to, "%.0f  %.3f  %s (%.4f) -> %s (%.4f)  ", cli_num(s, "line"), cli_num(s, "loss"),
                cli_str(s, "label"), cli_num(s, "label_probability"), cli_str(s, "answer"),
                cli_num(s, "probability"));
        cli_put_text(to, cli_str(s, "text"));
    }
}

void cli_put_eval(FILE *to, const json_t *e)
{
    if (json_is_true(json_object_get(e, "partial")))
        fprintf(to, "PARTIAL: the first %.0f rows only\n", cli_num(e, "rows"));
    put_quality(to, e);
    put_run(to, e);
    fputc('\n', to);
    put_report(to, e);
    put_confusion(to, e);
    put_suspects(to, e);
}
