/* links: base compute quant text file eval encoder train */
/* Runs one batch through the training network of a model folder and writes logits and gradients.
 *
 * usage: net_probe FOLDER IN.safetensors OUT.safetensors COMPUTE QAT RANGES.safetensors
 *        [KEY=VALUE]..
 *   IN: ids I32 [T], starts I32 [R + 1], labels I32 [R]
 *   COMPUTE: f32 or bf16; QAT: none, fp16, int8 (ranges observed on this batch and written to
 * RANGES)
 *   KEYs: smoothing, weights (by comma), split (rows of a first batch; the rest is a second one
 * whose gradients are added), dropout (all three rates; its masks are written), teacher (a folder)
 * with share, temperature and hidden, learn (1: gradients of the scales are written), whole (1: all
 * tokens in the last layer; else, and without hidden, only the first of each row)
 *   OUT: "logits" [R, L] of the last batch, "figures" (loss, sum of weights), "grad.<name>",
 * "keep.*", "dscale", "embedded" and "layer.<l>.x" [T, H], the input of layer l (of layer L: the
 * output of the last). Of tokens that were not computed there are zeros. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/net.h"
#include "file/model_folder.h"
#include "train/loss.h"

static void fail(const rk_error *err)
{
    fprintf(stderr, "net_probe: %s\n", err->message);
    exit(1);
}

static const void *get(const rk_weights *w, const char *name)
{
    const rk_tensor *t = rk_weights_find(w, name);
    if (!t) {
        fprintf(stderr, "net_probe: no tensor %s\n", name);
        exit(1);
    }
    return t->data;
}

static const char *value(int argc, char **argv, const char *key)
{
    const size_t n = strlen(key);
    for (int i = 7; i < argc; i++)
        if (strncmp(argv[i], key, n) == 0 && argv[i][n] == '=') return argv[i] + n + 1;
    return NULL;
}

static double real(int argc, char **argv, const char *key, double otherwise)
{
    const char *v = value(argc, argv, key);
    return v ? strtod(v, NULL) : otherwise;
}

/* Freed at the end. */
static void *made_here[4];
static size_t made_count;

static void *zeros(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p || made_count == sizeof made_here / sizeof made_here[0]) exit(1);
    return made_here[made_count++] = p;
}

/* y [T] = what there is of the first token of each row, zeros for the others; `each` bytes a token.
 */
static void *spread(const void *first, size_t each, const rk_net *net, const size_t *starts)
{
    unsigned char *y = zeros(net->tokens, each);
    for (size_t r = 0; r < net->rows; r++)
        memcpy(y + starts[r] * each, (const unsigned char *)first + r * each, each);
    return y;
}

/* Of each row and head's [n, n], the first query's. */
static uint8_t *spread_probs(const uint8_t *keep, const rk_net *net, const size_t *starts)
{
    const size_t heads = net->config->heads;
    uint8_t *y = zeros(net->pairs * heads, 1);
    size_t at = 0;
    for (size_t r = 0; r < net->rows; r++) {
        const size_t n = starts[r + 1] - starts[r];
        for (size_t k = 0; k < heads; k++, at += n * n) memcpy(y + at, keep + at, n);
    }
    return y;
}

/* Masks of the batch in hand, as the network drew them. */
static size_t masks(rk_tensor *t, char (*names)[128], const rk_net *net, const size_t *starts)
{
    const size_t h = net->config->hidden, wide = net->tokens * h;
    size_t n = 0;
    for (size_t l = 0; l < net->config->layers; l++) {
        const rk_acts *a = &net->acts[l];
        const size_t probs = net->pairs * net->config->heads;
        const bool firsts = rk_firsts(net, l);
        const struct {
            const char *what;
            size_t count;
            const uint8_t *keep;
        } m[] = {
            {"probs", probs, firsts ? spread_probs(a->keep_probs, net, starts) : a->keep_probs},
            {"1", wide, firsts ? spread(a->keep1, h, net, starts) : a->keep1},
            {"2", wide, firsts ? spread(a->keep2, h, net, starts) : a->keep2},
        };
        for (size_t i = 0; i < 3; i++, n++) {
            snprintf(names[n], sizeof names[n], "keep.%zu.%s", l, m[i].what);
            t[n] = (rk_tensor){names[n], RK_DT_U8, 1, {m[i].count}, m[i].keep, m[i].count};
        }
    }
    t[n++] = (rk_tensor){"keep.embedded", RK_DT_U8, 1, {wide}, net->keep_emb, wide};
    t[n++] =
        (rk_tensor){"keep.pooled", RK_DT_U8, 1, {net->rows * h}, net->keep_pooled, net->rows * h};
    return n;
}

