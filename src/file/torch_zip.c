/* What torch.save writes since 1.6: a zip of stored entries, ROOT/data.pkl and one entry of bytes
 * per storage. Our own pass over the directory finds where the bytes lie, libzip reads them and
 * their CRC, and the two must agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/mem.h"
#include "file/pickle.h"
#include "file/weights_private.h"
#include "file/zip_layout.h"

enum { PATH_ROOM = RK_QUOTE_SIZE + 32, VERSION_MAX = 10 };

typedef struct reader {
    rk_weights *w;
    rk_map map;                       /* the same that w holds */
    rk_zip_layout zip;
    zip_t *lib;
    rk_pickle pickle;
    const rk_zip_entry **held;        /* per storage of the pickle */
    bool *checked;                    /* per directory index: CRC seen right */
    const char *root;                 /* first part of every name; not NUL-terminated */
    size_t root_length;
    size_t copied;                    /* bytes of tensors put into order so far */
    bool unchecked;                   /* an entry had no CRC */
    char path[RK_QUOTE_SIZE];
    rk_error *err;
} reader;

static rk_status entry_fail(reader *r, const rk_zip_entry *e, const char *what)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(r->err, RK_E_FORMAT, "%s: entry \"%s\": %s", r->path,
                   rk_quote(name, e->name, e->name_length), what);
}

/* ---- libzip ---- */

static rk_status open_lib(reader *r)
{
    zip_error_t error;
    zip_source_t *source;

    zip_error_init(&error);
    source = zip_source_buffer_create(r->map.data, r->map.size, 0, &error);
    if (source) r->lib = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (!r->lib) {
        char what[RK_QUOTE_SIZE];
        const char *text = zip_error_strerror(&error);
        const bool memory = zip_error_code_zip(&error) == ZIP_ER_MEMORY;
        rk_fail(r->err, memory ? RK_E_MEMORY : RK_E_FORMAT, "%s: not a zip that can be read: %s",
                r->path, rk_quote(what, text, strlen(text)));
        zip_source_free(source);
        zip_error_fini(&error);
        return memory ? RK_E_MEMORY : RK_E_FORMAT;
    }
    zip_error_fini(&error);
    if (zip_get_num_entries(r->lib, 0) != (zip_int64_t)r->zip.count)
        return rk_fail(r->err, RK_E_FORMAT, "%s: readers disagree on the number of entries",
                       r->path);
    return RK_OK;
}

/* The entry's bytes as libzip reads them are those in the map, and their CRC is right. */
static rk_status check_bytes(reader *r, const rk_zip_entry *e)
{
    enum { CHUNK = 1 << 16 };
    uint8_t *chunk;
    zip_file_t *f;
    zip_int64_t n;
    size_t at = 0;
    rk_status st = RK_OK;

    if (r->checked[e->index] || e->size == 0) return RK_OK;
    if (e->crc == 0) {
        r->unchecked = true;
        return RK_OK;
    }
    chunk = rk_malloc(CHUNK);
    f = zip_fopen_index(r->lib, e->index, ZIP_FL_UNCHANGED);
    if (!chunk || !f) {
        st = chunk ? entry_fail(r, e, "cannot be opened")
                   : rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
        goto done;
    }
    while ((n = zip_fread(f, chunk, CHUNK)) > 0) {
        if ((size_t)n > e->size - at || memcmp(chunk, r->map.data + e->data + at, (size_t)n) != 0)
            break;
        at += (size_t)n;
    }
    if (n < 0) st = entry_fail(r, e, "the CRC is wrong: the file is damaged");
    else if (n > 0 || at != e->size) st = entry_fail(r, e, "readers disagree on its bytes");
    r->checked[e->index] = !st;
done:
    if (f) zip_fclose(f);
    rk_free(chunk);
    return st;
}

/* ---- the entries ---- */

