/* Private to the ONNX reader: walking a graph backwards and recognising its parts by structure. */
#ifndef RK_ENCODER_FROM_ONNX_H
#define RK_ENCODER_FROM_ONNX_H

#include "encoder/engine.h"
#include "encoder/onnx_example.h"
#include "onnx/graph.h"
#include "onnx/model.h"

typedef struct rk_walk {
    const rk_onnx *m;             /* the caller's */
    rk_index *x;
    const Onnx__GraphProto *g;
    rk_error *err;
    void **owned;                 /* repacked tensors and widened constants */
    size_t owns, room;
    size_t copied;                /* bytes ever in owned */
    const char *mask;             /* the mask value of the first layer met; shared by all */
    rk_feed *feeds;               /* [graph inputs] */
    rk_example *example[2];       /* of two shapes, that no fixed size fits both */
} rk_walk;

/* rk_engine_open_onnx of a model in memory, which stays the caller's. */
rk_status rk_engine_read_onnx(rk_engine **out, rk_onnx *m, rk_compute compute, json_t **metadata,
                              rk_error *err);

/* What a caller gives each graph input: by its name where it has a usual one, else by who reads it;
 * then the examples. RK_E_UNSUPPORTED: an input that is none of them. */
rk_status rk_walk_feed(rk_walk *w);
void rk_walk_close(rk_walk *w);

/* RK_E_UNSUPPORTED: the node that makes `value` (or the value itself) and what was wanted there. */
rk_status rk_walk_misfit(const rk_walk *w, const char *value, const char *wanted);
/* RK_E_MEMORY; or RK_E_UNSUPPORTED where copies of weights are past all measure. */
rk_status rk_walk_memory(const rk_walk *w);
/* Zeroed memory that lives until rk_walk_close; NULL as rk_walk_memory tells. */
void *rk_walk_alloc(rk_walk *w, size_t count, size_t size);

/* The node whose first output the value is; NULL for none. */
const Onnx__NodeProto *rk_walk_maker(const rk_walk *w, const char *value);
/* The value behind casts to float types, Identity nodes and Dropout that drops nothing, up to 64 of
 * them. */
const char *rk_walk_behind(const rk_walk *w, const char *value);
/* The node that makes the value, such steps skipped, if it is an `op`; else NULL. */
const Onnx__NodeProto *rk_walk_node(const rk_walk *w, const char *value, const char *op);

/* A constant: initializer or Constant node, casts of floats looked through. *found says whether the
 * value is one. */
rk_status rk_walk_constant(rk_walk *w, rk_tensor *out, bool *found, const char *value);
/* A single number of any type. False where the value is none. */
bool rk_walk_scalar(rk_walk *w, double *out, const char *value);
/* A vector of whole numbers; false where it is none or has more than `room`. */
bool rk_walk_whole(rk_walk *w, int64_t *out, size_t *count, size_t room, const char *value);
/* A float vector of `width` numbers (0: any), widened. RK_E_UNSUPPORTED names the value. */
rk_status rk_walk_floats(rk_walk *w, const float **out, size_t *width, const char *value);

/* ---- quantisation ---- */

/* Scales and zero points of n [count], spread from one for all; *zero NULL where all are 0. The
 * zero points are of type `type`. */
rk_status rk_walk_scales(rk_walk *w, const float **scale, const int32_t **zero,
                         const Onnx__NodeProto *n, size_t count, rk_dtype type);
/* A matrix [dim 0, dim 1] with its last two arguments for int8: codes have a scale for each entry
 * of the axis, and zero points unless they are 0. uint8 codes come as int8, 128 lower. */
typedef struct rk_walk_matrix {
    rk_tensor t;
    const float *scale;
    const int32_t *zero;
} rk_walk_matrix;
rk_status rk_walk_weights(rk_walk *w, rk_walk_matrix *out, size_t axis, const char *value,
                          bool *found);
/* The same for codes that an integer product or a Gather reads: scale and zero as they stand. */
rk_status rk_walk_codes(rk_walk *w, rk_walk_matrix *out, size_t axis, const char *codes,
                        const char *scale, const char *zero, bool *found);
/* A pair of QuantizeLinear and DequantizeLinear of the same constants at *value, which becomes what
 * is rounded; q->on tells. A DequantizeLinear of anything else is left where it is.
 * RK_E_UNSUPPORTED: a pair that does not fit together. */
rk_status rk_walk_rounding(rk_walk *w, rk_quantiser *q, const char **value);

/* ---- views: the same numbers in another order ---- */

/* What a value is made of by moving, scaling and rounding `from`: after * round(before * from). */
typedef struct rk_chain {
    const char *from;
    double before, after;
    rk_quantiser round;
} rk_chain;
rk_status rk_walk_chain(rk_walk *w, rk_chain *out, const char *value);
/* Where each element of value stands in `from`, in an example: *out->data is the caller's. False
 * where the shapes do not follow. */
bool rk_walk_view(rk_walk *w, rk_array *out, size_t example, const char *value, const char *from);

/* Query, key, value and what makes the context of them, behind value: [batch, sequence, hidden].
 * *input is the layer's input. */
rk_status rk_walk_attention(rk_walk *w, rk_source_layer *l, const char **input, size_t *heads,
                            const char *value);

/* The Linear that ends at value: its weight, bias and input form; *input is the value it reads.
 * With *fits false it is none (and no error). */
rk_status rk_walk_linear(rk_walk *w, rk_source_linear *out, const char **input, bool *fits,
                         const char *value);
/* A node of op Add or Mul whose operands are x and y, either way round: the two, in input order. */
bool rk_walk_pair(const rk_walk *w, const char *op, const char *value, const char *pair[2]);

/* LayerNormalization ending at value. width 0: any, set. */
rk_status rk_walk_norm(rk_walk *w, const float **weight, const float **bias, float *eps,
                       size_t *width, const char **input, const char *value);

/* The activation ending at value: which one, found by evaluating its nodes, and the value it is of,
 * the nearest one that a Linear makes. */
rk_status rk_walk_activation(rk_walk *w, rk_activation *act, const char **input,
                             const char *value);

/* word, position, type and their LayerNorm. */
rk_status rk_walk_embeddings(rk_walk *w, rk_source *out, float *eps, const char *value);

#endif
