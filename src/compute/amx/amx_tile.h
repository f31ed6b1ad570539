/* The AMX block: up to 32 rows by 32 columns in four tiles, over K in steps of 64 bytes. Panels are
 * those of VNNI and AVX512_BF16 (4 bytes of k side by side, 32 columns), which the tile loads take
 * with a row stride of 128 bytes.
 *
 * The including file defines TILE_MAC(c, a, b), the dot instruction, and
 * tile_put(product, row, col, sums), the epilogue of 16 columns whose 16 sums lie at `sums`. */
#ifndef RK_COMPUTE_AMX_TILE_H
#define RK_COMPUTE_AMX_TILE_H

#include <immintrin.h>

#include "compute/simd/epilogue.h"

enum { TILE_ROWS = 16, BLOCK_ROWS = 32, BLOCK_COLUMNS = 32, K_BYTES = 64, PANEL_STRIDE = 128 };

/* Palette 1 as Intel's manual has it: bytes of a row and rows of each tile. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* Tiles 0..3 the sums (rows x halves), 4..5 the rows of x, 6..7 the weights. */
static void configure(size_t top, size_t bottom)
{
    tile_config c = { .palette = 1 };

    for (size_t i = 0; i < 8; i++) {
        c.row_bytes[i] = K_BYTES;
        c.rows[i] = TILE_ROWS;
    }
    c.rows[0] = c.rows[1] = c.rows[4] = (uint8_t)top;
    if (bottom) c.rows[2] = c.rows[3] = c.rows[5] = (uint8_t)bottom;
    _tile_loadconfig(&c);
}

static void put_block(const rk_product *p, size_t row, size_t rows, size_t panel,
                      const float *sums)
{
#pragma GCC unroll 1
    for (size_t i = 0; i < 2 * rows; i++)
        tile_put(p, row + i / 2, panel * BLOCK_COLUMNS + i % 2 * 16, sums + i * 16);
}

/* top + bottom rows (bottom may be 0) from `row` times one panel; configured for them. */
static void block(const rk_product *p, size_t row, size_t top, size_t bottom, size_t panel)
{
    const size_t ld = p->x_stride, row_bytes = p->w->depth * (64 / p->w->kernel->ks);
    const uint8_t *w = (const uint8_t *)p->w->data + panel * p->w->panel_bytes;
    const uint8_t *x0 = p->x + row * ld, *x1 = x0 + top * ld;
    _Alignas(64) float sums[BLOCK_ROWS * BLOCK_COLUMNS];

    _tile_zero(0);
    _tile_zero(1);
    if (bottom) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t k = 0; k < row_bytes; k += K_BYTES) {
        _tile_loadd(6, w, PANEL_STRIDE);
        _tile_loadd(7, w + 64, PANEL_STRIDE);
        _tile_loadd(4, x0 + k, ld);
        TILE_MAC(0, 4, 6);
        TILE_MAC(1, 4, 7);
        if (bottom) {
            _tile_loadd(5, x1 + k, ld);
            TILE_MAC(2, 5, 6);
            TILE_MAC(3, 5, 7);
        }
        w += TILE_ROWS * PANEL_STRIDE;
    }
    _tile_stored(0, sums, PANEL_STRIDE);
    _tile_stored(1, sums + 16, PANEL_STRIDE);
    if (bottom) {
        _tile_stored(2, sums + top * BLOCK_COLUMNS, PANEL_STRIDE);
        _tile_stored(3, sums + top * BLOCK_COLUMNS + 16, PANEL_STRIDE);
    }
    put_block(p, row, top + bottom, panel, sums);
}

static void tile_span(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    const size_t whole = (row1 - row0) / BLOCK_ROWS * BLOCK_ROWS, rest = row1 - row0 - whole;
    const size_t top = rest < TILE_ROWS ? rest : (size_t)TILE_ROWS;

    if (whole) {
        configure(TILE_ROWS, TILE_ROWS);
        for (size_t j = panel0; j < panel1; j++)
            for (size_t r = 0; r < whole; r += BLOCK_ROWS)
                block(p, row0 + r, TILE_ROWS, TILE_ROWS, j);
    }
    if (rest) {
        configure(top, rest - top);
        for (size_t j = panel0; j < panel1; j++) block(p, row0 + whole, top, rest - top, j);
    }
    _tile_release();
}

#endif
