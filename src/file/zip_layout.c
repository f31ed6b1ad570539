/* Sources: the .ZIP File Format Specification 6.3.9, sections 4.3 to 4.5. */
#include "file/zip_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30,
    FLAG_ENCRYPTED = 1, FLAG_DESCRIPTOR = 8, FLAG_UTF8 = 0x800,
    NAME_MAX_BYTES = 1024
};

static const uint32_t END = 0x06054b50, LOCATOR = 0x07064b50, END64 = 0x06064b50,
                      CENTRAL = 0x02014b50, LOCAL = 0x04034b50, DESCRIPTOR = 0x08074b50,
                      IN_ZIP64 = 0xffffffff;

typedef struct parser {
    const uint8_t *data;
    size_t size;
    const char *path;
    rk_error *err;
} parser;

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)get(p, 2);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get(p, 4);
}

static rk_status entry_fail(const parser *z, const rk_zip_entry *e, const char *what)
{
    char name[RK_QUOTE_SIZE];
    return rk_fail(z->err, RK_E_FORMAT, "%s: entry \"%s\": %s", z->path,
                   rk_quote(name, e->name, e->name_length), what);
}

/* What the end of the file says of the directory. */
typedef struct directory {
    uint64_t count, size, offset;
    size_t end;              /* where the first end record starts */
} directory;

static rk_status no_end(const parser *z)
{
    const size_t look = END_SIZE + 0xffff;      /* the longest comment */
    for (size_t i = z->size > look ? z->size - look : 0; i + 4 <= z->size; i++)
        if (get32(z->data + i) == END)
            return rk_fail(z->err, RK_E_FORMAT,
                           "%s: the zip's end record at byte %zu is followed by other bytes or a "
                           "comment; torch.save writes none", z->path, i);
    return rk_fail(z->err, RK_E_FORMAT,
                   "%s: the zip has no end record; the file is likely cut (a broken download)",
                   z->path);
}

static rk_status read_end64(const parser *z, directory *d, size_t locator)
{
    const uint8_t *p = z->data + locator;
    const uint64_t at = get(p + 8, 8);
    const uint8_t *q;

    if (get32(p + 4) != 0 || get32(p + 16) != 1)
        return rk_fail(z->err, RK_E_FORMAT, "%s: a zip over several disks", z->path);
    if (locator < END64_SIZE || at != locator - END64_SIZE || get32(z->data + at) != END64)
        return rk_fail(z->err, RK_E_FORMAT,
                       "%s: the zip64 locator points at byte %llu, not at the zip64 end record "
                       "before it", z->path, (unsigned long long)at);
    q = z->data + at;
    if (get(q + 4, 8) != END64_SIZE - 12 || get32(q + 16) != 0 || get32(q + 20) != 0 ||
        get(q + 24, 8) != get(q + 32, 8))
        return rk_fail(z->err, RK_E_FORMAT, "%s: the zip64 end record contradicts itself",
                       z->path);
    if ((d->count != 0xffff && d->count != get(q + 32, 8)) ||
        (d->size != IN_ZIP64 && d->size != get(q + 40, 8)) ||
        (d->offset != IN_ZIP64 && d->offset != get(q + 48, 8)))
        return rk_fail(z->err, RK_E_FORMAT, "%s: the two end records of the zip disagree",
                       z->path);
    d->count = get(q + 32, 8);
    d->size = get(q + 40, 8);
    d->offset = get(q + 48, 8);
    d->end = (size_t)at;
    return RK_OK;
}

static rk_status read_end(const parser *z, directory *d)
{
    const uint8_t *p;
    rk_status st = RK_OK;

    if (z->size < END_SIZE) return no_end(z);
    d->end = z->size - END_SIZE;
    p = z->data + d->end;
    if (get32(p) != END || get16(p + 20) != 0) return no_end(z);
    if (get16(p + 4) != 0 || get16(p + 6) != 0 || get16(p + 8) != get16(p + 10))
        return rk_fail(z->err, RK_E_FORMAT, "%s: a zip over several disks", z->path);
    d->count = get16(p + 10);
    d->size = get32(p + 12);
    d->offset = get32(p + 16);
    if (d->end >= LOCATOR_SIZE && get32(p - LOCATOR_SIZE) == LOCATOR)
        st = read_end64(z, d, d->end - LOCATOR_SIZE);
    if (st) return st;
    if (d->offset > d->end || d->size != d->end - d->offset)
        return rk_fail(z->err, RK_E_FORMAT,
                       "%s: the zip's directory is said to be %llu bytes at %llu, but it must end "
                       "at byte %zu", z->path, (unsigned long long)d->size,
                       (unsigned long long)d->offset, d->end);
    if (d->count > RK_ZIP_ENTRIES_MAX)
        return rk_fail(z->err, RK_E_FORMAT, "%s: %llu entries; at most %d are taken", z->path,
                       (unsigned long long)d->count, RK_ZIP_ENTRIES_MAX);
    if (d->count > d->size / CENTRAL_SIZE)
        return rk_fail(z->err, RK_E_FORMAT, "%s: %llu entries do not fit a directory of %llu bytes",
                       z->path, (unsigned long long)d->count, (unsigned long long)d->size);
    return RK_OK;
}

