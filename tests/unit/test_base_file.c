/* links: base */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "support/scratch.h"

static void assert_content(const char *path, const char *want)
{
    size_t n = 0;
    char *got = scratch_read(path, &n);
    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
}

/* ---- opening: AN-01 to AN-18 as they apply to a file as such ---- */

static rk_status open_all_ways(const char *path, rk_error *err)
{
    rk_map map;
    char *data;
    size_t size;
    rk_error other;
    const rk_status st = rk_map_open(&map, path, err);
    assert_int_equal(rk_file_read(&data, &size, path, 1000, &other), st);
    assert_string_equal(err->message, other.message);
    assert_null(data);
    return st;
}

static void AN_refused(void **state)
{
    char longest[5001];
    rk_error err;
    (void)state;
    assert_int_equal(open_all_ways(scratch_path("absent"), &err), RK_E_OPEN);      /* AN-01 */
    assert_non_null(strstr(err.message, "absent: No such file"));
    assert_int_equal(open_all_ways(scratch_dir(), &err), RK_E_OPEN);               /* AN-02 */
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(open_all_ways(scratch_path("fifo"), &err), RK_E_OPEN);        /* AN-03 */
    assert_int_equal(open_all_ways("/dev/zero", &err), RK_E_OPEN);                 /* AN-04 */
    assert_int_equal(open_all_ways("/dev/null", &err), RK_E_OPEN);
    assert_int_equal(open_all_ways(scratch_write("empty", "", 0), &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "empty: the file is empty"));              /* AN-06 */
    assert_int_equal(symlink("loop", scratch_path("loop")), 0);
    assert_int_equal(open_all_ways(scratch_path("loop"), &err), RK_E_OPEN);        /* AN-11 */
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(open_all_ways(longest, &err), RK_E_OPEN);                     /* AN-18 */
    assert_int_equal(open_all_ways(scratch_path("a\n\x1b[31m\xff"), &err), RK_E_OPEN);
    assert_non_null(strstr(err.message, "a\\x0a\\x1b[31m\\xff: "));                /* AN-17 */
}

static void AN_05_no_permission(void **state)
{
    const char *path = scratch_write("secret", "x", 1);
    int status = 0;
    pid_t child;
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(scratch_dir(), 0755), 0);
    child = fork();
    if (child == 0) {
        rk_map map;
        if (setgid(65534) || setuid(65534)) _exit(2);
        _exit(rk_map_open(&map, path, NULL) == RK_E_OPEN ? 0 : 1);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void AN_10_link_is_followed(void **state)
{
    rk_map map;
    rk_error err;
    (void)state;
    scratch_write("target", "abc", 3);
    assert_int_equal(symlink("target", scratch_path("link")), 0);
    assert_int_equal(rk_map_open(&map, scratch_path("link"), &err), RK_OK);
    assert_int_equal(map.size, 3);
    assert_memory_equal(map.data, "abc", 3);
    rk_map_close(&map);
    rk_map_close(&map);
}

/* Pages of files that this process has in memory; 0 where nobody says. */
static long shared_pages(void)
{
    long all, resident, shared = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld %ld", &all, &resident, &shared) != 3) shared = 0;
    if (f) fclose(f);
    return shared;
}

/* What is done with takes no memory, and is still there to be read; the rest of the map stays. */
static void map_forgets(void **state)
{
    enum { SIZE = 16 << 20 };
    char *bytes = malloc(SIZE);
    const char *path;
    rk_map map;
    long before, read, after;
    unsigned sum = 0;
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 7 >> 9);
    path = scratch_write("large", bytes, SIZE);
    assert_int_equal(rk_map_open(&map, path, NULL), RK_OK);
    before = shared_pages();
    for (size_t i = 0; i < SIZE; i += 512) sum += map.data[i];
    read = shared_pages();
    rk_map_forget(&map, SIZE + 1); /* not of this map: nothing happens */
    rk_map_forget(&map, SIZE / 2 + 100);
    after = shared_pages();
    if (before > 0) {
        const long all = SIZE / sysconf(_SC_PAGESIZE);
        assert_true(read - before > all * 9 / 10);
        assert_true(after - before > all * 4 / 10 && after - before < all * 6 / 10);
    }
    assert_memory_equal(map.data, bytes, SIZE);
    assert_true(sum > 0);
    rk_map_close(&map);
    free(bytes);
}

