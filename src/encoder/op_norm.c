/* LayerNorm, dropout, first tokens and sums. */
#include <string.h>

#include "base/rng.h"
#include "encoder/net.h"

void rk_norm(rk_net *net, float *y, float *mean, float *rstd, const float *x, const float *w,
             const float *b, size_t rows, size_t place)
{
    const size_t h = net->config->hidden;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t r = c * RK_CHUNK;
        net->loops->layernorm(y + r * h, mean + r, rstd + r, x + r * h, w, b,
                              rk_chunk_rows(c, rows), h, net->config->eps);
    }
    rk_round(net, y, rows, h, place);
}

void rk_add_partial(const rk_net *net, float *dw, float *db, size_t chunks)
{
    const size_t h = net->config->hidden;
    for (size_t c = 0; c < chunks; c++) {
        net->loops->add(dw, dw, net->partial + c * 2 * h, h);
        net->loops->add(db, db, net->partial + c * 2 * h + h, h);
    }
}

void rk_norm_back(rk_net *net, float *dx, float *dw, float *db, const float *dy, const float *x,
                  const float *mean, const float *rstd, const float *w, size_t rows)
{
    const size_t h = net->config->hidden, n = rk_chunks(rows);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < n; c++) {
        const size_t r = c * RK_CHUNK;
        float *part = net->partial + c * 2 * h;
        memset(part, 0, 2 * h * sizeof *part);
        net->loops->layernorm_back(dx + r * h, part, part + h, dy + r * h, x + r * h, mean + r,
                                   rstd + r, w, rk_chunk_rows(c, rows), h);
    }
    rk_add_partial(net, dw, db, n);
}

void rk_drop_chunk(const rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p,
                   size_t place, size_t chunk, size_t rows, size_t cols)
{
    const uint32_t threshold = rk_drop_threshold(p);
    const uint64_t stream = batch->stream << 16 | place;
    const size_t blocks = (RK_CHUNK * cols + 7) / 8; /* Philox blocks set aside for a chunk */
    const size_t at = chunk * RK_CHUNK * cols, n = rows * cols;

    if (!batch->train || threshold == 0) return;
    net->loops->dropout_mask(keep + at, batch->seed, stream, chunk * blocks, n, threshold);
    net->loops->dropout(x + at, x + at, keep + at, rk_drop_scale(p), n);
}

uint32_t rk_drop_threshold(float p)
{
    return (uint32_t)(p * 65536.0f + 0.5f);
}

float rk_drop_scale(float p)
{
    return 65536.0f / (65536.0f - (float)rk_drop_threshold(p));
}

void rk_drop(rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p, size_t place,
             size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++)
        rk_drop_chunk(net, batch, x, keep, p, place, c, rk_chunk_rows(c, rows), cols);
}

void rk_drop_first(rk_net *net, const rk_batch *batch, float *x, uint8_t *keep, float p,
                   size_t place, size_t cols)
{
    enum { NUMBERS = 8 }; /* in a Philox block */
    const uint32_t threshold = rk_drop_threshold(p);
    const uint64_t stream = batch->stream << 16 | place;
    const size_t blocks = (RK_CHUNK * cols + NUMBERS - 1) / NUMBERS;

    if (!batch->train || threshold == 0) return;
    /* in order: a row's first block may hold numbers of the token before it, which are drawn past
     * its place into that of the next row */
    for (size_t r = 0; r < batch->rows; r++) {
        const size_t t = batch->starts[r], number = t % RK_CHUNK * cols, before = number % NUMBERS;
        uint8_t *k = keep + r * cols;
        net->loops->dropout_mask(k, batch->seed, stream, t / RK_CHUNK * blocks + number / NUMBERS,
                                 before + cols, threshold);
        memmove(k, k + before, cols);
        net->loops->dropout(x + r * cols, x + r * cols, k, rk_drop_scale(p), cols);
    }
}

void rk_drop_back(const rk_net *net, const rk_batch *batch, float *dx, const uint8_t *keep, float p,
                  size_t rows, size_t cols)
{
    if (!batch->train || rk_drop_threshold(p) == 0) return;
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t at = c * RK_CHUNK * cols;
        net->loops->dropout(dx + at, dx + at, keep + at, rk_drop_scale(p),
                            rk_chunk_rows(c, rows) * cols);
    }
}

void rk_first_take(const rk_batch *batch, void *y, const void *x, size_t bytes)
{
    for (size_t r = 0; r < batch->rows; r++)
        memcpy((char *)y + r * bytes, (const char *)x + batch->starts[r] * bytes, bytes);
}

void rk_first_add(const rk_net *net, const rk_batch *batch, float *x, const float *y, size_t cols)
{
    for (size_t r = 0; r < batch->rows; r++) {
        float *first = x + batch->starts[r] * cols;
        net->loops->add(first, first, y + r * cols, cols);
    }
}

void rk_copy(float *y, const float *x, size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t at = c * RK_CHUNK * cols;
        memcpy(y + at, x + at, rk_chunk_rows(c, rows) * cols * sizeof *y);
    }
}

void rk_sum(const rk_net *net, float *y, const float *a, const float *b, size_t rows, size_t cols)
{
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < rk_chunks(rows); c++) {
        const size_t at = c * RK_CHUNK * cols;
        net->loops->add(y + at, a + at, b + at, rk_chunk_rows(c, rows) * cols);
    }
}
