/* The BERT classifier as an ONNX graph: doc/FORMATS.md, "The exported graph", is its description.
 */
#ifndef RK_CONVERT_BERT_GRAPH_H
#define RK_CONVERT_BERT_GRAPH_H

#include "base/status.h"
#include "encoder/config.h"
#include "encoder/params.h"
#include "encoder/ranges.h"
#include "onnx/model.h"

enum { RK_EXPORT_OPSET = 17, RK_EXPORT_OPSET_MAX = 21 };

typedef struct rk_bert_source {
    const rk_bert_config *config;
    const rk_params *params;
    const rk_ranges *ranges;      /* NULL: no learned ranges */
    size_t vocab;                 /* rows of the word table to write: 1 .. config->vocab */
} rk_bert_source;

/* A new model with the whole graph and float weights; INT8 ranges become QuantizeLinear and
 * DequantizeLinear pairs. opset RK_EXPORT_OPSET .. RK_EXPORT_OPSET_MAX (RK_E_ARG otherwise). path
 * only names it. No metadata yet. */
rk_status rk_bert_graph(rk_onnx **out, const rk_bert_source *source, int opset, const char *path,
                        rk_error *err);

#endif
