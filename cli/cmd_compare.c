#include <string.h>

#include "cli.h"

static void put(const json_t *r)
{
    const json_t *ci = json_object_get(r, "accuracy_drop_ci95");
    const char *gate = cli_str(r, "gate");

    printf("rows            %.0f\n", cli_num(r, "rows"));
    printf("accuracy        %.2f %% -> %.2f %%\n", 100.0 * cli_num(r, "base_eval.accuracy"),
           100.0 * cli_num(r, "candidate_eval.accuracy"));
    printf("drop            %.2f points  [%.2f, %.2f] 95 %%\n", 100.0 * cli_num(r, "accuracy_drop"),
           100.0 * json_number_value(json_array_get(ci, 0)),
           100.0 * json_number_value(json_array_get(ci, 1)));
    printf("F1 drop         %.2f points, weighted\n", 100.0 * cli_num(r, "f1_drop"));
    printf("flipped         %.0f to right, %.0f to wrong; %.0f labels differ\n",
           cli_num(r, "flipped.to_right"), cli_num(r, "flipped.to_wrong"), cli_num(r, "changed"));
    printf("McNemar         p = %.4g\n", cli_num(r, "mcnemar_p"));
    printf("largest logit difference  %.4g\n", cli_num(r, "max_logit_diff"));
    if (strcmp(gate, "none") != 0)
        printf("gate            %s: at most %.4g points\n", gate, cli_num(r, "max_drop_points"));
}

static int run(cli_args *a)
{
    const char *data = cli_need(a, "data");
    const double max_drop = cli_real(a, "max-drop", -1.0, 0.0, 100.0);
    const rk_fields fields = cli_fields(a);
    cli_progress progress = {.quiet = a->quiet};
    rk_error err;
    char *text;
    json_t *result;
    rk_status st;
    int code;

    if (a->wrong) return CLI_USAGE;
    st = rk_compare(&text, a->operand[0], a->operand[1], data, &fields, max_drop, cli_on_progress,
                    &progress, &err);
    cli_progress_end(&progress);
    if (st) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json) cli_put_json(stdout, result);
    else put(result);
    code = strcmp(cli_str(result, "gate"), "fail") == 0 ? CLI_GATE : CLI_DONE;
    if (code == CLI_GATE)
        cli_error("%s: accuracy drops by %.2f points; at most %.4g allowed", a->operand[1],
                  100.0 * cli_num(result, "accuracy_drop"), max_drop);
    json_decref(result);
    return code;
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "labelled rows: TSV, CSV or JSON Lines by the ending", 0},
    CLI_FIELD_OPTIONS,
    {"max-drop", "POINTS", NULL, "exit 3 when accuracy falls by more (default: no gate)", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_compare = {
    .name = "compare",
    .purpose = "what a smaller model costs, row by row",
    .usage = "BASE CANDIDATE --data FILE [--max-drop POINTS] [--json]",
    .options = options,
    .notes = "Both answer the same rows. Told are the rows that turned right or wrong, the exact\n"
             "McNemar p, and the drop of accuracy with its paired bootstrap interval. In JSON the\n"
             "drops are shares (0.01 is one point).",
    .example = "ringkas compare model.onnx model_int8.onnx --data test.tsv --max-drop 1.5",
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
