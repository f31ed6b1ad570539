/* The tile of the AVX2 products: up to 6 rows by 16 columns in 12 accumulators.
 *
 * The including file defines tile_acc (a pair of registers is v16's; integer: two __m256i) and
 *   tile_run(rows, product, row, panel)   rows is a constant at every call
 * and gets tile_span. */
#ifndef RK_COMPUTE_AVX2_TILE_H
#define RK_COMPUTE_AVX2_TILE_H

static void tile_span(const rk_product *p, size_t row0, size_t row1, size_t panel0, size_t panel1)
{
    const size_t rows = row1 - row0, tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

    for (size_t j = panel0; j < panel1; j++) {
        for (size_t i = 0; i < tiles; i++) {
            const size_t first = row0 + rows * i / tiles, last = row0 + rows * (i + 1) / tiles;
            switch (last - first) {
            case 1: tile_run(1, p, first, j); break;
            case 2: tile_run(2, p, first, j); break;
            case 3: tile_run(3, p, first, j); break;
            case 4: tile_run(4, p, first, j); break;
            case 5: tile_run(5, p, first, j); break;
            case 6: tile_run(6, p, first, j); break;
            default: break;
            }
        }
    }
}

#endif
