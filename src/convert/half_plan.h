/* Which nodes and values of a graph become half: decided first, applied after (to_fp16.c). */
#ifndef RK_CONVERT_HALF_PLAN_H
#define RK_CONVERT_HALF_PLAN_H

#include "convert/passes.h"
#include "onnx/graph.h"
#include "onnx/schema.h"

typedef enum rk_half_node {
    RK_HN_OTHER,       /* has no float value at all */
    RK_HN_FLOAT,       /* its float values stay float */
    RK_HN_HALF,        /* its float values become half, where the operator lets them */
    RK_HN_MOVER,       /* moves values unchanged: settled to FLOAT or HALF by its neighbours */
    RK_HN_CAST,        /* Cast and ConstantOfShape: the output takes what its readers want */
    RK_HN_ANY          /* reads floats of any kind and makes none: Shape, Size */
} rk_half_node;

typedef enum rk_want { RK_WANT_ANY, RK_WANT_FLOAT, RK_WANT_HALF } rk_want;

typedef struct rk_half_plan {
    const rk_onnx *m;
    const rk_half_options *o;
    rk_index *x;
    int32_t *type;                    /* [x->values], as inferred before the conversion */
    int32_t half;                     /* ONNX's number of o->type */
    int64_t opset;
    const rk_schema **schema;         /* [nodes] */
    unsigned char *node;              /* [nodes] rk_half_node; no MOVER left */
    const char **why;                 /* [nodes] static text for FLOAT */
    bool *half_value;                 /* [x->values]: a float value that is made as half */
} rk_half_plan;

rk_status rk_half_plan_new(rk_half_plan **out, const rk_onnx *m, const rk_half_options *o,
                           rk_error *err);
void rk_half_plan_free(rk_half_plan *p);   /* takes NULL */

/* The type in which a node wants the float value at an input slot. */
rk_want rk_half_want(const rk_half_plan *p, size_t node, size_t slot);
/* True for a value of type float. */
bool rk_half_is_float(const rk_half_plan *p, const rk_value *v);

#endif
