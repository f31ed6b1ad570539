/* The network in training: forward that keeps what the backward needs, exact gradients of every
 * parameter, and the fake-quantisation of QAT. Rows lie end to end; nothing is padded.
 *
 * Sizes in comments: T tokens of the batch, R rows, H hidden, I inner, L labels. */
#ifndef RK_ENCODER_NET_H
#define RK_ENCODER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute/loops.h"
#include "compute/matmul.h"
#include "encoder/config.h"
#include "encoder/params.h"
#include "encoder/ranges.h"
#include "quant/observer.h"

/* The input of a Linear as its products see it. */
typedef struct rk_input {
    float *x;        /* [T, in] fake-quantised, or the producer's own buffer; not where `coded` */
    uint8_t *inside; /* [T, in] INT8: 1 where the gradient passes; else NULL */
    uint16_t *x16;   /* [T, in] bfloat16 copy for --compute bf16; else NULL */
    uint8_t *codes;  /* [T, in] INT8 in bf16, where there are products of codes; else NULL */
    bool coded;      /* the forward multiplies the codes, with the scale and zero point in q */
    rk_qparams q;
} rk_input;

/* N is T, or R in the last layer where only first tokens are computed. */
typedef struct rk_acts {
    float *x; /* [T, H] the layer's input */
    rk_input in_qkv, in_attn, in_inter, in_out;
    float *qkv;                           /* [T, 3H]; of first tokens only: [T, 2H] key, value */
    float *ctx;                           /* [N, H] attention output */
    float *res1, *h;                      /* [N, H] before and after the first LayerNorm */
    float *u, *g;                         /* [N, I] before and after the activation */
    float *res2;                          /* [N, H] before the second LayerNorm */
    float *mean1, *rstd1, *mean2, *rstd2; /* [N] */
    uint8_t *keep_probs;                  /* [heads x sum of n^2] dropout masks, of query x key */
    uint8_t *keep1, *keep2;               /* [N, H] */
} rk_acts;

/* One batch. Dropout is on when `train`; its masks are those of (seed, stream). */
typedef struct rk_batch {
    const int32_t *ids;   /* [T] */
    const size_t *starts; /* [R + 1] */
    size_t rows;
    bool train;
    bool add; /* backward: gradients of matrices are added to what is there, not written */
    const float *dlast; /* backward: [T, H] a gradient at the last hidden states; NULL: none */
    uint64_t seed, stream;
} rk_batch;

typedef enum rk_observe {
    RK_OBSERVE_OFF,   /* ranges as they are */
    RK_OBSERVE_FIRST, /* measure, and do not quantise activations yet */
    RK_OBSERVE_UPDATE /* measure with quantisation on: the moving average follows */
} rk_observe;