/* ROOT/name, or NULL. */
static const rk_zip_entry *find(const reader *r, const char *name, size_t length)
{
    enum { ROOM = 2048 };
    char whole[ROOM];
    if (length > ROOM || r->root_length + 1 > ROOM - length) return NULL;
    memcpy(whole, r->root, r->root_length);
    whole[r->root_length] = '/';
    memcpy(whole + r->root_length + 1, name, length);
    return rk_zip_find(&r->zip, whole, r->root_length + 1 + length);
}

static bool name_is(const reader *r, const rk_zip_entry *e, const char *start)
{
    const size_t skip = r->root_length + 1, n = strlen(start);
    return e->name_length - skip >= n && memcmp(e->name + skip, start, n) == 0;
}

/* One root folder for all, and nothing that says this is more than weights. */
static rk_status check_entries(reader *r)
{
    for (size_t i = 0; i < r->zip.count; i++) {
        const rk_zip_entry *e = &r->zip.entry[i];
        const char *slash = memchr(e->name, '/', e->name_length);
        const size_t length = slash ? (size_t)(slash - e->name) : 0;
        if (i == 0) {
            r->root = e->name;
            r->root_length = length;
        }
        if (!slash || length != r->root_length || memcmp(e->name, r->root, length) != 0)
            return entry_fail(r, e, "is not in the one folder that torch.save makes; this is some "
                              "other zip");
        if (name_is(r, e, "code/") || name_is(r, e, "constants.pkl"))
            return entry_fail(r, e, "this is TorchScript, a program; save the state_dict instead");
    }
    if (!r->zip.count || !find(r, "data.pkl", 8))
        return rk_fail(r->err, RK_E_FORMAT, "%s: a zip without data.pkl; torch.save did not write "
                       "it", r->path);
    return RK_OK;
}

static rk_status check_byteorder(reader *r)
{
    const rk_zip_entry *e = find(r, "byteorder", 9);
    rk_status st;
    if (!e) return RK_OK;
    st = check_bytes(r, e);
    if (st) return st;
    if (e->size == 6 && memcmp(r->map.data + e->data, "little", 6) == 0) return RK_OK;
    return entry_fail(r, e, e->size == 3 && memcmp(r->map.data + e->data, "big", 3) == 0
                                ? "big-endian files are not read; save it on a little-endian one"
                                : "is neither little nor big");
}

static rk_status check_version(reader *r)
{
    const rk_zip_entry *e = find(r, "version", 7);
    const uint8_t *p;
    size_t n, value = 0;
    rk_status st;

    if (!e)
        return rk_fail(r->err, RK_E_FORMAT, "%s: a zip without a version; torch.save did not write "
                       "it", r->path);
    st = check_bytes(r, e);
    if (st) return st;
    p = r->map.data + e->data;
    n = e->size > 0 && p[e->size - 1] == '\n' ? e->size - 1 : e->size;
    if (n == 0 || n > 2) return entry_fail(r, e, "is not a number");
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return entry_fail(r, e, "is not a number");
        value = 10 * value + (size_t)(p[i] - '0');
    }
    if (value < 1 || value > VERSION_MAX)
        return entry_fail(r, e, "is not a version of the format that is known (1 to 10)");
    return RK_OK;
}

static rk_status read_pickle(reader *r)
{
    const rk_zip_entry *e = find(r, "data.pkl", 8);
    char where[PATH_ROOM];
    rk_status st = check_bytes(r, e);
    if (st) return st;
    snprintf(where, sizeof where, "%s: data.pkl", r->path);
    return rk_pickle_read(&r->pickle, r->map.data + e->data, e->size, where, r->err);
}

/* ---- storages ---- */

