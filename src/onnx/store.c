#include "onnx/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/note.h"
#include "base/source.h"
#include "onnx/names.h"
#include "onnx/walk.h"

/* The files of a model: 0 is its own. External ones are opened when they are read, one at a time,
 * and must still be what they were. */
struct rk_store {
    char *folder;
    rk_names *names;          /* place -> number - 1 */
    const char **place;       /* [places] */
    rk_source *own, *open;
    size_t places, opened;    /* which of them `open` is: number, 0 none */
    uint64_t *size;           /* [places] */
};

static rk_status out_of_memory(const rk_onnx *m, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
}

/* ---- marks ---- */

bool rk_tensor_stored(const Onnx__TensorProto *t)
{
    return t->n_external_data == 1 && t->external_data[0]->key &&
           strcmp(t->external_data[0]->key, RK_STORED_KEY) == 0;
}

bool rk_stored_parse(rk_stored *out, const char *value)
{
    unsigned long long file, offset, bytes;
    int type = 0;

    if (!value || sscanf(value, "%llu:%llu:%llu:%d", &file, &offset, &bytes, &type) != 4)
        return false;
    *out = (rk_stored){(size_t)file, offset, bytes, type};
    return true;
}

static Onnx__StringStringEntryProto *entry_new(const rk_stored *s)
{
    Onnx__StringStringEntryProto *e = rk_malloc(sizeof *e);
    char text[RK_STORED_SIZE];

    if (!e) return NULL;
    onnx__string_string_entry_proto__init(e);
    snprintf(text, sizeof text, "%zu:%llu:%llu:%d", s->file, (unsigned long long)s->offset,
             (unsigned long long)s->bytes, (int)s->type);
    e->key = rk_strdup(RK_STORED_KEY);
    e->value = rk_strdup(text);
    if (e->key && e->value) return e;
    rk_onnx_free(e);
    return NULL;
}

static void drop_entries(Onnx__TensorProto *t)
{
    for (size_t i = 0; i < t->n_external_data; i++) rk_onnx_free(t->external_data[i]);
    rk_free(t->external_data);
    t->external_data = NULL;
    t->n_external_data = 0;
}

/* The mark instead of what the tensor said of its place. */
static bool mark(Onnx__TensorProto *t, const rk_stored *s)
{
    Onnx__StringStringEntryProto *e = entry_new(s);
    Onnx__StringStringEntryProto **list = rk_malloc(sizeof(Onnx__StringStringEntryProto *));

    if (!e || !list) {
        if (e) rk_onnx_free(e);
        rk_free(list);
        return false;
    }
    drop_entries(t);
    list[0] = e;
    t->external_data = list;
    t->n_external_data = 1;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    return true;
}

Onnx__TensorProto *rk_tensor_stored_as(const Onnx__TensorProto *t, const char *name,
                                       int32_t data_type)
{
    Onnx__TensorProto *h = rk_malloc(sizeof *h);
    rk_stored s;

    if (!h || !rk_stored_parse(&s, t->external_data[0]->value)) {
        rk_free(h);
        return NULL;
    }
    onnx__tensor_proto__init(h);
    h->name = rk_strdup(name);
    h->dims = rk_calloc(t->n_dims ? t->n_dims : 1, sizeof *h->dims);
    h->has_data_type = 1;
    h->data_type = data_type;
    s.type = s.type ? s.type : t->data_type;
    if (s.type == data_type) s.type = 0;
    if (!h->name || !h->dims || !mark(h, &s)) {
        rk_onnx_free(h);
        return NULL;
    }
    h->n_dims = t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) h->dims[i] = t->dims[i];
    return h;
}

/* ---- reading ---- */

