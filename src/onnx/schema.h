/* What each operator takes and gives, by domain and version: facts generated into schema.def. */
#ifndef RK_ONNX_SCHEMA_H
#define RK_ONNX_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RK_TYPE_OTHER = 31,      /* stands for sequences, optionals, maps: not tensors */
    RK_OPSET_FIRST = 7,      /* the oldest operator set whose models are read */
    RK_IR_FIRST = 3
};
int64_t rk_opset_last(void); /* the newest the table knows */
int64_t rk_ir_last(void);

typedef struct rk_schema {
    const char *domain, *name;   /* "" is the default domain */
    unsigned since;
    unsigned min_inputs, max_inputs, min_outputs, max_outputs;   /* 65535: no limit */
    /* Two characters a parameter: its type variable (a letter) and '.' single, '?' may be left out,
     * '*' any number of one type, '+' any number of types of their own. */
    const char *inputs, *outputs;
    const char *variables;   /* two hex digits a letter: number of a type mask */
    const char *attributes; /* "axis:i to:i!": f i s t g p y and capitals for lists; '!' required */
    bool deprecated;
} rk_schema;

/* The version of an operator of the default domain in force at an opset; NULL where there is none.
 * A deprecated one is returned with .deprecated set and nothing else but its name. */
const rk_schema *rk_schema_find(const char *op, int64_t opset);
/* The same in any domain that the table knows (NULL and "ai.onnx" are the default one). */
const rk_schema *rk_schema_find_in(const char *domain, const char *op, int64_t version);

/* The type variable of a slot and its kind; 0 when the operator has no such slot. */
char rk_schema_input(const rk_schema *s, size_t slot, char *kind);
char rk_schema_output(const rk_schema *s, size_t slot, char *kind);

/* Bit t: element type t (Onnx__TensorProto__DataType, or RK_TYPE_OTHER) is allowed. */
uint32_t rk_schema_types(const rk_schema *s, char letter);

/* The type letter of an attribute, 0 when the operator has none of that name. */
char rk_schema_attribute(const rk_schema *s, const char *name);
/* Walks the required attributes: returns the next one's name (length in *length) or NULL. Start
 * with *at = s->attributes. */
const char *rk_schema_required(const char **at, size_t *length);

#endif