typedef struct rk_net {
    const rk_bert_config *config;
    const rk_loops *loops;
    rk_matmul *mm;
    const rk_params *params; /* master weights, borrowed */
    const rk_params *used;   /* what the products multiply by: params, or `work` */
    rk_params *work;         /* QAT: rounded or fake-quantised copies; else NULL */
    uint16_t *w16;           /* bf16: copies of the Linear weights, at the offsets of `used` */
    /* INT8 in bf16, where the processor multiplies codes: those of the Linear weights, at the same
     * offsets; of each row of a matrix its scale (NaN where a weight is) and the sum of its codes.
     * The rows of parameter i begin at first_row[i]. All NULL otherwise. */
    int8_t *w8;
    float *row_scale;
    int32_t *row_sum;
    size_t *first_row;
    rk_dtype compute;        /* RK_DT_F32 or RK_DT_BF16 */
    rk_qat qat;
    rk_ranges *ranges; /* INT8: borrowed; observers write them */
    rk_observe observe;
    float momentum; /* of the moving average of min and max */
    rk_observer observer;
    double percentile;       /* of RK_OBSERVER_PERCENTILE */
    rk_histogram *histogram; /* of the batch in hand, for the other observers */
    float *bulk;    /* [sites] INT8: observers write which share of the batch's range holds all
                     * values but a hundredth at each end; NULL: not asked */
    double *dscale; /* [sites] INT8: the backward adds d loss / d ln scale; NULL: fixed scales */
    bool asleep;    /* QAT does not act yet: rk_net_sleep */
    float *peak;    /* [rk_half_places] FP16: largest magnitudes seen before rounding */
    /* The classifier reads the first token of each row, so the last layer computes only those
     * (keys and values of all). True: all of them, for those who read `last`; set it before the
     * first batch. */
    bool whole;
    float dropout_hidden, dropout_attention, dropout_classifier;
    rk_half_counts half; /* FP16: since the last rk_net_refresh */

    size_t tokens, rows, pairs; /* of the batch in hand; pairs = sum of n^2 */
    size_t cap_tokens, cap_rows, cap_pairs;
    unsigned char *arena;
    rk_acts *acts;                    /* [layers] */
    float *emb, *emb_mean, *emb_rstd; /* [T, H] sum of the tables, [T], [T] */
    uint8_t *keep_emb;
    float *last;  /* [T, H] output of the last layer where `whole`, else NULL */
    float *first; /* [R, H] its first tokens */
    /* of the last layer where not `whole`, [R, H]: its input's first tokens, their query and the
     * input of the query's product, the query's gradient */
    float *first_x, *query, *dquery;
    rk_input in_query;
    rk_input in_pooler, in_class;
    float *pooled, *dropped; /* [R, H] after tanh, after dropout */
    uint8_t *keep_pooled;
    float *logits;         /* [R, L] */
    float *dy, *dx, *dsum; /* [T, H] gradients on the way back; dsum: the residual's part */
    float *dwide, *dqkv;   /* [T, I], [T, 3H] */
    uint16_t *d16;         /* [T, max(3H, I)] or [R, L] bf16 copy of a gradient */
    float *partial;        /* per chunk sums of the gradients of vectors */
    double *chunk_sums;    /* of the gradients of scales */
    float *scratch;        /* attention, one part a thread */
    size_t scratch_each;
} rk_net;

/* params, ranges (INT8 only, else NULL) and config stay the caller's and must outlive the net. */
rk_status rk_net_new(rk_net **out, const rk_bert_config *c, const rk_params *params,
                     rk_dtype compute, rk_qat qat, rk_ranges *ranges, rk_error *err);
void rk_net_free(rk_net *net);

/* The places where FP16 rounds, for the report on values near its limits. */
enum {
    RK_HALF_QKV,
    RK_HALF_SCORES, /* attention's scores and probabilities */
    RK_HALF_CTX,
    RK_HALF_ATTN,
    RK_HALF_RES1,
    RK_HALF_H,
    RK_HALF_U,
    RK_HALF_G,
    RK_HALF_OUT,
    RK_HALF_RES2,
    RK_HALF_X,
    RK_HALF_PER_LAYER
};
enum { RK_HALF_EMBEDDED, RK_HALF_POOLER, RK_HALF_POOLED, RK_HALF_LOGITS, RK_HALF_HEAD };
size_t rk_half_places(const rk_bert_config *c);
/* The name of a place, by the parameter whose result is rounded there. */
void rk_half_name(char out[96], const rk_bert_config *c, size_t place);

/* QAT: while asleep the network computes in float; INT8 observers may look on. The copies of the
 * weights are made anew where that changes. */
void rk_net_sleep(rk_net *net, bool asleep);

/* Makes the copies of the weights that the products use; call it whenever params have changed. */
void rk_net_refresh(rk_net *net);
/* The same for rows `first` .. `first + rows` of one parameter that is no embedding table; counts
 * are added to, for the caller to put into net->half. Different rows may be done at once. */
void rk_net_refresh_rows(rk_net *net, size_t param, size_t first, size_t rows,
                         rk_half_counts *counts);

