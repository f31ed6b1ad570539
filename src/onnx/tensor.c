#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/model.h"

static const struct {
    int32_t onnx;
    rk_dtype ours;
    const char *name;
} types[] = {
    {1, RK_DT_F32, "float"},     {2, RK_DT_U8, "uint8"},     {3, RK_DT_I8, "int8"},
    {4, RK_DT_U16, "uint16"},    {5, RK_DT_I16, "int16"},    {6, RK_DT_I32, "int32"},
    {7, RK_DT_I64, "int64"},     {8, RK_DT_NONE, "string"},  {9, RK_DT_BOOL, "bool"},
    {10, RK_DT_F16, "float16"},  {11, RK_DT_F64, "double"},  {12, RK_DT_U32, "uint32"},
    {13, RK_DT_U64, "uint64"},   {14, RK_DT_NONE, "complex64"}, {15, RK_DT_NONE, "complex128"},
    {16, RK_DT_BF16, "bfloat16"}, {17, RK_DT_NONE, "float8e4m3fn"},
    {18, RK_DT_NONE, "float8e4m3fnuz"}, {19, RK_DT_NONE, "float8e5m2"},
    {20, RK_DT_NONE, "float8e5m2fnuz"}, {21, RK_DT_NONE, "uint4"}, {22, RK_DT_NONE, "int4"},
    {23, RK_DT_NONE, "float4e2m1"}, {24, RK_DT_NONE, "float8e8m0"}, {25, RK_DT_NONE, "uint2"},
    {26, RK_DT_NONE, "int2"}, {27, RK_DT_NONE, "float6e2m3"}, {28, RK_DT_NONE, "float6e3m2"},
};
enum { TYPES = sizeof types / sizeof types[0] };

rk_dtype rk_onnx_dtype(int32_t data_type)
{
    return data_type >= 1 && data_type <= TYPES ? types[data_type - 1].ours : RK_DT_NONE;
}

int32_t rk_onnx_data_type(rk_dtype t)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].ours == t && t != RK_DT_NONE) return types[i].onnx;
    return 0;
}

const char *rk_onnx_type_name(int32_t data_type)
{
    return data_type >= 1 && data_type <= TYPES ? types[data_type - 1].name : "unknown";
}

/* The typed field that may hold elements of a type, and how many it holds. */
static size_t typed_count(const Onnx__TensorProto *t, rk_dtype type)
{
    switch (type) {
    case RK_DT_F32:
        return t->n_float_data;
    case RK_DT_F64:
        return t->n_double_data;
    case RK_DT_I64:
        return t->n_int64_data;
    case RK_DT_U32:
    case RK_DT_U64:
        return t->n_uint64_data;
    default:
        return t->n_int32_data;
    }
}

static size_t all_typed(const Onnx__TensorProto *t)
{
    return t->n_float_data + t->n_int32_data + t->n_int64_data + t->n_double_data +
           t->n_uint64_data + t->n_string_data;
}

static bool fits(int32_t v, rk_dtype type)
{
    switch (type) {
    case RK_DT_I8:
        return v >= INT8_MIN && v <= INT8_MAX;
    case RK_DT_U8:
        return v >= 0 && v <= UINT8_MAX;
    case RK_DT_I16:
        return v >= INT16_MIN && v <= INT16_MAX;
    case RK_DT_BOOL:
        return v == 0 || v == 1;
    default:   /* U16, F16, BF16: bit patterns */
        return v >= 0 && v <= UINT16_MAX;
    }
}

/* Elements of 1 or 2 bytes from int32_data, of 4 from uint64_data; false for a value out of range.
 */
static bool narrow(void *out, const Onnx__TensorProto *t, rk_dtype type, size_t n)
{
    const size_t item = rk_dtype_size(type);

    for (size_t i = 0; i < n; i++) {
        if (type == RK_DT_U32) {
            if (t->uint64_data[i] > UINT32_MAX) return false;
            ((uint32_t *)out)[i] = (uint32_t)t->uint64_data[i];
        } else if (!fits(t->int32_data[i], type)) {
            return false;
        } else if (item == 1) {
            ((uint8_t *)out)[i] = (uint8_t)t->int32_data[i];
        } else {
            ((uint16_t *)out)[i] = (uint16_t)t->int32_data[i];
        }
    }
    return true;
}

