/* links: base compute */
/* Products of training at every level: every layout against sums in double, codes to the bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "base/mem.h"
#include "base/rng.h"
#include "compute/cpu.h"
#include "compute/matmul.h"

static const char *const LEVELS[] = {"ref", "avx2", "avx512", "vnni", "amx"};

/* The operands of one shape in both layouts and both types. */
typedef struct operands {
    size_t m, n, k;
    float *a, *at, *b, *bt, *bias, *c0, *c;
    uint16_t *a16, *at16, *b16, *bt16;
} operands;

static void *take(size_t n, size_t size)
{
    void *p = rk_alloc_aligned(n, size);
    assert_non_null(p);
    return p;
}

static float to_bf16(uint16_t *out, float x)
{
    *out = rk_bf16_from_f32(x);
    return rk_bf16_to_f32(*out);
}

/* Numbers that bfloat16 holds, so that both types have the same product. */
static operands make(size_t m, size_t n, size_t k)
{
    operands o = {.m = m, .n = n, .k = k};
    rk_rng r = {1, m * 31 + n * 7 + k, 0};

    o.a = take(m * k, 4);
    o.at = take(m * k, 4);
    o.b = take(k * n, 4);
    o.bt = take(k * n, 4);
    o.bias = take(n, 4);
    o.c0 = take(m * n, 4);
    o.c = take(m * n, 4);
    o.a16 = take(m * k, 2);
    o.at16 = take(m * k, 2);
    o.b16 = take(k * n, 2);
    o.bt16 = take(k * n, 2);
    for (size_t i = 0; i < m * k; i++) {
        const size_t t = i % k * m + i / k;
        o.a[i] = o.at[t] = to_bf16(&o.a16[i], rk_rng_normal(&r));
        o.at16[t] = o.a16[i];
    }
    for (size_t i = 0; i < k * n; i++) {
        const size_t t = i % n * k + i / n;
        o.b[i] = o.bt[t] = to_bf16(&o.b16[i], rk_rng_normal(&r));
        o.bt16[t] = o.b16[i];
    }
    for (size_t i = 0; i < n; i++) o.bias[i] = rk_rng_normal(&r);
    for (size_t i = 0; i < m * n; i++) o.c0[i] = rk_rng_normal(&r);
    return o;
}

static void drop(operands *o)
{
    void *all[] = {o->a, o->at,  o->b,    o->bt,  o->bias, o->c0,
                   o->c, o->a16, o->at16, o->b16, o->bt16};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rk_free_aligned(all[i]);
}

/* mode: A turned, B turned, added to, with bias. Every value of C is looked at where `all`, else
 * those of a few rows and columns. The bound is that of a sum of k products in any order: k eps
 * sum |a b|; bfloat16 dot instructions may round twice a pair. */
static void check(rk_matmul *mm, const operands *o, unsigned mode, rk_dtype type, bool all)
{
    const bool half = type == RK_DT_BF16;
    const void *a = half ? (const void *)o->a16 : o->a, *at = half ? (const void *)o->at16 : o->at;
    const void *b = half ? (const void *)o->b16 : o->b, *bt = half ? (const void *)o->bt16 : o->bt;
    const rk_operand x = mode & 1 ? (rk_operand){at, o->m, true} : (rk_operand){a, o->k, false};
    const rk_operand y = mode & 2 ? (rk_operand){bt, o->k, true} : (rk_operand){b, o->n, false};
    rk_error err;
    rk_status st;

    memcpy(o->c, o->c0, o->m * o->n * sizeof *o->c);
    st = rk_matmul_run(mm, o->c, o->n, mode & 4, x, y, mode & 8 ? o->bias : NULL, o->m, o->n, o->k,
                       type, &err);
    if (st == RK_E_UNSUPPORTED && half) return;
    assert_int_equal(st, RK_OK);
    for (size_t i = 0; i < o->m; i++) {
        for (size_t j = 0; j < o->n; j++) {
            double want = mode & 8 ? (double)o->bias[j] : 0.0, size = fabs(want) + 1.0;
            if (!all && i % 61 && j % 97 && i + 1 < o->m && j + 1 < o->n) continue;
            for (size_t l = 0; l < o->k; l++) {
                const double p = (double)o->a[i * o->k + l] * (double)o->b[l * o->n + j];
                want += p;
                size += fabs(p);
            }
            if (mode & 4) want += (double)o->c0[i * o->n + j];
            assert_true(fabs((double)o->c[i * o->n + j] - want) <= (double)o->k * 0x1p-23 * size);
        }
    }
}

/* m, n, k */
static const size_t SMALL[][3] = {
    {7, 11, 29}, {1, 1, 1}, {3, 3, 2}, {65, 33, 31}, {150, 96, 64}, {130, 70, 33}, {16, 64, 1},
    {3, 2047, 29}, {3, 2048, 29} /* wide: oneDNN's is done in halves */
};
/* Rows of A a multiple of 4096 bytes apart; A of more bytes than go through scratch at a time; more
 * panels than are laid out at a time. */
static const size_t LARGE[][3] = {{70, 40, 2048}, {2600, 33, 820}, {64, 1000, 300}};

