#include "onnx/model.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/source.h"
#include "onnx/slim.h"
#include "onnx/store.h"
#include "onnx/wire.h"

static const uint64_t FILE_LIMIT = UINT64_C(1) << 31;   /* protobuf's own limit */

static void *allocate(void *data, size_t size)
{
    (void)data;
    return rk_malloc(size);
}

static void release(void *data, void *p)
{
    (void)data;
    rk_free(p);
}

ProtobufCAllocator rk_onnx_allocator = {allocate, release, NULL};

void rk_onnx_free(void *message)
{
    if (message) protobuf_c_message_free_unpacked(message, &rk_onnx_allocator);
}

void rk_onnx_close(rk_onnx *m)
{
    if (!m) return;
    rk_store_close(m);
    rk_store_give_back(m);
    rk_onnx_free(m->proto);
    if (m->mapped) rk_map_close(&m->lent);
    rk_free(m->shown);
    rk_free(m);
}

static rk_onnx *shell(const char *path)
{
    char name[RK_QUOTE_SIZE];
    rk_onnx *m = rk_calloc(1, sizeof *m);

    if (!m) return NULL;
    m->shown = rk_strdup(rk_quote(name, path, strlen(path)));
    if (!m->shown) {
        rk_free(m);
        return NULL;
    }
    return m;
}

static rk_status out_of_memory(const rk_onnx *m, const char *path, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", m ? m->shown : path);
}

/* What can be seen without knowing operators. */
static rk_status look(const rk_onnx *m, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const Onnx__GraphProto *g = m->proto->graph;

    if (!g) return rk_fail(err, RK_E_FORMAT, "%s: there is no graph in it", m->shown);
    for (size_t i = 0; i < g->n_initializer; i++) {
        const Onnx__TensorProto *t = g->initializer[i];
        const char *n = t->name ? t->name : "";
        if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL || t->n_external_data)
            return rk_fail(err, RK_E_FORMAT,
                           "%s: tensor '%s' lies in another file; only single-file models are read",
                           m->shown, rk_quote(name, n, strlen(n)));
    }
    return RK_OK;
}

rk_status rk_onnx_parse(rk_onnx **out, const void *bytes, size_t size, const char *path,
                        rk_error *err)
{
    rk_status st;
    rk_onnx *m = shell(path);

    *out = NULL;
    if (!m) return out_of_memory(m, path, err);
    m->bytes = size;
    if (size >= FILE_LIMIT) {
        st = rk_fail(err, RK_E_FORMAT, "%s: %zu bytes; an ONNX file must be smaller than 2 GiB",
                     m->shown, size);
        goto done;
    }
    if (size == 0) {
        st = rk_fail(err, RK_E_FORMAT, "%s: the file is empty", m->shown);
        goto done;
    }
    st = rk_onnx_scan(bytes, size, m->shown, err);
    if (st) goto done;
    /* The scan accepted every byte, so what is left to fail is memory. */
    m->proto = onnx__model_proto__unpack(&rk_onnx_allocator, size, bytes);
    if (!m->proto) {
        st = out_of_memory(m, path, err);
        goto done;
    }
    st = look(m, err);
    if (st) goto done;

    *out = m;
    m = NULL;
done:
    rk_onnx_close(m);
    return st;
}

rk_status rk_onnx_load(rk_onnx **out, const char *path, rk_error *err)
{
    rk_map map = {0};
    rk_status st;

    *out = NULL;
    st = rk_map_open(&map, path, err);
    if (st) return st;
    st = rk_onnx_parse(out, map.data, map.size, path, err);
    rk_map_close(&map);
    return st;
}

