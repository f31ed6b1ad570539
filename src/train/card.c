#include "train/card.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "ringkas.h"

static const char MARK[] = "<!-- made by ringkas train; a card without this line is kept -->";

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* A JSON string, which is a YAML one too. */
static void put_yaml(rk_buffer *b, const char *text, size_t length)
{
    json_t *value = json_stringn(text, length);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

    if (quoted)
        rk_buffer_puts(b, quoted);
    else
        rk_buffer_puts(b, "\"?\"");
    free(quoted);
    json_decref(value);
}

/* Markdown: what could be mark-up is escaped, what ends a line becomes a blank. */
static void put_text(rk_buffer *b, const char *text)
{
    static const char marks[] = "\\`*_{}[]<>|~&";
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            rk_buffer_puts(b, " ");
        else {
            if (strchr(marks, *text)) rk_buffer_puts(b, "\\");
            rk_buffer_put(b, text, 1);
        }
    }
}

/* JSON's and C's way of numbers, whatever the locale. */
static void put_number(rk_buffer *b, double x)
{
    char text[RK_REAL_SIZE];
    if (x == floor(x) && fabs(x) < 1e15) rk_buffer_printf(b, "%.0f", x);
    else rk_buffer_puts(b, isfinite(x) ? rk_json_real(text, x) : "0");
}

static void put_percent(rk_buffer *b, double share)
{
    const long tenths = lround(fmin(fmax(share, 0.0), 1.0) * 1000.0);
    rk_buffer_printf(b, "%ld.%ld %%", tenths / 10, tenths % 10);
}

/* ---- names ---- */

/* The last part of a path, without slashes at its end. */
static const char *last_part(const char *path, size_t *length)
{
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    *length = end - begin;
    return path + begin;
}

/* "smsa" of data/smsa/train.tsv: rows are known by their folder; a bare file by its name. */
static const char *data_name(const char *path, size_t *length)
{
    const char *slash = strrchr(path, '/');
    size_t end;

    if (!slash || slash == path) return last_part(path, length);
    end = (size_t)(slash - path);
    *length = end;
    while (*length && path[end - *length] == '/') (*length)--;
    for (*length = 0; *length < end && path[end - *length - 1] != '/';) (*length)++;
    return path + end - *length;
}

/* What the hub knows the encoder by: the name in config.json, else the folder it came from. */
static const char *base_name(const json_t *config, const json_t *training, size_t *length)
{
    const char *name = text_of(config, "_name_or_path"), *base = text_of(training, "base");
    const char *slash = name ? strchr(name, '/') : NULL;

    if (slash && slash != name && slash[1] && !strchr(slash + 1, '/')) {
        *length = strlen(name);
        return name;
    }
    return base ? last_part(base, length) : NULL;
}

/* ---- the metadata ---- */

typedef struct metric {
    const char *type, *name, *key;
} metric;

static const metric VALID[] = {{"accuracy", "Accuracy", "valid_accuracy"},
                               {"f1", "Weighted F1", "valid_f1_weighted"}};
static const metric TEST[] = {{"accuracy", "Accuracy", "accuracy"},
                              {"f1", "Weighted F1", "f1_weighted"},
                              {"f1", "Macro F1", "f1_macro"}};
enum { VALIDS = sizeof VALID / sizeof *VALID, TESTS = sizeof TEST / sizeof *TEST };

static void put_result(rk_buffer *b, const char *path, const char *split, const json_t *figures,
                       const metric *metrics, size_t n)
{
    size_t length;
    const char *name = data_name(path, &length);

    rk_buffer_puts(b, "  - task:\n      type: text-classification\n    dataset:\n      name: ");
    put_yaml(b, name, length);
    rk_buffer_puts(b, "\n      type: ");
    put_yaml(b, name, length);
    rk_buffer_printf(b, "\n      split: %s\n    metrics:\n", split);
    for (size_t i = 0; i < n; i++) {
        const double x = number_of(figures, metrics[i].key);
        if (isnan(x)) continue;
        rk_buffer_printf(b, "    - type: %s\n      name: %s\n      value: ", metrics[i].type,
                         metrics[i].name);
        put_number(b, x);
        rk_buffer_puts(b, "\n");
    }
}

static const json_t *best_epoch(const json_t *training)
{
    const json_t *best = json_object_get(training, "best_epoch"), *epoch;
    size_t i;

    json_array_foreach(json_object_get(training, "epochs"), i, epoch)
        if (json_equal(json_object_get(epoch, "epoch"), best)) return epoch;
    return NULL;
}

