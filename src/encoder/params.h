/* The parameters of a BERT classifier: one block of floats, a list that names its parts, and
 * pointers by role. Gradients and optimiser state use the same layout with another block. Matrices
 * are [out, in], row-major, as PyTorch's Linear has them. */
#ifndef RK_ENCODER_PARAMS_H
#define RK_ENCODER_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "encoder/config.h"
#include "file/model_folder.h"

enum { RK_TABLES = 3 }; /* word, position and type: the first of the list */

typedef struct rk_param {
    char name[96];        /* "bert.encoder.layer.0.attention.self.query.weight" */
    size_t rank, dim[2];  /* a vector has rank 1, dim[1] = 1 */
    size_t offset, count; /* floats in the block */
    bool decay;           /* weight decay applies: matrices and tables, not biases and LayerNorm */
    bool quantised;       /* INT8 keeps it as codes: Linear weights and embedding tables */
} rk_param;

typedef struct rk_layer {
    float *qkv_w, *qkv_b;     /* [3 hidden, hidden], [3 hidden]: query, key, value in that order */
    float *attn_w, *attn_b;   /* attention.output.dense [hidden, hidden], [hidden] */
    float *ln1_w, *ln1_b;     /* attention.output.LayerNorm */
    float *inter_w, *inter_b; /* intermediate.dense [inner, hidden], [inner] */
    float *out_w, *out_b;     /* output.dense [hidden, inner], [hidden] */
    float *ln2_w, *ln2_b;     /* output.LayerNorm */
} rk_layer;

typedef struct rk_params {
    size_t count; /* floats in the block, padding included */
    float *block; /* owned; zero where padding */
    float *word, *position, *type, *emb_ln_w, *emb_ln_b;
    rk_layer *layer;            /* [layers] */
    float *pooler_w, *pooler_b; /* [hidden, hidden], [hidden] */
    float *class_w, *class_b;   /* [labels, hidden], [labels] */
    size_t params;
    rk_param *param; /* [params]; the order is fixed by the config */
} rk_params;

/* A zeroed block laid out for the config. Free with rk_params_free. */
rk_status rk_params_new(rk_params **out, const rk_bert_config *c, rk_error *err);
/* The same with nothing in the block yet: memory that is never written is never used. */
rk_status rk_params_new_raw(rk_params **out, const rk_bert_config *c, rk_error *err);
void rk_params_free(rk_params *p);

/* New random weights: normal(0, init_range), biases 0, LayerNorm 1 and 0. Stream k of the seed is
 * parameter k's, so a head made alone equals the head made with the rest. */
void rk_params_init(rk_params *p, const rk_bert_config *c, uint64_t seed);

/* Fills p from weights of any prefix ("bert." or none) and the old gamma/beta names; float, half
 * and bfloat16 are widened. A missing pooler or classifier is made from the seed and named in *made
 * (static text such as "pooler, classifier"; NULL when nothing was made). Other missing tensors,
 * wrong shapes and values that are not finite are RK_E_FORMAT. */
rk_status rk_params_load(rk_params *p, const rk_bert_config *c, const rk_weights *w, uint64_t seed,
                         const char **made, rk_error *err);

/* model.safetensors with every parameter (names as in param[].name). */
rk_status rk_params_save(const rk_params *p, const char *path, rk_error *err);

/* NULL when there is no such name. */
const rk_param *rk_params_find(const rk_params *p, const char *name);

#endif
