#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/weights_private.h"

enum { LENGTH_FIELD = 8, ALIGN = 64, HEADER_MAX = 100000000, WIDEST = 8 };

/* Data lie by falling element size, so that each tensor is aligned to its own. */
#define EACH_BY_SIZE(i, size, tensors, count)                                                      \
    for (size_t size = WIDEST; size > 0; size /= 2)                                                \
        for (size_t i = 0; i < (count); i++)                                                       \
            if (rk_dtype_size((tensors)[i].type) == size)

static rk_status check_tensor(const rk_tensor *t, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE], shape[RK_SHAPE_TEXT];
    size_t need;

    rk_quote(name, t->name, strlen(t->name));
    if (!rk_tensor_name_ok(t->name, strlen(t->name)) || strcmp(t->name, "__metadata__") == 0)
        return rk_fail(err, RK_E_ARG, "%s: \"%s\" cannot be the name of a tensor", path, name);
    if (t->type == RK_DT_NONE || rk_dtype_size(t->type) == 0)
        return rk_fail(err, RK_E_ARG, "%s: tensor \"%s\" has no element type", path, name);
    if (t->rank > RK_MAX_RANK)
        return rk_fail(err, RK_E_ARG, "%s: tensor \"%s\": %zu dimensions; at most %d", path, name,
                       t->rank, RK_MAX_RANK);
    if (!rk_shape_bytes(&need, t->dim, t->rank, 8 * rk_dtype_size(t->type)) || need != t->bytes)
        return rk_fail(err, RK_E_ARG, "%s: tensor \"%s\": %zu bytes do not fit shape %s of %s",
                       path, name, t->bytes, rk_shape_text(shape, t->dim, t->rank),
                       rk_dtype_name(t->type));
    if (t->bytes && !t->data)
        return rk_fail(err, RK_E_ARG, "%s: tensor \"%s\" has no data", path, name);
    return RK_OK;
}

static json_t *entry_of(const rk_tensor *t, size_t start)
{
    json_t *shape = json_array();
    for (size_t d = 0; shape && d < t->rank; d++) {
        if (json_array_append_new(shape, json_integer((json_int_t)t->dim[d])) == 0) continue;
        json_decref(shape);
        shape = NULL;
    }
    return shape ? json_pack("{s:s, s:o, s:[I, I]}", "dtype", rk_dtype_name(t->type), "shape",
                             shape, "data_offsets", (json_int_t)start,
                             (json_int_t)(start + t->bytes))
                 : NULL;
}

static rk_status check_metadata(const json_t *metadata, const char *path, rk_error *err)
{
    const char *key;
    json_t *v;
    if (!json_is_object(metadata))
        return rk_fail(err, RK_E_ARG, "%s: metadata must be an object of strings", path);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, v)
        if (!json_is_string(v))
            return rk_fail(err, RK_E_ARG, "%s: metadata \"%s\" must be a string", path, key);
    return RK_OK;
}

/* The header as text, padded with spaces so that the data start on a cache line. */
static rk_status make_header(rk_buffer *out, const rk_tensor *tensors, const size_t *start,
                             size_t count, const json_t *metadata, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE], *text;
    json_t *header = json_object();
    rk_status st = RK_OK;

    if (header && metadata)
        json_object_set_new(header, "__metadata__", json_deep_copy(metadata));
    for (size_t i = 0; header && i < count; i++) {
        const char *key = tensors[i].name;
        if (json_object_get(header, key)) {
            st = rk_fail(err, RK_E_ARG, "%s: two tensors are named \"%s\"", path,
                         rk_quote(name, key, strlen(key)));
            goto done;
        }
        if (json_object_set_new(header, key, entry_of(&tensors[i], start[i])) < 0) {
            st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
            goto done;
        }
    }
    text = header ? rk_json_text(header, 0) : NULL;
    if (text) rk_buffer_puts(out, text);
    while (text && (LENGTH_FIELD + out->length) % ALIGN) rk_buffer_puts(out, " ");
    if (!text || out->failed) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    else if (out->length > HEADER_MAX)
        st = rk_fail(err, RK_E_ARG, "%s: a header of %zu bytes; at most %d", path, out->length,
                     HEADER_MAX);
    rk_free(text);
done:
    json_decref(header);
    return st;
}

static rk_status write_file(const char *path, const rk_buffer *header, const rk_tensor *tensors,
                            size_t count, rk_error *err)
{
    uint8_t length[LENGTH_FIELD];
    rk_writer *w;
    rk_status st = rk_writer_open(&w, path, err);

    if (st) return st;
    for (int i = 0; i < LENGTH_FIELD; i++)
        length[i] = (uint8_t)((uint64_t)header->length >> (8 * i));
    st = rk_writer_put(w, length, sizeof length, err);
    if (!st) st = rk_writer_put(w, header->data, header->length, err);
    EACH_BY_SIZE(i, size, tensors, count)
        if (!st) st = rk_writer_put(w, tensors[i].data, tensors[i].bytes, err);
    if (!st) return rk_writer_commit(w, err);
    rk_writer_abort(w);
    return st;
}

rk_status rk_safetensors_save(const char *path, const rk_tensor *tensors, size_t count,
                              const json_t *metadata, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    rk_buffer header = {0};
    size_t *start = NULL, at = 0;
    rk_status st = RK_OK;

    rk_quote(name, path, strlen(path));
    if (count > RK_TENSORS_MAX)
        return rk_fail(err, RK_E_ARG, "%s: %zu tensors; at most %d", name, count, RK_TENSORS_MAX);
    if (metadata) st = check_metadata(metadata, name, err);
    for (size_t i = 0; !st && i < count; i++) st = check_tensor(&tensors[i], name, err);
    if (st) return st;
    start = rk_calloc(count, sizeof *start);
    if (!start) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", name);
    EACH_BY_SIZE(i, size, tensors, count) {
        start[i] = at;
        if (!rk_add(&at, at, tensors[i].bytes) || at > PTRDIFF_MAX) {
            st = rk_fail(err, RK_E_ARG, "%s: the tensors are too large together", name);
            goto done;
        }
    }
    st = make_header(&header, tensors, start, count, metadata, name, err);
    if (!st) st = write_file(path, &header, tensors, count, err);
done:
    rk_buffer_free(&header);
    rk_free(start);
    return st;
}
