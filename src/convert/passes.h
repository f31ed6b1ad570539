/* Rewriting an ONNX model's types in place. Each pass expects a model that its check accepts and
 * leaves one that it accepts; a pass that fails leaves a model fit only for rk_onnx_close. */
#ifndef RK_CONVERT_PASSES_H
#define RK_CONVERT_PASSES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "convert/half_ranges.h"
#include "convert/half_rules.h"
#include "onnx/model.h"

typedef struct rk_half_options {
    rk_dtype type;            /* RK_DT_F16 or RK_DT_BF16 */
    bool convert_io;          /* graph inputs and outputs change type too */
    const char *keep_ops;     /* operator types that stay float, by comma; NULL: none */
    const char *keep_nodes;   /* node names that stay float, by comma; NULL: none */
    rk_target target;         /* what that runtime cannot do in half stays float */
    const rk_half_ranges *ranges;   /* measured values; NULL: none */
} rk_half_options;

/* Float values become half wherever the operators allow it and numbers survive it; doc/NUMERICS.md,
 * "Half in ONNX files", has the rules. Takes what rk_onnx_check_any takes. Sets in report:
 * nodes{half,float}, kept_float[{node,op,why}], casts{added,removed,kept}, clamped,
 * constants[{name,clamped,vanished,largest}], unknown[{op,domain,nodes}], inlined. A name in
 * keep_ops or keep_nodes that the graph does not have is RK_E_ARG; bfloat16 before operator set 13
 * RK_E_UNSUPPORTED. */
rk_status rk_to_half(rk_onnx *m, const rk_half_options *o, json_t *report, rk_error *err);

/* Folds the rounding of weights and tables that the file's QuantizeLinear nodes describe into int8
 * initializers (doc/FORMATS.md, "With learned INT8 ranges"). A file without such nodes is
 * RK_E_FORMAT. Sets in report: nodes, kept_float, casts, clamped as above, and
 * quantised{weights,tables,inputs}.
 */
rk_status rk_to_int8(rk_onnx *m, json_t *report, rk_error *err);

#endif
