/* rk_init: a random encoder with a vocabulary learned from the rows. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "encoder/params.h"
#include "text/clean.h"
#include "text/tokenizer.h"

void rk_init_defaults(rk_init_options *o)
{
    memset(o, 0, sizeof *o);
    o->layers = 2;
    o->hidden = 128;
    o->heads = 4;
    o->vocab_size = 4000;
    o->max_length = 128;
    o->seed = 42;
}

static rk_status check(const rk_init_options *o, rk_error *err)
{
    if (!o->train || !o->out)
        return rk_fail(err, RK_E_ARG, "training rows and an output folder are needed");
    if (o->layers < 1 || o->layers > 1000 || o->heads < 1 || o->hidden < 1 || o->hidden > 1 << 16)
        return rk_fail(err, RK_E_ARG,
                       "layers (1 to 1000), hidden (1 to 65536) and heads must be sensible");
    if (o->hidden % o->heads)
        return rk_fail(err, RK_E_ARG, "hidden %zu is not a multiple of heads %zu", o->hidden,
                       o->heads);
    if (o->vocab_size < 10 || o->vocab_size > 2000000 || o->max_length < 2 ||
        o->max_length > 1 << 20)
        return rk_fail(err, RK_E_ARG,
                       "vocabulary size must be 10 to 2000000, max length 2 to 1048576");
    return RK_OK;
}

static rk_status save(const char *dir, const rk_bert_config *c, const rk_params *p,
                      const rk_tokenizer *t, unsigned clean, rk_error *err)
{
    char *weights = rk_path_join(dir, "model.safetensors"),
         *config = rk_path_join(dir, "config.json");
    char *ringkas = rk_path_join(dir, "ringkas.json"), *name = rk_clean_name(clean);
    json_t *cj = rk_bert_config_json(c, NULL), *rj = NULL;
    rk_status st;

    if (name)
        rj = json_pack("{s:i s:s s:s s:I}", "format", 1, "version", RK_VERSION, "clean", name,
                       "max_length", (json_int_t)c->positions);
    if (!weights || !config || !ringkas || !cj || !rj) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto done;
    }
    st = rk_params_save(p, weights, err);
    if (!st) st = rk_json_save(cj, config, err);
    if (!st) st = rk_json_save(rj, ringkas, err);
    if (!st) st = rk_tokenizer_save(t, dir, err);
done:
    rk_free(weights);
    rk_free(config);
    rk_free(ringkas);
    rk_free(name);
    json_decref(cj);
    json_decref(rj);
    return st;
}

static rk_status make(char **json, const rk_init_options *o, rk_bert_config *c, unsigned clean,
                      const rk_tokenizer *t, rk_error *err)
{
    rk_params *p = NULL;
    bool existed;
    json_t *j;
    rk_status st;

    c->layers = o->layers;
    c->hidden = o->hidden;
    c->heads = o->heads;
    c->inner = 4 * o->hidden;
    c->vocab = rk_tokenizer_size(t);
    c->positions = o->max_length;
    c->types = 2;
    c->eps = 1e-12f;
    c->dropout_hidden = c->dropout_attention = c->dropout_classifier = 0.1f;
    c->init_range = 0.02f;
    c->pad_id = rk_tokenizer_pad_id(t);
    st = rk_params_new(&p, c, err);
    if (st) return st;
    rk_params_init(p, c, o->seed);
    existed = rk_path_exists(o->out);
    st = rk_dir_make(o->out, err);
    if (!st) st = save(o->out, c, p, t, clean, err);
    if (!st) {
        j = json_pack("{s:s s:I s:I s:I s:I s:I}", "out", o->out, "layers", (json_int_t)c->layers,
                      "hidden", (json_int_t)c->hidden, "vocab_size", (json_int_t)c->vocab, "labels",
                      (json_int_t)c->labels.count, "parameters", (json_int_t)p->count);
        *json = j ? rk_json_text(j, 0) : NULL;
        json_decref(j);
        if (!*json) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    rk_params_free(p);
    /* goes only while it is empty */
    if (st && !existed) rmdir(o->out);
    return st;
}

rk_status rk_init(char **json, const rk_init_options *o, rk_error *err)
{
    rk_bert_config c;
    rk_tokenizer *t = NULL;
    rk_rows *rows = NULL;
    unsigned clean = 0;
    rk_status st = check(o, err);

    *json = NULL;
    memset(&c, 0, sizeof c);
    if (!st) st = rk_clean_parse(&clean, o->clean ? o->clean : "none", err);
    if (!st) st = rk_rows_load_fields(&rows, o->train, &o->fields, true, 0, err);
    if (!st) st = rk_labels_from_rows(&c.labels, rows, err);
    if (!st) st = rk_vocab_learn(&t, rows, clean, o->vocab_size, err);
    if (!st) rk_tokenizer_set_max_length(t, o->max_length);
    if (!st) st = make(json, o, &c, clean, t, err);
    rk_tokenizer_close(t);
    rk_rows_free(rows);
    rk_bert_config_free(&c);
    return st;
}
