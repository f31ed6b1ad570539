/* REDUCE, BUILD and BINPERSID for the few names that torch.save writes. The arguments are checked
 * as what those functions of torch._utils take; the functions themselves do not exist here. */
#include <string.h>

#include "base/mem.h"
#include "file/pickle_machine.h"
#include "file/weights_private.h"

static const rk_pk_name NAMES[] = {
    {"collections", "OrderedDict", RK_PK_ORDERED_DICT, RK_DT_NONE, 0},
    {"torch._utils", "_rebuild_tensor_v2", RK_PK_TENSOR_V2, RK_DT_NONE, 0},
    {"torch._utils", "_rebuild_tensor_v3", RK_PK_TENSOR_V3, RK_DT_NONE, 0},
    {"torch._utils", "_rebuild_parameter", RK_PK_PARAMETER, RK_DT_NONE, 0},
    {"torch", "FloatStorage", RK_PK_STORAGE_TYPE, RK_DT_F32, 4},
    {"torch", "HalfStorage", RK_PK_STORAGE_TYPE, RK_DT_F16, 2},
    {"torch", "BFloat16Storage", RK_PK_STORAGE_TYPE, RK_DT_BF16, 2},
    {"torch", "DoubleStorage", RK_PK_STORAGE_TYPE, RK_DT_F64, 8},
    {"torch", "CharStorage", RK_PK_STORAGE_TYPE, RK_DT_I8, 1},
    {"torch", "ByteStorage", RK_PK_STORAGE_TYPE, RK_DT_U8, 1},
    {"torch", "ShortStorage", RK_PK_STORAGE_TYPE, RK_DT_I16, 2},
    {"torch", "IntStorage", RK_PK_STORAGE_TYPE, RK_DT_I32, 4},
    {"torch", "LongStorage", RK_PK_STORAGE_TYPE, RK_DT_I64, 8},
    {"torch", "BoolStorage", RK_PK_STORAGE_TYPE, RK_DT_BOOL, 1},
    {"torch.storage", "UntypedStorage", RK_PK_UNTYPED_STORAGE, RK_DT_NONE, 1},
    {"torch", "uint16", RK_PK_DTYPE, RK_DT_U16, 2},
    {"torch", "uint32", RK_PK_DTYPE, RK_DT_U32, 4},
    {"torch", "uint64", RK_PK_DTYPE, RK_DT_U64, 8},
    {"torch", "float8_e4m3fn", RK_PK_DTYPE, RK_DT_NONE, 1},
    {"torch", "float8_e5m2", RK_PK_DTYPE, RK_DT_NONE, 1},
    {"torch", "float8_e4m3fnuz", RK_PK_DTYPE, RK_DT_NONE, 1},
    {"torch", "float8_e5m2fnuz", RK_PK_DTYPE, RK_DT_NONE, 1},
};

const rk_pk_name *rk_pk_name_at(size_t index)
{
    return &NAMES[index];
}

static bool same(const char *want, const char *got, size_t length)
{
    return strlen(want) == length && memcmp(want, got, length) == 0;
}

size_t rk_pk_name_find(const char *module, size_t module_length, const char *name,
                       size_t name_length)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (same(NAMES[i].module, module, module_length) && same(NAMES[i].name, name, name_length))
            return i;
    return SIZE_MAX;
}

static const rk_pk_name *as_name(const rk_pk_node *n)
{
    return n->type == RK_PK_GLOBAL ? rk_pk_name_at((size_t)n->of.number) : NULL;
}

/* ---- storages ---- */

/* ("storage", type, key, location, number of elements) */
static rk_status storage_of(rk_pk_machine *m, rk_pickle_storage *out, const rk_pk_node *id)
{
    const rk_pk_node *a[5];
    const rk_pk_name *type;
    size_t bytes;

    if (id->type != RK_PK_TUPLE || id->count != 5)
        return rk_pk_fail(m, "a persistent id must be a tuple of 5");
    for (size_t i = 0; i < 5; i++) a[i] = rk_pk_at(m, id->of.item[i]);
    type = as_name(a[1]);
    if (a[0]->type != RK_PK_TEXT || !same("storage", (const char *)a[0]->of.text, a[0]->count) ||
        !type || (type->role != RK_PK_STORAGE_TYPE && type->role != RK_PK_UNTYPED_STORAGE) ||
        a[2]->type != RK_PK_TEXT || a[3]->type != RK_PK_TEXT || a[4]->type != RK_PK_INT)
        return rk_pk_fail(m, "a persistent id that is not a storage");
    if (same("meta", (const char *)a[3]->of.text, a[3]->count))
        return rk_pk_fail(m, "a storage on device \"meta\" has no data");
    if (a[4]->of.number < 0 || !rk_mul(&bytes, (size_t)a[4]->of.number, type->item) ||
        bytes > PTRDIFF_MAX)
        return rk_pk_fail(m, "a storage of %lld elements", (long long)a[4]->of.number);
    *out = (rk_pickle_storage){(const char *)a[2]->of.text, a[2]->count, type->type, bytes};
    return RK_OK;
}

