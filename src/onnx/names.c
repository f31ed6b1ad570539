#include "onnx/names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

/* Open addressing, power-of-two table of entry numbers + 1. Keys come from files, so the hash is
 * keyed (SipHash-1-3, Aumasson and Bernstein 2012): collisions cannot be prepared. Results never
 * depend on the order of the table. */
typedef struct entry {
    char *key;
    size_t value, next;        /* next suffix to try for this base */
    uint64_t hash;
} entry;

struct rk_names {
    entry *entry;
    size_t count, room;
    size_t *table;
    size_t slots;
    uint64_t key[2];
};

static uint64_t rotl(uint64_t x, unsigned b) { return (x << b) | (x >> (64 - b)); }

static void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
    v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
    v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
    v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
}

static uint64_t hash(const rk_names *n, const char *key)
{
    const size_t length = strlen(key);
    uint64_t v[4] = {
        n->key[0] ^ UINT64_C(0x736f6d6570736575), n->key[1] ^ UINT64_C(0x646f72616e646f6d),
        n->key[0] ^ UINT64_C(0x6c7967656e657261), n->key[1] ^ UINT64_C(0x7465646279746573)};
    size_t i = 0;
    uint64_t m;

    for (; i + 8 <= length; i += 8) {
        memcpy(&m, key + i, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    m = 0;
    memcpy(&m, key + i, length - i);
    m |= (uint64_t)length << 56;
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int r = 0; r < 3; r++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

rk_names *rk_names_new(void)
{
    rk_names *n = rk_calloc(1, sizeof *n);
    struct timespec t = {0};

    if (!n) return NULL;
    n->slots = 64;
    n->table = rk_calloc(n->slots, sizeof *n->table);
    if (!n->table) {
        rk_free(n);
        return NULL;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    n->key[0] = (uint64_t)(uintptr_t)n ^ (uint64_t)t.tv_nsec << 32;
    n->key[1] = (uint64_t)(uintptr_t)&t ^ (uint64_t)t.tv_sec << 20 ^ (uint64_t)t.tv_nsec;
    return n;
}

void rk_names_free(rk_names *n)
{
    if (!n) return;
    for (size_t i = 0; i < n->count; i++) rk_free(n->entry[i].key);
    rk_free(n->entry);
    rk_free(n->table);
    rk_free(n);
}

/* The table slot that holds key, or the free one where it belongs. */
static size_t slot_of(const rk_names *n, const char *key, uint64_t h)
{
    size_t s = (size_t)h & (n->slots - 1);

    while (n->table[s]) {
        const entry *e = &n->entry[n->table[s] - 1];
        if (e->hash == h && strcmp(e->key, key) == 0) break;
        s = (s + 1) & (n->slots - 1);
    }
    return s;
}

static bool grow(rk_names *n)
{
    if (n->count == n->room) {
        const size_t room = n->room ? 2 * n->room : 32;
        entry *e = rk_realloc(n->entry, room, sizeof *e);
        if (!e) return false;
        n->entry = e;
        n->room = room;
    }
    if (2 * (n->count + 1) > n->slots) {
        const size_t slots = 2 * n->slots;
        size_t *table = rk_calloc(slots, sizeof *table);
        if (!table) return false;
        for (size_t i = 0; i < n->count; i++) {
            size_t s = (size_t)n->entry[i].hash & (slots - 1);
            while (table[s]) s = (s + 1) & (slots - 1);
            table[s] = i + 1;
        }
        rk_free(n->table);
        n->table = table;
        n->slots = slots;
    }
    return true;
}

static entry *add(rk_names *n, const char *key, size_t value, bool *added)
{
    const uint64_t h = hash(n, key);
    size_t s = slot_of(n, key, h);
    entry *e;

    if (added) *added = false;
    if (n->table[s]) return &n->entry[n->table[s] - 1];
    if (!grow(n)) return NULL;
    e = &n->entry[n->count];
    *e = (entry){.key = rk_strdup(key), .value = value, .next = 1, .hash = h};
    if (!e->key) return NULL;
    n->table[slot_of(n, key, h)] = ++n->count;
    if (added) *added = true;
    return e;
}

size_t *rk_names_add(rk_names *n, const char *key, size_t value, bool *added)
{
    entry *e = add(n, key, value, added);
    return e ? &e->value : NULL;
}

size_t *rk_names_get(const rk_names *n, const char *key)
{
    const size_t s = slot_of(n, key, hash(n, key));
    return n->table[s] ? &n->entry[n->table[s] - 1].value : NULL;
}

const char *rk_names_key(const rk_names *n, const char *key)
{
    const size_t s = slot_of(n, key, hash(n, key));
    return n->table[s] ? n->entry[n->table[s] - 1].key : NULL;
}

size_t rk_names_count(const rk_names *n) { return n->count; }

const char *rk_names_fresh(rk_names *n, const char *base, size_t value)
{
    bool added;
    entry *e = add(n, base, value, &added);
    const size_t room = strlen(base) + 24;
    size_t first, i;
    char *name;

    if (!e || added) return e ? e->key : NULL;
    first = n->table[slot_of(n, base, hash(n, base))] - 1;
    name = rk_malloc(room);
    if (!name) return NULL;
    for (i = n->entry[first].next;; i++) {
        snprintf(name, room, "%s_%zu", base, i);
        e = add(n, name, value, &added);
        if (!e || added) break;
    }
    n->entry[first].next = i + 1;    /* so that many of one base stay linear */
    rk_free(name);
    return e ? e->key : NULL;
}
