#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/note.h"
#include "base/utf8.h"

enum { FILE_MAX = 256 << 20 };

/* jansson's own limit is 2048, past what a small stack takes; this counts brackets outside strings
 * before it sees the text. */
static bool too_deep(const char *text, size_t length, size_t *at)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > RK_JSON_DEPTH) {
                *at = i;
                return true;
            }
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return false;
}

static size_t number_end(const char *text, size_t length, size_t at)
{
    while (at < length && text[at] && strchr("0123456789+-.eE", text[at])) at++;
    return at;
}

/* True for a whole number that does not fit 64 bits. */
static bool too_big(const char *number, size_t length)
{
    const bool negative = length > 0 && number[0] == '-';
    const char *limit = negative ? "9223372036854775808" : "9223372036854775807";
    if (negative) {
        number++;
        length--;
    }
    for (size_t i = 0; i < length; i++)
        if (number[i] < '0' || number[i] > '9') return false;
    return length > 19 || (length == 19 && memcmp(number, limit, 19) > 0);
}

/* Puts another form of the number into out and returns true, or leaves it as it is. */
typedef bool (*number_fn)(rk_buffer *out, const char *number, size_t length);

/* Copies JSON text; its numbers, not those in strings, pass through `change`. */
static void change_numbers(rk_buffer *out, const char *text, size_t length, number_fn change)
{
    bool quoted = false;
    size_t i = 0;
    while (i < length) {
        const char c = text[i];
        size_t end = i + 1;
        bool changed = false;
        if (quoted) {
            if (c == '\\')
                end = i + 2 < length ? i + 2 : length;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            end = number_end(text, length, i);
            changed = change(out, text + i, end - i);
        }
        if (!changed) rk_buffer_put(out, text + i, end - i);
        i = end;
    }
}

/* ".0" after a whole number that does not fit 64 bits, so that it reads as a real: files of the
 * wild hold such numbers (model_max_length) where nobody needs them. */
static bool widen(rk_buffer *out, const char *number, size_t length)
{
    if (!too_big(number, length)) return false;
    rk_buffer_put(out, number, length);
    rk_buffer_puts(out, ".0");
    return true;
}

static json_t *load(const char *text, size_t length, json_error_t *e)
{
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, e);
    rk_buffer wide = {0};

    if (value || json_error_code(e) != json_error_numeric_overflow) return value;
    change_numbers(&wide, text, length, widen);
    if (!wide.failed) value = json_loadb(wide.data, wide.length, JSON_REJECT_DUPLICATES, e);
    rk_buffer_free(&wide);
    return value;
}

/* line NULL: text is a document. */
static rk_status parse(json_t **out, const char *text, size_t length, const char *name,
                       const char *line, rk_error *err)
{
    char what[RK_QUOTE_SIZE];
    json_error_t e;
    size_t at;

    *out = NULL;
    if (!rk_utf8_valid(text, length, &at))
        return rk_fail(err, RK_E_FORMAT, "%s: not UTF-8 at byte %zu", name, at);
    if (too_deep(text, length, &at))
        return rk_fail(err, RK_E_FORMAT, "%s: nested deeper than %d at byte %zu", name,
                       RK_JSON_DEPTH, at);
    *out = load(text, length, &e);
    if (*out) return RK_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", name);
    rk_quote(what, e.text, strlen(e.text));
    if (line)
        return rk_fail(err, RK_E_FORMAT, "%s: not valid JSON at column %d: %s%s", name, e.column,
                       what, line);
    return rk_fail(err, RK_E_FORMAT, "%s:%d: not valid JSON at column %d: %s", name, e.line,
                   e.column, what);
}

rk_status rk_json_parse(json_t **out, const char *text, size_t length, const char *path,
                        rk_error *err)
{
    char name[RK_QUOTE_SIZE];

    *out = NULL;
    rk_quote(name, path, strlen(path));
    if (length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return rk_fail(err, RK_E_FORMAT, "%s: this is UTF-16; JSON must be UTF-8", name);
    return parse(out, text, length, name, NULL, err);
}

rk_status rk_json_parse_line(json_t **out, const char *text, size_t length, const char *where,
                             const char *hint, rk_error *err)
{
    return parse(out, text, length, where, hint, err);
}

rk_status rk_json_load(json_t **out, const char *path, rk_error *err)
{
    char *text;
    size_t length, at = 0;
    rk_status st = rk_file_read(&text, &length, path, FILE_MAX, err);

    *out = NULL;
    if (st) return st;
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        char name[RK_QUOTE_SIZE];
        at = 3;
        rk_note("%s:1: a byte-order mark, which is dropped", rk_quote(name, path, strlen(path)));
    }
    st = rk_json_parse(out, text + at, length - at, path, err);
    rk_free(text);
    return st;
}

