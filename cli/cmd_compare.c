#include <string.h>

#include "cli.h"

static double end_of(const json_t *r, const char *key, size_t i)
{
    return 100.0 * json_number_value(json_array_get(json_object_get(r, key), i));
}

/* A dash where texts were not timed. */
static void put_ms(cli_table *t, const json_t *ms, const char *key)
{
    if (json_is_object(ms)) cli_table_add(t, "%.2f", cli_num(ms, key));
    else cli_table_add(t, "-");
}

static void put_models(const json_t *models)
{
    static const char *const head[] = {"model",  "ran",         "bytes",  "memory",
                                       "p50 ms", "p95 ms",      "rows/s", "accuracy %",
                                       "[95 %]", "weighted F1", "Pareto"};
    char size[CLI_SIZE_TEXT], memory[CLI_SIZE_TEXT];
    size_t i;
    json_t *m;
    cli_table t;

    cli_table_head(&t, head, sizeof head / sizeof head[0]);
    json_array_foreach(models, i, m)
    {
        cli_table_add(&t, "%s", cli_str(m, "model"));
        cli_table_add(&t, "%s", cli_str(m, "precision_ran"));
        cli_table_add(&t, "%s", cli_bytes(size, cli_num(m, "model_bytes")));
        cli_table_add(&t, "%s", cli_bytes(memory, cli_num(m, "memory_bytes")));
        put_ms(&t, json_object_get(m, "latency_ms"), "p50");
        put_ms(&t, json_object_get(m, "latency_ms"), "p95");
        cli_table_add(&t, "%.1f", cli_num(m, "rows_per_s"));
        cli_table_add(&t, "%.2f", 100.0 * cli_num(m, "accuracy"));
        cli_table_add(&t, "[%.2f, %.2f]", end_of(m, "accuracy_ci95", 0),
                      end_of(m, "accuracy_ci95", 1));
        cli_table_add(&t, "%.4f", cli_num(m, "f1_weighted"));
        cli_table_add(&t, "%s", json_is_true(json_object_get(m, "pareto")) ? "yes" : "");
    }
    cli_table_end(&t, stdout);
}

static void put_flips(const json_t *flips, const char *way, const char *title, double all)
{
    size_t i, n = 0;
    json_t *f;

    json_array_foreach(flips, i, f) n += strcmp(cli_str(f, "way"), way) == 0;
    if (n == 0) return;
    printf("\n%s: %zu of %.0f\nline  label  base (probability) -> candidate (probability)  text\n",
           title, n, all);
    json_array_foreach(flips, i, f)
    {
        if (strcmp(cli_str(f, "way"), way) != 0) continue;
        printf("%.0f  %s  %s (%.4f) -> %s (%.4f)  ", cli_num(f, "line"), cli_str(f, "label"),
               cli_str(f, "base"), cli_num(f, "base_probability"), cli_str(f, "candidate"),
               cli_num(f, "candidate_probability"));
        cli_put_text(stdout, cli_str(f, "text"));
    }
}

static void put_pair(const json_t *r)
{
    const char *gate = cli_str(r, "gate");

    printf("rows            %.0f\n", cli_num(r, "rows"));
    printf("accuracy        %.2f %% -> %.2f %%\n", 100.0 * cli_num(r, "base_eval.accuracy"),
           100.0 * cli_num(r, "candidate_eval.accuracy"));
    printf("drop            %.2f points  [%.2f, %.2f] 95 %%\n", 100.0 * cli_num(r, "accuracy_drop"),
           end_of(r, "accuracy_drop_ci95", 0), end_of(r, "accuracy_drop_ci95", 1));
    printf("F1 drop         %.2f points  [%.2f, %.2f] 95 %%, weighted\n",
           100.0 * cli_num(r, "f1_drop"), end_of(r, "f1_drop_ci95", 0),
           end_of(r, "f1_drop_ci95", 1));
    printf("flipped         %.0f to right, %.0f to wrong; %.0f labels differ\n",
           cli_num(r, "flipped.to_right"), cli_num(r, "flipped.to_wrong"), cli_num(r, "changed"));
    printf("McNemar         p = %.4g\n", cli_num(r, "mcnemar_p"));
    printf("largest logit difference  %.4g\n", cli_num(r, "max_logit_diff"));
    if (strcmp(gate, "none") != 0)
        printf("gate            %s: %s %.2f points, at most %.4g\n", gate,
               json_is_true(json_object_get(r, "confident")) ? "upper end" : "drop",
               cli_num(r, "gate_value"), cli_num(r, "max_drop_points"));
    put_flips(json_object_get(r, "flips"), "to_wrong", "Turned wrong",
              cli_num(r, "flipped.to_wrong"));
    put_flips(json_object_get(r, "flips"), "to_right", "Turned right",
              cli_num(r, "flipped.to_right"));
}

