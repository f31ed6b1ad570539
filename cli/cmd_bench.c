#include "cli.h"

static void put(const json_t *models)
{
    cli_table t;
    size_t i, j;
    json_t *m, *b;
    char size[CLI_SIZE_TEXT], rss[CLI_SIZE_TEXT];

    static const char *const head[] = {"model", "ran", "bytes", "memory", "load ms", "p50 ms",
                                       "p95 ms", "p99 ms", "threads"};
    cli_table_head(&t, head, sizeof head / sizeof head[0]);
    json_array_foreach(models, i, m) {
        cli_table_add(&t, "%s", cli_str(m, "model"));
        cli_table_add(&t, "%s %s", cli_str(m, "precision_ran"), cli_str(m, "isa"));
        cli_table_add(&t, "%s", cli_bytes(size, cli_num(m, "model_bytes")));
        cli_table_add(&t, "%s", cli_bytes(rss, cli_num(m, "rss_bytes")));
        cli_table_add(&t, "%.1f", cli_num(m, "load_ms"));
        cli_table_add(&t, "%.2f", cli_num(m, "batch1.p50_ms"));
        cli_table_add(&t, "%.2f", cli_num(m, "batch1.p95_ms"));
        cli_table_add(&t, "%.2f", cli_num(m, "batch1.p99_ms"));
        cli_table_add(&t, "%.0f", cli_num(m, "threads"));
    }
    cli_table_end(&t, stdout);
    putchar('\n');

    static const char *const second[] = {"model", "batch", "rows/s", "tokens/s", "GFLOP/s",
                                         "of peak %"};
    cli_table_head(&t, second, sizeof second / sizeof second[0]);
    json_array_foreach(models, i, m) {
        json_array_foreach(json_object_get(m, "batches"), j, b) {
            cli_table_add(&t, "%s", cli_str(m, "model"));
            cli_table_add(&t, "%.0f", cli_num(b, "batch"));
            cli_table_add(&t, "%.1f", cli_num(b, "rows_per_s"));
            cli_table_add(&t, "%.0f", cli_num(b, "tokens_per_s"));
            cli_table_add(&t, "%.1f", cli_num(b, "gflops"));
            cli_table_add(&t, "%.1f", 100.0 * cli_num(b, "share_of_peak"));
        }
    }
    cli_table_end(&t, stdout);
}

static int run(cli_args *a)
{
    const char *data = cli_need(a, "data");
    const size_t batch = cli_count(a, "batch", 0, 1, 4096);
    const size_t repeat = cli_count(a, "repeat", 3, 1, 1000);
    const rk_compute compute = cli_compute(a);
    const rk_fields fields = cli_fields(a);
    json_t *models, *result;
    int code = CLI_DONE;

    if (a->wrong) return CLI_USAGE;
    models = json_array();
    for (size_t i = 0; i < a->operands && code == CLI_DONE; i++) {
        rk_error err;
        char *text;
        json_t *one;
        if (a->operands > 1) cli_say(a, "timing %s", a->operand[i]);
        if (rk_bench(&text, a->operand[i], data, &fields, batch, repeat, compute, &err)) {
            code = cli_fail(&err);
            break;
        }
        one = cli_parse(text);
        if (!one || json_array_append_new(models, one)) code = CLI_FAILED;
    }
    if (code == CLI_DONE && a->json) {
        result = json_pack("{s:s, s:I, s:O}", "data", data, "repeat", (json_int_t)repeat, "models",
                           models);
        if (!result || !cli_put_json(stdout, result)) code = CLI_FAILED;
        json_decref(result);
    } else if (code == CLI_DONE) {
        put(models);
    }
    json_decref(models);
    return code;
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "rows to time; labels are not needed, 1,000 rows are used", 0},
    CLI_FIELD_OPTIONS,
    {"batch", "N", NULL, "rows per call (default: 1, 8 and 32 one after another)", 0},
    {"repeat", "N", "3", "times over the rows", 0},
    {"compute", "auto|f32|bf16", "auto", "products of a float model", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_bench = {
    .name = "bench",
    .purpose = "how fast models are",
    .usage = "MODEL... --data FILE [--batch N] [--repeat N] [--json]",
    .options = options,
    .notes = "One text at a time: milliseconds from bytes to answer, on up to 200 rows spread\n"
             "over the data. In batches: rows, tokens and floating-point operations per second,\n"
             "counted over the whole network. Memory is of this process: name one model to know\n"
             "its own.",
    .example = "ringkas bench model.onnx model_int8.onnx --data test.tsv --repeat 5",
    .min_operands = 1,
    .max_operands = 64,
    .run = run,
};
