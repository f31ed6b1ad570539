/* A training run: everything that lives from the first row to the saved folder. */
#ifndef RK_TRAIN_RUN_H
#define RK_TRAIN_RUN_H

#include <jansson.h>

#include "encoder/net.h"
#include "eval/metrics.h"
#include "file/model_folder.h"
#include "train/batch.h"
#include "train/loss.h"
#include "train/teacher.h"
#include "text/clean.h"
#include "text/data_report.h"
#include "text/rows.h"
#include "text/tokenizer.h"

/* Moments of a scale that is learned (AdamW without decay). */
typedef struct rk_learned {
    double m, v;
} rk_learned;

typedef struct rk_run {
    const rk_train_options *o;
    rk_progress_fn progress;
    void *user;
    bool stopped; /* progress asked to stop */

    rk_folder *folder; /* what the run starts from */
    rk_bert_config config;
    rk_tokenizer *tokenizer;
    unsigned clean;
    size_t max_length;
    rk_encoded train, valid;
    uint64_t train_hash, valid_hash; /* of the encoded rows */
    rk_data_report data;
    char *about; /* a line for people, said once nothing can be refused any more */

    rk_params *params, *grad;
    uint64_t base_hash;              /* of params before the first step */
    struct rk_optimizer *opt;        /* settled wherever params are looked at as a whole */
    rk_ranges *ranges, *best_ranges; /* QAT only */
    rk_net *net;
    size_t delay;        /* QAT: steps before it acts */
    rk_learned *learned; /* [sites] with learn_ranges */

    double *class_weight; /* [labels], or NULL */
    rk_objective objective;
    rk_teacher *teacher; /* distillation only */

    size_t step_rows; /* rows of one step */
    size_t steps_per_epoch, total, warmup;
    double lr;         /* the peak rate in force */
    size_t step;       /* updates done */
    size_t epoch;      /* epochs done */
    size_t best_epoch; /* 0: what QAT starts from; its weights are the base model's */
    size_t best_saved; /* the best epoch that a checkpoint holds; the weights are only there */
    size_t best_at;    /* the step of that checkpoint, 0: none */
    double best_f1, best_accuracy;
    double loss_sum; /* of the epoch in hand, over its rows */
    size_t loss_rows;
    json_t *epochs;      /* one object a measured epoch, for ringkas.json and the report */
    rk_half_counts half; /* FP16: of the last step, weights and activations */
    uint64_t clamped;    /* FP16: values past the range, all steps */
    double seconds;      /* of training, resumed parts included */
    int lock;            /* file descriptor of OUT/.lock, -1 for none */
    void *log;           /* FILE of training.jsonl */
} rk_run;

/* data.c */
rk_status rk_run_load(rk_run *r, rk_error *err);
uint64_t rk_run_hash(const rk_encoded *e);
/* The report on the data, line by line. */
void rk_run_say_data(rk_run *r);
/* Order of the training rows in an epoch (from 0); order [rows]. */
void rk_run_order(const rk_run *r, size_t epoch, uint32_t *order);

/* evaluate.c: loss and metrics of the validation rows under the network as it is; *m is the
 * caller's. */
rk_status rk_run_validate(rk_run *r, rk_metrics *m, double *loss, rk_error *err);

/* epoch.c: measures r->epoch (0: what QAT starts from), lists it, keeps it if it is the best. */
rk_status rk_run_look(rk_run *r, rk_error *err);

/* qat.c: ranges from the first batches, before any training. */
rk_status rk_run_calibrate(rk_run *r, rk_error *err);
void rk_run_observe(rk_run *r); /* whether QAT acts and observers look at the step in hand */
/* The step of the learned scales; factor is the schedule's. */
void rk_run_learn_ranges(rk_run *r, double factor);

/* objective.c: class weights and losses from the options; needs labels and rows. */
rk_status rk_run_objective(rk_run *r, rk_error *err);
/* Those options that the folder and the checkpoint name alike; NULL without memory. */
json_t *rk_run_options_json(const rk_run *r);

/* update.c: rows order[first] .. make one step. */
typedef struct rk_figures {
    double loss, lr, norm; /* the mean over the rows; the rate; of the gradient before clipping */
} rk_figures;
typedef struct rk_update { /* memory that updates share; zero it first */
    rk_gather gather;
    size_t rows;    /* of the batch in hand */
    float *dlogits; /* [batch, labels] */
    float *dlast;   /* [tokens, hidden], distillation of hidden states */
    size_t dlast_tokens;
} rk_update;
rk_status rk_run_update(rk_run *r, rk_update *u, const uint32_t *order, size_t first, size_t rows,
                        rk_figures *f, rk_error *err);
void rk_update_free(rk_update *u);

/* checkpoint.c: OUT/checkpoint-<step>/, whole or not at all; older ones go after the new one
 * stands. */
rk_status rk_checkpoint_save(rk_run *r, rk_error *err);
/* The newest whole one; RK_E_OPEN when there is none, RK_E_FORMAT when the run differs. */
rk_status rk_checkpoint_load(rk_run *r, rk_error *err);
/* The best epoch's weights become params; nothing to do where there is no checkpoint yet. */
rk_status rk_checkpoint_best(rk_run *r, rk_error *err);
void rk_checkpoint_clear(const rk_run *r);
rk_status rk_run_lock(rk_run *r, rk_error *err);
void rk_run_unlock(rk_run *r);

/* finish.c: the model folder. Its files are made in a folder OUT/finished.tmp-XXXXXX. */
#define RK_FINISH_NAME "finished"
rk_status rk_run_finish(rk_run *r, rk_error *err);

/* log.c: training.jsonl and lines for people. */
rk_status rk_log_open(rk_run *r, rk_error *err); /* keeps the lines of steps <= r->step */
rk_status rk_log_step(rk_run *r, double loss, double lr, double norm, double rows_per_s,
                      rk_error *err);
void rk_log_close(rk_run *r);
void rk_say(const rk_run *r, const char *format, ...) RK_PRINTF(2, 3);

#endif
