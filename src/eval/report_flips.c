/* The rows that another file answers otherwise, with their texts. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "eval/report_parts.h"

enum { SHOWN = 6, TEXT_MAX = 400 }; /* rows of a kind; characters of a text */

typedef enum turn { TO_WRONG, TO_RIGHT, OTHER, TURNS } turn;

static const char *const title[TURNS] = {"Turned wrong", "Turned right", "Wrong before and after"};
static const char *const mark[TURNS] = {"\xe2\x9c\x97", "\xe2\x9c\x93", "\xe2\x89\xa0"};

static turn turn_of(const json_t *flip)
{
    const char *label = rk_page_string(flip, "label"), *way = rk_page_string(flip, "way");
    const char *base = rk_page_string(flip, "base"), *candidate = rk_page_string(flip, "candidate");

    if (way && !strcmp(way, "to_wrong")) return TO_WRONG;
    if (way && !strcmp(way, "to_right")) return TO_RIGHT;
    if (label && base && !strcmp(label, base)) return TO_WRONG;
    if (label && candidate && !strcmp(label, candidate)) return TO_RIGHT;
    return OTHER;
}

/* A long text is cut at a character. */
static void put_text(rk_buffer *b, const char *text)
{
    size_t bytes = 0, count = 0;
    const size_t length = strlen(text);
    char *part;

    while (bytes < length && count++ < TEXT_MAX) {
        const size_t n = rk_utf8_length(text + bytes, length - bytes);
        bytes += n ? n : 1;
    }
    part = rk_strndup(text, bytes);
    if (!part) {
        b->failed = true;
        return;
    }
    rk_buffer_puts(b, "<bdi>");
    rk_page_escape(b, part);
    rk_buffer_puts(b, bytes < length ? "\xe2\x80\xa6</bdi>" : "</bdi>");
    rk_free(part);
}

static void put_answer(rk_buffer *b, const char *who, const char *label, double probability)
{
    rk_buffer_puts(b, " <span>");
    rk_page_precision(b, who);
    rk_buffer_puts(b, "\xc2\xa0<b>");
    if (label) rk_page_name(b, label);
    rk_buffer_puts(b, "</b>");
    if (!isnan(probability)) {
        rk_buffer_puts(b, " ");
        rk_page_fixed(b, probability * 100, 0);
        rk_buffer_puts(b, "%");
    }
    rk_buffer_puts(b, "</span>");
}

static void put_flip(rk_buffer *b, const json_t *pair, const json_t *flip)
{
    const char *text = rk_page_string(flip, "text"), *label = rk_page_string(flip, "label");
    const double line = rk_page_number(flip, "line");

    rk_buffer_puts(b, "<li>");
    if (text) put_text(b, text);
    rk_buffer_puts(b, "<small>");
    if (!isnan(line)) {
        rk_buffer_puts(b, "<span>line\xc2\xa0");
        rk_page_count(b, line);
        rk_buffer_puts(b, "</span>");
    }
    if (label) {
        rk_buffer_puts(b, " <span>truth\xc2\xa0<b>");
        rk_page_name(b, label);
        rk_buffer_puts(b, "</b></span>");
    }
    put_answer(b, rk_page_string(pair, "base"), rk_page_string(flip, "base"),
               rk_page_number(flip, "base_probability"));
    put_answer(b, rk_page_string(pair, "candidate"), rk_page_string(flip, "candidate"),
               rk_page_number(flip, "candidate_probability"));
    rk_buffer_puts(b, "</small></li>\n");
}

static void put_turn(rk_buffer *b, const json_t *pair, turn kind)
{
    const json_t *flip, *flips = json_object_get(pair, "flips");
    const json_t *flipped = json_object_get(pair, "flipped");
    double all = kind == OTHER
                     ? (double)NAN
                     : rk_page_number(flipped, kind == TO_WRONG ? "to_wrong" : "to_right");
    size_t i, count = 0, shown = 0;

    json_array_foreach(flips, i, flip) count += turn_of(flip) == kind;
    if (!count) return;
    if (!(all >= (double)count)) all = (double)count;
    rk_buffer_printf(b, "<h4%s><span>%s</span> %s, ", kind == TO_RIGHT ? " class=\"right\"" : "",
                     mark[kind], title[kind]);
    rk_page_some(b, all, "row", "rows");
    if (count > SHOWN || all > (double)count) {
        rk_buffer_puts(b, "; here are ");
        rk_page_count(b, (double)(count < SHOWN ? count : SHOWN));
    }
    rk_buffer_puts(b, "</h4>\n<ul class=\"flips\">\n");
    json_array_foreach(flips, i, flip)
    {
        if (turn_of(flip) == kind && shown++ < SHOWN) put_flip(b, pair, flip);
    }
    rk_buffer_puts(b, "</ul>\n");
}

void rk_page_flips(rk_buffer *b, const json_t *report)
{
    const json_t *pair;
    size_t i;

    json_array_foreach(json_object_get(report, "compare"), i, pair)
    {
        if (!rk_page_part(pair, "flips")) continue;
        rk_buffer_puts(b, "<div class=\"run\">\n<h3>");
        rk_page_precision(b, rk_page_string(pair, "candidate"));
        rk_buffer_puts(b, " against ");
        rk_page_precision(b, rk_page_string(pair, "base"));
        rk_buffer_puts(b, "</h3>\n");
        for (turn t = TO_WRONG; t < TURNS; t++) put_turn(b, pair, t);
        rk_buffer_puts(b, "</div>\n");
    }
}

bool rk_page_has_flips(const json_t *report)
{
    const json_t *pair;
    size_t i;

    json_array_foreach(json_object_get(report, "compare"), i, pair)
    {
        if (rk_page_part(pair, "flips")) return true;
    }
    return false;
}
