/* Between the files of the report: its JSON, text and numbers safe in HTML, the sections. */
#ifndef RK_EVAL_REPORT_PARTS_H
#define RK_EVAL_REPORT_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/status.h"

/* ---- report_check.c: types and ranges of the whole document, before anything is written ---- */

rk_status rk_report_check(const json_t *report, rk_error *err);

/* ---- report_text.c: fields (of a checked document) ---- */

double rk_page_number(const json_t *object, const char *key);        /* NAN where absent */
double rk_page_item(const json_t *object, const char *key, size_t i); /* number in a list, or NAN */
const char *rk_page_string(const json_t *object, const char *key);   /* NULL where absent or "" */
/* True when a result is named for one precision and ran in another. */
bool rk_page_fell_back(const json_t *result);
/* An object or array that is not empty, else NULL. */
const json_t *rk_page_part(const json_t *object, const char *key);

/* ---- report_text.c: output. A number that is NAN becomes a dash. Not by printf's %f, whose
 * decimal comma depends on the host program's locale. ---- */

void rk_page_escape(rk_buffer *b, const char *text);   /* for content and for quoted attributes */
void rk_page_name(rk_buffer *b, const char *text);     /* escaped, its writing direction isolated */
/* "fp32" as FP32 and so on; any other name as it is. */
void rk_page_precision(rk_buffer *b, const char *name);
void rk_page_precision_plain(rk_buffer *b, const char *name);   /* no element inside: for SVG */
void rk_page_fixed(rk_buffer *b, double x, int decimals);
void rk_page_count(rk_buffer *b, double x);            /* 11,000 */
void rk_page_percent(rk_buffer *b, double share);      /* 88.8% */
void rk_page_points(rk_buffer *b, double share);       /* 0.2, -1.4: a difference of two shares */
void rk_page_bytes(rk_buffer *b, double bytes);        /* 133.6 MB */
void rk_page_short(rk_buffer *b, double x);            /* three digits or so, for times and rates */
void rk_page_seconds(rk_buffer *b, double seconds);    /* 12 min 3 s */
void rk_page_p(rk_buffer *b, double p);                /* p = 0.52, p < 0.001 */
/* "1 row", "2 rows" */
void rk_page_some(rk_buffer *b, double n, const char *one, const char *many);

/* ---- report_words.c: what the numbers say ---- */

typedef struct rk_page_verdict {
    const json_t *base;    /* the result others are compared with; NULL: no results */
    const json_t *best;    /* highest accuracy; NULL: none is known */
    const json_t *ship;    /* smallest file not shown to be worse; NULL: nothing to choose from */
    const json_t *pair;    /* how ship compares with base; NULL: is base, or not compared */
} rk_page_verdict;

void rk_page_judge(rk_page_verdict *v, const json_t *report);
void rk_page_headline(rk_buffer *b, const json_t *report, const rk_page_verdict *v);
void rk_page_pairs(rk_buffer *b, const json_t *report);
void rk_page_reading(rk_buffer *b, const json_t *report, const rk_page_verdict *v);

/* ---- report_svg.c: charts ---- */

void rk_page_intervals(rk_buffer *b, const json_t *results, const rk_page_verdict *v);
void rk_page_loss_chart(rk_buffer *b, const json_t *run);
bool rk_page_f1_chart(rk_buffer *b, const json_t *run);   /* false: nothing to draw */
/* The epoch that was kept, or NULL. */
const json_t *rk_page_kept(const json_t *run);

/* ---- report_pictures.c ---- */

/* Accuracy against latency and size; false: under two files with all three. */
bool rk_page_trade_chart(rk_buffer *b, const json_t *results);
bool rk_page_latency_chart(rk_buffer *b, const json_t *results); /* false: nothing to draw */
bool rk_page_has_bins(const json_t *results);
void rk_page_reliability(rk_buffer *b, const json_t *results);

/* ---- report_flips.c ---- */

bool rk_page_has_flips(const json_t *report);
void rk_page_flips(rk_buffer *b, const json_t *report);

/* ---- report_how.c: what was run, on what, and the hashes of what went in and came out ---- */

void rk_page_time(rk_buffer *b, const char *iso);
void rk_page_how(rk_buffer *b, const json_t *report);

/* ---- report_tables.c ---- */

void rk_page_results(rk_buffer *b, const json_t *results, const rk_page_verdict *v);
void rk_page_epochs(rk_buffer *b, const json_t *run);
void rk_page_labels(rk_buffer *b, const json_t *results);
void rk_page_data(rk_buffer *b, const json_t *report);

/* ---- report_style.c ---- */

void rk_page_style(rk_buffer *b);

#endif
