/* What a person should know of the data before training on it: sizes, labels, repeated texts,
 * contradictions, how the label shares of the splits differ, how long the rows are. */
#ifndef RK_TEXT_DATA_REPORT_H
#define RK_TEXT_DATA_REPORT_H

#include <jansson.h>

#include "text/rows.h"
#include "text/tokenizer.h"

enum { RK_SPLIT_TRAIN, RK_SPLIT_VALID, RK_SPLIT_TEST, RK_SPLITS };

/* Rows of one split with the text of a row of another. */
typedef struct rk_shared {
    size_t rows;
    size_t other_label;      /* of these, rows whose label no equal text of the other split has */
} rk_shared;

typedef struct rk_split_report {
    size_t rows;             /* 0: the split is not there */
    size_t *label;           /* [labels] rows of each */
    size_t texts;            /* different ones, byte for byte */
    size_t repeats;          /* rows whose text an earlier row of the split has */
    size_t conflicts;        /* texts that stand in the split with more than one label */
    rk_shared in[RK_SPLITS]; /* the splits before this one */
    double shift;            /* total variation distance of its label shares from train's, 0 to 1 */
    size_t moved;            /* the label whose share differs most from train's */
    size_t p50, p95, longest;    /* tokens of a row before it is cut, special ones included;
                                    nearest rank */
    size_t cut;              /* rows longer than the limit */
} rk_split_report;

typedef struct rk_data_report {
    rk_labels labels;
    size_t max_length;
    rk_split_report split[RK_SPLITS];
} rk_data_report;

/* rows and encoded: the splits, bound to the labels, and as they were encoded with the tokenizer,
 * the cleaning and max_length; NULL where there is none (train must be there). */
rk_status rk_data_report_make(rk_data_report *out, const rk_rows *const rows[RK_SPLITS],
                              const rk_encoded *const encoded[RK_SPLITS], const rk_labels *labels,
                              const rk_tokenizer *t, unsigned clean_steps, size_t max_length,
                              rk_error *err);
void rk_data_report_free(rk_data_report *r);    /* takes a zeroed one */

/* {train{..}, valid{..}, test{..}}, see doc/FORMATS.md "train"; NULL when out of memory. */
json_t *rk_data_report_json(const rk_data_report *r);

/* The report for people, line by line without line ends, labels quoted. False when out of
 * memory. */
bool rk_data_report_lines(const rk_data_report *r, void (*line)(void *context, const char *text),
                          void *context);

#endif
