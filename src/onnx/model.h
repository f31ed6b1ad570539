/* An ONNX file in memory: load, save, metadata, and its tensors as plain arrays.
 *
 * The tree is protobuf-c's (onnx.pb-c.h); everything in it is allocated with rk_malloc and friends,
 * piece by piece, so parts may be replaced freely and rk_onnx_close frees them all. Fields of newer
 * ONNX versions are kept as unknown fields and written back.
 * Loading checks the bytes, not the meaning: rk_onnx_check (onnx/check.h) does that. */
#ifndef RK_ONNX_MODEL_H
#define RK_ONNX_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "base/tensor.h"
#include "onnx.pb-c.h"

typedef struct rk_onnx {
    Onnx__ModelProto *proto;      /* never NULL; proto->graph is never NULL either */
    char *shown;                  /* the file's name, safe to print */
    uint64_t bytes;               /* of the files it came from; 0 for a new model */
    struct rk_store *store;       /* where data that is not in the tree lies (store.h), or NULL */
    rk_map lent;                  /* bytes that raw data of the tree points into, not its own */
    bool mapped;                  /* lent is a file's, unmapped with the model; else the caller's */
} rk_onnx;

/* Loads a file of less than 2 GiB. RK_E_FORMAT: not ONNX (says what it looks like), damaged (names
 * the byte), no graph, or tensors kept in other files. On success the caller owns *out. */
rk_status rk_onnx_load(rk_onnx **out, const char *path, rk_error *err);
/* The same, but large tensors stay in the file (store.h), and external data is taken: below the
 * file's own folder, through no link. Of such a model only those functions see all data that say
 * so. */
rk_status rk_onnx_open(rk_onnx **out, const char *path, rk_error *err);
/* The same from memory; `path` only names it. */
rk_status rk_onnx_parse(rk_onnx **out, const void *bytes, size_t size, const char *path,
                        rk_error *err);
/* Both again for a caller that only reads the tree, of which nothing may be freed or replaced:
 * large matrices are not copied. They stay, at any alignment, in the mapped file, or in `bytes`,
 * which the caller keeps as they are until rk_onnx_close. The file must not be cut meanwhile:
 * another one takes its place by rename. */
rk_status rk_onnx_view(rk_onnx **out, const char *path, rk_error *err);
rk_status rk_onnx_borrow(rk_onnx **out, const void *bytes, size_t size, const char *path,
                         rk_error *err);

/* An empty graph of the default domain's opset; graph and producer are named. */
rk_status rk_onnx_new(rk_onnx **out, const char *path, int64_t ir_version, int64_t opset,
                      rk_error *err);
void rk_onnx_close(rk_onnx *m);   /* takes NULL */

/* Bytes that rk_onnx_save would write; 0 when out of memory. */
uint64_t rk_onnx_size(const rk_onnx *m);
/* The same to the byte where the name of a second file is in the model too. */
uint64_t rk_onnx_size_at(const rk_onnx *m, const char *path);
/* Writes atomically; the same tree gives the same bytes. A model that had external data, or would
 * be 2 GiB or more, gets its large tensors in one file beside it (doc/FORMATS.md, "Large models").
 * RK_E_FORMAT when it would be 2 GiB or more all the same (nothing is written then). */
rk_status rk_onnx_save(const rk_onnx *m, const char *path, rk_error *err);

/* Version of an operator set ("" is the default domain), 0 when it is not imported. */
int64_t rk_onnx_opset(const rk_onnx *m, const char *domain);

/* The value of a metadata property, borrowed; NULL when absent. */
const char *rk_onnx_metadata(const rk_onnx *m, const char *key);
/* Adds or replaces one; both strings are copied. */
rk_status rk_onnx_set_metadata(rk_onnx *m, const char *key, const char *value, rk_error *err);

/* ONNX's element types (Onnx__TensorProto__DataType) and ours; RK_DT_NONE and 0 where there is no
 * counterpart (string, complex, 8-bit floats, 4-bit). */
rk_dtype rk_onnx_dtype(int32_t data_type);
int32_t rk_onnx_data_type(rk_dtype t);
/* "float", "float16", "int64", ... as ONNX's documents spell them; "unknown". */
const char *rk_onnx_type_name(int32_t data_type);

/* A tensor's elements as an array, whichever of its fields holds them: checks type, rank (<=
 * RK_MAX_RANK), dims, overflow, byte count, range of values packed into wider fields (RK_E_FORMAT
 * names tensor and file). out->data points into t, or into *owned where elements had to be
 * repacked: rk_free(*owned) after use (NULL otherwise). out->name is t's ("" when it has none). */
rk_status rk_onnx_tensor(rk_tensor *out, void **owned, const Onnx__TensorProto *t,
                         const char *shown, rk_error *err);

/* A new tensor with its data in raw_data, not yet filled (t->raw_data.data); NULL when out of
 * memory or when the size overflows. */
Onnx__TensorProto *rk_onnx_tensor_new(const char *name, rk_dtype type, const size_t *dim,
                                      size_t rank);
/* Frees any message of the tree; takes NULL. `message` is the address of its base. */
void rk_onnx_free(void *message);

/* protobuf-c's allocator over rk_malloc. */
extern ProtobufCAllocator rk_onnx_allocator;

#endif