static void read_limit_and_stream(void **state)
{
    const char *path = scratch_write("ten", "0123456789", 10);
    char *data, piece[4];
    size_t size, got;
    rk_reader *r;
    rk_error err;
    (void)state;
    assert_int_equal(rk_file_read(&data, &size, path, 10, &err), RK_OK);
    assert_int_equal(size, 10);
    assert_string_equal(data, "0123456789");
    rk_free(data);
    assert_int_equal(rk_file_read(&data, &size, path, 9, &err), RK_E_FORMAT);
    assert_int_equal(rk_reader_open(&r, path, &err), RK_OK);
    for (size_t want = 4; want; want = want == 4 ? 2 : 0) {
        assert_int_equal(rk_reader_read(r, piece, 4, &got, &err), RK_OK);
        assert_int_equal(got, 4);
    }
    assert_int_equal(rk_reader_read(r, piece, 4, &got, &err), RK_OK);
    assert_int_equal(got, 2);
    assert_int_equal(rk_reader_read(r, piece, 4, &got, &err), RK_OK);
    assert_int_equal(got, 0);
    rk_reader_close(r);
    rk_reader_close(NULL);
}

static void paths(void **state)
{
    static const char *const dirs[][2] = {{"a", "."},     {"a/b", "a"}, {"/a", "/"}, {"/", "/"},
                                          {"a//b/", "a"}, {"", "."},    {"/a/b", "/a"}};
    char *p;
    (void)state;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        p = rk_path_dir(dirs[i][0]);
        assert_string_equal(p, dirs[i][1]);
        rk_free(p);
    }
    p = rk_path_join("a/", "b");
    assert_string_equal(p, "a/b");
    rk_free(p);
    p = rk_path_join("a", "b");
    assert_string_equal(p, "a/b");
    rk_free(p);
    scratch_write("one", "1", 1);
    assert_int_equal(link(scratch_path("one"), scratch_path("two")), 0);
    assert_true(rk_path_same(scratch_path("one"), scratch_path("two")));
    assert_false(rk_path_same(scratch_path("one"), scratch_dir()));
    assert_int_equal(rk_file_size(scratch_path("one")), 1);
    assert_int_equal(rk_file_size(scratch_dir()), 0);
    assert_true(rk_path_is_dir(scratch_dir()));
}

/* ---- writing ---- */

static const char *fresh_folder(const char *name)
{
    const char *path = scratch_path(name);
    scratch_remove(path);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static void writer_commit(void **state)
{
    const char *dir = fresh_folder("w"), *path = scratch_path("w/out");
    static char big[3 << 20];
    struct stat s;
    rk_writer *w;
    rk_error err;
    size_t n = 0;
    char *got;
    (void)state;
    umask(027);
    memset(big, 'b', sizeof big);
    assert_int_equal(rk_writer_open(&w, path, &err), RK_OK);
    assert_int_equal(rk_writer_put(w, "head", 4, &err), RK_OK);
    assert_int_equal(rk_writer_put(w, big, sizeof big, &err), RK_OK);
    assert_int_equal(rk_writer_put(w, "tail", 4, &err), RK_OK);
    assert_false(rk_path_exists(path));
    assert_int_equal(rk_writer_commit(w, &err), RK_OK);
    umask(022);
    got = scratch_read(path, &n);
    assert_int_equal(n, sizeof big + 8);
    assert_memory_equal(got, "headb", 5);
    assert_memory_equal(got + n - 5, "btail", 5);
    free(got);
    assert_int_equal(scratch_count(dir), 1);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0640);                   /* SV-16 */
}

