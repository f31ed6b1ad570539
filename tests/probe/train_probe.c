/* links: base compute quant text file eval encoder train */
/* Trains from the command line without the program, for tests of the training library alone.
 *
 * usage: train_probe KEY=VALUE...   keys: model train valid out qat epochs batch lr warmup dropout
 * clip schedule (a number) accumulate layer_decay patience smoothing class_weights observer (a
 * number) learn delay distill hidden_loss max_length max_steps save_every seed compute clean resume
 * stop_at rows init layers hidden heads vocab. init=DIR makes a random model there first. stop_at=N
 * asks to stop after step N, stop_kind=calibrate after N batches of calibration. Prints the
 * result's JSON. Exit 0, or 10 + the status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringkas.h"

static size_t stop_at;
static const char *stop_kind = "train";

static bool progress(const rk_progress *p, void *user)
{
    (void)user;
    if (strcmp(p->kind, "log") == 0)
        fprintf(stderr, "%s\n", p->line);
    else if (p->done % 20 == 0)
        fprintf(stderr, "step %zu/%zu loss %.4f %.1f rows/s %.0f s left\n", p->done, p->total,
                p->loss, p->rows_per_s, p->seconds_left);
    return !(stop_at && strcmp(p->kind, stop_kind) == 0 && p->done >= stop_at);
}

static const char *value(int argc, char **argv, const char *key)
{
    const size_t n = strlen(key);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=') return argv[i] + n + 1;
    return NULL;
}

static size_t whole(int argc, char **argv, const char *key, size_t otherwise)
{
    const char *v = value(argc, argv, key);
    return v ? (size_t)strtoull(v, NULL, 10) : otherwise;
}

static double real(int argc, char **argv, const char *key, double otherwise)
{
    const char *v = value(argc, argv, key);
    return v ? strtod(v, NULL) : otherwise;
}

static int done(rk_status st, const rk_error *err, char *json)
{
    if (st) {
        fprintf(stderr, "%s: %s\n", rk_status_name(st), err->message);
        return 10 + (int)st;
    }
    printf("%s\n", json);
    free(json);
    return 0;
}

int main(int argc, char **argv)
{
    rk_train_options o;
    rk_init_options i;
    rk_error err = {RK_OK, ""};
    char *json = NULL;
    rk_status st;
    const char *init = value(argc, argv, "init"), *qat = value(argc, argv, "qat");
    const char *compute = value(argc, argv, "compute");

    rk_train_defaults(&o);
    o.model = init ? init : value(argc, argv, "model");
    o.train = value(argc, argv, "train");
    o.valid = value(argc, argv, "valid");
    o.out = value(argc, argv, "out");
    o.clean = value(argc, argv, "clean");
    o.qat = !qat ? RK_QAT_NONE : strcmp(qat, "int8") == 0 ? RK_QAT_INT8 : RK_QAT_FP16;
    o.compute = compute && strcmp(compute, "bf16") == 0 ? RK_COMPUTE_BF16 : RK_COMPUTE_F32;
    o.epochs = whole(argc, argv, "epochs", o.epochs);
    o.batch = whole(argc, argv, "batch", o.batch);
    o.max_length = whole(argc, argv, "max_length", o.max_length);
    o.max_steps = whole(argc, argv, "max_steps", 0);
    o.save_every = whole(argc, argv, "save_every", 0);
    o.max_train_rows = whole(argc, argv, "rows", 0);
    o.seed = whole(argc, argv, "seed", o.seed);
    o.resume = whole(argc, argv, "resume", 0) != 0;
    o.lr = real(argc, argv, "lr", o.lr);
    o.warmup = real(argc, argv, "warmup", o.warmup);
    o.dropout = real(argc, argv, "dropout", o.dropout);
    o.clip = real(argc, argv, "clip", o.clip);
    o.schedule = (rk_schedule)whole(argc, argv, "schedule", 0);
    o.accumulate = whole(argc, argv, "accumulate", o.accumulate);
    o.layer_decay = real(argc, argv, "layer_decay", o.layer_decay);
    o.patience = whole(argc, argv, "patience", 0);
    o.label_smoothing = real(argc, argv, "smoothing", 0.0);
    o.class_weights = value(argc, argv, "class_weights");
    o.observer = (rk_observer)whole(argc, argv, "observer", 0);
    o.learn_ranges = whole(argc, argv, "learn", 0) != 0;
    o.qat_delay = real(argc, argv, "delay", 0.0);
    o.distill = real(argc, argv, "distill", 0.0);
    o.distill_hidden = real(argc, argv, "hidden_loss", 0.0);
    if (value(argc, argv, "stop_kind")) stop_kind = value(argc, argv, "stop_kind");
    stop_at = whole(argc, argv, "stop_at", 0);
    if (init) {
        rk_init_defaults(&i);
        i.train = o.train;
        i.out = init;
        i.clean = o.clean;
        i.layers = whole(argc, argv, "layers", i.layers);
        i.hidden = whole(argc, argv, "hidden", i.hidden);
        i.heads = whole(argc, argv, "heads", i.heads);
        i.vocab_size = whole(argc, argv, "vocab", i.vocab_size);
        if (rk_init(&json, &i, &err)) return done(err.code, &err, NULL);
        fprintf(stderr, "%s\n", json);
        free(json);
    }
    st = rk_train(&json, &o, progress, NULL, &err);
    return done(st, &err, json);
}
