#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

void cli_reserve_streams(void)
{
    /* The wrong direction on purpose: use of a stream that was closed must fail, as it would. */
    static const int mode[] = {O_WRONLY, O_RDONLY, O_RDWR};
    for (int fd = 0; fd < 3; fd++)
        while (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            const int got = open("/dev/null", mode[fd]);
            if (got < 0 || got == fd) break;
            close(got);
            break;
        }
}

int cli_finish(int code)
{
    const bool bad = ferror(stdout) != 0;
    if (fflush(stdout) != 0 || bad) {
        cli_error("standard output: cannot write: %s", strerror(errno ? errno : EIO));
        return code == CLI_DONE ? CLI_FAILED : code;
    }
    return code;
}

void cli_put_escaped(FILE *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        const unsigned char next = i + 1 < length ? (unsigned char)text[i + 1] : 0;
        if (c == '\t') fputs("\\t", to);
        else if (c == '\n') fputs("\\n", to);
        else if (c == '\r') fputs("\\r", to);
        else if (c == '\\') fputs("\\\\", to);
        else if (c < 0x20 || c == 0x7f) fprintf(to, "\\x%02x", c);
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {   /* U+0080..U+009F steer terminals */
            fprintf(to, "\\x%02x\\x%02x", c, next);
            i++;
        } else putc(c, to);
    }
}

bool cli_put_json(FILE *to, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (!text) {
        cli_error("out of memory");
        return false;
    }
    fputs(text, to);
    fputc('\n', to);
    free(text);
    return true;
}

json_t *cli_parse(char *text)
{
    json_error_t e;
    json_t *value = text ? json_loads(text, 0, &e) : NULL;
    if (!value) cli_error("out of memory");
    rk_string_free(text);
    return value;
}

void cli_put_card(const char *folder, const char *eval_json)
{
    rk_error err;
    if (rk_model_card(folder, eval_json, &err) && err.code != RK_E_OUTPUT) (void)cli_fail(&err);
}

bool cli_is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

bool cli_is_file_in(const char *folder, const char *name)
{
    char *path = cli_join(folder, name);
    const bool is = path && cli_is_file(path);
    free(path);
    return is;
}

char *cli_join(const char *folder, const char *name)
{
    const size_t n = strlen(folder);
    char *path = malloc(n + strlen(name) + 2);
    if (!path) {
        cli_error("out of memory");
        return NULL;
    }
    sprintf(path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    return path;
}

bool cli_make_folder(const char *path)
{
    char *copy = strdup(path);
    struct stat s;
    bool ok = copy != NULL;

    for (char *p = copy ? copy + 1 : NULL; ok && p; p++) {
        const char c = *p;
        if (c != '/' && c != '\0') continue;
        *p = '\0';
        ok = mkdir(copy, 0777) == 0 || errno == EEXIST;
        *p = c;
        if (c == '\0') break;
    }
    if (ok && (stat(path, &s) != 0 || !S_ISDIR(s.st_mode))) {
        errno = ENOTDIR;
        ok = false;
    }
    if (ok) ok = access(path, W_OK | X_OK) == 0;
    if (!ok) cli_error("%s: cannot make or write in this folder: %s", path, strerror(errno));
    free(copy);
    return ok;
}

static bool write_all(int fd, const char *text, size_t length)
{
    while (length) {
        const ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

bool cli_write_file(const char *path, const char *text)
{
    const size_t n = strlen(path) + 12;
    char *temp = malloc(n);
    const mode_t mask = umask(022);
    int fd, e;
    bool ok;

    umask(mask);
    if (!temp) {
        cli_error("out of memory");
        return false;
    }
    snprintf(temp, n, "%s.tmpXXXXXX", path);
    fd = mkstemp(temp);
    ok = fd >= 0 && write_all(fd, text, strlen(text)) && fchmod(fd, 0666 & ~mask) == 0 &&
         fsync(fd) == 0;
    e = errno;
    if (fd >= 0 && close(fd) < 0 && ok) {
        e = errno;
        ok = false;
    }
    if (ok && rename(temp, path) < 0) {
        e = errno;
        ok = false;
    }
    if (!ok) {
        if (fd >= 0) unlink(temp);
        cli_error("%s: cannot write: %s", path, strerror(e));
    }
    free(temp);
    return ok;
}

const char *cli_bytes(char out[CLI_SIZE_TEXT], double bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    size_t u = 0;
    while (bytes >= 999.5 && u < 4) {
        bytes /= 1000.0;
        u++;
    }
    snprintf(out, CLI_SIZE_TEXT, u ? bytes < 99.95 ? "%.1f %s" : "%.0f %s" : "%.0f %s", bytes,
             unit[u]);
    return out;
}
