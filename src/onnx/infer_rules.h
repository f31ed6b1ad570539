/* Private to inference: types that no type variable tells. */
#ifndef RK_ONNX_INFER_RULES_H
#define RK_ONNX_INFER_RULES_H

#include "onnx/scope.h"

enum { RK_NO_TYPE = 30, RK_TYPE_SHOWN = 64 };   /* 30: a bit that no mask has */

/* "float", "sequence of float", ... */
const char *rk_type_shown(char out[RK_TYPE_SHOWN], int32_t t);
/* Of a declaration; 0 where it says nothing. */
int32_t rk_declared_type(const Onnx__TypeProto *t);
/* The type of an output that an attribute, a sequence or another input decides; 0 where the
 * operator's type variables do. */
int32_t rk_rule_output(const rk_scope *s, size_t node, size_t slot);
/* Inputs of a Scan before its states: one (sequence_lens) in operator set 8. */
size_t rk_scan_first(const rk_snode *n);

#endif
