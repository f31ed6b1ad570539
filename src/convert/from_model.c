#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "convert/bert_graph.h"
#include "convert/calibrated.h"
#include "encoder/calibration.h"
#include "encoder/params.h"
#include "encoder/ranges.h"
#include "file/model_folder.h"
#include "onnx/check.h"
#include "ringkas.h"
#include "text/clean.h"
#include "text/tokenizer.h"

/* Everything an export reads, opened. */
typedef struct source {
    rk_folder *folder;
    rk_bert_config config;
    rk_params *params;
    rk_ranges *ranges;
    rk_tokenizer *tokenizer;
    const char *shown;
    rk_error *err;
} source;

static void source_close(source *s)
{
    rk_tokenizer_close(s->tokenizer);
    rk_ranges_free(s->ranges);
    rk_params_free(s->params);
    rk_bert_config_free(&s->config);
    rk_folder_close(s->folder);
}

static rk_status source_open(source *s, const char *folder)
{
    const char *made = NULL;
    rk_status st = rk_folder_open(&s->folder, folder, true, s->err);

    if (st) return st;
    st = rk_bert_config_read(&s->config, s->folder->config, s->folder->config_path, s->err);
    if (st) return st;
    if (s->config.labels.count < 2)
        return rk_fail(s->err, RK_E_FORMAT,
                       "%s: config.json names fewer than two labels; train the "
                       "model first",
                       s->shown);
    st = rk_params_new(&s->params, &s->config, s->err);
    if (!st) st = rk_params_load(s->params, &s->config, s->folder->weights, 0, &made, s->err);
    if (st) return st;
    if (made)
        return rk_fail(s->err, RK_E_FORMAT, "%s: has no trained %s; train the model first",
                       s->shown, made);
    if (s->folder->quant)
        st = rk_ranges_load(&s->ranges, &s->config, s->params, s->folder->quant, s->err);
    if (!st) st = rk_tokenizer_open(&s->tokenizer, folder, s->err);
    if (st) return st;
    rk_tokenizer_note_pad(s->tokenizer, s->folder->config, s->folder->config_path);
    if (rk_tokenizer_size(s->tokenizer) > s->config.vocab)
        return rk_fail(s->err, RK_E_FORMAT, "%s: the tokenizer has %zu tokens, the word table only "
                       "%zu rows", s->shown, rk_tokenizer_size(s->tokenizer), s->config.vocab);
    return RK_OK;
}

/* Takes the reference to value. */
static rk_status put_json(rk_onnx *m, const char *key, json_t *value, rk_error *err)
{
    char *text = value ? rk_json_text(value, 0) : NULL;
    rk_status st = text ? rk_onnx_set_metadata(m, key, text, err)
                        : rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    rk_free(text);
    json_decref(value);
    return st;
}

static json_t *label_list(const rk_labels *labels)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < labels->count; i++)
        if (json_array_append_new(list, json_string(labels->name[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *sizes(const rk_bert_config *c, size_t vocab)
{
    static const char *const act[] = {
        [RK_ACT_GELU] = "gelu", [RK_ACT_GELU_TANH] = "gelu_new", [RK_ACT_RELU] = "relu"};
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:i}",
                     "layers", (json_int_t)c->layers, "hidden", (json_int_t)c->hidden,
                     "heads", (json_int_t)c->heads, "inner", (json_int_t)c->inner,
                     "vocab", (json_int_t)vocab, "positions", (json_int_t)c->positions,
                     "types", (json_int_t)c->types, "eps", (double)c->eps, "act", act[c->act],
                     "pad_id", (int)c->pad_id);
}

static rk_status describe(rk_onnx *m, const source *s)
{
    const json_t *ringkas = s->folder->ringkas;
    const char *path = s->folder->config_path, *clean = "none";
    size_t length = s->config.positions;
    unsigned steps = 0;
    char *name = NULL;
    rk_status st = RK_OK;

    if (ringkas) st = rk_json_string(&clean, ringkas, "clean", path, s->err);
    if (!st && ringkas) st = rk_json_size(&length, ringkas, "max_length", 2, 1 << 20, path, s->err);
    if (!st) st = rk_clean_parse(&steps, clean, s->err);
    if (st) return st;
    if (length > s->config.positions)
        return rk_fail(s->err, RK_E_FORMAT, "%s: ringkas.json asks for %zu tokens; the model has "
                       "only %zu positions", s->shown, length, s->config.positions);
    name = rk_clean_name(steps);
    if (!name) return rk_fail(s->err, RK_E_MEMORY, "%s: out of memory", s->shown);
    st = rk_onnx_set_metadata(m, "ringkas.format", "1", s->err);
    if (!st) st = rk_onnx_set_metadata(m, "ringkas.precision", "fp32", s->err);
    if (!st && s->ranges)
        st = rk_onnx_set_metadata(m, "ringkas.ranges",
                                  s->ranges->precision == RK_QAT_INT8 ? "int8" : "fp16", s->err);
    if (!st) st = put_json(m, "ringkas.labels", label_list(&s->config.labels), s->err);
    if (!st) st = rk_onnx_set_metadata(m, "ringkas.clean", name, s->err);
    if (!st) st = put_json(m, "ringkas.max_length", json_integer((json_int_t)length), s->err);
    if (!st)
        st = put_json(m, "ringkas.config", sizes(&s->config, rk_tokenizer_size(s->tokenizer)),
                      s->err);
    if (!st) st = put_json(m, "ringkas.tokenizer", rk_tokenizer_json(s->tokenizer), s->err);
    rk_free(name);
    return st;
}

/* What was fitted on the logits goes into the graph. */
static rk_status calibrate(rk_onnx *m, const source *s)
{
    const json_t *object = json_object_get(s->folder->ringkas, "calibration");
    const size_t labels = s->config.labels.count;
    rk_calibration c;
    rk_status st;

    if (!object) return RK_OK;
    st = rk_calibration_read(&c, object, labels, s->shown, s->err);
    if (!st) st = rk_onnx_calibrate(m, c.scale, c.bias, labels, object, s->err);
    rk_calibration_free(&c);
    return st;
}

rk_status rk_export(const char *folder, const char *onnx_path, int opset, rk_error *err)
{
    char shown[RK_QUOTE_SIZE];
    source s = {.err = err};
    rk_bert_source graph;
    rk_onnx *m = NULL;
    rk_status st;

    if (!folder || !onnx_path)
        return rk_fail(err, RK_E_ARG, "rk_export: a folder and an output path are needed");
    s.shown = rk_quote(shown, folder, strlen(folder));
    st = source_open(&s, folder);
    if (st) goto done;
    graph = (rk_bert_source){&s.config, s.params, s.ranges, rk_tokenizer_size(s.tokenizer)};
    st = rk_bert_graph(&m, &graph, opset ? opset : RK_EXPORT_OPSET, onnx_path, err);
    if (!st) st = describe(m, &s);
    if (!st) st = calibrate(m, &s);
    if (!st) st = rk_onnx_check(m, err);
    if (!st) st = rk_onnx_save(m, onnx_path, err);
done:
    rk_onnx_close(m);
    source_close(&s);
    return st;
}