static void put_metadata(rk_buffer *b, const char *folder, const json_t *config,
                         const json_t *training, const json_t *test)
{
    const char *train = text_of(training, "train"), *valid = text_of(training, "valid");
    const char *rows = text_of(test, "data"), *qat = text_of(training, "qat"), *name;
    const json_t *best = best_epoch(training);
    size_t length;

    rk_buffer_puts(b, "---\nlibrary_name: transformers\npipeline_tag: text-classification\n");
    name = base_name(config, training, &length);
    if (name && length) {
        rk_buffer_puts(b, "base_model: ");
        put_yaml(b, name, length);
        rk_buffer_puts(b, "\n");
    }
    if (train) {
        name = data_name(train, &length);
        rk_buffer_puts(b, "datasets:\n- ");
        put_yaml(b, name, length);
        rk_buffer_puts(b, "\n");
    }
    rk_buffer_puts(b,
                   "metrics:\n- accuracy\n- f1\ntags:\n- ringkas\n- text-classification\n- bert\n");
    if (qat && strcmp(qat, "none") != 0) rk_buffer_printf(b, "- quantization-aware-training\n");
    name = last_part(folder, &length);
    if (!(best && valid) && !(test && rows)) {
        rk_buffer_puts(b, "---\n");
        return;
    }
    rk_buffer_puts(b, "model-index:\n- name: ");
    put_yaml(b, name, length);
    rk_buffer_puts(b, "\n  results:\n");
    if (best && valid) put_result(b, valid, "validation", best, VALID, VALIDS);
    if (test && rows) put_result(b, rows, "test", test, TEST, TESTS);
    rk_buffer_puts(b, "---\n");
}

/* ---- the text ---- */

static void put_labels(rk_buffer *b, const json_t *config)
{
    json_t *labels = json_object_get(config, "id2label"), *label;
    const char *id, *between = "It answers with one of: ";

    if (!json_object_size(labels)) return;
    json_object_foreach(labels, id, label)
    {
        if (!json_is_string(label)) continue;
        rk_buffer_puts(b, between);
        put_text(b, json_string_value(label));
        between = ", ";
    }
    rk_buffer_puts(b, ".\n\n");
}

static void put_use(rk_buffer *b, const char *folder, const json_t *ringkas)
{
    const char *clean = text_of(ringkas, "clean"), *name;
    const double limit = number_of(ringkas, "max_length");
    size_t length;

    name = last_part(folder, &length);
    rk_buffer_puts(b, "## Use\n\n```\nringkas predict ");
    rk_buffer_put(b, name, strcspn(name, "`\n/") < length ? 0 : length);
    rk_buffer_puts(b, " \"a text\"\n```\n\n");
    rk_buffer_puts(b, "The folder also loads in transformers (`pipeline(\"text-classification\", "
                      "model=...)`)");
    if (clean && strcmp(clean, "none") != 0) {
        rk_buffer_puts(b, "; there the texts must be cleaned first as they were here (steps: ");
        put_text(b, clean);
        rk_buffer_puts(b, ")");
    }
    rk_buffer_puts(b, ".");
    if (limit > 0) rk_buffer_printf(b, " Texts are cut at %.0f tokens.", limit);
    rk_buffer_puts(b, "\n\n");
}

static void put_fact(rk_buffer *b, const char *name, double x)
{
    if (isnan(x)) return;
    rk_buffer_printf(b, "| %s | ", name);
    put_number(b, x);
    rk_buffer_puts(b, " |\n");
}

static void text_fact(rk_buffer *b, const char *name, const char *text)
{
    if (!text) return;
    rk_buffer_printf(b, "| %s | ", name);
    put_text(b, text);
    rk_buffer_puts(b, " |\n");
}

static void put_training(rk_buffer *b, const json_t *ringkas, const json_t *training)
{
    const char *qat = text_of(training, "qat");

    rk_buffer_puts(b, "## Training\n\n| | |\n| --- | --- |\n");
    text_fact(b, "started from", text_of(training, "model"));
    text_fact(b, "training rows", text_of(training, "train"));
    put_fact(b, "number of them", number_of(training, "rows"));
    text_fact(b, "validation rows", text_of(training, "valid"));
    text_fact(b, "cleaning", text_of(ringkas, "clean"));
    if (qat && strcmp(qat, "none") != 0) text_fact(b, "simulated precision", qat);
    put_fact(b, "steps", number_of(training, "steps"));
    put_fact(b, "epoch kept", number_of(training, "best_epoch"));
    put_fact(b, "rows per step", number_of(training, "batch"));
    put_fact(b, "learning rate", number_of(training, "lr"));
    put_fact(b, "weight decay", number_of(training, "weight_decay"));
    put_fact(b, "seed", number_of(training, "seed"));
    text_fact(b, "ringkas", text_of(ringkas, "version"));
    rk_buffer_puts(b, "\n");
}

