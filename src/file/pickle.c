/* Source: the opcode descriptions of Python's pickletools, protocols 2 to 5. Only opcodes that
 * torch.save needs are here; every value lives in the machine, nothing is looked up or called. */
#include "file/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { BLOCK = 4096, SMALL_INTS = 256, NODE_NONE = 0, NODE_TRUE, NODE_FALSE,
       NODE_EMPTY, NODE_INTS, NODES_READY = NODE_INTS + SMALL_INTS };

/* On the stack a mark, in the memo an empty slot. */
static const uint32_t MARK = UINT32_MAX;

rk_status rk_pk_fail(rk_pk_machine *m, const char *format, ...)
{
    char what[768];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return rk_fail(m->err, RK_E_FORMAT, "%s: byte %zu: %s", m->where, m->op_at, what);
}

rk_status rk_pk_no_memory(rk_pk_machine *m)
{
    return rk_fail(m->err, RK_E_MEMORY, "%s: out of memory", m->where);
}

rk_pk_node *rk_pk_at(const rk_pk_machine *m, uint32_t number)
{
    return &m->block[number / BLOCK][number % BLOCK];
}

rk_status rk_pk_new(rk_pk_machine *m, uint32_t *number, rk_pk_type type)
{
    if (m->nodes == RK_PICKLE_VALUES_MAX)
        return rk_pk_fail(m, "more than %d values", RK_PICKLE_VALUES_MAX);
    if (m->nodes == m->blocks * BLOCK) {
        rk_pk_node *fresh = rk_calloc(BLOCK, sizeof *fresh);
        rk_pk_node **more = rk_realloc(m->block, m->blocks + 1, sizeof *more);
        if (more) m->block = more;
        if (!fresh || !more) {
            rk_free(fresh);
            return rk_pk_no_memory(m);
        }
        m->block[m->blocks++] = fresh;
    }
    *number = (uint32_t)m->nodes++;
    rk_pk_at(m, *number)->type = (uint8_t)type;
    return RK_OK;
}

rk_status rk_pk_push(rk_pk_machine *m, uint32_t number)
{
    if (m->depth == RK_PICKLE_STACK_MAX)
        return rk_pk_fail(m, "more than %d values on the stack", RK_PICKLE_STACK_MAX);
    if (m->depth == m->stack_room) {
        const size_t room = m->stack_room ? 2 * m->stack_room : 256;
        uint32_t *more = rk_realloc(m->stack, room, sizeof *more);
        if (!more) return rk_pk_no_memory(m);
        m->stack = more;
        m->stack_room = room;
    }
    m->stack[m->depth++] = number;
    return RK_OK;
}

rk_status rk_pk_pop(rk_pk_machine *m, uint32_t *number)
{
    if (m->depth == 0) return rk_pk_fail(m, "the stack is empty");
    if (m->stack[m->depth - 1] == MARK) return rk_pk_fail(m, "a mark where a value is wanted");
    *number = m->stack[--m->depth];
    return RK_OK;
}

/* Room doubles at powers of two, so that the capacity needs no field of its own. */
rk_status rk_pk_append(rk_pk_machine *m, rk_pk_node *to, uint32_t number)
{
    if ((to->count & (to->count - 1)) == 0) {
        const size_t room = to->count ? 2 * (size_t)to->count : 1;
        uint32_t *more = rk_realloc(to->of.item, room, sizeof *more);
        if (!more) return rk_pk_no_memory(m);
        to->of.item = more;
    }
    to->of.item[to->count++] = number;
    return RK_OK;
}

/* ---- reading the stream ---- */

static rk_status take(rk_pk_machine *m, const uint8_t **p, uint64_t bytes)
{
    const size_t end = m->at < m->frame_end ? m->frame_end : m->size;
    if (bytes > end - m->at)
        return rk_pk_fail(m, "%llu bytes are wanted, %zu are left", (unsigned long long)bytes,
                          end - m->at);
    *p = m->data + m->at;
    m->at += (size_t)bytes;
    return RK_OK;
}

static rk_status take_number(rk_pk_machine *m, uint64_t *value, int bytes)
{
    const uint8_t *p = NULL;
    const rk_status st = take(m, &p, (uint64_t)bytes);
    if (st) return st;
    *value = 0;
    for (int i = bytes - 1; i >= 0; i--) *value = *value << 8 | p[i];
    return RK_OK;
}

