/* Private to the ONNX reader: walking a graph backwards and recognising its parts by structure. */
#ifndef RK_ENCODER_FROM_ONNX_H
#define RK_ENCODER_FROM_ONNX_H

#include "encoder/engine.h"
#include "onnx/graph.h"
#include "onnx/model.h"

typedef struct rk_walk {
    const rk_onnx *m;             /* the caller's */
    rk_index *x;
    const Onnx__GraphProto *g;
    rk_error *err;
    void **owned;                 /* repacked tensors and widened constants */
    size_t owns, room;
    const char *mask;             /* the mask value of the first layer met; shared by all */
} rk_walk;

/* rk_engine_open_onnx of a model in memory, which stays the caller's. */
rk_status rk_engine_read_onnx(rk_engine **out, rk_onnx *m, rk_compute compute, json_t **metadata,
                              rk_error *err);

void rk_walk_close(rk_walk *w);

/* RK_E_UNSUPPORTED: the node that makes `value` (or the value itself) and what was wanted there. */
rk_status rk_walk_misfit(const rk_walk *w, const char *value, const char *wanted);
rk_status rk_walk_memory(const rk_walk *w);
/* Zeroed memory that lives until rk_walk_close; NULL when out of memory. */
void *rk_walk_alloc(rk_walk *w, size_t count, size_t size);

/* The value behind casts between float types and Identity nodes. */
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

/* A table read by rows, plain or quantised by row. `value` is what the reading node reads. */
rk_status rk_walk_table(rk_walk *w, rk_table *out, const char *value);
/* word, position, type and their LayerNorm. ids: the graph input that the word table is read by. */
rk_status rk_walk_embeddings(rk_walk *w, rk_source *out, const char **ids, float *eps,
                             const char *value);

#endif
