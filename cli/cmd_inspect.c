#include "cli.h"

static int run(cli_args *a)
{
    rk_error err;
    char *text;
    json_t *result;

    if (rk_inspect(&text, a->operand[0], &err)) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json) cli_put_json(stdout, result);
    else cli_put_object(stdout, result);
    json_decref(result);
    return CLI_DONE;
}

static const cli_option options[] = {
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_inspect = {
    .name = "inspect",
    .purpose = "what a file or folder is: sizes, types, labels, ranges",
    .usage = "FILE|DIR [--json]",
    .options = options,
    .notes = "Reads a model folder, an .onnx file, a .safetensors file or a PyTorch checkpoint,\n"
             "told apart by their content.",
    .example = "ringkas inspect model_int8.onnx",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