/* A line of a GLOBAL opcode, without its newline. */
static rk_status take_line(rk_pk_machine *m, const uint8_t **p, size_t *length)
{
    const uint8_t *end = memchr(m->data + m->at, '\n', m->size - m->at);
    if (!end) return rk_pk_fail(m, "a name without an end");
    *length = (size_t)(end - (m->data + m->at));
    if (take(m, p, *length)) return RK_E_FORMAT;
    return take(m, &end, 1);
}

static rk_status push_new(rk_pk_machine *m, rk_pk_node **node, rk_pk_type type)
{
    uint32_t number = 0;
    const rk_status st = rk_pk_new(m, &number, type);
    if (st) return st;
    *node = rk_pk_at(m, number);
    return rk_pk_push(m, number);
}

static rk_status push_int(rk_pk_machine *m, int64_t value)
{
    rk_pk_node *node;
    rk_status st;
    if (value >= 0 && value < SMALL_INTS) return rk_pk_push(m, NODE_INTS + (uint32_t)value);
    st = push_new(m, &node, RK_PK_INT);
    if (!st) node->of.number = value;
    return st;
}

/* ---- opcodes: values; n is the opcode's own number of bytes ---- */

static rk_status op_ready(rk_pk_machine *m, int n)
{
    return rk_pk_push(m, (uint32_t)n);
}

static rk_status op_int(rk_pk_machine *m, int n)
{
    uint64_t v;
    const rk_status st = take_number(m, &v, n);
    if (st) return st;
    return push_int(m, n == 4 ? (int32_t)(uint32_t)v : (int64_t)v);
}

/* Little-endian two's complement of any length; past 64 bits only that it is large is kept. */
static rk_status op_long(rk_pk_machine *m, int n)
{
    const uint8_t *p = NULL;
    rk_pk_node *node;
    uint64_t bytes, v;
    rk_status st = take_number(m, &bytes, n);
    if (!st && bytes > INT32_MAX) return rk_pk_fail(m, "LONG4 with a negative length");
    if (!st) st = take(m, &p, bytes);
    if (st) return st;
    if (bytes > 8) return push_new(m, &node, RK_PK_BIG_INT);
    v = bytes && (p[bytes - 1] & 0x80) ? UINT64_MAX : 0;
    for (uint64_t i = bytes; i > 0; i--) v = v << 8 | p[i - 1];
    return push_int(m, (int64_t)v);
}

static rk_status op_float(rk_pk_machine *m, int n)
{
    const uint8_t *p = NULL;
    rk_pk_node *node;
    const rk_status st = take(m, &p, (uint64_t)n);
    return st ? st : push_new(m, &node, RK_PK_FLOAT);
}

static rk_status text_of(rk_pk_machine *m, int n, rk_pk_type type)
{
    const uint8_t *p = NULL;
    rk_pk_node *node;
    uint64_t length;
    size_t bad;
    rk_status st = take_number(m, &length, n);
    if (!st) st = take(m, &p, length);
    if (st) return st;
    if (type == RK_PK_TEXT && !rk_utf8_valid((const char *)p, (size_t)length, &bad))
        return rk_pk_fail(m, "a string is not UTF-8 at byte %zu of the stream",
                          (size_t)(p - m->data) + bad);
    st = push_new(m, &node, type);
    if (st) return st;
    node->of.text = p;
    node->count = (uint32_t)length;      /* below the stream's limit */
    return RK_OK;
}

static rk_status op_text(rk_pk_machine *m, int n)
{
    return text_of(m, n, RK_PK_TEXT);
}

static rk_status op_bytes(rk_pk_machine *m, int n)
{
    return text_of(m, n, RK_PK_BYTES);
}

/* ---- opcodes: containers ---- */

static rk_status op_mark(rk_pk_machine *m, int n)
{
    (void)n;
    return rk_pk_push(m, MARK);
}

static rk_status op_empty(rk_pk_machine *m, int type)
{
    rk_pk_node *node;
    return push_new(m, &node, (rk_pk_type)type);
}

/* The values above the topmost mark: stack[*from ..]. */
static rk_status above_mark(rk_pk_machine *m, size_t *from)
{
    size_t i = m->depth;
    while (i > 0 && m->stack[i - 1] != MARK) i--;
    if (i == 0) return rk_pk_fail(m, "there is no mark on the stack");
    *from = i;
    return RK_OK;
}

