/* links: base */
/* SHA-256 against the standard's own examples, whatever the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "support/scratch.h"

static const char alphabet[] =
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
    "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

static const struct {
    const char *text, *digest;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {alphabet, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

static void examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t n = strlen(known[i].text);
        for (size_t step = 1; step <= n + 1; step++) {
            rk_sha256_state s;
            char text[RK_SHA256_TEXT];
            rk_sha256_start(&s);
            for (size_t at = 0; at < n; at += step)
                rk_sha256_add(&s, known[i].text + at, n - at < step ? n - at : step);
            rk_sha256_text(text, &s);
            assert_string_equal(text, known[i].digest);
        }
    }
}

static void a_million(void **state)
{
    const char *path = scratch_path("million");
    char *bytes = malloc(1000000), text[RK_SHA256_TEXT] = "as it was";
    rk_error err = {0};

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'a', 1000000);
    assert_int_equal(rk_file_write(path, bytes, 1000000, &err), RK_OK);
    assert_int_equal(rk_sha256_of_file(text, path, &err), RK_OK);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    scratch_remove(path);
    strcpy(text, "as it was");
    assert_int_equal(rk_sha256_of_file(text, path, &err), RK_E_OPEN);
    assert_string_equal(text, "as it was");
    rk_mem_fail_at(0, false);
    assert_int_equal(rk_sha256_of_file(text, path, &err), RK_E_MEMORY);
    rk_mem_fail_at(SIZE_MAX, false);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(a_million)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
