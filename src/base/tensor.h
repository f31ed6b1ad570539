/* A named tensor: what weight files hold and what is written to them. Row-major, little-endian. */
#ifndef RK_BASE_TENSOR_H
#define RK_BASE_TENSOR_H

#include <stddef.h>

#include "base/dtype.h"

enum { RK_MAX_RANK = 8 };

typedef struct rk_tensor {
    const char *name;
    rk_dtype type;
    size_t rank;
    size_t dim[RK_MAX_RANK];
    const void *data; /* who owns it is said by whoever hands it out; maybe unaligned */
    size_t bytes;     /* product of dims x size of type */
} rk_tensor;

#endif
