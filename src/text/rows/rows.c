#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/rows/rows_parts.h"
#include "text/unicode/unicode.h"

enum { LABEL_BYTES_MAX = 256, PIECE_BYTES = 4 << 20 };

static const char *columns_name(const rk_rows_loader *l)
{
    static const char *const name[] = {"text<TAB>label", "text,label",
                                       "an object with text and label"};
    return name[l->kind];
}

void rk_record_begin(rk_record *r)
{
    if (r->columns < RK_COLUMNS_SEEN) r->offset[r->columns] = r->text.length;
}

void rk_record_end(rk_record *r)
{
    if (r->columns < RK_COLUMNS_SEEN) {
        r->length[r->columns] = r->text.length - r->offset[r->columns];
        rk_buffer_put(&r->text, "", 1);
    }
    r->columns++;
}

/* ---- TSV: no quoting ---- */

static rk_status read_tsv(rk_rows_loader *l)
{
    rk_record *r = &l->rec;
    const rk_buffer *line = &l->lines->line;
    const char *text = line->data, *end = text + line->length;
    const char *cr = line->length ? memchr(text, '\r', line->length) : NULL;

    if (cr)
        return rk_fail(l->err, RK_E_FORMAT,
                       "%s:%zu: a lone carriage return at byte %zu of the line; "
                       "lines must end with LF or CRLF", l->lines->name, l->lines->number,
                       (size_t)(cr - text) + 1);
    for (;;) {
        const char *tab = text < end ? memchr(text, '\t', (size_t)(end - text)) : NULL;
        rk_record_begin(r);
        rk_buffer_put(&r->text, text, (size_t)((tab ? tab : end) - text));
        rk_record_end(r);
        if (!tab) break;
        text = tab + 1;
    }
    return RK_OK;
}

/* ---- CSV: RFC 4180 ---- */

typedef struct csv_state {
    bool quoted;        /* inside quotes */
    bool closed;        /* behind a closing quote */
    bool started;       /* the field has a first character */
    size_t opened;      /* line of the opening quote */
} csv_state;

static rk_status csv_fail(const rk_rows_loader *l, size_t line, const char *what)
{
    return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: %s", l->lines->name, line, what);
}

/* One physical line of a record; the state says afterwards whether the record goes on. */
static rk_status read_csv_line(rk_rows_loader *l, csv_state *s)
{
    rk_record *r = &l->rec;
    const char *text = l->lines->line.data;
    const size_t length = l->lines->line.length, number = l->lines->number;

    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (s->quoted) {
            if (c != '"') {
                rk_buffer_put(&r->text, &c, 1);
            } else if (i + 1 < length && text[i + 1] == '"') {
                rk_buffer_put(&r->text, "\"", 1);
                i++;
            } else {
                s->quoted = false;
                s->closed = true;
            }
        } else if (c == ',') {
            rk_record_end(r);
            rk_record_begin(r);
            s->closed = s->started = false;
        } else if (s->closed) {
            return csv_fail(l, number, "text behind a closing quote; a quote inside a field must "
                                       "be doubled");
        } else if (c == '"') {
            if (s->started)
                return csv_fail(l, number, "a quote inside a field that does not start with one; "
                                           "quote the field and double the quote");
            s->quoted = s->started = true;
            s->opened = number;
        } else if (c == '\r') {
            return csv_fail(l, number, "a lone carriage return; lines must end with LF or CRLF");
        } else {
            s->started = true;
            rk_buffer_put(&r->text, &c, 1);
        }
    }
    return RK_OK;
}

