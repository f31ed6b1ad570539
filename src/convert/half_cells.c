#include <string.h>

#include "base/mem.h"
#include "convert/half_plan.h"
#include "onnx/infer_rules.h"

/* ---- numbering ---- */

/* States of a Scan: what it reads besides the scanned inputs. */
static size_t scan_states(const rk_snode *n)
{
    const size_t inputs = n->proto->n_input - (n->proto->n_input ? rk_scan_first(n) : 0);
    const int64_t scanned = rk_node_int(n->proto, "num_scan_inputs", 0);
    return scanned < 0 || (size_t)scanned > inputs ? 0 : inputs - (size_t)scanned;
}

static size_t scan_inputs(const rk_snode *n)
{
    return n->proto->n_input - rk_scan_first(n) - scan_states(n);
}

static size_t cells_of(const rk_snode *n)
{
    if (rk_node_is(n->proto, "If")) return n->proto->n_output;
    if (rk_node_is(n->proto, "Loop")) {
        const size_t in = n->proto->n_input > 2 ? n->proto->n_input - 2 : 0;
        return in > n->proto->n_output ? in : n->proto->n_output;
    }
    if (rk_node_is(n->proto, "Scan") && n->proto->n_input)
        return scan_inputs(n) + (n->proto->n_output > scan_states(n) ? n->proto->n_output
                                                                     : scan_states(n));
    return 0;
}

rk_status rk_half_number_cells(rk_half_plan *p, rk_error *err)
{
    for (size_t i = 0; i < p->s->nodes; i++) {
        const rk_snode *n = &p->s->node[i];
        p->first_cell[i] = p->cells;
        p->node_cells[i] = n->bodies && n->schema ? cells_of(n)
                           : n->schema && !n->bodies ? 1 : 0;   /* one, should it be a mover */
        p->cells += p->node_cells[i];
    }
    p->cell_forced = rk_calloc(p->cells + 1, 1);
    p->cell_half = rk_calloc(p->cells + 1, 1);
    return p->cell_forced && p->cell_half
               ? RK_OK : rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
}

static size_t cell(const rk_half_plan *p, size_t node, size_t number)
{
    return number < p->node_cells[node] ? p->first_cell[node] + number : RK_NONE;
}

size_t rk_half_body_in_cell(const rk_half_plan *p, size_t graph, size_t slot)
{
    const size_t node = p->s->graph[graph].parent;
    const rk_snode *n = node == RK_NONE ? NULL : &p->s->node[node];

    if (!n || !n->schema) return RK_NONE;
    if (rk_node_is(n->proto, "Loop")) return slot < 2 ? RK_NONE : cell(p, node, slot - 2);
    return rk_node_is(n->proto, "Scan") ? cell(p, node, slot) : RK_NONE;
}

size_t rk_half_body_out_cell(const rk_half_plan *p, size_t graph, size_t slot)
{
    const size_t node = p->s->graph[graph].parent;
    const rk_snode *n = node == RK_NONE ? NULL : &p->s->node[node];

    if (!n || !n->schema) return RK_NONE;
    if (rk_node_is(n->proto, "If")) return cell(p, node, slot);
    if (rk_node_is(n->proto, "Loop")) return slot < 1 ? RK_NONE : cell(p, node, slot - 1);
    if (!rk_node_is(n->proto, "Scan")) return RK_NONE;
    return cell(p, node, slot < scan_states(n) ? slot : slot + scan_inputs(n));
}

size_t rk_half_made_cell(const rk_half_plan *p, const rk_svalue *v)
{
    if (v->input != RK_NONE) return rk_half_body_in_cell(p, v->graph, v->input);
    if (v->node == RK_NONE) return RK_NONE;
    const rk_snode *n = &p->s->node[v->node];
    if (p->node[v->node] == RK_HN_MOVER) {
        const char letter = rk_schema_output(n->schema, v->slot, NULL);
        return rk_half_allowed(p, n->schema, letter) ? cell(p, v->node, 0) : RK_NONE;
    }
    if (!n->bodies || !n->schema) return RK_NONE;
    if (rk_node_is(n->proto, "If") || rk_node_is(n->proto, "Loop"))
        return cell(p, v->node, v->slot);
    if (!rk_node_is(n->proto, "Scan")) return RK_NONE;
    return cell(p, v->node, v->slot < scan_states(n) ? v->slot : v->slot + scan_inputs(n));
}

