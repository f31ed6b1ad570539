/* Weights on disk, whatever the container: a list of named tensors. Bytes are hostile: see
 * bad-inputs 2.4, 2.9, 2.10. */
#ifndef RK_FILE_WEIGHTS_H
#define RK_FILE_WEIGHTS_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "base/tensor.h"

typedef struct rk_weights {
    char *path;
    size_t count;
    rk_tensor *tensor; /* data points into memory held by this struct; read-only; may be
                          unaligned. type RK_DT_NONE: a type we have no name for (F8, C64);
                          its bytes were checked, its numbers cannot be used */
    json_t *metadata;  /* safetensors' __metadata__ (strings), or NULL */
    char *note;        /* one line that a person should see (a wrong total_size, check sums
                          switched off), or NULL; rk_weights_open makes an rk_note of it */
    void *memory;      /* private */
} rk_weights;

/* Decides by content: safetensors, a PyTorch zip, or the JSON index of safetensors shards; says
 * what else it found (HTML, LFS pointer, ...). RK_E_OPEN, RK_E_FORMAT or RK_E_MEMORY. */
rk_status rk_weights_open(rk_weights **out, const char *path, rk_error *err);
rk_status rk_safetensors_open(rk_weights **out, const char *path, rk_error *err);
/* The pickle is read by an allow-list of opcodes and names; nothing is ever executed. */
rk_status rk_torch_zip_open(rk_weights **out, const char *path, rk_error *err);
void rk_weights_close(rk_weights *w);
/* The file up to `end`, a place in or just behind a tensor's data, is done with and need not stay
 * in memory. For large files that are read once, in order. */
void rk_weights_forget(const rk_weights *w, const void *end);
const rk_tensor *rk_weights_find(const rk_weights *w, const char *name); /* NULL when absent */

/* Writes atomically. metadata: NULL or an object of strings. The header lists the tensors in the
 * order given; their bytes lie by falling element size, so that each is aligned. RK_E_ARG for a
 * tensor that a reader would refuse. */
rk_status rk_safetensors_save(const char *path, const rk_tensor *tensors, size_t count,
                              const json_t *metadata, rk_error *err);

#endif
