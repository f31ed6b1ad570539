/* The safetensors format: eight bytes of header length, a JSON header, the bytes of the tensors
 * end to end. Stricter than the format's own reader where that one looks away (names twice,
 * control characters, rank). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/dtype_names.h"
#include "file/weights_private.h"

enum {
    LENGTH_FIELD = 8,
    HEADER_MAX = 100000000,                       /* bytes; the cap of the format's own reader */
    SOME = 1024,                                  /* more than the limit, to be counted and named */
    BRACKETS_MAX = 3 * (RK_TENSORS_MAX + SOME),   /* an entry, its shape, its offsets */
    COMMAS_EACH = 5,                              /* per bracket: 11 of 15 at rank 8 */
    METADATA_MAX = 65536                          /* values */
};

typedef struct span {
    size_t start, end, index;
} span;

typedef struct reader {
    rk_weights *w;
    span *spans;
    char path[RK_QUOTE_SIZE];
    rk_error *err;
} reader;

static rk_status tensor_fail(reader *r, const char *key, const char *what)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(r->err, RK_E_FORMAT, "%s: tensor \"%s\": %s", r->path,
                   rk_quote(name, key, strlen(key)), what);
}

static uint64_t read_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* A small header text can make a JSON tree of many times its size; a header that a reader would
 * take in the end never needs more than so many values. */
static bool too_many_values(const char *text, size_t length)
{
    size_t brackets = 0, commas = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        if (quoted) {
            if (text[i] == '\\') i++;
            else if (text[i] == '"') quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            brackets++;
        } else if (text[i] == ',') {
            commas++;
        }
    }
    return brackets > BRACKETS_MAX || commas > METADATA_MAX + COMMAS_EACH * brackets;
}

static bool read_sizes(size_t *out, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *v = json_array_get(array, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
        out[i] = (size_t)json_integer_value(v);
    }
    return true;
}

static rk_status read_shape(reader *r, rk_tensor *t, const json_t *shape)
{
    char what[96];
    if (!json_is_array(shape))
        return tensor_fail(r, t->name, "\"shape\" must be a list of whole numbers");
    if (json_array_size(shape) > RK_MAX_RANK) {
        snprintf(what, sizeof what, "%zu dimensions; at most %d are taken", json_array_size(shape),
                 RK_MAX_RANK);
        return tensor_fail(r, t->name, what);
    }
    t->rank = json_array_size(shape);
    if (!read_sizes(t->dim, shape))
        return tensor_fail(r, t->name, "\"shape\" must be a list of whole numbers below 2^63");
    return RK_OK;
}

static rk_status read_type(reader *r, rk_tensor *t, size_t *bits, const json_t *dtype)
{
    char quoted[RK_QUOTE_SIZE], what[RK_QUOTE_SIZE + 64];
    if (!json_is_string(dtype)) return tensor_fail(r, t->name, "\"dtype\" must be a string");
    if (rk_dtype_parse(&t->type, bits, json_string_value(dtype))) return RK_OK;
    snprintf(what, sizeof what, "dtype \"%s\" is not known",
             rk_quote(quoted, json_string_value(dtype), json_string_length(dtype)));
    return tensor_fail(r, t->name, what);
}

/* One entry of the header: what it says must agree with itself and with the file's size. */
static rk_status read_entry(reader *r, size_t index, const json_t *entry, const uint8_t *data,
                            size_t data_size)
{
    rk_tensor *t = &r->w->tensor[index];
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *dtype = json_object_get(entry, "dtype");
    char shape[RK_SHAPE_TEXT], what[2 * RK_SHAPE_TEXT + 160];
    size_t at[2], need, bits;
    rk_status st;

    if (!json_is_object(entry))
        return tensor_fail(r, t->name, "must be an object with dtype, shape and data_offsets");
    st = read_type(r, t, &bits, dtype);
    if (!st) st = read_shape(r, t, json_object_get(entry, "shape"));
    if (st) return st;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 || !read_sizes(at, offsets))
        return tensor_fail(r, t->name, "\"data_offsets\" must be two whole numbers below 2^63");
    rk_shape_text(shape, t->dim, t->rank);
    if (at[1] < at[0]) {
        snprintf(what, sizeof what, "data_offsets [%zu, %zu] run backwards", at[0], at[1]);
        return tensor_fail(r, t->name, what);
    }
    if (at[1] > data_size) {
        snprintf(what, sizeof what,
                 "data_offsets end at %zu but the file holds %zu bytes of data: %zu are missing, "
                 "the file is truncated", at[1], data_size, at[1] - data_size);
        return tensor_fail(r, t->name, what);
    }
    if (!rk_shape_bytes(&need, t->dim, t->rank, bits)) {
        snprintf(what, sizeof what, "shape %s of %s overflows or does not fill whole bytes", shape,
                 json_string_value(dtype));
        return tensor_fail(r, t->name, what);
    }
    if (need != at[1] - at[0]) {
        snprintf(what, sizeof what, "%zu bytes but shape %s of %s needs %zu", at[1] - at[0], shape,
                 json_string_value(dtype), need);
        return tensor_fail(r, t->name, what);
    }
    t->bytes = need;
    t->data = data + at[0];
    r->spans[index] = (span){at[0], at[1], index};
    return RK_OK;
}

