/* The AMX block: up to 32 rows by 32 columns in four tiles, over K in steps of 64 bytes. Panels are
 * those of VNNI and AVX512_BF16 (4 bytes of k side by side, 32 columns), which the tile loads take
 * with a row stride of 128 bytes.
 *
 * The tiles' sums go through memory to the vector units, which are idle while the tiles multiply:
 * the epilogue of a block is done in slices between the steps of the next one.
 *
 * The including file defines TILE_MAC(c, a, b), the dot instruction, and
 * tile_put(product, row, col, sums), the epilogue of 16 columns whose 16 sums lie at `sums`. */
#ifndef RK_COMPUTE_AMX_TILE_H
#define RK_COMPUTE_AMX_TILE_H

#include <immintrin.h>

#include "compute/simd/ahead.h"
#include "compute/simd/epilogue.h"

enum {
    TILE_ROWS = 16, BLOCK_ROWS = 32, BLOCK_COLUMNS = 32, K_BYTES = 64, PANEL_STRIDE = 128,
    STEP_BYTES = TILE_ROWS * PANEL_STRIDE, BLOCK_SUMS = BLOCK_ROWS * BLOCK_COLUMNS,
    GROUP_BYTES = 1 << 20
};

/* Palette 1 as Intel's manual has it: bytes of a row and rows of each tile. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

typedef struct tile_shape {
    size_t top, bottom;
} tile_shape;

/* A block of the product and its sums [rows, 32], whose epilogue is done up to row `at`. */
typedef struct tile_block {
    size_t row, top, bottom, panel;    /* top rows in tiles 0 and 1, bottom rows in 2 and 3 */
    size_t at;
    _Alignas(64) float sums[BLOCK_SUMS];
} tile_block;

/* Tiles 0..3 the sums (rows x halves), 4..5 the rows of x, 6..7 the weights. Configuring clears the
 * tiles and takes long, so only where the shape changes. */
static void configure(tile_shape *now, size_t top, size_t bottom)
{
    tile_config c = { .palette = 1 };

    if (now->top == top && now->bottom == bottom) return;
    now->top = top;
    now->bottom = bottom;
    for (size_t i = 0; i < 8; i++) {
        c.row_bytes[i] = K_BYTES;
        c.rows[i] = TILE_ROWS;
    }
    c.rows[0] = c.rows[1] = c.rows[4] = (uint8_t)top;
    if (bottom) c.rows[2] = c.rows[3] = c.rows[5] = (uint8_t)bottom;
    _tile_loadconfig(&c);
}

/* The epilogue of up to n more rows. */
V16_FORCED void put_rows(const rk_product *p, tile_block *b, size_t n)
{
    const size_t left = b->top + b->bottom - b->at, end = b->at + (n < left ? n : left);

#pragma GCC unroll 1
    for (; b->at < end; b->at++) {
        const float *sums = b->sums + b->at * BLOCK_COLUMNS;
        tile_put(p, b->row + b->at, b->panel * BLOCK_COLUMNS, sums);
        tile_put(p, b->row + b->at, b->panel * BLOCK_COLUMNS + 16, sums + 16);
    }
}

/* The sums of a block, and between their steps what is left of the epilogue of the one before. */
static void block(const rk_product *p, tile_block *b, tile_block *before, const rk_ahead *ahead)
{
    const size_t ld = p->x_stride, steps = p->w->panel_bytes / STEP_BYTES;
    const size_t lines = ahead->step / 256;
    const size_t slice = (before->top + before->bottom - before->at + steps - 1) / steps;
    const uint8_t *w = (const uint8_t *)p->w->data + b->panel * p->w->panel_bytes;
    const uint8_t *top = p->x + b->row * ld, *bottom = top + b->top * ld, *next = ahead->at;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < steps; k++) {
        _tile_loadd(6, w, PANEL_STRIDE);
        _tile_loadd(4, top, ld);
        TILE_MAC(0, 4, 6);
        _tile_loadd(7, w + 64, PANEL_STRIDE);
        TILE_MAC(1, 4, 7);
        if (b->bottom) {
            _tile_loadd(5, bottom, ld);
            TILE_MAC(2, 5, 6);
            TILE_MAC(3, 5, 7);
        }
        for (size_t at = 0; at < lines; at += 64)
            _mm_prefetch((const char *)next + at, _MM_HINT_T1);
        put_rows(p, before, slice);
        next += lines;
        w += STEP_BYTES;
        top += K_BYTES;
        bottom += K_BYTES;
    }
    put_rows(p, before, BLOCK_ROWS);
    _tile_stored(0, b->sums, PANEL_STRIDE);
    _tile_stored(1, b->sums + 16, PANEL_STRIDE);
    if (b->bottom) {
        _tile_stored(2, b->sums + b->top * BLOCK_COLUMNS, PANEL_STRIDE);
        _tile_stored(3, b->sums + b->top * BLOCK_COLUMNS + 16, PANEL_STRIDE);
    }
    b->at = 0;
}

/* Rows times one panel; `before` is the block whose epilogue waits, and so is what comes back. */
static tile_block *panel_rows(const rk_product *p, size_t row0, size_t row1, size_t panel,
                              size_t panel1, tile_block pair[2], tile_block *before,
                              tile_shape *shape)
{
    const size_t blocks = (row1 - row0 + BLOCK_ROWS - 1) / BLOCK_ROWS;

    for (size_t i = 0; i < blocks; i++) {
        const rk_ahead ahead = rk_ahead_of(p, panel, panel1, i, blocks, STEP_BYTES);
        const size_t left = row1 - row0 - i * BLOCK_ROWS;
        const size_t top = left < TILE_ROWS ? left : (size_t)TILE_ROWS;
        const size_t bottom = left - top < TILE_ROWS ? left - top : (size_t)TILE_ROWS;
        tile_block *b = before == pair ? pair + 1 : pair;

        configure(shape, top, bottom);
        b->row = row0 + i * BLOCK_ROWS;
        b->top = top;
        b->bottom = bottom;
        b->panel = panel;
        block(p, b, before, &ahead);
        before = b;
    }
    return before;
}

/* Panels pass over rows that the second cache holds beside two panels. */
static void tile_span(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    const size_t fit = GROUP_BYTES / (p->x_stride * BLOCK_ROWS);
    const size_t rows = (fit ? fit : 1) * BLOCK_ROWS;
    tile_block pair[2], *before = pair + 1;
    tile_shape shape = { 0 };

    before->top = before->bottom = before->at = 0;
    for (size_t r = row0; r < row1; r += rows) {
        const size_t end = row1 - r < rows ? row1 : r + rows;
        for (size_t j = panel0; j < panel1; j++)
            before = panel_rows(p, r, end, j, panel1, pair, before, &shape);
    }
    put_rows(p, before, BLOCK_ROWS);
    _tile_release();
}

#endif
