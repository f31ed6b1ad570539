#include "convert/simplify.h"

#include <string.h>

#include "base/mem.h"
#include "onnx/infer.h"
#include "onnx/names.h"
#include "onnx/scope.h"
#include "onnx/walk.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, IR_FREE = 4 };

bool rk_set_string(char **at, const char *text)
{
    char *copy = rk_strdup(text);
    if (!copy) return false;
    rk_free(*at);
    *at = copy;
    return true;
}

static rk_status out_of_memory(const rk_onnx *m, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
}

/* ---- value_info ---- */

/* Values whose type only their declaration tells. */
static rk_status untold(rk_names **out, const rk_onnx *m, rk_error *err)
{
    rk_names *n = rk_names_new();
    rk_scope *s = NULL;
    rk_status st = n ? rk_scope_new(&s, m, err) : out_of_memory(m, err);

    for (size_t i = 0; !st && i < s->nodes; i++)
        for (size_t k = 0; !s->node[i].schema && k < s->node[i].proto->n_output && !st; k++)
            if (!rk_names_add(n, s->node[i].proto->output[k], 0, NULL)) st = out_of_memory(m, err);
    rk_scope_free(s);
    *out = n;
    return st;
}

static rk_status drop_in(Onnx__GraphProto *g, void *user)
{
    const rk_names *keep = user;
    size_t kept = 0;

    for (size_t i = 0; i < g->n_value_info; i++) {
        Onnx__ValueInfoProto *v = g->value_info[i];
        if (v->name && rk_names_get(keep, v->name)) g->value_info[kept++] = v;
        else rk_onnx_free(v);
    }
    g->n_value_info = kept;
    if (!kept) {
        rk_free(g->value_info);
        g->value_info = NULL;
    }
    return RK_OK;
}

rk_status rk_drop_value_info(rk_onnx *m, rk_error *err)
{
    rk_names *keep = NULL;
    rk_status st = untold(&keep, m, err);

    if (!st) st = rk_walk_graphs(m->proto->graph, drop_in, keep);
    rk_names_free(keep);
    return st;
}

/* ---- initializers of old models ---- */

rk_status rk_free_initializers(rk_onnx *m, rk_error *err)
{
    Onnx__GraphProto *g = m->proto->graph;
    rk_names *names;
    size_t kept = 0;
    bool ok;

    if (m->proto->ir_version >= IR_FREE) return RK_OK;
    names = rk_names_new();
    ok = names != NULL;
    for (size_t i = 0; i < g->n_initializer && ok; i++)
        if (g->initializer[i]->name) ok = rk_names_add(names, g->initializer[i]->name, i, NULL);
    for (size_t i = 0; i < g->n_input && ok; i++) {
        if (g->input[i]->name && rk_names_get(names, g->input[i]->name)) rk_onnx_free(g->input[i]);
        else g->input[kept++] = g->input[i];
    }
    rk_names_free(names);
    if (!ok) return out_of_memory(m, err);
    g->n_input = kept;
    m->proto->ir_version = IR_FREE;
    return RK_OK;
}

/* ---- Constant nodes ---- */

/* value_float and value_floats as a tensor, in the place of the attribute. */
static rk_status as_tensor(const rk_onnx *m, Onnx__AttributeProto *a, rk_error *err)
{
    const bool many = strcmp(a->name, "value_floats") == 0;
    const size_t n = many ? a->n_floats : 1;
    Onnx__TensorProto *t = rk_onnx_tensor_new("", RK_DT_F32, &n, many ? 1 : 0);

    if (!t || !rk_set_string(&a->name, "value")) {
        rk_onnx_free(t);
        return out_of_memory(m, err);
    }
    if (n) memcpy(t->raw_data.data, many ? a->floats : &a->f, n * sizeof(float));
    rk_free(a->floats);
    a->floats = NULL;
    a->n_floats = 0;
    a->has_f = 0;
    a->t = t;
    a->has_type = 1;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    return RK_OK;
}

/* The attribute with a float Constant's value; NULL for another Constant. */
static rk_status float_value(Onnx__AttributeProto **out, const rk_onnx *m, Onnx__NodeProto *n,
                             rk_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < n->n_attribute; i++) {
        Onnx__AttributeProto *a = n->attribute[i];
        const char *name = a->name ? a->name : "";
        if (strcmp(name, "value_float") == 0 || strcmp(name, "value_floats") == 0) {
            const rk_status st = as_tensor(m, a, err);
            if (st) return st;
        } else if (strcmp(name, "value") != 0 || !a->t || a->t->data_type != FLOAT) {
            continue;
        }
        *out = a;
        return RK_OK;
    }
    return RK_OK;
}

