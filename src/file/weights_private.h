/* What the readers of this folder share: the memory behind an rk_weights, and what a file is. */
#ifndef RK_FILE_WEIGHTS_PRIVATE_H
#define RK_FILE_WEIGHTS_PRIVATE_H

#include <stdbool.h>

#include "base/file.h"
#include "file/weights.h"

enum {
    RK_TENSORS_MAX = 65536,      /* per file */
    RK_TENSOR_NAME_MAX = 1024    /* bytes */
};

/* Everything that tensors of one rk_weights point into. */
typedef struct rk_weights_memory {
    rk_map map;
    char *names;                 /* all names, each NUL-terminated */
    void **block;                /* copies of tensors that do not lie in order in the file */
    size_t blocks;
    rk_weights **part;           /* shards */
    size_t parts;
} rk_weights_memory;

/* An rk_weights with path and memory set and no tensors; NULL when out of memory. */
rk_weights *rk_weights_new(const char *path);
/* Room for count tensors (zeroed) and for name_bytes bytes of names (ends included). */
rk_status rk_weights_reserve(rk_weights *w, size_t count, size_t name_bytes, rk_error *err);

/* True for 1 to RK_TENSOR_NAME_MAX bytes of UTF-8 without control characters. */
bool rk_tensor_name_ok(const char *name, size_t length);

/* count * dims of a tensor, times the size of an element in bits, as bytes. False when the product
 * overflows or does not fill a byte. */
bool rk_shape_bytes(size_t *bytes, const size_t *dim, size_t rank, size_t item_bits);

/* "[2, 3]" into out. */
enum { RK_SHAPE_TEXT = RK_MAX_RANK * 22 + 3 };
const char *rk_shape_text(char out[RK_SHAPE_TEXT], const size_t *dim, size_t rank);

typedef enum rk_kind {
    RK_KIND_UNKNOWN, RK_KIND_SAFETENSORS, RK_KIND_ZIP, RK_KIND_PICKLE, RK_KIND_TAR, RK_KIND_HTML,
    RK_KIND_LFS, RK_KIND_ONNX, RK_KIND_JSON, RK_KIND_GZIP, RK_KIND_HDF5, RK_KIND_GGUF, RK_KIND_ELF,
    RK_KIND_TEXT
} rk_kind;

/* What the bytes look like, from their first and last few. */
rk_kind rk_sniff(const uint8_t *data, size_t size);
/* "an HTML page", "a Git LFS pointer: fetch the file itself", ... */
const char *rk_kind_text(rk_kind kind);

#endif
