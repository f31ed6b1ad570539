/* Figures of several trainings of one kind: mean and interval. */
#include <string.h>

#include "cli.h"

enum { SEEDS_MAX = 1000 };

static const char *const figures[] = {"accuracy", "balanced_accuracy", "f1_weighted", "f1_macro",
                                      "mcc",      "roc_auc_macro",     "log_loss",    "brier",
                                      "ece"};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static bool refuse(const char *path, const char *why)
{
    cli_error("%s: %s; an object of `eval --json` or a report.json is wanted", path, why);
    return false;
}

/* The results of a report, each under its name. */
static bool add_report(json_t *evals, const json_t *results, const char *path)
{
    size_t i;
    json_t *r;

    json_array_foreach(results, i, r)
    {
        json_t *eval = json_object_get(r, "eval"), *copy;
        if (!json_is_object(eval) || !json_is_number(json_object_get(eval, "accuracy")))
            return refuse(path, "a result without an eval");
        copy = json_copy(eval);
        json_object_set(copy, "name", json_object_get(r, "name"));
        if (json_array_append_new(evals, copy)) return refuse(path, "out of memory");
    }
    return true;
}

bool cli_seeds_read(json_t *evals, const char *path)
{
    json_error_t e;
    json_t *file, *results;
    bool ok;

    if (!cli_is_file(path)) {
        cli_error("%s: no such file", path);
        return false;
    }
    file = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (!file) {
        cli_error("%s:%d: %s", path, e.line, e.text);
        return false;
    }
    results = json_object_get(file, "results");
    if (json_is_array(results))
        ok = add_report(evals, results, path);
    else if (json_is_number(json_object_get(file, "accuracy")))
        ok = json_array_append(evals, file) == 0;
    else
        ok = refuse(path, "no \"accuracy\" in it");
    json_decref(file);
    return ok;
}

/* What an evaluation is counted under: a name from a report, else the precision that ran. */
static const char *name_of(const json_t *eval)
{
    const char *name = cli_str(eval, "name");
    return *name ? name : cli_str(eval, "precision_ran");
}

static json_t *number(double x)
{
    json_t *real = json_real(x); /* NULL for what is not finite */
    return real ? real : json_null();
}

static json_t *figure_json(const json_t *evals, const char *name, const char *key)
{
    double values[SEEDS_MAX];
    size_t i, n = 0;
    json_t *e;
    rk_summary s;
    rk_error err;

    json_array_foreach(evals, i, e)
    {
        const json_t *value = json_object_get(e, key);
        if (strcmp(name_of(e), name) != 0 || n == SEEDS_MAX) continue;
        if (!json_is_number(value)) return NULL;
        values[n++] = json_number_value(value);
    }
    if (rk_summarise(&s, values, n, &err)) return NULL;
    return json_pack("{s:f, s:o, s:[o, o]}", "mean", s.mean, "sd", number(s.sd), "ci95",
                     number(s.ci95[0]), number(s.ci95[1]));
}

static json_t *group_json(const json_t *evals, const char *name)
{
    json_t *metrics = json_object(), *e;
    size_t i, n = 0;

    json_array_foreach(evals, i, e) n += strcmp(name_of(e), name) == 0;
    for (size_t k = 0; k < FIGURES; k++) {
        json_t *one = figure_json(evals, name, figures[k]);
        if (one) json_object_set_new(metrics, figures[k], one);
    }
    return json_pack("{s:s, s:I, s:o}", "name", name, "n", (json_int_t)n, "metrics", metrics);
}

json_t *cli_seeds_json(const json_t *evals)
{
    json_t *summary = json_array(), *e, *done, *result;
    size_t i, k;

    json_array_foreach(evals, i, e)
    {
        bool seen = false;
        json_array_foreach(summary, k, done) seen =
            seen || strcmp(cli_str(done, "name"), name_of(e)) == 0;
        if (!seen) json_array_append_new(summary, group_json(evals, name_of(e)));
    }
    result = json_pack("{s:O, s:o}", "models", evals, "summary", summary);
    if (!result) cli_error("out of memory");
    return result;
}

static void put_models(FILE *to, const json_t *models)
{
    static const char *const head[] = {"model",  "name",        "rows",    "accuracy %",
                                       "[95 %]", "weighted F1", "macro F1"};
    size_t i;
    json_t *e;
    cli_table t;

    cli_table_head(&t, head, sizeof head / sizeof head[0]);
    json_array_foreach(models, i, e)
    {
        const json_t *ci = json_object_get(e, "accuracy_ci95");
        cli_table_add(&t, "%s", cli_str(e, "model"));
        cli_table_add(&t, "%s", name_of(e));
        cli_table_add(&t, "%.0f", cli_num(e, "rows"));
        cli_table_add(&t, "%.2f", 100.0 * cli_num(e, "accuracy"));
        cli_table_add(&t, "[%.2f, %.2f]", 100.0 * json_number_value(json_array_get(ci, 0)),
                      100.0 * json_number_value(json_array_get(ci, 1)));
        cli_table_add(&t, "%.4f", cli_num(e, "f1_weighted"));
        cli_table_add(&t, "%.4f", cli_num(e, "f1_macro"));
    }
    cli_table_end(&t, to);
}

void cli_put_seeds(FILE *to, const json_t *result)
{
    static const char *const head[] = {"name", "models", "figure", "mean", "sd", "[95 % of mean]"};
    size_t i;
    const char *key;
    json_t *group, *m;
    cli_table t;

    put_models(to, json_object_get(result, "models"));
    fputc('\n', to);
    cli_table_head(&t, head, sizeof head / sizeof head[0]);
    json_array_foreach(json_object_get(result, "summary"), i, group)
    {
        json_object_foreach(json_object_get(group, "metrics"), key, m)
        {
            const json_t *ci = json_object_get(m, "ci95");
            const bool known = json_is_number(json_object_get(m, "sd"));
            cli_table_add(&t, "%s", cli_str(group, "name"));
            cli_table_add(&t, "%.0f", cli_num(group, "n"));
            cli_table_add(&t, "%s", key);
            cli_table_add(&t, "%.4f", cli_num(m, "mean"));
            if (known)
                cli_table_add(&t, "%.4f", cli_num(m, "sd"));
            else
                cli_table_add(&t, "-");
            if (known)
                cli_table_add(&t, "[%.4f, %.4f]", json_number_value(json_array_get(ci, 0)),
                              json_number_value(json_array_get(ci, 1)));
            else
                cli_table_add(&t, "-");
        }
    }
    cli_table_end(&t, to);
}
