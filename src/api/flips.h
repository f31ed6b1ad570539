/* Rows that one model gets right and another wrong. */
#ifndef RK_API_FLIPS_H
#define RK_API_FLIPS_H

#include "api/score.h"

/* [{line, text, label, base, candidate, base_probability, candidate_probability, way}], those that
 * turned wrong first, within a way the most confident wrong answer first, at most `most` each way.
 * Both scores in the label ids of `labels`. NULL when out of memory. */
json_t *rk_flips_json(const rk_rows *rows, const int32_t *truth, const rk_score *base,
                      const rk_score *candidate, const rk_labels *labels, size_t most);

#endif
