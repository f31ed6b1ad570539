/* A strict reader of the report page. */
#ifndef RK_TESTS_SUPPORT_PAGE_H
#define RK_TESTS_SUPPORT_PAGE_H

/* NULL when the page is well-formed by XML's rules and uses only the elements, attributes and
 * entities that the report needs (none of which can load or run anything); else where it is not. */
const char *page_malformed(const char *page);

#endif
