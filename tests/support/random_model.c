#include "support/random_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quant/qparams.h"

static void *room(random_model *m, size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);

    if (!p || m->blocks == RANDOM_BLOCKS) {
        fprintf(stderr, "random_model: no room\n");
        abort();
    }
    return m->block[m->blocks++] = p;
}

/* SplitMix64 (Steele et al. 2014): a model has many numbers, and Philox takes its time. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Close to normal: four uniform numbers of 16 bits added up. */
static float *normal(random_model *m, size_t n, float mean, float size)
{
    const float unit = size * 0x1p-16f * sqrtf(3.0f);
    float *x = room(m, n, sizeof *x);

    for (size_t i = 0; i < n; i++) {
        const uint64_t z = draw(&m->state);
        const int64_t sum = (int64_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) +
                                      (z >> 48)) - 2 * 0xffff;
        x[i] = mean + unit * (float)sum;
    }
    return x;
}

/* [rows, cols] in the model's type; *scale set where it is codes. */
static const void *weights(random_model *m, const float **scale, size_t rows, size_t cols,
                           float size)
{
    const float *x = normal(m, rows * cols, 0, size);
    uint16_t *half;
    int8_t *codes;
    float *scales;

    *scale = NULL;
    if (m->type == RK_DT_F32) return x;
    if (m->type == RK_DT_F16) {
        half = room(m, rows * cols, sizeof *half);
        for (size_t i = 0; i < rows * cols; i++) half[i] = rk_f16_from_f32(x[i]);
        return half;
    }
    codes = room(m, rows * cols, 1);
    scales = room(m, rows, sizeof *scales);
    rk_quantize_rows_s8(codes, scales, x, rows, cols);
    *scale = scales;
    return codes;
}

static rk_source_linear linear(random_model *m, size_t out, size_t in, rk_qparams q)
{
    rk_source_linear l = { .input = { .form = RK_FORM_F32 } };

    l.w = (rk_weight){ .type = m->type, .out = out, .in = in, .out_step = in, .in_step = 1,
                       .bias = normal(m, out, 0, 0.1f) };
    l.w.data = weights(m, &l.w.scale, out, in, 0.8f / sqrtf((float)in));
    if (m->type == RK_DT_I8)
        l.input = (rk_matrix){ .form = RK_FORM_U8, .scale = q.scale, .zero = q.zero };
    return l;
}

static rk_table table(random_model *m, size_t rows)
{
    rk_table t = { .type = m->type, .rows = rows, .width = m->c.hidden };
    t.data = weights(m, &t.scale, rows, m->c.hidden, 0.5f);
    return t;
}

void random_model_make(random_model *m, rk_dtype type, const random_shape *shape, rk_rng *rng)
{
    const rk_qparams wide = rk_qparams_u8(-4, 4), mid = rk_qparams_u8(-2, 2),
                     act = rk_qparams_u8(-0.2f, 3);
    const size_t h = shape->heads * shape->head, inner = shape->inner;
    rk_source_layer *l;

    memset(m, 0, sizeof *m);
    m->type = type;
    m->state = (uint64_t)rk_rng_u32(rng) << 32 | rk_rng_u32(rng);
    m->c = (rk_bert_config){ .layers = shape->layers, .hidden = h, .heads = shape->heads,
                             .inner = inner, .positions = shape->positions, .types = 2,
                             .eps = 1e-12f, .act = (rk_activation)rk_rng_below(rng, 3) };
    m->c.vocab = shape->vocab ? shape->vocab : 1 + rk_rng_below(rng, 60);
    m->c.labels.count = shape->labels ? shape->labels : 2 + rk_rng_below(rng, 6);
    m->c.labels.name = room(m, m->c.labels.count, sizeof *m->c.labels.name);
    for (size_t i = 0; i < m->c.labels.count; i++) {
        m->c.labels.name[i] = room(m, 8, 1);
        snprintf(m->c.labels.name[i], 8, "l%zu", i % 1000);
    }
    l = room(m, shape->layers, sizeof *l);
    for (size_t i = 0; i < shape->layers; i++) {
        l[i].q = linear(m, h, h, wide);
        l[i].k = linear(m, h, h, wide);
        l[i].v = linear(m, h, h, wide);
        l[i].attn = linear(m, h, h, mid);
        l[i].inter = linear(m, inner, h, wide);
        l[i].out = linear(m, h, inner, act);
        l[i].ln1_w = normal(m, h, 1, 0.1f);
        l[i].ln1_b = normal(m, h, 0, 0.1f);
        l[i].ln2_w = normal(m, h, 1, 0.1f);
        l[i].ln2_b = normal(m, h, 0, 0.1f);
    }
    m->s = (rk_source){ .path = "test", .config = &m->c, .layer = l };
    m->s.word = table(m, m->c.vocab);
    m->s.position = table(m, shape->positions);
    m->s.type = table(m, 2);
    m->s.emb_ln_w = normal(m, h, 1, 0.1f);
    m->s.emb_ln_b = normal(m, h, 0, 0.1f);
    m->s.pooler = linear(m, h, h, wide);
    m->s.classifier = linear(m, m->c.labels.count, h, rk_qparams_u8(-1, 1));
}

