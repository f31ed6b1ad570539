/* Private to to_half.c: names and places of the copies that values need. */
#ifndef RK_CONVERT_HALF_PLACE_H
#define RK_CONVERT_HALF_PLACE_H

#include "convert/half_plan.h"

typedef struct rk_half_copies {
    const rk_half_plan *p;
    rk_names *names;              /* every name of the model, values and nodes */
    const char **native;          /* [values] name of a value in the type it is made in */
    const char **other;           /* [values] name of its copy in the other type, NULL where none */
    bool *reads_native;           /* [values] somebody wants it as it is */
    size_t *place;                /* [values] the graph where the copy is made */
    rk_error *err;
} rk_half_copies;

/* Fills all of it. */
rk_status rk_half_copies_new(rk_half_copies *c, const rk_half_plan *p, rk_error *err);
void rk_half_copies_free(rk_half_copies *c);
/* A new name made of another and of _fp32, _fp16, _bf16 or _cast; NULL when out of memory. */
const char *rk_half_suffixed(rk_half_copies *c, const char *name, const char *suffix);
/* True where the graph output keeps the value's name and the node that makes it got another. */
bool rk_half_output_moved(const rk_half_copies *c, size_t value);

#endif
