/* links: base compute quant text file onnx eval encoder train convert */
/* One road for learned ranges: what the observer saw becomes a scale by one rule, and that scale is
 * the same to the bit in the checkpoint, the model folder, the exported file, the INT8 file and the
 * runtime that reads any of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "encoder/engine.h"
#include "encoder/ranges.h"
#include "file/weights.h"
#include "onnx/graph.h"
#include "onnx/model.h"
#include "support/scratch.h"

enum {
    STOP = 14,
    SITES = 4 * 2 + 2
}; /* past half of the 20 steps: the ranges are frozen by then */

typedef struct road {
    float scale[SITES];
    uint8_t zero[SITES];
} road;

static bool stop_there(const rk_progress *p, void *user)
{
    (void)user;
    return strcmp(p->kind, "train") != 0 || p->done < STOP;
}

static void must(rk_status st, const rk_error *err)
{
    if (st) fail_msg("%s", err->message);
}

static rk_bert_config two_layers(void)
{
    const rk_bert_config c = {.layers = 2};
    return c;
}

/* The scales of a ranges file; *rule says whether each follows from its own min and max. */
static road from_ranges(const char *path, bool *rule)
{
    const rk_bert_config c = two_layers();
    road r;
    rk_weights *w;
    rk_error err;
    must(rk_safetensors_open(&w, path, &err), &err);
    for (size_t i = 0; i < SITES; i++) {
        static const char *const field[] = {"scale", "zero_point", "min", "max"};
        char site[96], name[128];
        const void *data[4];
        float min, max;
        rk_site_name(site, &c, i);
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "activation.%s.%s", site, field[k]);
            assert_non_null(rk_weights_find(w, name));
            data[k] = rk_weights_find(w, name)->data;
        }
        memcpy(&r.scale[i], data[0], 4);
        memcpy(&r.zero[i], data[1], 1);
        memcpy(&min, data[2], 4);
        memcpy(&max, data[3], 4);
        if (rule) {
            const rk_qparams q = rk_qparams_u8(min, max);
            assert_true(max > min && min <= 0.0f);
            *rule = *rule && memcmp(&q.scale, &r.scale[i], 4) == 0 && q.zero == r.zero[i];
        }
    }
    rk_weights_close(w);
    return r;
}

static bool in_road(const road *r, float scale, uint8_t zero)
{
    for (size_t i = 0; i < SITES; i++)
        if (memcmp(&r->scale[i], &scale, 4) == 0 && r->zero[i] == zero) return true;
    return false;
}

/* Every QuantizeLinear of an activation carries a scale of the road; returns how many there are. */
static size_t in_file(const char *path, const road *r)
{
    rk_onnx *m;
    rk_error err;
    rk_index *x;
    size_t seen = 0;
    must(rk_onnx_load(&m, path, &err), &err);
    must(rk_index_new(&x, m->proto->graph, path, &err), &err);
    for (size_t i = 0; i < m->proto->graph->n_node; i++) {
        const Onnx__NodeProto *n = m->proto->graph->node[i];
        rk_tensor scale, zero;
        void *own[2];
        float s;
        uint8_t z;
        if (!rk_node_is(n, "QuantizeLinear") || rk_index_initializer(x, rk_node_input(n, 0)))
            continue;
        must(rk_onnx_tensor(&scale, &own[0], rk_index_initializer(x, rk_node_input(n, 1)), path,
                            &err),
             &err);
        must(rk_onnx_tensor(&zero, &own[1], rk_index_initializer(x, rk_node_input(n, 2)), path,
                            &err),
             &err);
        memcpy(&s, scale.data, 4);
        memcpy(&z, zero.data, 1);
        assert_true(in_road(r, s, z));
        rk_onnx_free(own[0]);
        rk_onnx_free(own[1]);
        seen++;
    }
    rk_index_free(x);
    rk_onnx_close(m);
    return seen;
}

static void at_site(const road *r, size_t site, const rk_matrix *input)
{
    assert_int_equal(input->form, RK_FORM_U8);
    assert_memory_equal(&input->scale, &r->scale[site], 4);
    assert_int_equal(input->zero, r->zero[site]);
}