static rk_status tuple_from(rk_pk_machine *m, size_t from, size_t keep)
{
    uint32_t number;
    rk_status st;
    if (from == m->depth) {
        number = NODE_EMPTY;
    } else {
        st = rk_pk_new(m, &number, RK_PK_TUPLE);
        for (size_t i = from; !st && i < m->depth; i++)
            st = rk_pk_append(m, rk_pk_at(m, number), m->stack[i]);
        if (st) return st;
    }
    m->depth = keep;
    return rk_pk_push(m, number);
}

/* n 0: all above the mark. */
static rk_status op_tuple(rk_pk_machine *m, int n)
{
    const size_t want = (size_t)n;
    size_t from = 0;
    rk_status st;
    if (n == 0) {
        st = above_mark(m, &from);
        return st ? st : tuple_from(m, from, from - 1);
    }
    if (m->depth < want) return rk_pk_fail(m, "the stack is empty");
    for (size_t i = m->depth - want; i < m->depth; i++)
        if (m->stack[i] == MARK) return rk_pk_fail(m, "a mark where a value is wanted");
    return tuple_from(m, m->depth - want, m->depth - want);
}

/* Adds stack[from ..] to the container at stack[at] and drops them and the mark between. */
static rk_status add_items(rk_pk_machine *m, size_t from, size_t keep, rk_pk_type type)
{
    rk_pk_node *to;
    rk_status st = RK_OK;

    if (keep == 0 || m->stack[keep - 1] == MARK || m->depth < from)
        return rk_pk_fail(m, "the stack is empty");
    to = rk_pk_at(m, m->stack[keep - 1]);
    if (to->type != type)
        return rk_pk_fail(m, "items for a %s, but something else is there",
                          type == RK_PK_DICT ? "dict" : "list");
    if (type == RK_PK_DICT && (m->depth - from) % 2)
        return rk_pk_fail(m, "a key without a value");
    for (size_t i = from; !st && i < m->depth; i++) {
        if (m->stack[i] == MARK) return rk_pk_fail(m, "a mark where a value is wanted");
        if (type == RK_PK_DICT && (i - from) % 2 == 0 &&
            rk_pk_at(m, m->stack[i])->type >= RK_PK_LIST)
            return rk_pk_fail(m, "a key of a kind that cannot be one");
        st = rk_pk_append(m, to, m->stack[i]);
    }
    m->depth = keep;
    return st;
}

static rk_status op_add(rk_pk_machine *m, int type)
{
    const size_t count = type == RK_PK_DICT ? 2 : 1;
    if (m->depth <= count) return rk_pk_fail(m, "the stack is empty");
    return add_items(m, m->depth - count, m->depth - count, (rk_pk_type)type);
}

static rk_status op_add_all(rk_pk_machine *m, int type)
{
    size_t from = 0;
    const rk_status st = above_mark(m, &from);
    return st ? st : add_items(m, from, from - 1, (rk_pk_type)type);
}

/* ---- opcodes: memo ---- */

/* A slot may not be further than what the opcodes so far could have filled. */
static rk_status memo_put(rk_pk_machine *m, uint64_t slot)
{
    if (m->depth == 0 || m->stack[m->depth - 1] == MARK)
        return rk_pk_fail(m, "no value to remember");
    if (slot > m->ops)
        return rk_pk_fail(m, "memo slot %llu after %zu opcodes", (unsigned long long)slot, m->ops);
    if (slot >= m->memo_room) {
        const size_t room = 2 * (size_t)slot + 64;
        uint32_t *more = rk_realloc(m->memo, room, sizeof *more);
        if (!more) return rk_pk_no_memory(m);
        for (size_t i = m->memo_room; i < room; i++) more[i] = MARK;
        m->memo = more;
        m->memo_room = room;
    }
    m->memo[slot] = m->stack[m->depth - 1];
    return RK_OK;
}

static rk_status op_get(rk_pk_machine *m, int n)
{
    uint64_t slot;
    const rk_status st = take_number(m, &slot, n);
    if (st) return st;
    if (slot >= m->memo_room || m->memo[slot] == MARK)
        return rk_pk_fail(m, "memo slot %llu was never filled", (unsigned long long)slot);
    return rk_pk_push(m, m->memo[slot]);
}

