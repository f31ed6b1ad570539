#include "train/teacher.h"

#include <string.h>

#include "base/checksum.h"
#include "base/mem.h"
#include "train/run.h"

static rk_status same_labels(const rk_labels *mine, const rk_labels *its, const char *path,
                             rk_error *err)
{
    if (mine->count != its->count)
        return rk_fail(err, RK_E_FORMAT, "%s: the teacher has %zu labels, the rows %zu", path,
                       its->count, mine->count);
    for (size_t i = 0; i < mine->count; i++)
        if (strcmp(mine->name[i], its->name[i]) != 0)
            return rk_fail(err, RK_E_FORMAT,
                           "%s: label %zu of the teacher is \"%s\", that of the model \"%s\"", path,
                           i, its->name[i], mine->name[i]);
    return RK_OK;
}

static rk_status same_ids(const rk_run *r, const rk_rows *valid, const char *path, rk_error *err)
{
    rk_tokenizer *tokenizer = NULL;
    rk_encoded e = {0};
    rk_status st = rk_tokenizer_open(&tokenizer, path, err);

    if (st) return st;
    rk_tokenizer_set_max_length(tokenizer, r->max_length);
    st = rk_encode_rows(&e, valid, tokenizer, r->clean, r->max_length, err);
    if (!st && rk_run_hash(&e) != r->valid_hash)
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: the teacher's tokenizer gives other ids than the model's; a teacher must "
                     "read the same tokens",
                     path);
    rk_encoded_free(&e);
    rk_tokenizer_close(tokenizer);
    return st;
}

static rk_status check(const rk_teacher *t, const rk_run *r, const rk_rows *valid, const char *path,
                       rk_error *err)
{
    rk_status st = same_labels(&r->config.labels, &t->config.labels, path, err);

    if (!st && t->config.positions < r->max_length)
        st = rk_fail(err, RK_E_FORMAT, "%s: the teacher sees %zu tokens; rows have up to %zu", path,
                     t->config.positions, r->max_length);
    if (!st && t->config.vocab < r->config.vocab)
        st = rk_fail(err, RK_E_FORMAT, "%s: the teacher has %zu tokens, the model %zu", path,
                     t->config.vocab, r->config.vocab);
    if (!st && r->o->distill_hidden > 0.0 && t->config.hidden != r->config.hidden)
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: the teacher is %zu wide and the model %zu: their hidden states cannot be "
                     "compared",
                     path, t->config.hidden, r->config.hidden);
    return st ? st : same_ids(r, valid, path, err);
}

rk_status rk_teacher_open(rk_teacher **out, const rk_run *r, const rk_rows *valid, rk_error *err)
{
    const char *path = r->o->teacher ? r->o->teacher : r->o->model, *made = NULL;
    rk_teacher *t = rk_calloc(1, sizeof *t);
    rk_folder *folder = NULL;
    rk_status st = t ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory for the teacher");

    *out = NULL;
    if (!st) st = rk_folder_open(&folder, path, true, err);
    if (!st) st = rk_bert_config_read(&t->config, folder->config, folder->config_path, err);
    if (!st) st = check(t, r, valid, path, err);
    if (!st) st = rk_params_new(&t->params, &t->config, err);
    if (!st) st = rk_params_load(t->params, &t->config, folder->weights, 0, &made, err);
    if (!st && made)
        st = rk_fail(err, RK_E_FORMAT, "%s: has no %s: a teacher must have been trained", path,
                     made);
    if (!st) t->hash = rk_checksum(0, t->params->block, t->params->count * sizeof(float));
    if (!st)
        st = rk_net_new(&t->net, &t->config, t->params,
                        r->o->compute == RK_COMPUTE_BF16 ? RK_DT_BF16 : RK_DT_F32, RK_QAT_NONE,
                        NULL, err);
    if (!st) t->net->whole = r->o->distill_hidden > 0.0;
    rk_folder_close(folder);
    if (st)
        rk_teacher_close(t);
    else
        *out = t;
    return st;
}

void rk_teacher_close(rk_teacher *t)
{
    if (!t) return;
    rk_net_free(t->net);
    rk_params_free(t->params);
    rk_bert_config_free(&t->config);
    rk_free(t);
}