static void in_engine(rk_engine *e, const road *r)
{
    for (size_t l = 0; l < 2; l++) {
        const rk_engine_layer *y = &e->layer[l];
        at_site(r, 4 * l + RK_SITE_QKV, l == 0 ? &y->qkv.input : &y->kv.input);
        at_site(r, 4 * l + RK_SITE_ATTN, &y->attn.input);
        at_site(r, 4 * l + RK_SITE_INTER, &y->inter.input);
        at_site(r, 4 * l + RK_SITE_OUT, &y->out.input);
    }
    at_site(r, 8, &e->pooler.input);
    at_site(r, 9, &e->classifier.input);
    rk_engine_close(e);
}

/* Rows of one label alone, as training is told to give it: it beats the start, so that the ranges
 * kept are those of training. */
static void make_valid(const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 40; i++) fprintf(f, "makanan nomor %d\tnegative\n", i);
    assert_int_equal(fclose(f), 0);
}

static void test_road(void **state)
{
    const char *source = getenv("RK_SOURCE");
    const char *dir = scratch_dir();
    char train[1024], valid[1024], start[1024], out[1024], path[1100], onnx[1100], int8[1100];
    rk_init_options init;
    rk_train_options o;
    rk_convert_options convert = {0};
    rk_error err;
    char *json = NULL;
    bool rule = true;
    road saved, kept;
    rk_engine *e;
    (void)state;

    if (!source) skip();
    snprintf(train, sizeof train, "%s/data/sample/train.tsv", source);
    snprintf(valid, sizeof valid, "%s/valid.tsv", dir);
    make_valid(valid);
    snprintf(start, sizeof start, "%s/start", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    rk_init_defaults(&init);
    init.train = train;
    init.out = start;
    init.layers = 2;
    init.hidden = 48;
    init.vocab_size = 900;
    must(rk_init(&json, &init, &err), &err);
    free(json);
    rk_train_defaults(&o);
    o.model = start;
    o.train = train;
    o.valid = valid;
    o.out = out;
    o.qat = RK_QAT_INT8;
    o.epochs = 2;
    o.max_train_rows = 160;
    o.lr = 1e-3;
    o.class_weights = "negative=1000";
    o.max_length = 48;
    assert_int_equal(rk_train(&json, &o, stop_there, NULL, &err), RK_E_STOPPED);

    /* the observer's ends and the checkpoint */
    snprintf(path, sizeof path, "%s/checkpoint-%d/ranges.safetensors", out, STOP);
    saved = from_ranges(path, &rule);
    assert_true(rule);
    o.resume = true;
    must(rk_train(&json, &o, NULL, NULL, &err), &err);
    free(json);
    /* the model folder: frozen since, whichever of the two epochs was kept has them */
    snprintf(path, sizeof path, "%s/quant.safetensors", out);
    kept = from_ranges(path, NULL);
    assert_memory_equal(saved.zero, kept.zero, sizeof saved.zero);
    assert_memory_equal(saved.scale, kept.scale, sizeof saved.scale);

    /* the exported and the converted file */
    snprintf(onnx, sizeof onnx, "%s/model.onnx", dir);
    snprintf(int8, sizeof int8, "%s/model_int8.onnx", dir);
    must(rk_export(out, onnx, 0, &err), &err);
    convert.in = onnx;
    convert.out = int8;
    convert.to = RK_INT8;
    must(rk_convert(&json, &convert, &err), &err);
    free(json);
    assert_int_equal(in_file(onnx, &kept), SITES);
    assert_int_equal(in_file(int8, &kept), SITES);

    /* the runtime, from each of the three */
    must(rk_engine_open_folder(&e, out, RK_COMPUTE_AUTO, &err), &err);
    in_engine(e, &kept);
    must(rk_engine_open_onnx(&e, onnx, RK_COMPUTE_AUTO, NULL, &err), &err);
    in_engine(e, &kept);
    must(rk_engine_open_onnx(&e, int8, RK_COMPUTE_AUTO, NULL, &err), &err);
    in_engine(e, &kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_road)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
