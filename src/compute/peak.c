#define _POSIX_C_SOURCE 200809L
#include "compute/peak.h"

#include <math.h>
#include <omp.h>
#include <time.h>

#include "base/dtype.h"
#include "base/mem.h"
#include "compute/matmul_onednn.h"

enum { SIDE = 1024 };
static const double SECONDS = 0.15; /* of each of the two */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct product {
    rk_form form;
    void *x, *w; /* [SIDE, SIDE] of the form's type; rows of x lie as the engine's do */
    size_t stride;
    float *y;
    rk_onednn *onednn;
    rk_packed *packed;
} product;

static rk_status run_onednn(const product *p, rk_error *err)
{
    return rk_onednn_run(p->onednn, p->y, SIDE, false, (rk_operand){p->x, p->stride, false},
                         (rk_operand){p->w, SIDE, true}, NULL, SIDE, SIDE, SIDE,
                         p->form == RK_FORM_BF16 ? RK_DT_BF16 : RK_DT_F32, err);
}

static rk_status run_packed(const product *p, rk_error *err)
{
    const rk_matrix x = {p->x, p->stride, p->form, 1.0f, 0};
    const rk_epilogue e = {.act = RK_PACKED_LINEAR, .y = {p->y, SIDE, RK_FORM_F32, 1.0f, 0}};

    (void)err;
#pragma omp parallel
    rk_packed_run(p->packed, &x, SIDE, &e, (size_t)omp_get_thread_num(),
                  (size_t)omp_get_num_threads());
    return RK_OK;
}

/* Seconds of the fastest run; infinite when it cannot run. */
static double fastest(const product *p, rk_status (*run)(const product *, rk_error *),
                      rk_error *err)
{
    const double end = now() + SECONDS;
    double best = (double)INFINITY, begin;

    if (run(p, err)) return best; /* the first one makes primitives, and wakes the threads */
    do {
        begin = now();
        (void)run(p, NULL);
        if (now() - begin < best) best = now() - begin;
    } while (now() < end);
    return best;
}

/* Numbers of all kinds below 2: what the products cost in power should be what it is in use. */
static void fill(void *data, rk_form form, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t r = (uint32_t)(i + 1) * 2654435761u ^ seed * 0x9E3779B9u;
        const float x = (float)(r >> 8) * 0x1p-23f;
        if (form == RK_FORM_F32) ((float *)data)[i] = x;
        else if (form == RK_FORM_BF16) ((uint16_t *)data)[i] = rk_bf16_from_f32(x);
        else ((uint8_t *)data)[i] = (uint8_t)(r >> 25);
    }
}

static rk_status make(product *p, rk_error *err)
{
    const size_t n = (size_t)SIDE * SIDE, item = rk_form_size(p->form);
    const size_t stride = rk_form_stride(p->form, SIDE);
    const rk_matrix x = {NULL, stride, p->form, 1.0f, 0};
    rk_weight w = {.type = p->form == RK_FORM_U8     ? RK_DT_I8
                           : p->form == RK_FORM_BF16 ? RK_DT_BF16
                                                     : RK_DT_F32,
                   .out = SIDE,
                   .in = SIDE,
                   .out_step = SIDE,
                   .in_step = 1};
    rk_status st = RK_OK;

    p->stride = stride;
    p->x = rk_alloc_aligned(SIDE * stride, item);
    p->w = rk_alloc_aligned(n, item);
    p->y = rk_alloc_aligned(n, sizeof *p->y);
    if (!p->x || !p->w || !p->y) return rk_fail(err, RK_E_MEMORY, "out of memory");
    fill(p->x, p->form, SIDE * stride, 1);
    fill(p->w, p->form, n, 2);
    if (item == 1) {
        w.scale = p->y; /* any numbers */
        for (size_t i = 0; i < SIDE; i++) p->y[i] = 1.0f;
    } else {
        st = rk_onednn_new(&p->onednn, err);
    }
    w.data = p->w;
    if (!st) st = rk_packed_new(&p->packed, &w, 1, &x, rk_cpu_best(), NULL, err);
    return st == RK_E_UNSUPPORTED ? RK_OK : st;
}

rk_status rk_peak(double *gflops, rk_form form, rk_error *err)
{
    product p = {.form = form};
    double seconds = (double)INFINITY, other;
    rk_status st = make(&p, err);

    if (!st && p.packed) seconds = fastest(&p, run_packed, err);
    if (!st && p.onednn) {
        other = fastest(&p, run_onednn, err);
        if (other < seconds) seconds = other;
    }
    if (!st && isinf(seconds))
        st = rk_fail(err, RK_E_UNSUPPORTED, "this processor has no such products");
    if (!st) *gflops = 2e-9 * SIDE * SIDE * SIDE / seconds;
    rk_packed_free(p.packed);
    rk_onednn_free(p.onednn);
    rk_free_aligned(p.x);
    rk_free_aligned(p.w);
    rk_free_aligned(p.y);
    return st;
}