static void writer_abort_leaves_no_trace(void **state)
{
    const char *dir = fresh_folder("w"), *path = scratch_path("w/out");
    rk_writer *w;
    rk_error err;
    (void)state;
    assert_int_equal(rk_file_write(path, "old", 3, &err), RK_OK);
    assert_int_equal(rk_writer_open(&w, path, &err), RK_OK);
    assert_int_equal(rk_writer_put(w, "new", 3, &err), RK_OK);
    assert_int_equal(scratch_count(dir), 2);
    rk_writer_abort(w);
    rk_writer_abort(NULL);
    assert_int_equal(scratch_count(dir), 1);
    assert_content(path, "old");                                /* SV-09 */
}

static void writer_refuses(void **state)
{
    rk_writer *w;
    rk_error err;
    struct stat s;
    (void)state;
    fresh_folder("w");
    assert_int_equal(mkfifo(scratch_path("w/fifo"), 0600), 0);
    assert_int_equal(rk_writer_open(&w, scratch_path("w/fifo"), &err), RK_E_OUTPUT);  /* SV-10 */
    assert_int_equal(rk_writer_open(&w, "/dev/null", &err), RK_E_OUTPUT);
    assert_int_equal(rk_writer_open(&w, scratch_path("w"), &err), RK_E_OUTPUT);
    assert_int_equal(rk_writer_open(&w, scratch_path("w/no/out"), &err), RK_E_OUTPUT);
    assert_null(w);
    /* a link is replaced, its target is not written through */
    scratch_write("w/target", "target", 6);
    assert_int_equal(symlink("target", scratch_path("w/link")), 0);
    assert_int_equal(rk_file_write(scratch_path("w/link"), "new", 3, &err), RK_OK);
    assert_content(scratch_path("w/target"), "target");
    assert_int_equal(lstat(scratch_path("w/link"), &s), 0);
    assert_true(S_ISREG(s.st_mode));
}

/* SV-06: a limit on the file's size stands for a full disk. */
static void SV_06_write_fails(void **state)
{
    const char *dir = fresh_folder("w"), *path = scratch_path("w/out");
    static char big[3 << 20];
    int status = 0;
    pid_t child;
    (void)state;
    assert_int_equal(rk_file_write(path, "old", 3, NULL), RK_OK);
    child = fork();
    if (child == 0) {
        const struct rlimit limit = {1 << 20, 1 << 20};
        rk_error err;
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(2);
        _exit(rk_file_write(path, big, sizeof big, &err) == RK_E_IO &&
                      strstr(err.message, "w/out: writing failed")
                  ? 0
                  : 1);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(scratch_count(dir), 1);
    assert_content(path, "old");
}

static void dir_make(void **state)
{
    rk_error err;
    (void)state;
    fresh_folder("d");
    assert_int_equal(rk_dir_make(scratch_path("d/a/b/c"), &err), RK_OK);
    assert_int_equal(rk_dir_make(scratch_path("d/a/b/c"), &err), RK_OK);
    assert_true(rk_path_is_dir(scratch_path("d/a/b/c")));
    scratch_write("d/file", "x", 1);
    assert_int_equal(rk_dir_make(scratch_path("d/file"), &err), RK_E_OUTPUT);
    assert_int_equal(rk_dir_make(scratch_path("d/file/x"), &err), RK_E_OUTPUT);
    assert_int_equal(rk_dir_make("", &err), RK_E_OUTPUT);
}

static void put_in(const char *dir, const char *name, const char *text)
{
    char *path = rk_path_join(dir, name);
    assert_int_equal(rk_file_write(path, text, strlen(text), NULL), RK_OK);
    rk_free(path);
}

static void dir_commit_replaces(void **state)
{
    const char *dir = fresh_folder("d"), *path = scratch_path("d/model");
    char *temp;
    rk_error err;
    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(rk_dir_temp(&temp, path, &err), RK_OK);
        assert_int_equal(strncmp(temp, path, strlen(path)), 0);
        put_in(temp, round ? "new" : "old", "x");
        assert_int_equal(rk_dir_commit(temp, path, &err), RK_OK);
        rk_free(temp);
    }
    assert_int_equal(scratch_count(dir), 1);
    assert_int_equal(scratch_count(path), 1);
    assert_true(rk_path_exists(scratch_path("d/model/new")));
}