/* Sizes and offset that did not fit 32 bits stand in the extra field 0x0001, in this order and only
 * those. Local headers pass offset NULL. False when the field is malformed or lacks one. */
static bool read_extra(const uint8_t *p, size_t length, uint64_t *size, uint64_t *packed,
                       uint64_t *offset)
{
    bool want = *size == IN_ZIP64 || *packed == IN_ZIP64 || (offset && *offset == IN_ZIP64);
    while (length >= 4) {
        const size_t id = get16(p), n = get16(p + 2);
        if (n > length - 4) return false;
        if (id == 1 && want) {
            uint64_t *const fields[] = {size, packed, offset};
            size_t at = 0;
            for (size_t i = 0; i < 3; i++) {
                if (!fields[i] || *fields[i] != IN_ZIP64) continue;
                if (n - at < 8) return false;
                *fields[i] = get(p + 4 + at, 8);
                at += 8;
            }
            want = false;
        }
        p += 4 + n;
        length -= 4 + n;
    }
    return length == 0 && !want;
}

/* A relative path of plain parts: nothing that a careless reader could follow out of a folder. */
static bool name_ok(const char *name, size_t length)
{
    size_t part = 0;
    if (length == 0 || length > NAME_MAX_BYTES || !rk_utf8_valid(name, length, NULL)) return false;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && name[i] != '/') {
            if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '\\') return false;
            continue;
        }
        if (i == part || (i - part == 1 && name[part] == '.') ||
            (i - part == 2 && name[part] == '.' && name[part + 1] == '.'))
            return false;
        part = i + 1;
    }
    return true;
}

static rk_status check_flags(const parser *z, const rk_zip_entry *e, unsigned flags,
                             unsigned method)
{
    if (flags & FLAG_ENCRYPTED) return entry_fail(z, e, "is encrypted");
    if (flags & ~(unsigned)(FLAG_DESCRIPTOR | FLAG_UTF8))
        return entry_fail(z, e, "has flags that torch.save does not set");
    if (method != 0)
        return entry_fail(z, e, "is compressed; compressed entries are not written by torch.save "
                          "(a TorchScript program has them)");
    return RK_OK;
}

/* The local header must say what the directory says. */
static rk_status read_local(const parser *z, rk_zip_entry *e, unsigned flags, size_t limit)
{
    const uint8_t *p = z->data + e->header;
    uint64_t size, packed;
    size_t names, extra, left = limit - e->header;
    uint32_t crc;

    if (left < LOCAL_SIZE || get32(p) != LOCAL)
        return entry_fail(z, e, "there is no local header where the directory points");
    names = get16(p + 26);
    extra = get16(p + 28);
    left -= LOCAL_SIZE;
    if (names + extra > left) return entry_fail(z, e, "the local header runs past its end");
    if (get16(p + 6) != flags || get16(p + 8) != 0)
        return entry_fail(z, e, "flags or method differ between directory and local header");
    if (names != e->name_length || memcmp(p + LOCAL_SIZE, e->name, names) != 0)
        return entry_fail(z, e, "the name differs between directory and local header");
    crc = get32(p + 14);
    packed = get32(p + 18);
    size = get32(p + 22);
    if (!read_extra(p + LOCAL_SIZE + names, extra, &size, &packed, NULL))
        return entry_fail(z, e, "the extra field of the local header is malformed");
    /* with a descriptor behind the data the three may be left at 0 */
    if (!(flags & FLAG_DESCRIPTOR && crc == 0 && size == 0 && packed == 0) &&
        (crc != e->crc || size != e->size || packed != e->size))
        return entry_fail(z, e, "size or CRC differ between directory and local header");
    e->data = e->header + LOCAL_SIZE + names + extra;
    if (e->size > limit - e->data)
        return entry_fail(z, e, "the data run past the directory or the file's end");
    return RK_OK;
}

