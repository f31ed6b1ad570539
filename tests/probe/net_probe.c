/* links: base compute quant text file encoder */
/* Runs one batch through the training network of a model folder and writes logits and gradients.
 *
 * usage: net_probe FOLDER IN.safetensors OUT.safetensors COMPUTE QAT [RANGES.safetensors]
 *   IN: ids I32 [T], starts I32 [R + 1], labels I32 [R]
 *   COMPUTE: f32 or bf16; QAT: none, fp16, int8 (ranges observed on this batch and written to
 * RANGES) OUT: "logits" [R, L], "grad.<name>" of the mean cross-entropy, dropout off, and
 * "layer.<l>.x" [T, H], the input of layer l (of layer L: the output of the last) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/net.h"
#include "file/model_folder.h"

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

/* dlogits of the mean cross-entropy */
static void loss_gradient(float *d, const float *logits, const int32_t *labels, size_t rows,
                          size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        const float *x = logits + r * n;
        double max = x[0], sum = 0.0;
        for (size_t i = 1; i < n; i++) max = fmax(max, (double)x[i]);
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - max);
        for (size_t i = 0; i < n; i++)
            d[r * n + i] =
                (float)((exp((double)x[i] - max) / sum - ((size_t)labels[r] == i ? 1.0 : 0.0)) /
                        (double)rows);
    }
}

static void save(const char *path, const rk_net *net, const rk_params *grad)
{
    const size_t layers = net->config->layers, h = net->config->hidden;
    const size_t n = grad->params + layers + 3;
    rk_tensor *t = calloc(n, sizeof *t);
    char(*names)[128] = calloc(n, sizeof *names);
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
                               l < layers ? net->acts[l].x : net->last,
                               net->tokens * h * sizeof(float)};
    }
    t[n - 1] = (rk_tensor){"embedded",       RK_DT_F32, 2,
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
    const int32_t *starts;
    size_t *wide;
    float *d;
    rk_qat qat;

    if (argc < 6) return 2;
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
    wide = calloc(batch.rows + 1, sizeof *wide);
    d = calloc(batch.rows * c.labels.count, sizeof *d);
    if (!wide || !d) return 1;
    for (size_t r = 0; r <= batch.rows; r++) wide[r] = (size_t)starts[r];
    batch.starts = wide;

    if (qat == RK_QAT_INT8) {
        net->observe = RK_OBSERVE_FIRST;
        if (rk_net_forward(net, &batch, &err)) fail(&err);
        net->observe = RK_OBSERVE_OFF;
        rk_ranges_weights(ranges, p);
        if (argc > 6 && rk_ranges_save(ranges, &c, p, argv[6], &err)) fail(&err);
    }
    if (rk_net_forward(net, &batch, &err)) fail(&err);
    loss_gradient(d, net->logits, get(in, "labels"), batch.rows, c.labels.count);
    if (rk_net_backward(net, &batch, d, grad, &err)) fail(&err);
    save(argv[3], net, grad);

    free(wide);
    free(d);
    rk_net_free(net);
    rk_ranges_free(ranges);
    rk_params_free(p);
    rk_params_free(grad);
    rk_weights_close(in);
    rk_folder_close(folder);
    rk_bert_config_free(&c);
    return 0;
}
