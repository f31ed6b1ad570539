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

/* Every step of `list` is one of `of`. */
static bool steps_in(const char *list, const char *of)
{
    for (;;) {
        const size_t n = strcspn(list, ",");
        const char *at = of;
        while (strcspn(at, ",") != n || strncmp(at, list, n) != 0) {
            at += strcspn(at, ",");
            if (*at++ == '\0') return false;
        }
        if (list[n] == '\0') return true;
        list += n + 1;
    }
}

/* The same cleaning, in whatever order its steps are named. */
static bool same_steps(const char *a, const char *b)
{
    static const char seed[] = "lower,strip-special,collapse,stopwords";
    if (strcmp(a, "seed") == 0) a = seed;
    if (strcmp(b, "seed") == 0) b = seed;
    return steps_in(a, b) && steps_in(b, a);
}

/* The option that was another then, or NULL. What only training can work out (a rate that is a
 * share of the usual one, the length that the encoder sees, the model's own cleaning) is passed
 * over. */
static const char *other_option(const json_t *file, const json_t *past, const rk_train_options *o)
{
    static const char *const qat[] = {"none", "fp16", "int8"};
    static const char *const schedule[] = {"linear", "constant", "cosine"};
    static const char *const observer[] = {"minmax", "percentile", "mse"};
    const bool int8 = o->qat == RK_QAT_INT8, taught = o->distill > 0.0;
    const struct {
        const char *option, *key;
        const char *text; /* NULL: a number */
        double number;
        bool counts;
    } is[] = {
        {"--qat", "qat", qat[o->qat], 0.0, true},
        {"--model", "model", o->model, 0.0, true},
        {"--train", "train", o->train, 0.0, true},
        {"--valid", "valid", o->valid, 0.0, true},
        {"--epochs", "epochs_asked", NULL, (double)o->epochs, true},
        {"--batch", "batch", NULL, (double)o->batch, true},
        {"--lr", "lr", NULL, o->lr, o->lr >= 0.0},
        {"--weight-decay", "weight_decay", NULL, o->weight_decay, true},
        {"--warmup", "warmup", NULL, o->warmup, true},
        {"--clip", "clip", NULL, o->clip, true},
        {"--dropout", "dropout", NULL, o->dropout, true},
        {"--max-length", "max_length_asked", NULL, (double)o->max_length, true},
        {"--max-train-rows", "max_train_rows", NULL, (double)o->max_train_rows, true},
        {"--max-steps", "max_steps", NULL, (double)o->max_steps, true},
        {"--compute", "compute", o->compute == RK_COMPUTE_BF16 ? "bf16" : "f32", 0.0, true},
        {"--schedule", "schedule", schedule[o->schedule], 0.0, true},
        {"--accumulate", "accumulate", NULL, (double)o->accumulate, true},
        {"--layer-decay", "layer_decay", NULL, o->layer_decay, true},
        {"--patience", "patience", NULL, (double)o->patience, true},
        {"--label-smoothing", "label_smoothing", NULL, o->label_smoothing, true},
        {"--class-weights", "class_weights", o->class_weights ? o->class_weights : "none", 0.0,
         true},
        {"--qat-delay", "qat_delay", NULL, o->qat_delay, o->qat != RK_QAT_NONE},
        {"--observer", "observer", observer[o->observer], 0.0, int8},
        {"--percentile", "percentile", NULL, o->percentile, int8},
        {"--distill", "distill", NULL, o->distill, true},
        {"--teacher", "teacher", o->teacher ? o->teacher : o->model, 0.0, taught},
        {"--distill-temperature", "distill_temperature", NULL, o->distill_temperature, taught},
        {"--distill-hidden", "distill_hidden", NULL, o->distill_hidden, taught},
    };

    for (size_t i = 0; i < sizeof is / sizeof is[0]; i++) {
        if (!is[i].counts) continue;
        if (is[i].text && strcmp(cli_str(past, is[i].key), is[i].text) != 0) return is[i].option;
        if (!is[i].text && cli_num(past, is[i].key) != is[i].number) return is[i].option;
    }
    if (json_integer_value(json_object_get(past, "seed")) != (json_int_t)o->seed) return "--seed";
    if (int8 && json_is_true(json_object_get(past, "learn_ranges")) != o->learn_ranges)
        return "--learn-ranges";
    if (o->clean && !same_steps(cli_str(file, "clean"), o->clean)) return "--clean";
    return NULL;
}

bool pipe_finished(json_t **train, const char *folder, const rk_train_options *o)
{
    char *path = cli_join(folder, "ringkas.json");
    json_error_t e;
    json_t *file = path ? json_load_file(path, 0, &e) : NULL;
    json_t *past = json_object_get(file, "training");
    const char *other = other_option(file, past, o);

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