static bool gives(const Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_output; i++)
        if (g->output[i]->name && strcmp(g->output[i]->name, name) == 0) return true;
    return false;
}

typedef struct lifting {
    const rk_onnx *m;
    rk_error *err;
} lifting;

static rk_status lift_node(lifting *l, Onnx__GraphProto *g, Onnx__NodeProto *n, bool *lifted)
{
    Onnx__AttributeProto *a;
    const char *name = rk_node_output(n, 0);
    const rk_status st = float_value(&a, l->m, n, l->err);

    *lifted = false;
    if (st || !a || !name) return st;
    if (g != l->m->proto->graph && gives(g, name)) return RK_OK;
    if (!rk_set_string(&a->t->name, name)) return out_of_memory(l->m, l->err);
    g->initializer[g->n_initializer++] = a->t;
    a->t = NULL;
    *lifted = true;
    return RK_OK;
}

static rk_status lift_in(Onnx__GraphProto *g, void *user)
{
    lifting *l = user;
    size_t constants = 0, kept = 0;
    Onnx__TensorProto **list;
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_node; i++) constants += rk_node_is(g->node[i], "Constant");
    if (!constants) return RK_OK;
    list = rk_realloc(g->initializer, g->n_initializer + constants, sizeof(Onnx__TensorProto *));
    if (!list) return out_of_memory(l->m, l->err);
    g->initializer = list;
    for (size_t i = 0; i < g->n_node; i++) {
        bool lifted = false;
        if (!st && rk_node_is(g->node[i], "Constant")) st = lift_node(l, g, g->node[i], &lifted);
        if (lifted) rk_onnx_free(g->node[i]);
        else g->node[kept++] = g->node[i];
    }
    g->n_node = kept;
    return st;
}

rk_status rk_lift_constants(rk_onnx *m, rk_error *err)
{
    lifting l = {m, err};
    return rk_walk_graphs(m->proto->graph, lift_in, &l);
}

/* ---- Casts ---- */

static bool idle(const rk_scope *s, size_t i)
{
    const rk_svalue *from = rk_scope_in(s, i, 0), *to = rk_scope_out(s, i, 0);

    if (!s->node[i].schema || !rk_node_is(s->node[i].proto, "Cast") || !from || !to) return false;
    if (!from->type || from->type != to->type) return false;
    for (size_t k = 0; k < to->reads; k++)
        if (to->read[k].node == RK_NONE) return false;
    return true;
}

/* In order, so the name that a Cast reads is right though an earlier one has gone. */
static rk_status bypass(const rk_scope *s, size_t i, rk_error *err)
{
    const rk_svalue *to = rk_scope_out(s, i, 0);
    const char *in = s->node[i].proto->input[0];

    for (size_t k = 0; k < to->reads; k++) {
        const rk_read *r = &to->read[k];
        if (!rk_set_string(&s->node[r->node].proto->input[r->slot], in))
            return out_of_memory(s->m, err);
    }
    return RK_OK;
}

static void sweep(const rk_scope *s, size_t graph, const bool *drop, size_t *removed)
{
    Onnx__GraphProto *g = s->graph[graph].proto;
    const size_t first = s->graph[graph].node, nodes = g->n_node;
    size_t kept = 0;

    for (size_t i = 0; i < nodes; i++) {
        if (drop[first + i]) {
            rk_onnx_free(g->node[i]);
            ++*removed;
        } else {
            g->node[kept++] = g->node[i];
        }
    }
    g->n_node = kept;
}

rk_status rk_drop_casts(rk_onnx *m, size_t *removed, rk_error *err)
{
    rk_scope *s = NULL;
    bool *drop = NULL;
    rk_status st = rk_scope_new(&s, m, err);

    if (!st) st = rk_scope_infer(s, false, err);
    if (!st && !(drop = rk_calloc(s->nodes + 1, sizeof *drop))) st = out_of_memory(m, err);
    for (size_t k = 0; !st && k < s->nodes; k++) {
        const size_t i = s->order[k];
        drop[i] = idle(s, i);
        if (drop[i]) st = bypass(s, i, err);
    }
    for (size_t g = 0; !st && g < s->graphs; g++) sweep(s, g, drop, removed);
    rk_scope_free(s);
    rk_free(drop);
    return st;
}
