#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report_parts.h"

/* The document's layout as tables: doc/FORMATS.md in C. */

typedef enum kind {
    TEXT,       /* string */
    WHOLE,      /* integer within min..max */
    NUMBER,     /* within min..max */
    FLAG,
    OBJECT,     /* fields */
    LIST,       /* array of objects with fields */
    BY_NAME,    /* object: any name to an object with fields */
    COUNTS,     /* object: any name to a whole number */
    TEXTS,      /* array of strings */
    NUMBERS,    /* array of numbers within min..max */
    PAIR,       /* array of two numbers within min..max */
    MATRIX      /* square array of arrays of whole numbers */
} kind;

typedef struct field {
    const char *key;
    kind kind;
    double min, max;
    const struct field *fields;    /* ends with a NULL key */
} field;

/* Sizes that formatting and drawing can bear; no honest report comes near. */
#define MANY 1e15
#define ANY -1e15, 1e15, NULL
#define COUNT 0, MANY, NULL
#define SHARE 0, 1, NULL
#define DIFF -1, 1, NULL
#define NONE 0, 0, NULL
#define END { NULL, TEXT, NONE }

static const field token_fields[] = {
    { "p50", WHOLE, COUNT }, { "p95", WHOLE, COUNT }, { "max", WHOLE, COUNT },
    { "limit", WHOLE, COUNT }, { "cut", WHOLE, COUNT }, END
};
static const field shared_fields[] = {
    { "rows", WHOLE, COUNT }, { "other_label", WHOLE, COUNT }, END
};
static const field split_fields[] = {
    { "path", TEXT, NONE }, { "sha256", TEXT, NONE }, { "rows", WHOLE, COUNT },
    { "labels", COUNTS, COUNT }, { "texts", WHOLE, COUNT }, { "repeats", WHOLE, COUNT },
    { "conflicts", WHOLE, COUNT }, { "tokens", OBJECT, 0, 0, token_fields },
    { "in_train", OBJECT, 0, 0, shared_fields }, { "in_valid", OBJECT, 0, 0, shared_fields },
    { "label_shift", NUMBER, SHARE }, END
};
static const field data_fields[] = {
    { "train", OBJECT, 0, 0, split_fields },
    { "valid", OBJECT, 0, 0, split_fields },
    { "test", OBJECT, 0, 0, split_fields },
    END
};
static const field model_fields[] = {
    { "name", TEXT, NONE }, { "layers", WHOLE, COUNT }, { "hidden", WHOLE, COUNT },
    { "params", WHOLE, COUNT }, { "weights", TEXT, NONE }, { "sha256", TEXT, NONE }, END
};
static const field point_fields[] = {
    { "step", WHOLE, COUNT }, { "loss", NUMBER, ANY }, { "lr", NUMBER, ANY }, END
};
static const field epoch_fields[] = {
    { "epoch", WHOLE, COUNT }, { "train_loss", NUMBER, ANY }, { "valid_loss", NUMBER, ANY },
    { "valid_accuracy", NUMBER, SHARE }, { "valid_f1_weighted", NUMBER, SHARE },
    { "kept", FLAG, NONE }, END
};
static const field run_fields[] = {
    { "name", TEXT, NONE }, { "seconds", NUMBER, COUNT }, { "steps", WHOLE, COUNT },
    { "curve", LIST, 0, 0, point_fields }, { "epochs", LIST, 0, 0, epoch_fields }, END
};
static const field score_fields[] = {
    { "precision", NUMBER, SHARE }, { "recall", NUMBER, SHARE }, { "f1", NUMBER, SHARE },
    { "support", WHOLE, COUNT }, END
};
static const field latency_fields[] = {
    { "p50", NUMBER, COUNT }, { "p95", NUMBER, COUNT }, { "mean", NUMBER, COUNT },
    { "quantiles", NUMBERS, COUNT }, END
};
static const field bin_fields[] = {
    { "rows", WHOLE, COUNT }, { "confidence", NUMBER, SHARE }, { "accuracy", NUMBER, SHARE }, END
};
static const field calibration_fields[] = {
    { "temperature", NUMBER, COUNT }, { "rows", WHOLE, COUNT }, END
};
static const field eval_fields[] = {
    { "rows", WHOLE, COUNT }, { "accuracy", NUMBER, SHARE }, { "accuracy_ci95", PAIR, SHARE },
    { "f1_weighted", NUMBER, SHARE }, { "f1_macro", NUMBER, SHARE }, { "labels", TEXTS, NONE },
    { "per_label", BY_NAME, 0, 0, score_fields }, { "confusion", MATRIX, COUNT },
    { "latency_ms", OBJECT, 0, 0, latency_fields }, { "rows_per_s", NUMBER, COUNT },
    { "rss_bytes", WHOLE, COUNT }, { "precision_ran", TEXT, NONE }, { "isa", TEXT, NONE },
    { "threads", WHOLE, COUNT }, { "ece", NUMBER, SHARE },
    { "reliability", LIST, 0, 0, bin_fields }, { "fitted_here", FLAG, NONE },
    { "calibration", OBJECT, 0, 0, calibration_fields }, { "f1_weighted_ci95", PAIR, SHARE },
    { "f1_macro_ci95", PAIR, SHARE }, END
};
static const field result_fields[] = {
    { "name", TEXT, NONE }, { "file", TEXT, NONE }, { "model_bytes", WHOLE, COUNT },
    { "sha256", TEXT, NONE },
    { "eval", OBJECT, 0, 0, eval_fields }, END
};
static const field flip_fields[] = {
    { "to_right", WHOLE, COUNT }, { "to_wrong", WHOLE, COUNT }, END
};
static const field change_fields[] = {
    { "line", WHOLE, COUNT }, { "way", TEXT, NONE }, { "text", TEXT, NONE },
    { "label", TEXT, NONE }, { "base", TEXT, NONE }, { "candidate", TEXT, NONE },
    { "base_probability", NUMBER, SHARE }, { "candidate_probability", NUMBER, SHARE }, END
};
static const field compare_fields[] = {
    { "base", TEXT, NONE }, { "candidate", TEXT, NONE }, { "rows", WHOLE, COUNT },
    { "flipped", OBJECT, 0, 0, flip_fields }, { "changed", WHOLE, COUNT },
    { "mcnemar_p", NUMBER, SHARE }, { "accuracy_drop", NUMBER, DIFF },
    { "accuracy_drop_ci95", PAIR, DIFF }, { "max_logit_diff", NUMBER, COUNT },
    { "flips", LIST, 0, 0, change_fields }, END
};
static const field report_fields[] = {
    { "version", WHOLE, 1, 1, NULL }, { "created", TEXT, NONE }, { "ringkas", TEXT, NONE },
    { "command", TEXTS, NONE }, { "seconds", NUMBER, COUNT }, { "cpu", TEXT, NONE },
    { "os", TEXT, NONE }, { "libraries", TEXT, NONE },
    { "isa", TEXT, NONE }, { "threads", WHOLE, COUNT }, { "data", OBJECT, 0, 0, data_fields },
    { "model", OBJECT, 0, 0, model_fields }, { "runs", LIST, 0, 0, run_fields },
    { "results", LIST, 0, 0, result_fields }, { "compare", LIST, 0, 0, compare_fields }, END
};

