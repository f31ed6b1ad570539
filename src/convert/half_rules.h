/* What is known of operators besides their types: where half loses what matters. */
#ifndef RK_CONVERT_HALF_RULES_H
#define RK_CONVERT_HALF_RULES_H

#include <stdbool.h>

typedef enum rk_target {
    RK_TARGET_ANY,
    RK_TARGET_ORT_CPU,
    RK_TARGET_ORT_CUDA,
    RK_TARGET_OPENVINO,
    RK_TARGET_TENSORRT
} rk_target;

enum {
    RK_RULE_MOVER = 1,      /* moves or copies values and computes nothing */
    RK_RULE_PRODUCT = 2,    /* products and look-ups: what reaches them does not go on as it was */
    RK_RULE_BOUNDS = 4,     /* its constants are limits: the largest half serves as well */
    RK_RULE_BOUNDED = 8,    /* its results are small whatever it reads */
    RK_RULE_NARROWS = 16,   /* brings sums and powers back to the size of values */
    RK_RULE_WIDE = 32       /* its results leave half's range */
};

/* RK_RULE_* of an operator, 0 for one without a rule. */
unsigned rk_rule(const char *op);
/* Why an operator stays float whatever its schema allows; NULL when it need not. */
const char *rk_rule_float(const char *op);
/* Why it stays float for a runtime; NULL when it need not. half_targets.c has the tables. */
const char *rk_target_float(rk_target target, const char *domain, const char *op);

#endif