/* One directory record at *at; moves *at past it. */
static rk_status read_central(const parser *z, rk_zip_entry *e, size_t *at, const directory *d)
{
    const uint8_t *p = z->data + *at;
    const size_t left = d->end - *at;
    uint64_t size, packed, offset;
    size_t names, extra, comment;
    rk_status st;

    if (left < CENTRAL_SIZE || get32(p) != CENTRAL)
        return rk_fail(z->err, RK_E_FORMAT,
                       "%s: entry %zu of the zip's directory is missing at byte %zu", z->path,
                       e->index, *at);
    names = get16(p + 28);
    extra = get16(p + 30);
    comment = get16(p + 32);
    if (names + extra + comment > left - CENTRAL_SIZE)
        return rk_fail(z->err, RK_E_FORMAT,
                       "%s: entry %zu of the zip's directory runs past its end", z->path, e->index);
    e->name = (const char *)p + CENTRAL_SIZE;
    e->name_length = names;
    e->crc = get32(p + 16);
    packed = get32(p + 20);
    size = get32(p + 24);
    offset = get32(p + 42);
    if (!name_ok(e->name, names)) return entry_fail(z, e, "is not a name torch.save writes");
    st = check_flags(z, e, get16(p + 8), get16(p + 10));
    if (st) return st;
    if (get16(p + 34) != 0) return entry_fail(z, e, "lies on another disk");
    if (!read_extra(p + CENTRAL_SIZE + names, extra, &size, &packed, &offset))
        return entry_fail(z, e, "the extra field of the directory is malformed");
    if (size != packed) return entry_fail(z, e, "is stored, yet its two sizes differ");
    if (offset > d->offset || size > d->offset - offset)
        return entry_fail(z, e, "does not lie between the file's start and the directory");
    e->header = (size_t)offset;
    e->size = (size_t)size;
    *at += CENTRAL_SIZE + names + extra + comment;
    return read_local(z, e, get16(p + 8), (size_t)d->offset);
}

/* Length of the descriptor behind the data, SIZE_MAX when it says something else. */
static bool descriptor_ok(const parser *z, const rk_zip_entry *e, size_t length)
{
    const uint8_t *p = z->data + e->data + e->size;
    const int wide = length >= 20 ? 8 : 4;
    if (length == 16 || length == 24) {
        if (get32(p) != DESCRIPTOR) return false;
        p += 4;
    } else if (length != 12 && length != 20) {
        return false;
    }
    return get32(p) == e->crc && get(p + 4, wide) == e->size && get(p + 4 + wide, wide) == e->size;
}

static int by_place(const void *a, const void *b)
{
    const rk_zip_entry *x = a, *y = b;
    if (x->header != y->header) return x->header < y->header ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int compare_names(const char *a, size_t n, const char *b, size_t m)
{
    const int c = memcmp(a, b, n < m ? n : m);
    if (c != 0) return c;
    return n < m ? -1 : n > m;
}

static int by_name(const void *a, const void *b)
{
    const rk_zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_length, y->name, y->name_length);
}

/* Entries lie end to end: no byte belongs to two of them or to none. */
static rk_status check_tiling(const parser *z, rk_zip_layout *out, const directory *d)
{
    size_t at = 0;

    if (out->count) qsort(out->entry, out->count, sizeof *out->entry, by_place);
    for (size_t i = 0; i < out->count; i++) {
        const rk_zip_entry *e = &out->entry[i];
        const size_t next = i + 1 < out->count ? out->entry[i + 1].header : (size_t)d->offset;
        const size_t end = e->data + e->size;
        const bool described = get16(z->data + e->header + 6) & FLAG_DESCRIPTOR;
        if (e->header != at)
            return entry_fail(z, e, at == 0 ? "there are bytes before the first entry"
                                            : "overlaps another entry or leaves a gap before it");
        if (end > next) return entry_fail(z, e, "overlaps the next entry");
        if (described ? !descriptor_ok(z, e, next - end) : end != next)
            return entry_fail(z, e, "is not followed by the next entry, or its descriptor differs");
        at = next;
    }
    return RK_OK;
}

static rk_status check_names(const parser *z, rk_zip_layout *out)
{
    if (out->count) qsort(out->entry, out->count, sizeof *out->entry, by_name);
    for (size_t i = 1; i < out->count; i++)
        if (by_name(&out->entry[i - 1], &out->entry[i]) == 0)
            return entry_fail(z, &out->entry[i], "is there twice");
    return RK_OK;
}

rk_status rk_zip_layout_read(rk_zip_layout *out, const rk_map *map, const char *path,
                             rk_error *err)
{
    const parser z = {map->data, map->size, path, err};
    directory d = {0};
    size_t at;
    rk_status st = read_end(&z, &d);

    memset(out, 0, sizeof *out);
    if (st) return st;
    out->entry = rk_calloc((size_t)d.count, sizeof *out->entry);
    if (!out->entry) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    out->count = (size_t)d.count;
    at = (size_t)d.offset;
    for (size_t i = 0; !st && i < out->count; i++) {
        out->entry[i].index = i;
        st = read_central(&z, &out->entry[i], &at, &d);
    }
    if (!st && at != d.end)
        st = rk_fail(err, RK_E_FORMAT, "%s: the zip's directory holds more than its %zu entries",
                     path, out->count);
    if (!st) st = check_tiling(&z, out, &d);
    if (!st) st = check_names(&z, out);
    if (st) rk_zip_layout_free(out);
    return st;
}

void rk_zip_layout_free(rk_zip_layout *z)
{
    rk_free(z->entry);
    memset(z, 0, sizeof *z);
}

const rk_zip_entry *rk_zip_find(const rk_zip_layout *z, const char *name, size_t length)
{
    size_t lo = 0, hi = z->count;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const rk_zip_entry *e = &z->entry[mid];
        const int c = compare_names(name, length, e->name, e->name_length);
        if (c == 0) return e;
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}