/* Room for one more of `count` things; *room doubles. */
static rk_status grow(rk_pk_machine *m, void **items, size_t *room, size_t count, size_t size)
{
    const size_t more = *room ? 2 * *room : 64;
    void *p;
    if (count < *room) return RK_OK;
    if (count == RK_PICKLE_TENSORS_MAX)
        return rk_pk_fail(m, "more than %d tensors", RK_PICKLE_TENSORS_MAX);
    p = rk_realloc(*items, more, size);
    if (!p) return rk_pk_no_memory(m);
    *items = p;
    *room = more;
    return RK_OK;
}

rk_status rk_pk_persistent(rk_pk_machine *m, int n)
{
    rk_pickle *out = m->out;
    rk_pickle_storage s;
    uint32_t id = 0, number = 0;
    void *items = out->storage;
    rk_status st = rk_pk_pop(m, &id);

    (void)n;
    if (!st) st = storage_of(m, &s, rk_pk_at(m, id));
    if (!st) st = grow(m, &items, &m->storage_room, out->storages, sizeof s);
    out->storage = items;
    if (!st) st = rk_pk_new(m, &number, RK_PK_STORAGE);
    if (st) return st;
    rk_pk_at(m, number)->of.number = (int64_t)out->storages;
    out->storage[out->storages++] = s;
    return rk_pk_push(m, number);
}

/* ---- tensors ---- */

static rk_status read_dims(rk_pk_machine *m, size_t *out, const rk_pk_node *tuple, size_t rank,
                           const char *what)
{
    if (tuple->type != RK_PK_TUPLE || tuple->count != rank)
        return rk_pk_fail(m, "a tensor's %s must be a tuple of %zu", what, rank);
    for (size_t i = 0; i < rank; i++) {
        const rk_pk_node *v = rk_pk_at(m, tuple->of.item[i]);
        if (v->type != RK_PK_INT || v->of.number < 0)
            return rk_pk_fail(m, "a tensor's %s must be whole numbers, none negative", what);
        out[i] = (size_t)v->of.number;
    }
    return RK_OK;
}

/* Two indices must never meet at one element: going from the smallest stride up, each must step
 * over all that the smaller ones reach. *last is the farthest element from the first. */
static rk_status check_strides(rk_pk_machine *m, const rk_pickle_tensor *t, size_t *last)
{
    bool done[RK_MAX_RANK] = {false};
    size_t reach = 0, step;

    for (size_t k = 0; k < t->rank; k++) {
        size_t best = RK_MAX_RANK;
        for (size_t i = 0; i < t->rank; i++)
            if (!done[i] && (best == RK_MAX_RANK || t->stride[i] < t->stride[best])) best = i;
        done[best] = true;
        if (t->dim[best] == 1) continue;
        if (t->stride[best] <= reach)
            return rk_pk_fail(m, "a tensor whose strides overlap (stride %zu, %zu elements below "
                              "it)", t->stride[best], reach + 1);
        if (!rk_mul(&step, t->dim[best] - 1, t->stride[best]) || !rk_add(&reach, reach, step))
            return rk_pk_fail(m, "a tensor's size times stride overflows");
    }
    *last = reach;
    return RK_OK;
}

static rk_status check_extent(rk_pk_machine *m, rk_pickle_tensor *t)
{
    const rk_pickle_storage *s = &m->out->storage[t->storage];
    const size_t held = s->bytes / t->item;
    size_t last = 0, end;
    rk_status st = RK_OK;

    if (!rk_shape_bytes(&t->bytes, t->dim, t->rank, 8 * t->item))
        return rk_pk_fail(m, "a tensor's shape overflows");
    if (t->bytes) {
        st = check_strides(m, t, &last);
        if (st) return st;
        if (!rk_add(&end, t->offset, last) || !rk_add(&end, end, 1)) end = SIZE_MAX;
    } else {
        end = t->offset;
    }
    if (end > held)
        return rk_pk_fail(m, "a tensor reaches element %zu of a storage of %zu", end, held);
    return RK_OK;
}

static bool empty_dict(const rk_pk_node *n)
{
    return n->type == RK_PK_DICT && n->count == 0;
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]), and in version 3
 * (storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]) */
