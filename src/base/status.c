#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Every check for NaN would be compiled away: a training that diverged would go on unseen. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Ringkas needs NaN and infinity: build without -ffast-math, -Ofast and -ffinite-math-only"
#endif

const char *rk_status_name(rk_status status)
{
    static const char *const names[] = {
        "RK_OK",       "RK_E_ARG", "RK_E_OPEN",    "RK_E_FORMAT",  "RK_E_MEMORY",
        "RK_E_OUTPUT", "RK_E_IO",  "RK_E_STOPPED", "RK_E_NUMERIC", "RK_E_UNSUPPORTED"};
    const size_t i = (size_t)status;
    return i < sizeof names / sizeof names[0] ? names[i] : "RK_E_UNKNOWN";
}

static void one_line(char *message)
{
    for (char *p = message; *p; p++)
        if (*p == '\n' || *p == '\r') *p = ' ';
}

rk_status rk_fail(rk_error *err, rk_status code, const char *format, ...)
{
    va_list args;
    if (!err) return code;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    one_line(err->message);
    return code;
}

rk_status rk_fail_prefix(rk_error *err, rk_status code, const char *format, ...)
{
    char prefix[512], old[sizeof err->message];
    va_list args;
    if (!err) return code;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(old, err->message, sizeof old);
    snprintf(err->message, sizeof err->message, "%s%.500s", prefix, old);
    one_line(err->message);
    return err->code;
}

const char *rk_quote(char out[RK_QUOTE_SIZE], const char *text, size_t length)
{
    enum { CUT = 120 };
    size_t o = 0, i = 0;
    while (i < length && i < CUT) {
        const unsigned char c = (unsigned char)text[i];
        const size_t n = rk_utf8_length(text + i, length - i);
        if (n > 1 && i + n > CUT) break;
        if (n > 1 && !(c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)) {
            memcpy(out + o, text + i, n);
            o += n;
            i += n;
        } else if (n == 1 && c >= 0x20 && c != 0x7f) {
            out[o++] = (char)c;
            i++;
        } else {
            o += (size_t)snprintf(out + o, 5, "\\x%02x", c);
            i++;
        }
    }
    if (i < length) {
        memcpy(out + o, "...", 3);
        o += 3;
    }
    out[o] = '\0';
    return out;
}
