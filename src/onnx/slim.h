/* A serialised model without its large data, and back: what keeps memory bounded. */
#ifndef RK_ONNX_SLIM_H
#define RK_ONNX_SLIM_H

#include "base/buffer.h"
#include "base/status.h"
#include "onnx/model.h"

/* Copies a model that rk_onnx_scan accepted, with a mark (store.h) in place of every raw_data of
 * RK_STORED_MIN bytes or more. RK_E_FORMAT: it holds such marks already. */
rk_status rk_onnx_slim(rk_buffer *out, const uint8_t *data, size_t size, const char *shown,
                       rk_error *err);

/* Writes the model with the data of its marked tensors in place, in the tensor's own type, read and
 * rounded a piece at a time. `split`: that data goes to one file beside it, which is there before
 * the model is: a reader sees the old pair or the new one. *bytes: written in all. Without
 * `write` nothing is written, only *bytes is set. */
rk_status rk_onnx_fatten(const rk_onnx *m, const char *path, bool split, bool write,
                         uint64_t *bytes, rk_error *err);

#endif