/* The tree of a mapped file without its large data. */
static rk_status parse_slim(rk_onnx *m, const rk_map *map, rk_error *err)
{
    rk_buffer slim = {0};
    rk_status st;

    if (map->size >= FILE_LIMIT)
        return rk_fail(err, RK_E_FORMAT, "%s: %zu bytes; an ONNX file must be smaller than 2 GiB",
                       m->shown, map->size);
    st = rk_onnx_scan(map->data, map->size, m->shown, err);
    if (!st) st = rk_onnx_slim(&slim, map->data, map->size, m->shown, err);
    if (!st) {
        m->proto = onnx__model_proto__unpack(&rk_onnx_allocator, slim.length,
                                             (const uint8_t *)slim.data);
        if (!m->proto) st = out_of_memory(m, "", err);
    }
    rk_buffer_free(&slim);
    if (!st && !m->proto->graph)
        st = rk_fail(err, RK_E_FORMAT, "%s: there is no graph in it", m->shown);
    return st;
}

rk_status rk_onnx_borrow(rk_onnx **out, const void *bytes, size_t size, const char *path,
                         rk_error *err)
{
    rk_onnx *m = shell(path);
    rk_status st;

    *out = NULL;
    if (!m) return out_of_memory(m, path, err);
    m->bytes = size;
    m->lent = (rk_map){bytes, size};
    st = size ? RK_OK : rk_fail(err, RK_E_FORMAT, "%s: the file is empty", m->shown);
    if (!st) st = parse_slim(m, &m->lent, err);
    if (!st) st = rk_store_lend(m, err);
    if (!st) st = look(m, err);
    if (st) rk_onnx_close(m);
    else *out = m;
    return st;
}

rk_status rk_onnx_view(rk_onnx **out, const char *path, rk_error *err)
{
    rk_map map = {0};
    rk_status st = rk_map_open(&map, path, err);

    *out = NULL;
    if (!st) st = rk_onnx_borrow(out, map.data, map.size, path, err);
    if (st) rk_map_close(&map);
    else (*out)->mapped = true;
    return st;
}

rk_status rk_onnx_open(rk_onnx **out, const char *path, rk_error *err)
{
    rk_onnx *m = shell(path);
    rk_source *own = NULL;
    rk_map map = {0};
    rk_status st;

    *out = NULL;
    if (!m) return out_of_memory(m, path, err);
    st = rk_source_open(&own, path, err);
    if (!st) st = rk_source_map(own, &map, err);
    if (!st) {
        m->bytes = map.size;
        st = parse_slim(m, &map, err);
        rk_map_close(&map);
    }
    if (!st) {
        st = rk_store_adopt(m, path, own, err);
        own = NULL;
    }
    rk_source_close(own);
    if (st) rk_onnx_close(m);
    else *out = m;
    return st;
}

rk_status rk_onnx_new(rk_onnx **out, const char *path, int64_t ir_version, int64_t opset,
                      rk_error *err)
{
    rk_onnx *m = shell(path);
    Onnx__ModelProto *p = m ? rk_malloc(sizeof *p) : NULL;
    Onnx__OperatorSetIdProto *o = NULL;

    *out = NULL;
    if (!p) goto fail;
    onnx__model_proto__init(p);
    m->proto = p;
    p->has_ir_version = 1;
    p->ir_version = ir_version;
    p->producer_name = rk_strdup("ringkas");
    p->producer_version = rk_strdup(RK_VERSION);
    p->graph = rk_malloc(sizeof *p->graph);
    if (p->graph) onnx__graph_proto__init(p->graph);   /* before anything may free it */
    if (!p->producer_name || !p->producer_version || !p->graph) goto fail;
    p->graph->name = rk_strdup("main");
    p->opset_import = rk_malloc(sizeof(Onnx__OperatorSetIdProto *));
    o = rk_malloc(sizeof *o);
    if (!p->graph->name || !p->opset_import || !o) goto fail;
    onnx__operator_set_id_proto__init(o);
    p->opset_import[0] = o;
    p->n_opset_import = 1;
    o->has_version = 1;
    o->version = opset;
    o->domain = rk_strdup("");
    if (!o->domain) {
        o = NULL;
        goto fail;
    }
    *out = m;
    return RK_OK;
fail:
    rk_free(o);
    if (m && !m->proto) rk_free(p);
    {
        const rk_status st = out_of_memory(m, path, err);
        rk_onnx_close(m);
        return st;
    }
}

