#include "cli.h"

static int run(cli_args *a)
{
    rk_init_options o;
    rk_error err;
    char *text;
    json_t *result;

    rk_init_defaults(&o);
    o.train = cli_need(a, "train");
    o.out = cli_need(a, "out");
    o.clean = cli_text(a, "clean", NULL);
    o.fields = cli_fields(a);
    cli_init_sizes(a, &o);
    o.seed = cli_u64(a, "seed", o.seed);
    if (a->wrong) return CLI_USAGE;
    if (rk_init(&text, &o, &err)) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json) cli_put_json(stdout, result);
    else cli_put_object(stdout, result);
    json_decref(result);
    return CLI_DONE;
}

static const cli_option options[] = {
    {"train", "FILE", NULL, "rows to learn the vocabulary and the labels from", 0},
    CLI_FIELD_OPTIONS,
    {"out", "DIR", NULL, "model folder to make", 0},
    CLI_INIT_OPTIONS,
    {"max-length", "N", "128", "positions: tokens that the encoder can see", 0},
    {"clean", "STEPS", "none",
     "none, seed, or steps by comma: lower, strip-special, collapse,\n"
     "stopwords, stopwords-keep-negation", 0},
    {"seed", "N", "42", "of the weights", 0},
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_init = {
    .name = "init",
    .purpose = "make a random encoder with a vocabulary learned from rows",
    .usage = "--train FILE --out DIR [--layers N] [--hidden N] [--heads N]\n"
             "[--vocab-size N] [--max-length N] [--clean STEPS] [--seed N] [--json]",
    .options = options,
    .notes = "For trials and tests, and where no pretrained encoder is at hand; a pretrained\n"
             "one is far better.",
    .example = "ringkas init --train data/sample/train.tsv --hidden 64 --heads 4 --out tiny",
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
