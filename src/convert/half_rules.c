#include "convert/half_rules.h"

#include <stddef.h>
#include <string.h>

static const char STATISTICS[] =
    "mean and variance need float: an epsilon of 1e-12 is zero in half";
static const char SUMS[] = "sums of many terms leave half's range and precision";
static const char EXPONENT[] = "its results leave half's range";
static const char QUANT[] = "scales stay float";
static const char GENERATOR[] = "makes values of the type its attribute says";
static const char STEP[] = "it answers by steps: an argument rounded to half may cross one";
static const char ANGLE[] = "an angle of many turns needs more digits than half has";
static const char PLACE[] = "it computes places in an image; half is too coarse for them";
static const char SERIES[] = "sequences and optionals stay float";

static const struct {
    const char *op, *why;
} kept[] = {
    {"LayerNormalization", STATISTICS}, {"InstanceNormalization", STATISTICS},
    {"GroupNormalization", STATISTICS}, {"RMSNormalization", STATISTICS},
    {"MeanVarianceNormalization", STATISTICS}, {"LpNormalization", STATISTICS},
    {"BatchNormalization", STATISTICS}, {"SimplifiedLayerNormalization", STATISTICS},
    {"SkipLayerNormalization", STATISTICS}, {"SkipSimplifiedLayerNormalization", STATISTICS},
    {"EmbedLayerNormalization", STATISTICS}, {"GroupNorm", STATISTICS},
    {"SkipGroupNorm", STATISTICS}, {"LRN", STATISTICS},
    {"Softmax", SUMS}, {"LogSoftmax", SUMS}, {"BiasSoftmax", SUMS}, {"ReduceSum", SUMS},
    {"ReduceMean", SUMS}, {"ReduceSumSquare", SUMS}, {"ReduceL1", SUMS}, {"ReduceL2", SUMS},
    {"ReduceLogSum", SUMS}, {"ReduceLogSumExp", SUMS}, {"ReduceProd", SUMS}, {"CumSum", SUMS},
    {"CumProd", SUMS}, {"GlobalAveragePool", SUMS}, {"GlobalLpPool", SUMS}, {"LpPool", SUMS},
    {"SoftmaxCrossEntropyLoss", SUMS}, {"NegativeLogLikelihoodLoss", SUMS}, {"Det", SUMS},
    {"DFT", SUMS}, {"STFT", SUMS},
    {"Pow", EXPONENT}, {"Exp", EXPONENT}, {"Log", EXPONENT}, {"Sqrt", EXPONENT},
    {"Reciprocal", EXPONENT}, {"Sinh", EXPONENT}, {"Cosh", EXPONENT}, {"Tan", EXPONENT},
    {"Sin", ANGLE}, {"Cos", ANGLE},
    {"Floor", STEP}, {"Ceil", STEP}, {"Round", STEP}, {"Mod", STEP}, {"Greater", STEP},
    {"GreaterOrEqual", STEP}, {"Less", STEP}, {"LessOrEqual", STEP}, {"Equal", STEP},
    {"IsInf", STEP}, {"ArgMax", STEP}, {"ArgMin", STEP}, {"Unique", STEP}, {"Hardmax", STEP},
    {"GridSample", PLACE}, {"AffineGrid", PLACE}, {"RoiAlign", PLACE}, {"MaxRoiPool", PLACE},
    {"DeformConv", PLACE}, {"NonMaxSuppression", PLACE},
    {"QuantizeLinear", QUANT}, {"DequantizeLinear", QUANT}, {"DynamicQuantizeLinear", QUANT},
    {"QLinearMatMul", QUANT}, {"QLinearConv", QUANT}, {"MatMulIntegerToFloat", QUANT},
    {"DynamicQuantizeMatMul", QUANT}, {"DynamicQuantizeLSTM", QUANT}, {"QAttention", QUANT},
    {"QEmbedLayerNormalization", QUANT}, {"QGemm", QUANT},
    {"RandomNormal", GENERATOR}, {"RandomUniform", GENERATOR}, {"RandomNormalLike", GENERATOR},
    {"RandomUniformLike", GENERATOR}, {"Multinomial", GENERATOR}, {"Bernoulli", GENERATOR},
    {"EyeLike", GENERATOR}, {"HannWindow", GENERATOR}, {"HammingWindow", GENERATOR},
    {"BlackmanWindow", GENERATOR}, {"MelWeightMatrix", GENERATOR},
    {"BitCast", "it reads the bits of a float"},
    {"SequenceMap", SERIES}, {"SequenceEmpty", SERIES}, {"SequenceConstruct", SERIES},
    {"SequenceInsert", SERIES}, {"SequenceErase", SERIES}, {"SequenceAt", SERIES},
    {"SplitToSequence", SERIES}, {"ConcatFromSequence", SERIES}, {"Optional", SERIES},
    {"OptionalGetElement", SERIES},
};