static rk_status tensor_of(rk_pk_machine *m, rk_pickle_tensor *t, const rk_pk_node *args, bool v3)
{
    const rk_pk_node *a[8] = {NULL};
    const size_t least = v3 ? 7 : 6, extra = least;
    const rk_pk_name *type = NULL;
    rk_status st;

    if (args->count < least || args->count > least + 1)
        return rk_pk_fail(m, "a tensor made of %u arguments; %zu or %zu are wanted", args->count,
                          least, least + 1);
    for (size_t i = 0; i < args->count; i++) a[i] = rk_pk_at(m, args->of.item[i]);
    if (a[0]->type != RK_PK_STORAGE || a[1]->type != RK_PK_INT || a[1]->of.number < 0 ||
        a[2]->type != RK_PK_TUPLE || a[4]->type != RK_PK_BOOL)
        return rk_pk_fail(m, "a tensor made of arguments of the wrong kinds");
    if (!empty_dict(a[5])) return rk_pk_fail(m, "a tensor with hooks; they are never called");
    if (a[extra] && a[extra]->type != RK_PK_NONE && !empty_dict(a[extra]))
        return rk_pk_fail(m, "a tensor with metadata");
    if (v3) type = as_name(a[6]);
    if (v3 && (!type || type->role != RK_PK_DTYPE))
        return rk_pk_fail(m, "a tensor made of arguments of the wrong kinds");
    t->storage = (size_t)a[0]->of.number;
    t->type = v3 ? type->type : m->out->storage[t->storage].type;
    if (!v3 && t->type == RK_DT_NONE) return rk_pk_fail(m, "a tensor on a storage without a type");
    t->item = v3 ? type->item : rk_dtype_size(t->type);
    t->offset = (size_t)a[1]->of.number;
    t->rank = a[2]->count;
    if (t->rank > RK_MAX_RANK)
        return rk_pk_fail(m, "a tensor of %zu dimensions; at most %d are taken", t->rank,
                          RK_MAX_RANK);
    st = read_dims(m, t->dim, a[2], t->rank, "size");
    if (!st) st = read_dims(m, t->stride, a[3], t->rank, "stride");
    return st ? st : check_extent(m, t);
}

static rk_status make_tensor(rk_pk_machine *m, uint32_t *number, const rk_pk_node *args, bool v3)
{
    rk_pickle *out = m->out;
    rk_pickle_tensor t = {0};
    void *items = out->tensor;
    rk_status st = tensor_of(m, &t, args, v3);

    if (!st) st = grow(m, &items, &m->tensor_room, out->tensors, sizeof t);
    out->tensor = items;
    if (!st) st = rk_pk_new(m, number, RK_PK_TENSOR);
    if (st) return st;
    rk_pk_at(m, *number)->of.number = (int64_t)out->tensors;
    out->tensor[out->tensors++] = t;
    return RK_OK;
}

/* (tensor, requires_grad, hooks): the tensor itself. */
static rk_status parameter_of(rk_pk_machine *m, uint32_t *number, const rk_pk_node *args)
{
    if (args->count != 3 || rk_pk_at(m, args->of.item[0])->type != RK_PK_TENSOR ||
        rk_pk_at(m, args->of.item[1])->type != RK_PK_BOOL)
        return rk_pk_fail(m, "a parameter made of the wrong arguments");
    if (!empty_dict(rk_pk_at(m, args->of.item[2])))
        return rk_pk_fail(m, "a parameter with hooks; they are never called");
    *number = args->of.item[0];
    return RK_OK;
}

rk_status rk_pk_reduce(rk_pk_machine *m, int n)
{
    uint32_t f = 0, a = 0, number = 0;
    const rk_pk_node *args;
    const rk_pk_name *name;
    rk_status st = rk_pk_pop(m, &a);

    (void)n;
    if (!st) st = rk_pk_pop(m, &f);
    if (st) return st;
    args = rk_pk_at(m, a);
    name = as_name(rk_pk_at(m, f));
    if (!name || args->type != RK_PK_TUPLE)
        return rk_pk_fail(m, "REDUCE wants a name and a tuple");
    switch (name->role) {
    case RK_PK_ORDERED_DICT:
        if (args->count != 0) return rk_pk_fail(m, "an OrderedDict made of arguments");
        st = rk_pk_new(m, &number, RK_PK_DICT);
        if (!st) rk_pk_at(m, number)->ordered = 1;
        break;
    case RK_PK_TENSOR_V2:
    case RK_PK_TENSOR_V3:
        st = make_tensor(m, &number, args, name->role == RK_PK_TENSOR_V3);
        break;
    case RK_PK_PARAMETER:
        st = parameter_of(m, &number, args);
        break;
    default:
        return rk_pk_fail(m, "\"%s.%s\" is not a function", name->module, name->name);
    }
    return st ? st : rk_pk_push(m, number);
}

/* Only attributes of an OrderedDict: what a module's state_dict() carries as _metadata. Dropped. */
rk_status rk_pk_build(rk_pk_machine *m, int n)
{
    uint32_t state = 0, object = 0;
    rk_status st = rk_pk_pop(m, &state);

    (void)n;
    if (!st) st = rk_pk_pop(m, &object);
    if (st) return st;
    if (!rk_pk_at(m, object)->ordered || rk_pk_at(m, state)->type != RK_PK_DICT)
        return rk_pk_fail(m, "BUILD on something else than an OrderedDict");
    return rk_pk_push(m, object);
}
