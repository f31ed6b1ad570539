/* Random classifiers for tests of the runtime, and the plain forward pass in double that says
 * what they should answer. */
#ifndef RK_TEST_RANDOM_MODEL_H
#define RK_TEST_RANDOM_MODEL_H

#include "base/rng.h"
#include "encoder/engine.h"

enum { RANDOM_BLOCKS = 4096, RANDOM_LABELS = 64 };

/* As the engine is told of it and as the plain forward pass reads it. */
typedef struct random_model {
    rk_bert_config c;
    rk_dtype type;              /* of weights and tables: F32, F16 or I8 */
    rk_source s;
    void *block[RANDOM_BLOCKS]; /* all memory of it */
    size_t blocks;
    uint64_t state;             /* of the random numbers that it is made of */
} random_model;

/* hidden is heads * head. vocab, labels (at most RANDOM_LABELS) and act 0: random. */
typedef struct random_shape {
    size_t heads, head, inner, layers, positions, vocab, labels;
} random_shape;

void random_model_make(random_model *m, rk_dtype type, const random_shape *shape, rk_rng *rng);
void random_model_free(random_model *m);

/* The same numbers as floats, in no quantised form: what F16 and I8 weights stand for. */
void random_model_widen(random_model *out, const random_model *m);

/* Rounding errors of an implementation, sent through the plain forward pass: each value is
 * moved by its bound, up or down by chance. */
typedef struct plain_noise {
    double sum;     /* products: sum * (K + 2) sum |x w| */
    double value;   /* what LayerNorm and functions take and give: value * their size */
    double input;   /* inputs of Linears: input * |x| */
    double code;    /* inputs of quantised Linears: code * scale, before they are rounded */
    bool bf16;      /* weights of Linears are rounded to bfloat16 */
    uint64_t *state; /* of the chance */
} plain_noise;

/* logits [labels] of one row of n ids. noise NULL: none. */
void plain_forward(double *logits, const random_model *m, const int32_t *ids, size_t n,
                   const plain_noise *noise);

#endif
