#include "compute/matmul_panels.h"

#include <omp.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "compute/loops.h"
#include "compute/packed_kernel.h"

enum {
    A_BYTES = 8 << 20,       /* of the rows of A that go through scratch at a time */
    A_SLICE = 64,            /* rows that a thread moves at a time */
    GROUP_BYTES = 256 << 10, /* of panels that are laid out at a time, in a second cache */
    GROUP_PANELS = 8,
    COLUMNS_MAX = GROUP_PANELS * 32,
    ROWS_EACH = 64, /* fewer rows for a thread, and threads share the columns */
    LINE = 64
};

struct rk_panels {
    const rk_loops *loops;
    const rk_packed_kernel *f32, *bf16, *s8; /* NULL: none of ours */
    size_t bytes;
    unsigned char *scratch; /* rows of A, then panels of each thread */
};

typedef struct job {
    const rk_panels *p;
    const rk_packed_kernel *kernel;
    float *c;
    size_t ldc;
    bool add, past;
    rk_operand a, b;
    const float *bias;
    size_t m, n, k, depth;  /* depth: k as the kernel counts */
    size_t item;            /* bytes of an element of A and of B */
    const rk_codes *codes;  /* NULL: not integer */
    const rk_matrix *x;     /* integer: A with its scale and zero point */
    bool moved;             /* A goes through scratch */
    size_t block, stride;   /* rows at a time (all, or those in scratch); bytes between them */
    size_t panel_bytes, group;
} job;

/* A kernel in plain C is no match for oneDNN. */
static const rk_packed_kernel *fast(rk_dtype weights, rk_form input, rk_level level)
{
    const rk_packed_kernel *k = rk_packed_choose(weights, input, level);
    return k == rk_packed_choose(weights, input, RK_LEVEL_REF) ? NULL : k;
}

rk_status rk_panels_new(rk_panels **out, rk_error *err)
{
    const rk_level level = rk_cpu_level();
    rk_panels *p = rk_calloc(1, sizeof *p);

    *out = p;
    if (!p) return rk_fail(err, RK_E_MEMORY, "out of memory");
    p->loops = rk_loops_get();
    p->f32 = fast(RK_DT_F32, RK_FORM_F32, level);
    p->bf16 = fast(RK_DT_BF16, RK_FORM_BF16, level);
    p->s8 = fast(RK_DT_I8, RK_FORM_U8, level);
    return RK_OK;
}

void rk_panels_free(rk_panels *p)
{
    if (!p) return;
    rk_free_aligned(p->scratch);
    rk_free(p);
}

static const rk_packed_kernel *kernel_of(const rk_panels *p, rk_dtype type)
{
    return type == RK_DT_F32 ? p->f32 : type == RK_DT_BF16 ? p->bf16 : p->s8;
}

