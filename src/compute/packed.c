#include "compute/packed.h"

#include <string.h>

#include "base/mem.h"
#include "compute/packed_kernel.h"

enum { ROW_BYTES = 64, SET_LINES = 32, LANES = 16, SPLITS_MAX = 8, SPLIT_ROWS = 32 };

size_t rk_form_size(rk_form form)
{
    return form == RK_FORM_F32 ? sizeof(float) : form == RK_FORM_BF16 ? sizeof(uint16_t) : 1;
}

size_t rk_form_stride(rk_form form, size_t width)
{
    const size_t whole = ROW_BYTES / rk_form_size(form), lines = (width + whole - 1) / whole;

    /* Rows whole 2 KiB apart fall on the same one or two sets of the first cache, where the rows of
     * a tile drive each other out. */
    return (lines + (lines > 0 && lines % SET_LINES == 0)) * whole;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

const rk_packed_kernel *rk_packed_choose(rk_dtype weights, rk_form input, rk_level level)
{
    const rk_packed_kernel *best = NULL;
    const struct {
        rk_level level;
        const rk_packed_kernel *kernel;
    } all[] = {
        { RK_LEVEL_REF, &rk_k_packed_f32_ref },
        { RK_LEVEL_REF, &rk_k_packed_f16_ref },
        { RK_LEVEL_REF, &rk_k_packed_bf16_ref },
        { RK_LEVEL_REF, &rk_k_packed_s8_ref },
#ifdef RK_HAVE_AVX2
        { RK_LEVEL_AVX2, &rk_k_packed_f32_avx2 },
        { RK_LEVEL_AVX2, &rk_k_packed_f16_avx2 },
        { RK_LEVEL_AVX2, &rk_k_packed_s8_avx2 },
#endif
#ifdef RK_HAVE_AVX512
        { RK_LEVEL_AVX512, &rk_k_packed_f32_avx512 },
        { RK_LEVEL_AVX512, &rk_k_packed_f16_avx512 },
#endif
#ifdef RK_HAVE_VNNI
        { RK_LEVEL_VNNI, &rk_k_packed_s8_vnni },
#endif
#ifdef RK_HAVE_BF16
        { RK_LEVEL_VNNI, &rk_k_packed_bf16_bf16 },
#endif
#ifdef RK_HAVE_AMX
        { RK_LEVEL_AMX, &rk_k_packed_s8_amx },
        { RK_LEVEL_AMX, &rk_k_packed_bf16_amx },
#endif
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const rk_packed_kernel *k = all[i].kernel;
        if (k->weights != weights || k->input != input || all[i].level > level) continue;
        if (k->input == RK_FORM_BF16 && all[i].level == RK_LEVEL_VNNI && !rk_cpu_bf16(level))
            continue;
        best = k;
    }
    return best;
}

/* ---- packing ---- */

#define SAME(x) (x)

/* Defines a function that packs rows [n, n + columns) of w into columns of a panel from `out` on.
 * Where neighbouring rows lie side by side (a matrix [in, out]) the file is read along them. */
#define DEFINE_PACK(name, to, from, CONVERT)                                                   \
    static void name(void *out, const rk_weight *w, size_t n, size_t columns,                  \
                     const rk_packed_kernel *k)                                                \
    {                                                                                          \
        const size_t side = k->k_side, next = k->nr * side, size = sizeof(from);               \
        const uint8_t *in = (const uint8_t *)w->data + n * w->out_step * size;                 \
        to *column = out;                                                                      \
        from value;                                                                            \
        if (w->out_step == 1) {                                                                \
            for (size_t i = 0; i < w->in; i++, in += w->in_step * size)                        \
                for (size_t c = 0; c < columns; c++) {                                         \
                    memcpy(&value, in + c * size, size);                                       \
                    column[i / side * next + c * side + i % side] = CONVERT(value);            \
                }                                                                              \
            return;                                                                            \
        }                                                                                      \
        for (size_t c = 0; c < columns; c++, in += w->out_step * size)                         \
            for (size_t i = 0; i < w->in; i++) {                                               \
                memcpy(&value, in + i * w->in_step * size, size);                              \
                column[i / side * next + c * side + i % side] = CONVERT(value);                \
            }                                                                                  \
    }

static uint16_t bf16_of_f16(uint16_t half)
{
    return rk_bf16_from_f32(rk_f16_to_f32(half));
}

DEFINE_PACK(pack_u8, uint8_t, uint8_t, SAME)
DEFINE_PACK(pack_u16, uint16_t, uint16_t, SAME)
DEFINE_PACK(pack_u32, uint32_t, uint32_t, SAME)
DEFINE_PACK(pack_bf16_f32, uint16_t, float, rk_bf16_from_f32)
DEFINE_PACK(pack_bf16_f16, uint16_t, uint16_t, bf16_of_f16)

/* Four rows of in [in, out] at a time into the quads that integer kernels want, as whole
 * words, so that compilers do several columns at once. */
static void pack_quads(uint8_t *restrict out, const rk_weight *w, size_t n, size_t columns,
                       const rk_packed_kernel *k)
{
    const uint8_t *restrict in = (const uint8_t *)w->data + n;
    const size_t step = w->in_step;

    for (size_t i = 0; i + 4 <= w->in; i += 4, in += 4 * step, out += 4 * k->nr)
        for (size_t c = 0; c < columns; c++) {
            const uint32_t quad = in[c] | (uint32_t)in[step + c] << 8 |
                                  (uint32_t)in[2 * step + c] << 16 |
                                  (uint32_t)in[3 * step + c] << 24;
            memcpy(out + 4 * c, &quad, 4);
        }
    for (size_t i = 0; i < w->in % 4; i++, in += step)
        for (size_t c = 0; c < columns; c++) out[4 * c + i] = in[c];
}

static void pack_columns(void *out, const rk_weight *w, size_t n, size_t columns,
                         const rk_packed_kernel *k)
{
    if (k->weights == RK_DT_I8 && k->k_side == 4 && w->out_step == 1)
        pack_quads(out, w, n, columns, k);
    else if (k->weights == RK_DT_I8) pack_u8(out, w, n, columns, k);
    else if (k->weights == RK_DT_F32) pack_u32(out, w, n, columns, k);
    else if (k->weights == RK_DT_F16) pack_u16(out, w, n, columns, k);
    else if (w->type == RK_DT_BF16) pack_u16(out, w, n, columns, k);
    else if (w->type == RK_DT_F32) pack_bf16_f32(out, w, n, columns, k);
    else pack_bf16_f16(out, w, n, columns, k);
}

static void add_quads(int32_t *restrict comp, const int8_t *restrict quads, size_t columns)
{
    for (size_t c = 0; c < columns; c++) {
        uint32_t u;
        memcpy(&u, quads + 4 * c, 4);
        comp[c] += ((int32_t)(u << 24) >> 24) + ((int32_t)(u << 16) >> 24) +
                   ((int32_t)(u << 8) >> 24) + ((int32_t)u >> 24);
    }
}

/* comp: the sums of a packed panel's columns, times the input's zero point. */
static void pack_sums(int32_t *comp, const int8_t *panel, size_t depth, size_t side, size_t columns,
                      size_t nr, int32_t zero)
{
    for (size_t c = 0; c < columns; c++) comp[c] = 0;
    if (side == 4)
        for (size_t i = 0; i < depth; i += side, panel += nr * side)
            add_quads(comp, panel, columns);
    else
        for (size_t i = 0; i < depth; i += side, panel += nr * side)
            for (size_t c = 0; c < columns; c++)
                for (size_t s = 0; s < side; s++) comp[c] += panel[c * side + s];
    for (size_t c = 0; c < columns; c++) comp[c] *= zero;
}

static void pack_panel(rk_packed *p, size_t panel, const rk_weight *w, const rk_matrix *input)
{
    const rk_packed_kernel *k = p->kernel;
    uint8_t *out = (uint8_t *)p->data + panel * p->panel_bytes;
    const size_t side_bytes = k->k_side * rk_dtype_size(k->weights), from = panel * k->nr;
    const size_t columns = p->out - from < k->nr ? p->out - from : k->nr;
    size_t part = 0, first = 0, take;

    memset(out, 0, p->panel_bytes);
    for (size_t c = 0; c < columns; c += take) {
        const size_t at = from + c;
        while (at - first >= w[part].out) first += w[part++].out;
        take = first + w[part].out - at;
        if (take > columns - c) take = columns - c;
        pack_columns(out + c * side_bytes, &w[part], at - first, take, k);
        for (size_t i = 0; p->comp && i < take; i++)
            p->scale[at + i] = input->scale * w[part].scale[at - first + i];
        if (w[part].bias)
            memcpy(p->bias + at, w[part].bias + (at - first), take * sizeof *p->bias);
    }
    if (p->comp)
        pack_sums(p->comp + from, (const int8_t *)out, p->depth, k->k_side, columns, k->nr,
                  (int32_t)input->zero);
}

static rk_status allocate(rk_packed *p, rk_pool *pool, rk_error *err)
{
    const rk_packed_kernel *k = p->kernel;
    const size_t columns = round_up(p->panels * k->nr, LANES);
    size_t items;

    if (!rk_mul(&items, p->depth, k->nr) ||
        !rk_mul(&p->panel_bytes, items, rk_dtype_size(k->weights)) ||
        !rk_mul(&p->bytes, p->panel_bytes, p->panels))
        return rk_fail(err, RK_E_ARG, "weights [%zu, %zu]: too large", p->out, p->in);
    p->data = pool ? rk_pool_take(pool, p->bytes) : rk_alloc_aligned(p->bytes, 1);
    p->own = pool ? NULL : p->data;
    p->bias = rk_calloc(columns, sizeof *p->bias);
    if (k->input == RK_FORM_U8) {
        p->scale = rk_calloc(columns, sizeof *p->scale);
        p->comp = rk_calloc(columns, sizeof *p->comp);
    }
    if (!p->data || !p->bias || (k->input == RK_FORM_U8 && (!p->scale || !p->comp)))
        return rk_fail(err, RK_E_MEMORY, "weights [%zu, %zu]: out of memory", p->out, p->in);
    return RK_OK;
}

static bool float_goes(rk_dtype weights, rk_form input)
{
    return input == RK_FORM_U8 || weights == RK_DT_F32 || weights == RK_DT_F16 ||
           (input == RK_FORM_BF16 && weights == RK_DT_BF16);
}

static rk_status check(const rk_weight *w, size_t parts, const rk_matrix *input, rk_error *err)
{
    const bool integer = input->form == RK_FORM_U8;

    for (size_t i = 0; i < parts; i++) {
        if (w[i].out == 0 || w[i].in == 0 || w[i].in > RK_PACKED_K_MAX || w[i].in != w->in)
            return rk_fail(err, RK_E_ARG, "weights [%zu, %zu]: want 1 to %d inputs, all equal",
                           w[i].out, w[i].in, RK_PACKED_K_MAX);
        if (integer != (w[i].type == RK_DT_I8) || integer != (w[i].scale != NULL) ||
            w[i].type != w->type || !float_goes(w->type, input->form))
            return rk_fail(err, RK_E_ARG, "weights of type %s do not go with this input",
                           rk_dtype_name(w[i].type));
    }
    return RK_OK;
}

rk_status rk_packed_new(rk_packed **out, const rk_weight *w, size_t parts, const rk_matrix *input,
                        rk_level level, rk_pool *pool, rk_error *err)
{
    const rk_dtype type = input->form == RK_FORM_BF16 ? RK_DT_BF16 : w->type;
    rk_packed *p = NULL;
    rk_status st;

    *out = NULL;
    st = check(w, parts, input, err);
    if (st) return st;
    p = rk_calloc(1, sizeof *p);
    if (!p) return rk_fail(err, RK_E_MEMORY, "weights: out of memory");
    p->kernel = rk_packed_choose(type, input->form, level);
    if (!p->kernel) {
        st = rk_fail(err, RK_E_UNSUPPORTED, "no %s product at level %s on this processor",
                     rk_dtype_name(type), rk_level_name(level));
        goto done;
    }
    for (size_t i = 0; i < parts; i++) p->out += w[i].out;
    p->in = w->in;
    p->panels = (p->out + p->kernel->nr - 1) / p->kernel->nr;
    p->depth = round_up(p->in, p->kernel->ks);
    st = allocate(p, pool, err);
    if (st) goto done;
#pragma omp parallel for schedule(static)
    for (size_t j = 0; j < p->panels; j++) pack_panel(p, j, w, input);
    *out = p;
    p = NULL;
done:
    rk_packed_free(p);
    return st;
}

void rk_packed_free(rk_packed *p)
{
    if (!p) return;
    rk_free_aligned(p->own);
    rk_free(p->bias);
    rk_free(p->scale);
    rk_free(p->comp);
    rk_free(p);
}

size_t rk_packed_bytes(const rk_packed *p)
{
    const size_t columns = round_up(p->panels * p->kernel->nr, LANES);
    return p->bytes + columns * (p->comp ? 3 : 1) * sizeof(float);
}

size_t rk_packed_out(const rk_packed *p)
{
    return p->out;
}

size_t rk_packed_in(const rk_packed *p)
{
    return p->in;
}

/* ---- running ---- */

/* In how many parts to cut the rows, so that parts x panels fill the threads: few parts are better
 * (each streams all its panels again), idle threads are worse. */
static size_t row_splits(size_t panels, size_t rows, size_t threads)
{
    size_t best = 1;
    double best_share = 0;

    for (size_t s = 1; s <= SPLITS_MAX && (s == 1 || rows / s >= SPLIT_ROWS); s++) {
        const size_t units = panels * s, rounds = (units + threads - 1) / threads;
        const double share = (double)units / (double)(rounds * threads);
        if (share > best_share + 0.05) {
            best_share = share;
            best = s;
        }
    }
    return best;
}

static rk_product product_of(const rk_packed *p, const rk_matrix *x, const rk_epilogue *e)
{
    const rk_product product = { .w = p, .e = e, .x = x->data,
                                 .x_stride = x->stride * rk_form_size(x->form),
                                 .inverse = e->y.form == RK_FORM_U8 ? 1.0f / e->y.scale
                                                                    : 0.0f };
    return product;
}

void rk_packed_run_rows(const rk_packed *p, const rk_matrix *x, size_t row0, size_t row1,
                        const rk_epilogue *e)
{
    const rk_product product = product_of(p, x, e);
    if (row0 < row1) p->kernel->span(&product, row0, row1, 0, p->panels);
}

void rk_packed_run(const rk_packed *p, const rk_matrix *x, size_t rows, const rk_epilogue *e,
                   size_t thread, size_t threads)
{
    const rk_product product = product_of(p, x, e);
    const size_t splits = row_splits(p->panels, rows, threads), units = p->panels * splits;
    size_t unit = units * thread / threads;
    const size_t end = units * (thread + 1) / threads;

    /* A run of units within one part of the rows is one span of panels. */
    while (unit < end) {
        const size_t part = unit / p->panels, panel = unit % p->panels;
        const size_t left = p->panels - panel, take = left < end - unit ? left : end - unit;
        p->kernel->span(&product, rows * part / splits, rows * (part + 1) / splits, panel,
                        panel + take);
        unit += take;
    }
}
