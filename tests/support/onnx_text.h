/* Small ONNX graphs from a line of text, for tests. */
#ifndef RK_TEST_ONNX_TEXT_H
#define RK_TEST_ONNX_TEXT_H

#include "onnx/graph.h"
#include "onnx/model.h"

/* "out=Op(in,in);out,out2=Op[axis:1,to:i10](in)": nodes in order. An input "-" is left out.
 * Attributes are integers (f before a float: "epsilon:f1e-5"; an s before a string). */
void onnx_text_nodes(rk_build *b, const char *text);

/* A model of an opset with the float input x, the float output y (both of unknown rank 1), the
 * float scalar initializer w = 2, and the nodes. Close with rk_onnx_close. */
rk_onnx *onnx_text_model(int64_t opset, const char *text);

#endif
