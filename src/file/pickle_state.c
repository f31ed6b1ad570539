/* From the value at the end of the pickle to a list of named tensors. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "file/pickle_machine.h"
#include "file/weights_private.h"

/* Walks all that the top value holds, each node once and without recursion: a value that holds
 * itself and one nested too deep are refused. */
static rk_status check_tree(rk_pk_machine *m, uint32_t top)
{
    enum { NEW, OPEN, CLOSED };
    struct {
        uint32_t node, next;
    } path[RK_PICKLE_DEPTH_MAX];
    size_t depth = 0;

    path[depth].node = top;
    path[depth++].next = 0;
    rk_pk_at(m, top)->seen = OPEN;
    while (depth > 0) {
        rk_pk_node *n = rk_pk_at(m, path[depth - 1].node), *child;
        const bool holds = n->type >= RK_PK_TUPLE && n->type <= RK_PK_DICT;
        uint32_t next;
        if (!holds || path[depth - 1].next == n->count) {
            n->seen = CLOSED;
            depth--;
            continue;
        }
        next = n->of.item[path[depth - 1].next++];
        child = rk_pk_at(m, next);
        if (child->seen == OPEN) return rk_pk_fail(m, "a value that holds itself");
        if (child->seen == CLOSED) continue;
        if (depth == RK_PICKLE_DEPTH_MAX)
            return rk_pk_fail(m, "values nested deeper than %d", RK_PICKLE_DEPTH_MAX);
        child->seen = OPEN;
        path[depth].node = next;
        path[depth++].next = 0;
    }
    return RK_OK;
}

static size_t tensors_in(const rk_pk_machine *m, const rk_pk_node *dict)
{
    size_t n = 0;
    if (dict->type != RK_PK_DICT) return 0;
    for (size_t i = 1; i < dict->count; i += 2)
        n += rk_pk_at(m, dict->of.item[i])->type == RK_PK_TENSOR;
    return n;
}

static const char *quote_node(char out[RK_QUOTE_SIZE], const rk_pk_node *n)
{
    return n->type == RK_PK_TEXT ? rk_quote(out, (const char *)n->of.text, n->count) : "(no text)";
}

/* The one map of tensors: the top value, or one of its values (a training state). */
static rk_status choose(rk_pk_machine *m, const rk_pk_node *top, const rk_pk_node **chosen)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];
    const rk_pk_node *key = NULL;

    *chosen = NULL;
    if (top->type != RK_PK_DICT)
        return rk_pk_fail(m, "the pickle is not a map of names to tensors");
    if (tensors_in(m, top)) *chosen = top;
    for (size_t i = 0; i < top->count; i += 2) {
        const rk_pk_node *k = rk_pk_at(m, top->of.item[i]);
        const rk_pk_node *v = rk_pk_at(m, top->of.item[i + 1]);
        if (!tensors_in(m, v)) continue;
        if (*chosen)
            return rk_pk_fail(m, "two maps of tensors, \"%s\" and \"%s\"; which are the weights?",
                              key ? quote_node(a, key) : "the top one", quote_node(b, k));
        *chosen = v;
        key = k;
    }
    if (!*chosen) return rk_pk_fail(m, "there are no tensors in the pickle");
    if (key && key->type != RK_PK_TEXT)
        return rk_pk_fail(m, "the map of tensors has no name");
    if (key) {
        m->out->inside = (const char *)key->of.text;
        m->out->inside_length = key->count;
    }
    return RK_OK;
}

static int by_name(const void *a, const void *b)
{
    const rk_pickle_entry *x = *(const rk_pickle_entry *const *)a;
    const rk_pickle_entry *y = *(const rk_pickle_entry *const *)b;
    const size_t n = x->name_length < y->name_length ? x->name_length : y->name_length;
    const int c = memcmp(x->name, y->name, n);
    if (c != 0) return c;
    return x->name_length < y->name_length ? -1 : x->name_length > y->name_length;
}

/* keys: all of the map's, tensors or not. */
static rk_status check_unique(rk_pk_machine *m, const rk_pickle_entry *keys, size_t count)
{
    char name[RK_QUOTE_SIZE];
    const rk_pickle_entry **order = rk_calloc(count, sizeof *order);
    rk_status st = RK_OK;

    if (!order) return rk_pk_no_memory(m);
    for (size_t i = 0; i < count; i++) order[i] = &keys[i];
    if (count) qsort(order, count, sizeof *order, by_name);
    for (size_t i = 1; !st && i < count; i++)
        if (by_name(&order[i - 1], &order[i]) == 0)
            st = rk_pk_fail(m, "the key \"%s\" is there twice",
                            rk_quote(name, order[i]->name, order[i]->name_length));
    rk_free(order);
    return st;
}

static rk_status read_keys(rk_pk_machine *m, rk_pickle_entry *keys, const rk_pk_node *dict)
{
    char name[RK_QUOTE_SIZE];
    for (size_t i = 0; i < dict->count; i += 2) {
        const rk_pk_node *k = rk_pk_at(m, dict->of.item[i]);
        if (k->type != RK_PK_TEXT)
            return rk_pk_fail(m, "a key of the weights is not a string");
        if (!rk_tensor_name_ok((const char *)k->of.text, k->count))
            return rk_pk_fail(m, "\"%s\" cannot be the name of a tensor", quote_node(name, k));
        keys[i / 2] = (rk_pickle_entry){(const char *)k->of.text, k->count, SIZE_MAX};
    }
    return check_unique(m, keys, dict->count / 2);
}

rk_status rk_pk_state(rk_pk_machine *m, uint32_t top)
{
    const rk_pk_node *dict;
    rk_pickle_entry *keys;
    size_t n = 0;
    rk_status st = check_tree(m, top);

    if (!st) st = choose(m, rk_pk_at(m, top), &dict);
    if (st) return st;
    keys = rk_calloc(dict->count / 2, sizeof *keys);
    if (!keys) return rk_pk_no_memory(m);
    m->out->entry = keys;
    st = read_keys(m, keys, dict);
    if (st) return st;
    /* in place: what is no tensor (a step count, say) is dropped */
    for (size_t i = 0; i < dict->count / 2; i++) {
        const rk_pk_node *v = rk_pk_at(m, dict->of.item[2 * i + 1]);
        if (v->type != RK_PK_TENSOR) continue;
        keys[n] = keys[i];
        keys[n++].tensor = (size_t)v->of.number;
    }
    m->out->entries = n;
    if (n > RK_TENSORS_MAX)
        return rk_pk_fail(m, "%zu tensors; at most %d are taken", n, RK_TENSORS_MAX);
    return RK_OK;
}
