/* A model's answers to the rows of a data file, in row order, and how long they took. */
#ifndef RK_API_SCORE_H
#define RK_API_SCORE_H

#include "api/session.h"
#include "eval/intervals.h"
#include "eval/metrics.h"

/* Within a window of so many batches rows are sorted by length. */
enum {
    RK_BATCH_DEFAULT = 32,
    RK_BATCH_MAX = 4096,
    RK_LATENCY_ROWS = 200,
    RK_WINDOW_BATCHES = 32
};

typedef struct rk_score {
    size_t rows, labels;
    size_t tokens, truncated;
    float *logits;              /* [rows, labels] */
    int32_t *predicted;         /* [rows]; the lowest of equal best */
    double tokenize_seconds, run_seconds;
} rk_score;

/* Runs the encoded rows in batches of like length, and puts the answers back into row order.
 * Logits that are not finite are RK_E_NUMERIC and name the line. rows: what e was made of; for the
 * names in errors. */
rk_status rk_score_encoded(rk_score *out, rk_model *m, const rk_encoded *e, size_t batch,
                           const rk_rows *rows, rk_progress_fn progress, void *user, rk_error *err);
void rk_score_free(rk_score *s);    /* takes a zeroed struct */

/* Loads rows with labels, bound to the model's; none at all is RK_E_FORMAT. */
rk_status rk_score_load(rk_rows **rows, const rk_model *m, const char *data,
                        const rk_fields *fields, rk_error *err);

/* Cleans, encodes and scores rows. truth, unless NULL, gets label ids [rows] (rk_free). */
rk_status rk_score_rows(rk_score *out, int32_t **truth, rk_model *m, const rk_rows *rows,
                        size_t batch, rk_progress_fn progress, void *user, rk_error *err);

/* Milliseconds, sorted, of single texts from bytes to logits, `repeat` times over up to
 * RK_LATENCY_ROWS rows spread over the file, after a few that are not counted. (rk_free) */
rk_status rk_score_latency(double **sorted, size_t *count, rk_model *m, const rk_rows *rows,
                           size_t repeat, rk_error *err);
/* {p50, p95, p99, mean, rows, quantiles []} of such times, the last the 0, 5, .. 100 % ones: what
 * the report draws. NULL when out of memory. */
json_t *rk_latency_json(const double *sorted, size_t n);

#endif
