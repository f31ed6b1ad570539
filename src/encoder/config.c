#include "encoder/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { SIZE_LIMIT = 1 << 24, LABELS_MAX = 10000, LABEL_BYTES = 256 };

static rk_status read_sizes(rk_bert_config *c, const json_t *json, const char *path, rk_error *err)
{
    const struct {
        const char *key;
        size_t *out, max;
    } field[] = {
        {"num_hidden_layers", &c->layers, 1000000},
        {"hidden_size", &c->hidden, 1 << 16},
        {"num_attention_heads", &c->heads, 1 << 16},
        {"intermediate_size", &c->inner, 1 << 18},
        {"vocab_size", &c->vocab, SIZE_LIMIT},
        {"max_position_embeddings", &c->positions, SIZE_LIMIT},
    };
    rk_status st;

    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++) {
        if (!json_object_get(json, field[i].key))
            return rk_fail(err, RK_E_FORMAT, "%s: \"%s\" is missing", path, field[i].key);
        st = rk_json_size(field[i].out, json, field[i].key, 1, field[i].max, path, err);
        if (st) return st;
    }
    c->types = 2;
    st = rk_json_size(&c->types, json, "type_vocab_size", 1, 1 << 16, path, err);
    if (st) return st;
    if (c->hidden % c->heads)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: \"hidden_size\" %zu is not a multiple of \"num_attention_heads\" %zu",
                       path, c->hidden, c->heads);
    return RK_OK;
}

static rk_status read_rates(rk_bert_config *c, const json_t *json, const char *path, rk_error *err)
{
    const double below_one = 0.999999;
    double eps = 1e-12, hidden = 0.1, attention = 0.1, init = 0.02, classifier = -1.0;
    size_t pad = 0;
    rk_status st = rk_json_double(&eps, json, "layer_norm_eps", 1e-30, 1.0, path, err);

    if (!st) st = rk_json_double(&hidden, json, "hidden_dropout_prob", 0.0, below_one, path, err);
    if (!st)
        st = rk_json_double(&attention, json, "attention_probs_dropout_prob", 0.0, below_one, path,
                            err);
    if (!st)
        st = rk_json_double(&classifier, json, "classifier_dropout", 0.0, below_one, path, err);
    if (!st) st = rk_json_double(&init, json, "initializer_range", 1e-9, 10.0, path, err);
    if (!st) st = rk_json_size(&pad, json, "pad_token_id", 0, SIZE_LIMIT, path, err);
    if (st) return st;
    c->eps = (float)eps;
    c->dropout_hidden = (float)hidden;
    c->dropout_attention = (float)attention;
    c->dropout_classifier = (float)(classifier < 0.0 ? hidden : classifier);
    c->init_range = (float)init;
    c->pad_id = (int32_t)pad;
    return RK_OK;
}

static rk_status read_kinds(rk_bert_config *c, const json_t *json, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const char *type = "bert", *act = "gelu", *position = "absolute";
    rk_status st = rk_json_string(&type, json, "model_type", path, err);

    if (!st) st = rk_json_string(&act, json, "hidden_act", path, err);
    if (!st) st = rk_json_string(&position, json, "position_embedding_type", path, err);
    if (st) return st;
    if (strcmp(type, "bert") != 0)
        return rk_fail(err, RK_E_FORMAT, "%s: \"model_type\" is \"%s\"; only \"bert\" is read",
                       path, rk_quote(name, type, strlen(type)));
    if (strcmp(position, "absolute") != 0)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: \"position_embedding_type\" is \"%s\"; only \"absolute\" is read", path,
                       rk_quote(name, position, strlen(position)));
    if (strcmp(act, "gelu") == 0)
        c->act = RK_ACT_GELU;
    else if (strcmp(act, "gelu_new") == 0 || strcmp(act, "gelu_pytorch_tanh") == 0)
        c->act = RK_ACT_GELU_TANH;
    else if (strcmp(act, "relu") == 0)
        c->act = RK_ACT_RELU;
    else
        return rk_fail(
            err, RK_E_FORMAT,
            "%s: \"hidden_act\" is \"%s\"; known: gelu, gelu_new, gelu_pytorch_tanh, relu", path,
            rk_quote(name, act, strlen(act)));
    return RK_OK;
}

static rk_status check_label(const char *label, const char *path, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    const size_t n = strlen(label);
    bool control = false;
    for (size_t i = 0; i < n; i++) control = control || (unsigned char)label[i] < 0x20;
    if (n == 0 || n > LABEL_BYTES || control)
        return rk_fail(err, RK_E_FORMAT,
                       "%s: label \"%s\" is empty, longer than %d bytes or has control characters",
                       path, rk_quote(name, label, n), LABEL_BYTES);
    return RK_OK;
}

/* transformers writes LABEL_0, LABEL_1 where nobody gave names; a folder whose training rows have
 * these very names says so. */
static const char real_labels[] = "ringkas_label_names";

static bool placeholders(const rk_labels *labels)
{
    char name[32];
    for (size_t i = 0; i < labels->count; i++) {
        snprintf(name, sizeof name, "LABEL_%zu", i);
        if (strcmp(labels->name[i], name) != 0) return false;
    }
    return true;
}