static int by_place(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* No byte of the data belongs to two tensors or to none: a second file could hide there. */
static rk_status check_layout(reader *r, size_t data_size)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];
    const size_t n = r->w->count;
    size_t end = 0;

    if (n) qsort(r->spans, n, sizeof *r->spans, by_place);
    for (size_t i = 0; i < n; i++) {
        const span *s = &r->spans[i];
        const char *name = r->w->tensor[s->index].name;
        rk_quote(a, name, strlen(name));
        if (s->start < end) {
            const char *other = r->w->tensor[r->spans[i - 1].index].name;
            return rk_fail(r->err, RK_E_FORMAT,
                           "%s: tensors \"%s\" and \"%s\" overlap: one ends at %zu, the other "
                           "starts at %zu", r->path, rk_quote(b, other, strlen(other)), a, end,
                           s->start);
        }
        if (s->start > end)
            return rk_fail(r->err, RK_E_FORMAT,
                           "%s: tensor \"%s\" starts at %zu; %zu bytes before it belong to none",
                           r->path, a, s->start, s->start - end);
        end = s->end;
    }
    if (end != data_size)
        return rk_fail(r->err, RK_E_FORMAT, "%s: %zu bytes after the last tensor belong to none",
                       r->path, data_size - end);
    return RK_OK;
}

static rk_status check_metadata(const char *path, const json_t *metadata, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *key;
    json_t *v;

    if (!json_is_object(metadata))
        return rk_fail(err, RK_E_FORMAT, "%s: \"__metadata__\" must be an object of strings", path);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, v)
        if (!json_is_string(v))
            return rk_fail(err, RK_E_FORMAT, "%s: \"__metadata__\": \"%s\" must be a string",
                           path, rk_quote(name, key, strlen(key)));
    return RK_OK;
}

/* Names and their room; the metadata goes to its own place. */
static rk_status read_names(reader *r, json_t *header)
{
    rk_weights *w = r->w;
    size_t count = 0, bytes = 0;
    char *to;
    const char *key;
    json_t *v;
    rk_status st;

    json_object_foreach(header, key, v) {
        count++;
        bytes += strlen(key) + 1;
    }
    v = json_object_get(header, "__metadata__");
    if (v) {
        st = json_is_null(v) ? RK_OK : check_metadata(r->path, v, r->err);
        if (st) return st;
        if (!json_is_null(v)) w->metadata = json_incref(v);
        json_object_del(header, "__metadata__");
        count--;
    }
    if (count > RK_TENSORS_MAX)
        return rk_fail(r->err, RK_E_FORMAT, "%s: %zu tensors; at most %d are taken", r->path,
                       count, RK_TENSORS_MAX);
    st = rk_weights_reserve(w, count, bytes, r->err);
    if (st) return st;
    r->spans = rk_calloc(count, sizeof *r->spans);
    if (!r->spans) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    to = ((rk_weights_memory *)w->memory)->names;
    json_object_foreach(header, key, v) {
        const size_t n = strlen(key);
        if (!rk_tensor_name_ok(key, n))
            return tensor_fail(r, key, n > RK_TENSOR_NAME_MAX
                                           ? "the name is longer than 1024 bytes"
                                           : "the name is empty or has control characters");
        memcpy(to, key, n + 1);
        w->tensor[w->count++].name = to;
        to += n + 1;
    }
    return RK_OK;
}

static rk_status read_header(reader *r, const char *path, const uint8_t *text, size_t length,
                             size_t data_size)
{
    json_t *header = NULL, *v;
    const char *key;
    size_t i = 0;
    rk_status st;

    if (too_many_values((const char *)text, length))
        return rk_fail(r->err, RK_E_FORMAT,
                       "%s: the header has more values than %d tensors need", r->path,
                       RK_TENSORS_MAX);
    st = rk_json_parse(&header, (const char *)text, length, path, r->err);
    if (st) return st;
    if (!json_is_object(header)) {
        st = rk_fail(r->err, RK_E_FORMAT, "%s: the header must be a JSON object", r->path);
        goto done;
    }
    st = read_names(r, header);
    if (st) goto done;
    json_object_foreach(header, key, v) {
        st = read_entry(r, i++, v, text + length, data_size);
        if (st) goto done;
    }
    st = check_layout(r, data_size);
done:
    json_decref(header);
    return st;
}

rk_status rk_safetensors_open(rk_weights **out, const char *path, rk_error *err)
{
    reader r = {.w = rk_weights_new(path), .err = err};
    const rk_map *map;
    uint64_t header;
    rk_status st;

    *out = NULL;
    rk_quote(r.path, path, strlen(path));
    if (!r.w) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", r.path);
    map = &((rk_weights_memory *)r.w->memory)->map;
    st = rk_map_open(&((rk_weights_memory *)r.w->memory)->map, path, err);
    if (st) goto done;
    if (map->size < LENGTH_FIELD) {
        st = rk_fail(err, RK_E_FORMAT, "%s: %zu bytes; the header's length alone takes %d", r.path,
                     map->size, LENGTH_FIELD);
        goto done;
    }
    header = read_u64(map->data);
    if (header < 2 || header > HEADER_MAX || header > map->size - LENGTH_FIELD) {
        const rk_kind kind = rk_sniff(map->data, map->size);
        const bool other = kind != RK_KIND_SAFETENSORS && kind != RK_KIND_UNKNOWN;
        st = rk_fail(err, RK_E_FORMAT,
                     "%s: header of %llu bytes in a file of %zu; 2 to %d bytes that lie in the "
                     "file are wanted%s%s", r.path, (unsigned long long)header, map->size,
                     HEADER_MAX, other ? "; this is " : "", other ? rk_kind_text(kind) : "");
        goto done;
    }
    st = read_header(&r, path, map->data + LENGTH_FIELD, (size_t)header,
                     map->size - LENGTH_FIELD - (size_t)header);
    if (st) goto done;
    *out = r.w;
    r.w = NULL;
done:
    rk_free(r.spans);
    rk_weights_close(r.w);
    return st;
}
