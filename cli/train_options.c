#include <float.h>
#include <limits.h>

#include "cli.h"

void cli_train_options(cli_args *a, rk_train_options *o)
{
    static const char *const compute[] = {"f32", "bf16", NULL};
    static const char *const schedule[] = {"linear", "constant", "cosine", NULL};

    o->epochs = cli_count(a, "epochs", o->epochs, 0, 10000);
    o->batch = cli_count(a, "batch", o->batch, 1, 4096);
    o->lr = cli_real(a, "lr", o->lr, 0.0, 1e10);
    o->weight_decay = cli_real(a, "weight-decay", o->weight_decay, 0.0, 1e6);
    o->warmup = cli_real(a, "warmup", o->warmup, 0.0, 1e9);
    o->schedule = (rk_schedule)cli_choice(a, "schedule", schedule, RK_SCHEDULE_LINEAR);
    o->layer_decay = cli_real(a, "layer-decay", o->layer_decay, 1e-6, 1.0);
    o->accumulate = cli_count(a, "accumulate", o->accumulate, 1, 1 << 20);
    o->patience = cli_count(a, "patience", o->patience, 1, 10000);
    o->label_smoothing = cli_real(a, "label-smoothing", o->label_smoothing, 0.0, 0.999999);
    o->class_weights = cli_text(a, "class-weights", o->class_weights);
    o->clip = cli_real(a, "clip", o->clip, 0.0, FLT_MAX);
    o->dropout = cli_real(a, "dropout", o->dropout, 0.0, 0.999999);
    o->max_length = cli_count(a, "max-length", o->max_length, 2, 1 << 20);
    o->clean = cli_text(a, "clean", o->clean);
    o->compute = cli_choice(a, "compute", compute, 0) == 1 ? RK_COMPUTE_BF16 : RK_COMPUTE_F32;
    o->seed = cli_u64(a, "seed", o->seed);
}

void cli_qat_options(cli_args *a, rk_train_options *o)
{
    static const char *const observer[] = {"minmax", "percentile", "mse", NULL};

    o->qat_delay = cli_real(a, "qat-delay", o->qat_delay, 0.0, 1e9);
    o->observer = (rk_observer)cli_choice(a, "observer", observer, RK_OBSERVER_MINMAX);
    o->percentile = cli_real(a, "percentile", o->percentile, 50.000001, 100.0);
    o->learn_ranges = cli_given(a, "learn-ranges");
    o->distill = cli_real(a, "distill", o->distill, 0.0, 1.0);
    o->teacher = cli_text(a, "teacher", NULL);
    o->distill_temperature = cli_real(a, "distill-temperature", o->distill_temperature, 1e-3, 1e6);
    o->distill_hidden = cli_real(a, "distill-hidden", o->distill_hidden, 0.0, 1e9);
    if (!a->wrong && cli_given(a, "percentile") && o->observer != RK_OBSERVER_PERCENTILE)
        cli_misuse(a, "--percentile is of --observer percentile");
    if (!a->wrong && o->distill == 0.0 && cli_given(a, "distill-temperature"))
        cli_misuse(a, "--distill-temperature needs --distill X");
    if (!a->wrong && o->distill == 0.0 && (o->teacher || o->distill_hidden > 0.0))
        cli_misuse(a, "a teacher needs a share of the loss: --distill X");
}

rk_fields cli_fields(const cli_args *a)
{
    const rk_fields f = {cli_text(a, "text-field", NULL), cli_text(a, "label-field", NULL)};
    return f;
}

void cli_init_sizes(cli_args *a, rk_init_options *o)
{
    o->layers = cli_count(a, "layers", o->layers, 1, 1000);
    o->hidden = cli_count(a, "hidden", o->hidden, 1, 65536);
    o->heads = cli_count(a, "heads", o->heads, 1, 65536);
    o->vocab_size = cli_count(a, "vocab-size", o->vocab_size, 8, 2000000);
    o->max_length = cli_count(a, "max-length", o->max_length, 2, 1 << 20);
    if (!a->wrong && o->heads && o->hidden % o->heads)
        cli_misuse(a, "--hidden %zu is not a multiple of --heads %zu", o->hidden, o->heads);
}