static void put(const json_t *r)
{
    const json_t *pairs = json_object_get(r, "pairs");
    size_t i;
    json_t *pair;

    put_models(json_object_get(r, "models"));
    if (!pairs) {
        putchar('\n');
        put_pair(r);
    }
    json_array_foreach(pairs, i, pair)
    {
        printf("\n== %s\n", cli_str(pair, "candidate"));
        put_pair(pair);
    }
}

/* A line on standard error for each candidate that fails the gate. */
static int gate(const cli_args *a, const json_t *r, double max_drop)
{
    const json_t *pairs = json_object_get(r, "pairs");
    int code = CLI_DONE;

    for (size_t i = 1; i < a->operands; i++) {
        const json_t *pair = pairs ? json_array_get(pairs, i - 1) : r;
        if (strcmp(cli_str(pair, "gate"), "fail") != 0) continue;
        cli_error("%s: accuracy drops by %s%.2f points; at most %.4g allowed", a->operand[i],
                  json_is_true(json_object_get(pair, "confident")) ? "up to " : "",
                  cli_num(pair, "gate_value"), max_drop);
        code = CLI_GATE;
    }
    return code;
}

static int run(cli_args *a)
{
    cli_progress progress = {.quiet = a->quiet};
    rk_compare_options o;
    rk_error err;
    char *text;
    json_t *result;
    rk_status st;
    int code;

    rk_compare_defaults(&o);
    o.base = a->operand[0];
    o.candidate = a->operand + 1;
    o.candidates = a->operands - 1;
    o.data = cli_need(a, "data");
    o.max_drop = cli_real(a, "max-drop", -1.0, 0.0, 100.0);
    o.confident = cli_given(a, "confident");
    o.fields = cli_fields(a);
    o.flips = cli_count(a, "flips", o.flips, 0, 1000000);
    o.no_latency = cli_given(a, "no-latency");
    if (o.confident && o.max_drop < 0.0) cli_misuse(a, "--confident needs --max-drop");
    if (a->wrong) return CLI_USAGE;
    st = rk_compare(&text, &o, cli_on_progress, &progress, &err);
    cli_progress_end(&progress);
    if (st) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json)
        cli_put_json(stdout, result);
    else
        put(result);
    code = gate(a, result, o.max_drop);
    json_decref(result);
    return code;
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "labelled rows: TSV, CSV or JSON Lines by the ending", 0},
    CLI_FIELD_OPTIONS,
    {"max-drop", "POINTS", NULL, "exit 3 when accuracy falls by more (default: no gate)", 0},
    {"confident", NULL, NULL, "the gate looks at the upper end of the drop's interval", 0},
    {"flips", "N", "10", "rows shown at most, each way", 0},
    {"no-latency", NULL, NULL, "do not time single texts", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_compare = {
    .name = "compare",
    .purpose = "what a smaller model costs, row by row",
    .usage = "BASE CANDIDATE... --data FILE [--max-drop POINTS [--confident]]\n"
             "[--flips N] [--no-latency] [--json]",
    .options = options,
    .notes = "All answer the same rows. Told are size, memory of the weights, time and accuracy\n"
             "side by side; then, for each candidate against the base, the rows that turned right\n"
             "or wrong (the most confident wrong answer first), the exact McNemar p, and the drop\n"
             "of accuracy and F1 with paired bootstrap intervals. A drop whose interval holds 0\n"
             "is not shown to be one. In the Pareto set is what no other model beats in\n"
             "accuracy, size and median latency at once.\n"
             "With --max-drop the command is a gate: --confident asks that the drop be shown to\n"
             "be small, not only not shown to be large. In JSON the drops are shares (0.01 is\n"
             "one point).",
    .example = "ringkas compare model.onnx model_int8.onnx --data test.tsv --max-drop 1.5\n"
               "ringkas compare model.onnx model_fp16.onnx model_int8.onnx --data test.tsv",
    .min_operands = 2,
    .max_operands = 65,
    .run = run,
};
