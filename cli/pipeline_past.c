#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { CURVE_POINTS = 2000 };

/* A resumed run has steps twice; the later line is the one that counted. */
static void drop_from(json_t *curve, json_int_t step)
{
    size_t n = json_array_size(curve);
    while (n && json_integer_value(json_object_get(json_array_get(curve, n - 1), "step")) >= step)
        json_array_remove(curve, --n);
}

static json_t *thin(json_t *curve)
{
    const size_t n = json_array_size(curve), every = (n + CURVE_POINTS - 1) / CURVE_POINTS;
    json_t *few;
    if (every <= 1) return curve;
    few = json_array();
    for (size_t i = 0; few && i < n; i += every) json_array_append(few, json_array_get(curve, i));
    json_decref(curve);
    return few;
}

json_t *pipe_curve(const char *folder)
{
    char *path = cli_join(folder, "training.jsonl"), *line = NULL;
    size_t capacity = 0;
    FILE *f = path ? fopen(path, "re") : NULL;
    json_t *curve = json_array();

    while (f && curve && getline(&line, &capacity, f) > 0) {
        json_t *step = json_loads(line, 0, NULL), *point = NULL;
        const json_t *number = json_object_get(step, "step"), *loss = json_object_get(step, "loss");
        if (json_is_integer(number) && json_is_number(loss)) {
            drop_from(curve, json_integer_value(number));
            point = json_pack("{s:I, s:f, s:f}", "step", json_integer_value(number), "loss",
                              json_number_value(loss), "lr", cli_num(step, "lr"));
            json_array_append_new(curve, point);
        }
        json_decref(step);
    }
    if (f) fclose(f);
    free(line);
    free(path);
    return curve ? thin(curve) : NULL;
}

/* What training itself reports besides: the kept epoch, marked and on its own. */
static void mark_best(json_t *past)
{
    json_t *epoch;
    size_t i;

    json_array_foreach(json_object_get(past, "epochs"), i, epoch)
    {
        static const char *const field[] = {"epoch", "valid_accuracy", "valid_f1_weighted"};
        const bool kept = cli_num(epoch, "epoch") == cli_num(past, "best_epoch");
        json_t *best;

        json_object_set_new(epoch, "kept", json_boolean(kept));
        if (!kept) continue;
        best = json_object();
        for (size_t k = 0; k < 3; k++)
            json_object_set(best, field[k], json_object_get(epoch, field[k]));
        json_object_set_new(past, "best", best);
    }
}

bool pipe_finished(json_t **train, const char *folder, const rk_train_options *o)
{
    static const char *const qat[] = {"none", "fp16", "int8"};
    char *path = cli_join(folder, "ringkas.json");
    json_error_t e;
    json_t *file = path ? json_load_file(path, 0, &e) : NULL;
    json_t *past = json_object_get(file, "training");
    const char *other = NULL;

    if (strcmp(cli_str(past, "qat"), qat[o->qat]) != 0) other = "--qat";
    else if (cli_num(past, "epochs_asked") != (double)o->epochs) other = "--epochs";
    else if (cli_num(past, "batch") != (double)o->batch) other = "--batch";
    /* a negative rate is a share of the usual one, which only training knows */
    else if (o->lr >= 0.0 && cli_num(past, "lr") != o->lr) other = "--lr";
    else if (cli_num(past, "seed") != (double)o->seed) other = "--seed";
    if (other) {
        cli_error("%s: was trained with another %s; leave out --resume, or name another --out",
                  folder, other);
    } else {
        mark_best(past);
        *train = json_incref(past);
    }
    json_decref(file);
    free(path);
    return other == NULL;
}
