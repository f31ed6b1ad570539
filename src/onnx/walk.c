#include "onnx/walk.h"

typedef rk_status (*tensor_fn)(Onnx__TensorProto *t, void *user);

static rk_status in_graph(Onnx__GraphProto *g, tensor_fn fn, void *user);

static rk_status in_sparse(Onnx__SparseTensorProto *s, tensor_fn fn, void *user)
{
    rk_status st = s && s->values ? fn(s->values, user) : RK_OK;
    if (!st && s && s->indices) st = fn(s->indices, user);
    return st;
}

static rk_status in_node(Onnx__NodeProto *n, tensor_fn fn, void *user)
{
    rk_status st = RK_OK;

    for (size_t i = 0; i < n->n_attribute && !st; i++) {
        const Onnx__AttributeProto *a = n->attribute[i];
        if (a->t) st = fn(a->t, user);
        for (size_t k = 0; k < a->n_tensors && !st; k++) st = fn(a->tensors[k], user);
        if (!st) st = in_sparse(a->sparse_tensor, fn, user);
        for (size_t k = 0; k < a->n_sparse_tensors && !st; k++)
            st = in_sparse(a->sparse_tensors[k], fn, user);
        if (!st && a->g) st = in_graph(a->g, fn, user);
        for (size_t k = 0; k < a->n_graphs && !st; k++) st = in_graph(a->graphs[k], fn, user);
    }
    return st;
}

static rk_status in_graph(Onnx__GraphProto *g, tensor_fn fn, void *user)
{
    rk_status st = RK_OK;

    for (size_t i = 0; i < g->n_initializer && !st; i++) st = fn(g->initializer[i], user);
    for (size_t i = 0; i < g->n_sparse_initializer && !st; i++)
        st = in_sparse(g->sparse_initializer[i], fn, user);
    for (size_t i = 0; i < g->n_node && !st; i++) st = in_node(g->node[i], fn, user);
    return st;
}

rk_status rk_walk_tensors(Onnx__ModelProto *p, tensor_fn fn, void *user)
{
    rk_status st = p->graph ? in_graph(p->graph, fn, user) : RK_OK;

    for (size_t i = 0; i < p->n_functions && !st; i++)
        for (size_t k = 0; k < p->functions[i]->n_node && !st; k++)
            st = in_node(p->functions[i]->node[k], fn, user);
    for (size_t i = 0; i < p->n_training_info && !st; i++) {
        const Onnx__TrainingInfoProto *t = p->training_info[i];
        if (t->initialization) st = in_graph(t->initialization, fn, user);
        if (!st && t->algorithm) st = in_graph(t->algorithm, fn, user);
    }
    return st;
}

rk_status rk_walk_graphs(Onnx__GraphProto *g, rk_status (*fn)(Onnx__GraphProto *g, void *user),
                         void *user)
{
    rk_status st = fn(g, user);

    for (size_t i = 0; i < g->n_node && !st; i++)
        for (size_t k = 0; k < g->node[i]->n_attribute && !st; k++) {
            const Onnx__AttributeProto *a = g->node[i]->attribute[k];
            if (a->g) st = rk_walk_graphs(a->g, fn, user);
            for (size_t j = 0; j < a->n_graphs && !st; j++)
                st = rk_walk_graphs(a->graphs[j], fn, user);
        }
    return st;
}
