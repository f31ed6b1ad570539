/* links: base compute quant text file onnx eval encoder train */
/* Parts of training that have an answer on paper: loss, schedule, optimiser, batches. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "compute/cpu.h"
#include "train/batch.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

static void test_loss(void **state)
{
    /* softmax of (0, ln 2, ln 5) is (1/8, 2/8, 5/8) */
    const float logits[] = {0.0f, 0.69314718f, 1.60943791f, 3.0f, 3.0f, -1000.0f};
    const int32_t truth[] = {1, 0};
    const double want = (log(4.0) + log(2.0)) / 2.0;
    float d[6];
    int32_t predicted[2];
    (void)state;

    assert_true(fabs(rk_cross_entropy(d, predicted, logits, truth, 2, 3, NULL, 2.0) - want) < 1e-7);
    assert_int_equal(predicted[0], 2);
    assert_int_equal(predicted[1], 0); /* the first of equals */
    assert_true(fabs((double)d[0] - 0.125 / 2) < 1e-7);
    assert_true(fabs((double)d[1] - (0.25 - 1.0) / 2) < 1e-7);
    assert_true(fabs((double)d[3] - (0.5 - 1.0) / 2) < 1e-7);
    assert_true(d[5] == 0.0f);
}

static void test_schedule(void **state)
{
    (void)state;
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 0, 0, 10) == 1.0);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 9, 0, 10) == 0.1);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 0, 4, 10) == 0.0);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 2, 4, 10) == 0.5);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 4, 4, 10) == 1.0);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 7, 4, 10) == 0.5);
    assert_true(rk_schedule_factor(RK_SCHEDULE_LINEAR, 10, 10, 10) == 0.0);
}

/* The middle and the ends; all schedules are held against torch's in parity.training. */
static void test_other_schedules(void **state)
{
    (void)state;
    assert_true(rk_schedule_factor(RK_SCHEDULE_CONSTANT, 2, 4, 10) == 0.5);
    assert_true(rk_schedule_factor(RK_SCHEDULE_CONSTANT, 9, 4, 10) == 1.0);
    assert_true(rk_schedule_factor(RK_SCHEDULE_COSINE, 4, 4, 12) == 1.0);
    assert_true(fabs(rk_schedule_factor(RK_SCHEDULE_COSINE, 8, 4, 12) - 0.5) < 1e-15);
    assert_true(rk_schedule_factor(RK_SCHEDULE_COSINE, 12, 4, 12) == 0.0);
    assert_true(rk_schedule_factor(RK_SCHEDULE_COSINE, 4, 4, 4) == 0.0);
}

/* Gradients of the teacher's losses are those of finite differences. */
static void test_teacher(void **state)
{
    const float student[] = {0.3f, -1.2f, 0.7f, 2.0f, 0.1f, -0.4f};
    const float teacher[] = {1.1f, 0.2f, -0.6f, 1.0f, 0.3f, 0.9f};
    const double step = 1e-3;
    float d[6] = {0}, e[6], moved[6];
    (void)state;

    assert_true(rk_distill(d, student, student, 2, 3, 3.0, 0.4, 2.0) == 0.0);
    for (size_t i = 0; i < 6; i++) assert_true(d[i] == 0.0f);
    rk_distill(d, student, teacher, 2, 3, 3.0, 0.4, 2.0);
    rk_distance(e, student, teacher, 2, 3, 0.25, 6.0);
    for (size_t i = 0; i < 6; i++) {
        float unused[6] = {0};
        double up, down, far, near;
        memcpy(moved, student, sizeof moved);
        moved[i] = (float)((double)student[i] + step);
        up = rk_distill(unused, moved, teacher, 2, 3, 3.0, 0.4, 2.0);
        far = rk_distance(unused, moved, teacher, 2, 3, 0.25, 6.0);
        moved[i] = (float)((double)student[i] - step);
        down = rk_distill(unused, moved, teacher, 2, 3, 3.0, 0.4, 2.0);
        near = rk_distance(unused, moved, teacher, 2, 3, 0.25, 6.0);
        assert_true(fabs((up - down) / (2 * step) - (double)d[i]) < 1e-5);
        assert_true(fabs((far - near) / (2 * step) - (double)e[i]) < 1e-5);
    }
}

