#include <math.h>
#include <string.h>

#include "api/flips.h"
#include "base/json.h"
#include "base/mem.h"

enum { CANDIDATES_MAX = 64, FLIPS_DEFAULT = 10 };

/* One of the models, its answers in the base's label ids. */
typedef struct side {
    const char *path;
    char precision[8];
    uint64_t bytes; /* on disk */
    size_t memory;  /* weights as they are kept to run */
    rk_score score;
    rk_metrics metrics;
    double *ms; /* sorted; NULL: not timed */
    size_t timed;
    bool pareto;
} side;

typedef struct work {
    const rk_compare_options *o;
    rk_rows *rows;
    int32_t *truth;
    rk_labels labels; /* the base's */
    side *side;       /* [1 + candidates]; the base first */
    rk_progress_fn progress;
    void *user;
    rk_error *err;
} work;

void rk_compare_defaults(rk_compare_options *o)
{
    memset(o, 0, sizeof *o);
    o->max_drop = -1.0;
    o->flips = FLIPS_DEFAULT;
}

/* Position of each of the candidate's labels in the base's list. */
static rk_status map_labels(size_t *map, const rk_labels *base, const rk_model *candidate,
                            rk_error *err)
{
    char name[RK_QUOTE_SIZE], path[RK_QUOTE_SIZE];
    rk_quote(path, candidate->path, strlen(candidate->path));
    if (base->count != candidate->labels.count)
        return rk_fail(err, RK_E_FORMAT, "%s: has %zu labels and the base %zu; nothing to compare",
                       path, candidate->labels.count, base->count);
    for (size_t i = 0; i < candidate->labels.count; i++) {
        const char *label = candidate->labels.name[i];
        for (map[i] = 0; map[i] < base->count; map[i]++)
            if (strcmp(base->name[map[i]], label) == 0) break;
        if (map[i] == base->count)
            return rk_fail(err, RK_E_FORMAT, "%s: its label \"%s\" is none of the base's", path,
                           rk_quote(name, label, strlen(label)));
    }
    return RK_OK;
}

static rk_status reorder(rk_score *s, const size_t *map, rk_error *err)
{
    const size_t n = s->labels;
    float *row = rk_calloc(n, sizeof *row);
    if (!row) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t r = 0; r < s->rows; r++) {
        float *logits = s->logits + r * n;
        for (size_t i = 0; i < n; i++) row[map[i]] = logits[i];
        memcpy(logits, row, n * sizeof *row);
        s->predicted[r] = (int32_t)map[s->predicted[r]];
    }
    rk_free(row);
    return RK_OK;
}

/* Answers, time and size of one model; it is closed again, so that one is in memory at a time. */
static rk_status run_side(work *w, size_t at)
{
    side *s = &w->side[at];
    rk_model *m = NULL;
    size_t *map = NULL;
    rk_status st = rk_model_open(&m, s->path, RK_COMPUTE_AUTO, w->err);

    if (st) return st;
    if (at == 0) {
        st = rk_labels_copy(&w->labels, (const char *const *)m->labels.name, m->labels.count,
                            w->err);
        if (!st) st = rk_score_load(&w->rows, m, w->o->data, &w->o->fields, w->err);
    }
    if (st) goto done;
    map = rk_calloc(w->labels.count, sizeof *map);
    st = map ? map_labels(map, &w->labels, m, w->err)
             : rk_fail(w->err, RK_E_MEMORY, "out of memory");
    if (!st)
        st = rk_score_rows(&s->score, at ? NULL : &w->truth, m, w->rows, RK_BATCH_DEFAULT,
                           w->progress, w->user, w->err);
    if (!st) st = reorder(&s->score, map, w->err);
    if (!st)
        st = rk_metrics_compute(&s->metrics, w->truth, s->score.predicted, w->rows->count,
                                w->labels.count, w->err);
    if (!st && !w->o->no_latency) st = rk_score_latency(&s->ms, &s->timed, m, w->rows, 1, w->err);
    snprintf(s->precision, sizeof s->precision, "%s", rk_model_precision(m));
    s->bytes = rk_model_bytes(m->path);
    s->memory = rk_engine_bytes(m->engine);
done:
    rk_free(map);
    rk_model_close(m);
    return st;
}

/* ---- sizes, times, the Pareto set ---- */

