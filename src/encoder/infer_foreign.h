/* The runtime of INT8 files that other tools made: inputs quantised by their own range, weights
 * with zero points, roundings that our own files do not have. Products are integer; what is between
 * them is computed as the file says it, rounding by rounding, so nothing is fused. */
#ifndef RK_ENCODER_INFER_FOREIGN_H
#define RK_ENCODER_INFER_FOREIGN_H

#include "encoder/engine.h"

typedef struct rk_foreign_linear {
    rk_packed *w; /* float: bias packed; integer: bare sums of codes come out */
    bool integer, dynamic;
    rk_matrix input; /* as the product takes it */
    float scale;     /* of the input's codes, where not dynamic */
    int zero;
    float *scales, *bias;  /* [out], integer: of the weights; the Linear's */
    int32_t *zeros, *sums; /* [out], integer: of the weights; of their codes */
    rk_quantiser product, end;
} rk_foreign_linear;

typedef struct rk_foreign_layer {
    rk_foreign_linear q, k, v, attn, inter, out;
    float *norms; /* [4][hidden]; owned */
    rk_source_attention attention;
    rk_quantiser input, middle;
} rk_foreign_layer;

/* Of one engine: engines that share weights each have their own. */
typedef struct rk_foreign_scratch {
    size_t tokens, rows, length, threads;
    unsigned char *block;
    float *hidden, *q, *k, *v, *context; /* [tokens, hidden] */
    float *inner;                        /* [tokens, widest] */
    float *sums;                         /* [tokens, widest or labels] */
    uint8_t *codes;                      /* [tokens, widest] */
    float *first, *pooled;               /* [rows, hidden] */
    float *scale;                        /* [tokens] */
    int32_t *zero, *sum;                 /* [tokens] */
    float *attention;                    /* [threads] */
    size_t attention_floats;
} rk_foreign_scratch;

typedef struct rk_foreign {
    rk_foreign_layer *layer; /* [layers] */
    size_t layers;
    rk_foreign_linear pooler, classifier;
} rk_foreign;

/* Whether the source has anything that the fused runtime has no place for. */
bool rk_foreign_needed(const rk_source *s);
/* Packs and copies layers and head. */
rk_status rk_foreign_build(rk_foreign **out, const rk_source *s, rk_level level, size_t *bytes,
                           rk_error *err);
void rk_foreign_close(rk_foreign *f);                /* takes NULL */
void rk_foreign_scratch_free(rk_foreign_scratch *s); /* takes NULL */

/* As rk_engine_run; ids and starts are checked. */
rk_status rk_foreign_run(struct rk_engine *e, const int32_t *ids, const size_t *starts, size_t rows,
                         float *logits, rk_error *err);

#endif