static int by_key(const void *a, const void *b)
{
    const rk_pickle_storage *x = *(const rk_pickle_storage *const *)a;
    const rk_pickle_storage *y = *(const rk_pickle_storage *const *)b;
    const size_t n = x->key_length < y->key_length ? x->key_length : y->key_length;
    const int c = memcmp(x->key, y->key, n);
    if (c != 0) return c;
    if (x->key_length != y->key_length) return x->key_length < y->key_length ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* One key, one storage: each mention must say the same. */
static rk_status check_mentions(reader *r)
{
    char name[RK_QUOTE_SIZE];
    const rk_pickle *p = &r->pickle;
    const rk_pickle_storage **order = rk_calloc(p->storages, sizeof *order);
    rk_status st = RK_OK;

    if (!order) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; i < p->storages; i++) order[i] = &p->storage[i];
    if (p->storages) qsort(order, p->storages, sizeof *order, by_key);
    for (size_t i = 1; !st && i < p->storages; i++) {
        const rk_pickle_storage *a = order[i - 1], *b = order[i];
        if (a->key_length != b->key_length || memcmp(a->key, b->key, a->key_length) != 0 ||
            (a->type == b->type && a->bytes == b->bytes))
            continue;
        st = rk_fail(r->err, RK_E_FORMAT,
                     "%s: storage \"%s\" is %zu bytes of %s in one place and %zu of %s in another",
                     r->path, rk_quote(name, a->key, a->key_length), a->bytes,
                     rk_dtype_name(a->type), b->bytes, rk_dtype_name(b->type));
    }
    rk_free(order);
    return st;
}

static rk_status find_storages(reader *r)
{
    char name[RK_QUOTE_SIZE], inner[1024];
    rk_status st = check_mentions(r);

    if (st) return st;
    r->held = rk_calloc(r->pickle.storages, sizeof *r->held);
    if (!r->held) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; i < r->pickle.storages; i++) {
        const rk_pickle_storage *s = &r->pickle.storage[i];
        const rk_zip_entry *e = NULL;
        rk_quote(name, s->key, s->key_length);
        if (s->key_length < sizeof inner - 5) {
            memcpy(inner, "data/", 5);
            memcpy(inner + 5, s->key, s->key_length);
            e = find(r, inner, 5 + s->key_length);
        }
        if (!e)
            return rk_fail(r->err, RK_E_FORMAT, "%s: the bytes of storage \"%s\" are missing",
                           r->path, name);
        if (e->size != s->bytes)
            return rk_fail(r->err, RK_E_FORMAT,
                           "%s: storage \"%s\" holds %zu bytes, the pickle says %zu", r->path,
                           name, e->size, s->bytes);
        r->held[i] = e;
    }
    return RK_OK;
}

/* ---- tensors ---- */

static bool in_order(const rk_pickle_tensor *t)
{
    size_t step = 1;
    for (size_t i = t->rank; i > 0; i--) {
        if (t->dim[i - 1] != 1 && t->stride[i - 1] != step) return false;
        step *= t->dim[i - 1];
    }
    return true;
}

/* Row by row of the last dimension; the strides were checked against the storage. */
static void copy_in_order(uint8_t *to, const uint8_t *from, const rk_pickle_tensor *t)
{
    size_t at[RK_MAX_RANK] = {0}, place = 0;
    const size_t n = t->bytes / t->item;

    for (size_t i = 0; i < n; i++) {
        memcpy(to + i * t->item, from + place * t->item, t->item);
        for (size_t d = t->rank; d > 0; d--) {
            place += t->stride[d - 1];
            if (++at[d - 1] < t->dim[d - 1]) break;
            place -= at[d - 1] * t->stride[d - 1];
            at[d - 1] = 0;
        }
    }
}

static rk_status place_data(reader *r, rk_tensor *out, const rk_pickle_tensor *t)
{
    rk_weights_memory *m = r->w->memory;
    const rk_zip_entry *e = r->held[t->storage];
    const uint8_t *from = r->map.data + e->data + t->offset * t->item;
    uint8_t *copy;
    rk_status st = check_bytes(r, e);

    if (st) return st;
    out->data = from;
    if (t->bytes == 0 || in_order(t)) return RK_OK;
    if (t->bytes > r->map.size - r->copied)
        return rk_fail(r->err, RK_E_FORMAT,
                       "%s: tensors that lie out of order hold more than the file does", r->path);
    copy = rk_malloc(t->bytes);
    if (!copy) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    copy_in_order(copy, from, t);
    r->copied += t->bytes;
    m->block[m->blocks++] = copy;
    out->data = copy;
    return RK_OK;
}

