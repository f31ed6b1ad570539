#include "support/onnx_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TEXT_MAX = 1024, LIST_MAX = 8 };

static size_t split(const char **out, char *list)
{
    char *save = NULL;
    size_t n = 0;

    for (char *p = strtok_r(list, ",", &save); p && n < LIST_MAX; p = strtok_r(NULL, ",", &save))
        out[n++] = strcmp(p, "-") == 0 ? "" : p;
    return n;
}

static void attributes(rk_build *b, Onnx__NodeProto *n, char *list)
{
    const char *one[LIST_MAX];
    const size_t count = split(one, list);

    for (size_t i = 0; i < count; i++) {
        char name[64];
        const char *colon = strchr(one[i], ':');
        snprintf(name, sizeof name, "%.*s", (int)(colon - one[i]), one[i]);
        if (colon[1] == 'f') rk_attr_float(b, n, name, (float)atof(colon + 2));
        else if (colon[1] == 's') {
            rk_attr_int(b, n, name, 0);
            Onnx__AttributeProto *a = n->attribute[n->n_attribute - 1];
            a->has_i = 0;
            a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
            a->has_s = 1;
            a->s.data = (uint8_t *)rk_strdup(colon + 2);
            a->s.len = strlen(colon + 2);
        } else rk_attr_int(b, n, name, atoll(colon + 1));
    }
}

void onnx_text_nodes(rk_build *b, const char *text)
{
    char copy[TEXT_MAX], *save = NULL;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *node = strtok_r(copy, ";", &save); node; node = strtok_r(NULL, ";", &save)) {
        const char *in[LIST_MAX], *out[LIST_MAX];
        char *op = strchr(node, '='), *open = strchr(node, '('), *attrs = strchr(node, '[');
        *op++ = 0;
        *open++ = 0;
        open[strcspn(open, ")")] = 0;
        if (attrs) {
            *attrs++ = 0;
            attrs[strcspn(attrs, "]")] = 0;
        }
        const size_t n_out = split(out, node), n_in = split(in, open);
        Onnx__NodeProto *n = rk_add_node_n(b, op, NULL, in, n_in, out, n_out);
        if (attrs) attributes(b, n, attrs);
    }
}

rk_onnx *onnx_text_model(int64_t opset, const char *text)
{
    const char *const dims[1] = {"n"};
    rk_onnx *m = NULL;

    if (rk_onnx_new(&m, "t.onnx", 8, opset, NULL)) abort();
    rk_build b = {m->proto->graph, false};
    rk_add_input(&b, "x", RK_DT_F32, dims, 1);
    rk_add_output(&b, "y", RK_DT_F32, dims, 1);
    rk_add_scalar_f32(&b, "w", 2.0f);
    onnx_text_nodes(&b, text);
    if (b.failed) abort();
    return m;
}
