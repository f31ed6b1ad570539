/* Does a converted model still say what the old one said? */
#ifndef RK_CONVERT_VERIFY_H
#define RK_CONVERT_VERIFY_H

#include <jansson.h>

#include "base/status.h"
#include "onnx/model.h"

/* Runs the file `in` and the model `m` made from it over the rows of a data file (labels are not
 * needed; cleaning, tokenizer and length from m's metadata, RK_E_ARG where it has none), and sets
 * report.check{rows,same,max_logit_diff}. RK_E_NUMERIC when fewer than 99.5 % of the rows keep
 * their label. m is written to a folder beside `out` for the time of the check. */
rk_status rk_verify(json_t *report, const rk_onnx *m, const char *in, const char *out,
                    const char *data, const rk_fields *fields, rk_error *err);

#endif
