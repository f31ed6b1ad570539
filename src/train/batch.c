#include "train/batch.h"

#include <string.h>

#include "base/mem.h"

static rk_status reserve(rk_gather *g, size_t rows, size_t tokens, rk_error *err)
{
    if (rows > g->capacity_rows) {
        rk_free(g->starts);
        rk_free(g->labels);
        g->starts = rk_calloc(rows + 1, sizeof *g->starts);
        g->labels = rk_calloc(rows, sizeof *g->labels);
        g->capacity_rows = g->starts && g->labels ? rows : 0;
    }
    if (tokens > g->capacity_tokens) {
        rk_free(g->ids);
        g->ids = rk_calloc(tokens, sizeof *g->ids);
        g->capacity_tokens = g->ids ? tokens : 0;
    }
    if (rows > g->capacity_rows || tokens > g->capacity_tokens)
        return rk_fail(err, RK_E_MEMORY, "out of memory for a batch of %zu rows", rows);
    return RK_OK;
}

rk_status rk_gather_rows(rk_gather *g, const rk_encoded *e, const uint32_t *order, size_t first,
                         size_t rows, rk_error *err)
{
    size_t tokens = 0;
    rk_status st;

    for (size_t i = 0; i < rows; i++)
        tokens += e->starts[order[first + i] + 1] - e->starts[order[first + i]];
    st = reserve(g, rows, tokens, err);
    if (st) return st;
    g->starts[0] = 0;
    for (size_t i = 0; i < rows; i++) {
        const size_t row = order[first + i], n = e->starts[row + 1] - e->starts[row];
        memcpy(g->ids + g->starts[i], e->ids + e->starts[row], n * sizeof *g->ids);
        g->starts[i + 1] = g->starts[i] + n;
        g->labels[i] = e->labels[row];
    }
    return RK_OK;
}

void rk_gather_free(rk_gather *g)
{
    rk_free(g->ids);
    rk_free(g->labels);
    rk_free(g->starts);
    memset(g, 0, sizeof *g);
}
