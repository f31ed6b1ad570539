#include <string.h>

#include "train.h"

static void put_epochs(const json_t *epochs)
{
    cli_table t;
    size_t i;
    json_t *e;

    if (!json_array_size(epochs)) return;
    static const char *const head[] = {"epoch", "train loss", "valid loss", "valid accuracy",
                                       "valid F1", "kept"};
    cli_table_head(&t, head, sizeof head / sizeof head[0]);
    json_array_foreach(epochs, i, e) {
        cli_table_add(&t, "%.0f", cli_num(e, "epoch"));
        if (json_is_number(json_object_get(e, "train_loss")))
            cli_table_add(&t, "%.4f", cli_num(e, "train_loss"));
        else cli_table_add(&t, "-");
        cli_table_add(&t, "%.4f", cli_num(e, "valid_loss"));
        cli_table_add(&t, "%.4f", cli_num(e, "valid_accuracy"));
        cli_table_add(&t, "%.4f", cli_num(e, "valid_f1_weighted"));
        cli_table_add(&t, "%s", json_is_true(json_object_get(e, "kept")) ? "yes" : "");
    }
    cli_table_end(&t, stdout);
    putchar('\n');
}

static void put(const json_t *r, const char *out)
{
    char rss[CLI_SIZE_TEXT];
    put_epochs(json_object_get(r, "epochs"));
    printf("best         epoch %.0f: accuracy %.4f, weighted F1 %.4f on the validation rows\n",
           cli_num(r, "best.epoch"), cli_num(r, "best.valid_accuracy"),
           cli_num(r, "best.valid_f1_weighted"));
    printf("trained      %.0f rows, %.0f steps, %.1f s, %.1f rows/s, peak memory %s\n",
           cli_num(r, "rows"), cli_num(r, "steps"), cli_num(r, "seconds"), cli_num(r, "rows_per_s"),
           cli_bytes(rss, cli_num(r, "peak_rss_bytes")));
    printf("model        %s\n", out);
    if (json_object_get(r, "test")) {
        fputs("\ntest rows\n", stdout);
        cli_put_eval(stdout, json_object_get(r, "test"));
    }
}

static int run(cli_args *a)
{
    static const char *const qat[] = {"none", "fp16", "int8", NULL};
    const char *seeds = cli_text(a, "seeds", NULL);
    rk_train_options o;
    json_t *result = NULL;
    int code;

    rk_train_defaults(&o);
    o.model = cli_need(a, "model");
    o.train = cli_need(a, "train");
    o.valid = cli_need(a, "valid");
    o.test = cli_text(a, "test", NULL);
    o.out = cli_need(a, "out");
    o.qat = (rk_qat)cli_choice(a, "qat", qat, RK_QAT_NONE);
    cli_train_options(a, &o);
    cli_qat_options(a, &o);
    if (!a->wrong && o.qat == RK_QAT_NONE && o.qat_delay != 0.0)
        cli_misuse(a, "--qat-delay is of --qat fp16 or int8");
    if (!a->wrong && o.qat != RK_QAT_INT8 && (o.observer != RK_OBSERVER_MINMAX || o.learn_ranges))
        cli_misuse(a, "--observer and --learn-ranges are of --qat int8");
    o.fields = cli_fields(a);
    o.resume = cli_given(a, "resume");
    o.max_steps = cli_count(a, "max-steps", 0, 1, SIZE_MAX);
    o.max_train_rows = cli_count(a, "max-train-rows", 0, 1, SIZE_MAX);
    o.save_every = cli_count(a, "save-every", 0, 1, SIZE_MAX);
    if (seeds && cli_given(a, "seed")) cli_misuse(a, "either --seed or --seeds");
    if (!a->wrong) cli_refuse_same(a, o.model, o.out);
    if (a->wrong) return CLI_USAGE;

    cli_stop_on_signals();
    if (seeds) return cli_train_seeds(a, &o, seeds);
    code = cli_train_run(a, &o, &result);
    if (!code && a->json) cli_put_json(stdout, result);
    else if (!code) put(result, o.out);
    json_decref(result);
    return code;
}

static const cli_option options[] = {
    {"model", "DIR", NULL, "folder to start from (Hugging Face layout)", 0},
    {"train", "FILE", NULL, "training rows: TSV, CSV or JSON Lines by the ending", 0},
    {"valid", "FILE", NULL, "validation rows; the epoch of best weighted F1 is kept", 0},
    {"test", "FILE", NULL, "rows to evaluate the result on", 0},
    CLI_FIELD_OPTIONS,
    {"out", "DIR", NULL, "model folder to make", 0},
    {"qat", "none|fp16|int8", "none", "precision to simulate while training", 0},
    CLI_TRAIN_OPTIONS,
    CLI_QAT_OPTIONS,
    {"seeds", "N,N,..", NULL, "train once with each, into OUT/seed-N; mean and interval", 0},
    {"resume", NULL, NULL, "go on from the state that --out holds", 0},
    {"save-every", "N", NULL, "steps between resumable states (default: each epoch)", 0},
    {"max-steps", "N", NULL, "stop after N steps (default: no limit)", 0},
    {"max-train-rows", "N", NULL, "use the first N training rows (default: all)", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_train = {
    .name = "train",
    .purpose = "fine-tune a BERT classifier, also for FP16 or INT8",
    .usage = "--model DIR --train FILE --valid FILE --out DIR [--test FILE]\n"
             "[--qat none|fp16|int8] [options]",
    .options = options,
    .notes = "Ctrl-C ends the step, saves the state and stops; the same command with --resume\n"
             "goes on and ends at the same weights. A second Ctrl-C stops at once.\n"
             "training.jsonl in the folder has a line per step.",
    .example = "ringkas train --model indobert --train train.tsv --valid valid.tsv \\\n"
               "    --test test.tsv --out out/model",
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
