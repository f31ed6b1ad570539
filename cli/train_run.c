/* One training from the command line, and its evaluation. */
#include "train.h"

int cli_train_test(cli_args *a, const rk_train_options *o, json_t *result)
{
    const rk_eval_options eval = {.model = o->out, .data = o->test, .fields = o->fields};
    cli_progress progress = {.quiet = a->quiet, .what = "test"};
    rk_error err;
    char *text;
    json_t *test;

    if (rk_eval(&text, &eval, cli_on_progress, &progress, &err)) {
        rk_string_free(text);
        cli_progress_end(&progress);
        return cli_fail(&err);
    }
    cli_progress_end(&progress);
    cli_put_card(o->out, text);
    test = cli_parse(text);
    return test && !json_object_set_new(result, "test", test) ? CLI_DONE : CLI_FAILED;
}

int cli_train_run(cli_args *a, const rk_train_options *o, json_t **result)
{
    cli_progress progress = {.quiet = a->quiet};
    rk_error err;
    char *text;
    const rk_status st = rk_train(&text, o, cli_on_progress, &progress, &err);

    cli_progress_end(&progress);
    if (st) {
        const int code = cli_fail(&err);
        if (st == RK_E_STOPPED && rk_train_unfinished(o->out)) cli_say_resume(a);
        return code;
    }
    *result = cli_parse(text);
    if (!*result) return CLI_FAILED;
    return o->test ? cli_train_test(a, o, *result) : CLI_DONE;
}
