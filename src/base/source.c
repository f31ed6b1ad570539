#define _GNU_SOURCE
#include "base/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { PATH_LIMIT = 4096 };

struct rk_source {
    int fd;
    char *shown;
    struct stat stat;
};

void rk_source_close(rk_source *s)
{
    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    rk_free(s->shown);
    rk_free(s);
}

/* Takes fd. */
static rk_status adopt(rk_source **out, int fd, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_source *s = rk_calloc(1, sizeof *s);

    if (!s) {
        close(fd);
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    s->fd = fd;
    s->shown = rk_strdup(rk_quote(name, path, strlen(path)));
    if (!s->shown) {
        rk_source_close(s);
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    if (fstat(fd, &s->stat) < 0 || !S_ISREG(s->stat.st_mode)) {
        const bool folder = S_ISDIR(s->stat.st_mode);
        rk_source_close(s);
        return rk_fail(err, RK_E_OPEN, "%s: %s, a regular file is wanted", name,
                       folder ? "is a folder" : "is not a file");
    }
    *out = s;
    return RK_OK;
}

rk_status rk_source_open(rk_source **out, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *out = NULL;
    if (fd < 0)
        return rk_fail(err, RK_E_OPEN, "%s: %s", rk_quote(name, path, strlen(path)),
                       strerror(errno));
    return adopt(out, fd, path, err);
}

/* The next part of a path, in `part`; false for one that must not be. */
static bool next_part(char part[256], const char **at)
{
    const size_t n = strcspn(*at, "/");

    if (n == 0 || n > 255) return false;
    memcpy(part, *at, n);
    part[n] = 0;
    *at += n;
    if (**at == '/') ++*at;
    return strcmp(part, ".") != 0 && strcmp(part, "..") != 0;
}

static bool decent(const char *relative)
{
    char part[256];
    const size_t n = strlen(relative);
    const char *at = relative;

    if (n == 0 || n > PATH_LIMIT || relative[n - 1] == '/' || strchr(relative, '\\')) return false;
    while (*at)
        if (!next_part(part, &at)) return false;
    return true;
}

rk_status rk_source_open_beneath(rk_source **out, const char *folder, const char *relative,
                                 const char *whose, rk_error *err)
{
    char part[256], name[RK_QUOTE_SIZE];
    const char *at = relative;
    int fd, next;
    rk_status st;

    *out = NULL;
    rk_quote(name, relative, strlen(relative));
    if (!decent(relative))
        return rk_fail(err, RK_E_FORMAT,
                       "%s: the place '%s' is refused; a path below the model's folder is wanted",
                       whose, name);
    fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return rk_fail(err, RK_E_OPEN, "%s: its folder: %s", whose, strerror(errno));
    while (*at) {
        next_part(part, &at);
        next = openat(fd, part, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW |
                                    (*at ? O_DIRECTORY : 0));
        const int why = errno;
        close(fd);
        if (next < 0)
            return rk_fail(err, why == ELOOP || why == ENOTDIR ? RK_E_FORMAT : RK_E_OPEN,
                           "%s: '%s': %s", whose, name,
                           why == ELOOP || why == ENOTDIR ? "leads through a link; refused"
                                                          : strerror(why));
        fd = next;
    }
    st = adopt(out, fd, relative, err);
    if (st)
        return rk_fail(err, RK_E_FORMAT, "%s: '%s' is no regular file", whose, name);
    if ((*out)->stat.st_nlink > 1) {
        rk_source_close(*out);
        *out = NULL;
        return rk_fail(err, RK_E_FORMAT, "%s: '%s' has a second name elsewhere (a hard link)",
                       whose, name);
    }
    return RK_OK;
}

uint64_t rk_source_size(const rk_source *s) { return (uint64_t)s->stat.st_size; }

rk_status rk_source_map(const rk_source *s, rk_map *map, rk_error *err)
{
    const uint64_t size = rk_source_size(s);
    void *p;

    *map = (rk_map){NULL, 0};
    if (!size) return rk_fail(err, RK_E_FORMAT, "%s: the file is empty", s->shown);
    p = size > PTRDIFF_MAX ? MAP_FAILED
                           : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, s->fd, 0);
    if (p == MAP_FAILED) return rk_fail(err, RK_E_MEMORY, "%s: cannot map the file", s->shown);
    map->data = p;
    map->size = (size_t)size;
    return RK_OK;
}

rk_status rk_source_read(const rk_source *s, void *out, uint64_t offset, size_t bytes,
                         rk_error *err)
{
    char *p = out;

    while (bytes) {
        const ssize_t n = pread(s->fd, p, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return rk_fail(err, RK_E_IO, "%s: byte %llu: %s", s->shown,
                           (unsigned long long)offset,
                           n < 0 ? strerror(errno) : "the file ended while it was read");
        p += n;
        offset += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return RK_OK;
}
