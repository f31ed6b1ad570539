#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { CHUNK = 1 << 20 };

struct rk_writer {
    int fd;
    bool standard_output;
    char *path, *temp;
    char *chunk; /* CHUNK bytes; few system calls for many small puts */
    size_t used;
};

static mode_t umask_now(void)
{
    const mode_t m = umask(022);
    umask(m);
    return m;
}

static rk_status io_fail(rk_error *err, const char *path, const char *what)
{
    char name[RK_QUOTE_SIZE];
    const int e = errno;
    return rk_fail(err, RK_E_IO, "%s: %s failed: %s", rk_quote(name, path, strlen(path)), what,
                   strerror(e));
}

static rk_status sync_folder(const char *path, rk_error *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_fail(err, path, "opening the folder");
    if (fsync(fd) < 0 && errno != EINVAL) {
        const rk_status st = io_fail(err, path, "syncing the folder");
        close(fd);
        return st;
    }
    close(fd);
    return RK_OK;
}

static void writer_free(rk_writer *w)
{
    if (!w) return;
    rk_free(w->path);
    rk_free(w->temp);
    rk_free(w->chunk);
    rk_free(w);
}

static char *temp_name(const char *path)
{
    const size_t n = strlen(path) + 16;
    char *temp = rk_malloc(n);
    size_t end = strlen(path);
    if (!temp) return NULL;
    while (end > 1 && path[end - 1] == '/') end--;
    snprintf(temp, n, "%.*s.tmp-XXXXXX", (int)end, path);
    return temp;
}

rk_status rk_writer_open(rk_writer **out, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    struct stat s;
    rk_status st = RK_OK;
    rk_writer *w = rk_calloc(1, sizeof *w);

    *out = NULL;
    rk_quote(name, path, strlen(path));
    if (!w || !(w->path = rk_strdup(path)) || !(w->temp = temp_name(path)) ||
        !(w->chunk = rk_malloc(CHUNK))) {
        writer_free(w);
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", name);
    }
    if (strcmp(path, "-") == 0) {
        w->standard_output = true;
        w->fd = STDOUT_FILENO;
    } else if (stat(path, &s) == 0 && !S_ISREG(s.st_mode)) {
        st = rk_fail(err, RK_E_OUTPUT, "%s: is not a regular file; it would not be replaced", name);
    } else {
        w->fd = mkostemp(w->temp, O_CLOEXEC);
        if (w->fd < 0)
            st = rk_fail(err, RK_E_OUTPUT, "%s: cannot write there: %s", name, strerror(errno));
    }
    if (st) {
        writer_free(w);
        return st;
    }
    *out = w;
    return RK_OK;
}

static rk_status write_all(const rk_writer *w, const char *bytes, size_t length, rk_error *err)
{
    while (length) {
        const ssize_t n = write(w->fd, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_fail(err, w->path, "writing");
        bytes += n;
        length -= (size_t)n;
    }
    return RK_OK;
}

static rk_status flush(rk_writer *w, rk_error *err)
{
    const rk_status st = write_all(w, w->chunk, w->used, err);
    w->used = 0;
    return st;
}

rk_status rk_writer_put(rk_writer *w, const void *bytes, size_t length, rk_error *err)
{
    if (length > CHUNK - w->used) {
        const rk_status st = flush(w, err);
        if (st) return st;
    }
    if (length > CHUNK) return write_all(w, bytes, length, err);
    if (length) memcpy(w->chunk + w->used, bytes, length);
    w->used += length;
    return RK_OK;
}

rk_status rk_writer_commit(rk_writer *w, rk_error *err)
{
    char *dir = NULL;
    rk_status st = flush(w, err);

    if (st) goto fail;
    if (w->standard_output) {
        writer_free(w);
        return RK_OK;
    }
    if (fchmod(w->fd, 0666 & ~umask_now()) < 0 || fsync(w->fd) < 0) {
        st = io_fail(err, w->path, "syncing");
        goto fail;
    }
    if (close(w->fd) < 0) {
        w->fd = -1;
        st = io_fail(err, w->path, "closing");
        goto fail;
    }
    w->fd = -1;
    dir = rk_path_dir(w->path);   /* what may fail comes before the rename */
    if (!dir) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto fail;
    }
    if (rename(w->temp, w->path) < 0) {
        st = io_fail(err, w->path, "renaming");
        goto fail;
    }
    st = sync_folder(dir, err);
    rk_free(dir);
    writer_free(w);
    return st;
fail:
    rk_free(dir);
    rk_writer_abort(w);
    return st;
}

rk_status rk_writer_commit_as(rk_writer *w, const char *path, rk_error *err)
{
    char *copy = rk_strdup(path);

    if (!copy) {
        rk_writer_abort(w);
        return rk_fail(err, RK_E_MEMORY, "out of memory");
    }
    rk_free(w->path);
    w->path = copy;
    return rk_writer_commit(w, err);
}

