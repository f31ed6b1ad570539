/* JSON Lines: one object a line. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "text/rows/rows_parts.h"

/* What the value is, for messages. */
static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

static rk_status take_field(rk_rows_loader *l, const json_t *value, size_t column)
{
    rk_record *r = &l->rec;
    char name[RK_QUOTE_SIZE];

    if (!json_is_string(value))
        return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: the field \"%s\" is %s; it must be a string",
                       l->lines->name, r->line,
                       rk_quote(name, l->field[column], strlen(l->field[column])),
                       type_name(value));
    rk_record_begin(r);
    rk_buffer_put(&r->text, json_string_value(value), json_string_length(value));
    rk_record_end(r);
    return RK_OK;
}

static rk_status missing(const rk_rows_loader *l, size_t column)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(l->err, RK_E_FORMAT,
                   "%s:%zu: no field \"%s\"; every row needs one (--%s-field names another)",
                   l->lines->name, l->rec.line,
                   rk_quote(name, l->field[column], strlen(l->field[column])),
                   column ? "label" : "text");
}

static rk_status take_object(rk_rows_loader *l, const json_t *row)
{
    const json_t *text = json_object_get(row, l->field[0]);
    const json_t *label = json_object_get(row, l->field[1]);
    const bool labelled = label && !json_is_null(label);
    rk_status st;

    if (!json_is_object(row))
        return rk_fail(l->err, RK_E_FORMAT,
                       "%s:%zu: the line is %s; an object a line is wanted", l->lines->name,
                       l->rec.line, type_name(row));
    if (!text) return missing(l, 0);
    st = take_field(l, text, 0);
    if (!st && labelled) st = take_field(l, label, 1);
    if (!st && !labelled && (l->want_labels || l->columns == 2)) st = missing(l, 1);
    if (!st && labelled && l->columns == 1)
        st = rk_fail(l->err, RK_E_FORMAT,
                     "%s:%zu: a label, though the rows before have none; all or no rows need one",
                     l->lines->name, l->rec.line);
    return st;
}

/* The first thing that tells the wrong kind of file apart. */
static const char *hint(const rk_lines *lines)
{
    const char *text = lines->line.data;
    if (lines->number != 1) return "";
    if (text[0] == '[') return "; a list is not JSON Lines: put one object on each line";
    if (text[0] != '{' && strchr(text, '\t')) return "; the file looks like TSV (name it .tsv)";
    if (text[0] == '{' && !strchr(text, '}'))
        return "; each object must be on one line of its own";
    return "";
}

rk_status rk_rows_json_line(rk_rows_loader *l)
{
    const rk_lines *lines = l->lines;
    const char *text = lines->line.data;
    const size_t length = lines->line.length;
    const char *cr = memchr(text, '\r', length);
    char where[RK_QUOTE_SIZE + 32];
    json_t *row = NULL;
    rk_status st;

    if (cr)
        return rk_fail(l->err, RK_E_FORMAT,
                       "%s:%zu: a lone carriage return at byte %zu of the line; "
                       "lines must end with LF or CRLF", lines->name, lines->number,
                       (size_t)(cr - text) + 1);
    snprintf(where, sizeof where, "%s:%zu", lines->name, lines->number);
    st = rk_json_parse_line(&row, text, length, where, hint(lines), l->err);
    if (!st) st = take_object(l, row);
    json_decref(row);
    return st;
}
