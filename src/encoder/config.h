/* What a BERT classifier looks like: sizes, rates and labels, from config.json. */
#ifndef RK_ENCODER_CONFIG_H
#define RK_ENCODER_CONFIG_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "text/rows.h"

typedef enum rk_activation { RK_ACT_GELU, RK_ACT_GELU_TANH, RK_ACT_RELU } rk_activation;

typedef struct rk_bert_config {
    size_t layers, hidden, heads, inner; /* hidden = heads x head size */
    size_t vocab, positions, types;      /* rows of the three embedding tables */
    float eps;                           /* LayerNorm epsilon */
    float dropout_hidden, dropout_attention, dropout_classifier;
    float init_range; /* deviation of new weights */
    rk_activation act;
    int32_t pad_id;
    rk_labels labels; /* empty where config.json names none */
} rk_bert_config;

/* Reads and checks; path names the file in errors. Zero *out first; free with rk_bert_config_free
 * on success and on failure. */
rk_status rk_bert_config_read(rk_bert_config *out, const json_t *json, const char *path,
                              rk_error *err);
/* config.json as transformers' BertForSequenceClassification reads it: a new reference or NULL.
 * `base`, unless NULL, gives extra keys that are kept. */
json_t *rk_bert_config_json(const rk_bert_config *c, const json_t *base);
rk_status rk_bert_config_copy(rk_bert_config *out, const rk_bert_config *in, rk_error *err);
void rk_bert_config_free(rk_bert_config *c);

#endif