bool rk_panels_have(const rk_panels *p, rk_dtype type)
{
    return kernel_of(p, type) != NULL;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- A ---- */

/* out [rows, depth] = columns [first, first + rows) of the stored matrix [k, m], zero past k. */
static void turn_a(const job *j, unsigned char *out, size_t first, size_t rows)
{
    enum { UNITS = 16, COLUMNS = A_SLICE };
    const rk_loops *l = j->p->loops;
    const unsigned char *a = (const unsigned char *)j->a.data + first * j->item;
    uint32_t pairs[UNITS * COLUMNS];

    if (j->item == sizeof(float)) {
        l->turn(out, j->stride / sizeof(float), a, j->a.ld, j->k, rows);
        return;
    }
    for (size_t t = 0; t < j->k; t += 2 * UNITS) {
        const size_t tokens = j->k - t < 2 * UNITS ? j->k - t : 2 * UNITS;
        for (size_t c = 0; c < rows; c += COLUMNS) {
            const size_t n = rows - c < COLUMNS ? rows - c : COLUMNS;
            l->pairs(pairs, COLUMNS, (const uint16_t *)(const void *)a + t * j->a.ld + c, j->a.ld,
                     tokens, n);
            l->turn(out + c * j->stride + t * j->item, j->stride / sizeof(uint32_t), pairs,
                    COLUMNS, (tokens + 1) / 2, n);
        }
    }
}

/* Rows [first, first + rows) of A into scratch, as the kernel reads them. */
static void move_a(const job *j, unsigned char *out, size_t first, size_t rows)
{
    const size_t ld = j->a.ld * j->item, used = j->k * j->item;
    const unsigned char *a = (const unsigned char *)j->a.data + first * ld;

    if (j->a.transposed) {
        turn_a(j, out, first, rows);
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        memcpy(out + r * j->stride, a + r * ld, used);
        memset(out + r * j->stride + used, 0, j->depth * j->item - used);
    }
}

/* ---- B ---- */

/* Element by element, where rows do not consist of whole steps of the kernel. */
static void panel_plain(const job *j, unsigned char *panel, size_t col, size_t cols)
{
    const size_t side = j->kernel->k_side, row = j->b.transposed ? 1 : j->b.ld;
    const size_t column = j->b.transposed ? j->b.ld : 1;
    const unsigned char *b = (const unsigned char *)j->b.data + col * column * j->item;

    for (size_t i = 0; i < j->k; i++)
        for (size_t c = 0; c < cols; c++)
            memcpy(panel + ((i / side * j->kernel->nr + c) * side + i % side) * j->item,
                   b + (i * row + c * column) * j->item, j->item);
}

/* Rows [first, first + rows) of B, which is not transposed, into the panel of columns
 * [col, col + cols). */
static void panel_rows(const job *j, unsigned char *panel, size_t col, size_t cols, size_t first,
                       size_t rows)
{
    const size_t nr = j->kernel->nr, bytes = nr * j->item;
    const unsigned char *b = (const unsigned char *)j->b.data + (first * j->b.ld + col) * j->item;

    panel += first * bytes;
    if (j->kernel->k_side == 2)
        j->p->loops->pairs(panel, nr, (const uint16_t *)(const void *)b, j->b.ld, rows, cols);
    else
        for (size_t i = 0; i < rows; i++)
            memcpy(panel + i * bytes, b + i * j->b.ld * j->item, cols * j->item);
}

/* Columns [col, col + cols) of B into panels as the kernel reads them, zero past k and cols. */
static void lay_panels(const job *j, unsigned char *panels, size_t col, size_t cols)
{
    enum { ROWS = 32 }; /* at a time over all panels, so that whole lines are read */
    const size_t nr = j->kernel->nr, side = j->kernel->k_side, unit = side * j->item;
    const bool whole = j->k % side == 0 && j->b.ld % side == 0 && unit == sizeof(uint32_t);
    const bool rows = !j->b.transposed && (side == 1 || side == 2);

    for (size_t c = 0; c < cols; c += nr) {
        const size_t n = cols - c < nr ? cols - c : nr;
        unsigned char *panel = panels + c / nr * j->panel_bytes;
        if (n < nr || j->depth != j->k) memset(panel, 0, j->panel_bytes);
        if (j->b.transposed && whole)
            j->p->loops->turn(panel, nr,
                              (const unsigned char *)j->b.data + (col + c) * j->b.ld * j->item,
                              j->b.ld / side, n, j->k / side);
        else if (!rows)
            panel_plain(j, panel, col + c, n);
    }
    for (size_t i = 0; rows && i < j->k; i += ROWS)
        for (size_t c = 0; c < cols; c += nr)
            panel_rows(j, panels + c / nr * j->panel_bytes, col + c,
                       cols - c < nr ? cols - c : nr, i, j->k - i < ROWS ? j->k - i : ROWS);
}

/* ---- the product ---- */

/* What the epilogue of some columns reads beside the sums. */
typedef struct columns {
    _Alignas(LINE) float bias[COLUMNS_MAX];
    _Alignas(LINE) float scale[COLUMNS_MAX];
    _Alignas(LINE) int32_t comp[COLUMNS_MAX];
} columns;

static void fill_columns(const job *j, columns *f, size_t col, size_t cols)
{
    const size_t all = round_up(cols, j->kernel->nr);

    memset(f->bias, 0, all * sizeof *f->bias);
    if (j->bias) memcpy(f->bias, j->bias + col, cols * sizeof *f->bias);
    if (!j->codes) return;
    memset(f->scale, 0, all * sizeof *f->scale);
    memset(f->comp, 0, all * sizeof *f->comp);
    for (size_t c = 0; c < cols; c++) {
        f->scale[c] = j->x->scale * j->codes->scale[col + c];
        f->comp[c] = (int32_t)j->x->zero * j->codes->sum[col + c];
    }
}

/* Rows [row0, row1) of C, whose rows of A begin at x, times panels [panel0, panel1). */
static void run_part(const job *j, const unsigned char *x, unsigned char *panels, size_t row0,
                     size_t row1, size_t panel0, size_t panel1)
{
    const size_t nr = j->kernel->nr;
    columns f;

    for (size_t g = panel0, take; g < panel1; g += take) {
        const size_t col = g * nr;
        rk_packed w = {.kernel = j->kernel, .in = j->k, .depth = j->depth, .data = panels,
                       .panel_bytes = j->panel_bytes, .bias = f.bias, .scale = f.scale,
                       .comp = f.comp};
        rk_epilogue e = {.act = RK_PACKED_LINEAR, .add_stride = j->ldc};
        const rk_product product = {.w = &w, .e = &e, .x = x, .x_stride = j->stride};

        take = panel1 - g < j->group ? panel1 - g : j->group;
        w.panels = take;
        w.out = j->n - col < take * nr ? j->n - col : take * nr;
        lay_panels(j, panels, col, w.out);
        fill_columns(j, &f, col, w.out);
        e.y = (rk_matrix){j->c + row0 * j->ldc + col, j->ldc, RK_FORM_F32, 1.0f, 0};
        if (j->add) e.add = e.y.data;
        e.past = j->past;
        j->kernel->span(&product, 0, row1 - row0, 0, take);
    }
}

/* A thread's share of rows [first, first + rows), which are in scratch where they are moved. */
static void run_share(const job *j, size_t first, size_t rows, size_t a_bytes)
{
    const size_t t = (size_t)omp_get_thread_num(), threads = (size_t)omp_get_num_threads();
    const size_t nr = j->kernel->nr, all = (j->n + nr - 1) / nr;
    const bool by_rows = all % threads != 0 && rows >= ROWS_EACH * threads;
    const size_t row0 = by_rows ? rows * t / threads : 0;
    const size_t row1 = by_rows ? rows * (t + 1) / threads : rows;
    unsigned char *panels = j->p->scratch + a_bytes + t * j->group * j->panel_bytes;
    const unsigned char *x =
        j->moved ? j->p->scratch : (const unsigned char *)j->a.data + first * j->stride;

    run_part(j, x + row0 * j->stride, panels, first + row0, first + row1,
             by_rows ? 0 : all * t / threads, by_rows ? all : all * (t + 1) / threads);
    if (j->past) atomic_thread_fence(memory_order_seq_cst);
}

static rk_status reserve(rk_panels *p, size_t bytes, rk_error *err)
{
    if (bytes <= p->bytes) return RK_OK;
    rk_free_aligned(p->scratch);
    p->scratch = rk_alloc_aligned(bytes, 1);
    p->bytes = p->scratch ? bytes : 0;
    return p->scratch ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory for a product");
}

/* Rows so far apart that those of a tile all fall on the same set of the first cache. */
static bool crowded(const job *j)
{
    enum { SETS_BYTES = 4096 };
    return j->a.ld * j->item % SETS_BYTES == 0 && j->m >= ROWS_EACH;
}

static rk_status run(rk_panels *p, job *j, rk_error *err)
{
    const rk_packed_kernel *k = j->kernel;
    size_t a_bytes = 0;
    rk_status st;

    j->p = p;
    j->depth = round_up(j->k, k->ks);
    j->panel_bytes = j->depth * k->nr * j->item;
    j->group = GROUP_BYTES / j->panel_bytes;
    j->group = j->group < 1 ? 1 : j->group > GROUP_PANELS ? GROUP_PANELS : j->group;
    j->moved = j->a.transposed || j->depth != j->k || crowded(j);
    j->stride = j->a.ld * j->item;
    j->block = j->m;
    /* The gradient of a weight: the optimiser reads it when all others are there too. */
    j->past = j->a.transposed && (uintptr_t)j->c % LINE == 0 && j->ldc * sizeof(float) % LINE == 0;
    if (j->moved) {
        j->stride = rk_form_stride(k->input, j->depth) * j->item;
        j->block = A_BYTES / j->stride;
        j->block = j->block < A_SLICE ? A_SLICE : j->block;
        j->block = j->block > j->m ? j->m : j->block;
        a_bytes = j->block * j->stride;
    }
    st = reserve(p, a_bytes + (size_t)omp_get_max_threads() * j->group * j->panel_bytes, err);
    if (st) return st;
#pragma omp parallel
    for (size_t first = 0; first < j->m; first += j->block) {
        const size_t rows = j->m - first < j->block ? j->m - first : j->block;
        if (j->moved) {
#pragma omp for schedule(static)
            for (size_t r = 0; r < rows; r += A_SLICE)
                move_a(j, p->scratch + r * j->stride, first + r,
                       rows - r < A_SLICE ? rows - r : A_SLICE);
        }
        run_share(j, first, rows, a_bytes);
        if (j->block < j->m) {
#pragma omp barrier
        }
    }
    return RK_OK;
}

rk_status rk_panels_run(rk_panels *p, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err)
{
    job j = {.kernel = kernel_of(p, type), .c = c, .ldc = ldc, .add = add, .a = a, .b = b,
             .bias = bias, .m = m, .n = n, .k = k, .item = rk_dtype_size(type)};
    return run(p, &j, err);
}

rk_status rk_panels_codes(rk_panels *p, float *c, size_t ldc, const rk_matrix *x,
                          const rk_codes *w, const float *bias, size_t m, size_t n, size_t k,
                          rk_error *err)
{
    job j = {.kernel = p->s8, .c = c, .ldc = ldc, .a = {x->data, x->stride, false},
             .b = {w->data, k, true}, .bias = bias, .m = m, .n = n, .k = k, .item = 1,
             .codes = w, .x = x};
    return run(p, &j, err);
}