void random_model_free(random_model *m)
{
    for (size_t i = 0; i < m->blocks; i++) free(m->block[i]);
    m->blocks = 0;
}

static float value(rk_dtype type, const void *data, const float *scale, size_t row, size_t at)
{
    if (type == RK_DT_F32) return ((const float *)data)[at];
    if (type == RK_DT_F16) return rk_f16_to_f32(((const uint16_t *)data)[at]);
    return (float)((const int8_t *)data)[at] * scale[row];
}

static const float *floats(random_model *m, rk_dtype type, const void *data, const float *scale,
                           size_t rows, size_t cols)
{
    float *x = room(m, rows * cols, sizeof *x);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            x[r * cols + c] = value(type, data, scale, r, r * cols + c);
    return x;
}

static void widen_linear(random_model *out, rk_source_linear *l)
{
    l->w.data = floats(out, l->w.type, l->w.data, l->w.scale, l->w.out, l->w.in);
    l->w.type = RK_DT_F32;
    l->w.scale = NULL;
    l->input = (rk_matrix){ .form = RK_FORM_F32 };
}

static void widen_table(random_model *out, rk_table *t)
{
    t->data = floats(out, t->type, t->data, t->scale, t->rows, t->width);
    t->type = RK_DT_F32;
    t->scale = NULL;
}

void random_model_widen(random_model *out, const random_model *m)
{
    rk_source_layer *l;

    *out = *m;    /* norms, biases and names stay those of m */
    out->blocks = 0;
    out->type = RK_DT_F32;
    l = room(out, m->c.layers, sizeof *l);
    memcpy(l, m->s.layer, m->c.layers * sizeof *l);
    for (size_t i = 0; i < m->c.layers; i++) {
        rk_source_linear *all[] = { &l[i].q,    &l[i].k,     &l[i].v,
                                    &l[i].attn, &l[i].inter, &l[i].out };
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) widen_linear(out, all[k]);
    }
    out->s.layer = l;
    out->s.config = &out->c;
    widen_table(out, &out->s.word);
    widen_table(out, &out->s.position);
    widen_table(out, &out->s.type);
    widen_linear(out, &out->s.pooler);
    widen_linear(out, &out->s.classifier);
}

/* ---- the plain forward pass ---- */

/* v moved by `by`, up or down. */
static double moved(const plain_noise *noise, double v, double by)
{
    return noise ? v + (draw(noise->state) & 1 ? by : -by) : v;
}

static double moved_value(const plain_noise *noise, double v, double size)
{
    return noise ? moved(noise, v, noise->value * size) : v;
}

/* What the product reads: rounded to codes where the Linear is quantised. */
static void plain_input(double *to, const rk_source_linear *l, const double *x, size_t n,
                        const plain_noise *noise)
{
    const rk_qparams p = { l->input.scale, l->input.zero };
    const bool codes = l->input.form == RK_FORM_U8;

    for (size_t i = 0; i < n; i++) {
        to[i] = x[i];
        if (noise) to[i] = moved(noise, x[i], codes ? noise->code * p.scale
                                                    : noise->input * fabs(x[i]));
        if (codes) to[i] = ((double)rk_quantize_u8((float)to[i], p) - p.zero) * p.scale;
    }
}

static void plain_linear(double *y, const rk_source_linear *l, const double *x, size_t rows,
                         const plain_noise *noise)
{
    const size_t in = l->w.in, out = l->w.out;
    double *q = malloc((rows + 1) * in * sizeof *q), *w = q + rows * in;

    plain_input(q, l, x, rows * in, noise);
    for (size_t n = 0; n < out; n++) {
        for (size_t k = 0; k < in; k++) {
            w[k] = value(l->w.type, l->w.data, l->w.scale, n, n * in + k);
            if (noise && noise->bf16) w[k] = rk_bf16_to_f32(rk_bf16_from_f32((float)w[k]));
        }
        for (size_t t = 0; t < rows; t++) {
            const double *a = q + t * in;
            double sum = 0, size = fabs(l->w.bias[n]);
            for (size_t k = 0; k < in; k++) sum += a[k] * w[k];
            for (size_t k = 0; k < in && noise; k++) size += fabs(a[k] * w[k]);
            y[t * out + n] = sum + l->w.bias[n];
            if (noise)
                y[t * out + n] =
                    moved(noise, y[t * out + n], noise->sum * ((double)in + 2) * size);
        }
    }
    free(q);
}

static void plain_norm(double *x, const float *w, const float *b, size_t rows, size_t width,
                       const plain_noise *noise)
{
    for (size_t t = 0; t < rows; t++, x += width) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++) x[i] = moved_value(noise, x[i], fabs(x[i]));
        for (size_t i = 0; i < width; i++) mean += x[i] / (double)width;
        for (size_t i = 0; i < width; i++) variance += pow(x[i] - mean, 2) / (double)width;
        variance = sqrt(variance + 1e-12);
        for (size_t i = 0; i < width; i++) {
            const double y = (x[i] - mean) / variance * w[i];
            x[i] = moved_value(noise, y + b[i], fabs(y) + fabs(b[i]) + fabs(mean / variance));
        }
    }
}