/* Leaves NaN in whatever the products keep between calls. */
static void spoil(rk_matmul *mm, rk_dtype type)
{
    enum { SIDE = 96 };
    static uint32_t nan[SIDE * SIDE];
    static float c[SIDE * SIDE];
    const rk_operand x = {nan, SIDE, true};
    rk_error err;

    memset(nan, 0xff, sizeof nan);
    (void)rk_matmul_run(mm, c, SIDE, false, x, x, NULL, SIDE, SIDE, SIDE, type, &err);
}

static void at_level(const char *level)
{
    rk_matmul *mm;

    assert_int_equal(rk_matmul_new(&mm, NULL), RK_OK);
    for (size_t s = 0; s < sizeof SMALL / sizeof SMALL[0]; s++) {
        operands o = make(SMALL[s][0], SMALL[s][1], SMALL[s][2]);
        for (unsigned mode = 0; mode < 16; mode++) {
            spoil(mm, RK_DT_F32);
            check(mm, &o, mode, RK_DT_F32, true);
            spoil(mm, RK_DT_BF16);
            check(mm, &o, mode, RK_DT_BF16, true);
        }
        drop(&o);
    }
    for (size_t s = 0; strcmp(level, "ref") != 0 && s < sizeof LARGE / sizeof LARGE[0]; s++) {
        operands o = make(LARGE[s][0], LARGE[s][1], LARGE[s][2]);
        for (unsigned mode = 0; mode < 4; mode++) {
            check(mm, &o, mode, RK_DT_F32, false);
            check(mm, &o, mode | 12, RK_DT_BF16, false);
        }
        drop(&o);
    }
    rk_matmul_free(mm);
}

static void each_level(void (*check_level)(const char *))
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++)
        if (rk_cpu_limit(LEVELS[i], NULL) == RK_OK) check_level(LEVELS[i]);
    assert_int_equal(rk_cpu_limit(NULL, NULL), RK_OK);
}

static void test_products(void **state)
{
    (void)state;
    each_level(at_level);
}

/* The bits of C for 1 to 5 threads. */
static void test_threads(void **state)
{
    const int most = omp_get_max_threads();
    operands o = make(330, 100, 70);
    float *first = take(o.m * o.n, sizeof *first);
    rk_matmul *mm;
    (void)state;

    assert_int_equal(rk_matmul_new(&mm, NULL), RK_OK);
    for (unsigned mode = 0; mode < 4 && !rk_matmul_compiles(mm, RK_DT_F32); mode++)
        for (int t = 1; t <= 5; t++) {
            omp_set_num_threads(t);
            check(mm, &o, mode, RK_DT_F32, false);
            if (t == 1) memcpy(first, o.c, o.m * o.n * sizeof *first);
            else assert_memory_equal(first, o.c, o.m * o.n * sizeof *first);
        }
    omp_set_num_threads(most);
    rk_matmul_free(mm);
    rk_free_aligned(first);
    drop(&o);
}

static void check_codes(rk_matmul *mm, size_t m, size_t n, size_t k)
{
    uint8_t *x = take(m, k);
    int8_t *w = take(n, k);
    float *scale = take(n, 4), *bias = take(n, 4), *c = take(m * n, 4);
    int32_t *sum = take(n, 4);
    const rk_matrix in = {x, k, RK_FORM_U8, 0.0137f, 113};
    const rk_codes codes = {w, scale, sum};
    rk_rng r = {3, m, 0};

    for (size_t i = 0; i < m * k; i++) x[i] = (uint8_t)(rk_rng_u32(&r) & 255);
    for (size_t i = 0; i < n * k; i++) w[i] = (int8_t)((int)(rk_rng_u32(&r) % 255) - 127);
    for (size_t j = 0; j < n; j++) {
        scale[j] = 0.001f * (float)(j + 1);
        bias[j] = rk_rng_normal(&r);
        sum[j] = 0;
        for (size_t l = 0; l < k; l++) sum[j] += w[j * k + l];
    }
    for (int with = 0; with < 2; with++) {
        assert_int_equal(
            rk_matmul_codes(mm, c, n, &in, &codes, with ? bias : NULL, m, n, k, NULL), RK_OK);
        for (size_t i = 0; i < m * n; i++) {
            int32_t want = 0;
            for (size_t l = 0; l < k; l++)
                want += ((int32_t)x[i / n * k + l] - 113) * (int32_t)w[i % n * k + l];
            assert_true(
                c[i] == fmaf((float)want, 0.0137f * scale[i % n], with ? bias[i % n] : 0.0f));
        }
    }
    rk_free_aligned(x);
    rk_free_aligned(w);
    rk_free_aligned(scale);
    rk_free_aligned(bias);
    rk_free_aligned(c);
    rk_free_aligned(sum);
}

static void codes_at_level(const char *level)
{
    rk_matmul *mm;

    (void)level;
    assert_int_equal(rk_matmul_new(&mm, NULL), RK_OK);
    if (rk_matmul_has_codes(mm)) {
        check_codes(mm, 1, 1, 1);
        check_codes(mm, 31, 33, 64);
        check_codes(mm, 140, 70, 30);
        check_codes(mm, 5, 300, 131);
        check_codes(mm, 20, 40, 4096);
    } else {
        assert_string_equal(level, "ref");
    }
    rk_matmul_free(mm);
}

static void test_codes(void **state)
{
    (void)state;
    each_level(codes_at_level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
