#include "convert/half_place.h"

#include <string.h>

#include "base/mem.h"

enum { NAME_ROOM = 8 };

static rk_status out_of_memory(const rk_half_copies *c)
{
    return rk_fail(c->err, RK_E_MEMORY, "%s: out of memory", c->p->m->shown);
}

const char *rk_half_suffixed(rk_half_copies *c, const char *name, const char *suffix)
{
    const size_t n = strlen(name);
    char *base = rk_malloc(n + NAME_ROOM);
    const char *fresh;

    if (!base) return NULL;
    memcpy(base, name, n);
    memcpy(base + n, suffix, strlen(suffix) + 1);
    fresh = rk_names_fresh(c->names, base, 0);
    rk_free(base);
    return fresh;
}

bool rk_half_output_moved(const rk_half_copies *c, size_t value)
{
    const rk_svalue *v = &c->p->s->value[value];
    return rk_half_is_float(v) && v->output && c->p->half_value[value] != c->p->o->convert_io;
}

/* The innermost graph that holds both. */
static size_t join(const rk_scope *s, size_t a, size_t b)
{
    while (!rk_scope_holds(s, a, b)) a = s->node[s->graph[a].parent].graph;
    return a;
}

/* Out of bodies that run again and again, up to where the value is. */
static size_t climb(const rk_scope *s, size_t graph, size_t home)
{
    size_t best = graph;

    for (size_t g = graph; g != home; g = s->node[s->graph[g].parent].graph)
        if (!rk_node_is(s->node[s->graph[g].parent].proto, "If"))
            best = s->node[s->graph[g].parent].graph;
    return best;
}

/* Who wants the other type, and the graph that all of them can see it from. */
static bool wishes(rk_half_copies *c, size_t value)
{
    const rk_half_plan *p = c->p;
    const rk_svalue *v = &p->s->value[value];
    const rk_want unlike = p->half_value[value] ? RK_WANT_FLOAT : RK_WANT_HALF;
    size_t graph = RK_NONE;

    for (size_t i = 0; i < v->reads; i++) {
        const rk_read *r = &v->read[i];
        if (rk_half_want(p, r) != unlike) {
            c->reads_native[value] = true;
            continue;
        }
        graph = graph == RK_NONE ? r->graph : join(p->s, graph, r->graph);
    }
    if (graph == RK_NONE) return false;
    c->place[value] = climb(p->s, graph, v->graph);
    return true;
}

static rk_status name_value(rk_half_copies *c, size_t i, const char *half_suffix)
{
    const rk_svalue *v = &c->p->s->value[i];
    const bool half = c->p->half_value[i];
    const char *name = rk_names_key(c->names, v->name);   /* outlives what is renamed below */

    c->native[i] = name;
    if (!rk_half_is_float(v)) return RK_OK;
    const bool other = wishes(c, i);
    if (rk_half_output_moved(c, i)) {
        /* The graph output keeps its name; what makes it gets another. */
        c->native[i] = rk_half_suffixed(c, name, half ? half_suffix : "_fp32");
        c->other[i] = name;
        c->place[i] = v->graph;
    } else if (!other) {
        return RK_OK;
    } else if (rk_half_is_constant(v) && !c->reads_native[i]) {
        c->other[i] = name;
    } else {
        c->other[i] = rk_half_suffixed(c, name, half ? "_fp32" : half_suffix);
    }
    if (rk_half_is_constant(v)) c->place[i] = v->graph;
    return c->native[i] && c->other[i] ? RK_OK : out_of_memory(c);
}

static rk_status collect_names(rk_half_copies *c)
{
    const rk_scope *s = c->p->s;

    for (size_t i = 0; i < s->values; i++)
        if (!rk_names_add(c->names, s->value[i].name, 0, NULL)) return out_of_memory(c);
    for (size_t i = 0; i < s->nodes; i++)
        if (s->node[i].proto->name && !rk_names_add(c->names, s->node[i].proto->name, 0, NULL))
            return out_of_memory(c);
    return RK_OK;
}

rk_status rk_half_copies_new(rk_half_copies *c, const rk_half_plan *p, rk_error *err)
{
    const size_t values = p->s->values + 1;
    rk_status st;

    *c = (rk_half_copies){.p = p, .err = err};
    c->names = rk_names_new();
    c->native = rk_calloc(values, sizeof *c->native);
    c->other = rk_calloc(values, sizeof *c->other);
    c->reads_native = rk_calloc(values, sizeof *c->reads_native);
    c->place = rk_calloc(values, sizeof *c->place);
    if (!c->names || !c->native || !c->other || !c->reads_native || !c->place)
        return out_of_memory(c);
    st = collect_names(c);
    for (size_t i = 0; i < p->s->values && !st; i++)
        st = name_value(c, i, p->o->type == RK_DT_F16 ? "_fp16" : "_bf16");
    return st;
}

void rk_half_copies_free(rk_half_copies *c)
{
    rk_names_free(c->names);
    rk_free(c->native);
    rk_free(c->other);
    rk_free(c->reads_native);
    rk_free(c->place);
}