static rk_status wrong(rk_error *err, const char *path, const char *key, const char *wanted)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(err, RK_E_FORMAT, "%s: \"%s\" must be %s", rk_quote(name, path, strlen(path)),
                   key, wanted);
}

static const json_t *present(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return v && !json_is_null(v) ? v : NULL;
}

rk_status rk_json_size(size_t *out, const json_t *object, const char *key, size_t min, size_t max,
                       const char *path, rk_error *err)
{
    const json_t *v = present(object, key);
    char name[RK_QUOTE_SIZE];
    size_t n = 0;
    bool ok;
    double x;

    if (!v) return RK_OK;
    if (!json_is_number(v)) return wrong(err, path, key, "a whole number");
    x = json_number_value(v);
    if (json_is_integer(v)) {
        ok = json_integer_value(v) >= 0;
        if (ok) n = (size_t)json_integer_value(v);
    } else {
        ok = x >= 0 && x < 0x1p63 && x == floor(x);
        if (ok) n = (size_t)x;
    }
    if (!ok || n < min || n > max)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: \"%s\" is %.17g; a whole number from %zu to %zu is wanted",
                       rk_quote(name, path, strlen(path)), key, x, min, max);
    *out = n;
    return RK_OK;
}

rk_status rk_json_double(double *out, const json_t *object, const char *key, double min, double max,
                         const char *path, rk_error *err)
{
    const json_t *v = present(object, key);
    char name[RK_QUOTE_SIZE];
    double x;

    if (!v) return RK_OK;
    if (!json_is_number(v)) return wrong(err, path, key, "a number");
    x = json_number_value(v);
    if (!(x >= min && x <= max))
        return rk_fail(err, RK_E_FORMAT, "%s: \"%s\" is %.17g; it must be from %g to %g",
                       rk_quote(name, path, strlen(path)), key, x, min, max);
    *out = x;
    return RK_OK;
}

rk_status rk_json_bool(bool *out, const json_t *object, const char *key, const char *path,
                       rk_error *err)
{
    const json_t *v = present(object, key);
    if (!v) return RK_OK;
    if (!json_is_boolean(v)) return wrong(err, path, key, "true or false");
    *out = json_is_true(v);
    return RK_OK;
}

rk_status rk_json_string(const char **out, const json_t *object, const char *key, const char *path,
                         rk_error *err)
{
    const json_t *v = present(object, key);
    if (!v) return RK_OK;
    if (!json_is_string(v)) return wrong(err, path, key, "a string");
    *out = json_string_value(v);
    return RK_OK;
}

const char *rk_json_real(char out[RK_REAL_SIZE], double x)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, RK_REAL_SIZE, "%.*g", digits, x);
        if (strtod(out, NULL) == x) break;
    }
    /* else it would read back as an integer */
    if (!strpbrk(out, ".e")) strcat(out, ".0");
    return out;
}

/* Reals that jansson wrote long. */
static bool shorten(rk_buffer *out, const char *number, size_t length)
{
    char real[RK_REAL_SIZE];
    if (length <= 16 || strcspn(number, ".e") >= length) return false;
    rk_buffer_puts(out, rk_json_real(real, strtod(number, NULL)));
    return true;
}

char *rk_json_text(const json_t *value, size_t indent)
{
    char *text = json_dumps(value, JSON_INDENT(indent) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
    rk_buffer out = {0};

    if (!text) return NULL;
    change_numbers(&out, text, strlen(text), shorten);
    rk_free(text);
    return rk_buffer_take(&out);
}

rk_status rk_json_save(const json_t *value, const char *path, rk_error *err)
{
    char *text = rk_json_text(value, 2);
    rk_writer *w;
    rk_status st;

    if (!text) return rk_fail(err, RK_E_MEMORY, "out of memory");
    st = rk_writer_open(&w, path, err);
    if (!st) {
        st = rk_writer_put(w, text, strlen(text), err);
        if (!st) st = rk_writer_put(w, "\n", 1, err);
        if (st)
            rk_writer_abort(w);
        else
            st = rk_writer_commit(w, err);
    }
    rk_free(text);
    return st;
}
