#include "file/weights.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/note.h"
#include "base/utf8.h"
#include "file/shards.h"
#include "file/weights_private.h"

rk_weights *rk_weights_new(const char *path)
{
    rk_weights *w = rk_calloc(1, sizeof *w);
    if (!w) return NULL;
    w->path = rk_strdup(path);
    w->memory = rk_calloc(1, sizeof(rk_weights_memory));
    if (!w->path || !w->memory) {
        rk_weights_close(w);
        return NULL;
    }
    return w;
}

rk_status rk_weights_reserve(rk_weights *w, size_t count, size_t name_bytes, rk_error *err)
{
    rk_weights_memory *m = w->memory;
    w->tensor = rk_calloc(count, sizeof *w->tensor);
    m->names = rk_malloc(name_bytes);
    if (!w->tensor || !m->names)
        return rk_fail(err, RK_E_MEMORY, "out of memory for %zu tensors", count);
    return RK_OK;
}

void rk_weights_close(rk_weights *w)
{
    rk_weights_memory *m;
    if (!w) return;
    m = w->memory;
    if (m) {
        for (size_t i = 0; i < m->parts; i++) rk_weights_close(m->part[i]);
        for (size_t i = 0; i < m->blocks; i++) rk_free(m->block[i]);
        rk_free(m->part);
        rk_free(m->block);
        rk_free(m->names);
        rk_map_close(&m->map);
        rk_free(m);
    }
    json_decref(w->metadata);
    rk_free(w->note);
    rk_free(w->tensor);
    rk_free(w->path);
    rk_free(w);
}

void rk_weights_forget(const rk_weights *w, const void *end)
{
    const rk_weights_memory *m = w->memory;
    const uintptr_t from = (uintptr_t)m->map.data, to = (uintptr_t)end;
    /* shards and copies lie elsewhere */
    if (m->map.data && to >= from && to - from <= m->map.size) rk_map_forget(&m->map, to - from);
}

const rk_tensor *rk_weights_find(const rk_weights *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->tensor[i].name, name) == 0) return &w->tensor[i];
    return NULL;
}

bool rk_tensor_name_ok(const char *name, size_t length)
{
    if (length == 0 || length > RK_TENSOR_NAME_MAX) return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return rk_utf8_valid(name, length, NULL);
}

bool rk_shape_bytes(size_t *bytes, const size_t *dim, size_t rank, size_t item_bits)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        if (!rk_mul(&n, n, dim[i])) return false;
    if (!rk_mul(&n, n, item_bits) || n % 8 != 0) return false;
    *bytes = n / 8;
    return true;
}

const char *rk_shape_text(char out[RK_SHAPE_TEXT], const size_t *dim, size_t rank)
{
    size_t o = 0;
    out[o++] = '[';
    for (size_t i = 0; i < rank && i < RK_MAX_RANK; i++)
        o += (size_t)snprintf(out + o, RK_SHAPE_TEXT - o, "%s%zu", i ? ", " : "", dim[i]);
    out[o++] = ']';
    out[o] = '\0';
    return out;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The kind that the file's name promises, RK_KIND_UNKNOWN when it promises none. */
static rk_kind promised(const char *path)
{
    if (ends_with(path, ".safetensors")) return RK_KIND_SAFETENSORS;
    if (ends_with(path, ".index.json")) return RK_KIND_JSON;
    if (ends_with(path, ".bin") || ends_with(path, ".pt") || ends_with(path, ".pth"))
        return RK_KIND_ZIP;
    return RK_KIND_UNKNOWN;
}

rk_status rk_weights_open(rk_weights **out, const char *path, rk_error *err)
{
    const rk_kind want = promised(path);
    char name[RK_QUOTE_SIZE];
    rk_map map;
    rk_kind kind;
    rk_status st = rk_map_open(&map, path, err);

    *out = NULL;
    if (st) return st;
    kind = rk_sniff(map.data, map.size);
    rk_map_close(&map);
    rk_quote(name, path, strlen(path));
    if (want != RK_KIND_UNKNOWN && kind != want &&
        (kind == RK_KIND_SAFETENSORS || kind == RK_KIND_ZIP || kind == RK_KIND_JSON))
        return rk_fail(err, RK_E_FORMAT, "%s: this is %s, not what the file's name says; rename it",
                       name, rk_kind_text(kind));
    switch (kind) {
    case RK_KIND_SAFETENSORS:
        st = rk_safetensors_open(out, path, err);
        break;
    case RK_KIND_ZIP:
        st = rk_torch_zip_open(out, path, err);
        break;
    case RK_KIND_JSON:
        st = rk_shards_open(out, path, err);
        break;
    default:
        /* a damaged start of the kind that the name promises: its own reader says more */
        if (kind == RK_KIND_UNKNOWN && want == RK_KIND_SAFETENSORS)
            return rk_safetensors_open(out, path, err);
        return rk_fail(err, RK_E_FORMAT,
                       "%s: this is %s; weights must be safetensors or a PyTorch zip", name,
                       rk_kind_text(kind));
    }
    if (!st && (*out)->note) rk_note("%s", (*out)->note);
    return st;
}