static void save(const char *path, const rk_net *net, const rk_params *grad, const float *figures,
                 const float *dscale, const size_t *starts)
{
    const size_t layers = net->config->layers, h = net->config->hidden;
    const size_t fixed = grad->params + layers + 5, most = fixed + 3 * layers + 2;
    size_t n = fixed;
    rk_tensor *t = calloc(most, sizeof *t);
    char(*names)[128] = calloc(most, sizeof *names);
    rk_error err;

    if (!t || !names) exit(1);
    t[0] = (rk_tensor){"logits",    RK_DT_F32,
                       2,           {net->rows, net->config->labels.count},
                       net->logits, net->rows * net->config->labels.count * sizeof(float)};
    for (size_t i = 0; i < grad->params; i++) {
        const rk_param *q = &grad->param[i];
        snprintf(names[i], sizeof names[i], "grad.%s", q->name);
        t[i + 1] = (rk_tensor){names[i],
                               RK_DT_F32,
                               q->rank,
                               {q->dim[0], q->dim[1]},
                               grad->block + q->offset,
                               q->count * sizeof(float)};
    }
    for (size_t l = 0; l <= layers; l++) {
        const size_t i = grad->params + l;
        snprintf(names[i], sizeof names[i], "layer.%zu.x", l);
        t[i + 1] = (rk_tensor){names[i],
                               RK_DT_F32,
                               2,
                               {net->tokens, h},
                               l < layers   ? net->acts[l].x
                               : net->whole ? net->last
                                            : spread(net->first, h * sizeof(float), net, starts),
                               net->tokens * h * sizeof(float)};
    }
    t[n - 3] = (rk_tensor){"figures", RK_DT_F32, 1, {2}, figures, 2 * sizeof *figures};
    t[n - 2] = (rk_tensor){"dscale", RK_DT_F32,
                           1,        {rk_site_count(net->config)},
                           dscale,   rk_site_count(net->config) * sizeof *dscale};
    if (net->dropout_hidden > 0.0f) n += masks(t + n, names + n, net, starts);
    t[fixed - 1] = (rk_tensor){"embedded",       RK_DT_F32, 2,
                               {net->tokens, h}, net->emb,  net->tokens * h * sizeof(float)};
    if (rk_safetensors_save(path, t, n, NULL, &err)) fail(&err);
    free(t);
    free(names);
}

