/* AdamW and the gradient norm.
 *
 * A batch holds a few hundred of the word table's many thousand rows. AdamW still moves the others
 * (their moments fade, decay shrinks them); that is put off until a row is met again or somebody
 * looks at the whole, and then done step by step as it would have been: the bits are the same. */
#ifndef RK_TRAIN_OPTIMIZER_H
#define RK_TRAIN_OPTIMIZER_H

#include "compute/loops.h"
#include "encoder/net.h"

typedef struct rk_adamw {
    double lr, decay, beta1, beta2, eps;
} rk_adamw;

typedef struct rk_optimizer {
    rk_params *params, *grad; /* the caller's; row 0 of param[] is the word table */
    float *m, *v;             /* moments, laid out as params; settled when all rows are */
    size_t step;              /* updates done */
    double *factor;           /* [params] of the rate; all 1 unless the caller says otherwise */
    rk_adamw_step *each;      /* [params] the numbers of the update in hand */

    struct rk_piece *piece; /* all parameters but the word table, in parts that fit a cache */
    size_t pieces;
    double *sums;          /* [pieces + rows of the word table] */
    uint32_t *done;        /* [rows] the update that the row has reached */
    uint32_t *met, *stamp; /* [rows] rows with a gradient, ascending; when it was put there */
    size_t met_count;
    rk_adamw_step *past; /* updates since `settled`, as the word table's rows see them */
    size_t past_room, settled;
} rk_optimizer;

/* Moments zero, step 0. params and grad (all zero) must outlive it. */
rk_status rk_optimizer_new(rk_optimizer **out, rk_params *params, rk_params *grad, rk_error *err);
void rk_optimizer_free(rk_optimizer *o);

/* After m, v and params were filled from elsewhere, as they are after `step` updates. */
void rk_optimizer_restart(rk_optimizer *o, size_t step);

/* Before the forward of every batch: its rows of the word table are brought up to date, and they
 * alone may have a gradient at the next update. */
void rk_optimizer_meet(rk_optimizer *o, const rk_loops *loops, const int32_t *ids, size_t n);

/* L2 norm of all gradients; summed in a fixed order, so equal for any number of threads. */
double rk_optimizer_norm(const rk_optimizer *o, const rk_loops *loops);

/* One update (Loshchilov & Hutter 2019, as torch.optim.AdamW): gradients are scaled by gscale
 * first; decay only where rk_param.decay says so. Leaves the gradients of tables and vectors zero;
 * those of matrices are for the next backward to write. net, unless NULL, gets its copies of the
 * weights renewed on the way. RK_E_MEMORY before anything has changed. */
rk_status rk_optimizer_step(rk_optimizer *o, const rk_loops *loops, rk_net *net, const rk_adamw *a,
                            double gscale, rk_error *err);

/* Brings every row up to date; before params, m or v are read as a whole. */
void rk_optimizer_settle(rk_optimizer *o, const rk_loops *loops);

#endif
