/* Everything of a kind in a model, wherever it is. Recursion: as deep as the wire allows. */
#ifndef RK_ONNX_WALK_H
#define RK_ONNX_WALK_H

#include "base/status.h"
#include "onnx.pb-c.h"

/* Initializers, attributes, sparse parts; main graph, bodies, local functions, training. Stops at
 * the first error. */
rk_status rk_walk_tensors(Onnx__ModelProto *p, rk_status (*fn)(Onnx__TensorProto *t, void *user),
                          void *user);
/* The main graph and all bodies in it, outer ones first. */
rk_status rk_walk_graphs(Onnx__GraphProto *g, rk_status (*fn)(Onnx__GraphProto *g, void *user),
                         void *user);

#endif
