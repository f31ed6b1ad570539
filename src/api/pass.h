/* One pass of a model over the rows of a file, piece by piece, in memory that does not grow with
 * the file. */
#ifndef RK_API_PASS_H
#define RK_API_PASS_H

#include "api/score.h"

typedef struct rk_pass {
    rk_model *model; /* in, with all up to user */
    const char *data;
    const rk_fields *fields;
    size_t batch;
    bool skip_bad_rows;
    rk_progress_fn progress; /* may be NULL */
    void *progress_user;
    /* Called with each piece: its rows, their true labels [rows], the answers. */
    rk_status (*each)(void *user, const rk_rows *rows, const int32_t *truth, const rk_score *s,
                      rk_error *err);
    void *user;

    size_t expected; /* out: lines of the file, about its rows */
    size_t rows, tokens, truncated, skipped;
    double tokenize_seconds, run_seconds;
    uint64_t fingerprint; /* of the rows, whatever their order */
    json_t *bad_rows;     /* messages of the first rows skipped */
} rk_pass;

enum { RK_BAD_ROWS_TOLD = 10, RK_HASH_SIZE = 20 };

/* A row's part of a fingerprint, which is the sum over the rows. The row has a label. */
uint64_t rk_row_hash(const rk_row *row);
/* The fingerprint as it is stored: 16 hexadecimal digits. */
const char *rk_hash_text(char out[RK_HASH_SIZE], uint64_t fingerprint);

/* Runs to the end of the file, to the first bad row unless they are skipped, or to a stop. Rows
 * before an error have been handed to `each`. No row at all is RK_E_FORMAT. */
rk_status rk_pass_run(rk_pass *p, rk_error *err);
void rk_pass_free(rk_pass *p);

/* Up to RK_LATENCY_ROWS rows spread over a file, copied: for rk_score_latency. */
typedef struct rk_sample {
    rk_rows rows;
    size_t bytes;
} rk_sample;
/* Offers the row numbered `at` of about `expected`. */
rk_status rk_sample_offer(rk_sample *s, const rk_row *row, size_t at, size_t expected,
                          rk_error *err);
void rk_sample_free(rk_sample *s);

#endif
