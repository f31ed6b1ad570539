/* vocab.txt: one token a line, its id the number of the line from 0. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/note.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_parts.h"

/* The line of data at offset *at, without its end; moves *at behind it. */
static const char *next_line(const rk_map *map, size_t *at, size_t *length)
{
    const char *text = (const char *)map->data + *at;
    const char *end = memchr(text, '\n', map->size - *at);

    *length = end ? (size_t)(end - text) : map->size - *at;
    *at += *length + (end != NULL);
    if (end && *length && text[*length - 1] == '\r') --*length;
    return text;
}

static rk_status check_line(const char *text, size_t length, const char *where, rk_error *err)
{
    const char *cr = memchr(text, '\r', length), *nul = memchr(text, '\0', length);
    size_t bad;

    if (length > RK_TOKEN_BYTES_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: a token of %zu bytes; at most %d are taken", where,
                       length, RK_TOKEN_BYTES_MAX);
    if (nul)
        return rk_fail(err, RK_E_FORMAT, "%s: a NUL byte at byte %zu of the line", where,
                       (size_t)(nul - text) + 1);
    if (!rk_utf8_valid(text, length, &bad))
        return rk_fail(err, RK_E_FORMAT,
                       "%s: not valid UTF-8 at byte %zu of the line", where, bad + 1);
    if (cr)
        return rk_fail(err, RK_E_FORMAT, "%s: a carriage return inside the line at byte %zu; lines "
                       "must end with LF or CRLF", where, (size_t)(cr - text) + 1);
    return RK_OK;
}

/* Lines that a vocabulary should not have and that change ids or what is found. */
static void note_odd_lines(const rk_tokenizer *t, const char *name)
{
    char token[RK_QUOTE_SIZE];
    size_t empty = 0, first = 0;

    if (t->repeated) {
        const rk_slot *slot = &t->slot[t->repeat[0]];
        rk_note("%s:%d: token \"%s\" comes again in line %d (%zu such); the last line counts", name,
                t->repeat[0] + 1, rk_quote(token, t->names.data + slot->offset, slot->length),
                t->repeat[1] + 1, t->repeated);
    }
    for (size_t id = t->size; id-- > 0;) {
        if (t->slot[id].length) continue;
        first = id + 1;
        empty++;
    }
    if (empty)
        rk_note("%s:%zu: an empty line (%zu such); it uses up an id that no text gets", name, first,
                empty);
}

static rk_status read_lines(rk_tokenizer *t, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE], where[RK_QUOTE_SIZE + 32];
    rk_map map = {0};
    size_t at = 0, line = 0;
    rk_status st = rk_map_open(&map, path, err);

    if (st) return st;
    rk_quote(name, path, strlen(path));
    if (map.size >= 2 &&
        (memcmp(map.data, "\xff\xfe", 2) == 0 || memcmp(map.data, "\xfe\xff", 2) == 0))
        st = rk_fail(err, RK_E_FORMAT, "%s: this is UTF-16; a vocabulary must be UTF-8", name);
    if (map.size >= 3 && memcmp(map.data, "\xef\xbb\xbf", 3) == 0) {
        at = 3;
        rk_note("%s:1: a byte-order mark, which is dropped", name);
    }
    while (!st && at < map.size) {
        size_t length;
        const char *text = next_line(&map, &at, &length);
        snprintf(where, sizeof where, "%s:%zu", name, ++line);
        if (line > RK_VOCAB_MAX)
            st = rk_fail(err, RK_E_FORMAT, "%s: at most %d tokens are taken", where, RK_VOCAB_MAX);
        if (!st) st = check_line(text, length, where, err);
        if (!st) st = rk_tokenizer_put(t, (int64_t)line - 1, text, length, where, err);
    }
    if (!st) st = rk_tokenizer_index(t, name, err);
    rk_map_close(&map);
    return st;
}

rk_status rk_vocab_read(rk_tokenizer *t, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const rk_status st = read_lines(t, path, err);
    if (!st) note_odd_lines(t, rk_quote(name, path, strlen(path)));
    return st;
}

static bool equal(const rk_tokenizer *a, const rk_tokenizer *b, size_t id)
{
    const rk_slot *x = &a->slot[id], *y = &b->slot[id];
    return x->length == y->length &&
           memcmp(a->names.data + x->offset, b->names.data + y->offset, x->length) == 0;
}

rk_status rk_vocab_agrees(const rk_tokenizer *t, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE], token[RK_QUOTE_SIZE];
    rk_tokenizer *v = rk_tokenizer_new();
    size_t size;
    rk_status st;

    rk_quote(name, path, strlen(path));
    if (!v) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", name);
    st = read_lines(v, path, err);
    size = t->size > v->size ? t->size : v->size;
    for (size_t id = 0; id < size && !st; id++) {
        const bool here = id < v->size && v->slot[id].used;
        const bool there = id < t->size && t->slot[id].used;
        /* An empty line stands for an id that this format cannot hold or that is not in use. */
        if (here && v->slot[id].length == 0) continue;
        if (id < v->size && !here) continue;    /* a token that comes again further down */
        if (!here && there && !t->slot[id].model) continue;
        if (!here && !there) continue;
        if (here && there && equal(t, v, id)) continue;
        if (here)
            rk_quote(token, v->names.data + v->slot[id].offset, v->slot[id].length);
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: id %zu is %s%s%s here and another in tokenizer.json; one of "
                     "them is out of date", name, id, here ? "\"" : "no token", here ? token : "",
                     here ? "\"" : "");
    }
    rk_tokenizer_close(v);
    return st;
}
