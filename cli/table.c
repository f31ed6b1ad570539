#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Characters, not bytes, of UTF-8: enough to line up names of labels. */
static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void cli_table_start(cli_table *t, size_t columns)
{
    memset(t, 0, sizeof *t);
    t->columns = columns;
}

void cli_table_head(cli_table *t, const char *const *head, size_t columns)
{
    cli_table_start(t, columns);
    for (size_t i = 0; i < columns; i++) cli_table_add(t, "%s", head[i]);
}

void cli_table_add(cli_table *t, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (t->cells == t->capacity) {
        const size_t more = t->capacity ? 2 * t->capacity : 64;
        char **cell = realloc(t->cell, more * sizeof *cell);
        if (!cell) {
            t->failed = true;
            return;
        }
        t->cell = cell;
        t->capacity = more;
    }
    t->cell[t->cells] = strdup(text);
    if (t->cell[t->cells]) t->cells++;
    else t->failed = true;
}

/* Numbers line up at their ends, words at their beginnings; the first row is the head. */
static bool of_numbers(const cli_table *t, size_t column)
{
    bool any = false;
    for (size_t i = column + t->columns; i < t->cells; i += t->columns) {
        const char *text = t->cell[i];
        if (*text && !strchr("-+[0123456789", *text)) return false;
        any = any || *text;
    }
    return any;
}

static void put_cell(const cli_table *t, size_t i, size_t wide, bool right, FILE *to)
{
    enum { GAP = 2 };
    const size_t c = i % t->columns, w = width(t->cell[i]);
    const int pad = wide > w ? (int)(wide - w) : 0;
    const bool last = c + 1 == t->columns;

    if (right) fprintf(to, "%*s%s", pad, "", t->cell[i]);
    else fprintf(to, "%s%*s", t->cell[i], last ? 0 : pad, "");
    if (last) fputc('\n', to);
    else fprintf(to, "%*s", GAP, "");
}

void cli_table_end(cli_table *t, FILE *to)
{
    enum { COLUMNS_MAX = 16 };
    size_t wide[COLUMNS_MAX] = {0};
    bool right[COLUMNS_MAX] = {false};

    if (t->failed) cli_error("out of memory");
    for (size_t i = 0; i < t->cells; i++) {
        const size_t c = i % t->columns, w = width(t->cell[i]);
        if (c < COLUMNS_MAX && w > wide[c]) wide[c] = w;
    }
    for (size_t c = 1; c < t->columns && c < COLUMNS_MAX; c++) right[c] = of_numbers(t, c);
    for (size_t i = 0; i < t->cells && !t->failed; i++) {
        const size_t c = i % t->columns;
        put_cell(t, i, c < COLUMNS_MAX ? wide[c] : 0, c < COLUMNS_MAX && right[c], to);
    }
    for (size_t i = 0; i < t->cells; i++) free(t->cell[i]);
    free(t->cell);
    memset(t, 0, sizeof *t);
}

static const json_t *at(const json_t *object, const char *path)
{
    char key[64];
    while (*path && object) {
        const size_t n = strcspn(path, ".");
        if (n >= sizeof key) return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        object = json_object_get(object, key);
        path += n + (path[n] == '.');
    }
    return object;
}

double cli_num(const json_t *object, const char *path)
{
    return json_number_value(at(object, path));
}

const char *cli_str(const json_t *object, const char *path)
{
    const char *s = json_string_value(at(object, path));
    return s ? s : "";
}

/* A scalar, or a list of scalars, as one cell; false when it is more than that. */
static bool scalar_text(char *out, size_t size, const json_t *v)
{
    if (json_is_string(v)) snprintf(out, size, "%s", json_string_value(v));
    else if (json_is_integer(v)) snprintf(out, size, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) snprintf(out, size, "%.6g", json_real_value(v));
    else if (json_is_boolean(v)) snprintf(out, size, "%s", json_is_true(v) ? "yes" : "no");
    else if (json_is_null(v)) snprintf(out, size, "-");
    else if (json_is_array(v)) {
        size_t used = 0;
        json_t *item;
        size_t i;
        out[0] = '\0';
        json_array_foreach(v, i, item) {
            char one[160];
            if (json_is_array(item) || !scalar_text(one, sizeof one, item)) return false;
            if (used < size)
                used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", one);
        }
    } else return false;
    return true;
}

static void put_rows(FILE *to, const char *title, const json_t *list)
{
    const json_t *first = json_array_get(list, 0);
    cli_table t;
    size_t i;
    json_t *row, *cell;
    const char *key;
    char text[480];

    fprintf(to, "\n%s\n", title);
    cli_table_start(&t, json_object_size(first));
    json_object_foreach((json_t *)(uintptr_t)first, key, cell) cli_table_add(&t, "%s", key);
    json_array_foreach(list, i, row) {
        json_object_foreach((json_t *)(uintptr_t)first, key, cell) {
            const json_t *v = json_object_get(row, key);
            cli_table_add(&t, "%s", v && scalar_text(text, sizeof text, v) ? text : "");
        }
    }
    cli_table_end(&t, to);
}

/* Fields of nested objects get dotted names; two levels are all there are. */
static void put_scalars(cli_table *t, const json_t *object, const char *prefix, int depth)
{
    const char *key;
    json_t *v;
    char text[480], name[128];

    json_object_foreach((json_t *)(uintptr_t)object, key, v) {
        snprintf(name, sizeof name, "%s%s", prefix, key);
        if (json_is_object(v) && depth < 3) {
            char inner[130];
            snprintf(inner, sizeof inner, "%s.", name);
            put_scalars(t, v, inner, depth + 1);
        } else if (!(json_is_array(v) && !json_array_size(v)) &&
                   scalar_text(text, sizeof text, v)) {
            cli_table_add(t, "%s: %s", name, text);
        }
    }
}

static void put_lists(FILE *to, const json_t *object, int depth)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)object, key, v) {
        if (json_is_array(v) && json_is_object(json_array_get(v, 0))) put_rows(to, key, v);
        else if (json_is_object(v) && depth < 3) put_lists(to, v, depth + 1);
    }
}

void cli_put_object(FILE *to, const json_t *object)
{
    cli_table t;
    cli_table_start(&t, 1);
    put_scalars(&t, object, "", 0);
    cli_table_end(&t, to);
    put_lists(to, object, 0);
}