int main(int argc, char **argv)
{
    rk_bert_config c;
    rk_folder *folder;
    rk_weights *in;
    rk_params *p, *grad;
    rk_net *net;
    rk_ranges *ranges = NULL;
    const char *made;
    rk_error err;
    rk_batch batch = {0};
    const int32_t *starts, *labels;
    size_t *wide, *own = NULL, split;
    float *dscale, *dlast = NULL;
    rk_qat qat;
    double weight[64], total, loss = 0.0;
    rk_objective objective = {.weight = NULL};
    rk_net *teacher = NULL;
    rk_params *taught = NULL;
    double *sums = NULL;

    if (argc < 7) return 2;
    memset(&c, 0, sizeof c);
    qat = strcmp(argv[5], "int8") == 0   ? RK_QAT_INT8
          : strcmp(argv[5], "fp16") == 0 ? RK_QAT_FP16
                                         : RK_QAT_NONE;
    if (rk_folder_open(&folder, argv[1], true, &err) ||
        rk_bert_config_read(&c, folder->config, folder->config_path, &err) ||
        rk_params_new(&p, &c, &err) || rk_params_load(p, &c, folder->weights, 1, &made, &err) ||
        rk_params_new(&grad, &c, &err) || rk_weights_open(&in, argv[2], &err))
        fail(&err);
    if (qat == RK_QAT_INT8 && rk_ranges_new(&ranges, &c, p, qat, &err)) fail(&err);
    if (rk_net_new(&net, &c, p, strcmp(argv[4], "bf16") == 0 ? RK_DT_BF16 : RK_DT_F32, qat, ranges,
                   &err))
        fail(&err);

    batch.rows = rk_weights_find(in, "labels")->dim[0];
    batch.ids = get(in, "ids");
    starts = get(in, "starts");
    labels = get(in, "labels");
    wide = calloc(batch.rows + 1, sizeof *wide);
    dscale = calloc(rk_site_count(&c), sizeof *dscale);
    if (!wide || !dscale) return 1;
    for (size_t r = 0; r <= batch.rows; r++) wide[r] = (size_t)starts[r];
    batch.starts = wide;
    net->dropout_hidden = net->dropout_attention = net->dropout_classifier =
        (float)real(argc, argv, "dropout", 0.0);
    batch.train = net->dropout_hidden > 0.0f;
    batch.seed = 9;

    net->whole = real(argc, argv, "whole", 0.0) > 0.0 || real(argc, argv, "hidden", 0.0) > 0.0;
    if (real(argc, argv, "learn", 0.0) > 0.0) {
        sums = calloc(rk_site_count(&c), sizeof *sums);
        net->dscale = sums;
    }
    if (qat == RK_QAT_INT8) {
        net->observe = RK_OBSERVE_FIRST;
        if (rk_net_forward(net, &batch, &err)) fail(&err);
        net->observe = RK_OBSERVE_OFF;
        rk_ranges_weights(ranges, p);
        if (rk_ranges_save(ranges, &c, p, argv[6], &err)) fail(&err);
    }
    if (value(argc, argv, "teacher")) {
        rk_folder *f;
        if (rk_folder_open(&f, value(argc, argv, "teacher"), true, &err) ||
            rk_params_new(&taught, &c, &err) ||
            rk_params_load(taught, &c, f->weights, 1, &made, &err) ||
            rk_net_new(&teacher, &c, taught, net->compute, RK_QAT_NONE, NULL, &err))
            fail(&err);
        teacher->whole = net->whole;
        rk_folder_close(f);
        dlast = calloc((size_t)starts[batch.rows] * c.hidden, sizeof *dlast);
        if (!dlast) return 1;
    }
    objective.smoothing = real(argc, argv, "smoothing", 0.0);
    objective.share = 1.0 - (teacher ? real(argc, argv, "share", 0.5) : 0.0);
    if (value(argc, argv, "weights")) {
        char *at = argv[7];
        for (int i = 7; i < argc; i++)
            if (strncmp(argv[i], "weights=", 8) == 0) at = argv[i] + 8;
        for (size_t i = 0; i < c.labels.count; i++, at += *at == ',') weight[i] = strtod(at, &at);
        objective.weight = weight;
    }
    total = rk_objective_mass(&objective, labels, batch.rows);
    split = (size_t)real(argc, argv, "split", (double)batch.rows);
    for (size_t first = 0, rows = split; first < (size_t)batch.rows;) {
        rk_batch part = batch;
        float *d = calloc(rows * c.labels.count, sizeof *d);
        free(own);
        own = calloc(rows + 1, sizeof *own);
        if (!own || !d) return 1;
        for (size_t r = 0; r <= rows; r++) own[r] = wide[first + r] - wide[first];
        part.ids = batch.ids + wide[first];
        part.starts = own;
        part.rows = rows;
        part.add = first > 0;
        part.stream = first;
        if (rk_net_forward(net, &part, &err)) fail(&err);
        loss += rk_cross_entropy(d, NULL, net->logits, labels + first, rows, c.labels.count,
                                 &objective, total);
        if (teacher) {
            if (rk_net_forward(teacher, &part, &err)) fail(&err);
            loss += rk_distill(d, net->logits, teacher->logits, rows, c.labels.count,
                               real(argc, argv, "temperature", 2.0), 1.0 - objective.share,
                               (double)batch.rows);
            if (net->whole) {
                loss += rk_distance(dlast, net->last, teacher->last, own[rows], c.hidden,
                                    real(argc, argv, "hidden", 0.0),
                                    (double)wide[batch.rows] * (double)c.hidden);
                part.dlast = dlast;
            }
        }
        if (rk_net_backward(net, &part, d, grad, &err)) fail(&err);
        free(d);
        first += rows;
        rows = batch.rows - first;
    }
    for (size_t i = 0; sums && i < rk_site_count(&c); i++) dscale[i] = (float)sums[i];
    save(argv[3], net, grad, (const float[]){(float)loss, (float)total}, dscale, own);

    net->dscale = NULL;
    for (size_t i = 0; i < made_count; i++) free(made_here[i]);
    free(own);
    free(sums);
    free(dscale);
    free(dlast);
    rk_net_free(teacher);
    rk_params_free(taught);
    free(wide);
    rk_net_free(net);
    rk_ranges_free(ranges);
    rk_params_free(p);
    rk_params_free(grad);
    rk_weights_close(in);
    rk_folder_close(folder);
    rk_bert_config_free(&c);
    return 0;
}
