/* The four normal forms of Unicode, as the reference tokenizer's tables have them. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/steps/flow.h"
#include "text/steps/form_tables.h"
#include "text/steps/pattern_tables.h"
#include "text/unicode/unicode.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
enum { PARTS_MAX = 32, HANGUL_L = 0x1100, HANGUL_V = 0x1161, HANGUL_T = 0x11a7, HANGUL = 0xac00,
       HANGUL_LS = 19, HANGUL_VS = 21, HANGUL_TS = 28 };

unsigned rk_pattern_class(uint32_t cp)
{
    return rk_char_bits(pattern_ranges, COUNT(pattern_ranges), cp);
}

static uint8_t order_of(uint32_t cp)
{
    return cp < 0x300 ? 0 : (uint8_t)rk_char_bits(combining_ranges, COUNT(combining_ranges), cp);
}

static uint32_t compose_hangul(uint32_t a, uint32_t b)
{
    if (a >= HANGUL_L && a < HANGUL_L + HANGUL_LS && b >= HANGUL_V && b < HANGUL_V + HANGUL_VS)
        return HANGUL + ((a - HANGUL_L) * HANGUL_VS + (b - HANGUL_V)) * HANGUL_TS;
    if (a >= HANGUL && a < HANGUL + HANGUL_LS * HANGUL_VS * HANGUL_TS &&
        (a - HANGUL) % HANGUL_TS == 0 && b > HANGUL_T && b < HANGUL_T + HANGUL_TS)
        return a + (b - HANGUL_T);
    return 0;
}

/* What two characters become, or 0. */
static uint32_t compose(uint32_t a, uint32_t b)
{
    size_t lo = 0, hi = COUNT(composed_pairs);
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const rk_form_pair *p = &composed_pairs[mid];
        if (a < p->first || (a == p->first && b < p->second)) hi = mid;
        else if (a > p->first || b > p->second) lo = mid + 1;
        else return p->composed;
    }
    return compose_hangul(a, b);
}

static size_t decompose(uint32_t out[PARTS_MAX], uint32_t cp, bool compat)
{
    utf8proc_int32_t part[PARTS_MAX];
    utf8proc_ssize_t n;
    int last = 0;

    if (cp < 0xa0 || !compat || rk_char_bits(uncompat_ranges, COUNT(uncompat_ranges), cp))
        return rk_char_decompose(out, cp);
    n = utf8proc_decompose_char((utf8proc_int32_t)cp, part, PARTS_MAX,
                                UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);
    if (n < 1 || n > PARTS_MAX) return rk_char_decompose(out, cp);
    if (n == 1 && (uint32_t)part[0] == cp) return rk_char_decompose(out, cp);
    for (utf8proc_ssize_t i = 0; i < n; i++) out[i] = (uint32_t)part[i];
    return (size_t)n;
}

/* A character on its way. */
typedef struct mark {
    uint32_t cp;
    uint8_t order;
    bool first;
    size_t number;       /* keeps equal orders as they came */
} mark;

/* Decomposed characters wait here until no mark can move before them any more; composed ones,
 * until nothing can join their starter. */
typedef struct former {
    rk_flow *out;
    bool composes, failed;
    mark *waiting;       /* marks behind a starter, unsorted */
    size_t count, capacity;
    bool has_starter;
    mark starter;
    mark *behind;        /* marks that stay behind the starter */
    size_t behinds, behind_capacity;
} former;

static bool grow(mark **list, size_t *capacity, size_t count)
{
    mark *grown;
    if (count < *capacity) return true;
    grown = rk_realloc(*list, *capacity ? *capacity * 2 : 32, sizeof *grown);
    if (!grown) return false;
    *list = grown;
    *capacity = *capacity ? *capacity * 2 : 32;
    return true;
}

static void put_mark(former *f, const mark *m)
{
    rk_flow_put_char(f->out, m->cp, m->first);
}

static void flush_starter(former *f)
{
    if (f->has_starter) put_mark(f, &f->starter);
    for (size_t i = 0; i < f->behinds; i++) put_mark(f, &f->behind[i]);
    f->has_starter = false;
    f->behinds = 0;
}

/* The next character in canonical order. */
static void join(former *f, const mark *m)
{
    uint32_t joined;

    if (!f->composes) {
        put_mark(f, m);
        return;
    }
    if (f->has_starter && (f->behinds == 0 || f->behind[f->behinds - 1].order < m->order)) {
        joined = compose(f->starter.cp, m->cp);
        if (joined) {
            f->starter.cp = joined;
            return;
        }
    }
    if (m->order == 0) {
        flush_starter(f);
        f->starter = *m;
        f->has_starter = true;
    } else if (!f->has_starter) {
        put_mark(f, m);
    } else if (!grow(&f->behind, &f->behind_capacity, f->behinds)) {
        f->failed = true;
    } else {
        f->behind[f->behinds++] = *m;
    }
}

static int by_order(const void *a, const void *b)
{
    const mark *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void flush_waiting(former *f)
{
    if (f->count > 1) qsort(f->waiting, f->count, sizeof *f->waiting, by_order);
    for (size_t i = 0; i < f->count; i++) join(f, &f->waiting[i]);
    f->count = 0;
}

static void take(former *f, uint32_t cp, bool first)
{
    const mark m = {cp, order_of(cp), first, f->count};

    if (m.order == 0) {
        flush_waiting(f);
        join(f, &m);
    } else if (!grow(&f->waiting, &f->capacity, f->count)) {
        f->failed = true;
    } else {
        f->waiting[f->count++] = m;
    }
}

bool rk_form_put(rk_flow *out, rk_form form, const char *text, size_t length, size_t first)
{
    former f = {.out = out, .composes = form == RK_NFC || form == RK_NFKC};
    const bool compat = form == RK_NFKD || form == RK_NFKC;
    size_t i = 0;

    while (i < length && !f.failed) {
        uint32_t cp, part[PARTS_MAX];
        const size_t used = rk_utf8_decode(&cp, text + i, length - i);
        size_t n;
        if (used == 0) break;    /* the caller has checked; never a loop without end */
        n = decompose(part, cp, compat);
        for (size_t k = 0; k < n; k++) take(&f, part[k], i < first);
        i += used;
    }
    flush_waiting(&f);
    flush_starter(&f);
    rk_free(f.waiting);
    rk_free(f.behind);
    return !f.failed && !out->text.failed;
}
