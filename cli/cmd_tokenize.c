#include <string.h>

#include "cli.h"

static int run(cli_args *a)
{
    cli_lines lines = {0};
    rk_model *model;
    rk_error err;
    bool failed = false, more = true;
    bool flushed = true; /* all answers so far are out */

    if (rk_model_open_tokenizer(&model, a->operand[0], &err)) return cli_fail(&err);
    while (more) {
        const char *text;
        size_t length, count;
        int32_t *ids;
        switch (cli_lines_next(&lines, flushed, &text, &length)) {
        case CLI_LINE:
            if (rk_model_tokenize(model, text, length, &ids, &count, &err) == RK_OK) {
                for (size_t i = 0; i < count; i++) printf("%s%d", i ? " " : "", (int)ids[i]);
                rk_ids_free(ids);
            } else {
                cli_error("standard input:%zu: %s", lines.number, err.message);
                failed = true;
            }
            putchar('\n');
            break;
        case CLI_LINE_TOO_LONG:
            cli_error("standard input:%zu: the line is longer than 1 MiB", lines.number);
            putchar('\n');
            failed = true;
            break;
        case CLI_LINE_NONE:
            more = false;
            break;
        case CLI_LINE_WAIT: /* who waits for an answer gets it before the next line */
            fflush(stdout);
            flushed = true;
            continue;
        }
        flushed = false;
        if (ferror(stdout)) break;      /* cli_finish says why */
    }
    if (lines.error) {
        cli_error("standard input: %s", strerror(lines.error));
        failed = true;
    }
    cli_lines_free(&lines);
    rk_model_close(model);
    return failed ? CLI_FAILED : CLI_DONE;
}

static const cli_option options[] = {{NULL, NULL, NULL, NULL, 0}};

const cli_command cli_cmd_tokenize = {
    .name = "tokenize",
    .purpose = "token ids of the lines of standard input",
    .usage = "MODEL <texts",
    .options = options,
    .notes = "One line of ids per line, [CLS] and [SEP] included, cleaned and cut as the model\n"
             "does it. No weights are used, so a folder of XLM-R, RoBERTa, GPT-2 or T5 will do,\n"
             "cut as its tokenizer_config.json says. A line that is not UTF-8 gives an empty\n"
             "line, a line on standard error, and exit code 1 at the end.",
    .example = "echo \"makanannya enak sekali\" | ringkas tokenize model.onnx",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