void rk_file_forget_old(const char *path, const char *keep)
{
    const char *slash = strrchr(path, '/'), *kept = strrchr(keep, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t n = strlen(name);
    char *dir = rk_path_dir(path);
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *e;

    kept = kept ? kept + 1 : keep;
    while (d && (e = readdir(d)) != NULL) {
        const char *f = e->d_name;
        if (strlen(f) != n + 22 || strncmp(f, name, n) != 0 || f[n] != '.' ||
            strspn(f + n + 1, "0123456789abcdef") != 16 || strcmp(f + n + 17, ".data") != 0 ||
            strcmp(f, kept) == 0)
            continue;
        unlinkat(dirfd(d), f, 0);
    }
    if (d) closedir(d);
    rk_free(dir);
}

void rk_writer_abort(rk_writer *w)
{
    if (!w) return;
    if (!w->standard_output) {
        if (w->fd >= 0) close(w->fd);
        unlink(w->temp);
    }
    writer_free(w);
}

rk_status rk_file_write(const char *path, const void *bytes, size_t length, rk_error *err)
{
    rk_writer *w;
    rk_status st = rk_writer_open(&w, path, err);
    if (st) return st;
    st = rk_writer_put(w, bytes, length, err);
    if (st) {
        rk_writer_abort(w);
        return st;
    }
    return rk_writer_commit(w, err);
}

rk_status rk_dir_make(const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    char *copy = rk_strdup(path);

    if (!copy) return rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_quote(name, path, strlen(path));
    for (char *p = copy + 1; copy[0]; p++) {
        const bool end = *p == '\0';
        if (*p != '/' && !end) continue;
        *p = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST) {
            const int e = errno;
            rk_free(copy);
            return rk_fail(err, RK_E_OUTPUT, "%s: cannot make the folder: %s", name, strerror(e));
        }
        if (end) break;
        *p = '/';
    }
    rk_free(copy);
    if (!rk_path_is_dir(path)) return rk_fail(err, RK_E_OUTPUT, "%s: is not a folder", name);
    if (access(path, W_OK | X_OK) < 0)
        return rk_fail(err, RK_E_OUTPUT, "%s: cannot write in this folder: %s", name,
                       strerror(errno));
    return RK_OK;
}

rk_status rk_dir_temp(char **temp, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    char *t = temp_name(path);

    *temp = NULL;
    if (!t) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!mkdtemp(t)) {
        const int e = errno;
        rk_free(t);
        return rk_fail(err, RK_E_OUTPUT, "%s: cannot write there: %s",
                       rk_quote(name, path, strlen(path)), strerror(e));
    }
    chmod(t, 0777 & ~umask_now());
    *temp = t;
    return RK_OK;
}

rk_status rk_dir_commit(const char *temp, const char *path, rk_error *err)
{
    char *away = NULL, *parent = NULL;
    rk_status st = sync_folder(temp, err);

    if (st) return st;
    parent = rk_path_dir(path);
    if (!parent) return rk_fail(err, RK_E_MEMORY, "out of memory");
    if (rk_path_exists(path)) {
        st = rk_dir_temp(&away, path, err);
        if (st) goto done;
        /* rename over an empty folder is atomic; the old content lives on under `away` until the
         * new one has its name */
        if (rename(path, away) < 0) {
            st = io_fail(err, path, "moving the old folder away");
            goto done;
        }
    }
    if (rename(temp, path) < 0) {
        st = io_fail(err, path, "renaming");
        /* where even the way back fails the old folder stays under its other name */
        if (away && rename(away, path) < 0) {
            rk_free(away);
            away = NULL;
        }
        goto done;
    }
    st = sync_folder(parent, err);
done:
    if (away) rk_dir_remove(away);
    rk_free(away);
    rk_free(parent);
    return st;
}

enum pour { LOOK, MOVE };

static rk_status pour_one(const char *temp, const char *path, const char *name, enum pour what,
                          rk_error *err)
{
    char *from = rk_path_join(temp, name), *to = rk_path_join(path, name);
    char shown[RK_QUOTE_SIZE];
    struct stat s;
    rk_status st = RK_OK;

    if (!from || !to) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
    } else if (what == LOOK) {
        if (stat(to, &s) == 0 && !S_ISREG(s.st_mode))
            st = rk_fail(err, RK_E_OUTPUT, "%s: is not a regular file; it would not be replaced",
                         rk_quote(shown, to, strlen(to)));
    } else if (rename(from, to) < 0) {
        st = io_fail(err, to, "renaming");
    }
    rk_free(from);
    rk_free(to);
    return st;
}

static rk_status pour(const char *temp, const char *path, const char *last, enum pour what,
                      rk_error *err)
{
    DIR *d = opendir(temp);
    const struct dirent *e;
    rk_status st = RK_OK;

    if (!d) return io_fail(err, temp, "opening the folder");
    while (!st && (e = readdir(d)))
        if (e->d_name[0] != '.' && strcmp(e->d_name, last) != 0)
            st = pour_one(temp, path, e->d_name, what, err);
    closedir(d);
    return st ? st : pour_one(temp, path, last, what, err);
}

/* Without the old one of it, a kill between the moves leaves no mixture of old and new files that
 * could be taken for a whole. */
static rk_status remove_file(const char *path, const char *name, rk_error *err)
{
    char *file = rk_path_join(path, name);
    rk_status st = file ? RK_OK : rk_fail(err, RK_E_MEMORY, "out of memory");

    if (!st && unlink(file) < 0 && errno != ENOENT) st = io_fail(err, file, "removing");
    if (!st) st = sync_folder(path, err);
    rk_free(file);
    return st;
}

rk_status rk_dir_pour(const char *temp, const char *path, const char *last, rk_error *err)
{
    rk_status st = sync_folder(temp, err);
    if (!st) st = pour(temp, path, last, LOOK, err);
    if (!st) st = remove_file(path, last, err);
    if (!st) st = pour(temp, path, last, MOVE, err);
    if (!st) st = sync_folder(path, err);
    if (!st) rk_dir_remove(temp);
    return st;
}

/* Depth is bounded: the library itself makes folders two deep at most. */
static void remove_tree(int at, const char *name, int depth)
{
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    if (!d) {
        if (fd >= 0) close(fd);
        return;
    }
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (unlinkat(dirfd(d), e->d_name, 0) < 0 && depth > 0)
            remove_tree(dirfd(d), e->d_name, depth - 1);
    }
    closedir(d);
    unlinkat(at, name, AT_REMOVEDIR);
}

void rk_dir_remove(const char *path)
{
    remove_tree(AT_FDCWD, path, 4);
}