static rk_bert_config small(void)
{
    static char *names[] = {"a", "b"};
    const rk_bert_config c = {.layers = 1,
                              .hidden = 4,
                              .heads = 2,
                              .inner = 8,
                              .vocab = 7,
                              .positions = 5,
                              .types = 2,
                              .eps = 1e-12f,
                              .init_range = 0.02f,
                              .labels = {2, names}};
    return c;
}

/* By hand: with constant gradient g the first step is lr sign(g) whatever its size; decay shrinks
 * matrices and leaves biases and LayerNorm alone. */
static void test_adamw(void **state)
{
    const rk_bert_config c = small();
    const rk_adamw a = {0.1, 0.5, 0.9, 0.999, 1e-8};
    const rk_param *w, *b;
    rk_params *p, *g;
    rk_optimizer *o;
    (void)state;

    assert_int_equal(rk_params_new(&p, &c, NULL), RK_OK);
    assert_int_equal(rk_params_new(&g, &c, NULL), RK_OK);
    assert_int_equal(rk_optimizer_new(&o, p, g, NULL), RK_OK);
    w = rk_params_find(p, "bert.pooler.dense.weight");
    b = rk_params_find(p, "bert.pooler.dense.bias");
    assert_true(w->decay && !b->decay && w->quantised && !b->quantised);
    assert_false(rk_params_find(p, "bert.encoder.layer.0.output.LayerNorm.weight")->decay);
    p->block[w->offset] = p->block[b->offset] = 2.0f;
    g->block[w->offset] = g->block[b->offset] = -1234.0f;
    rk_optimizer_meet(o, rk_loops_get(), (const int32_t[]){3}, 1);
    g->word[3 * 4] = 1234.0f;
    assert_true(fabs(rk_optimizer_norm(o, rk_loops_get()) - 1234.0 * sqrt(3.0)) < 1e-9);
    assert_int_equal(rk_optimizer_step(o, rk_loops_get(), NULL, &a, 0.25, NULL), RK_OK);
    assert_true(fabs((double)p->block[w->offset] - (2.0 * (1.0 - 0.1 * 0.5) + 0.1)) < 1e-6);
    assert_true(fabs((double)p->block[b->offset] - 2.1) < 1e-6);
    assert_true(fabs((double)p->word[3 * 4] + 0.1) < 1e-6);
    assert_true(fabs((double)o->m[w->offset] + 0.1 * 1234.0 * 0.25) < 1e-4);
    assert_true(g->block[b->offset] == 0.0f && g->word[3 * 4] == 0.0f);
    rk_optimizer_free(o);
    rk_params_free(p);
    rk_params_free(g);
}

/* Rows of a batch, the same for any caller: step t has up to three of the rows 1 to 8. */
static size_t rows_of(int32_t ids[3], size_t step)
{
    size_t n = 0;
    for (size_t k = 0; k < 3; k++)
        if ((step + k) % 7 < 5 || step < 2) ids[n++] = (int32_t)(1 + (step * (k + 1) + k) % 8);
    return n;
}

/* Trains alone on made-up gradients; every row is met at every step, or only those that have one.
 */
static void train_rows(rk_params *p, rk_optimizer *o, rk_params *g, const rk_loops *loops, bool all,
                       size_t steps)
{
    const int32_t every[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const size_t h = p->param[0].dim[1];

    for (size_t t = 0; t < steps; t++) {
        const rk_adamw a = {0.01 * (double)(steps - t) / (double)steps, 0.1, 0.9, 0.999, 1e-8};
        int32_t ids[3];
        /* the last stretch has no gradient: moments fade into denormals and out */
        const size_t n = t < steps / 2 ? rows_of(ids, t) : 0;
        if (all) rk_optimizer_meet(o, loops, every, 11);
        rk_optimizer_meet(o, loops, ids, n);
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < h; i++)
                g->word[(size_t)ids[k] * h + i] = (float)((t * 31 + i * 7) % 13) - 6.0f;
        assert_int_equal(rk_optimizer_step(o, loops, NULL, &a, 0.5, NULL), RK_OK);
        if (!all && t % 97 == 0) rk_optimizer_settle(o, loops);
    }
    rk_optimizer_settle(o, loops);
}