static rk_status read_csv(rk_rows_loader *l)
{
    rk_record *r = &l->rec;
    csv_state s = {0};
    rk_status st;

    rk_record_begin(r);
    st = read_csv_line(l, &s);
    while (!st && s.quoted) {
        bool more = l->lines->ended;
        if (more) {
            rk_buffer_puts(&r->text, l->lines->crlf ? "\r\n" : "\n");
            st = rk_lines_next(l->lines, &more, l->err);
            if (st) return st;
        }
        if (!more)
            return csv_fail(l, s.opened, "the quote opened here is never closed");
        if (r->text.length > RK_LINE_MAX)
            return csv_fail(l, s.opened, "the quoted field that starts here is longer than 1048576 "
                                         "bytes, the most that is taken");
        st = read_csv_line(l, &s);
    }
    if (!st) rk_record_end(r);
    return st;
}

/* ---- rows ---- */

static bool field_is(const rk_record *r, size_t column, const char *word)
{
    return column < r->columns && strcasecmp(r->text.data + r->offset[column], word) == 0;
}

/* A first line that names the columns. One column named "text" is a header in CSV, where writers
 * put one by default; in TSV it may as well be a text. */
static rk_status is_header(const rk_rows_loader *l, bool *header)
{
    const rk_record *r = &l->rec;
    const char *const *name = l->field;

    *header = false;
    if (l->kind == RK_ROWS_JSON) return RK_OK;
    *header = (r->columns == 2 && field_is(r, 0, name[0]) && field_is(r, 1, name[1])) ||
              (l->kind == RK_ROWS_CSV && r->columns == 1 && field_is(r, 0, name[0]));
    if (r->columns == 2 && field_is(r, 0, name[1]) && field_is(r, 1, name[0]))
        return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: the columns are label, text; they must be %s",
                       l->lines->name, r->line, columns_name(l));
    return RK_OK;
}

static rk_status wrong_columns(const rk_rows_loader *l, size_t wanted)
{
    const rk_record *r = &l->rec;
    const char *text = r->text.data + r->offset[0];
    const char *seen = NULL;
    const bool csv = l->kind == RK_ROWS_CSV;
    char hint[160] = "";

    if (r->columns == 1 && wanted == 2) {
        if (strchr(text, ';')) seen = "separated by semicolons";
        if (strchr(text, csv ? '\t' : ','))
            seen = csv ? "separated by tabs (name it .tsv)" : "separated by commas (name it .csv)";
        if (text[0] == '{') seen = "like JSON Lines (name it .jsonl)";
        if (seen && l->before + l->count == 0)
            snprintf(hint, sizeof hint, "; the file looks %s", seen);
    } else if (r->columns > wanted) {
        snprintf(hint, sizeof hint, csv ? "; a comma inside a text needs quotes round the field"
                                        : "; a tab inside a text must become a space");
    }
    return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: %zu column%s; %s wants %zu%s", l->lines->name,
                   r->line, r->columns, r->columns == 1 ? "" : "s",
                   wanted == 2 ? columns_name(l) : "this file, by its first row,", wanted, hint);
}

/* Nothing but white space, as Python sees it. */
static bool only_space(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        uint32_t cp;
        const size_t used = rk_utf8_decode(&cp, text + i, length - i);
        if (used == 0 || !rk_char_python_space(cp)) return false;
        i += used;
    }
    return true;
}

/* Labels are printed a line each, between tabs. */
static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return true;
    return false;
}

static rk_status check_label(const rk_rows_loader *l)
{
    const rk_record *r = &l->rec;
    const char *label = r->text.data + r->offset[1], *what = NULL;
    const size_t length = r->length[1];
    uint32_t first, last;
    size_t end = length;

    if (length == 0) what = "the label is empty; every row needs one";
    else if (length > LABEL_BYTES_MAX) what = "the label is longer than 256 bytes";
    else if (has_control(label, length)) what = "the label holds a control character";
    if (!what && rk_utf8_decode(&first, label, length)) {
        do end--;
        while (end > 0 && ((unsigned char)label[end] & 0xc0) == 0x80);
        if (rk_char_python_space(first) ||
            (rk_utf8_decode(&last, label + end, length - end) && rk_char_python_space(last)))
            what = "the label has white space around it; remove that";
    }
    return what ? rk_fail(l->err, RK_E_FORMAT, "%s:%zu: %s", l->lines->name, r->line, what) : RK_OK;
}

