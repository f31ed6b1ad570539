/* Rows of an encoded set gathered into one ragged batch. */
#ifndef RK_TRAIN_BATCH_H
#define RK_TRAIN_BATCH_H

#include "base/status.h"
#include "text/tokenizer.h"

typedef struct rk_gather {
    size_t capacity_rows, capacity_tokens;
    int32_t *ids, *labels;
    size_t *starts;
} rk_gather;

/* Rows order[first] .. order[first + rows - 1]. */
rk_status rk_gather_rows(rk_gather *g, const rk_encoded *e, const uint32_t *order, size_t first,
                         size_t rows, rk_error *err);
void rk_gather_free(rk_gather *g);

#endif
