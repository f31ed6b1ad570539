#include "convert/half_report.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/note.h"

enum {
    LISTED = 100,      /* constants named one by one; `clamped` counts all */
    KEPT = 10000       /* nodes likewise; `nodes.float` counts all */
};

static rk_status memory_fail(const rk_half_plan *p, rk_error *err)
{
    return rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
}

static bool half_mover(const rk_half_plan *p, size_t i)
{
    return p->node[i] == RK_HN_MOVER && p->cell_half[p->first_cell[i]];
}

/* One warning for all of them. */
static int warn_unknown(const json_t *unknown, const rk_half_plan *p)
{
    char q[RK_QUOTE_SIZE], d[RK_QUOTE_SIZE];
    rk_buffer list = {0};
    json_t *one;
    size_t k;

    json_array_foreach((json_t *)(uintptr_t)unknown, k, one) {
        const char *op = json_string_value(json_object_get(one, "op"));
        const char *domain = json_string_value(json_object_get(one, "domain"));
        rk_buffer_printf(&list, "%s'%s'%s%s%s", k ? ", " : "", rk_quote(q, op, strlen(op)),
                         *domain ? " of domain '" : "", rk_quote(d, domain, strlen(domain)),
                         *domain ? "'" : "");
    }
    if (list.length)
        rk_note("%s: nobody knows these operators; they stay float: %s", p->m->shown, list.data);
    const int bad = list.failed;
    rk_buffer_free(&list);
    return bad;
}

/* Operators without a schema, once each: they pass through in float. */
static int count_unknown(json_t *unknown, const rk_half_plan *p, size_t i)
{
    const Onnx__NodeProto *n = p->s->node[i].proto;
    const char *op = n->op_type ? n->op_type : "", *domain = n->domain ? n->domain : "";
    size_t k;
    json_t *one;

    json_array_foreach(unknown, k, one)
        if (strcmp(json_string_value(json_object_get(one, "op")), op) == 0 &&
            strcmp(json_string_value(json_object_get(one, "domain")), domain) == 0)
            return json_object_set_new(
                one, "nodes", json_integer(json_integer_value(json_object_get(one, "nodes")) + 1));
    if (json_array_size(unknown) >= LISTED) return 0;
    return json_array_append_new(unknown, json_pack("{s:s, s:s, s:i}", "op", op, "domain", domain,
                                                    "nodes", 1));
}

rk_status rk_half_report_plan(json_t *report, const rk_half_plan *p, rk_error *err)
{
    json_t *kept = json_array(), *unknown = json_array();
    size_t half = 0, stay = 0;
    int bad = !kept || !unknown;

    for (size_t k = 0; k < p->s->nodes && !bad; k++) {
        const size_t i = p->s->order[k];
        const Onnx__NodeProto *n = p->s->node[i].proto;
        char name[RK_QUOTE_SIZE];
        if (!p->s->node[i].schema) bad = count_unknown(unknown, p, i);
        if (p->node[i] == RK_HN_HALF || half_mover(p, i)) half++;
        else if (p->node[i] == RK_HN_FLOAT || p->node[i] == RK_HN_MOVER) {
            stay++;
            if (stay > KEPT) continue;
            bad = bad || json_array_append_new(
                             kept, json_pack("{s:s, s:s, s:s}", "node",
                                             rk_scope_shown(name, p->s, i), "op",
                                             n->op_type ? n->op_type : "", "why",
                                             p->why[i] ? p->why[i] : "asked for"));
        }
    }
    bad = bad || warn_unknown(unknown, p);
    bad = bad || json_object_set_new(report, "nodes",
                                     json_pack("{s:I, s:I}", "half", (json_int_t)half, "float",
                                               (json_int_t)stay));
    bad = bad || json_object_set(report, "kept_float", kept) ||
          json_object_set(report, "unknown", unknown);
    json_decref(kept);
    json_decref(unknown);
    return bad ? memory_fail(p, err) : RK_OK;
}

/* True where a half copy of the constant will be made. */
static bool becomes_half(const rk_half_plan *p, const rk_half_copies *c, size_t i)
{
    const rk_svalue *v = &p->s->value[i];
    return rk_half_is_float(v) && v->tensor &&
           (p->half_value[i] || (c->other[i] && v->input == RK_NONE));
}

rk_status rk_half_report_constants(json_t *report, const rk_half_plan *p, const rk_half_copies *c,
                                   rk_error *err)
{
    json_t *list = json_array();
    json_int_t clamped = 0, vanished = 0;
    int bad = !list;

    for (size_t i = 0; i < p->s->values && !bad; i++) {
        rk_half_stats *s = &p->stats[i];
        char q[RK_QUOTE_SIZE];
        if (!becomes_half(p, c, i)) continue;
        if (!s->known) {
            const rk_status st = rk_half_look(s, p->s->value[i].tensor, p->o->type, p->m, err);
            if (st) {
                json_decref(list);
                return st;
            }
        }
        clamped += (json_int_t)s->beyond;
        vanished += (json_int_t)s->vanish;
        if ((!s->beyond && !s->vanish) || json_array_size(list) >= LISTED) continue;
        bad = json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:f}", "name",
                            rk_quote(q, p->s->value[i].name, strlen(p->s->value[i].name)),
                            "clamped", (json_int_t)s->beyond, "vanished", (json_int_t)s->vanish,
                            "largest", (double)s->largest));
    }
    bad = bad || json_object_set_new(report, "clamped", json_integer(clamped)) ||
          json_object_set_new(report, "vanished", json_integer(vanished)) ||
          json_object_set(report, "constants", list);
    json_decref(list);
    return bad ? memory_fail(p, err) : RK_OK;
}

rk_status rk_half_report_casts(json_t *report, const rk_half_plan *p, const rk_half_counts_made *n,
                               rk_error *err)
{
    if (json_object_set_new(report, "casts",
                            json_pack("{s:I, s:I, s:I}", "added", (json_int_t)n->added, "removed",
                                      (json_int_t)n->removed, "kept", (json_int_t)n->kept)))
        return memory_fail(p, err);
    return RK_OK;
}
