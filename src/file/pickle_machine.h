/* The stack machine behind pickle.h: its values, and what its three files share. */
#ifndef RK_FILE_PICKLE_MACHINE_H
#define RK_FILE_PICKLE_MACHINE_H

#include "file/pickle.h"

typedef enum rk_pk_type {
    RK_PK_NONE, RK_PK_BOOL, RK_PK_INT, RK_PK_BIG_INT, RK_PK_FLOAT, RK_PK_TEXT, RK_PK_BYTES,
    RK_PK_TUPLE, RK_PK_LIST, RK_PK_DICT, RK_PK_GLOBAL, RK_PK_STORAGE, RK_PK_TENSOR
} rk_pk_type;

/* 16 bytes: there may be a million of these. */
typedef struct rk_pk_node {
    uint8_t type;
    uint8_t ordered;                   /* DICT: made by OrderedDict, may take BUILD */
    uint8_t seen;                      /* by the walk at the end */
    uint32_t count;                    /* bytes, items; a DICT has key and value as two items */
    union {
        int64_t number;                /* INT, BOOL; index of STORAGE and TENSOR; rk_pk_name */
        const uint8_t *text;           /* TEXT, BYTES */
        uint32_t *item;                /* TUPLE, LIST, DICT: node numbers */
    } of;
} rk_pk_node;

/* The names a stream may use. */
typedef enum rk_pk_role {
    RK_PK_ORDERED_DICT, RK_PK_TENSOR_V2, RK_PK_TENSOR_V3, RK_PK_PARAMETER, RK_PK_STORAGE_TYPE,
    RK_PK_UNTYPED_STORAGE, RK_PK_DTYPE
} rk_pk_role;

typedef struct rk_pk_name {
    const char *module, *name;
    rk_pk_role role;
    rk_dtype type;
    size_t item;                       /* bytes of an element */
} rk_pk_name;

typedef struct rk_pk_machine {
    const uint8_t *data;
    size_t size, at, op_at;            /* op_at: where the current opcode stands */
    size_t frame_end, ops;
    rk_pk_node **block;                /* nodes, in blocks that never move */
    size_t blocks, nodes;
    uint32_t *stack;
    size_t depth, stack_room;
    uint32_t *memo;
    size_t memo_room, memoized;        /* memoized: slots that MEMOIZE filled */
    size_t storage_room, tensor_room;
    bool stopped;
    rk_pickle *out;
    const char *where;
    rk_error *err;
} rk_pk_machine;

/* RK_E_FORMAT with the place of the current opcode. */
rk_status rk_pk_fail(rk_pk_machine *m, const char *format, ...) RK_PRINTF(2, 3);
rk_status rk_pk_no_memory(rk_pk_machine *m);

rk_pk_node *rk_pk_at(const rk_pk_machine *m, uint32_t number);
rk_status rk_pk_new(rk_pk_machine *m, uint32_t *number, rk_pk_type type);
rk_status rk_pk_push(rk_pk_machine *m, uint32_t number);
rk_status rk_pk_pop(rk_pk_machine *m, uint32_t *number);      /* refuses a mark */
rk_status rk_pk_append(rk_pk_machine *m, rk_pk_node *to, uint32_t number);

const rk_pk_name *rk_pk_name_at(size_t index);
/* SIZE_MAX when it is not on the list. */
size_t rk_pk_name_find(const char *module, size_t module_length, const char *name,
                       size_t name_length);

/* The opcodes that make things (pickle_build.c); n is not used. */
rk_status rk_pk_reduce(rk_pk_machine *m, int n);
rk_status rk_pk_build(rk_pk_machine *m, int n);
rk_status rk_pk_persistent(rk_pk_machine *m, int n);

/* Finds the state dict in the value at the top and fills m->out (pickle_state.c). */
rk_status rk_pk_state(rk_pk_machine *m, uint32_t top);

#endif