/* Where we are, for the message; a path too long for it is cut. */
typedef struct place {
    char text[256];
    rk_error *err;
} place;

static size_t enter(place *p, const char *key)
{
    const size_t old = strlen(p->text);
    char name[RK_QUOTE_SIZE];
    snprintf(p->text + old, sizeof p->text - old, "%s%s", old ? "." : "",
             rk_quote(name, key, strlen(key)));
    return old;
}

static size_t enter_item(place *p, size_t i)
{
    const size_t old = strlen(p->text);
    snprintf(p->text + old, sizeof p->text - old, "[%zu]", i);
    return old;
}

static rk_status wrong(const place *p, const char *wanted)
{
    return rk_fail(p->err, RK_E_FORMAT, "report: %s must be %s", p->text, wanted);
}

static rk_status check_number(place *p, const json_t *v, const field *f, bool whole)
{
    const double x = json_number_value(v);
    if (!json_is_number(v) || (whole && x != floor(x)))
        return wrong(p, whole ? "a whole number" : "a number");
    if (!(x >= f->min && x <= f->max))
        return rk_fail(p->err, RK_E_FORMAT, "report: %s is %g; it must be from %g to %g", p->text,
                       x, f->min, f->max);
    return RK_OK;
}

static rk_status check_fields(place *p, const json_t *object, const field *f);

