#include "compute/matmul_onednn.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#include "base/mem.h"

/* A primitive takes about 0.8 MB of compiled code. */
enum { SLOTS = 2048, FILL = 768, OPERANDS = 4 };

typedef struct shape {
    size_t m, n, k, lda, ldb, ldc;
    unsigned flags; /* ADD | A_T | B_T | BIAS | BF16 */
} shape;
enum { ADD = 1, A_T = 2, B_T = 4, BIAS = 8, BF16 = 16 };

typedef struct kept {
    shape key;
    dnnl_primitive_t primitive;  /* NULL: an empty slot */
    dnnl_memory_t mem[OPERANDS]; /* src, weights, dst, bias */
} kept;

struct rk_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    size_t used;
    kept *slot; /* [SLOTS], open addressing */
};

static void drop(kept *e)
{
    for (int i = 0; i < OPERANDS; i++)
        if (e->mem[i]) dnnl_memory_destroy(e->mem[i]);
    if (e->primitive) dnnl_primitive_destroy(e->primitive);
    memset(e, 0, sizeof *e);
}

void rk_onednn_free(rk_onednn *mm)
{
    if (!mm) return;
    for (size_t i = 0; mm->slot && i < SLOTS; i++) drop(&mm->slot[i]);
    rk_free(mm->slot);
    if (mm->stream) dnnl_stream_destroy(mm->stream);
    if (mm->engine) dnnl_engine_destroy(mm->engine);
    rk_free(mm);
}

rk_status rk_onednn_new(rk_onednn **out, rk_error *err)
{
    rk_onednn *mm = rk_calloc(1, sizeof *mm);

    *out = NULL;
    if (!mm) return rk_fail(err, RK_E_MEMORY, "out of memory");
    mm->slot = rk_calloc(SLOTS, sizeof *mm->slot);
    if (!mm->slot || dnnl_engine_create(&mm->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&mm->stream, mm->engine, dnnl_stream_default_flags) != dnnl_success) {
        rk_onednn_free(mm);
        return rk_fail(err, RK_E_MEMORY, "oneDNN does not start on this processor");
    }
    *out = mm;
    return RK_OK;
}

static size_t hash(const shape *s)
{
    const size_t part[] = {s->m, s->n, s->k, s->lda, s->ldb, s->ldc, s->flags};
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        h = (h ^ part[i]) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    return (size_t)(h % SLOTS);
}

static bool same(const shape *a, const shape *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb &&
           a->ldc == b->ldc && a->flags == b->flags;
}

static dnnl_status_t describe(dnnl_memory_desc_t *md, size_t rows, size_t cols, size_t ld,
                              bool transposed, dnnl_data_type_t type)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    const dnnl_dims_t strides = {transposed ? 1 : (dnnl_dim_t)ld, transposed ? (dnnl_dim_t)ld : 1};
    return dnnl_memory_desc_create_with_strides(md, 2, dims, type, strides);
}

static dnnl_status_t make(kept *e, const rk_onednn *mm, const shape *s)
{
    const dnnl_data_type_t in = s->flags & BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t md[OPERANDS] = {NULL, NULL, NULL, NULL};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = describe(&md[0], s->m, s->k, s->lda, s->flags & A_T, in);

    if (!st) st = describe(&md[1], s->k, s->n, s->ldb, s->flags & B_T, in);
    if (!st) st = describe(&md[2], s->m, s->n, s->ldc, false, dnnl_f32);
    if (!st && s->flags & BIAS) st = describe(&md[3], 1, s->n, s->n, false, dnnl_f32);
    if (!st) st = dnnl_primitive_attr_create(&attr);
    if (!st && s->flags & ADD) {
        st = dnnl_post_ops_create(&ops);
        if (!st) st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_f32);
        if (!st) st = dnnl_primitive_attr_set_post_ops(attr, ops);
    }
    if (!st)
        st = dnnl_matmul_primitive_desc_create(&pd, mm->engine, md[0], md[1], md[3], md[2], attr);
    if (!st) st = dnnl_primitive_create(&e->primitive, pd);
    for (int i = 0; !st && i < OPERANDS; i++)
        if (md[i]) st = dnnl_memory_create(&e->mem[i], md[i], mm->engine, DNNL_MEMORY_NONE);
    e->key = *s;
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    for (int i = 0; i < OPERANDS; i++)
        if (md[i]) dnnl_memory_desc_destroy(md[i]);
    return st;
}

