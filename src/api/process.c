#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/session.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "compute/matmul.h"

const char *rk_libraries(void)
{
    return rk_matmul_built_with();
}

rk_status rk_sha256(char out[65], const char *path, rk_error *err)
{
    if (!out || !path) return rk_fail(err, RK_E_ARG, "a hash needs a file and room for 65 bytes");
    return rk_sha256_of_file(out, path, err);
}

double rk_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint64_t rk_process_bytes(const char *key)
{
    const size_t n = strlen(key);
    uint64_t kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");

    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            if (sscanf(line + n + 1, "%" SCNu64, &kib) != 1) kib = 0;
            break;
        }
    fclose(f);
    return kib * 1024;
}

static uint64_t size_in(const char *folder, const char *name)
{
    char *path = rk_path_join(folder, name);
    const uint64_t bytes = path ? rk_file_size(path) : 0;
    rk_free(path);
    return bytes;
}

/* Sum of the different shard files that the index names. */
static uint64_t shards_bytes(const char *folder, const char *index_name)
{
    char *path = rk_path_join(folder, index_name);
    json_t *index = NULL, *seen = json_object();
    const char *tensor;
    json_t *file;
    uint64_t bytes = 0;

    if (path && seen && rk_path_exists(path) && rk_json_load(&index, path, NULL) == RK_OK) {
        json_object_foreach(json_object_get(index, "weight_map"), tensor, file) {
            const char *name = json_string_value(file);
            if (!name || json_object_get(seen, name)) continue;
            json_object_set_new(seen, name, json_true());
            bytes += size_in(folder, name);
        }
    }
    json_decref(index);
    json_decref(seen);
    rk_free(path);
    return bytes;
}

uint64_t rk_model_bytes(const char *path)
{
    uint64_t bytes;
    if (!rk_path_is_dir(path)) return rk_file_size(path);
    bytes = size_in(path, "model.safetensors");
    if (!bytes) bytes = shards_bytes(path, "model.safetensors.index.json");
    if (!bytes) bytes = size_in(path, "pytorch_model.bin");
    return bytes + size_in(path, "quant.safetensors");
}

int rk_json_set_real(json_t *object, const char *key, double x)
{
    return json_object_set_new(object, key, isfinite(x) ? json_real(x) : json_null());
}
