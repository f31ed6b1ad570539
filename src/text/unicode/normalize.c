#include "text/unicode/normalize.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

/* No character grows more than threefold in bytes: Hangul (3 to 9) and musical symbols (4 to 12)
 * decompose the longest. test_normalize tries every character. */
enum { GROWTH = 3, SLACK = 16 };

/* Characters that wait because canonical ordering may put others before them. */
typedef struct waiting {
    uint32_t *cp;
    size_t count, capacity;
    bool failed;
} waiting;

void rk_normalizer_ready(rk_normalizer *n)
{
    for (uint32_t c = 0; c < 128; c++) {
        const unsigned bits = rk_char_class(c);
        uint8_t to = (uint8_t)c;
        if (n->lower) to = (uint8_t)rk_char_lower(c);
        if (n->clean && (bits & RK_CHAR_REMOVED)) to = RK_ASCII_REMOVED;
        else if (n->clean && (bits & RK_CHAR_SPACE)) to = ' ';
        n->ascii[c] = to;
    }
}

/* Room was reserved by rk_normalize. */
static void put(rk_scratch *out, const rk_normalizer *n, uint32_t cp)
{
    if (n->lower && cp == 0x130) {    /* the only letter whose lower case is two characters */
        out->data[out->length++] = 'i';
        cp = 0x307;
    } else if (n->lower) {
        cp = rk_char_lower(cp);
    }
    out->length += rk_utf8_encode(out->data + out->length, cp);
}

/* Writes what waits, by class and within a class in the order of the text. Few classes occur, so a
 * pass for each is cheaper than a sort, and linear. */
static void flush_waiting(rk_scratch *out, const rk_normalizer *n, waiting *w)
{
    bool present[256] = {false};

    for (size_t i = 0; i < w->count; i++) present[rk_char_order(w->cp[i])] = true;
    for (unsigned k = 0; k < 256; k++)
        for (size_t i = 0; present[k] && i < w->count; i++)
            if (rk_char_order(w->cp[i]) == k) put(out, n, w->cp[i]);
    w->count = 0;
}

static void flush(rk_scratch *out, const rk_normalizer *n, waiting *w)
{
    if (w->count) flush_waiting(out, n, w);
}

static void wait_for_order(waiting *w, uint32_t cp)
{
    if (w->count == w->capacity) {
        const size_t capacity = w->capacity ? w->capacity * 2 : 16;
        uint32_t *grown = rk_realloc(w->cp, capacity, sizeof *grown);
        if (!grown) {
            w->failed = true;
            return;
        }
        w->cp = grown;
        w->capacity = capacity;
    }
    w->cp[w->count++] = cp;
}

static void put_stripped(rk_scratch *out, const rk_normalizer *n, waiting *w, uint32_t cp)
{
    uint32_t part[RK_DECOMPOSED_MAX];
    const size_t count = rk_char_decompose(part, cp);

    for (size_t i = 0; i < count; i++) {
        if (rk_char_class(part[i]) & RK_CHAR_MARK) {
            if (rk_char_mark_starts(part[i])) flush(out, n, w);
        } else if (rk_char_order(part[i])) {
            wait_for_order(w, part[i]);
        } else {
            flush(out, n, w);
            put(out, n, part[i]);
        }
    }
}

static void put_character(rk_scratch *out, const rk_normalizer *n, waiting *w, uint32_t cp)
{
    const unsigned bits = rk_char_class(cp);
    const bool apart = n->han && (bits & RK_CHAR_HAN);

    if (n->clean && (bits & RK_CHAR_REMOVED)) return;
    if (n->clean && (bits & RK_CHAR_SPACE)) cp = ' ';
    if (apart) {
        flush(out, n, w);
        out->data[out->length++] = ' ';
    }
    if (n->strip) put_stripped(out, n, w, cp);
    else put(out, n, cp);
    if (apart) {
        flush(out, n, w);
        out->data[out->length++] = ' ';
    }
}

static bool reserve(rk_scratch *out, size_t length)
{
    size_t need;
    char *data;

    out->length = 0;
    if (!rk_mul(&need, length, GROWTH) || !rk_add(&need, need, SLACK)) return false;
    if (need <= out->capacity) return true;
    data = rk_realloc(out->data, need, 1);
    if (!data) return false;
    out->data = data;
    out->capacity = need;
    return true;
}

bool rk_normalize(rk_scratch *out, const rk_normalizer *n, const char *text, size_t length)
{
    waiting w = {0};
    size_t i = 0;

    if (!reserve(out, length)) return false;
    while (i < length && !w.failed) {
        const unsigned char c = (unsigned char)text[i];
        uint32_t cp;
        size_t used;
        if (c < 0x80) {
            const uint8_t to = n->ascii[c];
            i++;
            if (to == RK_ASCII_REMOVED) continue;
            flush(out, n, &w);
            out->data[out->length++] = (char)to;
            continue;
        }
        used = rk_utf8_decode(&cp, text + i, length - i);
        if (used == 0) break;    /* the caller has checked; never a loop without end */
        put_character(out, n, &w, cp);
        i += used;
    }
    flush(out, n, &w);
    rk_free(w.cp);
    return !w.failed;
}