static const struct {
    const char *op;
    unsigned rule;
} rules[] = {
    {"Identity", RK_RULE_MOVER}, {"Reshape", RK_RULE_MOVER}, {"Transpose", RK_RULE_MOVER},
    {"Squeeze", RK_RULE_MOVER}, {"Unsqueeze", RK_RULE_MOVER}, {"Flatten", RK_RULE_MOVER},
    {"Slice", RK_RULE_MOVER}, {"Concat", RK_RULE_MOVER}, {"Split", RK_RULE_MOVER},
    {"Expand", RK_RULE_MOVER}, {"Tile", RK_RULE_MOVER}, {"DepthToSpace", RK_RULE_MOVER},
    {"SpaceToDepth", RK_RULE_MOVER}, {"ReverseSequence", RK_RULE_MOVER},
    {"Dropout", RK_RULE_MOVER}, {"Compress", RK_RULE_MOVER}, {"Trilu", RK_RULE_MOVER},
    {"CastLike", RK_RULE_MOVER}, {"TopK", RK_RULE_MOVER},
    {"Gather", RK_RULE_MOVER}, {"GatherElements", RK_RULE_MOVER}, {"GatherND", RK_RULE_MOVER},
    {"MatMul", RK_RULE_PRODUCT}, {"Gemm", RK_RULE_PRODUCT}, {"Conv", RK_RULE_PRODUCT},
    {"ConvTranspose", RK_RULE_PRODUCT}, {"Einsum", RK_RULE_PRODUCT},
    {"FusedMatMul", RK_RULE_PRODUCT}, {"MatMulNBits", RK_RULE_PRODUCT},
    {"LSTM", RK_RULE_BOUNDED}, {"GRU", RK_RULE_BOUNDED}, {"RNN", RK_RULE_BOUNDED},
    {"Attention", RK_RULE_PRODUCT}, {"MultiHeadAttention", RK_RULE_PRODUCT},
    {"GroupQueryAttention", RK_RULE_PRODUCT},
    {"Clip", RK_RULE_BOUNDS}, {"Min", RK_RULE_BOUNDS}, {"Max", RK_RULE_BOUNDS},
    {"Softmax", RK_RULE_BOUNDED}, {"BiasSoftmax", RK_RULE_BOUNDED}, {"Sigmoid", RK_RULE_BOUNDED},
    {"Tanh", RK_RULE_BOUNDED}, {"Erf", RK_RULE_BOUNDED}, {"HardSigmoid", RK_RULE_BOUNDED},
    {"Softsign", RK_RULE_BOUNDED}, {"Sign", RK_RULE_BOUNDED}, {"Sin", RK_RULE_BOUNDED},
    {"Cos", RK_RULE_BOUNDED}, {"Hardmax", RK_RULE_BOUNDED},
    {"BatchNormalization", RK_RULE_BOUNDED},
    {"LayerNormalization", RK_RULE_BOUNDED}, {"InstanceNormalization", RK_RULE_BOUNDED},
    {"GroupNormalization", RK_RULE_BOUNDED}, {"RMSNormalization", RK_RULE_BOUNDED},
    {"MeanVarianceNormalization", RK_RULE_BOUNDED}, {"LpNormalization", RK_RULE_BOUNDED},
    {"SimplifiedLayerNormalization", RK_RULE_BOUNDED}, {"SkipLayerNormalization", RK_RULE_BOUNDED},
    {"SkipSimplifiedLayerNormalization", RK_RULE_BOUNDED},
    {"Log", RK_RULE_NARROWS}, {"Sqrt", RK_RULE_NARROWS}, {"Div", RK_RULE_NARROWS},
    {"LogSoftmax", RK_RULE_NARROWS}, {"ReduceLogSumExp", RK_RULE_NARROWS},
    {"ReduceLogSum", RK_RULE_NARROWS},
    {"Exp", RK_RULE_WIDE}, {"Pow", RK_RULE_WIDE}, {"ReduceSum", RK_RULE_WIDE},
    {"Range", RK_RULE_WIDE},
    {"ReduceSumSquare", RK_RULE_WIDE}, {"ReduceL1", RK_RULE_WIDE}, {"ReduceL2", RK_RULE_WIDE},
    {"ReduceProd", RK_RULE_WIDE}, {"CumSum", RK_RULE_WIDE}, {"CumProd", RK_RULE_WIDE},
    {"Reciprocal", RK_RULE_WIDE}, {"Sinh", RK_RULE_WIDE}, {"Cosh", RK_RULE_WIDE},
    {"Tan", RK_RULE_WIDE}, {"LpPool", RK_RULE_WIDE}, {"GlobalLpPool", RK_RULE_WIDE},
    {"Det", RK_RULE_WIDE}, {"DFT", RK_RULE_WIDE}, {"STFT", RK_RULE_WIDE},
};

const char *rk_rule_float(const char *op)
{
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcmp(op, kept[i].op) == 0) return kept[i].why;
    return NULL;
}

unsigned rk_rule(const char *op)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(op, rules[i].op) == 0) return rules[i].rule;
    return 0;
}
