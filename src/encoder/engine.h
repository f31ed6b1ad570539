/* Private to the runtime: what a file says of a classifier, before it is packed, and the engine. */
#ifndef RK_ENCODER_ENGINE_H
#define RK_ENCODER_ENGINE_H

#include <stdbool.h>

#include "compute/infer_kernels.h"
#include "encoder/infer.h"

/* Rounding of floats to codes and back: a QuantizeLinear and a DequantizeLinear. */
typedef struct rk_quantiser {
    bool on;
    float scale;
    int zero, least, most;
} rk_quantiser;

/* One Linear: the weight as it lies in the file, and the form of its input: F32, or U8 with scale
 * and zero where the file quantises it. */
typedef struct rk_source_linear {
    rk_weight w;
    rk_matrix input;
    /* What only files of other tools have. */
    bool dynamic;                 /* U8 input: scale and zero are of the range of each row */
    const int32_t *zero;          /* [out] zero points of the weight, or NULL */
    rk_quantiser product, end;    /* before the bias; after it */
} rk_source_linear;

/* Rounding within attention, of files of other tools. q and k are scaled, then rounded; score is
 * what their product is multiplied by after its own rounding. */
typedef struct rk_source_attention {
    bool rounds;                  /* any of the roundings */
    float q_scale, k_scale, score_scale;
    rk_quantiser q, k, v, score, probability, context;
} rk_source_attention;

typedef struct rk_source_layer {
    rk_source_linear q, k, v;     /* the same input */
    rk_source_linear attn, inter, out;
    const float *ln1_w, *ln1_b, *ln2_w, *ln2_b;   /* [hidden] */
    rk_source_attention attention;
    rk_quantiser input, middle;   /* of the layer's input and of LayerNorm 1's output, for all who
                                   * read them */
} rk_source_layer;

/* A classifier, precision-neutral. Nothing here is owned: the reader keeps it alive until
 * rk_engine_build returns. */
typedef struct rk_source {
    const char *path;             /* for messages */
    const rk_bert_config *config; /* labels filled */
    rk_table word, position, type;
    const float *emb_ln_w, *emb_ln_b;
    const rk_source_layer *layer; /* [config->layers] */
    rk_source_linear pooler, classifier;
    const float *scale, *bias;    /* calibration: one scale, [labels] biases; NULL: none */
    uint64_t bytes;               /* of the file; 0: weights have no file that they could share */
} rk_source;

/* A graph may name one matrix in many layers, each of which has a copy when it is recognised or
 * packed. RK_E_UNSUPPORTED where copies of so many bytes, made from a file of `file` bytes (0: any
 * will do), are past any sharing that a model is known for. */
rk_status rk_copies_fit(uint64_t file, size_t copies, const char *path, rk_error *err);

/* Packs and copies everything. RK_E_UNSUPPORTED: bf16 asked of an INT8 model or of a processor that
 * has none. */
rk_status rk_engine_build(rk_engine **out, const rk_source *s, rk_compute compute, rk_error *err);

/* ---- the engine ---- */

typedef struct rk_engine_linear {
    rk_packed *w;
    rk_matrix input;                /* form, scale and zero of its input; no data */
} rk_engine_linear;

/* Key and value of the one query that a row has in the last layer, without either for any token:
 * q (K x + b) = (K^T q) x + q b, whose last term softmax does not see, and sum p (V x + b) =
 * V (sum p x) + b. Each [heads], owned: K^T of a head and its V. */
typedef struct rk_engine_folded {
    rk_engine_linear *key, *value;
} rk_engine_folded;

/* The last layer has q apart, since only the first token of a row asks there, and either folded or
 * kv; the others have all three in qkv. Outputs lie head by head: a head's query, key and value
 * side by side. */
typedef struct rk_engine_layer {
    rk_engine_linear qkv, q, kv;
    rk_engine_folded folded;      /* empty where the products are of integers */
    rk_engine_linear attn, inter, out;
    float *norms;                 /* [4][hidden]: ln1 weight, bias, ln2 weight, bias; owned */
} rk_engine_layer;

/* Where the numbers are while a chunk runs, all in one block. Tokens and rows: the capacity. */
typedef struct rk_engine_scratch {
    size_t tokens, rows, length, threads;
    unsigned char *block;
    float *hidden;                /* [tokens]: the residual stream */
    float *qkv;                   /* [tokens][heads][q, k, v][head size]; last layer: [k, v], or
                                   * where it is folded [2][rows][heads][hidden] */
    void *input;                  /* [tokens]: hidden as the next product wants it */
    void *context, *inner;        /* [tokens] */
    float *first, *query, *pooled;   /* [rows]: of the first tokens */
    void *first_input;            /* [rows] */
    float *attention;             /* [threads] */
    size_t attention_floats;      /* of one thread */
} rk_engine_scratch;

struct rk_foreign;                /* encoder/infer_foreign.h */
struct rk_foreign_scratch;

struct rk_engine {
    rk_bert_config config;
    const char *precision;
    rk_level level;
    const rk_infer_kernels *kernels;
    rk_table word, position;      /* data and scale owned */
    float *type;                  /* [hidden], row 0 of the table */
    float *emb_norm;              /* [2][hidden] */
    rk_pool *pool;                /* has the packed weights */
    rk_engine_layer *layer;
    rk_engine_linear pooler, classifier;
    struct rk_foreign *foreign;   /* layers and head of a file with quantisation that is not ours;
                                   * then layer, pooler and classifier are empty */
    float scale;                  /* of the logits, where bias is not NULL */
    float *bias;                  /* [labels]; NULL: logits are as the classifier gives them */
    size_t bytes;
    /* All above is only read after the build, calibration apart; engines that share it have what
     * follows of their own, and their bias. */
    rk_engine_scratch scratch;
    struct rk_foreign_scratch *foreign_scratch;   /* NULL until foreign runs */
    bool shares;                  /* another engine's weights */
};

/* Rows of the chunk that begins at starts[0], of `rows` that are left. */
size_t rk_engine_take(const size_t *starts, size_t rows);

static inline rk_packed_act rk_engine_act(const rk_engine *e)
{
    return e->config.act == RK_ACT_GELU        ? RK_PACKED_GELU
           : e->config.act == RK_ACT_GELU_TANH ? RK_PACKED_GELU_TANH
                                               : RK_PACKED_RELU;
}

#endif
