/* The pickle of a PyTorch checkpoint, read as data: a list of opcodes and a list of names, and
 * nothing else. No function named in the stream is ever called. */
#ifndef RK_FILE_PICKLE_H
#define RK_FILE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/tensor.h"

enum {
    RK_PICKLE_BYTES_MAX = 64 << 20,
    RK_PICKLE_OPS_MAX = 4000000,
    RK_PICKLE_VALUES_MAX = 1000000,    /* a tensor takes eight */
    RK_PICKLE_STACK_MAX = 65536,
    RK_PICKLE_DEPTH_MAX = 32,          /* a training state nests six deep */
    RK_PICKLE_TENSORS_MAX = 262144     /* weights and the optimiser's moments */
};

typedef struct rk_pickle_storage {
    const char *key;                   /* in the stream, not NUL-terminated */
    size_t key_length;
    rk_dtype type;                     /* RK_DT_NONE: untyped, counted in bytes */
    size_t bytes;
} rk_pickle_storage;

typedef struct rk_pickle_tensor {
    size_t storage;                    /* index */
    rk_dtype type;                     /* RK_DT_NONE: 8-bit floats */
    size_t item;                       /* bytes of an element */
    size_t offset;                     /* elements from the storage's start */
    size_t rank, dim[RK_MAX_RANK], stride[RK_MAX_RANK];   /* elements; within the storage */
    size_t bytes;
} rk_pickle_tensor;

typedef struct rk_pickle_entry {
    const char *name;                  /* in the stream, not NUL-terminated */
    size_t name_length;
    size_t tensor;                     /* index */
} rk_pickle_entry;

typedef struct rk_pickle {
    rk_pickle_storage *storage;
    size_t storages;
    rk_pickle_tensor *tensor;
    size_t tensors;
    rk_pickle_entry *entry;            /* the state dict, in its order; names checked and unique */
    size_t entries;
    const char *inside;                /* key of the map that the weights were found in, or NULL */
    size_t inside_length;
} rk_pickle;

/* where: names the stream in messages ("model.bin: data.pkl"). The result points into data.
 * RK_E_FORMAT or RK_E_MEMORY; free with rk_pickle_free in every case. */
rk_status rk_pickle_read(rk_pickle *out, const uint8_t *data, size_t size, const char *where,
                         rk_error *err);
void rk_pickle_free(rk_pickle *p);

#endif