static void put_score(rk_buffer *b, const char *rows, double accuracy, const json_t *ci, double f1)
{
    if (isnan(accuracy) || isnan(f1)) return;
    rk_buffer_printf(b, "| %s | ", rows);
    put_percent(b, accuracy);
    if (json_array_size(ci) == 2) {
        rk_buffer_puts(b, " (");
        put_percent(b, json_number_value(json_array_get(ci, 0)));
        rk_buffer_puts(b, " to ");
        put_percent(b, json_number_value(json_array_get(ci, 1)));
        rk_buffer_puts(b, ")");
    }
    rk_buffer_puts(b, " | ");
    put_percent(b, f1);
    rk_buffer_puts(b, " |\n");
}

static void put_results(rk_buffer *b, const json_t *training, const json_t *test)
{
    const json_t *best = best_epoch(training);
    const char *model = text_of(test, "model"), *ran = text_of(test, "precision_ran");
    size_t length;

    if (!best && !test) return;
    rk_buffer_puts(b, "## Results\n\n| rows | accuracy (95 % interval) | weighted F1 |\n"
                      "| --- | --- | --- |\n");
    put_score(b, "validation", number_of(best, "valid_accuracy"), NULL,
              number_of(best, "valid_f1_weighted"));
    put_score(b, "test", number_of(test, "accuracy"), json_object_get(test, "accuracy_ci95"),
              number_of(test, "f1_weighted"));
    rk_buffer_puts(b, "\n");
    if (model && ran) {
        char *name;
        model = last_part(model, &length);
        name = rk_strndup(model, length);
        rk_buffer_puts(b, "The test rows were answered by ");
        if (name)
            put_text(b, name);
        else
            b->failed = true;
        rk_buffer_puts(b, ", which ran as ");
        put_text(b, ran);
        rk_buffer_puts(b, ".\n\n");
        rk_free(name);
    }
    rk_buffer_puts(b,
                   "The epoch was chosen on the validation rows, so their figures flatter; those "
                   "of test rows do not. On texts of another kind than the training rows expect "
                   "less.\n");
}

rk_status rk_card_text(rk_buffer *out, const char *name, const json_t *config,
                       const json_t *ringkas, const json_t *test, rk_error *err)
{
    const json_t *training = json_object_get(ringkas, "training");
    const double layers = number_of(config, "num_hidden_layers");
    const double hidden = number_of(config, "hidden_size");
    size_t length;
    char *title;

    put_metadata(out, name, config, training, test);
    rk_buffer_printf(out, "%s\n\n# ", MARK);
    name = last_part(name, &length);
    title = rk_strndup(name, length);
    if (title)
        put_text(out, title);
    else
        out->failed = true;
    rk_free(title);
    rk_buffer_puts(out, "\n\nA BERT text classifier");
    if (layers > 0 && hidden > 0)
        rk_buffer_printf(out, " of %.0f layers, %.0f wide", layers, hidden);
    rk_buffer_puts(out, ".\n");
    put_labels(out, config);
    put_use(out, name, ringkas);
    put_training(out, ringkas, training);
    put_results(out, training, test);
    return out->failed ? rk_fail(err, RK_E_MEMORY, "out of memory for the model card") : RK_OK;
}

bool rk_card_may_write(const char *folder)
{
    enum { LIMIT = 1 << 20 };
    char *path = rk_path_join(folder, "README.md"), *text = NULL;
    size_t size = 0;
    bool may;

    if (!path) return false;
    may = !rk_path_exists(path) ||
          (rk_file_read(&text, &size, path, LIMIT, NULL) == RK_OK && strstr(text, MARK));
    rk_free(text);
    rk_free(path);
    return may;
}

rk_status rk_model_card(const char *folder, const char *test_json, rk_error *err)
{
    json_t *config = NULL, *ringkas = NULL, *test = NULL;
    char *paths[3] = {NULL};
    rk_buffer card = {0};
    rk_status st = RK_OK;

    if (!folder) return rk_fail(err, RK_E_ARG, "a model card needs a folder");
    paths[0] = rk_path_join(folder, "config.json");
    paths[1] = rk_path_join(folder, "ringkas.json");
    paths[2] = rk_path_join(folder, "README.md");
    if (!paths[0] || !paths[1] || !paths[2]) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!st) st = rk_json_load(&config, paths[0], err);
    if (!st) st = rk_json_load(&ringkas, paths[1], err);
    if (!st && test_json) st = rk_json_parse(&test, test_json, strlen(test_json), "eval", err);
    if (!st && !rk_card_may_write(folder))
        st = rk_fail(err, RK_E_OUTPUT, "%s: is not a card of ours and is kept; move it away",
                     paths[2]);
    if (!st) st = rk_card_text(&card, folder, config, ringkas, test, err);
    if (!st) st = rk_file_write(paths[2], card.data, card.length, err);
    rk_buffer_free(&card);
    json_decref(config);
    json_decref(ringkas);
    json_decref(test);
    for (int i = 0; i < 3; i++) rk_free(paths[i]);
    return st;
}
