#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_command *const commands[] = {
    &cli_cmd_init, &cli_cmd_train, &cli_cmd_export, &cli_cmd_convert, &cli_cmd_eval,
    &cli_cmd_compare, &cli_cmd_bench, &cli_cmd_predict, &cli_cmd_tokenize, &cli_cmd_inspect,
    &cli_cmd_pipeline,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void overview(FILE *to)
{
    fputs("ringkas: small, fast text classifiers from a pretrained BERT encoder\n\n"
          "Usage\n  ringkas COMMAND [options]\n\nCommands\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-9s  %s\n", commands[i]->name, commands[i]->purpose);
    fputs("\nOptions\n"
          "  --help     this page; ringkas COMMAND --help tells about one command\n"
          "  --version  the version\n"
          "\nExample\n"
          "  ringkas pipeline --model DIR --data DIR --out out --qat fp16,int8\n"
          "  ringkas predict out/model_int8.onnx \"makanannya enak sekali\"\n"
          "\nExit codes\n"
          "  0 done   1 could not: a file, a format, memory, a check   2 wrong use\n"
          "  3 a gate was not met (compare --max-drop)\n", to);
}

static const cli_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS], *near;
    for (size_t i = 0; i < COMMANDS; i++) names[i] = commands[i]->name;
    near = cli_nearest(name, names, COMMANDS);
    fputs("ringkas: unknown command ", stderr);
    cli_put_escaped(stderr, name, strlen(name) < 60 ? strlen(name) : 60);
    if (near) fprintf(stderr, "; did you mean %s?\n", near);
    else fputs("; see ringkas --help\n", stderr);
    return CLI_USAGE;
}

/* Threads and instruction level hold for every command; they come before anything else is done. */
static int set_up(cli_args *a)
{
    const size_t threads = cli_count(a, "threads", 0, 1, 1024);
    const char *isa = cli_text(a, "isa", NULL);
    rk_error err;

    if (a->wrong) return CLI_USAGE;
    rk_set_notes(cli_on_note, a);
    if (isa && rk_set_isa(isa, &err)) return cli_fail(&err);
    rk_set_threads(threads);
    return CLI_DONE;
}

static int run(const cli_command *c, int argc, char **argv)
{
    cli_args args;
    int code = cli_args_parse(&args, c, argc, argv);
    if (code) return code;
    if (cli_given(&args, "help")) {
        cli_help(c, stdout);
        return CLI_DONE;
    }
    code = set_up(&args);
    return code ? code : c->run(&args);
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    const cli_command *c;

    if (!name) {
        overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("ringkas %s\n", rk_version());
        return CLI_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        c = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !c) return unknown(argv[2]);
        if (c) cli_help(c, stdout);
        else overview(stdout);
        return CLI_DONE;
    }
    c = find(name);
    return c ? run(c, argc - 1, argv + 1) : unknown(name);
}

int main(int argc, char **argv)
{
    cli_reserve_streams();
    return cli_finish(dispatch(argc, argv));
}