rk_status rk_tensor_open(rk_tensor_data *d, const rk_onnx *m, const Onnx__TensorProto *t,
                         rk_error *err)
{
    char q[RK_QUOTE_SIZE];
    const char *name = t->name ? t->name : "";
    rk_stored s;
    size_t n = 1;

    *d = (rk_tensor_data){.m = m};
    if (!rk_tensor_stored(t)) return rk_onnx_tensor(&d->view, &d->owned, t, m->shown, err);
    rk_quote(q, name, strlen(name));
    if (!m->store || !rk_stored_parse(&s, t->external_data[0]->value) ||
        s.file > m->store->places)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': its data has no place", m->shown, q);
    d->view.name = name;
    d->view.type = rk_onnx_dtype(s.type ? s.type : t->data_type);
    d->view.rank = t->n_dims;
    d->file = s.file;
    d->offset = s.offset;
    d->view.bytes = (size_t)s.bytes;
    if (d->view.type == RK_DT_NONE || t->n_dims > RK_MAX_RANK) return RK_OK;   /* only copied */
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0 || !rk_mul(&n, n, (size_t)t->dims[i]))
            return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': its dimensions overflow", m->shown,
                           q);
        d->view.dim[i] = (size_t)t->dims[i];
    }
    if (!rk_mul(&n, n, rk_dtype_size(d->view.type)) || n != s.bytes)
        return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': %llu bytes of data, %zu expected",
                       m->shown, q, (unsigned long long)s.bytes, n);
    return RK_OK;
}

static rk_status source_of(const rk_onnx *m, size_t file, rk_source **out, rk_error *err)
{
    struct rk_store *s = m->store;
    rk_status st;

    if (file == 0) {
        *out = s->own;
        return RK_OK;
    }
    if (s->opened != file) {
        rk_source_close(s->open);
        s->open = NULL;
        s->opened = 0;
        st = rk_source_open_beneath(&s->open, s->folder, s->place[file - 1], m->shown, err);
        if (st) return st;
        if (rk_source_size(s->open) != s->size[file - 1]) {
            rk_source_close(s->open);
            s->open = NULL;
            return rk_fail(err, RK_E_IO, "%s: its external data changed while it was read",
                           m->shown);
        }
        s->opened = file;
    }
    *out = s->open;
    return RK_OK;
}

rk_status rk_tensor_read(rk_tensor_data *d, void *out, size_t offset, size_t bytes, rk_error *err)
{
    rk_source *s = NULL;
    rk_status st;

    if (d->view.data) {
        memcpy(out, (const char *)d->view.data + offset, bytes);
        return RK_OK;
    }
    if (!bytes) return RK_OK;
    st = source_of(d->m, d->file, &s, err);
    return st ? st : rk_source_read(s, out, d->offset + offset, bytes, err);
}

void rk_tensor_close(rk_tensor_data *d)
{
    rk_free(d->owned);
    d->owned = NULL;
}

/* ---- what a file says of places ---- */

static rk_status bad_place(const rk_onnx *m, const Onnx__TensorProto *t, const char *what,
                           rk_error *err)
{
    char q[RK_QUOTE_SIZE];
    const char *name = t->name ? t->name : "";
    return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': %s", m->shown,
                   rk_quote(q, name, strlen(name)), what);
}

static rk_status past(const rk_onnx *m, const Onnx__TensorProto *t, const char *place,
                      uint64_t size, rk_error *err)
{
    char q[RK_QUOTE_SIZE], n[RK_QUOTE_SIZE];
    const char *name = t->name ? t->name : "";
    return rk_fail(err, RK_E_FORMAT, "%s: tensor '%s': its data would end past '%s' (%llu bytes)",
                   m->shown, rk_quote(n, name, strlen(name)), rk_quote(q, place, strlen(place)),
                   (unsigned long long)size);
}

static bool whole(uint64_t *out, const char *text)
{
    char *end;

    if (!text || *text < '0' || *text > '9' || strlen(text) > 18) return false;
    *out = strtoull(text, &end, 10);
    return *end == 0;
}