static rk_status op_put(rk_pk_machine *m, int n)
{
    uint64_t slot;
    const rk_status st = take_number(m, &slot, n);
    return st ? st : memo_put(m, slot);
}

static rk_status op_memoize(rk_pk_machine *m, int n)
{
    (void)n;
    return memo_put(m, m->memoized++);
}

/* ---- opcodes: names, frames, the end ---- */

static rk_status push_global(rk_pk_machine *m, const uint8_t *module, size_t module_length,
                             const uint8_t *name, size_t name_length)
{
    char a[RK_QUOTE_SIZE], b[RK_QUOTE_SIZE];
    rk_pk_node *node;
    rk_status st;
    const size_t found = rk_pk_name_find((const char *)module, module_length, (const char *)name,
                                         name_length);
    if (found == SIZE_MAX)
        return rk_pk_fail(m, "the stream asks for \"%s.%s\", which weights do not need; nothing "
                             "was run", rk_quote(a, (const char *)module, module_length),
                          rk_quote(b, (const char *)name, name_length));
    st = push_new(m, &node, RK_PK_GLOBAL);
    if (!st) node->of.number = (int64_t)found;
    return st;
}

static rk_status op_global(rk_pk_machine *m, int n)
{
    const uint8_t *module = NULL, *name = NULL;
    size_t module_length = 0, name_length = 0;
    rk_status st;

    (void)n;
    st = take_line(m, &module, &module_length);
    if (!st) st = take_line(m, &name, &name_length);
    return st ? st : push_global(m, module, module_length, name, name_length);
}

static rk_status op_stack_global(rk_pk_machine *m, int n)
{
    uint32_t a = 0, b = 0;
    const rk_pk_node *module, *name;
    rk_status st;

    (void)n;
    st = rk_pk_pop(m, &b);
    if (!st) st = rk_pk_pop(m, &a);
    if (st) return st;
    module = rk_pk_at(m, a);
    name = rk_pk_at(m, b);
    if (module->type != RK_PK_TEXT || name->type != RK_PK_TEXT)
        return rk_pk_fail(m, "STACK_GLOBAL wants two strings");
    return push_global(m, module->of.text, module->count, name->of.text, name->count);
}

static rk_status op_frame(rk_pk_machine *m, int n)
{
    uint64_t length;
    rk_status st;
    if (m->at < m->frame_end) return rk_pk_fail(m, "a frame within a frame");
    st = take_number(m, &length, n);
    if (st) return st;
    if (length > m->size - m->at)
        return rk_pk_fail(m, "a frame of %llu bytes where %zu are left",
                          (unsigned long long)length, m->size - m->at);
    m->frame_end = m->at + (size_t)length;
    return RK_OK;
}

static rk_status op_stop(rk_pk_machine *m, int n)
{
    (void)n;
    if (m->at != m->size)
        return rk_pk_fail(m, "%zu bytes after the end of the pickle", m->size - m->at);
    if (m->depth != 1 || m->stack[0] == MARK)
        return rk_pk_fail(m, "%zu values at the end; one is wanted", m->depth);
    m->stopped = true;
    return RK_OK;
}

/* ---- the machine ---- */

typedef struct op {
    rk_status (*run)(rk_pk_machine *m, int n);
    int n;
} op;

/* The allow-list. */
static const op OPS[256] = {
    ['N'] = {op_ready, NODE_NONE}, [0x88] = {op_ready, NODE_TRUE},
    [0x89] = {op_ready, NODE_FALSE}, [')'] = {op_ready, NODE_EMPTY},
    ['K'] = {op_int, 1}, ['M'] = {op_int, 2}, ['J'] = {op_int, 4},
    [0x8a] = {op_long, 1}, [0x8b] = {op_long, 4}, ['G'] = {op_float, 8},
    [0x8c] = {op_text, 1}, ['X'] = {op_text, 4}, [0x8d] = {op_text, 8},
    ['C'] = {op_bytes, 1}, ['B'] = {op_bytes, 4}, [0x8e] = {op_bytes, 8},
    ['('] = {op_mark, 0}, [']'] = {op_empty, RK_PK_LIST}, ['}'] = {op_empty, RK_PK_DICT},
    ['t'] = {op_tuple, 0}, [0x85] = {op_tuple, 1}, [0x86] = {op_tuple, 2}, [0x87] = {op_tuple, 3},
    ['a'] = {op_add, RK_PK_LIST}, ['s'] = {op_add, RK_PK_DICT},
    ['e'] = {op_add_all, RK_PK_LIST}, ['u'] = {op_add_all, RK_PK_DICT},
    ['h'] = {op_get, 1}, ['j'] = {op_get, 4}, ['q'] = {op_put, 1}, ['r'] = {op_put, 4},
    [0x94] = {op_memoize, 0}, ['c'] = {op_global, 0}, [0x93] = {op_stack_global, 0},
    ['R'] = {rk_pk_reduce, 0}, ['b'] = {rk_pk_build, 0}, ['Q'] = {rk_pk_persistent, 0},
    [0x95] = {op_frame, 8}, ['.'] = {op_stop, 0},
};