static rk_status no_memory(const rk_rows_loader *l)
{
    return rk_fail(l->err, RK_E_MEMORY, "%s:%zu: out of memory after %zu rows", l->lines->name,
                   l->rec.line, l->before + l->count);
}

/* The pointers of a row are offsets into `memory` until all rows are in. */
static rk_status keep(rk_rows_loader *l, int32_t label_id)
{
    const rk_record *r = &l->rec;
    rk_row *row;

    if (l->count == l->capacity) {
        const size_t capacity = l->capacity ? l->capacity * 2 : 256;
        row = rk_realloc(l->row, capacity, sizeof *row);
        if (!row) return no_memory(l);
        l->row = row;
        l->capacity = capacity;
    }
    row = &l->row[l->count];
    memset(row, 0, sizeof *row);
    row->length = r->length[0];
    row->line = r->line;
    row->label_id = label_id;
    rk_buffer_put(&l->memory, r->text.data + r->offset[0], r->length[0] + 1);
    if (l->columns == 2)
        rk_buffer_put(&l->memory, r->text.data + r->offset[1], r->length[1] + 1);
    if (l->memory.failed) return no_memory(l);
    l->count++;
    return RK_OK;
}

static rk_status take(rk_rows_loader *l)
{
    const rk_record *r = &l->rec;
    const size_t wanted = l->want_labels ? 2 : l->columns;
    int32_t id = -1;
    rk_status st;

    if (r->text.failed) return no_memory(l);
    if (wanted ? r->columns != wanted : r->columns > 2)
        return wrong_columns(l, wanted ? wanted : 2);
    l->columns = r->columns;
    if (l->columns == 2) {
        st = check_label(l);
        if (st) return st;
    }
    if (l->want_labels && only_space(r->text.data + r->offset[0], r->length[0]))
        return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: the text is empty; a labelled row needs one",
                       l->lines->name, r->line);
    if (l->labels) {
        const char *label = r->text.data + r->offset[1];
        size_t k = 0;
        while (k < l->labels->count && strcmp(l->labels->name[k], label) != 0) k++;
        if (k == l->labels->count)
            return rk_label_unknown(l->lines->name, r->line, label, l->labels, l->err);
        id = (int32_t)k;
    }
    return keep(l, id);
}

/* Blank lines at the end of a file are nothing; before a row they are empty texts where a file has
 * texts only, and a fault where it has labels. */
static rk_status take_blanks(rk_rows_loader *l)
{
    const size_t line = l->rec.line, first = l->blank_from;
    rk_record *r = &l->rec;
    rk_status st = RK_OK;

    l->blank_from = 0;
    if (first == 0) return RK_OK;
    if (l->kind == RK_ROWS_JSON || l->want_labels ||
        (l->columns ? l->columns : r->columns) != 1)
        return rk_fail(l->err, RK_E_FORMAT, "%s:%zu: an empty line between rows; %s is wanted",
                       l->lines->name, first, columns_name(l));
    for (size_t i = first; i < line && !st; i++) {
        const size_t length = r->length[0], offset = r->offset[0];
        r->length[0] = 0;
        r->offset[0] = r->text.length - 1;    /* a NUL */
        r->line = i;
        l->columns = 1;
        st = keep(l, -1);
        r->length[0] = length;
        r->offset[0] = offset;
        r->line = line;
    }
    return st;
}

static rk_status read_record(rk_rows_loader *l, bool *more)
{
    rk_record *r = &l->rec;
    rk_status st = rk_lines_next(l->lines, more, l->err);

    if (st || !*more) return st;
    r->line = l->lines->number;
    r->columns = 0;
    r->blank = l->lines->line.length == 0;
    rk_buffer_clear(&r->text);
    if (r->blank) return RK_OK;
    if (l->kind == RK_ROWS_JSON) return rk_rows_json_line(l);
    return l->kind == RK_ROWS_CSV ? read_csv(l) : read_tsv(l);
}

