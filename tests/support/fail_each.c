#include "support/fail_each.h"

#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

enum { MOST = 2000 };

bool fail_each(fail_each_work *work, void *context, size_t least)
{
    for (size_t n = 0; n <= MOST; n++) {
        rk_error err = {RK_OK, ""};
        rk_status st;
        rk_mem_fail_at(n, false);
        st = work(context, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (st == RK_OK) {
            if (n > least) return true;
            fprintf(stderr, "fail_each: only %zu allocations were seen to fail\n", n);
            return false;
        }
        if (st != RK_E_MEMORY) {
            fprintf(stderr, "fail_each: allocation %zu: %s: %s\n", n, rk_status_name(st),
                    err.message);
            return false;
        }
    }
    fprintf(stderr, "fail_each: no success after %d allocations\n", MOST);
    return false;
}
