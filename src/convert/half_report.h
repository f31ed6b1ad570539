/* What a conversion to half says of itself; passes.h names the fields. */
#ifndef RK_CONVERT_HALF_REPORT_H
#define RK_CONVERT_HALF_REPORT_H

#include "convert/half_place.h"

typedef struct rk_half_counts_made {
    size_t added, removed, kept;      /* Casts */
} rk_half_counts_made;

/* From the plan while its graphs still have their old names. */
rk_status rk_half_report_plan(json_t *report, const rk_half_plan *p, rk_error *err);
/* Constants that half does not hold as they are; before they are converted. */
rk_status rk_half_report_constants(json_t *report, const rk_half_plan *p, const rk_half_copies *c,
                                   rk_error *err);
rk_status rk_half_report_casts(json_t *report, const rk_half_plan *p, const rk_half_counts_made *n,
                               rk_error *err);

#endif
