/* The embeddings of a BERT classifier in an ONNX graph: three tables, each known by the rows it is
 * read at. */
#include <string.h>

#include "base/mem.h"
#include "encoder/from_onnx.h"

/* ---- what a caller feeds ---- */

static bool is_one(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

/* By the names that exporters and their callers agree on. */
static rk_feed by_name(const char *name)
{
    static const char *const ids[] = {"input_ids", "input.1", NULL};
    static const char *const mask[] = {"attention_mask", "input_mask", NULL};
    static const char *const types[] = {"token_type_ids", "segment_ids", NULL};
    static const char *const positions[] = {"position_ids", NULL};

    return is_one(name, ids)         ? RK_FEED_IDS
           : is_one(name, mask)      ? RK_FEED_MASK
           : is_one(name, types)     ? RK_FEED_TYPES
           : is_one(name, positions) ? RK_FEED_POSITIONS
                                     : RK_FEED_NONE;
}

/* The graph input behind a value of ids, or RK_NONE. */
static size_t input_behind(const rk_walk *w, const char *value)
{
    enum { STEPS = 64 };
    const rk_value *v;

    for (size_t i = 0; i < STEPS; i++) {
        const Onnx__NodeProto *n = rk_index_producer(w->x, value);
        if (!n || !(rk_node_is(n, "Cast") || rk_node_is(n, "Identity"))) break;
        value = rk_node_input(n, 0);
    }
    v = rk_index_find(w->x, value);
    return v && v->initializer == RK_NONE ? v->input : RK_NONE;
}

/* Rows of the largest table that each input is an index of; 0: of none. */
static void tables_read(const rk_walk *w, size_t *rows)
{
    for (size_t i = 0; i < w->g->n_node; i++) {
        const Onnx__NodeProto *n = w->g->node[i];
        const Onnx__NodeProto *d;
        const Onnx__TensorProto *t;
        size_t at;
        if (!rk_node_is(n, "Gather") || rk_node_int(n, "axis", 0) != 0) continue;
        at = input_behind(w, rk_node_input(n, 1));
        d = rk_walk_node(w, rk_node_input(n, 0), "DequantizeLinear");
        t = rk_index_initializer(w->x, rk_walk_behind(w, rk_node_input(d ? d : n, 0)));
        if (at != RK_NONE && t && t->n_dims == 2 && t->dims[0] > 0 && (size_t)t->dims[0] > rows[at])
            rows[at] = (size_t)t->dims[0];
    }
}

/* Inputs without a usual name: of those that read tables the one of the most rows is the ids; one
 * that reads none is the mask. */
static rk_status by_use(rk_walk *w, const size_t *rows)
{
    size_t most = RK_NONE;
    bool ids = false, mask = false;

    for (size_t i = 0; i < w->g->n_input; i++) {
        ids = ids || w->feeds[i] == RK_FEED_IDS;
        mask = mask || w->feeds[i] == RK_FEED_MASK;
        if (w->feeds[i] == RK_FEED_NONE && rows[i] && (most == RK_NONE || rows[i] > rows[most]))
            most = i;
    }
    if (!ids && most != RK_NONE) w->feeds[most] = RK_FEED_IDS;
    for (size_t i = 0; i < w->g->n_input; i++) {
        const char *name = w->g->input[i]->name;
        if (w->feeds[i] != RK_FEED_NONE || rk_index_initializer(w->x, name)) continue;
        if (rows[i])
            w->feeds[i] = RK_FEED_TYPES;
        else if (mask)
            return rk_walk_misfit(w, name, "ids, attention mask, token types or positions");
        else {
            w->feeds[i] = RK_FEED_MASK;
            mask = true;
        }
    }
    return RK_OK;
}

rk_status rk_walk_feed(rk_walk *w)
{
    const size_t inputs = w->g->n_input;
    size_t *rows = rk_walk_alloc(w, inputs, sizeof *rows);
    rk_status st;

    w->feeds = rk_calloc(inputs ? inputs : 1, sizeof *w->feeds);
    if (!w->feeds || !rows) return rk_walk_memory(w);
    for (size_t i = 0; i < inputs; i++) w->feeds[i] = by_name(w->g->input[i]->name);
    tables_read(w, rows);
    st = by_use(w, rows);
    if (!st) st = rk_example_new(&w->example[0], w->x, w->feeds, 2, 3, w->m->shown, w->err);
    if (!st) st = rk_example_new(&w->example[1], w->x, w->feeds, 3, 2, w->m->shown, w->err);
    return st;
}

/* ---- tables ---- */

/* Codes and scales read apart: Mul(reading of the codes, the same reading of the scales [rows, 1]).
 */
static rk_status split_table(rk_walk *w, rk_table *out, const char *codes, const char *scales)
{
    rk_tensor c, s;
    bool found;
    float *scale;
    rk_status st = rk_walk_constant(w, &c, &found, codes);

    if (!st && found) st = rk_walk_constant(w, &s, &found, scales);
    if (st) return st;
    if (!found || c.rank != 2 || c.type != RK_DT_I8 || s.type != RK_DT_F32 ||
        s.bytes != c.dim[0] * sizeof(float))
        return rk_walk_misfit(w, codes, "int8 codes [rows, width] and float scales [rows, 1]");
    scale = rk_walk_alloc(w, c.dim[0], sizeof *scale); /* the file may have them at any byte */
    if (!scale) return rk_walk_memory(w);
    memcpy(scale, s.data, s.bytes);
    *out = (rk_table){
        .data = c.data, .type = RK_DT_I8, .rows = c.dim[0], .width = c.dim[1], .scale = scale};
    return RK_OK;
}

/* Zero points of a table are one for all. */
static rk_status put_table(rk_walk *w, rk_table *out, const rk_walk_matrix *m, const char *value)
{
    *out = (rk_table){.data = m->t.data,
                      .type = m->t.type,
                      .rows = m->t.dim[0],
                      .width = m->t.dim[1],
                      .scale = m->scale};
    for (size_t i = 0; m->zero && i < m->t.dim[0]; i++)
        if (m->zero[i] != m->zero[0]) return rk_walk_misfit(w, value, "one zero point for a table");
    out->zero = m->zero ? (float)m->zero[0] : 0;
    return RK_OK;
}

typedef struct reading {
    const Onnx__NodeProto *node;   /* Gather or Slice of the table's rows */
    const Onnx__NodeProto *scales; /* the same of its scales; or NULL */
    const Onnx__NodeProto *codes;  /* DequantizeLinear of what node reads; or NULL */
} reading;

/* How an embedding reads its table; false where it is none. */
static bool table_reader(const rk_walk *w, reading *r, const char *value)
{
    const char *pair[2];

    *r = (reading){.codes = rk_walk_node(w, value, "DequantizeLinear")};
    if (r->codes) {
        value = rk_node_input(r->codes, 0);
    } else if (rk_walk_pair(w, "Mul", value, pair)) {
        value = pair[0];
        r->scales = rk_index_producer(w->x, rk_walk_behind(w, pair[1]));
        if (!r->scales) return false;
    }
    r->node = rk_index_producer(w->x, rk_walk_behind(w, value));
    if (!r->node || !(rk_node_is(r->node, "Gather") || rk_node_is(r->node, "Slice"))) return false;
    if (r->scales) {
        /* both are read alike: the same operator by the same values */
        const Onnx__NodeProto *n = r->node;
        if (n->n_input != r->scales->n_input || strcmp(n->op_type, r->scales->op_type) != 0)
            return false;
        for (size_t i = 1; i < n->n_input; i++)
            if (strcmp(n->input[i], r->scales->input[i]) != 0) return false;
    }
    return true;
}

static rk_status read_table(rk_walk *w, rk_table *out, const reading *r)
{
    const char *rows = rk_node_input(r->node, 0);
    rk_walk_matrix m;
    bool found;
    rk_status st;

    if (r->scales) return split_table(w, out, rows, rk_node_input(r->scales, 0));
    st = r->codes ? rk_walk_codes(w, &m, 0, rows, rk_node_input(r->codes, 1),
                                  rk_node_input(r->codes, 2), &found)
                  : rk_walk_weights(w, &m, 0, rows, &found);
    if (st) return st;
    if (!found) return rk_walk_misfit(w, rows, "a constant table");
    return put_table(w, out, &m, rows);
}

enum { WORD, POSITION, TYPE, OTHER };

/* What the row numbers are: the ids, the positions or zeros. */
static int kind_of(const rk_example *e, const rk_array *rows)
{
    const size_t b = e->batch, l = e->length;
    bool word = rows->rank == 2 && rows->count == b * l && rows->dim[1] == l;
    bool position = rows->rank >= 1 && rows->dim[rows->rank - 1] == l && rows->count <= b * l;
    bool type = true;

    for (size_t i = 0; i < rows->count; i++) {
        word = word && rows->data[i] == (double)i;
        position = position && rows->data[i] == (double)(i % l);
        type = type && rows->data[i] == 0;
    }
    return rows->count == 0 ? OTHER : word ? WORD : position ? POSITION : type ? TYPE : OTHER;
}

/* The rows that a node reads in an example. */
static int rows_read(rk_walk *w, size_t which, const Onnx__NodeProto *n, size_t rows)
{
    rk_example *e = w->example[which];
    const rk_array *at = rk_node_is(n, "Gather") ? rk_example_find(e, rk_node_input(n, 1)) : NULL;
    const size_t dim[2] = {rows, 1};
    rk_array column = {.whole = true}, read = {0};
    int kind = OTHER;

    if (at) return at->data && rk_node_int(n, "axis", 0) == 0 ? kind_of(e, at) : OTHER;
    if (rk_array_shape(&column, 2, dim) && rk_array_numbers(&column, e)) {
        for (size_t i = 0; i < rows; i++) column.data[i] = (double)i;
        if (rk_example_apply(e, n, &column, &read) && read.rank == 2 && read.dim[1] == 1) {
            read.rank = 1;
            kind = kind_of(e, &read);
        }
    }
    rk_free(column.data);
    rk_free(read.data);
    return kind;
}

static rk_status embedding(rk_walk *w, rk_table table[3], bool seen[3], size_t width,
                           const char *value)
{
    rk_table t;
    reading r;
    int kind;
    rk_status st;

    if (!table_reader(w, &r, value))
        return rk_walk_misfit(w, rk_walk_behind(w, value), "the word, position or type embedding");
    st = read_table(w, &t, &r);
    if (st) return st;
    kind = rows_read(w, 0, r.node, t.rows);
    if (kind == OTHER || rows_read(w, 1, r.node, t.rows) != kind)
        return rk_walk_misfit(w, rk_node_output(r.node, 0),
                              "rows by the ids, by positions from 0, or of type 0");
    if (seen[kind]) return rk_walk_misfit(w, value, "one embedding of each kind");
    if (t.width != width) return rk_walk_misfit(w, value, "tables of the same width");
    seen[kind] = true;
    table[kind] = t;
    return RK_OK;
}

rk_status rk_walk_embeddings(rk_walk *w, rk_source *out, float *eps, const char *value)
{
    rk_table table[3];
    bool seen[3] = {false};
    size_t width = 0;
    const char *sum, *outer[2], *inner[2], *part[3];
    rk_status st = rk_walk_norm(w, &out->emb_ln_w, &out->emb_ln_b, eps, &width, &sum, value);

    if (st) return st;
    if (!rk_walk_pair(w, "Add", sum, outer))
        return rk_walk_misfit(w, rk_walk_behind(w, sum), "a sum of three embeddings");
    if (rk_walk_pair(w, "Add", outer[0], inner))
        part[2] = outer[1];
    else if (rk_walk_pair(w, "Add", outer[1], inner))
        part[2] = outer[0];
    else
        return rk_walk_misfit(w, rk_walk_behind(w, sum), "a sum of three embeddings");
    part[0] = inner[0];
    part[1] = inner[1];
    for (size_t i = 0; !st && i < 3; i++) st = embedding(w, table, seen, width, part[i]);
    if (st) return st;
    out->word = table[WORD];
    out->position = table[POSITION];
    out->type = table[TYPE];
    return RK_OK;
}
