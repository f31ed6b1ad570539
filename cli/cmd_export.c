#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static int run(cli_args *a)
{
    const char *out = cli_need(a, "output");
    const size_t opset = cli_count(a, "opset", 17, 1, 100);
    char size[CLI_SIZE_TEXT];
    struct stat s;
    rk_error err;

    if (!a->wrong) cli_refuse_same(a, a->operand[0], out);
    if (a->wrong) return CLI_USAGE;
    if (rk_export(a->operand[0], out, (int)opset, &err)) return cli_fail(&err);
    if (strcmp(out, "-") != 0 && stat(out, &s) == 0)
        cli_say(a, "wrote %s, %s", out, cli_bytes(size, (double)s.st_size));
    return CLI_DONE;
}

static const cli_option options[] = {
    {"output", "FILE", NULL, "the .onnx file to write; - is standard output", 'o'},
    {"opset", "N", "17", "version of ONNX's operators", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_export = {
    .name = "export",
    .purpose = "write a model folder as one ONNX file",
    .usage = "DIR -o FILE [--opset N]",
    .options = options,
    .notes = "Labels, cleaning and tokenizer go into the file's metadata, so the one file is\n"
             "enough for eval and predict. Learned INT8 ranges become QuantizeLinear and\n"
             "DequantizeLinear.",
    .example = "ringkas export out/model -o model.onnx",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