static dnnl_status_t find(kept **out, rk_onednn *mm, const shape *s)
{
    size_t i = hash(s);
    dnnl_status_t st;

    while (mm->slot[i].primitive && !same(&mm->slot[i].key, s)) i = (i + 1) % SLOTS;
    *out = &mm->slot[i];
    if ((*out)->primitive) return dnnl_success;
    if (mm->used == FILL) {
        /* shapes come with the number of tokens of a batch; starting over is rare and cheap */
        for (size_t j = 0; j < SLOTS; j++) drop(&mm->slot[j]);
        mm->used = 0;
        *out = &mm->slot[hash(s)];
    }
    st = make(*out, mm, s);
    if (st)
        drop(*out);
    else
        mm->used++;
    return st;
}

static rk_status run(rk_onednn *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                     const float *bias, size_t m, size_t n, size_t k, rk_dtype type, rk_error *err)
{
    static const int arg[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS};
    const unsigned flags = (add ? ADD : 0u) | (a.transposed ? A_T : 0u) |
                           (b.transposed ? B_T : 0u) | (bias ? BIAS : 0u) |
                           (type == RK_DT_BF16 ? BF16 : 0u);
    const shape s = {m, n, k, a.ld, b.ld, ldc, flags};
    const int operands = bias ? 4 : 3;
    /* oneDNN's handles are not const; it does not write to its sources */
    union {
        const void *in;
        void *out;
    } data[OPERANDS] = {{a.data}, {b.data}, {c}, {bias}};
    dnnl_exec_arg_t args[OPERANDS];
    kept *e;
    dnnl_status_t st = find(&e, mm, &s);

    if (st == dnnl_unimplemented)
        return rk_fail(err, RK_E_UNSUPPORTED, "oneDNN has no %s product for this processor",
                       type == RK_DT_BF16 ? "bf16" : "f32");
    for (int i = 0; !st && i < operands; i++) {
        st = dnnl_memory_set_data_handle(e->mem[i], data[i].out);
        args[i].arg = arg[i];
        args[i].memory = e->mem[i];
    }
    if (!st) st = dnnl_primitive_execute(e->primitive, mm->stream, operands, args);
    if (!st) st = dnnl_stream_wait(mm->stream);
    if (st)
        return rk_fail(err, st == dnnl_out_of_memory ? RK_E_MEMORY : RK_E_ARG,
                       "oneDNN: product [%zu, %zu] x [%zu, %zu] failed with status %d", m, k, k, n,
                       (int)st);
    return RK_OK;
}

/* Float products of oneDNN 3.2 are slow from about 2,048 columns on where the rows of B and of C
 * are whole: 170 of 400 GFLOP/s at 3,072 columns, 1.1 to 1.3 times slower at others. In halves,
 * or with a longer stride of either, they are not; doc/SPEED.md has the numbers. */
static bool slow_whole(rk_operand b, size_t ldc, size_t n, rk_dtype type)
{
    enum { WIDE = 2048 };
    return type == RK_DT_F32 && !b.transposed && b.ld == n && ldc == n && n >= WIDE;
}

rk_status rk_onednn_run(rk_onednn *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err)
{
    const size_t half = n / 2;
    rk_operand right = b;
    rk_status st;

    if (!slow_whole(b, ldc, n, type))
        return run(mm, c, ldc, add, a, b, bias, m, n, k, type, err);
    right.data = (const float *)b.data + half;
    st = run(mm, c, ldc, add, a, b, bias, m, half, k, type, err);
    if (st) return st;
    return run(mm, c + half, ldc, add, a, right, bias ? bias + half : NULL, m, n - half, k, type,
               err);
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#if defined(__clang__)
#define COMPILER ", clang " TEXT(__clang_major__) "." TEXT(__clang_minor__)
#elif defined(__GNUC__)
#define COMPILER ", gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__)
#else
#define COMPILER ""
#endif

const char *rk_onednn_built_with(void)
{
    return "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "."
           TEXT(DNNL_VERSION_PATCH) COMPILER;
}
