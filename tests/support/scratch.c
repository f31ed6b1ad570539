#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS = 64, PATH_ROOM = 4096 };

static char folder[PATH_ROOM];
static pid_t owner;

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void remove_folder(void)
{
    if (getpid() == owner) scratch_remove(folder);
}

const char *scratch_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/ringkas-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) die(folder);
    owner = getpid();
    atexit(remove_folder);
    return folder;
}

const char *scratch_path(const char *name)
{
    static char paths[PATHS][PATH_ROOM];
    static size_t turn;
    char *path = paths[turn++ % PATHS];
    const int n = snprintf(path, PATH_ROOM, "%s/%s", scratch_dir(), name);
    if (n < 0 || n >= PATH_ROOM) die("scratch_path");
    return path;
}

const char *scratch_write(const char *name, const void *bytes, size_t length)
{
    const char *path = scratch_path(name);
    FILE *f;
    /* some file systems write a truncated file to the disk at once, a new one later */
    unlink(path);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, length, f) != length || fclose(f) != 0) die(path);
    return path;
}

size_t scratch_count(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    if (!d) die(dir);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

void scratch_remove(const char *path)
{
    struct stat s;
    if (lstat(path, &s) != 0) return;
    if (S_ISDIR(s.st_mode)) {
        const struct dirent *e;
        DIR *d = opendir(path);
        while (d && (e = readdir(d))) {
            char inner[PATH_ROOM];
            const int n = snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && n > 0 &&
                n < PATH_ROOM)
                scratch_remove(inner);
        }
        if (d) closedir(d);
        rmdir(path);
    } else {
        unlink(path);
    }
}

char *scratch_read(const char *path, size_t *length)
{
    struct stat s;
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    if (!f) return NULL;
    if (fstat(fileno(f), &s) == 0 && (data = malloc((size_t)s.st_size + 1))) {
        *length = fread(data, 1, (size_t)s.st_size, f);
        data[*length] = '\0';
    }
    fclose(f);
    return data;
}
