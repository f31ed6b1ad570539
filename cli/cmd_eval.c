#include "cli.h"

static int run(cli_args *a)
{
    const char *data = cli_need(a, "data");
    const size_t batch = cli_count(a, "batch", 0, 1, 4096);
    const rk_compute compute = cli_compute(a);
    const rk_fields fields = cli_fields(a);
    cli_progress progress = {.quiet = a->quiet};
    rk_error err;
    char *text;
    json_t *result;
    rk_status st;

    if (a->wrong) return CLI_USAGE;
    st = rk_eval(&text, a->operand[0], data, &fields, batch, compute, cli_on_progress,
                 &progress, &err);
    cli_progress_end(&progress);
    if (st) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json) cli_put_json(stdout, result);
    else cli_put_eval(stdout, result);
    json_decref(result);
    return CLI_DONE;
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "labelled rows: TSV, CSV or JSON Lines by the ending", 0},
    CLI_FIELD_OPTIONS,
    {"batch", "N", "32", "rows per call", 0},
    {"compute", "TYPE", "auto", "auto, f32 or bf16: products of a float model", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_eval = {
    .name = "eval",
    .purpose = "how good and how fast a model is on labelled rows",
    .usage = "MODEL --data FILE [--batch N] [--compute auto|f32|bf16] [--json]",
    .options = options,
    .notes = "Latency is of single texts, from bytes to answer, on up to 200 rows spread over the\n"
             "file. Rows per second is of batches of rows of like length. The precision reported\n"
             "is the one that ran.",
    .example = "ringkas eval build/demo/model_int8.onnx --data data/sample/test.tsv",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
