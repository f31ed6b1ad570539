/* links: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

/* Pieces of all sizes are apart, aligned, and end with the pool. */
static void test_pool(void **state)
{
    enum { COUNT = 60 };
    unsigned char *piece[COUNT];
    size_t bytes[COUNT];
    rk_pool *p = rk_pool_new();

    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < COUNT; i++) {
        bytes[i] = i % 20 == 19 ? (size_t)3 << 20 : i * i * 41;
        piece[i] = rk_pool_take(p, bytes[i]);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 64, 0);
        memset(piece[i], (int)i, bytes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < bytes[i]; k++)
            if (piece[i][k] != i) fail_msg("piece %zu", i);
    assert_null(rk_pool_take(p, SIZE_MAX));
    assert_null(rk_pool_take(p, SIZE_MAX / 2));
    rk_mem_fail_at(1, false);    /* a block's data; the pool goes on after it */
    assert_null(rk_pool_take(p, (size_t)300 << 20));
    rk_mem_fail_at(SIZE_MAX, false);
    assert_non_null(rk_pool_take(p, 1));
    rk_pool_free(p);
    rk_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pool) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