/* What is to be done with a record that was read. */
static rk_status place(rk_rows_loader *l, size_t max_rows)
{
    rk_status st = RK_OK;

    if (l->rec.blank) {
        if (l->blank_from == 0) l->blank_from = l->rec.line;
        return RK_OK;
    }
    if (l->rec.text.failed) return no_memory(l);
    if (!l->started) {
        l->started = true;
        st = is_header(l, &l->header);
        if (st) return st;
        if (l->header && l->blank_from == 0) return RK_OK;
    }
    /* Blank lines that are refused do not take the row behind them with them. */
    l->pending = l->blank_from != 0;
    st = take_blanks(l);
    if (st) return st;
    l->pending = false;
    return max_rows && l->count >= max_rows ? RK_OK : take(l);
}

/* Reads until there are max_rows (0: all), or, with max_bytes, so many bytes of them. */
static rk_status load(rk_rows_loader *l, size_t max_rows, size_t max_bytes)
{
    while ((max_rows == 0 || l->count < max_rows) &&
           (max_bytes == 0 || l->memory.length < max_bytes)) {
        bool more = true;
        rk_status st = RK_OK;
        if (!l->pending) st = read_record(l, &more);
        if (st) return st;
        if (!more) break;
        l->pending = false;
        st = place(l, max_rows);
        if (st) return st;
    }
    return RK_OK;
}

static rk_status no_rows(const rk_rows_loader *l)
{
    return rk_fail(l->err, RK_E_FORMAT, "%s: no rows%s; %s is wanted, one a line", l->lines->name,
                   l->header ? " behind the header" : "", columns_name(l));
}

static bool ends_with(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n >= m && strcasecmp(path + n - m, end) == 0;
}

static rk_rows_kind kind_of(const char *path)
{
    if (ends_with(path, ".csv")) return RK_ROWS_CSV;
    return ends_with(path, ".jsonl") || ends_with(path, ".ndjson") ? RK_ROWS_JSON : RK_ROWS_TSV;
}

static void point(rk_rows *rows, char *memory, size_t columns)
{
    size_t at = 0;
    for (size_t i = 0; i < rows->count; i++) {
        rk_row *row = &rows->row[i];
        row->text = memory + at;
        at += row->length + 1;
        if (columns == 2) {
            row->label = memory + at;
            at += strlen(row->label) + 1;
        }
    }
}

static rk_status check_fields(const rk_rows_loader *l)
{
    for (int i = 0; i < 2; i++)
        if (!*l->field[i] || !rk_utf8_valid(l->field[i], strlen(l->field[i]), NULL))
            return rk_fail(l->err, RK_E_ARG, "the name of the %s field is %s", i ? "label" : "text",
                           *l->field[i] ? "not valid UTF-8" : "empty");
    if (strcmp(l->field[0], l->field[1]) == 0)
        return rk_fail(l->err, RK_E_ARG, "the text field and the label field have the same name");
    return RK_OK;
}

static rk_status begin(rk_rows_loader *l, const char *path, const rk_fields *fields)
{
    rk_status st;

    l->kind = kind_of(path);
    l->field[0] = fields && fields->text ? fields->text : "text";
    l->field[1] = fields && fields->label ? fields->label : "label";
    st = check_fields(l);
    return st ? st : rk_lines_open(&l->lines, path, l->err);
}

static void end(rk_rows_loader *l)
{
    rk_lines_close(l->lines);
    rk_buffer_free(&l->memory);
    rk_buffer_free(&l->rec.text);
    rk_free(l->row);
}

