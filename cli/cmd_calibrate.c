#include "cli.h"

static void put_prior(const json_t *prior)
{
    const json_t *target = json_object_get(prior, "target"), *share;
    const char *name;
    cli_table t;

    if (!json_is_object(prior)) return;
    putchar('\n');
    cli_table_start(&t, 3);
    cli_table_add(&t, "label");
    cli_table_add(&t, "mean probability %%");
    cli_table_add(&t, "new share %%");
    json_object_foreach((json_t *)(uintptr_t)target, name, share)
    {
        cli_table_add(&t, "%s", name);
        cli_table_add(
            &t, "%.2f",
            100.0 * json_number_value(json_object_get(json_object_get(prior, "source"), name)));
        cli_table_add(&t, "%.2f", 100.0 * json_number_value(share));
    }
    cli_table_end(&t, stdout);
}

static void put(const json_t *r)
{
    static const char *const figure[] = {"log_loss", "brier", "ece"};
    static const char *const said[] = {"log loss", "Brier", "calibration error"};
    const json_t *abstain = json_object_get(r, "abstain");
    const json_t *ci = json_object_get(abstain, "precision_ci95");

    printf("rows                %.0f\n", cli_num(r, "rows"));
    printf("temperature         %.4f\n", cli_num(r, "temperature"));
    for (size_t i = 0; i < 3; i++)
        printf("%-20s%.4f -> %.4f\n", said[i], cli_num(json_object_get(r, "before"), figure[i]),
               cli_num(json_object_get(r, "after"), figure[i]));
    if (json_is_object(abstain))
        printf("abstaining          below %.4f: answers %.2f %% of the rows, %.2f %% of them right"
               "  [%.2f, %.2f] 95 %%\n",
               cli_num(abstain, "threshold"), 100.0 * cli_num(abstain, "coverage"),
               100.0 * cli_num(abstain, "precision"),
               100.0 * json_number_value(json_array_get(ci, 0)),
               100.0 * json_number_value(json_array_get(ci, 1)));
    put_prior(json_object_get(r, "prior"));
}

static int run(cli_args *a)
{
    cli_progress progress = {.quiet = a->quiet, .what = "calibrate"};
    rk_calibrate_options o = {0};
    rk_error err;
    char *text;
    json_t *result;
    rk_status st;

    o.model = a->operand[0];
    o.data = cli_need(a, "data");
    o.out = cli_need(a, "output");
    o.fields = cli_fields(a);
    o.no_temperature = cli_given(a, "no-temperature");
    o.target_prior = cli_text(a, "target-prior", NULL);
    o.unlabelled = cli_text(a, "unlabelled", NULL);
    o.abstain_precision = cli_real(a, "abstain-precision", 0.0, 0.0, 1.0);
    if (o.target_prior && o.unlabelled)
        cli_misuse(a, "--target-prior gives the label shares and --unlabelled estimates them; one "
                      "of them is wanted");
    if (a->wrong) return CLI_USAGE;
    st = rk_calibrate(&text, &o, cli_on_progress, &progress, &err);
    cli_progress_end(&progress);
    if (st) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json)
        cli_put_json(stdout, result);
    else
        put(result);
    cli_say(a, "wrote %s", o.out);
    json_decref(result);
    return CLI_DONE;
}

static const cli_option options[] = {
    {"data", "FILE", NULL, "labelled validation rows to fit on; never the test rows", 0},
    CLI_FIELD_OPTIONS,
    {"output", "PATH", NULL, ".onnx file to write, or folder to make", 'o'},
    {"no-temperature", NULL, NULL, "leave the sharpness of the probabilities as it is", 0},
    {"target-prior", "L=P,..", NULL, "label shares to expect, every label's", 0},
    {"unlabelled", "FILE", NULL, "rows to estimate the label shares on (EM); no labels needed", 0},
    {"abstain-precision", "P", NULL, "store a threshold: answers above it are right in a share P",
     0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_calibrate = {
    .name = "calibrate",
    .purpose = "make probabilities mean what they say",
    .usage = "MODEL --data FILE -o OUT [--no-temperature]\n"
             "[--target-prior L=P,.. | --unlabelled FILE] [--abstain-precision P] [--json]",
    .options = options,
    .notes =
        "A temperature is fitted on the rows (least log loss); it changes no answer, only how\n"
        "sure the model says it is. Where labels will come in other shares than in these\n"
        "rows, --target-prior tells them and --unlabelled estimates them from texts alone\n"
        "(Saerens et al. 2002); answers then change. Both become a scale and a bias on the\n"
        "logits: two nodes in the ONNX file, so every runtime gives the same probabilities;\n"
        "in a model folder an entry of ringkas.json, which export carries on.\n"
        "A file that was calibrated is fitted anew, from its uncalibrated logits. Convert\n"
        "first and calibrate the result: each precision has its own temperature.\n"
        "The threshold of --abstain-precision is used by predict --abstain.",
    .example = "ringkas calibrate model_int8.onnx --data valid.tsv -o calibrated.onnx \\\n"
               "        --abstain-precision 0.95\n"
               "ringkas predict calibrated.onnx --abstain \"lumayan lah\"",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
