#include "onnx/schema.h"

#include <string.h>

static const uint32_t masks[] = {
#define RK_TYPES(number, mask) mask,
#include "onnx/schema.def"
};

static const rk_schema schemas[] = {
#define RK_OPERATOR(domain, name, since, min_in, max_in, min_out, max_out, ins, outs, vars, attrs) \
    {domain, name, since, min_in, max_in, min_out, max_out, ins, outs, vars, attrs, false},
#define RK_DEPRECATED(domain, name, since)                                                         \
    {domain, name, since, 0, 0, 0, 0, "", "", "", "", true},
#include "onnx/schema.def"
};
enum { SCHEMAS = sizeof schemas / sizeof schemas[0], MASKS = sizeof masks / sizeof masks[0] };

int64_t rk_opset_last(void) { return RK_OPSET_MAX; }
int64_t rk_ir_last(void) { return RK_IR_MAX; }

const rk_schema *rk_schema_find_in(const char *domain, const char *op, int64_t version)
{
    const char *const d = domain && strcmp(domain, "ai.onnx") != 0 ? domain : "";
    size_t low = 0, high = SCHEMAS;

    /* The last entry of that name with since <= version: entries are sorted by domain, name and
     * version. */
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        int c = strcmp(schemas[mid].domain, d);
        if (!c) c = strcmp(schemas[mid].name, op);
        if (c < 0 || (c == 0 && (int64_t)schemas[mid].since <= version)) low = mid + 1;
        else high = mid;
    }
    if (low == 0 || strcmp(schemas[low - 1].domain, d) != 0 ||
        strcmp(schemas[low - 1].name, op) != 0)
        return NULL;
    return &schemas[low - 1];
}

const rk_schema *rk_schema_find(const char *op, int64_t opset)
{
    return rk_schema_find_in("", op, opset);
}

static char parameter(const char *list, size_t slot, char *kind)
{
    const size_t n = strlen(list) / 2;

    if (n == 0) return 0;
    if (slot >= n) {
        const char last = list[2 * n - 1];
        if (last != '*' && last != '+') return 0;
        slot = n - 1;
    }
    if (kind) *kind = list[2 * slot + 1];
    return list[2 * slot];
}

char rk_schema_input(const rk_schema *s, size_t slot, char *kind)
{
    return parameter(s->inputs, slot, kind);
}

char rk_schema_output(const rk_schema *s, size_t slot, char *kind)
{
    return parameter(s->outputs, slot, kind);
}

static unsigned hex(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

uint32_t rk_schema_types(const rk_schema *s, char letter)
{
    const size_t at = 2 * (size_t)(letter - 'A');
    const unsigned number = hex(s->variables[at]) * 16 + hex(s->variables[at + 1]);
    return number < MASKS ? masks[number] : 0;
}

char rk_schema_attribute(const rk_schema *s, const char *name)
{
    const size_t n = strlen(name);

    for (const char *p = s->attributes; *p;) {
        const size_t word = strcspn(p, " ");
        if (word > n + 1 && p[n] == ':' && memcmp(p, name, n) == 0) return p[n + 1];
        p += word;
        p += *p == ' ';
    }
    return 0;
}

const char *rk_schema_required(const char **at, size_t *length)
{
    while (**at) {
        const char *p = *at;
        const size_t word = strcspn(p, " ");
        *at = p + word + (p[word] == ' ');
        if (word && p[word - 1] == '!') {
            *length = strcspn(p, ":");
            return p;
        }
    }
    return NULL;
}
