/* What is known of operators besides their types: where half loses what matters. */
#ifndef RK_CONVERT_HALF_RULES_H
#define RK_CONVERT_HALF_RULES_H

#include <stdbool.h>

/* Why an operator stays float whatever its schema allows; NULL when it need not. */
const char *rk_rule_float(const char *op);
/* True for operators that move or copy values and compute nothing. */
bool rk_rule_mover(const char *op);
/* True for products and look-ups, whose big constants are clamped, not obeyed one by one. */
bool rk_rule_product(const char *op);
/* True for operators that work value by value, so that a value beyond half's range passes through.
 */
bool rk_rule_elementwise(const char *op);

#endif
