/* Tensors whose data stays in its file until it is needed: large ones of the model's own file, and
 * all external data. In the tree such a tensor has no data and one entry of external_data that only
 * this folder writes; files that hold such an entry are refused. */
#ifndef RK_ONNX_STORE_H
#define RK_ONNX_STORE_H

#include <stdbool.h>

#include "base/status.h"
#include "onnx/model.h"

/* A tensor's elements, wherever they are. */
typedef struct rk_tensor_data {
    rk_tensor view;           /* view.data is NULL while the data is in a file */
    void *owned;              /* private */
    const rk_onnx *m;
    size_t file;
    uint64_t offset;
} rk_tensor_data;

/* Checks what rk_onnx_tensor checks. The data is of view.type: for a tensor that waits for its
 * rounding (rk_tensor_stored_as) that is the type in the file. */
rk_status rk_tensor_open(rk_tensor_data *d, const rk_onnx *m, const Onnx__TensorProto *t,
                         rk_error *err);
rk_status rk_tensor_read(rk_tensor_data *d, void *out, size_t offset, size_t bytes, rk_error *err);
void rk_tensor_close(rk_tensor_data *d);

bool rk_tensor_stored(const Onnx__TensorProto *t);
/* True when writing to `path` would touch external data of the model. */
bool rk_store_reads(const rk_onnx *m, const char *path);
/* A new tensor of another name and type over the same stored data; rounded when it is saved. NULL
 * when out of memory. */
Onnx__TensorProto *rk_tensor_stored_as(const Onnx__TensorProto *t, const char *name,
                                       int32_t data_type);

/* ---- private to the folder ---- */

/* What a marked tensor refers to. False: not marked. */
typedef struct rk_stored {
    size_t file;              /* 0: the model's own */
    uint64_t offset, bytes;
    int32_t type;             /* in the file; 0: the tensor's own */
} rk_stored;
bool rk_stored_parse(rk_stored *out, const char *value);
#define RK_STORED_KEY "ringkas"
enum { RK_STORED_SIZE = 96, RK_STORED_MIN = 256 };

/* Every external tensor of a model just read gets its mark; RK_E_FORMAT names a bad place. */
struct rk_source;
/* Takes `own`, the model's file. */
rk_status rk_store_adopt(rk_onnx *m, const char *path, struct rk_source *own, rk_error *err);
size_t rk_store_files(const rk_onnx *m);   /* besides the model's own */
void rk_store_close(rk_onnx *m);
/* Marked tensors of a tree made of m->lent point into it; and no longer, before the tree is freed.
 */
rk_status rk_store_lend(rk_onnx *m, rk_error *err);
void rk_store_give_back(rk_onnx *m);

#endif
