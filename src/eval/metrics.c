#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "eval/intervals.h"


static double share(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

/* Gorodkin's correlation of K labels (2004), which for two is Matthews'. Every difference is of
 * whole numbers, exact in a double up to 94 million rows. */
static double correlation(const rk_metrics *m, double right)
{
    const double n = (double)m->rows;
    double both = 0.0, truth = 0.0, answers = 0.0, product;

    for (size_t i = 0; i < m->labels; i++) {
        const double support = (double)m->label[i].support;
        double predicted = 0.0;
        for (size_t j = 0; j < m->labels; j++)
            predicted += (double)m->confusion[j * m->labels + i];
        both += support * predicted;
        truth += support * support;
        answers += predicted * predicted;
    }
    product = (n * n - truth) * (n * n - answers);
    return product > 0.0 ? (right * n - both) / sqrt(product) : 0.0;
}

static void score(rk_metrics *m)
{
    size_t right = 0, present = 0;

    for (size_t i = 0; i < m->labels; i++) {
        const size_t hit = m->confusion[i * m->labels + i];
        rk_label_score *s = &m->label[i];
        size_t predicted = 0;
        double weight;
        for (size_t j = 0; j < m->labels; j++) {
            s->support += m->confusion[i * m->labels + j];
            predicted += m->confusion[j * m->labels + i];
        }
        s->precision = share(hit, predicted);
        s->recall = share(hit, s->support);
        /* The harmonic mean written with counts: one rounding, and 0 where both are 0. */
        s->f1 = share(2 * hit, s->support + predicted);
        weight = (double)s->support;
        m->precision_weighted += weight * s->precision;
        m->recall_weighted += weight * s->recall;
        m->f1_weighted += weight * s->f1;
        m->precision_macro += s->precision;
        m->recall_macro += s->recall;
        m->f1_macro += s->f1;
        m->balanced_accuracy += s->recall; /* 0 where no row has the label */
        present += s->support > 0;
        right += hit;
    }
    m->precision_weighted /= (double)m->rows;
    m->recall_weighted /= (double)m->rows;
    m->f1_weighted /= (double)m->rows;
    m->precision_macro /= (double)m->labels;
    m->recall_macro /= (double)m->labels;
    m->f1_macro /= (double)m->labels;
    m->balanced_accuracy /= (double)present;
    m->accuracy = share(right, m->rows);
    m->mcc = correlation(m, (double)right);
    rk_wilson(m->accuracy_ci95, right, m->rows, RK_Z95);
}

rk_status rk_metrics_begin(rk_metrics *out, size_t labels, rk_error *err)
{
    rk_metrics m = {.labels = labels};
    size_t cells;

    *out = (rk_metrics){0};
    if (labels == 0) return rk_fail(err, RK_E_ARG, "no labels to score; at least one is needed");
    if (!rk_mul(&cells, labels, labels))
        return rk_fail(err, RK_E_ARG, "%zu labels are too many for a confusion matrix", labels);
    m.confusion = rk_calloc(cells, sizeof *m.confusion);
    m.label = rk_calloc(labels, sizeof *m.label);
    if (!m.confusion || !m.label) {
        rk_metrics_free(&m);
        return rk_fail(err, RK_E_MEMORY, "out of memory for the scores of %zu labels", labels);
    }
    *out = m;
    return RK_OK;
}

rk_status rk_metrics_add(rk_metrics *m, const int32_t *truth, const int32_t *predicted, size_t rows,
                         rk_error *err)
{
    for (size_t r = 0; r < rows; r++) {
        const int32_t t = truth[r], p = predicted[r];
        if (t < 0 || (size_t)t >= m->labels)
            return rk_fail(err, RK_E_ARG, "row %zu: true label %d; labels go from 0 to %zu", r, t,
                           m->labels - 1);
        if (p < 0 || (size_t)p >= m->labels)
            return rk_fail(err, RK_E_ARG, "row %zu: predicted label %d; labels go from 0 to %zu", r,
                           p, m->labels - 1);
        m->confusion[(size_t)t * m->labels + (size_t)p]++;
        m->rows++;
    }
    return RK_OK;
}

rk_status rk_metrics_end(rk_metrics *m, rk_error *err)
{
    if (m->rows == 0) return rk_fail(err, RK_E_ARG, "no rows to score; at least one is needed");
    score(m);
    return RK_OK;
}

rk_status rk_metrics_compute(rk_metrics *out, const int32_t *truth, const int32_t *predicted,
                             size_t rows, size_t labels, rk_error *err)
{
    rk_status st;

    *out = (rk_metrics){0};
    if (rows == 0) return rk_fail(err, RK_E_ARG, "no rows to score; at least one is needed");
    st = rk_metrics_begin(out, labels, err);
    if (!st) st = rk_metrics_add(out, truth, predicted, rows, err);
    if (!st) st = rk_metrics_end(out, err);
    if (st) rk_metrics_free(out);
    return st;
}

void rk_metrics_free(rk_metrics *m)
{
    rk_free(m->confusion);
    rk_free(m->label);
    memset(m, 0, sizeof *m);
}

static json_t *integer(size_t n)
{
    return json_integer((json_int_t)n);
}

/* The key of label i: its name, or name#i where an earlier label has the same name. */
static int set_label(json_t *object, const char *name, size_t i, json_t *value)
{
    char *key;
    size_t size;
    int rc;

    if (!json_object_get(object, name)) return json_object_set_new(object, name, value);
    size = strlen(name) + 24;
    key = rk_malloc(size);
    if (!key) {
        json_decref(value);
        return -1;
    }
    snprintf(key, size, "%s#%zu", name, i);
    rc = json_object_set_new(object, key, value);
    rk_free(key);
    return rc;
}

/* labels, per_label and confusion; false when out of memory. */
static bool put_labels(json_t *into, const rk_metrics *m, const char *const *names)
{
    json_t *labels = json_array(), *scores = json_object(), *table = json_array();
    bool ok = labels && scores && table;

    for (size_t i = 0; ok && i < m->labels; i++) {
        const rk_label_score *s = &m->label[i];
        json_t *line = json_array();
        json_t *one = json_pack("{s:f, s:f, s:f, s:I}", "precision", s->precision, "recall",
                                s->recall, "f1", s->f1, "support", (json_int_t)s->support);
        for (size_t j = 0; ok && j < m->labels; j++)
            ok = json_array_append_new(line, integer(m->confusion[i * m->labels + j])) == 0;
        ok = json_array_append_new(table, line) == 0 && ok;
        ok = set_label(scores, names[i], i, one) == 0 && ok;
        ok = ok && json_array_append_new(labels, json_string(names[i])) == 0;
    }
    /* All three are handed over, even after a failure. */
    ok = json_object_set_new(into, "labels", labels) == 0 && ok;
    ok = json_object_set_new(into, "per_label", scores) == 0 && ok;
    return json_object_set_new(into, "confusion", table) == 0 && ok;
}

json_t *rk_metrics_json(const rk_metrics *m, const char *const *label_names)
{
    json_t *out = json_pack("{s:I, s:f, s:[f, f], s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
                            "rows", (json_int_t)m->rows, "accuracy", m->accuracy,
                            "accuracy_ci95", m->accuracy_ci95[0], m->accuracy_ci95[1],
                            "precision_weighted", m->precision_weighted,
                            "recall_weighted", m->recall_weighted,
                            "f1_weighted", m->f1_weighted, "f1_macro", m->f1_macro,
                            "precision_macro", m->precision_macro, "recall_macro",
                            m->recall_macro, "balanced_accuracy", m->balanced_accuracy, "mcc",
                            m->mcc);
    if (out && !put_labels(out, m, label_names)) {
        json_decref(out);
        return NULL;
    }
    return out;
}
