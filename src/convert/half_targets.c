#include <stddef.h>
#include <string.h>

#include "convert/half_rules.h"

static const char *const ort_cpu_why = "ONNX Runtime has no half kernel of it on a CPU";
static const char *const ort_cuda_why = "ONNX Runtime has no half kernel of it on CUDA";
static const char *const tensorrt_why = "TensorRT takes it in float only";

/* ort-cpu: the operators that ONNX Runtime 1.32 registers for its CPU provider with float but
 * without half kernels (its own table of kernels, read through its Python package on x86-64), less
 * the products and recurrences: their weights are what a file is made of, and the runtime itself
 * casts what they read. Domain "" or "com.microsoft" alike. */
static const char *const ort_cpu[] = {
    "Abs", "Acos", "Acosh", "Add", "Affine", "AffineGrid", "ArgMax", "ArgMin", "Asin", "Asinh",
    "Atan", "Atanh", "AveragePool", "BatchNormalization", "BiasGelu", "CDist", "Ceil", "Col2Im",
    "Cos", "Cosh", "Crop", "CropAndResize", "CumProd", "CumSum", "DFT", "DeformConv",
    "DepthToSpace", "Det", "Div", "Elu", "EmbedLayerNormalization", "Equal", "Erf", "Exp",
    "EyeLike", "FastGelu", "Floor", "Gelu", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
    "Greater", "GreaterOrEqual", "GridSample", "HardSigmoid", "Hardmax", "ImageScaler",
    "InstanceNormalization", "LRN", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax",
    "LpNormalization", "LpPool", "MaxPool", "MaxRoiPool", "MaxUnpool", "MaxpoolWithMask", "Mean",
    "MeanVarianceNormalization", "Mul", "Multinomial", "Neg", "NonZero", "OneHot", "PRelu", "Pad",
    "ParametricSoftplus", "Pow", "QuickGelu", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare", "Relu", "Resize", "RoiAlign", "STFT", "Scale", "ScaledTanh",
    "Selu", "Sigmoid", "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Sqrt",
    "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Tile", "TopK", "Trilu", "Unique", "Upsample",
    "Where", NULL};

/* ort-cuda: the operators that may be half by their schema and have no half kernel in the CUDA
 * provider, by docs/OperatorKernels.md of ONNX Runtime: float ones only, or none, so that they run
 * on the CPU, where there is none either. */
static const char *const ort_cuda[] = {
    "Acos", "Acosh", "AffineGrid", "Asin", "Asinh", "Atan", "Atanh", "Col2Im", "Cosh", "CumProd",
    "DFT", "DeformConv", "Det", "EyeLike", "GlobalLpPool", "GridSample", "Hardmax",
    "LpNormalization", "LpPool", "MaxRoiPool", "MaxUnpool", "Mean", "RoiAlign", "Sinh", "Tan",
    NULL};

/* tensorrt: the operators whose column of types in onnx-tensorrt's docs/operators.md lacks FP16, or
 * that it does not take at all (they run elsewhere, in float). */
static const char *const tensorrt[] = {
    "BitShift", "Compress", "ConstantOfShape", "Det", "GroupNormalization", "Hardmax", "IsInf",
    "MaxRoiPool", "MaxUnpool", "MeanVarianceNormalization", "Mod", "Multinomial",
    "NegativeLogLikelihoodLoss", "OneHot", "RandomNormal", "RandomNormalLike", "Reciprocal",
    "RoiAlign", "Shrink", "SoftmaxCrossEntropyLoss", "Unique", NULL};

static const char *const *table(rk_target target, const char **why)
{
    static const char *const none[] = {NULL};

    switch (target) {
    case RK_TARGET_ORT_CPU:
        *why = ort_cpu_why;
        return ort_cpu;
    case RK_TARGET_ORT_CUDA:
        *why = ort_cuda_why;
        return ort_cuda;
    case RK_TARGET_TENSORRT:
        *why = tensorrt_why;
        return tensorrt;
    default:
        return none;
    }
}

const char *rk_target_float(rk_target target, const char *domain, const char *op)
{
    const char *why = NULL;

    (void)domain;
    for (const char *const *p = table(target, &why); *p; p++)
        if (strcmp(*p, op) == 0) return why;
    return NULL;
}