/* Rows that catch up have the bits of rows that were updated each time, at every level. */
static void test_late_rows(void **state)
{
    static const char *const levels[] = {"base", "avx2", "avx512"};
    rk_bert_config c = small();
    (void)state;

    c.hidden = 70; /* crosses blocks */
    c.vocab = 11;
    for (size_t l = 0; l < 3; l++) {
        const rk_loops *loops = rk_loops_level(levels[l]);
        rk_params *p[2], *g[2];
        rk_optimizer *o[2];
        if (!loops) continue;
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(rk_params_new(&p[k], &c, NULL), RK_OK);
            assert_int_equal(rk_params_new(&g[k], &c, NULL), RK_OK);
            assert_int_equal(rk_optimizer_new(&o[k], p[k], g[k], NULL), RK_OK);
            rk_params_init(p[k], &c, 5);
            train_rows(p[k], o[k], g[k], loops, k == 0, 2400);
        }
        assert_memory_equal(p[0]->block, p[1]->block, p[0]->count * sizeof(float));
        assert_memory_equal(o[0]->m, o[1]->m, p[0]->count * sizeof(float));
        assert_memory_equal(o[0]->v, o[1]->v, p[0]->count * sizeof(float));
        /* row 5 learned, row 0 only shrank; a moment that faded is zero and no denormal */
        assert_true(o[1]->v[5 * 70] > 0.0f && o[1]->v[0] == 0.0f && o[1]->m[5 * 70] == 0.0f);
        for (size_t k = 0; k < 2; k++) {
            rk_optimizer_free(o[k]);
            rk_params_free(p[k]);
            rk_params_free(g[k]);
        }
    }
}

static void test_layout(void **state)
{
    const rk_bert_config c = small();
    rk_params *p, *again;
    (void)state;

    assert_int_equal(rk_params_new(&p, &c, NULL), RK_OK);
    assert_int_equal(rk_params_new(&again, &c, NULL), RK_OK);
    assert_int_equal(p->params, 9 + 16);
    for (size_t i = 1; i < p->params; i++)
        assert_true(p->param[i].offset >= p->param[i - 1].offset + p->param[i - 1].count);
    assert_ptr_equal(p->layer[0].qkv_w + 16, p->block + p->param[6].offset);
    assert_string_equal(p->param[6].name, "bert.encoder.layer.0.attention.self.key.weight");
    rk_params_init(p, &c, 3);
    rk_params_init(again, &c, 3);
    assert_memory_equal(p->block, again->block, p->count * sizeof(float));
    rk_params_init(again, &c, 4);
    assert_true(memcmp(p->block, again->block, p->count * sizeof(float)) != 0);
    assert_true(p->layer[0].ln1_w[0] == 1.0f && p->layer[0].ln1_b[0] == 0.0f);
    rk_params_free(p);
    rk_params_free(again);
}

/* A weight that is no number spoils the logits, also where it has to become a code. */
static void test_nan_weight(void **state)
{
    const rk_bert_config c = small();
    const int32_t ids[] = {1, 2, 3};
    const size_t starts[] = {0, 3};
    const rk_batch batch = {.ids = ids, .starts = starts, .rows = 1};
    static const rk_dtype types[] = {RK_DT_F32, RK_DT_BF16};
    (void)state;

    for (size_t i = 0; i < 2; i++)
        for (int spoiled = 0; spoiled < 2; spoiled++) {
            rk_params *p;
            rk_ranges *ranges;
            rk_net *net;
            rk_error err;
            assert_int_equal(rk_params_new(&p, &c, &err), RK_OK);
            rk_params_init(p, &c, 3);
            assert_int_equal(rk_ranges_new(&ranges, &c, p, RK_QAT_INT8, &err), RK_OK);
            for (size_t s = 0; s < ranges->sites; s++)
                ranges->site[s].q = rk_qparams_u8(-3.0f, 3.0f);
            if (spoiled) p->layer[0].inter_w[5] = NAN;
            assert_int_equal(rk_net_new(&net, &c, p, types[i], RK_QAT_INT8, ranges, &err), RK_OK);
            if (rk_net_forward(net, &batch, &err) == RK_OK)
                assert_int_equal(isnan(net->logits[0]), spoiled);
            else
                assert_int_equal(err.code, RK_E_UNSUPPORTED);
            rk_net_free(net);
            rk_ranges_free(ranges);
            rk_params_free(p);
        }
}

