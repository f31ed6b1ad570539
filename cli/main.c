#include <stdlib.h>
#include <string.h>

#include "cli.h"

const cli_command *const cli_commands[] = {
    &cli_cmd_init, &cli_cmd_train, &cli_cmd_export, &cli_cmd_convert, &cli_cmd_eval,
    &cli_cmd_compare, &cli_cmd_calibrate, &cli_cmd_bench, &cli_cmd_predict, &cli_cmd_tokenize,
    &cli_cmd_inspect, &cli_cmd_pipeline, NULL,
};
enum { COMMANDS = sizeof cli_commands / sizeof cli_commands[0] - 1 };

const char cli_purpose[] = "small, fast text classifiers from a pretrained BERT encoder";

const cli_option cli_top_options[] = {
    {"help", NULL, NULL, "this page; ringkas COMMAND --help tells about one command", 'h'},
    {"version", NULL, NULL, "the version", 0},
    {"completion", "bash|zsh|fish", NULL, "what that shell needs to complete commands and options",
     0},
    {"man", "COMMAND", NULL, "the man page of a command; without one, of the program", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const char cli_example[] =
    "ringkas pipeline --model DIR --data DIR --out out --qat fp16,int8\n"
    "ringkas predict out/model_int8.onnx \"makanannya enak sekali\"\n"
    "source <(ringkas --completion bash)";

static const cli_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(cli_commands[i]->name, name) == 0) return cli_commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS], *near;
    for (size_t i = 0; i < COMMANDS; i++) names[i] = cli_commands[i]->name;
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
    const char *isa = cli_text(a, "isa", NULL), *mask = getenv("RINGKAS_ISA");
    rk_error err;

    if (a->wrong) return CLI_USAGE;
    rk_set_notes(cli_on_note, a);
    if (mask && *mask && rk_set_isa(mask, &err)) {
        cli_error("RINGKAS_ISA: %s", err.message);
        return err.code == RK_E_ARG ? CLI_USAGE : CLI_FAILED;
    }
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
        cli_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(name, "--completion") == 0) {
        if (argc == 3 && cli_completion(argv[2], stdout)) return CLI_DONE;
        cli_error("--completion wants bash, zsh or fish");
        return CLI_USAGE;
    }
    if (strcmp(name, "--man") == 0) {
        c = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !c) return unknown(argv[2]);
        if (c) cli_man(c, stdout);
        else cli_man_overview(stdout);
        return CLI_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("ringkas %s\n", rk_version());
        return CLI_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        c = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !c) return unknown(argv[2]);
        if (c) cli_help(c, stdout);
        else cli_overview(stdout);
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