static rk_status read_labels(rk_bert_config *c, const json_t *json, const char *path, rk_error *err)
{
    const json_t *map = json_object_get(json, "id2label"),
                 *back = json_object_get(json, "label2id");
    const size_t n = json_object_size(map);
    char key[32], name[RK_QUOTE_SIZE];
    rk_status st;

    if (!map || json_is_null(map)) return RK_OK;
    if (!json_is_object(map) || n == 0 || n > LABELS_MAX)
        return rk_fail(err, RK_E_FORMAT, "%s: \"id2label\" must be a map of 1 to %d labels", path,
                       LABELS_MAX);
    c->labels.name = rk_calloc(n, sizeof *c->labels.name);
    if (!c->labels.name) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    c->labels.count = n;
    for (size_t i = 0; i < n; i++) {
        const char *label;
        snprintf(key, sizeof key, "%zu", i);
        label = json_string_value(json_object_get(map, key));
        if (!label)
            return rk_fail(err, RK_E_FORMAT, "%s: \"id2label\" has %zu labels but none for id %zu",
                           path, n, i);
        st = check_label(label, path, err);
        if (st) return st;
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->labels.name[j], label) == 0)
                return rk_fail(err, RK_E_FORMAT,
                               "%s: \"id2label\" gives ids %zu and %zu the label \"%s\"", path, j,
                               i, rk_quote(name, label, strlen(label)));
        if (json_is_object(back)) {
            const json_t *id = json_object_get(back, label);
            if (!json_is_integer(id) || json_integer_value(id) != (json_int_t)i)
                return rk_fail(
                    err, RK_E_FORMAT,
                    "%s: \"id2label\" and \"label2id\" contradict each other about \"%s\"", path,
                    rk_quote(name, label, strlen(label)));
        }
        c->labels.name[i] = rk_strdup(label);
        if (!c->labels.name[i]) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", path);
    }
    if (placeholders(&c->labels) && !json_is_true(json_object_get(json, real_labels)))
        rk_labels_free(&c->labels);
    return RK_OK;
}

rk_status rk_bert_config_read(rk_bert_config *out, const json_t *json, const char *path,
                              rk_error *err)
{
    rk_status st;
    if (!json_is_object(json)) return rk_fail(err, RK_E_FORMAT, "%s: must be a JSON object", path);
    st = read_kinds(out, json, path, err);
    if (!st) st = read_sizes(out, json, path, err);
    if (!st) st = read_rates(out, json, path, err);
    if (!st) st = read_labels(out, json, path, err);
    return st;
}

static int set(json_t *o, const char *key, json_t *value)
{
    return json_object_set_new(o, key, value);
}

json_t *rk_bert_config_json(const rk_bert_config *c, const json_t *base)
{
    static const char *const act[] = {"gelu", "gelu_new", "relu"};
    json_t *o = base ? json_deep_copy(base) : json_object();
    json_t *id2label = json_object(), *label2id = json_object();
    char key[32];
    int bad = 0;

    if (!o || !id2label || !label2id) goto fail;
    for (size_t i = 0; i < c->labels.count; i++) {
        snprintf(key, sizeof key, "%zu", i);
        bad |= set(id2label, key, json_string(c->labels.name[i]));
        bad |= set(label2id, c->labels.name[i], json_integer((json_int_t)i));
    }
    bad |= set(o, "architectures", json_pack("[s]", "BertForSequenceClassification"));
    bad |= set(o, "model_type", json_string("bert"));
    bad |= set(o, "num_hidden_layers", json_integer((json_int_t)c->layers));
    bad |= set(o, "hidden_size", json_integer((json_int_t)c->hidden));
    bad |= set(o, "num_attention_heads", json_integer((json_int_t)c->heads));
    bad |= set(o, "intermediate_size", json_integer((json_int_t)c->inner));
    bad |= set(o, "vocab_size", json_integer((json_int_t)c->vocab));
    bad |= set(o, "max_position_embeddings", json_integer((json_int_t)c->positions));
    bad |= set(o, "type_vocab_size", json_integer((json_int_t)c->types));
    bad |= set(o, "hidden_act", json_string(act[c->act]));
    bad |= set(o, "position_embedding_type", json_string("absolute"));
    bad |= set(o, "pad_token_id", json_integer(c->pad_id));
    bad |= set(o, "torch_dtype", json_string("float32"));
    if (!base) {
        /* printed short: 0.1f is 0.1 for a reader, not 0.10000000149011612 */
        snprintf(key, sizeof key, "%.6g", (double)c->eps);
        bad |= set(o, "layer_norm_eps", json_real(strtod(key, NULL)));
        snprintf(key, sizeof key, "%.6g", (double)c->dropout_hidden);
        bad |= set(o, "hidden_dropout_prob", json_real(strtod(key, NULL)));
        snprintf(key, sizeof key, "%.6g", (double)c->dropout_attention);
        bad |= set(o, "attention_probs_dropout_prob", json_real(strtod(key, NULL)));
        snprintf(key, sizeof key, "%.6g", (double)c->init_range);
        bad |= set(o, "initializer_range", json_real(strtod(key, NULL)));
    }
    if (c->labels.count) {
        if (placeholders(&c->labels)) bad |= set(o, real_labels, json_true());
        bad |= json_object_set(o, "id2label", id2label);
        bad |= json_object_set(o, "label2id", label2id);
    }
    if (bad) goto fail;
    json_decref(id2label);
    json_decref(label2id);
    return o;
fail:
    json_decref(o);
    json_decref(id2label);
    json_decref(label2id);
    return NULL;
}

rk_status rk_bert_config_copy(rk_bert_config *out, const rk_bert_config *in, rk_error *err)
{
    *out = *in;
    memset(&out->labels, 0, sizeof out->labels);
    return rk_labels_copy(&out->labels, (const char *const *)in->labels.name, in->labels.count,
                          err);
}

void rk_bert_config_free(rk_bert_config *c)
{
    rk_labels_free(&c->labels);
}
