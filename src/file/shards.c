#include "file/shards.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "file/weights_private.h"

enum { SHARDS_MAX = 4096, NAME_MAX_BYTES = 255 };

typedef struct reader {
    rk_weights *w;
    json_t *map;                 /* tensor name -> shard name; borrowed from the index */
    json_t *shards;              /* shard name -> its number */
    char path[RK_QUOTE_SIZE];
    rk_error *err;
} reader;

/* A name in the index's own folder and nothing else: no separator, no hidden or parent folder. */
static bool plain_name(const char *name)
{
    const size_t n = strlen(name);
    if (n > NAME_MAX_BYTES || !rk_tensor_name_ok(name, n)) return false;
    return name[0] != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

static rk_status check_map(reader *r, const json_t *index)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];
    const char *key;
    json_t *v;

    r->map = json_object_get(index, "weight_map");
    if (!json_is_object(r->map))
        return rk_fail(r->err, RK_E_FORMAT,
                       "%s: \"weight_map\" must be an object of tensor name to file name", r->path);
    if (json_object_size(r->map) > RK_TENSORS_MAX)
        return rk_fail(r->err, RK_E_FORMAT, "%s: %zu tensors; at most %d are taken", r->path,
                       json_object_size(r->map), RK_TENSORS_MAX);
    json_object_foreach(r->map, key, v) {
        const char *file = json_string_value(v);
        rk_quote(a, key, strlen(key));
        if (!file || !plain_name(file) || strlen(file) != json_string_length(v))
            return rk_fail(r->err, RK_E_FORMAT,
                           "%s: tensor \"%s\": shard \"%s\" is not the name of a file in this "
                           "folder", r->path, a, file ? rk_quote(b, file, strlen(file)) : "");
        if (json_object_get(r->shards, file)) continue;
        if (json_object_set_new(r->shards, file,
                                json_integer((json_int_t)json_object_size(r->shards))) < 0)
            return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    }
    if (json_object_size(r->shards) > SHARDS_MAX)
        return rk_fail(r->err, RK_E_FORMAT, "%s: %zu shards; at most %d are taken", r->path,
                       json_object_size(r->shards), SHARDS_MAX);
    return RK_OK;
}

static rk_status open_shard(reader *r, const char *dir, const char *file)
{
    char name[RK_QUOTE_SIZE], tensor[RK_QUOTE_SIZE];
    rk_weights_memory *m = r->w->memory;
    rk_weights *part;
    struct stat s;
    char *path = rk_path_join(dir, file);
    rk_status st;

    rk_quote(name, file, strlen(file));
    if (!path) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    if (lstat(path, &s) == 0 && !S_ISREG(s.st_mode))
        st = rk_fail(r->err, RK_E_FORMAT, "shard \"%s\" is not a regular file (links are refused)",
                     name);
    else
        st = rk_safetensors_open(&part, path, r->err);
    rk_free(path);
    if (st) return rk_fail_prefix(r->err, st, "%s: ", r->path);
    m->part[m->parts++] = part;
    for (size_t i = 0; i < part->count; i++) {
        const char *key = part->tensor[i].name;
        const char *said = json_string_value(json_object_get(r->map, key));
        if (said && strcmp(said, file) == 0) continue;
        rk_quote(tensor, key, strlen(key));
        return rk_fail(r->err, RK_E_FORMAT,
                       "%s: shard \"%s\" has tensor \"%s\", which the index %s", r->path, name,
                       tensor, said ? "puts in another shard" : "does not list");
    }
    r->w->count += part->count;
    return RK_OK;
}

/* Names the first tensor that the index lists and no shard has. */
static rk_status fail_missing(reader *r)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];
    const rk_weights_memory *m = r->w->memory;
    const char *key;
    json_t *v;

    for (size_t p = 0; p < m->parts; p++)
        for (size_t i = 0; i < m->part[p]->count; i++)
            json_object_del(r->map, m->part[p]->tensor[i].name);
    json_object_foreach(r->map, key, v)
        return rk_fail(r->err, RK_E_FORMAT, "%s: tensor \"%s\" is not in shard \"%s\"", r->path,
                       rk_quote(a, key, strlen(key)),
                       rk_quote(b, json_string_value(v), json_string_length(v)));
    return RK_OK;
}

static rk_status join(reader *r)
{
    const rk_weights_memory *m = r->w->memory;
    size_t n = 0;

    r->w->tensor = rk_calloc(r->w->count, sizeof *r->w->tensor);
    if (!r->w->tensor) return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    for (size_t p = 0; p < m->parts; p++) {
        const rk_weights *part = m->part[p];
        for (size_t i = 0; i < part->count; i++) r->w->tensor[n++] = part->tensor[i];
    }
    if (m->parts) r->w->metadata = json_incref(m->part[0]->metadata);
    return RK_OK;
}

static rk_status check_total(reader *r, const json_t *index)
{
    const json_t *said = json_object_get(json_object_get(index, "metadata"), "total_size");
    char note[RK_QUOTE_SIZE + 128];
    uint64_t total = 0;

    for (size_t i = 0; i < r->w->count; i++) total += r->w->tensor[i].bytes;
    if (!said || json_number_value(said) == (double)total) return RK_OK;
    snprintf(note, sizeof note, "%s: total_size is %.17g but the tensors hold %llu bytes", r->path,
             json_number_value(said), (unsigned long long)total);
    r->w->note = rk_strdup(note);
    return r->w->note ? RK_OK : rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
}

static rk_status read_all(reader *r, const char *path, const json_t *index)
{
    rk_weights_memory *m = r->w->memory;
    const char *file;
    json_t *number;
    char *dir;
    rk_status st = check_map(r, index);

    if (st) return st;
    m->part = rk_calloc(json_object_size(r->shards), sizeof(rk_weights *));
    dir = rk_path_dir(path);
    if (!m->part || !dir) {
        rk_free(dir);
        return rk_fail(r->err, RK_E_MEMORY, "%s: out of memory", r->path);
    }
    json_object_foreach(r->shards, file, number) {
        st = open_shard(r, dir, file);
        if (st) break;
    }
    rk_free(dir);
    if (st) return st;
    if (r->w->count != json_object_size(r->map)) return fail_missing(r);
    st = join(r);
    return st ? st : check_total(r, index);
}

rk_status rk_shards_open(rk_weights **out, const char *path, rk_error *err)
{
    reader r = {.w = rk_weights_new(path), .shards = json_object(), .err = err};
    json_t *index = NULL;
    rk_status st;

    *out = NULL;
    rk_quote(r.path, path, strlen(path));
    if (!r.w || !r.shards) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", r.path);
    else st = rk_json_load(&index, path, err);
    if (!st) st = read_all(&r, path, index);
    json_decref(index);
    json_decref(r.shards);
    if (st) rk_weights_close(r.w);
    else *out = r.w;
    return st;
}
