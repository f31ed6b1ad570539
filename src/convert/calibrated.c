#include "convert/calibrated.h"

#include <string.h>

#include "base/dtype.h"
#include "base/json.h"
#include "base/mem.h"
#include "onnx/graph.h"

static const char SCALE[] = "calibration.scale", BIAS[] = "calibration.bias";

static void narrow(void *out, rk_dtype type, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (type == RK_DT_F16)
            ((uint16_t *)out)[i] = rk_f16_from_f32(x[i]);
        else if (type == RK_DT_BF16)
            ((uint16_t *)out)[i] = rk_bf16_from_f32(x[i]);
        else
            ((float *)out)[i] = x[i];
    }
}

/* Renames a value wherever a node makes or reads it; a node called like the value is renamed too.
 */
static bool rename_value(Onnx__GraphProto *g, const char *from, const char *to)
{
    for (size_t i = 0; i < g->n_node; i++) {
        Onnx__NodeProto *n = g->node[i];
        char **lists[] = {n->input, n->output, &n->name};
        const size_t counts[] = {n->n_input, n->n_output, n->name ? 1 : 0};
        for (size_t l = 0; l < 3; l++)
            for (size_t k = 0; k < counts[l]; k++) {
                char *copy;
                if (strcmp(lists[l][k], from) != 0) continue;
                copy = rk_strdup(to);
                if (!copy) return false;
                rk_free(lists[l][k]);
                lists[l][k] = copy;
            }
    }
    return true;
}

static Onnx__TensorProto *initializer(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && strcmp(g->initializer[i]->name, name) == 0)
            return g->initializer[i];
    return NULL;
}

/* Element type of the first output; RK_DT_NONE where it is no float. */
static rk_dtype output_type(const Onnx__GraphProto *g)
{
    const Onnx__TypeProto *t = g->n_output ? g->output[0]->type : NULL;
    const rk_dtype type = t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
                              ? rk_onnx_dtype(t->tensor_type->elem_type)
                              : RK_DT_NONE;
    return type == RK_DT_F32 || type == RK_DT_F16 || type == RK_DT_BF16 ? type : RK_DT_NONE;
}

static rk_status add_nodes(rk_onnx *m, rk_dtype type, size_t labels, rk_error *err)
{
    Onnx__GraphProto *g = m->proto->graph;
    const char *logits = g->output[0]->name;
    const size_t n = strlen(logits) + 16;
    char *raw = rk_malloc(n), *scaled = rk_malloc(n);
    rk_build b = {.graph = g};
    rk_status st = RK_OK;

    if (raw && scaled) {
        snprintf(raw, n, "%s.uncalibrated", logits);
        snprintf(scaled, n, "%s.scaled", logits);
        b.failed = !rename_value(g, logits, raw);
        rk_add_initializer(&b, SCALE, type, NULL, 0);
        rk_add_initializer(&b, BIAS, type, &labels, 1);
        rk_add_node(&b, "Mul", scaled, raw, SCALE, NULL);
        rk_add_node(&b, "Add", logits, scaled, BIAS, NULL);
    }
    if (!raw || !scaled || b.failed) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    rk_free(raw);
    rk_free(scaled);
    return st;
}

/* n numbers of a float type, as add_nodes makes them. */
static bool holds(const Onnx__TensorProto *t, size_t n)
{
    const rk_dtype type = t ? rk_onnx_dtype(t->data_type) : RK_DT_NONE;
    return (type == RK_DT_F32 || type == RK_DT_F16 || type == RK_DT_BF16) &&
           t->raw_data.len == n * rk_dtype_size(type);
}

rk_status rk_onnx_calibrate(rk_onnx *m, float scale, const float *bias, size_t labels,
                            const json_t *object, rk_error *err)
{
    Onnx__GraphProto *g = m->proto->graph;
    const rk_dtype type = output_type(g);
    Onnx__TensorProto *s, *b;
    char *text;
    rk_status st = RK_OK;

    if (type == RK_DT_NONE)
        return rk_fail(err, RK_E_UNSUPPORTED, "%s: its first output has no float type", m->shown);
    if (!initializer(g, SCALE)) st = add_nodes(m, type, labels, err);
    if (st) return st;
    s = initializer(g, SCALE);
    b = initializer(g, BIAS);
    /* a conversion may have made them half since */
    if (!holds(s, 1) || !holds(b, labels))
        return rk_fail(err, RK_E_FORMAT,
                       "%s: calibration.scale and calibration.bias are not as "
                       "this program writes them",
                       m->shown);
    narrow(s->raw_data.data, rk_onnx_dtype(s->data_type), &scale, 1);
    narrow(b->raw_data.data, rk_onnx_dtype(b->data_type), bias, labels);
    text = rk_json_text(object, 0);
    st = text ? rk_onnx_set_metadata(m, "ringkas.calibration", text, err)
              : rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    rk_free(text);
    return st;
}
