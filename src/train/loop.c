/* rk_train: the loop over epochs and steps. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "train/optimizer.h"
#include "train/run.h"
#include "train/schedule.h"

void rk_train_defaults(rk_train_options *o)
{
    memset(o, 0, sizeof *o);
    o->epochs = 3;
    o->batch = 16;
    o->lr = -1.0;
    o->weight_decay = 0.01;
    o->dropout = -1.0;
    o->clip = 1.0;
    o->compute = RK_COMPUTE_F32;
    o->seed = 42;
    o->accumulate = 1;
    o->layer_decay = 1.0;
    o->percentile = 99.99;
    o->distill_temperature = 2.0;
}

static rk_status check_options(const rk_train_options *o, rk_error *err)
{
    if (!o->model || !o->train || !o->valid || !o->out)
        return rk_fail(err, RK_E_ARG,
                       "a model folder, training rows, validation rows and an output "
                       "folder are needed");
    if (o->batch == 0 || o->max_length == 1)
        return rk_fail(err, RK_E_ARG, "batch must be at least 1 and max length at least 2");
    if (o->epochs == 0 && o->qat == RK_QAT_NONE)
        return rk_fail(err, RK_E_ARG, "0 epochs do nothing without quantisation-aware training");
    if (!(o->lr >= -100.0 && o->lr <= 1e10) || !(o->weight_decay >= 0.0 && o->weight_decay < 1e3))
        return rk_fail(err, RK_E_ARG, "learning rate and weight decay must be numbers from 0 up");
    if (!(o->dropout < 1.0) || !(o->warmup >= 0.0) || !(o->clip >= 0.0))
        return rk_fail(err, RK_E_ARG, "dropout must be below 1; warm-up and clip from 0 up");
    if (o->accumulate == 0 || !(o->layer_decay > 0.0 && o->layer_decay <= 1.0))
        return rk_fail(err, RK_E_ARG,
                       "at least 1 batch makes a step; layer decay is above 0, at "
                       "most 1");
    if (!(o->label_smoothing >= 0.0 && o->label_smoothing < 1.0))
        return rk_fail(err, RK_E_ARG, "label smoothing is from 0 to below 1");
    if (!(o->distill >= 0.0 && o->distill <= 1.0) || !(o->distill_temperature > 0.0) ||
        !(o->distill_hidden >= 0.0 && o->distill_hidden <= 1e9))
        return rk_fail(
            err, RK_E_ARG,
            "distillation's share is from 0 to 1, its temperature above 0, the weight of "
            "hidden states from 0 up");
    if (o->distill == 0.0 && (o->teacher || o->distill_hidden > 0.0))
        return rk_fail(err, RK_E_ARG, "a teacher needs a share of the loss");
    if (o->qat == RK_QAT_NONE && o->qat_delay != 0.0)
        return rk_fail(err, RK_E_ARG, "a delay needs quantisation-aware training");
    if (o->qat != RK_QAT_INT8 && (o->observer != RK_OBSERVER_MINMAX || o->learn_ranges))
        return rk_fail(err, RK_E_ARG, "observers and learned ranges are of INT8 training");
    if (!(o->qat_delay >= 0.0) || !(o->percentile > 50.0 && o->percentile <= 100.0))
        return rk_fail(err, RK_E_ARG, "a delay is from 0 up, a percentile above 50, at most 100");
    if (rk_path_same(o->model, o->out))
        return rk_fail(err, RK_E_ARG,
                       "%s: the output folder is the model folder; nothing is overwritten", o->out);
    return RK_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static rk_status make_state(rk_run *r, rk_error *err)
{
    const char *made;
    rk_status st = rk_params_new(&r->params, &r->config, err);

    if (!st) st = rk_params_load(r->params, &r->config, r->folder->weights, r->o->seed, &made, err);
    if (st) return st;
    r->base_hash = rk_checksum(0, r->params->block, r->params->count * sizeof(float));
    if (made) {
        rk_buffer b = {0};
        rk_buffer_printf(&b, "%s: new %s from seed %llu (the folder has none)", r->o->model, made,
                         (unsigned long long)r->o->seed);
        r->about = rk_buffer_take(&b);
    }
    /* the file's weights are copied: the map would only cost memory from here on */
    rk_weights_close(r->folder->weights);
    r->folder->weights = NULL;
    st = rk_params_new(&r->grad, &r->config, err);
    if (st) return st;
    st = rk_optimizer_new(&r->opt, r->params, r->grad, err);
    if (st) return st;
    rk_layer_factors(r->opt->factor, r->params, r->config.layers, r->o->layer_decay);
    r->epochs = json_array();
    if (!r->epochs) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (r->o->qat != RK_QAT_NONE) {
        st = rk_ranges_new(&r->ranges, &r->config, r->params, r->o->qat, err);
        if (!st) st = rk_ranges_new(&r->best_ranges, &r->config, r->params, r->o->qat, err);
    }
    if (!st && r->o->learn_ranges) {
        r->learned = rk_calloc(r->ranges->sites, sizeof *r->learned);
        if (!r->learned) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    return st;
}

