/* links: base compute quant text file onnx encoder convert */
/* Export and conversion by hand, for the parity tests:
 *   convert_probe graph FOLDER OUT [OPSET]     the bare graph: no tokenizer is read, no row left
 * out convert_probe export FOLDER OUT [OPSET] convert_probe convert IN OUT fp16|bf16|int8 [io]
 * [ops=T,..] [nodes=N,..] [check=F]    JSON on stdout convert_probe check FILE convert_probe
 * describe FILE       JSON on stdout */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "convert/bert_graph.h"
#include "file/model_folder.h"
#include "onnx/check.h"
#include "onnx/describe.h"
#include "ringkas.h"

static rk_status bare_graph(const char *folder, const char *out, int opset, rk_error *err)
{
    rk_folder *f = NULL;
    rk_bert_config c = {0};
    rk_params *p = NULL;
    rk_ranges *r = NULL;
    rk_onnx *m = NULL;
    const char *made = NULL;
    rk_status st = rk_folder_open(&f, folder, true, err);

    if (!st) st = rk_bert_config_read(&c, f->config, f->config_path, err);
    if (!st) st = rk_params_new(&p, &c, err);
    if (!st) st = rk_params_load(p, &c, f->weights, 1, &made, err);
    if (!st && f->quant) st = rk_ranges_load(&r, &c, p, f->quant, err);
    if (!st) {
        const rk_bert_source s = {&c, p, r, c.vocab};
        st = rk_bert_graph(&m, &s, opset, out, err);
    }
    if (!st) st = rk_onnx_save(m, out, err);
    rk_onnx_close(m);
    rk_ranges_free(r);
    rk_params_free(p);
    rk_bert_config_free(&c);
    rk_folder_close(f);
    return st;
}

static rk_status convert(char **argv, int argc, rk_error *err)
{
    rk_convert_options o = {.in = argv[2], .out = argv[3]};
    char *json = NULL;
    rk_status st;

    o.to = strcmp(argv[4], "fp16") == 0   ? RK_FP16
           : strcmp(argv[4], "bf16") == 0 ? RK_BF16
                                          : RK_INT8;
    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "io") == 0) o.convert_io = true;
        if (strncmp(argv[i], "ops=", 4) == 0) o.keep_ops = argv[i] + 4;
        if (strncmp(argv[i], "nodes=", 6) == 0) o.keep_nodes = argv[i] + 6;
        if (strncmp(argv[i], "check=", 6) == 0) o.check = argv[i] + 6;
    }
    st = rk_convert(&json, &o, err);
    if (!st) puts(json);
    rk_free(json);
    return st;
}

static rk_status check(const char *path, rk_error *err)
{
    rk_onnx *m = NULL;
    rk_status st = rk_onnx_load(&m, path, err);

    if (!st) st = rk_onnx_check(m, err);
    rk_onnx_close(m);
    return st;
}

static rk_status describe(const char *path, rk_error *err)
{
    rk_onnx *m = NULL;
    json_t *json = NULL;
    rk_status st = rk_onnx_load(&m, path, err);

    if (!st) st = rk_onnx_describe(&json, m, err);
    if (!st) json_dumpf(json, stdout, JSON_INDENT(2));
    json_decref(json);
    rk_onnx_close(m);
    return st;
}

int main(int argc, char **argv)
{
    rk_error err = {0};
    rk_status st = RK_E_ARG;
    const int opset = argc > 4 ? atoi(argv[4]) : RK_EXPORT_OPSET;

    if (argc > 3 && strcmp(argv[1], "graph") == 0) st = bare_graph(argv[2], argv[3], opset, &err);
    else if (argc > 3 && strcmp(argv[1], "export") == 0)
        st = rk_export(argv[2], argv[3], opset, &err);
    else if (argc > 4 && strcmp(argv[1], "convert") == 0) st = convert(argv, argc, &err);
    else if (argc > 2 && strcmp(argv[1], "check") == 0) st = check(argv[2], &err);
    else if (argc > 2 && strcmp(argv[1], "describe") == 0) st = describe(argv[2], &err);
    if (st) fprintf(stderr, "%s: %s\n", rk_status_name(st), err.message);
    return st ? 1 : 0;
}
