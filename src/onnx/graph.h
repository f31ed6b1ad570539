/* Editing a graph, and finding who makes and who reads each value. */
#ifndef RK_ONNX_GRAPH_H
#define RK_ONNX_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/tensor.h"
#include "onnx.pb-c.h"

/* ---- building: errors stick in `failed` (memory), so a builder checks once at the end ---- */

typedef struct rk_build {
    Onnx__GraphProto *graph;      /* the model's; not owned */
    bool failed;
} rk_build;

/* Appends a node with one output, named like its output; inputs are the strings up to a NULL (""
 * for an input left out). Returns the node (owned by the graph) or NULL, which the other calls
 * take. */
Onnx__NodeProto *rk_add_node(rk_build *b, const char *op, const char *output, ...);
/* The same with arrays; name may be NULL for the first output's. */
Onnx__NodeProto *rk_add_node_n(rk_build *b, const char *op, const char *name,
                               const char *const *inputs, size_t n_inputs,
                               const char *const *outputs, size_t n_outputs);
void rk_attr_int(rk_build *b, Onnx__NodeProto *node, const char *name, int64_t value);
void rk_attr_float(rk_build *b, Onnx__NodeProto *node, const char *name, float value);
void rk_attr_ints(rk_build *b, Onnx__NodeProto *node, const char *name, const int64_t *values,
                  size_t count);
/* Takes t, also when it fails. */
void rk_attr_tensor(rk_build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *t);

/* Appends an initializer; returns its data (t->raw_data.data), to be filled; NULL when failed. */
void *rk_add_initializer(rk_build *b, const char *name, rk_dtype type, const size_t *dim,
                         size_t rank);
void rk_add_scalar_f32(rk_build *b, const char *name, float value);
void rk_add_vector_i64(rk_build *b, const char *name, const int64_t *values, size_t count);

/* Appends a graph input or output of a tensor type; dims[i] is a name, or digits for a fixed size.
 */
void rk_add_input(rk_build *b, const char *name, rk_dtype type, const char *const *dims,
                  size_t rank);
void rk_add_output(rk_build *b, const char *name, rk_dtype type, const char *const *dims,
                   size_t rank);

/* ---- reading a node ---- */

/* NULL when absent. */
const Onnx__AttributeProto *rk_node_attr(const Onnx__NodeProto *n, const char *name);
int64_t rk_node_int(const Onnx__NodeProto *n, const char *name, int64_t otherwise);
float rk_node_float(const Onnx__NodeProto *n, const char *name, float otherwise);
/* True for an operator of the default domain ("" or "ai.onnx"). */
bool rk_node_is(const Onnx__NodeProto *n, const char *op);
/* The value read or written at a slot; NULL where it is left out. */
const char *rk_node_input(const Onnx__NodeProto *n, size_t slot);
const char *rk_node_output(const Onnx__NodeProto *n, size_t slot);
/* Something to call a node by in messages: its name, else its first output, else its number; safe
 * to print, in `out` (RK_QUOTE_SIZE bytes). */
const char *rk_node_shown(char *out, const Onnx__GraphProto *g, size_t node);

/* ---- index: values by name ---- */

#define RK_NONE ((size_t)-1)

typedef struct rk_use {
    size_t node, slot;        /* graph->node[node]->input[slot] */
} rk_use;

typedef struct rk_value {
    const char *name;         /* the graph's */
    size_t node, slot;        /* graph->node[node]->output[slot] makes it; else RK_NONE */
    size_t initializer;       /* graph->initializer[..]; else RK_NONE */
    size_t input;             /* graph->input[..]; else RK_NONE (both for old-style inputs) */
    size_t output;            /* graph->output[..] (the first such); else RK_NONE */
    const rk_use *use;        /* [uses], in node order */
    size_t uses;
} rk_value;

typedef struct rk_index {
    const Onnx__GraphProto *graph;
    rk_value *value;          /* [values] */
    size_t values;
    void *memory;             /* private */
} rk_index;

/* Indexes a graph and proves its wiring: every value written once (RK_E_FORMAT names nodes and
 * value), read only after it is made (a cycle, a wrong order, a value that nobody makes), outputs
 * made by somebody. The index is a snapshot: build a new one after an edit. Values captured by
 * subgraphs are not followed. */
rk_status rk_index_new(rk_index **out, const Onnx__GraphProto *g, const char *shown, rk_error *err);
void rk_index_free(rk_index *x);                                   /* takes NULL */
/* NULL for no such value (or name NULL or ""). */
const rk_value *rk_index_find(const rk_index *x, const char *name);
/* The node that makes a value, or NULL. */
const Onnx__NodeProto *rk_index_producer(const rk_index *x, const char *name);
/* The initializer of that name, or NULL. */
const Onnx__TensorProto *rk_index_initializer(const rk_index *x, const char *name);

#endif
