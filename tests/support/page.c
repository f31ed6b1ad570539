#include "support/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool among(const char *const *list, size_t n, const char *text, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == length && !memcmp(list[i], text, length)) return true;
    return false;
}

static const char *const elements[] = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "h1", "h2",
    "h3", "h4", "p", "b",
    "i", "strong", "small", "span", "bdi", "wbr", "code", "div", "ul", "li", "dl",
    "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure",
    "figcaption", "svg", "line", "text", "circle", "rect", "polyline",
};
static const char *const attributes[] = {
    "lang", "charset", "http-equiv", "content", "name", "class", "scope", "style",
    "role", "aria-label", "text-anchor",
};
/* Numbers only. */
static const char *const geometry[] = {
    "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height", "points", "viewBox",
};

/* Reads the attributes of a tag up to its end; returns what follows '>', NULL when malformed. */
static const char *read_attributes(const char *at, bool *closed)
{
    *closed = false;
    for (;;) {
        const char *name;
        size_t length;
        if (at[0] == '>') return at + 1;
        if (at[0] == '/' && at[1] == '>') {
            *closed = true;
            return at + 2;
        }
        if (*at++ != ' ') return NULL;
        name = at;
        at += strcspn(at, "=<> \"");
        length = (size_t)(at - name);
        if (*at++ != '=' || *at++ != '"') return NULL;
        if (among(geometry, COUNT(geometry), name, length)) at += strspn(at, "-.,0123456789 ");
        else if (among(attributes, COUNT(attributes), name, length)) at += strcspn(at, "\"<&>");
        else return NULL;
        /* escaped text may hold entities */
        while (*at == '&') at += strcspn(at + 1, "\"<&>") + 1;
        if (*at++ != '"') return NULL;
    }
}

static bool entity(const char *at)
{
    static const char *const known[] = {
        "&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#xFFFD;"
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (!strncmp(at, known[i], strlen(known[i]))) return true;
    return false;
}

const char *page_malformed(const char *page)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    const char *open[64], *at = page;
    size_t depth = 0, seen = 0;

    if (strncmp(at, doctype, sizeof doctype - 1) != 0) return at;
    at += sizeof doctype - 1;
    while (*at) {
        const char *tag = at, *name;
        size_t length;
        bool closed;
        if (*at == '&' && !entity(at)) return at;
        if ((unsigned char)*at < 0x20 && *at != '\n') return at;
        if (*at != '<') {
            if (*at == '>' && !(depth && !strncmp(open[depth - 1], "style", 5))) return at;
            at++;
            continue;
        }
        closed = at[1] == '/';
        name = at + (closed ? 2 : 1);
        length = strcspn(name, " />");
        if (!among(elements, COUNT(elements), name, length)) return tag;
        if (closed) {
            if (!depth || strncmp(open[--depth], name, length) != 0 || name[length] != '>')
                return tag;
            at = name + length + 1;
            continue;
        }
        at = read_attributes(name + length, &closed);
        if (!at) return tag;
        if (!closed) {
            if (depth == COUNT(open)) return tag;
            open[depth++] = name;
        }
        seen++;
    }
    return depth || seen < 10 ? at : NULL;
}