static double p50(const side *s)
{
    return s->ms ? rk_quantile(s->ms, s->timed, 0.5) : 0.0;
}

/* No worse in accuracy, size and latency, and better in one of them. Latencies within a twentieth
 * of each other are equal: two measurements of one file differ by as much. */
static bool dominates(const side *a, const side *b)
{
    const double equal = 1.05;
    const bool worse = a->metrics.accuracy < b->metrics.accuracy || a->bytes > b->bytes ||
                       p50(a) > equal * p50(b);
    return !worse && (a->metrics.accuracy > b->metrics.accuracy || a->bytes < b->bytes ||
                      equal * p50(a) < p50(b));
}

static void mark_pareto(side *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s[i].pareto = true;
        for (size_t k = 0; k < n; k++)
            if (dominates(&s[k], &s[i])) s[i].pareto = false;
    }
}

static json_t *model_json(const side *s, bool base)
{
    json_t *out = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:o, s:f, s:f, s:[f, f], s:f, s:f, s:b}", "model", s->path,
        "role", base ? "base" : "candidate", "precision_ran", s->precision, "model_bytes",
        (json_int_t)s->bytes, "memory_bytes", (json_int_t)s->memory, "latency_ms",
        s->ms ? rk_latency_json(s->ms, s->timed) : json_null(), "rows_per_s",
        (double)s->score.rows / s->score.run_seconds, "accuracy", s->metrics.accuracy,
        "accuracy_ci95", s->metrics.accuracy_ci95[0], s->metrics.accuracy_ci95[1], "f1_weighted",
        s->metrics.f1_weighted, "f1_macro", s->metrics.f1_macro, "pareto", s->pareto);
    return out;
}