static double plain_act(rk_activation a, double x)
{
    const double y = sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
    if (a == RK_ACT_GELU) return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    if (a == RK_ACT_GELU_TANH) return 0.5 * x * (1 + tanh(y));
    return x > 0 ? x : 0;
}

/* One head of one query: p [length] is memory to work in. */
static void plain_query(double *y, const double *q, const double *k, const double *v, size_t length,
                        size_t h, size_t head, double *p, const plain_noise *noise)
{
    const double unit = noise ? noise->sum : 0;
    double sum = 0, top = -INFINITY;

    for (size_t j = 0; j < length; j++) {
        double size = 0;
        p[j] = 0;
        for (size_t c = 0; c < head; c++) {
            p[j] += q[c] * k[j * h + c];
            size += fabs(q[c] * k[j * h + c]);
        }
        p[j] = moved(noise, p[j], unit * ((double)head + 2) * size) / sqrt((double)head);
        top = fmax(top, p[j]);
    }
    for (size_t j = 0; j < length; j++) {
        const double e = exp(p[j] - top);
        sum += p[j] = moved_value(noise, e, e);
    }
    for (size_t c = 0; c < head; c++) {
        double size = 0;
        y[c] = 0;
        for (size_t j = 0; j < length; j++) {
            y[c] += p[j] / sum * v[j * h + c];
            size += fabs(p[j] / sum * v[j * h + c]);
        }
        y[c] = moved(noise, y[c], unit * ((double)length + 2) * size);
    }
}

static void plain_attention(double *y, double *const qkv[3], size_t length, size_t heads,
                            size_t head, const plain_noise *noise)
{
    const size_t h = heads * head;
    double *p = malloc(length * sizeof *p);

    for (size_t i = 0; i < length; i++)
        for (size_t a = 0; a < heads; a++)
            plain_query(y + i * h + a * head, qkv[0] + i * h + a * head, qkv[1] + a * head,
                        qkv[2] + a * head, length, h, head, p, noise);
    free(p);
}

static void plain_layer(double *x, double *a, double *const b[3], double *u, const random_model *m,
                        const rk_source_layer *l, size_t n, const plain_noise *noise)
{
    const size_t h = m->c.hidden, inner = m->c.inner;

    plain_linear(b[0], &l->q, x, n, noise);
    plain_linear(b[1], &l->k, x, n, noise);
    plain_linear(b[2], &l->v, x, n, noise);
    plain_attention(a, b, n, m->c.heads, h / m->c.heads, noise);
    plain_linear(b[0], &l->attn, a, n, noise);
    for (size_t k = 0; k < n * h; k++) x[k] += b[0][k];
    plain_norm(x, l->ln1_w, l->ln1_b, n, h, noise);
    plain_linear(u, &l->inter, x, n, noise);
    for (size_t k = 0; k < n * inner; k++)
        u[k] = moved_value(noise, plain_act(m->c.act, u[k]), 1 + fabs(u[k]));
    plain_linear(b[0], &l->out, u, n, noise);
    for (size_t k = 0; k < n * h; k++) x[k] += b[0][k];
    plain_norm(x, l->ln2_w, l->ln2_b, n, h, noise);
}

static double cell(const rk_table *t, size_t row, size_t col)
{
    return value(t->type, t->data, t->scale, row, row * t->width + col);
}

void plain_forward(double *logits, const random_model *m, const int32_t *ids, size_t n,
                   const plain_noise *noise)
{
    const size_t h = m->c.hidden;
    double *x = malloc(n * h * sizeof *x), *a = malloc(n * h * sizeof *a);
    double *b[3], *u = malloc(n * m->c.inner * sizeof *u), *pooled = malloc(h * sizeof *pooled);

    for (size_t i = 0; i < 3; i++) b[i] = malloc(n * h * sizeof **b);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < h; c++)
            x[i * h + c] = cell(&m->s.word, (size_t)ids[i], c) + cell(&m->s.type, 0, c) +
                           cell(&m->s.position, i, c);
    plain_norm(x, m->s.emb_ln_w, m->s.emb_ln_b, n, h, noise);
    for (size_t i = 0; i < m->c.layers; i++) plain_layer(x, a, b, u, m, &m->s.layer[i], n, noise);
    plain_linear(pooled, &m->s.pooler, x, 1, noise);
    for (size_t k = 0; k < h; k++) pooled[k] = moved_value(noise, tanh(pooled[k]), 1);
    plain_linear(logits, &m->s.classifier, pooled, 1, noise);
    for (size_t i = 0; i < 3; i++) free(b[i]);
    free(x);
    free(a);
    free(u);
    free(pooled);
}
