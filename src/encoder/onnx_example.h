/* The values of a graph on a small example: their shapes, and their numbers where those follow from
 * shapes, from what a caller feeds and from small constants. So masks, positions and shapes are
 * known by what they come to, whatever nodes an exporter wrote them with. */
#ifndef RK_ENCODER_ONNX_EXAMPLE_H
#define RK_ENCODER_ONNX_EXAMPLE_H

#include "onnx/graph.h"
#include "onnx/model.h"

typedef struct rk_array {
    bool shaped; /* else nothing is known */
    bool whole;  /* of an integer type, or bool (0 and 1) */
    size_t rank, dim[RK_MAX_RANK], count;
    double *data; /* [count] or NULL */
} rk_array;

/* What a caller gives an input. */
typedef enum rk_feed {
    RK_FEED_NONE,
    RK_FEED_IDS,      /* numbers that no other feed has: batch row 1 has others than row 0 */
    RK_FEED_MASK,     /* row 0: ones; further rows: one, then zeros */
    RK_FEED_TYPES,    /* zeros */
    RK_FEED_POSITIONS /* 0 .. length - 1 in each row */
} rk_feed;

typedef struct rk_example {
    size_t batch, length;
    const rk_index *x;
    rk_array *value; /* [x->values] */
    size_t budget;   /* numbers that may still be kept */
    bool failed;     /* out of memory */
} rk_example;

/* feeds: one for each graph input. RK_E_MEMORY. The index is the caller's and must outlive it. */
rk_status rk_example_new(rk_example **out, const rk_index *x, const rk_feed *feeds, size_t batch,
                         size_t length, const char *shown, rk_error *err);
void rk_example_free(rk_example *e); /* takes NULL */

/* NULL where not even its shape is known. */
const rk_array *rk_example_find(const rk_example *e, const char *name);

/* The output of a node, its inputs 1 and up as in the example and input 0 as given. False where it
 * is not known in numbers. *out is the caller's: rk_free(out->data). */
bool rk_example_apply(rk_example *e, const Onnx__NodeProto *n, const rk_array *first,
                      rk_array *out);

/* ---- private to its files ---- */

enum { RK_ARRAY_INPUTS = 8, RK_ARRAY_LIMIT = 1 << 17 };

/* in[i] NULL: left out or unknown. Shape, and numbers where they follow; false where nothing is
 * known. */
bool rk_array_node(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in,
                   size_t inputs, rk_example *e);
/* The same of the operators that move numbers, or make them of shapes; in[0] is there. */
bool rk_array_move(rk_array *out, const Onnx__NodeProto *n, const rk_array *const *in,
                   size_t inputs, rk_example *e);
/* Shapes of a and b together as numpy broadcasts them. */
bool rk_array_broadcast(size_t *dim, size_t *rank, const rk_array *a, const rk_array *b);
/* a repeated to a shape that it broadcasts to. */
bool rk_array_expanded(rk_array *out, const rk_array *a, size_t rank, const size_t *dim,
                       rk_example *e);
/* Axes from the second input, else from the attribute. */
bool rk_array_axes(bool mask[RK_MAX_RANK], bool *given, const Onnx__NodeProto *n,
                   const rk_array *axes, size_t rank);
/* Zeroed numbers for an array that has its count; false past the limits. */
bool rk_array_numbers(rk_array *a, rk_example *e);
/* Sets shape and count; false where they overflow. */
bool rk_array_shape(rk_array *a, size_t rank, const size_t *dim);

#endif