static rk_status make_tensors(reader *r)
{
    rk_weights_memory *m = r->w->memory;
    const rk_pickle *p = &r->pickle;
    size_t bytes = 0;
    char *name;
    rk_status st;

    for (size_t i = 0; i < p->entries; i++) bytes += p->entry[i].name_length + 1;
    st = rk_weights_reserve(r->w, p->entries, bytes, r->err);
    if (st) return st;
    m->block = rk_calloc(p->entries, sizeof *m->block);
    if (!m->block) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    name = m->names;
    for (size_t i = 0; !st && i < p->entries; i++) {
        const rk_pickle_tensor *t = &p->tensor[p->entry[i].tensor];
        rk_tensor *out = &r->w->tensor[r->w->count++];
        memcpy(name, p->entry[i].name, p->entry[i].name_length);
        name[p->entry[i].name_length] = '\0';
        out->name = name;
        name += p->entry[i].name_length + 1;
        out->type = t->type;
        out->rank = t->rank;
        memcpy(out->dim, t->dim, sizeof out->dim);
        out->bytes = t->bytes;
        st = place_data(r, out, t);
    }
    return st;
}

static rk_status make_note(reader *r)
{
    char note[3 * RK_QUOTE_SIZE], name[RK_QUOTE_SIZE];
    const rk_pickle *p = &r->pickle;

    if (!p->inside && !r->unchecked) return RK_OK;
    snprintf(note, sizeof note, "%s: %s%s%s%s", r->path,
             p->inside ? "the weights were taken from " : "",
             p->inside ? rk_quote(name, p->inside, p->inside_length) : "",
             p->inside && r->unchecked ? "; " : "",
             r->unchecked ? "the file was written without check sums, so damage would not show"
                          : "");
    r->w->note = rk_strdup(note);
    return r->w->note ? RK_OK : rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
}

static rk_status read_all(reader *r)
{
    rk_status st = rk_zip_layout_read(&r->zip, &r->map, r->path, r->err);
    if (!st) st = check_entries(r);
    if (st) return st;
    r->checked = rk_calloc(r->zip.count, sizeof *r->checked);
    if (!r->checked) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    st = open_lib(r);
    if (!st) st = check_byteorder(r);
    if (!st) st = check_version(r);
    if (!st) st = read_pickle(r);
    if (!st) st = find_storages(r);
    if (!st) st = make_tensors(r);
    return st ? st : make_note(r);
}

rk_status rk_torch_zip_open(rk_weights **out, const char *path, rk_error *err)
{
    reader r = {.w = rk_weights_new(path), .err = err};
    rk_status st;

    *out = NULL;
    rk_quote(r.path, path, strlen(path));
    if (!r.w) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", r.path);
    st = rk_map_open(&((rk_weights_memory *)r.w->memory)->map, path, err);
    if (st) goto done;
    r.map = ((rk_weights_memory *)r.w->memory)->map;
    if (rk_sniff(r.map.data, r.map.size) != RK_KIND_ZIP) {
        st = rk_fail(err, RK_E_FORMAT, "%s: this is %s; a PyTorch zip is wanted", r.path,
                     rk_kind_text(rk_sniff(r.map.data, r.map.size)));
        goto done;
    }
    st = read_all(&r);
    if (st) goto done;
    *out = r.w;
    r.w = NULL;
done:
    if (r.lib) zip_discard(r.lib);
    rk_pickle_free(&r.pickle);
    rk_zip_layout_free(&r.zip);
    rk_free(r.held);
    rk_free(r.checked);
    rk_weights_close(r.w);
    return st;
}
