/* links: base file */
/* PZ-13: a PyTorch file past 4 GiB. The file is sparse; nothing reads its zeros. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "file/weights.h"
#include "support/pickle_parts.h"
#include "support/scratch.h"
#include "support/zip_make.h"

#define ADD(z, name, data, size) zip_add(z, name, sizeof(name) - 1, data, size)

/* A storage of 5 GiB in a sparse file, sizes and offsets in zip64 fields. */
static void PZ_13_over_4_gib(void **state)
{
    static const char pickle[] =
        PK_BEGIN PK_W PK_TENSOR(PK_STORAGE("Byte", PK_KEY0, PK_CPU, "\212\005\0\0\0\100\001"),
                                "K\000", "\212\005\0\0\0\100\001\205", "K\001\205", PK_REST) "s.";
    const size_t big = (size_t)5 << 30;
    const char *path = scratch_path("big.bin");
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    zip_made z;
    rk_weights *w;
    rk_error err;
    size_t head;
    (void)state;
    assert_true(fd >= 0);
    zip_begin(&z);
    z.no_crc = true;
    z.plain = true;
    ADD(&z, "r/data.pkl", pickle, sizeof pickle - 1);
    ADD(&z, "r/version", "3\n", 2);
    ADD(&z, "r/data/0", "", 0);
    head = z.bytes.length;
    /* the padding field becomes zip64's: two sizes */
    zip_set(&z, z.local[2] + 18, 0xffffffff, 4);
    zip_set(&z, z.local[2] + 22, 0xffffffff, 4);
    zip_set(&z, z.local[2] + 28, 20, 2);
    zip_set(&z, head - 9, 1, 2);
    zip_set(&z, head - 7, 16, 2);
    zip_set(&z, head - 5, 0, 5);
    rk_buffer_put(&z.bytes, "12345678123", 11);
    zip_set(&z, head - 5, big, 8);
    zip_set(&z, head + 3, big, 8);
    head = z.bytes.length;
    assert_int_equal(pwrite(fd, z.bytes.data, head, 0), (ssize_t)head);
    z.size[2] = 0xffffffff;
    zip_finish(&z);
    /* the directory's record of the storage needs the field too; it is the last record */
    {
        rk_buffer tail = {0};
        const size_t start = head + big, end64 = z.end64 + 20 - head;
        zip_set(&z, z.central[2] + 30, 20, 2);
        rk_buffer_put(&tail, z.bytes.data + head, z.end64 - head);
        rk_buffer_put(&tail, "\1\0\20\0" "1234567812345678", 20);
        rk_buffer_put(&tail, z.bytes.data + z.end64, z.bytes.length - z.end64);
        zip_free(&z);
        z.bytes = tail;
        zip_set(&z, end64 - 16, big, 8);
        zip_set(&z, end64 - 8, big, 8);
        zip_set(&z, end64 + 40, end64, 8);
        zip_set(&z, end64 + 48, start, 8);
        zip_set(&z, end64 + 56 + 8, start + end64, 8);
        zip_set(&z, end64 + 76 + 12, end64, 4);
        zip_set(&z, end64 + 76 + 16, 0xffffffff, 4);
        assert_int_equal(pwrite(fd, tail.data, tail.length, (off_t)start), (ssize_t)tail.length);
    }
    close(fd);
    if (rk_torch_zip_open(&w, path, &err)) fail_msg("PZ-13: %s", err.message);
    assert_int_equal(w->tensor[0].bytes, big);
    assert_int_equal(((const char *)w->tensor[0].data)[big - 1], 0);
    rk_weights_close(w);
    zip_free(&z);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(PZ_13_over_4_gib)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