/* Checks a batch against the model and makes room for it; the forward calls it. */
rk_status rk_net_reserve(rk_net *net, const rk_batch *batch, rk_error *err);

/* Fills net->logits [R, L]. RK_E_ARG for ids or lengths outside the model. */
rk_status rk_net_forward(rk_net *net, const rk_batch *batch, rk_error *err);

/* After a forward of the same batch: the gradients of sum(dlogits x logits). Those of tables and
 * vectors are added to grad, those of matrices written (batch->add: added). dlogits [R, L]. */
rk_status rk_net_backward(rk_net *net, const rk_batch *batch, const float *dlogits, rk_params *grad,
                          rk_error *err);

/* The precision whose rounding is in force now. */
static inline rk_qat rk_net_acts_as(const rk_net *net)
{
    return net->asleep ? RK_QAT_NONE : net->qat;
}

static inline void rk_join_counts(rk_half_counts *all, rk_half_counts k)
{
    all->clamped += k.clamped;
    all->subnormal += k.subnormal;
    all->largest = k.largest > all->largest ? k.largest : all->largest;
}

static inline void rk_see_peak(rk_net *net, size_t place, float largest)
{
    if (net->peak && largest > net->peak[place]) net->peak[place] = largest;
}

/* ---- parts, one file each, both passes side by side ---- */

enum { RK_CHUNK = 32 }; /* tokens a piece of parallel work holds */

/* Tokens of a batch as its products count them: whole blocks of 32. */
static inline size_t rk_round_tokens(size_t tokens)
{
    return (tokens + RK_CHUNK - 1) / RK_CHUNK * RK_CHUNK;
}

static inline size_t rk_chunks(size_t rows)
{
    return (rows + RK_CHUNK - 1) / RK_CHUNK;
}

static inline size_t rk_chunk_rows(size_t chunk, size_t rows)
{
    const size_t left = rows - chunk * RK_CHUNK;
    return left < RK_CHUNK ? left : RK_CHUNK;
}

/* Whether a layer computes first tokens only. */
static inline bool rk_firsts(const rk_net *net, size_t layer)
{
    return !net->whole && layer + 1 == net->config->layers;
}

/* op_linear.c */
rk_status rk_linear(rk_net *net, float *y, const rk_input *in, const float *w, const float *bias,
                    size_t rows, size_t out, size_t cols, size_t place, rk_error *err);
/* dx [rows, cols] is written, dw as well (added to where batch->add), db is added to. */
rk_status rk_linear_back(rk_net *net, const rk_batch *batch, float *dx, float *dw, float *db,
                         const float *dy, const rk_input *in, const float *w, size_t rows,
                         size_t out, size_t cols, rk_error *err);

/* op_quant.c */
/* All that the products of the Linear read of x: the site's quantisation (in->x is x itself where
 * nothing is to be done), the bf16 copy, the codes. */
void rk_input_make(rk_net *net, rk_input *in, float *x, size_t site, size_t rows, size_t cols);
/* The gradient at the producer, whose x it is: zero where the site clamped. Adds to dscale. */
void rk_input_back(rk_net *net, float *dx, const rk_input *in, const float *x, size_t site,
                   size_t rows, size_t cols);
/* FP16: rounds x in place; nothing otherwise. */
void rk_round(rk_net *net, float *x, size_t rows, size_t cols, size_t place);
/* n values by one thread; what was met is added to counts. */
void rk_round_piece(const rk_net *net, float *x, size_t n, rk_half_counts *counts);
/* FP16: dx = 0 where y was clamped; nothing otherwise. */
void rk_round_back(const rk_net *net, float *dx, const float *y, size_t rows, size_t cols);
void rk_round_back_piece(const rk_net *net, float *dx, const float *y, size_t n);

