/* SentencePiece's table of replacements: a double array over bytes, and the replacements end to
 * end, each with a NUL behind it. The way it is asked is that of the reference tokenizer. */
#include <string.h>

#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/steps/flow.h"

enum { GRAPHEME_MAX = 6 };    /* longer ones are asked character by character */

struct rk_charsmap {
    uint32_t *unit;
    size_t units;
    char *replacement;
    size_t length;
};

void rk_charsmap_close(rk_charsmap *m)
{
    if (!m) return;
    rk_free(m->unit);
    rk_free(m->replacement);
    rk_free(m);
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool decode(rk_buffer *out, const char *text)
{
    const size_t length = strlen(text);
    size_t pad = 0;

    if (length % 4) return false;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = 0;
        char bytes[3];
        for (size_t k = 0; k < 4; k++) {
            const char c = text[i + k];
            const bool padding = c == '=' && i + 4 == length && k >= 2;
            const int digit = padding ? 0 : digit_of(c);
            if (digit < 0 || (pad && !padding)) return false;
            pad += padding;
            word = word << 6 | (uint32_t)digit;
        }
        for (int k = 0; k < 3; k++) bytes[k] = (char)(word >> (16 - 8 * k) & 0xff);
        rk_buffer_put(out, bytes, 3 - pad);
    }
    return true;
}

static uint32_t read_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

rk_status rk_charsmap_open(rk_charsmap **out, const char *base64, const char *where, rk_error *err)
{
    rk_buffer raw = {0};
    rk_charsmap *m = NULL;
    size_t bytes = 0, bad;
    rk_status st = RK_OK;

    *out = NULL;
    if (!decode(&raw, base64))
        st = rk_fail(err, RK_E_FORMAT, "%s: \"precompiled_charsmap\" is not base64", where);
    else if (raw.failed)
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    if (!st && raw.length >= 4) bytes = read_u32(raw.data);
    if (!st && (raw.length < 4 || bytes % 4 || bytes == 0 || bytes > raw.length - 4))
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: \"precompiled_charsmap\" has %zu bytes and a table of %zu; the table "
                     "must be units of 4 bytes that fit", where, raw.length, bytes);
    if (st) goto done;
    m = rk_calloc(1, sizeof *m);
    if (m) {
        m->units = bytes / 4;
        m->length = raw.length - 4 - bytes;
        m->unit = rk_calloc(m->units, sizeof *m->unit);
        m->replacement = rk_malloc(m->length + 1);
    }
    if (!m || !m->unit || !m->replacement) {
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
        goto done;
    }
    for (size_t i = 0; i < m->units; i++) m->unit[i] = read_u32(raw.data + 4 + 4 * i);
    memcpy(m->replacement, raw.data + 4 + bytes, m->length);
    m->replacement[m->length] = '\0';
    if (!rk_utf8_valid(m->replacement, m->length, &bad))
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: the replacements of \"precompiled_charsmap\" are not UTF-8 at byte %zu",
                     where, bad + 1);
done:
    rk_buffer_free(&raw);
    if (st) rk_charsmap_close(m);
    else *out = m;
    return st;
}

/* The replacement of the shortest entry that starts the text, or NULL. */
static const char *replaced(const rk_charsmap *m, const char *text, size_t length)
{
    uint32_t unit = m->unit[0];
    size_t at = (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);

    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == 0) return NULL;
        at ^= c;
        if (at >= m->units) return NULL;    /* no sound table says so */
        unit = m->unit[at];
        if ((unit & (1u << 31 | 0xff)) != c) return NULL;
        at ^= (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
        if (unit >> 8 & 1) {
            size_t value;
            if (at >= m->units) return NULL;
            value = m->unit[at] & 0x7fffffff;
            /* in the middle of a character: as above */
            if (value >= m->length || ((unsigned char)m->replacement[value] & 0xc0) == 0x80)
                return NULL;
            return m->replacement + value;
        }
    }
    return NULL;
}

/* Where the reference thinks that characters come from: what is replaced by nothing at the start of
 * a text is not stepped over. `at` is its place in the text. */
typedef struct place {
    const char *text;
    size_t length, at, first;
    bool any;            /* something is out */
} place;

static void step_on(place *p, size_t characters)
{
    while (characters-- > 0 && p->at < p->length) {
        const size_t n = rk_utf8_length(p->text + p->at, p->length - p->at);
        p->at += n ? n : 1;
    }
}

/* added: it replaces nothing, and comes from where the character before it does. */
static void put(rk_flow *out, place *p, uint32_t cp, bool added)
{
    const bool first = added ? p->at > 0 && p->at - 1 < p->first : p->at < p->first;
    rk_flow_put_char(out, cp, first);
    p->any = true;
    if (!added) step_on(p, 1);
}

static size_t characters(const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static bool put_replaced(rk_flow *out, const rk_charsmap *m, place *p, const char *text,
                         size_t length)
{
    const char *to = replaced(m, text, length);
    const size_t size = to ? strlen(to) : 0, old = characters(text, length);
    size_t done = 0;

    if (!to) return false;
    for (size_t i = 0; i < size; done++) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, to + i, size - i);
        if (n == 0) break;
        put(out, p, cp, done >= old);
        i += n;
    }
    if (done < old && p->any) step_on(p, old - done);
    return true;
}

static void put_grapheme(rk_flow *out, const rk_charsmap *m, place *p, const char *text,
                         size_t length)
{
    if (length < GRAPHEME_MAX && put_replaced(out, m, p, text, length)) return;
    for (size_t i = 0; i < length;) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        if (n == 0) break;
        if (!put_replaced(out, m, p, text + i, n)) put(out, p, cp, false);
        i += n;
    }
}

void rk_charsmap_put(rk_flow *out, const rk_charsmap *m, const char *text, size_t length,
                     size_t first)
{
    place p = {text, length, 0, first, false};
    utf8proc_int32_t state = 0;
    uint32_t before = 0;
    size_t start = 0, i = 0;

    while (i < length) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        if (n == 0) break;    /* the caller has checked; never a loop without end */
        if (i > 0 && utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                      (utf8proc_int32_t)cp, &state)) {
            put_grapheme(out, m, &p, text + start, i - start);
            start = i;
        }
        before = cp;
        i += n;
    }
    if (i > start) put_grapheme(out, m, &p, text + start, i - start);
}