/* Opcodes that build objects by other roads, for the message. */
static const char *refused_name(uint8_t code)
{
    switch (code) {
    case 'i': return " (INST)";
    case 'o': return " (OBJ)";
    case 'P': return " (PERSID)";
    case 0x81: return " (NEWOBJ)";
    case 0x92: return " (NEWOBJ_EX)";
    case 0x82: case 0x83: case 0x84: return " (EXT)";
    case 0x80: return " (PROTO)";
    default: return "";
    }
}

static rk_status start(rk_pk_machine *m)
{
    uint32_t number;
    rk_status st = RK_OK;

    if (m->size < 2 || m->data[0] != 0x80)
        return rk_pk_fail(m, "not a pickle of protocol 2 or later");
    if (m->data[1] < 2 || m->data[1] > 5)
        return rk_pk_fail(m, "pickle protocol %d; 2 to 5 are known", m->data[1]);
    m->at = 2;
    for (size_t i = 0; !st && i < NODES_READY; i++) {
        const rk_pk_type type = i == NODE_NONE ? RK_PK_NONE : i < NODE_EMPTY ? RK_PK_BOOL
                              : i == NODE_EMPTY ? RK_PK_TUPLE : RK_PK_INT;
        st = rk_pk_new(m, &number, type);
        if (!st && i == NODE_TRUE) rk_pk_at(m, number)->of.number = 1;
        if (!st && i >= NODE_INTS) rk_pk_at(m, number)->of.number = (int64_t)(i - NODE_INTS);
    }
    return st;
}

static rk_status run(rk_pk_machine *m)
{
    rk_status st = start(m);
    while (!st && !m->stopped) {
        uint8_t code;
        m->op_at = m->at;
        if (m->at == m->size) return rk_pk_fail(m, "the stream ends without STOP");
        if (m->ops++ == RK_PICKLE_OPS_MAX)
            return rk_pk_fail(m, "more than %d opcodes", RK_PICKLE_OPS_MAX);
        code = m->data[m->at++];
        st = OPS[code].run ? OPS[code].run(m, OPS[code].n)
                           : rk_pk_fail(m, "opcode 0x%02x%s is not one that weights need", code,
                                        refused_name(code));
    }
    return st;
}

static void machine_free(rk_pk_machine *m)
{
    for (size_t i = 0; i < m->nodes; i++) {
        const rk_pk_node *n = rk_pk_at(m, (uint32_t)i);
        if (n->type == RK_PK_TUPLE || n->type == RK_PK_LIST || n->type == RK_PK_DICT)
            rk_free(n->of.item);
    }
    for (size_t i = 0; i < m->blocks; i++) rk_free(m->block[i]);
    rk_free(m->block);
    rk_free(m->stack);
    rk_free(m->memo);
}

rk_status rk_pickle_read(rk_pickle *out, const uint8_t *data, size_t size, const char *where,
                         rk_error *err)
{
    rk_pk_machine m = {.data = data, .size = size, .out = out, .where = where, .err = err};
    rk_status st;

    memset(out, 0, sizeof *out);
    if (size > RK_PICKLE_BYTES_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: %zu bytes; at most %d are taken", where, size,
                       RK_PICKLE_BYTES_MAX);
    st = run(&m);
    if (!st) st = rk_pk_state(&m, m.stack[0]);
    machine_free(&m);
    return st;
}

void rk_pickle_free(rk_pickle *p)
{
    rk_free(p->storage);
    rk_free(p->tensor);
    rk_free(p->entry);
    memset(p, 0, sizeof *p);
}