/* op_norm.c */
void rk_norm(rk_net *net, float *y, float *mean, float *rstd, const float *x, const float *w,
             const float *b, size_t rows, size_t place);
void rk_norm_back(rk_net *net, float *dx, float *dw, float *db, const float *dy, const float *x,
                  const float *mean, const float *rstd, const float *w, size_t rows);
/* dw, db += the sums of LayerNorm's gradients in net->partial, in the order of the chunks, whatever
 * thread made them. */
void rk_add_partial(const rk_net *net, float *dw, float *db, size_t chunks);

/* op_residual.c */
/* What ends the attention and the feed-forward part of a layer, all [rows, H]:
 * y = LayerNorm(sum), sum = dropout(sum) + x. */
typedef struct rk_residual {
    float *sum, *y;
    const float *x;
    float *mean, *rstd;  /* [rows] */
    const float *w, *b;  /* [H] of LayerNorm */
    uint8_t *keep;       /* the mask, or with `firsts` room for it as rk_drop_first has it */
    bool firsts;         /* rows are first tokens */
    size_t rows;
    size_t drop_place, sum_place, y_place; /* of dropout; of FP16's rounding */
} rk_residual;

/* Those of layer l. */
rk_residual rk_residual_attention(const rk_net *net, size_t l);
rk_residual rk_residual_feed(const rk_net *net, size_t l);
void rk_residual_forward(rk_net *net, const rk_batch *batch, const rk_residual *e);
/* The gradient dy at y: that at sum and at x in dsum, that before dropout in dbefore (neither is
 * dy); dw, db are added to. */
void rk_residual_back(rk_net *net, const rk_batch *batch, float *dbefore, float *dsum, float *dw,
                      float *db, const float *dy, const rk_residual *e);

/* op_norm.c, dropout */
/* x = dropout(x) with a fresh mask for (stream, place); no mask is made when p is 0. */
void rk_drop(rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p, size_t place,
             size_t rows, size_t cols);
/* The same for rows of one chunk of them, by one thread. */
void rk_drop_chunk(const rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p,
                   size_t place, size_t chunk, size_t rows, size_t cols);
/* The same for the first token of each row, x [R, cols]: with the masks that those tokens have
 * among all; keep [R, cols] and room for 7 more. */
void rk_drop_first(rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p,
                   size_t place, size_t cols);
void rk_drop_back(const rk_net *net, const rk_batch *batch, float *dx, const uint8_t *keep, float p,
                  size_t rows, size_t cols);
/* y [R] = the first token of each row of x [T], of `bytes` bytes */
void rk_first_take(const rk_batch *batch, void *y, const void *x, size_t bytes);
/* the other way: x [T, cols] += y [R, cols] there */
void rk_first_add(const rk_net *net, const rk_batch *batch, float *x, const float *y, size_t cols);
/* y = x, by all threads */
void rk_copy(float *y, const float *x, size_t rows, size_t cols);
/* y = a + b */
void rk_sum(const rk_net *net, float *y, const float *a, const float *b, size_t rows, size_t cols);

/* op_attention.c */
void rk_attend(rk_net *net, const rk_batch *batch, size_t layer);
/* dctx as acts[layer].ctx; into net->dqkv as acts[layer].qkv, and net->dquery */
void rk_attend_back(rk_net *net, const rk_batch *batch, const float *dctx, size_t layer);

/* op_embed.c */
void rk_embed(rk_net *net, const rk_batch *batch);
void rk_embed_back(rk_net *net, const rk_batch *batch, const float *demb, rk_params *grad);

/* Dropout places: layer l has three. */
enum { RK_PLACE_EMBED = 1, RK_PLACE_POOLED = 2, RK_PLACE_LAYERS = 8, RK_PLACES_PER_LAYER = 4 };

/* A rate as the masks have it: the nearest multiple of 2^-16. */
uint32_t rk_drop_threshold(float p);
float rk_drop_scale(float p); /* 1 / (1 - p) of that rate */

#endif