static rk_status file_number(rk_onnx *m, const char *place, size_t *out, rk_error *err)
{
    struct rk_store *s = m->store;
    bool added;
    const size_t *at = rk_names_add(s->names, place, s->places, &added);
    rk_source *f = NULL;

    if (!at) return out_of_memory(m, err);
    *out = *at + 1;
    if (!added) return RK_OK;
    const char **list = rk_realloc(s->place, s->places + 1, sizeof *s->place);
    if (list) s->place = list;
    uint64_t *size = rk_realloc(s->size, s->places + 1, sizeof *s->size);
    if (size) s->size = size;
    if (!list || !size) return out_of_memory(m, err);
    const rk_status st = rk_source_open_beneath(&f, s->folder, place, m->shown, err);
    if (st) return st;
    s->place[s->places] = rk_names_key(s->names, place);
    s->size[s->places++] = rk_source_size(f);
    m->bytes += rk_source_size(f);
    rk_source_close(f);
    return RK_OK;
}

typedef struct words {
    const char *location, *offset, *length;
} words;

static rk_status read_words(words *w, const rk_onnx *m, const Onnx__TensorProto *t, rk_error *err)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];

    *w = (words){0};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        const char *key = e->key ? e->key : "";
        const char **at = strcmp(key, "location") == 0 ? &w->location
                          : strcmp(key, "offset") == 0 ? &w->offset
                          : strcmp(key, "length") == 0 ? &w->length : NULL;
        if (strcmp(key, RK_STORED_KEY) == 0)
            return bad_place(m, t, "its external data has a key that no other tool writes", err);
        for (size_t k = 0; k < i; k++)
            if (t->external_data[k]->key && strcmp(t->external_data[k]->key, key) == 0)
                return bad_place(m, t, "its external data says a thing twice", err);
        if (at) *at = e->value ? e->value : "";
        else
            rk_note("%s: tensor '%s': '%s' of its external data is not looked at", m->shown,
                    rk_quote(a, t->name ? t->name : "", t->name ? strlen(t->name) : 0),
                    rk_quote(b, key, strlen(key)));
    }
    return w->location ? RK_OK : bad_place(m, t, "its external data has no location", err);
}

/* One external tensor as the file has it becomes a marked one. */
static rk_status adopt(rk_onnx *m, Onnx__TensorProto *t, rk_error *err)
{
    rk_tensor_data d;
    rk_stored s = {0};
    words w;
    rk_status st = read_words(&w, m, t, err);

    if (!st) st = file_number(m, w.location, &s.file, err);
    if (st) return st;
    const uint64_t size = m->store->size[s.file - 1];
    if (w.offset && !whole(&s.offset, w.offset))
        return bad_place(m, t, "the offset of its external data is no number", err);
    if (s.offset > size) return past(m, t, w.location, size, err);
    s.bytes = size - s.offset;
    if (w.length && !whole(&s.bytes, w.length))
        return bad_place(m, t, "the length of its external data is no number", err);
    if (s.bytes > size - s.offset) return past(m, t, w.location, size, err);
    if (t->has_raw_data || t->n_float_data || t->n_int32_data || t->n_int64_data ||
        t->n_double_data || t->n_uint64_data || t->n_string_data)
        return bad_place(m, t, "it has data here and in another file", err);
    if (!mark(t, &s)) return out_of_memory(m, err);
    return rk_tensor_open(&d, m, t, err);   /* the length fits the dimensions */
}

typedef struct adopting {
    rk_onnx *m;
    rk_error *err;
} adopting;

static rk_status adopt_one(Onnx__TensorProto *t, void *user)
{
    adopting *a = user;
    rk_tensor_data d;

    if (rk_tensor_stored(t)) return rk_tensor_open(&d, a->m, t, a->err);   /* our own, just cut */
    if (t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL && !t->n_external_data)
        return RK_OK;
    return adopt(a->m, t, a->err);
}