static json_t *models_json(work *w)
{
    json_t *list = json_array();

    mark_pareto(w->side, w->o->candidates + 1);
    for (size_t i = 0; list && i <= w->o->candidates; i++)
        if (json_array_append_new(list, model_json(&w->side[i], i == 0))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* ---- base against candidate ---- */

typedef struct outcome {
    size_t changed, to_right, to_wrong;
    double max_diff, drop;
    double ci[2][2]; /* of the accuracy drop, of the F1 drop */
    double gate;     /* points the gate looks at */
    const char *verdict;
} outcome;

/* Rows of which none changed cannot be drawn otherwise by a bootstrap. What n such rows allow at
 * 95 % is Clopper and Pearson's upper end for none of n. */
static double upper_end(const outcome *o, size_t rows)
{
    if (o->to_wrong + o->to_right > 0) return o->ci[0][1];
    return 1.0 - pow(0.025, 1.0 / (double)rows);
}

static rk_status row_by_row(outcome *o, const work *w, const side *candidate)
{
    const side *base = &w->side[0];
    const size_t rows = w->rows->count, cells = rows * w->labels.count;
    rk_status st;

    memset(o, 0, sizeof *o);
    for (size_t r = 0; r < rows; r++) {
        const int32_t b = base->score.predicted[r], c = candidate->score.predicted[r];
        o->changed += b != c;
        o->to_right += b != w->truth[r] && c == w->truth[r];
        o->to_wrong += b == w->truth[r] && c != w->truth[r];
    }
    for (size_t i = 0; i < cells; i++) {
        const double d = fabs((double)base->score.logits[i] - (double)candidate->score.logits[i]);
        if (d > o->max_diff) o->max_diff = d;
    }
    /* From the counts, not from two rounded shares: a gate at the edge must not wobble. */
    o->drop = ((double)o->to_wrong - (double)o->to_right) / (double)rows;
    st = rk_drop_interval(o->ci, w->truth, base->score.predicted, candidate->score.predicted, rows,
                          w->labels.count, w->err);
    o->gate = 100.0 * (w->o->confident ? upper_end(o, rows) : o->drop);
    o->verdict = w->o->max_drop < 0.0 ? "none" : o->gate <= w->o->max_drop + 1e-9 ? "pass" : "fail";
    return st;
}

static json_t *side_json(const side *s, const rk_labels *labels)
{
    json_t *out = rk_metrics_json(&s->metrics, (const char *const *)labels->name);

    if (out && (json_object_set_new(out, "model", json_string(s->path)) ||
                json_object_set_new(out, "precision_ran", json_string(s->precision)))) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *pair_json(const work *w, const side *candidate, const outcome *o)
{
    const side *base = &w->side[0];
    return json_pack(
        "{s:I, s:I, s:{s:I, s:I}, s:f, s:f, s:[f, f], s:f, s:[f, f], s:f, s:s, s:f, s:b, s:o?, "
        "s:o, s:o, s:o}",
        "rows", (json_int_t)w->rows->count, "changed", (json_int_t)o->changed, "flipped",
        "to_right", (json_int_t)o->to_right, "to_wrong", (json_int_t)o->to_wrong, "mcnemar_p",
        rk_mcnemar_exact(o->to_wrong, o->to_right), "accuracy_drop", o->drop, "accuracy_drop_ci95",
        o->ci[0][0], o->ci[0][1], "f1_drop",
        base->metrics.f1_weighted - candidate->metrics.f1_weighted, "f1_drop_ci95", o->ci[1][0],
        o->ci[1][1], "max_logit_diff", o->max_diff, "gate", o->verdict, "gate_value", o->gate,
        "confident", (int)w->o->confident, "max_drop_points",
        w->o->max_drop < 0.0 ? NULL : json_real(w->o->max_drop), "flips",
        rk_flips_json(w->rows, w->truth, &base->score, &candidate->score, &w->labels, w->o->flips),
        "base_eval", side_json(base, &w->labels), "candidate_eval",
        side_json(candidate, &w->labels));
}

static rk_status result(json_t **out, work *w)
{
    const size_t n = w->o->candidates;
    json_t *pairs = json_array(), *models = models_json(w);
    const char *gate = w->o->max_drop < 0.0 ? "none" : "pass";
    rk_status st = RK_OK;
    bool bad = !pairs || !models;

    for (size_t i = 1; i <= n && !st && !bad; i++) {
        outcome o;
        json_t *one;
        st = row_by_row(&o, w, &w->side[i]);
        one = st ? NULL : pair_json(w, &w->side[i], &o);
        if (!st && strcmp(o.verdict, "fail") == 0) gate = o.verdict;
        if (one && n > 1)
            bad = json_object_set_new(one, "candidate", json_string(w->side[i].path)) != 0;
        bad = (!st && json_array_append_new(pairs, one)) || bad;
    }
    if (!st && !bad && n == 1) {
        *out = json_incref(json_array_get(pairs, 0));
        bad = json_object_set(*out, "models", models) != 0;
    } else if (!st && !bad) {
        *out = json_pack("{s:I, s:O, s:O, s:s, s:o?}", "rows", (json_int_t)w->rows->count, "models",
                         models, "pairs", pairs, "gate", gate, "max_drop_points",
                         w->o->max_drop < 0.0 ? NULL : json_real(w->o->max_drop));
        bad = !*out;
    }
    json_decref(pairs);
    json_decref(models);
    if (!st && bad) st = rk_fail(w->err, RK_E_MEMORY, "out of memory");
    return st;
}

rk_status rk_compare(char **json, const rk_compare_options *o, rk_progress_fn progress, void *user,
                     rk_error *err)
{
    work w = {.o = o, .progress = progress, .user = user, .err = err};
    json_t *out = NULL;
    rk_status st = RK_OK;

    if (!json || !o || !o->candidate || o->candidates == 0 || o->candidates > CANDIDATES_MAX)
        return rk_fail(err, RK_E_ARG, "compare: 1 to %d candidates are needed", CANDIDATES_MAX);
    *json = NULL;
    if (isnan(o->max_drop)) return rk_fail(err, RK_E_ARG, "the largest drop is not a number");
    w.side = rk_calloc(o->candidates + 1, sizeof *w.side);
    if (!w.side) return rk_fail(err, RK_E_MEMORY, "out of memory");
    for (size_t i = 0; i <= o->candidates && !st; i++) {
        w.side[i].path = i ? o->candidate[i - 1] : o->base;
        st = run_side(&w, i);
    }
    if (!st) st = result(&out, &w);
    if (!st && !(*json = rk_json_text(out, 0))) st = rk_fail(err, RK_E_MEMORY, "out of memory");
    json_decref(out);
    for (size_t i = 0; i <= o->candidates; i++) {
        rk_metrics_free(&w.side[i].metrics);
        rk_score_free(&w.side[i].score);
        rk_free(w.side[i].ms);
    }
    rk_free(w.side);
    rk_free(w.truth);
    rk_rows_free(w.rows);
    rk_labels_free(&w.labels);
    return st;
}
