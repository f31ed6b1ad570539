#include "text/unicode/unicode.h"

#include <utf8proc.h>

#include "text/unicode/unicode_tables.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

unsigned rk_char_bits(const rk_char_range *range, size_t count, uint32_t cp)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (cp < range[mid].first) hi = mid;
        else if (cp > range[mid].last) lo = mid + 1;
        else return range[mid].bits;
    }
    return 0;
}

unsigned rk_char_class(uint32_t cp)
{
    return rk_char_bits(class_ranges, COUNT(class_ranges), cp);
}

uint8_t rk_char_order(uint32_t cp)
{
    return (uint8_t)rk_char_bits(order_ranges, COUNT(order_ranges), cp);
}

bool rk_char_mark_starts(uint32_t cp)
{
    return utf8proc_get_property((utf8proc_int32_t)cp)->combining_class == 0;
}

uint32_t rk_char_lower(uint32_t cp)
{
    size_t lo = 0, hi = COUNT(lower_ranges);
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const rk_lower_range *r = &lower_ranges[mid];
        if (cp < r->first) {
            hi = mid;
        } else if (cp > r->last) {
            lo = mid + 1;
        } else {
            if ((cp - r->first) % (uint32_t)r->step) return cp;
            return (uint32_t)((int32_t)cp + r->delta);
        }
    }
    return cp;
}

static bool never_decomposed(uint32_t cp)
{
    for (size_t i = 0; i < COUNT(undecomposed); i++)
        if (undecomposed[i] == cp) return true;
    return false;
}

size_t rk_char_decompose(uint32_t out[RK_DECOMPOSED_MAX], uint32_t cp)
{
    utf8proc_int32_t part[RK_DECOMPOSED_MAX];
    utf8proc_ssize_t n = 0;

    if (cp >= 0xc0 && !never_decomposed(cp))
        n = utf8proc_decompose_char((utf8proc_int32_t)cp, part, RK_DECOMPOSED_MAX,
                                    UTF8PROC_DECOMPOSE, NULL);
    if (n < 1 || n > RK_DECOMPOSED_MAX) {
        out[0] = cp;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) out[i] = (uint32_t)part[i];
    return (size_t)n;
}

bool rk_char_python_space(uint32_t cp)
{
    return (cp >= 0x1c && cp <= 0x1f) || (rk_char_class(cp) & RK_CHAR_SPACE);
}
