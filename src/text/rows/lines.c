#include "text/rows/lines.h"

#include <string.h>

#include "base/mem.h"
#include "base/note.h"
#include "base/utf8.h"

rk_status rk_lines_open(rk_lines **out, const char *path, rk_error *err)
{
    rk_lines *l = rk_calloc(1, sizeof *l);
    rk_status st;

    *out = NULL;
    if (!l) return rk_fail(err, RK_E_MEMORY, "out of memory");
    rk_quote(l->name, path, strlen(path));
    st = rk_reader_open(&l->reader, path, err);
    if (st) rk_lines_close(l);
    else *out = l;
    return st;
}

void rk_lines_close(rk_lines *l)
{
    if (!l) return;
    rk_reader_close(l->reader);
    rk_buffer_free(&l->line);
    rk_free(l);
}

/* Appends up to the next line end to l->line; stops past the limit, whatever the file's size. */
static rk_status gather(rk_lines *l, rk_error *err)
{
    while (!l->ended && l->line.length <= RK_LINE_MAX + 1) {
        const char *end;
        size_t n;
        if (l->at == l->got) {
            const rk_status st = rk_reader_read(l->reader, l->chunk, sizeof l->chunk, &l->got, err);
            if (st) return st;
            l->at = 0;
            l->eof = l->got == 0;
            if (l->eof) return RK_OK;
        }
        end = memchr(l->chunk + l->at, '\n', l->got - l->at);
        n = end ? (size_t)(end - (l->chunk + l->at)) : l->got - l->at;
        rk_buffer_put(&l->line, l->chunk + l->at, n);
        if (l->line.failed)
            return rk_fail(err, RK_E_MEMORY, "%s:%zu: out of memory", l->name, l->number);
        l->ended = end != NULL;
        l->at += n + (end != NULL);
    }
    return RK_OK;
}

/* The rest of a line that was too long. */
static rk_status skip(rk_lines *l, rk_error *err)
{
    while (!l->eof && !l->ended) {
        rk_status st;
        rk_buffer_clear(&l->line);
        st = gather(l, err);
        if (st) return st;
    }
    return RK_OK;
}

static rk_status check(const rk_lines *l, rk_error *err)
{
    const char *text = l->line.data;
    const size_t length = l->line.length;
    const char *nul;
    size_t bad;

    if (length > RK_LINE_MAX)
        return rk_fail(err, RK_E_FORMAT,
                       "%s:%zu: the line is longer than %d bytes, the most that is "
                       "taken", l->name, l->number, RK_LINE_MAX);
    if (length == 0) return RK_OK;
    nul = memchr(text, '\0', length);
    if (nul)
        return rk_fail(err, RK_E_FORMAT,
                       "%s:%zu: a NUL byte at byte %zu of the line; text has none",
                       l->name, l->number, (size_t)(nul - text) + 1);
    if (!rk_utf8_valid(text, length, &bad))
        return rk_fail(err, RK_E_FORMAT,
                       "%s:%zu: byte %zu of the line (0x%02x) is not valid UTF-8; "
                       "convert the file to UTF-8", l->name, l->number, bad + 1,
                       (unsigned)(unsigned char)text[bad]);
    return RK_OK;
}

/* The byte order mark of a first line: UTF-8's is dropped, UTF-16's is the end. */
static rk_status byte_order_mark(rk_lines *l, rk_error *err)
{
    char *text = l->line.data;

    if (l->line.length >= 2 &&
        (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return rk_fail(err, RK_E_FORMAT,
                       "%s:1: this is UTF-16; convert the file to UTF-8", l->name);
    if (l->line.length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        memmove(text, text + 3, l->line.length - 3 + 1);
        l->line.length -= 3;
        rk_note("%s:1: a byte-order mark, which is dropped", l->name);
    }
    return RK_OK;
}

rk_status rk_lines_next(rk_lines *l, bool *more, rk_error *err)
{
    rk_status st = RK_OK;

    l->ended = false;
    if (l->cut) st = skip(l, err);
    if (st) return st;
    rk_buffer_clear(&l->line);
    l->ended = l->crlf = l->cut = false;
    *more = false;
    if (l->eof) return RK_OK;
    l->number++;
    st = gather(l, err);
    if (st) return st;
    if (l->eof && l->line.length == 0) return RK_OK;
    if (l->number == 1) {
        st = byte_order_mark(l, err);
        if (st) return st;
    }
    if (l->ended && l->line.length && l->line.data[l->line.length - 1] == '\r') {
        l->line.data[--l->line.length] = '\0';
        l->crlf = true;
    }
    l->cut = !l->ended && l->line.length > RK_LINE_MAX;
    *more = true;
    return check(l, err);
}
