#include "convert/half_rules.h"

#include <stddef.h>
#include <string.h>

static bool in(const char *op, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(op, *list) == 0) return true;
    return false;
}

static const char STATISTICS[] =
    "mean and variance need float: an epsilon of 1e-12 is zero in half";
static const char SUMS[] = "sums of many terms leave half's range and precision";
static const char EXPONENT[] = "its results leave half's range";
static const char QUANT[] = "scales stay float";
static const char GENERATOR[] = "makes values of the type its attribute says";

static const struct {
    const char *op, *why;
} kept[] = {
    {"LayerNormalization", STATISTICS}, {"InstanceNormalization", STATISTICS},
    {"GroupNormalization", STATISTICS}, {"RMSNormalization", STATISTICS},
    {"MeanVarianceNormalization", STATISTICS}, {"LpNormalization", STATISTICS},
    {"BatchNormalization", STATISTICS},
    {"Softmax", SUMS}, {"LogSoftmax", SUMS}, {"ReduceSum", SUMS}, {"ReduceMean", SUMS},
    {"ReduceSumSquare", SUMS}, {"ReduceL1", SUMS}, {"ReduceL2", SUMS}, {"ReduceLogSum", SUMS},
    {"ReduceLogSumExp", SUMS}, {"ReduceProd", SUMS}, {"CumSum", SUMS}, {"GlobalAveragePool", SUMS},
    {"GlobalLpPool", SUMS}, {"SoftmaxCrossEntropyLoss", SUMS},
    {"Pow", EXPONENT}, {"Exp", EXPONENT}, {"Log", EXPONENT}, {"Sqrt", EXPONENT},
    {"Reciprocal", EXPONENT},
    {"QuantizeLinear", QUANT}, {"DequantizeLinear", QUANT}, {"DynamicQuantizeLinear", QUANT},
    {"QLinearMatMul", QUANT}, {"QLinearConv", QUANT},
    {"RandomNormal", GENERATOR}, {"RandomUniform", GENERATOR}, {"RandomNormalLike", GENERATOR},
    {"RandomUniformLike", GENERATOR}, {"Multinomial", GENERATOR}, {"Bernoulli", GENERATOR},
    {"EyeLike", GENERATOR}, {"HannWindow", GENERATOR}, {"HammingWindow", GENERATOR},
    {"BlackmanWindow", GENERATOR}, {"MelWeightMatrix", GENERATOR},
};

const char *rk_rule_float(const char *op)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcmp(op, kept[i].op) == 0) return kept[i].why;
    return NULL;
}

bool rk_rule_mover(const char *op)
{
    static const char *const list[] = {
        "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather",
        "GatherElements", "GatherND", "Concat", "Split", "Expand", "Tile", "DepthToSpace",
        "SpaceToDepth", "ReverseSequence", "Dropout", "Compress", "Trilu", NULL};
    return in(op, list);
}

bool rk_rule_product(const char *op)
{
    static const char *const list[] = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "LSTM",
                                       "GRU", "RNN", "Gather", "GatherElements", "GatherND", NULL};
    return in(op, list);
}

bool rk_rule_elementwise(const char *op)
{
    static const char *const list[] = {
        "Add", "Sub",  "Mul", "Div",       "Where",           "Min", "Max", "Neg", "Abs",
        "Sum", "Clip", "Pad", "ScatterND", "ScatterElements", NULL};
    return in(op, list) || rk_rule_mover(op);
}
