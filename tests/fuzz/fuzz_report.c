/* links: base eval */
/* The report page from any JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "eval/report.h"
#include "support/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_buffer page = { 0 };
    rk_error err;
    json_t *report;

    if (rk_json_parse(&report, (const char *)data, size, "fuzz", &err)) return 0;
    if (rk_report_html(&page, report, &err) == RK_OK && page_malformed(page.data)) abort();
    json_decref(report);
    rk_buffer_free(&page);
    return 0;
}
