/* What a run trains for: the weights of the labels, and the losses that its options ask for. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "train/run.h"
#include "train/teacher.h"

/* n / (labels x count), as scikit-learn's class_weight="balanced". */
static void balance(double *weight, const rk_encoded *e, size_t labels)
{
    double *count = weight;
    for (size_t i = 0; i < labels; i++) count[i] = 0.0;
    for (size_t r = 0; r < e->rows; r++) count[e->labels[r]] += 1.0;
    for (size_t i = 0; i < labels; i++)
        weight[i] = count[i] > 0.0 ? (double)e->rows / ((double)labels * count[i]) : 1.0;
}

rk_status rk_run_objective(rk_run *r, rk_error *err)
{
    const char *text = r->o->class_weights;
    const size_t labels = r->config.labels.count;
    rk_status st = RK_OK;

    r->objective = (rk_objective){r->o->label_smoothing, NULL, 1.0 - r->o->distill};
    if (!text) return RK_OK;
    r->class_weight = rk_calloc(labels, sizeof *r->class_weight);
    if (!r->class_weight) return rk_fail(err, RK_E_MEMORY, "out of memory");
    r->objective.weight = r->class_weight;
    if (strcmp(text, "balanced") == 0) {
        balance(r->class_weight, &r->train, labels);
        return RK_OK;
    }
    st = rk_labels_numbers(r->class_weight, &r->config.labels, text, "class weights", err);
    for (size_t i = 0; i < labels && !st; i++) {
        char shown[RK_QUOTE_SIZE];
        const char *name = r->config.labels.name[i];
        double *weight = &r->class_weight[i];
        if (isnan(*weight)) *weight = 1.0;
        if (!(*weight > 0.0 && *weight <= 1e6))
            st = rk_fail(err, RK_E_ARG, "class weights: %g for \"%s\"; above 0 is possible",
                         *weight, rk_quote(shown, name, strlen(name)));
    }
    return st;
}

json_t *rk_run_options_json(const rk_run *r)
{
    static const char *const schedule[] = {"linear", "constant", "cosine"};
    static const char *const observer[] = {"minmax", "percentile", "mse"};
    const rk_train_options *o = r->o;
    json_t *j =
        json_pack("{s:s s:I s:f s:I s:f s:s}", "schedule", schedule[o->schedule], "accumulate",
                  (json_int_t)o->accumulate, "layer_decay", o->layer_decay, "patience",
                  (json_int_t)o->patience, "label_smoothing", o->label_smoothing, "class_weights",
                  o->class_weights ? o->class_weights : "none");
    json_t *quant = NULL, *distill = NULL;
    char weights[17];
    bool failed =
        !j || json_object_set_new(j, "dropout", json_real(o->dropout)) ||
        json_object_set_new(j, "max_length_asked", json_integer((json_int_t)o->max_length)) ||
        json_object_set_new(j, "max_train_rows", json_integer((json_int_t)o->max_train_rows)) ||
        json_object_set_new(j, "max_steps", json_integer((json_int_t)o->max_steps));

    if (o->qat != RK_QAT_NONE)
        quant = json_pack("{s:f s:s s:f s:b}", "qat_delay", o->qat_delay, "observer",
                          observer[o->observer], "percentile", o->percentile, "learn_ranges",
                          (int)o->learn_ranges);
    if (o->distill > 0.0) {
        snprintf(weights, sizeof weights, "%016llx", (unsigned long long)r->teacher->hash);
        distill = json_pack("{s:f s:s s:s s:f s:f}", "distill", o->distill, "teacher",
                            o->teacher ? o->teacher : o->model, "teacher_weights", weights,
                            "distill_temperature", o->distill_temperature, "distill_hidden",
                            o->distill_hidden);
    }
    failed = failed || (o->qat != RK_QAT_NONE && json_object_update(j, quant));
    failed = failed || (o->distill > 0.0 && json_object_update(j, distill));
    json_decref(quant);
    json_decref(distill);
    if (!failed) return j;
    json_decref(j);
    return NULL;
}