size_t rk_half_read_cell(const rk_half_plan *p, const rk_read *r)
{
    if (r->node == RK_NONE) return rk_half_body_out_cell(p, r->graph, r->slot);
    const rk_snode *n = &p->s->node[r->node];
    if (p->node[r->node] == RK_HN_MOVER) {
        const char letter = rk_schema_input(n->schema, r->slot, NULL);
        return rk_half_allowed(p, n->schema, letter) ? cell(p, r->node, 0) : RK_NONE;
    }
    if (!n->bodies || !n->schema) return RK_NONE;
    if (rk_node_is(n->proto, "Loop")) return r->slot < 2 ? RK_NONE : cell(p, r->node, r->slot - 2);
    if (!rk_node_is(n->proto, "Scan") || r->slot < rk_scan_first(n)) return RK_NONE;
    return cell(p, r->node, r->slot - rk_scan_first(n));
}

/* ---- settling ---- */

typedef struct flow {
    unsigned char *from, *to;   /* [cells] a float value goes in; a float reader takes it out */
} flow;

/* Made as float whatever the cells are; constants count for neither side. */
static bool made_float(const rk_half_plan *p, const rk_svalue *v, const flow *f)
{
    const size_t c = rk_half_made_cell(p, v);

    if (c != RK_NONE) return p->cell_forced[c] || f->from[c];
    if (v->input != RK_NONE) return v->graph != 0 || !p->o->convert_io;
    if (v->node == RK_NONE) return v->sparse != NULL;
    if (p->node[v->node] == RK_HN_HALF) {
        const rk_schema *s = p->s->node[v->node].schema;
        return !rk_half_allowed(p, s, rk_schema_output(s, v->slot, NULL));
    }
    return true;
}

static bool read_float(const rk_half_plan *p, const rk_svalue *v, const flow *f)
{
    for (size_t i = 0; i < v->reads; i++) {
        const size_t c = rk_half_read_cell(p, &v->read[i]);
        if (c != RK_NONE ? p->cell_forced[c] || f->to[c]
                         : rk_half_want(p, &v->read[i]) == RK_WANT_FLOAT)
            return true;
    }
    return false;
}

static bool forward(const rk_half_plan *p, flow *f)
{
    bool changed = false;

    for (size_t i = 0; i < p->s->values; i++) {
        const rk_svalue *v = &p->s->value[i];
        if (!rk_half_is_float(v) || rk_half_is_constant(v) || !made_float(p, v, f)) continue;
        for (size_t k = 0; k < v->reads; k++) {
            const size_t c = rk_half_read_cell(p, &v->read[k]);
            if (c == RK_NONE || f->from[c]) continue;
            f->from[c] = 1;
            changed = true;
        }
    }
    return changed;
}

static bool backward(const rk_half_plan *p, flow *f)
{
    bool changed = false;

    for (size_t i = p->s->values; i-- > 0;) {
        const rk_svalue *v = &p->s->value[i];
        const size_t c = rk_half_is_float(v) ? rk_half_made_cell(p, v) : RK_NONE;
        if (c == RK_NONE || f->to[c] || !read_float(p, v, f)) continue;
        f->to[c] = 1;
        changed = true;
    }
    return changed;
}

/* A cell is float where a float value goes in and a float reader takes it out: then nothing that
 * was float between two float nodes is squeezed through half. Values are numbered in order, so one
 * pass each way is enough but for loops. */
rk_status rk_half_settle_cells(rk_half_plan *p, rk_error *err)
{
    flow f = {rk_calloc(p->cells + 1, 1), rk_calloc(p->cells + 1, 1)};
    rk_status st = RK_OK;

    if (!f.from || !f.to) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", p->m->shown);
    while (!st && forward(p, &f)) {}
    while (!st && backward(p, &f)) {}
    for (size_t c = 0; c < p->cells && !st; c++)
        p->cell_half[c] = !p->cell_forced[c] && !(f.from[c] && f.to[c]);
    for (size_t i = 0; i < p->s->nodes && !st; i++) {
        if (p->node[i] != RK_HN_MOVER) continue;
        const size_t c = p->first_cell[i];
        if (!p->cell_half[c] && !p->why[i])
            p->why[i] = "it moves values between nodes that stay float";
    }
    rk_free(f.from);
    rk_free(f.to);
    return st;
}
