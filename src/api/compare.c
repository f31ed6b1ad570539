#include <math.h>
#include <string.h>

#include "api/score.h"
#include "base/json.h"
#include "base/mem.h"

enum { BOOTSTRAP_DRAWS = 10000, BOOTSTRAP_SEED = 42 };

/* One side of the comparison, its answers in the base's label ids. */
typedef struct side {
    rk_model *model;
    rk_score score;
    rk_metrics metrics;
} side;

static void side_free(side *s)
{
    rk_metrics_free(&s->metrics);
    rk_score_free(&s->score);
    rk_model_close(s->model);
}

/* Position of each of the candidate's labels in the base's list. */
static rk_status map_labels(size_t *map, const rk_model *base, const rk_model *candidate,
                            rk_error *err)
{
    char name[RK_QUOTE_SIZE], path[RK_QUOTE_SIZE];
    rk_quote(path, candidate->path, strlen(candidate->path));
    if (base->labels.count != candidate->labels.count)
        return rk_fail(err, RK_E_FORMAT, "%s: has %zu labels and the base %zu; nothing to compare",
                       path, candidate->labels.count, base->labels.count);
    for (size_t i = 0; i < candidate->labels.count; i++) {
        const char *label = candidate->labels.name[i];
        for (map[i] = 0; map[i] < base->labels.count; map[i]++)
            if (strcmp(base->labels.name[map[i]], label) == 0) break;
        if (map[i] == base->labels.count)
            return rk_fail(err, RK_E_FORMAT, "%s: its label \"%s\" is none of the base's", path,
                           rk_quote(name, label, strlen(label)));
    }
    return RK_OK;
}

static rk_status reorder(side *s, const size_t *map, rk_error *err)
{
    const size_t n = s->score.labels;
    float *row = rk_calloc(n, sizeof *row);
    if (!row) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t r = 0; r < s->score.rows; r++) {
        float *logits = s->score.logits + r * n;
        for (size_t i = 0; i < n; i++) row[map[i]] = logits[i];
        memcpy(logits, row, n * sizeof *row);
        s->score.predicted[r] = (int32_t)map[s->score.predicted[r]];
    }
    rk_free(row);
    return RK_OK;
}

typedef struct outcome {
    size_t changed, to_right, to_wrong;
    double max_diff;
    double ci[2];
} outcome;

static rk_status row_by_row(outcome *o, const side *base, const side *candidate,
                            const int32_t *truth, rk_error *err)
{
    const size_t rows = base->score.rows, cells = rows * base->score.labels;
    double *drop = rk_calloc(rows, sizeof *drop);
    rk_status st;

    memset(o, 0, sizeof *o);
    if (!drop) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t r = 0; r < rows; r++) {
        const int32_t b = base->score.predicted[r], c = candidate->score.predicted[r];
        o->changed += b != c;
        o->to_right += b != truth[r] && c == truth[r];
        o->to_wrong += b == truth[r] && c != truth[r];
        drop[r] = (double)(b == truth[r]) - (double)(c == truth[r]);
    }
    for (size_t i = 0; i < cells; i++) {
        const double d = fabs((double)base->score.logits[i] - (double)candidate->score.logits[i]);
        if (d > o->max_diff) o->max_diff = d;
    }
    st = rk_bootstrap_mean(o->ci, drop, rows, BOOTSTRAP_DRAWS, BOOTSTRAP_SEED, err);
    rk_free(drop);
    return st;
}

static json_t *side_json(const side *s, const rk_labels *labels)
{
    json_t *out = rk_metrics_json(&s->metrics, (const char *const *)labels->name);

    if (out && (json_object_set_new(out, "model", json_string(s->model->path)) ||
                json_object_set_new(out, "precision_ran",
                                    json_string(rk_model_precision(s->model))))) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *compare_json(const side *base, const side *candidate, const outcome *o,
                            double max_drop)
{
    const size_t rows = base->score.rows;
    /* From the counts, not from two rounded shares: a gate at the edge must not wobble. */
    const double drop = ((double)o->to_wrong - (double)o->to_right) / (double)rows;
    const char *gate = max_drop < 0.0 ? "none" : 100.0 * drop <= max_drop + 1e-9 ? "pass" : "fail";
    return json_pack(
        "{s:I, s:I, s:{s:I, s:I}, s:f, s:f, s:[f, f], s:f, s:f, s:s, s:o?, s:o, s:o}",
        "rows", (json_int_t)rows, "changed", (json_int_t)o->changed,
        "flipped", "to_right", (json_int_t)o->to_right, "to_wrong", (json_int_t)o->to_wrong,
        "mcnemar_p", rk_mcnemar_exact(o->to_wrong, o->to_right), "accuracy_drop", drop,
        "accuracy_drop_ci95", o->ci[0], o->ci[1],
        "f1_drop", base->metrics.f1_weighted - candidate->metrics.f1_weighted,
        "max_logit_diff", o->max_diff, "gate", gate,
        "max_drop_points", max_drop < 0.0 ? NULL : json_real(max_drop),
        "base_eval", side_json(base, &base->model->labels),
        "candidate_eval", side_json(candidate, &base->model->labels));
}

rk_status rk_compare(char **json, const char *base_path, const char *candidate_path,
                     const char *data, const rk_fields *fields, double max_drop_points,
                     rk_progress_fn progress, void *user, rk_error *err)
{
    side base = {0}, candidate = {0};
    rk_rows *rows = NULL;
    int32_t *truth = NULL;
    size_t *map = NULL, labels;
    outcome o;
    json_t *result = NULL;
    rk_status st;

    if (!json) return rk_fail(err, RK_E_ARG, "json is NULL");
    *json = NULL;
    if (isnan(max_drop_points)) return rk_fail(err, RK_E_ARG, "the largest drop is not a number");
    st = rk_model_open(&base.model, base_path, RK_COMPUTE_AUTO, err);
    if (!st) st = rk_model_open(&candidate.model, candidate_path, RK_COMPUTE_AUTO, err);
    if (st) goto done;
    labels = base.model->labels.count;
    map = rk_calloc(labels, sizeof *map);
    st = map ? map_labels(map, base.model, candidate.model, err)
             : rk_fail(err, RK_E_MEMORY, "out of memory");
    if (!st) st = rk_score_load(&rows, base.model, data, fields, err);
    if (!st)
        st = rk_score_rows(&base.score, &truth, base.model, rows, RK_BATCH_DEFAULT, progress, user,
                           err);
    if (!st)
        st = rk_score_rows(&candidate.score, NULL, candidate.model, rows, RK_BATCH_DEFAULT,
                           progress, user, err);
    if (!st) st = reorder(&candidate, map, err);
    if (!st)
        st = rk_metrics_compute(&base.metrics, truth, base.score.predicted, rows->count, labels,
                                err);
    if (!st)
        st = rk_metrics_compute(&candidate.metrics, truth, candidate.score.predicted, rows->count,
                                labels, err);
    if (!st) st = row_by_row(&o, &base, &candidate, truth, err);
    if (!st) {
        result = compare_json(&base, &candidate, &o, max_drop_points);
        *json = result ? rk_json_text(result, 0) : NULL;
        if (!*json) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    }
done:
    json_decref(result);
    rk_free(map);
    rk_free(truth);
    rk_rows_free(rows);
    side_free(&base);
    side_free(&candidate);
    return st;
}
