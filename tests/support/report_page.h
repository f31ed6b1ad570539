/* What the tests of the report's page share: the sample report, its page, what the page says.
 * Include it after cmocka.h and what cmocka needs. */
#ifndef RK_TESTS_SUPPORT_REPORT_PAGE_H
#define RK_TESTS_SUPPORT_REPORT_PAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "eval/report.h"
#include "support/page.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char hostile[] =
    "</td><script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;";

static inline json_t *fixture(void)
{
    const char *root = getenv("RK_SOURCE");
    char *path = rk_path_join(root ? root : ".", "tests/data/report.json");
    rk_error err = { 0 };
    json_t *report;

    assert_non_null(path);
    rk_json_load(&report, path, &err);
    assert_string_equal(err.message, "");
    rk_free(path);
    return report;
}

static inline void assert_page(const char *page)
{
    const char *bad = page_malformed(page);
    if (bad) {
        print_error("malformed at byte %zu: %.80s\n", (size_t)(bad - page), bad);
        fail();
    }
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "@import"));
    assert_null(strstr(page, "nan"));
    assert_null(strstr(page, "inf\""));
}

/* The page of a report; the caller frees it. */
static inline char *page_of(const json_t *report)
{
    rk_buffer b = { 0 };
    rk_error err = { 0 };
    rk_report_html(&b, report, &err);
    assert_string_equal(err.message, "");
    assert_page(b.data);
    return rk_buffer_take(&b);
}

static inline void assert_says(const json_t *report, const char *text)
{
    char *page = page_of(report);
    if (!strstr(page, text)) {
        print_error("the page lacks: %s\n", text);
        fail();
    }
    rk_free(page);
}

static inline void assert_silent(const json_t *report, const char *text)
{
    char *page = page_of(report);
    if (strstr(page, text)) {
        print_error("the page has: %s\n", text);
        fail();
    }
    rk_free(page);
}

/* report.a.1.b by keys and positions, borrowed. */
static inline json_t *at(json_t *report, const char *path)
{
    char key[64];
    while (*path) {
        const size_t n = strcspn(path, ".");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        report = json_is_array(report) ? json_array_get(report, strtoul(key, NULL, 10))
                                       : json_object_get(report, key);
        assert_non_null(report);
        path += n + (path[n] == '.');
    }
    return report;
}

#endif
