#include <string.h>

#include "cli.h"

static bool is_report(const char *path)
{
    const size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0 && cli_is_file(path);
}

/* One model. A result that came with an error is of the rows before it; `shown` says whether it
 * will be seen. */
static int evaluate(cli_args *a, rk_eval_options *o, const char *model, bool shown, json_t **result)
{
    cli_progress progress = {.quiet = a->quiet};
    rk_error err;
    char *text;
    rk_status st;
    int code = CLI_DONE;

    *result = NULL;
    o->model = model;
    st = rk_eval(&text, o, cli_on_progress, &progress, &err);
    cli_progress_end(&progress);
    if (text) *result = cli_parse(text);
    if (st && *result && shown) {
        code = CLI_FAILED;
        cli_error("%s (what follows is of the %.0f rows before it)", err.message,
                  cli_num(*result, "rows"));
    } else if (st) {
        code = cli_fail(&err);
    }
    return text && !*result ? CLI_FAILED : code;
}

static int one(cli_args *a, rk_eval_options *o)
{
    json_t *result;
    size_t i;
    json_t *bad;
    int code = evaluate(a, o, a->operand[0], true, &result);

    if (!result) return code;
    json_array_foreach(json_object_get(result, "bad_rows"), i, bad)
        cli_say(a, "ringkas: skipped: %s", json_string_value(bad));
    if (a->json)
        cli_put_json(stdout, result);
    else
        cli_put_eval(stdout, result);
    json_decref(result);
    return code;
}

/* A mean over results of different rows would say nothing. */
static bool same_rows(const json_t *evals)
{
    const json_t *first = json_array_get(evals, 0), *eval;
    size_t i;

    json_array_foreach(evals, i, eval)
    {
        if (cli_num(eval, "rows") == cli_num(first, "rows")) continue;
        cli_error("%s: of %.0f rows, and %s of %.0f: results of the same rows are wanted",
                  cli_str(eval, "model"), cli_num(eval, "rows"), cli_str(first, "model"),
                  cli_num(first, "rows"));
        return false;
    }
    return true;
}

static int several(cli_args *a, rk_eval_options *o)
{
    json_t *evals = json_array(), *result = NULL;
    int code = CLI_DONE;

    for (size_t i = 0; i < a->operands && !code; i++) {
        const char *path = a->operand[i];
        json_t *eval;
        if (is_report(path)) {
            code = cli_seeds_read(evals, path) ? CLI_DONE : CLI_FAILED;
            continue;
        }
        cli_say(a, "evaluating %s", path);
        code = evaluate(a, o, path, false, &eval);
        if (eval && cli_num(eval, "skipped_rows") > 0.0)
            cli_say(a, "ringkas: %s: %.0f rows skipped", path, cli_num(eval, "skipped_rows"));
        if (eval && json_array_append_new(evals, eval)) code = CLI_FAILED;
    }
    if (!code && !same_rows(evals)) code = CLI_FAILED;
    if (!code && !(result = cli_seeds_json(evals))) code = CLI_FAILED;
    if (!code && a->json)
        cli_put_json(stdout, result);
    else if (!code)
        cli_put_seeds(stdout, result);
    json_decref(result);
    json_decref(evals);
    return code;
}

static int run(cli_args *a)
{
    static const char *const bad_rows[] = {"stop", "skip", NULL};
    rk_eval_options o = {0};
    bool all_saved = true;

    for (size_t i = 0; i < a->operands; i++) all_saved = all_saved && is_report(a->operand[i]);
    o.data = all_saved ? NULL : cli_need(a, "data");
    o.batch = cli_count(a, "batch", 0, 1, 4096);
    o.compute = cli_compute(a);
    o.fields = cli_fields(a);
    o.skip_bad_rows = cli_choice(a, "on-bad-row", bad_rows, 0) == 1;
    o.suspects = cli_count(a, "suspects", 0, 0, 10000);
    if (all_saved && cli_given(a, "data")) cli_misuse(a, "saved results need no --data");
    if (o.suspects && a->operands > 1) cli_misuse(a, "--suspects takes one model");
    if (a->wrong) return CLI_USAGE;
    cli_stop_on_signals();
    return a->operands == 1 && !all_saved ? one(a, &o) : several(a, &o);
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "labelled rows: TSV, CSV or JSON Lines by the ending", 0},
    CLI_FIELD_OPTIONS,
    {"batch", "N", "32", "rows per call", 0},
    {"compute", "auto|f32|bf16", "auto", "products of a float model", 0},
    {"on-bad-row", "stop|skip", "stop",
     "stop: give the figures of the rows before it, exit 1;\nskip: count it and go on", 0},
    {"suspects", "N", "0",
     "list N rows of the largest loss, whose labels may be wrong; use rows\n"
     "that the model was not trained on", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_eval = {
    .name = "eval",
    .purpose = "how good and how fast a model is on labelled rows",
    .usage = "MODEL... --data FILE [--on-bad-row stop|skip] [--suspects N]\n"
             "[--batch N] [--compute auto|f32|bf16] [--json]",
    .options = options,
    .notes = "The rows are read as a stream: a file of any length takes the same memory. The\n"
             "interval of the accuracy is Wilson's, those of F1 are bootstrapped. Latency is of\n"
             "single texts, from bytes to answer, on up to 200 rows spread over the file. Rows\n"
             "per second is of batches of rows of like length. The precision reported is the one\n"
             "that ran.\n"
             "Several models (say, of several seeds), or .json files with saved results (of\n"
             "eval --json, or report.json), give a table, and mean and 95 % interval (Student's\n"
             "t) of each figure over those of one name or precision.",
    .example = "ringkas eval build/demo/model_int8.onnx --data data/sample/test.tsv\n"
               "ringkas eval model.onnx --data valid.tsv --suspects 20\n"
               "ringkas eval seed1/report.json seed2/report.json seed3/report.json",
    .min_operands = 1,
    .max_operands = 1000,
    .run = run,
};
