#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct rk_reader {
    int fd;
    char *path;
    uint64_t offset;
};

/* O_NONBLOCK so that a FIFO without a writer does not hang the open. */
static rk_status open_regular(int *out, uint64_t *size, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    struct stat s;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    rk_quote(name, path, strlen(path));
    if (fd < 0) return rk_fail(err, RK_E_OPEN, "%s: %s", name, strerror(errno));
    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return rk_fail(err, RK_E_OPEN, "%s: %s, a regular file is wanted", name,
                       S_ISDIR(s.st_mode) ? "is a folder" : "is not a file");
    }
    *out = fd;
    *size = (uint64_t)s.st_size;
    return RK_OK;
}

rk_status rk_map_open(rk_map *map, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    uint64_t size;
    int fd;
    void *p;
    rk_status st;

    map->data = NULL;
    map->size = 0;
    st = open_regular(&fd, &size, path, err);
    if (st) return st;
    rk_quote(name, path, strlen(path));
    if (size == 0) {
        close(fd);
        return rk_fail(err, RK_E_FORMAT, "%s: the file is empty", name);
    }
    p = size > PTRDIFF_MAX ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED) return rk_fail(err, RK_E_MEMORY, "%s: cannot map the file", name);
    map->data = p;
    map->size = (size_t)size;
    return RK_OK;
}

void rk_map_close(rk_map *map)
{
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    map->data = NULL;
    map->size = 0;
}

void rk_map_forget(const rk_map *map, size_t bytes)
{
    const long page = sysconf(_SC_PAGESIZE);
    if (page > 0 && bytes <= map->size)
        madvise((void *)(uintptr_t)map->data, bytes / (size_t)page * (size_t)page, MADV_DONTNEED);
}

rk_status rk_reader_open(rk_reader **out, const char *path, rk_error *err)
{
    rk_reader *r = rk_calloc(1, sizeof *r);
    uint64_t size;
    rk_status st;

    *out = NULL;
    if (!r || !(r->path = rk_strdup(path))) {
        rk_free(r);
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    st = open_regular(&r->fd, &size, path, err);
    if (st) {
        rk_free(r->path);
        rk_free(r);
        return st;
    }
    *out = r;
    return RK_OK;
}

rk_status rk_reader_read(rk_reader *r, void *bytes, size_t capacity, size_t *got, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    ssize_t n;
    do n = read(r->fd, bytes, capacity);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return rk_fail(err, RK_E_IO, "%s: reading failed at byte %llu: %s",
                       rk_quote(name, r->path, strlen(r->path)), (unsigned long long)r->offset,
                       strerror(errno));
    r->offset += (uint64_t)n;
    *got = (size_t)n;
    return RK_OK;
}

void rk_reader_close(rk_reader *r)
{
    if (!r) return;
    close(r->fd);
    rk_free(r->path);
    rk_free(r);
}

rk_status rk_file_read(char **data, size_t *size, const char *path, size_t limit, rk_error *err)
{
    char name[RK_QUOTE_SIZE], *text = NULL;
    rk_reader *r = NULL;
    struct stat s;
    size_t done = 0, got = 1;
    rk_status st = rk_reader_open(&r, path, err);

    *data = NULL;
    *size = 0;
    if (st) return st;
    rk_quote(name, path, strlen(path));
    if (fstat(r->fd, &s) < 0 || s.st_size == 0) {
        st = rk_fail(err, RK_E_FORMAT, "%s: the file is empty", name);
        goto done;
    }
    if ((uint64_t)s.st_size > limit) {
        st = rk_fail(err, RK_E_FORMAT, "%s: %llu bytes; at most %zu are taken", name,
                     (unsigned long long)s.st_size, limit);
        goto done;
    }
    text = rk_malloc((size_t)s.st_size + 1);
    if (!text) {
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory for %llu bytes", name,
                     (unsigned long long)s.st_size);
        goto done;
    }
    while (got && done < (size_t)s.st_size) {
        st = rk_reader_read(r, text + done, (size_t)s.st_size - done, &got, err);
        if (st) goto done;
        done += got;
    }
    text[done] = '\0';
    *data = text;
    *size = done;
    text = NULL;
done:
    rk_free(text);
    rk_reader_close(r);
    return st;
}

bool rk_path_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

bool rk_path_is_dir(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

uint64_t rk_file_size(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode) ? (uint64_t)s.st_size : 0;
}

char *rk_path_join(const char *dir, const char *name)
{
    const size_t a = strlen(dir), b = strlen(name);
    const bool slash = a > 0 && dir[a - 1] == '/';
    char *p = rk_malloc(a + b + 2);
    if (!p) return NULL;
    snprintf(p, a + b + 2, "%s%s%s", dir, slash ? "" : "/", name);
    return p;
}

char *rk_path_dir(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    return n == 0 ? rk_strdup(".") : rk_strndup(path, n);
}

bool rk_path_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
