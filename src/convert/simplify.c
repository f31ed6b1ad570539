#include "convert/simplify.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/graph.h"
#include "onnx/infer.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

bool rk_set_string(char **at, const char *text)
{
    char *copy = rk_strdup(text);
    if (!copy) return false;
    rk_free(*at);
    *at = copy;
    return true;
}

void rk_drop_value_info(rk_onnx *m)
{
    Onnx__GraphProto *g = m->proto->graph;

    for (size_t i = 0; i < g->n_value_info; i++) rk_onnx_free(g->value_info[i]);
    rk_free(g->value_info);
    g->value_info = NULL;
    g->n_value_info = 0;
}

static rk_status out_of_memory(const rk_onnx *m, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
}

/* The tensor of a float Constant as a new initializer; *out NULL when the node makes something
 * else. */
static rk_status constant_tensor(Onnx__TensorProto **out, const rk_onnx *m, Onnx__NodeProto *n,
                                 rk_error *err)
{
    const Onnx__AttributeProto *value = rk_node_attr(n, "value");
    const Onnx__AttributeProto *one = rk_node_attr(n, "value_float");
    const Onnx__AttributeProto *many = rk_node_attr(n, "value_floats");
    const char *name = rk_node_output(n, 0);
    rk_tensor view = {.type = RK_DT_F32, .rank = many ? 1 : 0, .dim = {many ? many->n_floats : 0}};
    void *owned = NULL;

    *out = NULL;
    if (!name) return RK_OK;
    if (value) {
        if (!value->t || value->t->data_type != FLOAT) return RK_OK;
        const rk_status st = rk_onnx_tensor(&view, &owned, value->t, m->shown, err);
        if (st) return st;
    } else if (one) {
        view.data = &one->f;
        view.bytes = sizeof one->f;
    } else if (many) {
        view.data = many->floats;
        view.bytes = many->n_floats * sizeof *many->floats;
    } else {
        return RK_OK;
    }
    *out = rk_onnx_tensor_new(name, RK_DT_F32, view.dim, view.rank);
    if (*out && view.bytes) memcpy((*out)->raw_data.data, view.data, view.bytes);
    rk_free(owned);
    return *out ? RK_OK : out_of_memory(m, err);
}

rk_status rk_lift_constants(rk_onnx *m, rk_error *err)
{
    Onnx__GraphProto *g = m->proto->graph;
    size_t constants = 0, kept = 0;
    Onnx__TensorProto **list;
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_node; i++) constants += rk_node_is(g->node[i], "Constant");
    if (!constants) return RK_OK;
    list = rk_realloc(g->initializer, g->n_initializer + constants, sizeof(Onnx__TensorProto *));
    if (!list) return out_of_memory(m, err);
    g->initializer = list;
    for (size_t i = 0; i < g->n_node; i++) {
        Onnx__TensorProto *t = NULL;
        if (!st && rk_node_is(g->node[i], "Constant")) st = constant_tensor(&t, m, g->node[i], err);
        if (t) {
            list[g->n_initializer++] = t;
            rk_onnx_free(g->node[i]);
        } else {
            g->node[kept++] = g->node[i];
        }
    }
    g->n_node = kept;
    return st;
}

rk_status rk_drop_casts(rk_onnx *m, size_t *removed, rk_error *err)
{
    Onnx__GraphProto *g = m->proto->graph;
    rk_index *x = NULL;
    int32_t *type = NULL;
    bool *drop = rk_calloc(g->n_node + 1, sizeof *drop);
    size_t kept = 0;
    rk_status st = drop ? rk_index_new(&x, g, m->shown, err) : out_of_memory(m, err);

    if (!st) st = rk_types_infer(&type, m, x, err);
    for (size_t i = 0; i < g->n_node && !st; i++) {
        const char *in = rk_node_input(g->node[i], 0), *out = rk_node_output(g->node[i], 0);
        if (!rk_node_is(g->node[i], "Cast") || !in || !out) continue;
        const rk_value *from = rk_index_find(x, in), *to = rk_index_find(x, out);
        /* In order, so `in` is what an earlier dropped Cast read, if it was one: the name is right.
         */
        if (!from || !to || to->output != RK_NONE || type[from - x->value] != type[to - x->value] ||
            !type[from - x->value])
            continue;
        drop[i] = true;
        for (size_t u = 0; u < to->uses && !st; u++)
            if (!rk_set_string(&g->node[to->use[u].node]->input[to->use[u].slot], in))
                st = out_of_memory(m, err);
    }
    rk_index_free(x);
    rk_free(type);
    for (size_t i = 0; i < g->n_node && !st; i++) {
        if (drop[i]) {
            rk_onnx_free(g->node[i]);
            ++*removed;
        } else {
            g->node[kept++] = g->node[i];
        }
    }
    if (!st) g->n_node = kept;
    rk_free(drop);
    return st;
}
