/* Every allocation fails once: what a function that allocates owes its caller. */
#ifndef RK_TEST_FAIL_EACH_H
#define RK_TEST_FAIL_EACH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Does the work and frees what came of it, also where it failed. */
typedef rk_status fail_each_work(void *context, rk_error *err);

/* Does the work again and again, its nth allocation failing, until it does not reach that one and
 * succeeds. True when every failure was RK_E_MEMORY and more than `least` allocations, but no more
 * than 2000, were made; else false, with a line on standard error. That nothing leaks is for the
 * sanitizers to see. */
bool fail_each(fail_each_work *work, void *context, size_t least);

#endif
