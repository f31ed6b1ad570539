/* The tile of all AVX-512 products: up to 13 rows by 32 columns in 26 accumulators, or 14 in 28.
 * Every kind of product takes 4 bytes of x a step (a float, a pair of bfloat16, a quad of u8) and
 * broadcasts them.
 *
 * The including file defines first
 *   tile_acc, tile_weights         types: accumulator, 16 columns of weights of one step
 *   TILE_STEP                      bytes of a panel a step (32 columns)
 *   TILE_ROWS                      13 or 14: rows of a tile where there are TILE_FEW or more
 *   TILE_INNER                     the form that the inner activations of a layer get
 *   tile_load(panel, half)         weights of columns 16 half .. 16 half + 15
 *   tile_mac(acc, x, weights)      x: address of 4 bytes
 *   tile_value(product, col, acc)  16 columns as floats with their bias; acc: address of a tile_acc
 * and gets tile_span. */
#ifndef RK_COMPUTE_AVX512_TILE_H
#define RK_COMPUTE_AVX512_TILE_H

#include "compute/simd/ahead.h"
#include "compute/simd/epilogue.h"

enum { TILE_FEW = 128, TILE_COLUMNS = 32, TILE_AHEAD = 1536, TILES_STREAMED = 12 };

V16_FORCED void finish_as(const rk_product *p, size_t row, size_t rows, size_t panel,
                          const tile_acc *sums, const rk_way way)
{
    const size_t col = panel * TILE_COLUMNS;

#pragma GCC unroll 1
    for (size_t i = 0; i < rows; i++, sums += 2)
#pragma GCC unroll 2
        for (size_t half = 0; half < TILE_COLUMNS; half += V16)
            rk_epilogue_put(p, row + i, col + half, tile_value(p, col + half, sums + half / V16),
                            way);
}

/* Plain floats, past the caches. */
V16_FORCED void finish_past(const rk_product *p, size_t row, size_t rows, size_t panel,
                            const tile_acc *sums)
{
    const size_t col = panel * TILE_COLUMNS;
    float *y = (float *)p->e->y.data + row * p->e->y.stride + col;

#pragma GCC unroll 1
    for (size_t i = 0; i < rows; i++, sums += 2, y += p->e->y.stride)
#pragma GCC unroll 2
        for (size_t half = 0; half < TILE_COLUMNS; half += V16)
            _mm512_stream_ps(y + half, tile_value(p, col + half, sums + half / V16));
}

/* The epilogue is code of its own, once for all heights: the sums pass through the first cache,
 * which costs little beside the K steps that made them. The ways of an encoder's products have
 * code of their own again. */
static __attribute__((noinline)) void tile_finish(const rk_product *p, size_t row, size_t rows,
                                                  size_t panel, const tile_acc *sums)
{
    static const rk_way plain = { RK_PACKED_LINEAR, false, RK_FORM_F32, true };
    static const rk_way residual = { RK_PACKED_LINEAR, true, RK_FORM_F32, true };
    static const rk_way inner = { RK_PACKED_GELU, false, TILE_INNER, true };
    const rk_way way = rk_way_of(p, panel * TILE_COLUMNS, TILE_COLUMNS);

    if (way.whole && way.act == RK_PACKED_LINEAR && way.form == RK_FORM_F32) {
        if (way.add) finish_as(p, row, rows, panel, sums, residual);
        else if (p->e->past) finish_past(p, row, rows, panel, sums);
        else finish_as(p, row, rows, panel, sums, plain);
    } else if (way.whole && way.act == inner.act && !way.add && way.form == inner.form) {
        finish_as(p, row, rows, panel, sums, inner);
    } else {
        finish_as(p, row, rows, panel, sums, way);
    }
}

/* The first steps of a pass would wait for the panel, which went through the first cache once
 * since its last use; meanwhile the epilogue works. */
V16_FORCED void tile_next(const rk_product *p, size_t panel)
{
    const char *w = (const char *)p->w->data + panel * p->w->panel_bytes;
    for (size_t i = 0; i < TILE_AHEAD; i += 64) _mm_prefetch(w + i, _MM_HINT_T0);
}

/* rows is a constant at every call, so that all loops over it unroll. */
V16_FORCED void tile_run(const size_t rows, const rk_product *p, size_t row, size_t panel,
                         const rk_ahead *ahead)
{
    const size_t ld = p->x_stride, steps = p->w->depth / p->w->kernel->k_side;
    const uint8_t *w = (const uint8_t *)p->w->data + panel * p->w->panel_bytes;
    const uint8_t *x = p->x + row * ld;
    size_t to = 0;
    tile_acc c[TILE_ROWS][2], sums[TILE_ROWS * 2];

#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++) memset(c[r], 0, sizeof c[r]);
    for (size_t k = 0; k < steps; k++) {
        const tile_weights b0 = tile_load(w, 0), b1 = tile_load(w, 1);
        _mm_prefetch((const char *)w + TILE_AHEAD, _MM_HINT_T0);
        if (TILE_STEP > 64) _mm_prefetch((const char *)w + TILE_AHEAD + 64, _MM_HINT_T0);
        if (ahead) {
            _mm_prefetch((const char *)ahead->at + (to >> 8), _MM_HINT_T1);
            if (TILE_STEP > 64)
                _mm_prefetch((const char *)ahead->at + (to >> 8) + 64, _MM_HINT_T1);
            to += ahead->step;
        }
#pragma GCC unroll 14
        for (size_t r = 0; r < rows; r++) {
            c[r][0] = tile_mac(c[r][0], x + r * ld, b0);
            c[r][1] = tile_mac(c[r][1], x + r * ld, b1);
        }
        w += TILE_STEP;
        x += 4;
    }
#pragma GCC unroll 14
    for (size_t r = 0; r < rows; r++) {
        sums[2 * r] = c[r][0];
        sums[2 * r + 1] = c[r][1];
    }
    tile_next(p, panel);
    tile_finish(p, row, rows, panel, sums);
}

#define TILE_CASE(rows)                                                                        \
    case rows:                                                                                 \
        if (ahead) tile_run(rows, p, row, panel, ahead);                                       \
        else tile_run(rows, p, row, panel, NULL);                                              \
        break;

/* ahead NULL: nothing more to ask for. */
static void tile_rows(size_t rows, const rk_product *p, size_t row, size_t panel,
                      const rk_ahead *ahead)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
        TILE_CASE(13)
#if TILE_ROWS > 13
        TILE_CASE(14)
#endif
    default: break;
    }
}

/* Panels outside, so that one panel stays in the second cache while all rows pass it; the rows in
 * tiles of nearly equal height, as a low last tile would waste half its time. */
static void tile_span(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    const size_t rows = row1 - row0, most = rows < TILE_FEW ? 13 : TILE_ROWS;
    const size_t tiles = (rows + most - 1) / most;

    for (size_t j = panel0; j < panel1; j++) {
        for (size_t i = 0; i < tiles; i++) {
            const size_t first = rows * i / tiles, last = rows * (i + 1) / tiles;
            const rk_ahead ahead = rk_ahead_of(p, j, panel1, i, tiles, TILE_STEP);
            tile_rows(last - first, p, row0 + first, j, tiles < TILES_STREAMED ? &ahead : NULL);
        }
    }
}

#endif