static rk_status make_net(rk_run *r, rk_error *err)
{
    const float p = (float)r->o->dropout;
    rk_status st = rk_net_new(&r->net, &r->config, r->params,
                              r->o->compute == RK_COMPUTE_BF16 ? RK_DT_BF16 : RK_DT_F32, r->o->qat,
                              r->o->qat == RK_QAT_INT8 ? r->ranges : NULL, err);
    if (st) return st;
    r->net->observer = r->o->observer;
    r->net->percentile = r->o->percentile;
    r->net->whole = r->o->distill_hidden > 0.0;
    if (r->o->learn_ranges) {
        r->net->dscale = rk_calloc(r->ranges->sites, sizeof *r->net->dscale);
        if (!r->net->dscale) return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    if (r->o->dropout >= 0.0)
        r->net->dropout_hidden = r->net->dropout_attention = r->net->dropout_classifier = p;
    return st;
}

/* The rate that BERT's authors use for the base size; a smaller model wants the upper end of their
 * range (Devlin et al. 2019, appendix A.3: 2e-5 to 5e-5). */
static double usual_rate(const rk_bert_config *c)
{
    return c->hidden >= 768 ? 2e-5 : 5e-5;
}

/* A number of steps, or below 1 a share of all. */
static size_t steps_of(double x, size_t total)
{
    const double steps = x < 1.0 ? floor(x * (double)total + 0.5) : x;
    return steps < (double)total ? (size_t)steps : total;
}

static void plan(rk_run *r)
{
    const rk_train_options *o = r->o;
    r->lr = o->lr >= 0.0 ? o->lr : -o->lr * usual_rate(&r->config);
    r->step_rows = o->accumulate < SIZE_MAX / o->batch ? o->batch * o->accumulate : SIZE_MAX;
    r->steps_per_epoch = (r->train.rows - 1) / r->step_rows + 1;
    r->total = r->steps_per_epoch * o->epochs;
    if (o->max_steps && o->max_steps < r->total) r->total = o->max_steps;
    r->warmup = steps_of(o->warmup, r->total);
    r->delay = steps_of(o->qat_delay, r->total);
}

static bool out_of_patience(const rk_run *r)
{
    /* epochs in which quantisation slept are no trial of it */
    const size_t slept = r->delay / r->steps_per_epoch;
    const size_t from = r->best_epoch > slept ? r->best_epoch : slept;

    return r->o->patience && r->epoch >= from + r->o->patience;
}

static void tell(rk_run *r, double loss, double rows_per_s, size_t done_here, double elapsed)
{
    const rk_progress p = {
        .kind = "train",
        .done = r->step,
        .total = r->total,
        .rows_per_s = rows_per_s,
        .seconds_left = elapsed / (double)done_here * (double)(r->total - r->step),
        .loss = loss,
        .epoch = r->epoch + 1,
        .epochs = r->o->epochs,
    };
    if (r->progress && !r->progress(&p, r->user)) r->stopped = true;
}

static rk_status run_steps(rk_run *r, rk_error *err)
{
    uint32_t *order = rk_calloc(r->train.rows, sizeof *order);
    rk_update u = {0};
    size_t ordered = SIZE_MAX, rows_done = 0, steps_done = 0;
    double smooth = 0.0;
    const double before = r->seconds, start = now();
    rk_status st = order ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    while (!st && r->step < r->total && !out_of_patience(r)) {
        const size_t epoch = r->step / r->steps_per_epoch, k = r->step % r->steps_per_epoch;
        const size_t first = k * r->step_rows, left = r->train.rows - first;
        const size_t rows = left < r->step_rows ? left : r->step_rows;
        rk_figures f;
        double rate;

        if (ordered != epoch) rk_run_order(r, epoch, order);
        ordered = epoch;
        st = rk_run_update(r, &u, order, first, rows, &f, err);
        if (st) break;
        r->step++;
        steps_done++;
        rows_done += rows;
        r->loss_sum += f.loss * (double)rows;
        r->loss_rows += rows;
        r->seconds = before + now() - start;
        rate = (double)rows_done / (now() - start);
        smooth = steps_done == 1 ? f.loss : 0.95 * smooth + 0.05 * f.loss;
        st = rk_log_step(r, f.loss, f.lr, f.norm, rate, err);
        if (st) break;
        tell(r, smooth, rate, steps_done, now() - start);
        const bool epoch_ends = r->step % r->steps_per_epoch == 0 || r->step == r->total;
        const bool save = r->stopped || (r->o->save_every && r->step % r->o->save_every == 0);
        if (epoch_ends || save) rk_optimizer_settle(r->opt, r->net->loops);
        if (epoch_ends) {
            r->epoch++;
            st = rk_run_look(r, err);
            if (!st) st = rk_checkpoint_save(r, err);
        } else if (save) {
            st = rk_checkpoint_save(r, err);
        }
        if (!st && r->stopped && r->step < r->total)
            st = rk_fail(err, RK_E_STOPPED,
                         "stopped after step %zu of %zu; run again with --resume to go on", r->step,
                         r->total);
    }
    if (!st && r->step < r->total)
        rk_say(r, "ended after epoch %zu of %zu: no better one in %zu", r->epoch, r->o->epochs,
               r->o->patience);
    rk_update_free(&u);
    rk_free(order);
    return st;
}

static rk_status result(char **json, const rk_run *r, rk_error *err)
{
    struct rusage usage;
    json_t *j, *best = NULL;
    size_t i;
    json_t *entry;

    getrusage(RUSAGE_SELF, &usage);
    json_array_foreach(r->epochs, i, entry)
        json_object_set_new(entry, "kept",
                            json_boolean(json_integer_value(json_object_get(entry, "epoch")) ==
                                         (json_int_t)r->best_epoch));
    if (json_array_size(r->epochs))
        best = json_pack("{s:I s:f s:f}", "epoch", (json_int_t)r->best_epoch, "valid_accuracy",
                         r->best_accuracy, "valid_f1_weighted", r->best_f1);
    j = json_pack("{s:I s:I s:f s:f s:I s:o? s:O s:o}", "rows", (json_int_t)r->train.rows, "steps",
                  (json_int_t)r->step, "seconds", r->seconds, "rows_per_s",
                  r->seconds > 0.0 ? (double)r->step / (double)r->steps_per_epoch *
                                         (double)r->train.rows / r->seconds
                                   : 0.0,
                  "peak_rss_bytes", (json_int_t)usage.ru_maxrss * 1024, "best", best, "epochs",
                  r->epochs, "data", rk_data_report_json(&r->data));
    if (j && r->o->qat == RK_QAT_FP16)
        json_object_set_new(j, "clamped", json_integer((json_int_t)r->clamped));
    *json = j ? rk_json_text(j, 0) : NULL;
    json_decref(j);
    return *json ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");
}

static void close_run(rk_run *r)
{
    rk_free(r->about);
    rk_data_report_free(&r->data);
    rk_log_close(r);
    rk_run_unlock(r);
    if (r->net) rk_free(r->net->dscale);
    rk_net_free(r->net);
    rk_teacher_close(r->teacher);
    rk_free(r->class_weight);
    rk_free(r->learned);
    rk_ranges_free(r->ranges);
    rk_ranges_free(r->best_ranges);
    rk_params_free(r->params);
    rk_params_free(r->grad);
    rk_optimizer_free(r->opt);
    rk_encoded_free(&r->train);
    rk_encoded_free(&r->valid);
    json_decref(r->epochs);
    rk_tokenizer_close(r->tokenizer);
    rk_bert_config_free(&r->config);
    rk_folder_close(r->folder);
}

/* Ranges that were learned before fit the weights of then; nobody shall think that they stay. */
static void say_ranges(const rk_run *r)
{
    const json_t *about = r->folder->quant ? r->folder->quant->metadata : NULL;
    const char *precision = json_string_value(json_object_get(about, "precision"));

    if (precision && strcmp(precision, "int8") == 0)
        rk_say(r, "%s: the INT8 ranges that it has learned are not used: %s", r->o->model,
               r->o->qat == RK_QAT_INT8 ? "they are measured anew on the training rows"
                                        : "the result has none");
}

/* From the loaded state to the finished folder. */
static rk_status train(rk_run *r, rk_error *err)
{
    rk_status st = r->o->resume ? rk_checkpoint_load(r, err) : RK_OK;

    if (!st) rk_run_say_data(r);
    if (!st && r->about) rk_say(r, "%s", r->about);
    if (!st && r->step == 0) say_ranges(r);
    if (r->o->resume) {
        if (!st) rk_say(r, "going on after step %zu of %zu", r->step, r->total);
    } else if (rk_train_unfinished(r->o->out)) { /* it stays until there is a newer one */
        rk_say(r, "%s: an unfinished run is there and is begun anew (--resume would go on with it)",
               r->o->out);
    }
    if (!st) st = make_net(r, err);
    if (!st && r->o->qat == RK_QAT_INT8 && r->step == 0) st = rk_run_calibrate(r, err);
    if (!st) st = rk_log_open(r, err);
    if (!st && r->o->qat != RK_QAT_NONE && r->step == 0) st = rk_run_look(r, err);
    if (!st && r->total) st = run_steps(r, err);
    if (!st) st = rk_run_finish(r, err);
    return st;
}

rk_status rk_train(char **json, const rk_train_options *options, rk_progress_fn progress,
                   void *user, rk_error *err)
{
    rk_run r = {.o = options, .progress = progress, .user = user, .lock = -1};
    rk_status st = check_options(options, err);
    bool existed;

    *json = NULL;
    if (st) return st;
    existed = rk_path_exists(options->out);
    st = rk_run_load(&r, err);
    if (!st) st = make_state(&r, err);
    if (!st) st = rk_dir_make(options->out, err);
    if (!st) st = rk_run_lock(&r, err);
    plan(&r);
    if (!st) st = train(&r, err);
    if (!st) st = result(json, &r, err);
    close_run(&r);
    /* goes only while it is empty: a run that never began leaves nothing */
    if (st && !existed) rmdir(options->out);
    return st;
}
