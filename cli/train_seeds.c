/* ringkas train --seeds: the same training with several seeds, each in a folder of its own, and
 * what they have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"
#include "train.h"

enum { SEEDS_MAX = 100 };

/* The seeds of "1,2,3"; 0 where the list is wrong, which is said. */
static size_t read_seeds(cli_args *a, uint64_t seed[SEEDS_MAX], const char *list)
{
    size_t n = 0;

    for (const char *at = list;; at++) {
        char *end;
        errno = 0;
        if (*at < '0' || *at > '9' || n == SEEDS_MAX) break;
        seed[n] = strtoull(at, &end, 10);
        for (size_t i = 0; i < n; i++)
            if (seed[i] == seed[n]) errno = EINVAL;
        if (errno || (*end && *end != ',')) break;
        n++;
        if (!*end) return n;
        at = end;
    }
    cli_misuse(a, "--seeds %s: different whole numbers by comma are wanted, at most %d", list,
               SEEDS_MAX);
    return 0;
}

/* With --resume: a seed whose training ended is taken as it is. */
static int train_one(cli_args *a, rk_train_options *o, json_t **result)
{
    const bool resume = o->resume;
    int code = CLI_DONE;

    if (resume) {
        o->resume = rk_train_unfinished(o->out);
        if (!o->resume && cli_is_file_in(o->out, "ringkas.json") &&
            !pipe_finished(result, o->out, o))
            code = CLI_FAILED;
    }
    if (!code && !*result) code = cli_train_run(a, o, result);
    else if (!code && o->test) code = cli_train_test(a, o, *result);
    o->resume = resume;
    return code;
}

static const struct figure {
    const char *name, *at;
} figures[] = {{"valid_accuracy", "train.best.valid_accuracy"},
               {"valid_f1_weighted", "train.best.valid_f1_weighted"},
               {"test_accuracy", "train.test.accuracy"},
               {"test_f1_weighted", "train.test.f1_weighted"}};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static json_t *summary(const json_t *runs)
{
    json_t *out = json_object(), *run;

    for (size_t k = 0; out && k < FIGURES; k++) {
        double value[SEEDS_MAX];
        rk_summary s;
        rk_error err;
        size_t i;

        if (strncmp(figures[k].name, "test", 4) == 0 &&
            !json_object_get(json_object_get(json_array_get(runs, 0), "train"), "test"))
            continue;
        json_array_foreach(runs, i, run) value[i] = cli_num(run, figures[k].at);
        if (rk_summarise(&s, value, json_array_size(runs), &err)) continue;
        json_object_set_new(out, figures[k].name,
                            s.n > 1 ? json_pack("{s:f, s:f, s:[f, f]}", "mean", s.mean, "sd", s.sd,
                                                "ci95", s.ci95[0], s.ci95[1])
                                    : json_pack("{s:f}", "mean", s.mean));
    }
    return out;
}

static const json_t *best_of(const json_t *runs)
{
    const json_t *best = json_array_get(runs, 0), *run;
    size_t i;
    json_array_foreach(runs, i, run)
        if (cli_num(run, figures[1].at) > cli_num(best, figures[1].at)) best = run;
    return best;
}

static void put(const json_t *result, bool tested)
{
    static const char *const head[] = {"seed",     "epoch",   "valid accuracy", "valid F1",
                                       "test accuracy", "test F1"};
    const size_t columns = tested ? 6 : 4;
    const json_t *all = json_object_get(result, "summary"), *best = json_object_get(result, "best");
    size_t i;
    json_t *run;
    cli_table t;

    cli_table_head(&t, head, columns);
    json_array_foreach(json_object_get(result, "seeds"), i, run)
    {
        cli_table_add(&t, "%.0f", cli_num(run, "seed"));
        cli_table_add(&t, "%.0f", cli_num(run, "train.best.epoch"));
        for (size_t k = 0; k < columns - 2; k++)
            cli_table_add(&t, "%.4f", cli_num(run, figures[k].at));
    }
    cli_table_end(&t, stdout);
    putchar('\n');
    for (size_t k = 0; k < columns - 2; k++) {
        const json_t *f = json_object_get(all, figures[k].name), *ci = json_object_get(f, "ci95");
        printf("%-18s mean %.4f", figures[k].name, cli_num(f, "mean"));
        if (ci)
            printf(", sd %.4f, 95 %% of the mean [%.4f, %.4f]", cli_num(f, "sd"),
                   json_number_value(json_array_get(ci, 0)),
                   json_number_value(json_array_get(ci, 1)));
        putchar('\n');
    }
    printf("best on the validation rows: seed %.0f, %s\n", cli_num(best, "seed"),
           cli_str(best, "out"));
}

int cli_train_seeds(cli_args *a, const rk_train_options *options, const char *list)
{
    uint64_t seed[SEEDS_MAX];
    const size_t n = read_seeds(a, seed, list);
    json_t *runs = json_array(), *result = NULL;
    int code = n && runs ? CLI_DONE : CLI_USAGE;

    if (!code && !cli_make_folder(options->out)) code = CLI_FAILED;
    for (size_t i = 0; i < n && !code; i++) {
        rk_train_options o = *options;
        char name[32];
        char *out;
        json_t *one = NULL;

        snprintf(name, sizeof name, "seed-%llu", (unsigned long long)seed[i]);
        out = cli_join(options->out, name);
        if (!out) code = CLI_FAILED;
        o.out = out;
        o.seed = seed[i];
        if (!code) {
            cli_say(a, "seed %llu, %zu of %zu: %s", (unsigned long long)seed[i], i + 1, n, out);
            code = train_one(a, &o, &one);
        }
        if (!code && json_array_append_new(runs, json_pack("{s:I, s:s, s:O}", "seed",
                                                           (json_int_t)seed[i], "out", out, "train",
                                                           one)))
            code = CLI_FAILED;
        json_decref(one);
        free(out);
    }
    if (!code) {
        const json_t *best = best_of(runs);
        result = json_pack("{s:O, s:o, s:{s:O, s:O}}", "seeds", runs, "summary", summary(runs),
                           "best", "seed", json_object_get(best, "seed"), "out",
                           json_object_get(best, "out"));
        if (!result) code = CLI_FAILED;
    }
    if (result && a->json) cli_put_json(stdout, result);
    else if (result) put(result, options->test != NULL);
    json_decref(result);
    json_decref(runs);
    return code;
}
