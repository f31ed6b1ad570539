/* The report page: one HTML file that needs nothing else, made from report.json
 * (doc/FORMATS.md, "report.json"). */
#ifndef RK_EVAL_REPORT_H
#define RK_EVAL_REPORT_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/status.h"

/* Appends the page to *out (the caller's; rk_buffer_free). Parts that the report lacks are left out
 * of the page. RK_E_FORMAT names the first field that has a wrong type or range; out is then
 * unchanged. Well-formed as XML too. */
rk_status rk_report_html(rk_buffer *out, const json_t *report, rk_error *err);

#endif