/* ---- saving ---- */

typedef struct sink {
    ProtobufCBuffer base;
    rk_writer *writer;
    rk_status st;
    rk_error *err;
} sink;

static void append(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
    sink *s = (sink *)(void *)buffer;
    if (!s->st) s->st = rk_writer_put(s->writer, data, length, s->err);
}

/* True where large data goes to a file of its own. */
static bool splits(const rk_onnx *m)
{
    return rk_store_files(m) > 0;
}

uint64_t rk_onnx_size_at(const rk_onnx *m, const char *path)
{
    uint64_t bytes = 0;

    if (!m->store) return onnx__model_proto__get_packed_size(m->proto);
    return rk_onnx_fatten(m, path, splits(m), false, &bytes, NULL) ? 0 : bytes;
}

uint64_t rk_onnx_size(const rk_onnx *m) { return rk_onnx_size_at(m, "model.onnx"); }

rk_status rk_onnx_save(const rk_onnx *m, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const uint64_t size = m->store ? 0 : rk_onnx_size(m);
    uint64_t written;
    sink s = {.base = {append}, .err = err};
    rk_status st;

    if (m->store) return rk_onnx_fatten(m, path, splits(m), true, &written, err);
    if (size >= FILE_LIMIT)
        return rk_fail(err, RK_E_FORMAT, "%s: would be %llu bytes; an ONNX file must be smaller "
                       "than 2 GiB", rk_quote(name, path, strlen(path)), (unsigned long long)size);
    st = rk_writer_open(&s.writer, path, err);
    if (st) return st;
    onnx__model_proto__pack_to_buffer(m->proto, &s.base);
    if (s.st) {
        rk_writer_abort(s.writer);
        return s.st;
    }
    return rk_writer_commit(s.writer, err);
}

/* ---- opset and metadata ---- */

static bool same_domain(const char *a, const char *b)
{
    if (!a || strcmp(a, "ai.onnx") == 0) a = "";
    if (strcmp(b, "ai.onnx") == 0) b = "";
    return strcmp(a, b) == 0;
}

int64_t rk_onnx_opset(const rk_onnx *m, const char *domain)
{
    for (size_t i = 0; i < m->proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = m->proto->opset_import[i];
        if (same_domain(o->domain, domain)) return o->version;
    }
    return 0;
}

static Onnx__StringStringEntryProto *property(const rk_onnx *m, const char *key)
{
    for (size_t i = 0; i < m->proto->n_metadata_props; i++) {
        Onnx__StringStringEntryProto *p = m->proto->metadata_props[i];
        if (p->key && strcmp(p->key, key) == 0) return p;
    }
    return NULL;
}

const char *rk_onnx_metadata(const rk_onnx *m, const char *key)
{
    const Onnx__StringStringEntryProto *p = property(m, key);
    return p ? (p->value ? p->value : "") : NULL;
}

rk_status rk_onnx_set_metadata(rk_onnx *m, const char *key, const char *value, rk_error *err)
{
    Onnx__ModelProto *model = m->proto;
    Onnx__StringStringEntryProto *p = property(m, key), **list;
    char *copy = rk_strdup(value);

    if (!copy) return out_of_memory(m, "", err);
    if (p) {
        rk_free(p->value);
        p->value = copy;
        return RK_OK;
    }
    list = rk_realloc(model->metadata_props, model->n_metadata_props + 1,
                      sizeof(Onnx__StringStringEntryProto *));
    if (list) model->metadata_props = list;
    p = list ? rk_malloc(sizeof *p) : NULL;
    if (p) {
        onnx__string_string_entry_proto__init(p);
        p->value = copy;
        p->key = rk_strdup(key);
    }
    if (!p || !p->key) {
        rk_free(copy);
        rk_free(p);
        return out_of_memory(m, "", err);
    }
    list[model->n_metadata_props++] = p;
    return RK_OK;
}