/* At every level, what lies behind a batch's tokens in the net's buffers reaches no gradient. */
static void test_rows_behind(void **state)
{
    static const char *const levels[] = {"ref", "avx2", "avx512", "vnni", "amx"};
    static const rk_dtype types[] = {RK_DT_F32, RK_DT_BF16};
    const rk_bert_config c = small();
    const int32_t ids[] = {1, 2, 3};
    const size_t starts[] = {0, 3};
    const float dlogits[3] = {1.0f, -1.0f, 0.5f};
    const rk_batch batch = {.ids = ids, .starts = starts, .rows = 1};
    (void)state;

    for (size_t i = 0; i < 10; i++) {
        rk_params *p, *grad;
        rk_ranges *ranges;
        rk_net *net;
        rk_error err;
        if (rk_cpu_limit(levels[i / 2], NULL)) continue;
        assert_int_equal(rk_params_new(&p, &c, &err), RK_OK);
        assert_int_equal(rk_params_new(&grad, &c, &err), RK_OK);
        rk_params_init(p, &c, 3);
        assert_int_equal(rk_ranges_new(&ranges, &c, p, RK_QAT_INT8, &err), RK_OK);
        for (size_t s = 0; s < ranges->sites; s++)
            ranges->site[s].q = rk_qparams_u8(-3.0f, 3.0f);
        assert_int_equal(rk_net_new(&net, &c, p, types[i % 2], RK_QAT_INT8, ranges, &err), RK_OK);
        net->whole = true;
        assert_int_equal(rk_net_reserve(net, &batch, &err), RK_OK);
        for (size_t l = 0; l < c.layers; l++)
            for (size_t k = 3 * c.hidden; k < 32 * c.hidden; k++) {
                if (net->acts[l].in_inter.x16) net->acts[l].in_inter.x16[k] = 0xffff;
                else net->acts[l].in_inter.x[k] = NAN;
            }
        if (rk_net_forward(net, &batch, &err) == RK_OK) {
            assert_int_equal(rk_net_backward(net, &batch, dlogits, grad, &err), RK_OK);
            for (size_t k = 0; k < grad->count; k++) assert_true(isfinite(grad->block[k]));
        } else {
            assert_int_equal(err.code, RK_E_UNSUPPORTED);
        }
        rk_net_free(net);
        rk_ranges_free(ranges);
        rk_params_free(p);
        rk_params_free(grad);
    }
    assert_int_equal(rk_cpu_limit(NULL, NULL), RK_OK);
}

static void test_gather(void **state)
{
    int32_t ids[] = {1, 2, 3, 4, 5, 6}, labels[] = {0, 1, 2};
    size_t starts[] = {0, 1, 3, 6};
    const rk_encoded e = {.rows = 3, .tokens = 6, .ids = ids, .starts = starts, .labels = labels};
    const uint32_t order[] = {2, 0, 1};
    rk_gather g = {0};
    (void)state;

    assert_int_equal(rk_gather_rows(&g, &e, order, 0, 2, NULL), RK_OK);
    assert_int_equal(g.starts[2], 4);
    assert_int_equal(g.ids[0], 4);
    assert_int_equal(g.ids[3], 1);
    assert_int_equal(g.labels[0], 2);
    assert_int_equal(rk_gather_rows(&g, &e, order, 2, 1, NULL), RK_OK);
    assert_int_equal(g.ids[1], 3);
    rk_gather_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),      cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_adamw),     cmocka_unit_test(test_late_rows),
        cmocka_unit_test(test_layout),    cmocka_unit_test(test_gather),
        cmocka_unit_test(test_nan_weight), cmocka_unit_test(test_rows_behind),
        cmocka_unit_test(test_teacher),   cmocka_unit_test(test_other_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