/* The rows read so far, out of the loader. */
static rk_status hand_out(rk_rows **out, rk_rows_loader *l, const char *path)
{
    rk_rows *rows = rk_calloc(1, sizeof *rows);

    *out = NULL;
    if (!rows || !(rows->path = rk_strdup(path))) {
        rk_rows_free(rows);
        return rk_fail(l->err, RK_E_MEMORY, "out of memory");
    }
    rows->count = l->count;
    rows->row = l->row;
    rows->memory = rk_buffer_take(&l->memory);
    point(rows, rows->memory, l->columns);
    l->before += l->count;
    l->count = l->capacity = 0;
    l->row = NULL;
    *out = rows;
    return RK_OK;
}

rk_status rk_rows_load(rk_rows **out, const char *path, bool want_labels, size_t max_rows,
                       rk_error *err)
{
    return rk_rows_load_fields(out, path, NULL, want_labels, max_rows, err);
}

rk_status rk_rows_load_fields(rk_rows **out, const char *path, const rk_fields *fields,
                              bool want_labels, size_t max_rows, rk_error *err)
{
    rk_rows_loader l = {.want_labels = want_labels, .err = err};
    rk_status st;

    *out = NULL;
    st = begin(&l, path, fields);
    if (!st) st = load(&l, max_rows, 0);
    if (!st && l.count == 0) st = no_rows(&l);
    if (!st) st = hand_out(out, &l, path);
    end(&l);
    return st;
}

/* ---- piece by piece ---- */

struct rk_rows_stream {
    rk_rows_loader l;
    char *path;
    bool refused; /* a row was; then a file without rows has been told of */
};

rk_status rk_rows_stream_open(rk_rows_stream **out, const char *path, const rk_fields *fields,
                              const rk_labels *labels, rk_error *err)
{
    rk_rows_stream *s = rk_calloc(1, sizeof *s);
    rk_status st;

    *out = NULL;
    if (!s || !(s->path = rk_strdup(path))) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto done;
    }
    s->l.want_labels = labels != NULL;
    s->l.labels = labels;
    s->l.err = err;
    st = begin(&s->l, path, fields);
    if (st) goto done;
    *out = s;
    s = NULL;
done:
    rk_rows_stream_close(s);
    return st;
}

rk_status rk_rows_stream_next(rk_rows_stream *s, rk_rows **out, size_t count, rk_error *err)
{
    rk_status st, handed;

    *out = NULL;
    s->l.err = err;
    st = load(&s->l, count, PIECE_BYTES);
    if (!st && s->l.before + s->l.count == 0 && !s->refused) st = no_rows(&s->l);
    s->refused = s->refused || st;
    if (st && st != RK_E_FORMAT) return st;
    handed = hand_out(out, &s->l, s->path);
    return handed ? handed : st;
}

void rk_rows_stream_close(rk_rows_stream *s)
{
    if (!s) return;
    end(&s->l);
    rk_free(s->path);
    rk_free(s);
}

void rk_rows_free(rk_rows *rows)
{
    if (!rows) return;
    rk_free(rows->path);
    rk_free(rows->row);
    rk_free(rows->memory);
    rk_free(rows);
}

rk_status rk_rows_estimate(size_t *rows, const char *path, rk_error *err)
{
    rk_reader *r = NULL;
    char *bytes = rk_malloc(RK_LINE_CHUNK);
    size_t got = 1, lines = 0;
    char last = '\n';
    rk_status st = bytes ? rk_reader_open(&r, path, err)
                         : rk_fail(err, RK_E_MEMORY, "out of memory");

    while (!st && got) {
        st = rk_reader_read(r, bytes, RK_LINE_CHUNK, &got, err);
        if (st || !got) break;
        for (const char *p = bytes, *end = bytes + got;
             (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
            lines++;
        last = bytes[got - 1];
    }
    *rows = lines + (last != '\n');
    rk_reader_close(r);
    rk_free(bytes);
    return st;
}