static rk_status shape(rk_tensor *out, size_t *elements, const Onnx__TensorProto *t,
                       const char *shown, const char *name, rk_error *err)
{
    size_t n = 1;

    out->type = rk_onnx_dtype(t->data_type);
    if (out->type == RK_DT_NONE)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': element type %d (%s) is not supported",
                       shown, name, (int)t->data_type, rk_onnx_type_name(t->data_type));
    if (t->n_dims > RK_MAX_RANK)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': rank %zu, at most %d is supported",
                       shown, name, t->n_dims, RK_MAX_RANK);
    out->rank = t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0)
            return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': dimension %zu is %lld", shown, name,
                           i, (long long)t->dims[i]);
        out->dim[i] = (size_t)t->dims[i];
        if (!rk_mul(&n, n, out->dim[i]))
            return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': its dimensions overflow", shown,
                           name);
    }
    if (!rk_mul(&out->bytes, n, rk_dtype_size(out->type)))
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': its dimensions overflow", shown, name);
    *elements = n;
    return RK_OK;
}

static rk_status typed(rk_tensor *out, void **owned, const Onnx__TensorProto *t, size_t n,
                       const char *shown, const char *name, rk_error *err)
{
    if (typed_count(t, out->type) != n || all_typed(t) != n)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': %zu elements stored, %zu expected",
                       shown, name, typed_count(t, out->type), n);
    switch (out->type) {
    case RK_DT_F32:
        out->data = t->float_data;
        return RK_OK;
    case RK_DT_F64:
        out->data = t->double_data;
        return RK_OK;
    case RK_DT_I64:
        out->data = t->int64_data;
        return RK_OK;
    case RK_DT_U64:
        out->data = t->uint64_data;
        return RK_OK;
    case RK_DT_I32:
        out->data = t->int32_data;
        return RK_OK;
    default:
        break;
    }
    *owned = rk_malloc(out->bytes);
    if (!*owned) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    out->data = *owned;
    if (narrow(*owned, t, out->type, n)) return RK_OK;
    rk_free(*owned);
    *owned = NULL;
    return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': a stored value does not fit %s", shown, name,
                   rk_onnx_type_name(t->data_type));
}

rk_status rk_onnx_tensor(rk_tensor *out, void **owned, const Onnx__TensorProto *t,
                         const char *shown, rk_error *err)
{
    char quoted[RK_QUOTE_SIZE];
    const char *raw_name = t->name ? t->name : "";
    const char *name = rk_quote(quoted, raw_name, strlen(raw_name));
    size_t n = 0;
    rk_status st;

    *owned = NULL;
    *out = (rk_tensor){.name = raw_name};
    if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL || t->n_external_data)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: tensor '%s' lies in another file; only single-file models are read",
                       shown, name);
    if (t->segment)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s' is stored in segments; not supported",
                       shown, name);
    st = shape(out, &n, t, shown, name, err);
    if (st) return st;
    if (!t->has_raw_data) return typed(out, owned, t, n, shown, name, err);
    if (all_typed(t))
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s' has raw and typed data", shown, name);
    if (t->raw_data.len != out->bytes)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': %zu bytes of data, %zu expected", shown,
                       name, t->raw_data.len, out->bytes);
    out->data = t->raw_data.data;
    return RK_OK;
}

Onnx__TensorProto *rk_onnx_tensor_new(const char *name, rk_dtype type, const size_t *dim,
                                      size_t rank)
{
    size_t bytes = rk_dtype_size(type);
    Onnx__TensorProto *t;

    for (size_t i = 0; i < rank; i++)
        if (!rk_mul(&bytes, bytes, dim[i])) return NULL;
    t = rk_malloc(sizeof *t);
    if (!t) return NULL;
    onnx__tensor_proto__init(t);
    t->has_data_type = 1;
    t->data_type = rk_onnx_data_type(type);
    t->name = rk_strdup(name);
    t->dims = rk_calloc(rank ? rank : 1, sizeof *t->dims);
    t->has_raw_data = 1;
    t->raw_data.data = rk_malloc(bytes ? bytes : 1);
    t->raw_data.len = bytes;
    if (!t->name || !t->dims || !t->raw_data.data) {
        rk_onnx_free(t);
        return NULL;
    }
    t->n_dims = rank;
    for (size_t i = 0; i < rank; i++) t->dims[i] = (int64_t)dim[i];
    return t;
}
