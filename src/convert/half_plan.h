/* Which nodes and values of a model become half: decided first, applied after (to_half.c). */
#ifndef RK_CONVERT_HALF_PLAN_H
#define RK_CONVERT_HALF_PLAN_H

#include "convert/half_tensor.h"
#include "convert/passes.h"
#include "onnx/names.h"
#include "onnx/scope.h"

typedef enum rk_half_node {
    RK_HN_OTHER,       /* has no float value at all, or is a node with bodies: see its cells */
    RK_HN_FLOAT,       /* its float values stay float */
    RK_HN_HALF,        /* its float values become half, where the operator lets them */
    RK_HN_MOVER,       /* moves values unchanged: one cell, float or half by its neighbours */
    RK_HN_CAST,        /* Cast, Constant, ConstantOfShape: the output takes what its readers want */
    RK_HN_ANY          /* reads floats of any kind and makes none: Shape, Size */
} rk_half_node;

typedef enum rk_want { RK_WANT_ANY, RK_WANT_FLOAT, RK_WANT_HALF } rk_want;

/* What may be in a value that half cannot hold. */
enum {
    RK_REACH_HUGE = 1,    /* a constant beyond half's range */
    RK_REACH_WIDE = 2,    /* powers, sums, reciprocals */
    RK_REACH_COUNT = 4,   /* an integer that may be large */
    RK_REACH_SMALL = 8    /* kept from zero by a number that half rounds to zero */
};

/* A cell is a type that several values share: what a mover reads and makes; an output of If with
 * its branches' results; a state or a scanned value of Loop and Scan, inside and outside. */
typedef struct rk_half_plan {
    const rk_onnx *m;
    const rk_half_options *o;
    rk_scope *s;
    int32_t half;                     /* ONNX's number of o->type */
    unsigned char *node;              /* [nodes] rk_half_node */
    const char **why;                 /* [nodes] static text for FLOAT */
    size_t *follows;                  /* [nodes] 1 + the value whose type it has; 0: none */
    size_t *first_cell, *node_cells;  /* [nodes] */
    size_t cells;
    unsigned char *cell_forced;       /* [cells] stays float whatever is around it */
    unsigned char *cell_half;         /* [cells] */
    unsigned char *reach;             /* [values] RK_REACH_* */
    rk_half_stats *stats;             /* [values] of constants, once looked at */
    bool *half_value;                 /* [values] a float value that is made as half */
    rk_names *keep_ops, *keep_nodes;
} rk_half_plan;

rk_status rk_half_plan_new(rk_half_plan **out, const rk_onnx *m, const rk_half_options *o,
                           rk_error *err);
void rk_half_plan_free(rk_half_plan *p);   /* takes NULL */

/* The type in which a reader wants the float value that it reads. */
rk_want rk_half_want(const rk_half_plan *p, const rk_read *r);
/* True for a tensor of type float. */
bool rk_half_is_float(const rk_svalue *v);
/* An initializer that no caller can replace. */
bool rk_half_is_constant(const rk_svalue *v);

/* ---- private to the plan's own files ---- */

/* half_nodes.c: decides every node by itself and by what reaches it. */
rk_status rk_half_decide_nodes(rk_half_plan *p, rk_error *err);
bool rk_half_allowed(const rk_half_plan *p, const rk_schema *s, char letter);
void rk_half_keep(rk_half_plan *p, size_t node, const char *why);

/* half_cells.c: numbers the cells, then settles them. */
rk_status rk_half_number_cells(rk_half_plan *p, rk_error *err);
rk_status rk_half_settle_cells(rk_half_plan *p, rk_error *err);
size_t rk_half_read_cell(const rk_half_plan *p, const rk_read *r);    /* RK_NONE: none */
size_t rk_half_made_cell(const rk_half_plan *p, const rk_svalue *v);
/* The body inputs and outputs that are one with a node's. */
size_t rk_half_body_in_cell(const rk_half_plan *p, size_t graph, size_t slot);
size_t rk_half_body_out_cell(const rk_half_plan *p, size_t graph, size_t slot);

#endif