static void dir_commit_fails(void **state)
{
    const char *dir = fresh_folder("d"), *path = scratch_path("d/model");
    char *temp;
    rk_error err;
    (void)state;
    scratch_write("d/model", "a file", 6);
    assert_int_equal(rk_dir_temp(&temp, path, &err), RK_OK);
    assert_int_equal(rk_dir_commit(temp, path, &err), RK_E_IO);
    assert_content(path, "a file");
    rk_dir_remove(temp);
    rk_free(temp);
    assert_int_equal(scratch_count(dir), 1);
    assert_int_equal(rk_dir_temp(&temp, scratch_path("d/no/model"), &err), RK_E_OUTPUT);
    assert_null(temp);
}

static void dir_remove_follows_no_link(void **state)
{
    (void)state;
    fresh_folder("d");
    assert_int_equal(mkdir(scratch_path("d/keep"), 0755), 0);
    scratch_write("d/keep/file", "x", 1);
    assert_int_equal(mkdir(scratch_path("d/gone"), 0755), 0);
    assert_int_equal(mkdir(scratch_path("d/gone/in"), 0755), 0);
    scratch_write("d/gone/in/file", "x", 1);
    assert_int_equal(symlink("../keep", scratch_path("d/gone/link")), 0);
    rk_dir_remove(scratch_path("d/gone"));
    assert_false(rk_path_exists(scratch_path("d/gone")));
    assert_true(rk_path_exists(scratch_path("d/keep/file")));
    assert_int_equal(symlink("keep", scratch_path("d/link")), 0);
    rk_dir_remove(scratch_path("d/link"));
    assert_true(rk_path_exists(scratch_path("d/keep/file")));
}

static void dir_pour(void **state)
{
    char from[256], to[256], *temp, *text;
    rk_error err;
    size_t n;
    (void)state;

    snprintf(from, sizeof from, "%s", scratch_path("pour"));
    snprintf(to, sizeof to, "%s", scratch_path("pour/to"));
    assert_int_equal(rk_dir_make(to, NULL), RK_OK);
    scratch_write("pour/to/a", "old a", 5);
    scratch_write("pour/to/kept", "kept", 4);
    assert_int_equal(rk_dir_make(scratch_path("pour/to/last"), NULL), RK_OK);
    assert_int_equal(rk_dir_temp(&temp, from, NULL), RK_OK);
    for (int i = 0; i < 2; i++) {
        char *path = rk_path_join(temp, i ? "last" : "a");
        assert_int_equal(rk_file_write(path, i ? "new last" : "new a", i ? 8 : 5, NULL), RK_OK);
        rk_free(path);
    }
    /* a name that is taken: nothing is moved */
    assert_int_equal(rk_dir_pour(temp, to, "last", &err), RK_E_OUTPUT);
    assert_non_null(strstr(err.message, "pour/to/last: is not a regular file"));
    text = scratch_read(scratch_path("pour/to/a"), &n);
    assert_string_equal(text, "old a");
    free(text);
    rk_dir_remove(scratch_path("pour/to/last"));
    assert_int_equal(rk_dir_pour(temp, to, "last", NULL), RK_OK);
    assert_false(rk_path_exists(temp));
    assert_int_equal(scratch_count(to), 3);
    text = scratch_read(scratch_path("pour/to/a"), &n);
    assert_string_equal(text, "new a");
    free(text);
    text = scratch_read(scratch_path("pour/to/last"), &n);
    assert_string_equal(text, "new last");
    free(text);
    rk_free(temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(AN_refused), cmocka_unit_test(AN_05_no_permission),
        cmocka_unit_test(AN_10_link_is_followed), cmocka_unit_test(map_forgets),
        cmocka_unit_test(read_limit_and_stream),
        cmocka_unit_test(paths), cmocka_unit_test(writer_commit),
        cmocka_unit_test(writer_abort_leaves_no_trace), cmocka_unit_test(writer_refuses),
        cmocka_unit_test(SV_06_write_fails), cmocka_unit_test(dir_make),
        cmocka_unit_test(dir_commit_replaces), cmocka_unit_test(dir_commit_fails),
        cmocka_unit_test(dir_remove_follows_no_link),
        cmocka_unit_test(dir_pour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
