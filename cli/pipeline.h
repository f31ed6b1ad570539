/* The state of one `ringkas pipeline`: what was made, and what the report says about it. */
#ifndef CLI_PIPELINE_H
#define CLI_PIPELINE_H

#include "cli.h"

enum { PIPE_FP32, PIPE_FP16, PIPE_INT8, PIPE_KINDS };

typedef struct pipe_variant {
    const char *name;         /* fp32, fp16, int8 */
    char *folder;             /* OUT/model..., where a training of its own runs; else NULL */
    char *file;               /* OUT/model....onnx */
    bool wanted;              /* the file is made */
    json_t *train;            /* result of the training, with the curve; NULL: none */
    json_t *eval;             /* result of eval on the test rows */
    json_t *compare;          /* with fp32; NULL for fp32 */
} pipe_variant;

typedef struct pipeline {
    cli_args *args;
    cli_progress progress;
    char *train, *valid, *test;      /* data files */
    const char *out;
    char *base;                      /* folder that training starts from */
    char *report_json, *report_html;
    rk_train_options options;
    size_t qat_epochs;
    double qat_lr;
    pipe_variant variant[PIPE_KINDS];
    double began;
    bool told_data;                  /* the report on the data was printed */
} pipeline;

/* Points of training.jsonl as {step, loss, lr}, at most a few thousand; an empty list where there
 * is no such file. NULL when out of memory. */
json_t *pipe_curve(const char *folder);

/* What ringkas.json of a finished training says, as rk_train would have returned it. Says why and
 * returns false when it was trained with other options. */
bool pipe_finished(json_t **train, const char *folder, const rk_train_options *o);

/* Writes report.json and report.html. Prints, unless quiet, nothing; says why it failed. */
bool pipe_report(const pipeline *p, double seconds, json_t **report);

/* The closing table. */
void pipe_put_table(const pipeline *p);

#endif