rk_status rk_store_adopt(rk_onnx *m, const char *path, rk_source *own, rk_error *err)
{
    adopting a = {m, err};
    struct rk_store *s = rk_calloc(1, sizeof *s);

    if (!s) {
        rk_source_close(own);
        return out_of_memory(m, err);
    }
    m->store = s;
    s->own = own;
    s->names = rk_names_new();
    s->folder = rk_path_dir(path);
    if (!s->names || !s->folder) return out_of_memory(m, err);
    return rk_walk_tensors(m->proto, adopt_one, &a);
}

bool rk_store_reads(const rk_onnx *m, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t n = strlen(name);
    bool same = false;

    for (size_t i = 0; m->store && i < m->store->places && !same; i++) {
        char *full = rk_path_join(m->store->folder, m->store->place[i]);
        const char *last = strrchr(m->store->place[i], '/');
        last = last ? last + 1 : m->store->place[i];
        /* Also a file that an earlier run could have made beside `path`. */
        same = !full || rk_path_same(full, path) ||
               (strncmp(last, name, n) == 0 && last[n] == '.' && strlen(last) == n + 22);
        rk_free(full);
    }
    return same;
}

size_t rk_store_files(const rk_onnx *m) { return m->store ? m->store->places : 0; }

void rk_store_close(rk_onnx *m)
{
    struct rk_store *s = m->store;

    if (!s) return;
    rk_source_close(s->own);
    rk_source_close(s->open);
    rk_names_free(s->names);
    rk_free(s->place);
    rk_free(s->size);
    rk_free(s->folder);
    rk_free(s);
    m->store = NULL;
}

/* ---- data lent ---- */

enum { LENT_MIN = 1 << 16 };

/* Only what weights are made of is lent, and readers of those expect them at any byte; the rest is
 * copied, to where its type wants it. */
static bool lendable(const Onnx__TensorProto *t, uint64_t bytes)
{
    const rk_dtype type = rk_onnx_dtype(t->data_type);
    return bytes >= LENT_MIN && t->n_dims >= 2 &&
           (type == RK_DT_F32 || type == RK_DT_F16 || type == RK_DT_BF16 || type == RK_DT_I8 ||
            type == RK_DT_U8);
}

static rk_status lend_one(Onnx__TensorProto *t, void *user)
{
    const adopting *a = user;
    const rk_map *lent = &a->m->lent;
    uint8_t *data;
    rk_stored s;

    if (!rk_tensor_stored(t)) return RK_OK;
    if (!rk_stored_parse(&s, t->external_data[0]->value) || s.file || s.type ||
        s.offset > lent->size || s.bytes > lent->size - s.offset)
        return bad_place(a->m, t, "its data has no place", a->err);
    data = (uint8_t *)(uintptr_t)lent->data + s.offset;
    if (!lendable(t, s.bytes)) {
        const uint8_t *from = data;
        data = rk_malloc((size_t)s.bytes);
        if (!data) return out_of_memory(a->m, a->err);
        memcpy(data, from, (size_t)s.bytes);
    }
    drop_entries(t);
    t->has_data_location = 0;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    t->has_raw_data = 1;
    t->raw_data.data = data;
    t->raw_data.len = (size_t)s.bytes;
    return RK_OK;
}

static rk_status give_back_one(Onnx__TensorProto *t, void *user)
{
    const rk_map *lent = user;
    const uintptr_t first = (uintptr_t)lent->data, at = (uintptr_t)t->raw_data.data;

    if (t->has_raw_data && at >= first && at - first < lent->size) {
        t->raw_data.data = NULL;
        t->raw_data.len = 0;
    }
    return RK_OK;
}

rk_status rk_store_lend(rk_onnx *m, rk_error *err)
{
    adopting a = {m, err};
    return rk_walk_tensors(m->proto, lend_one, &a);
}

void rk_store_give_back(rk_onnx *m)
{
    if (m->proto && m->lent.size) rk_walk_tensors(m->proto, give_back_one, &m->lent);
}
