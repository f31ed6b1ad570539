#include "convert/half_ranges.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "onnx/names.h"

struct rk_half_ranges {
    rk_names *names;
    const char **name;        /* names' */
    double *largest;
};

static rk_status fill(rk_half_ranges *r, const json_t *object, const char *shown, rk_error *err)
{
    char q[RK_QUOTE_SIZE];
    const char *key;
    json_t *pair;
    size_t n = 0;

    r->names = rk_names_new();
    r->largest = rk_calloc(json_object_size(object) + 1, sizeof *r->largest);
    r->name = rk_calloc(json_object_size(object) + 1, sizeof *r->name);
    if (!r->names || !r->largest || !r->name)
        return rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    json_object_foreach((json_t *)(uintptr_t)object, key, pair) {
        const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_number(low) || !json_is_number(high) ||
            json_number_value(low) > json_number_value(high))
            return rk_fail(err, RK_E_FORMAT, "%s: '%s': a range is two numbers, [min, max]", shown,
                           rk_quote(q, key, strlen(key)));
        if (!rk_names_add(r->names, key, n, NULL))
            return rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
        r->name[n] = rk_names_key(r->names, key);
        r->largest[n++] = fmax(fabs(json_number_value(low)), fabs(json_number_value(high)));
    }
    return RK_OK;
}

rk_status rk_half_ranges_load(rk_half_ranges **out, const char *path, rk_error *err)
{
    char shown[RK_QUOTE_SIZE];
    rk_half_ranges *r = rk_calloc(1, sizeof *r);
    json_t *json = NULL;
    rk_status st = rk_json_load(&json, path, err);

    *out = NULL;
    rk_quote(shown, path, strlen(path));
    if (!st && !r) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    if (!st && !json_is_object(json))
        st = rk_fail(err, RK_E_FORMAT, "%s: an object of value names is wanted", shown);
    if (!st) st = fill(r, json, shown, err);
    json_decref(json);
    if (st) rk_half_ranges_free(r);
    else *out = r;
    return st;
}

void rk_half_ranges_free(rk_half_ranges *r)
{
    if (!r) return;
    rk_names_free(r->names);
    rk_free(r->largest);
    rk_free(r->name);
    rk_free(r);
}

bool rk_half_ranges_find(const rk_half_ranges *r, const char *name, double *largest)
{
    const size_t *at = rk_names_get(r->names, name);
    if (at) *largest = r->largest[*at];
    return at != NULL;
}

const char *rk_half_ranges_name(const rk_half_ranges *r, size_t i)
{
    return i < rk_names_count(r->names) ? r->name[i] : NULL;
}
