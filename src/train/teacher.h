/* The model that a distillation learns from: frozen, dropout off. */
#ifndef RK_TRAIN_TEACHER_H
#define RK_TRAIN_TEACHER_H

#include "encoder/net.h"
#include "text/rows.h"
#include "text/tokenizer.h"

struct rk_run;

typedef struct rk_teacher {
    rk_bert_config config;
    rk_params *params;
    rk_net *net; /* its logits and last hidden states, after a forward */
    uint64_t hash; /* of its weights */
} rk_teacher;

/* Opens the folder and checks that it can teach the run: the same labels in the same order, the
 * same ids for the validation rows, enough positions, a classifier of its own, and the same width
 * where hidden states are compared. RK_E_FORMAT says which of these fails. */
rk_status rk_teacher_open(rk_teacher **out, const struct rk_run *r, const rk_rows *valid,
                          rk_error *err);
void rk_teacher_close(rk_teacher *t);

#endif
