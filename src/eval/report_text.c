#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/report_parts.h"

enum { LONG = 24 };    /* bytes of a name that a narrow column can take */

static const char DASH[] = "\xe2\x80\x93";
static const char NO_BREAK[] = "\xc2\xa0";

/* ---- fields ---- */

double rk_page_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

double rk_page_item(const json_t *object, const char *key, size_t i)
{
    const json_t *v = json_array_get(json_object_get(object, key), i);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

const char *rk_page_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

const json_t *rk_page_part(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_array_size(v) || json_object_size(v) ? v : NULL;
}

/* ---- text ---- */

/* Characters that HTML refuses or a reader cannot see: controls, the non-characters. */
static bool hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp & 0xfffe) == 0xfffe ||
           (cp >= 0xfdd0 && cp <= 0xfdef);
}

/* breaks: lines may break after punctuation of paths and before the ending of a file's name. */
static void put_escaped(rk_buffer *b, const char *text, bool breaks)
{
    static const char wbr[] = "<wbr/>";
    const size_t length = strlen(text);

    for (size_t i = 0; i < length;) {
        uint32_t cp = 0;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        if (n == 0) {
            rk_buffer_puts(b, "&#xFFFD;");
            i++;
            continue;
        }
        if (breaks && i > 0 && cp == '.') rk_buffer_puts(b, wbr);
        if (cp == '&') rk_buffer_puts(b, "&amp;");
        else if (cp == '<') rk_buffer_puts(b, "&lt;");
        else if (cp == '>') rk_buffer_puts(b, "&gt;");
        else if (cp == '"') rk_buffer_puts(b, "&quot;");
        else if (cp == '\'') rk_buffer_puts(b, "&#39;");
        else if (cp == '\t' || cp == '\n') rk_buffer_puts(b, " ");
        else if (hidden(cp)) rk_buffer_puts(b, "&#xFFFD;");
        else rk_buffer_put(b, text + i, n);
        i += n;
        if (breaks && i < length && (cp == '_' || cp == '/' || cp == '-')) rk_buffer_puts(b, wbr);
    }
}

void rk_page_escape(rk_buffer *b, const char *text)
{
    put_escaped(b, text, false);
}

void rk_page_name(rk_buffer *b, const char *text)
{
    /* Longer ones may break anywhere; breaking a short one would only look bad. */
    rk_buffer_puts(b, strlen(text) > LONG ? "<bdi class=\"long\">" : "<bdi>");
    put_escaped(b, text, true);
    rk_buffer_puts(b, "</bdi>");
}

static const char *const precisions[][2] = {
    { "fp32", "FP32" }, { "fp16", "FP16" }, { "bf16", "BF16" }, { "int8", "INT8" },
};

static const char *known_precision(const char *name)
{
    for (size_t i = 0; name && i < sizeof precisions / sizeof *precisions; i++)
        if (!strcmp(name, precisions[i][0])) return precisions[i][1];
    return NULL;
}

void rk_page_precision(rk_buffer *b, const char *name)
{
    const char *known = known_precision(name);
    if (known) rk_buffer_puts(b, known);
    else if (name) rk_page_name(b, name);
    else rk_buffer_puts(b, DASH);
}

void rk_page_precision_plain(rk_buffer *b, const char *name)
{
    const char *known = known_precision(name);
    if (name) rk_page_escape(b, known ? known : name);
    else rk_buffer_puts(b, DASH);
}

bool rk_page_fell_back(const json_t *result)
{
    const char *name = rk_page_string(result, "name");
    const char *ran = rk_page_string(json_object_get(result, "eval"), "precision_ran");
    return known_precision(name) && known_precision(ran) && strcmp(name, ran) != 0;
}

/* ---- numbers ---- */

/* The sign (a real minus), then whole and fraction; group: commas between thousands. */
static void put_number(rk_buffer *b, double x, int decimals, bool group)
{
    char digits[32];
    double scaled = fabs(x);
    unsigned long long n, ten = 1;
    size_t at = sizeof digits, count = 0;

    for (int i = 0; i < decimals; i++) ten *= 10;
    scaled = round(scaled * (double)ten);
    if (!(scaled < 1e18)) {    /* NAN, or past what the report's checks let through */
        rk_buffer_puts(b, DASH);
        return;
    }
    n = (unsigned long long)scaled;
    if (x < 0 && n > 0) rk_buffer_puts(b, "\xe2\x88\x92");
    if (decimals > 0) {
        for (int i = 0; i < decimals; i++, n /= 10) digits[--at] = (char)('0' + n % 10);
        digits[--at] = '.';
    }
    do {
        if (group && count && count % 3 == 0 && at > 1) digits[--at] = ',';
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
        count++;
    } while (n && at > 0);
    rk_buffer_put(b, digits + at, sizeof digits - at);
}

void rk_page_fixed(rk_buffer *b, double x, int decimals)
{
    put_number(b, x, decimals, false);
}

void rk_page_count(rk_buffer *b, double x)
{
    put_number(b, x, 0, true);
}

void rk_page_percent(rk_buffer *b, double share)
{
    put_number(b, share * 100.0, 1, false);
    if (!isnan(share)) rk_buffer_puts(b, "%");
}

void rk_page_points(rk_buffer *b, double share)
{
    put_number(b, share * 100.0, 1, false);
}

void rk_page_bytes(rk_buffer *b, double bytes)
{
    static const char *const unit[] = { "kB", "MB", "GB", "TB" };
    size_t u = 0;
    double x = bytes / 1e3;

    while (x >= 999.95 && u + 1 < sizeof unit / sizeof *unit) {
        x /= 1e3;
        u++;
    }
    put_number(b, x, 1, false);
    if (!isnan(bytes)) rk_buffer_printf(b, "%s%s", NO_BREAK, unit[u]);
}

void rk_page_short(rk_buffer *b, double x)
{
    const double size = fabs(x);
    put_number(b, x, size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.1 ? 2 : 3, true);
}

void rk_page_seconds(rk_buffer *b, double seconds)
{
    double whole;

    if (isnan(seconds) || seconds < 0) {
        rk_buffer_puts(b, DASH);
    } else if (seconds < 59.95) {
        put_number(b, seconds, 1, false);
        rk_buffer_printf(b, "%ss", NO_BREAK);
    } else if (seconds < 3599.5) {
        whole = round(seconds);
        put_number(b, floor(whole / 60), 0, false);
        rk_buffer_printf(b, "%smin%s", NO_BREAK, NO_BREAK);
        put_number(b, fmod(whole, 60), 0, false);
        rk_buffer_printf(b, "%ss", NO_BREAK);
    } else {
        whole = round(seconds / 60);
        put_number(b, floor(whole / 60), 0, true);
        rk_buffer_printf(b, "%sh%s", NO_BREAK, NO_BREAK);
        put_number(b, fmod(whole, 60), 0, false);
        rk_buffer_printf(b, "%smin", NO_BREAK);
    }
}

void rk_page_p(rk_buffer *b, double p)
{
    rk_buffer_puts(b, "<i>p</i>");
    if (p < 0.001) {
        rk_buffer_printf(b, "%s&lt;%s0.001", NO_BREAK, NO_BREAK);
        return;
    }
    rk_buffer_printf(b, "%s=%s", NO_BREAK, NO_BREAK);
    put_number(b, p, p < 0.1 ? 3 : 2, false);
}

void rk_page_some(rk_buffer *b, double n, const char *one, const char *many)
{
    rk_page_count(b, n);
    rk_buffer_printf(b, "%s%s", NO_BREAK, n == 1.0 ? one : many);
}