static rk_status check_list(place *p, const json_t *v, const field *f)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(v)) return wrong(p, "an array");
    if (f->kind == PAIR && json_array_size(v) != 2) return wrong(p, "two numbers");
    json_array_foreach(v, i, item) {
        const size_t old = enter_item(p, i);
        rk_status st = RK_OK;
        if (f->kind == LIST) st = check_fields(p, item, f->fields);
        else if (f->kind == PAIR || f->kind == NUMBERS) st = check_number(p, item, f, false);
        else if (!json_is_string(item)) st = wrong(p, "a string");
        if (st) return st;
        p->text[old] = '\0';
    }
    return RK_OK;
}

static rk_status check_named(place *p, const json_t *v, const field *f)
{
    const char *key;
    json_t *item;

    if (!json_is_object(v)) return wrong(p, "an object");
    json_object_foreach((json_t *)v, key, item) {
        const size_t old = enter(p, key);
        const rk_status st = f->kind == BY_NAME ? check_fields(p, item, f->fields)
                                                : check_number(p, item, f, true);
        if (st) return st;
        p->text[old] = '\0';
    }
    return RK_OK;
}

static rk_status check_matrix(place *p, const json_t *v, const field *f)
{
    const size_t n = json_array_size(v);

    if (!json_is_array(v)) return wrong(p, "an array of arrays");
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(v, i);
        const size_t old = enter_item(p, i);
        if (json_array_size(row) != n)
            return rk_fail(p->err, RK_E_FORMAT, "report: %s must be an array of %zu counts",
                           p->text, n);
        for (size_t j = 0; j < n; j++) {
            const size_t inner = enter_item(p, j);
            const rk_status st = check_number(p, json_array_get(row, j), f, true);
            if (st) return st;
            p->text[inner] = '\0';
        }
        p->text[old] = '\0';
    }
    return RK_OK;
}

static rk_status check_value(place *p, const json_t *v, const field *f)
{
    switch (f->kind) {
    case TEXT: return json_is_string(v) ? RK_OK : wrong(p, "a string");
    case FLAG: return json_is_boolean(v) ? RK_OK : wrong(p, "true or false");
    case WHOLE: return check_number(p, v, f, true);
    case NUMBER: return check_number(p, v, f, false);
    case OBJECT: return check_fields(p, v, f->fields);
    case MATRIX: return check_matrix(p, v, f);
    case BY_NAME:
    case COUNTS: return check_named(p, v, f);
    case LIST:
    case TEXTS:
    case NUMBERS:
    case PAIR: break;
    }
    return check_list(p, v, f);
}

/* Depth is that of the tables above. */
static rk_status check_fields(place *p, const json_t *object, const field *f)
{
    if (!json_is_object(object)) return wrong(p, "an object");
    for (; f->key; f++) {
        const json_t *v = json_object_get(object, f->key);
        if (v && !json_is_null(v)) {
            const size_t old = enter(p, f->key);
            const rk_status st = check_value(p, v, f);
            if (st) return st;
            p->text[old] = '\0';
        }
    }
    return RK_OK;
}

/* A matrix whose labels do not fit it would be shown under the wrong names. */
static rk_status check_labels(const json_t *report, rk_error *err)
{
    const json_t *result, *results = json_object_get(report, "results");
    size_t i;

    json_array_foreach(results, i, result) {
        const json_t *eval = json_object_get(result, "eval");
        const size_t labels = json_array_size(json_object_get(eval, "labels"));
        const size_t table = json_array_size(json_object_get(eval, "confusion"));
        const size_t scores = json_object_size(json_object_get(eval, "per_label"));
        if (labels && table && labels != table)
            return rk_fail(err, RK_E_FORMAT, "report: results[%zu].eval.confusion has %zu rows for "
                           "%zu labels", i, table, labels);
        if (!labels && table && scores && scores != table)
            return rk_fail(err, RK_E_FORMAT, "report: results[%zu].eval.confusion has %zu rows for "
                           "%zu labels of per_label", i, table, scores);
    }
    return RK_OK;
}

rk_status rk_report_check(const json_t *report, rk_error *err)
{
    place p = { .text = "", .err = err };
    rk_status st;

    if (!json_is_object(report)) return rk_fail(err, RK_E_FORMAT, "report: not a JSON object");
    if (!json_is_integer(json_object_get(report, "version")))
        return rk_fail(err, RK_E_FORMAT, "report: version is missing; 1 is known");
    st = check_fields(&p, report, report_fields);
    return st ? st : check_labels(report, err);
}
