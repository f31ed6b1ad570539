/* A whole model's values: main graph and the bodies of If, Loop, Scan and their like, every name
 * resolved to the value that it means where it is read. */
#ifndef RK_ONNX_SCOPE_H
#define RK_ONNX_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "onnx/graph.h"
#include "onnx/model.h"
#include "onnx/schema.h"

/* Types: an element type (Onnx__TensorProto__DataType, 0 unknown) and what is made of it. */
enum {
    RK_KIND_TENSOR = 0,
    RK_KIND_SEQUENCE = 1 << 8,
    RK_KIND_OPTIONAL = 2 << 8,            /* of a tensor */
    RK_KIND_OPTIONAL_SEQUENCE = 3 << 8,
    RK_KIND_OTHER = 4 << 8,               /* maps, sparse tensors, opaque things */
    RK_KIND_MASK = 7 << 8,
    RK_ELEMENT_MASK = 0xff
};

typedef struct rk_read {
    size_t node, slot;        /* node RK_NONE: output `slot` of graph `graph` */
    size_t graph;
} rk_read;

typedef struct rk_svalue {
    const char *name;         /* the model's */
    size_t graph;             /* that defines it */
    size_t node, slot;        /* who makes it, or RK_NONE */
    Onnx__TensorProto *tensor;            /* it is an initializer of `graph`, or NULL */
    size_t initializer;                   /* its number there */
    const Onnx__SparseTensorProto *sparse;   /* or a sparse one */
    size_t input;             /* graph input of that number, or RK_NONE */
    bool output;              /* an output of the main graph */
    int32_t type;             /* 0 until rk_scope_infer */
    const rk_read *read;      /* [reads], in order */
    size_t reads;
} rk_svalue;

typedef struct rk_snode {
    Onnx__NodeProto *proto;
    size_t graph;
    const rk_schema *schema;  /* NULL: unknown, deprecated, or of an unknown domain */
    const size_t *in, *out;   /* value numbers, RK_NONE for a slot left out */
    size_t body, bodies;      /* graphs body .. body + bodies - 1 are its attributes */
} rk_snode;

typedef struct rk_sgraph {
    Onnx__GraphProto *proto;
    size_t parent;            /* the node that holds it; RK_NONE for the main graph */
    const char *attribute;    /* its name in that node */
    size_t node, nodes;       /* its nodes are node .. node + nodes - 1 */
    const size_t *in, *out;   /* values of its inputs and outputs */
} rk_sgraph;

typedef struct rk_scope {
    const rk_onnx *m;
    rk_sgraph *graph;         /* [graphs]; 0 is the main graph, outer before inner */
    rk_snode *node;           /* [nodes] */
    rk_svalue *value;         /* [values] */
    size_t graphs, nodes, values;
    const size_t *order;      /* [nodes]: after all that it reads; bodies before their node */
    void *memory;             /* private */
} rk_scope;

/* Proves the wiring on the way (RK_E_FORMAT names node and value): every value written once in its
 * graph, read only after it is made, outputs made by somebody. A snapshot: make a new one after an
 * edit. */
rk_status rk_scope_new(rk_scope **out, const rk_onnx *m, rk_error *err);
void rk_scope_free(rk_scope *s);                              /* takes NULL */

/* The value at a slot, NULL where it is left out. */
rk_svalue *rk_scope_in(const rk_scope *s, size_t node, size_t slot);
rk_svalue *rk_scope_out(const rk_scope *s, size_t node, size_t slot);
/* A node's name for messages (rk_node_shown). */
const char *rk_scope_shown(char *out, const rk_scope *s, size_t node);

/* True when graph a is b or holds it. */
bool rk_scope_holds(const rk_scope *s, size_t a, size_t b);

#endif
