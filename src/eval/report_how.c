/* What was run, on what, and the hashes of what went in and came out. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "eval/report_parts.h"

/* "2026-11-25T08:30:12Z" as 2026-11-25 08:30 UTC; anything else as it is. */
void rk_page_time(rk_buffer *b, const char *text)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    bool fits = strlen(text) == sizeof form - 1;

    for (size_t i = 0; fits && i < sizeof form - 1; i++)
        fits = form[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
    if (fits)
        rk_buffer_printf(b, "%.10s %.5s UTC", text, text + 11);
    else
        rk_page_name(b, text);
}

/* One line of the list; the value follows, then close_fact. */
static void open_fact(rk_buffer *b, const char *name)
{
    rk_buffer_printf(b, "<dt>%s</dt><dd>", name);
}

static void close_fact(rk_buffer *b)
{
    rk_buffer_puts(b, "</dd>\n");
}

static void text_fact(rk_buffer *b, const json_t *object, const char *key, const char *name)
{
    const char *text = rk_page_string(object, key);
    if (!text) return;
    open_fact(b, name);
    rk_page_name(b, text);
    close_fact(b);
}

static void count_fact(rk_buffer *b, const json_t *object, const char *key, const char *name)
{
    const double n = rk_page_number(object, key);
    if (!(n > 0)) return;
    open_fact(b, name);
    rk_page_count(b, n);
    close_fact(b);
}

/* An argument in single quotes where a shell would read it otherwise. */
static void put_argument(rk_buffer *b, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=:,./%@";
    const char *end;

    if (*text && strspn(text, plain) == strlen(text)) {
        rk_page_escape(b, text);
        return;
    }
    rk_buffer_puts(b, "&#39;");
    for (; (end = strchr(text, '\'')) != NULL; text = end + 1) {
        char *part = rk_strndup(text, (size_t)(end - text));
        if (!part)
            b->failed = true;
        else
            rk_page_escape(b, part);
        rk_free(part);
        rk_buffer_puts(b, "&#39;\\&#39;&#39;");
    }
    rk_page_escape(b, text);
    rk_buffer_puts(b, "&#39;");
}

/* Takes back what was put after the first `length` bytes. */
static void cut(rk_buffer *b, size_t length)
{
    if (b->failed || !b->data) return;
    b->length = length;
    b->data[length] = '\0';
}

/* ---- hashes ---- */

static void hash_row(rk_buffer *b, const char *what, const char *name, const char *hash)
{
    if (!hash) return;
    rk_buffer_puts(b, "<tr><th scope=\"row\">");
    if (name) rk_page_name(b, name);
    rk_buffer_printf(b, "<small>%s</small></th><td><code>", what);
    rk_page_escape(b, hash);
    rk_buffer_puts(b, "</code></td></tr>\n");
}

static const char *const splits[][2] = {
    {"train", "training rows"}, {"valid", "validation rows"}, {"test", "test rows"}};
enum { SPLITS = sizeof splits / sizeof *splits };

static bool any_hash(const json_t *report)
{
    const json_t *result, *data = json_object_get(report, "data");
    size_t i;

    for (i = 0; i < SPLITS; i++)
        if (rk_page_string(json_object_get(data, splits[i][0]), "sha256")) return true;
    json_array_foreach(json_object_get(report, "results"), i, result)
    {
        if (rk_page_string(result, "sha256")) return true;
    }
    return rk_page_string(json_object_get(report, "model"), "sha256") != NULL;
}

static void put_hashes(rk_buffer *b, const json_t *report)
{
    const json_t *result, *data = json_object_get(report, "data");
    const json_t *model = json_object_get(report, "model");
    size_t i;

    rk_buffer_puts(b,
                   "<table class=\"numbers hashes\">\n<caption>What went in and what came out, as "
                   "SHA-256 of the file.</caption>\n<tbody>\n");
    hash_row(b, "weights started from", rk_page_string(model, "weights"),
             rk_page_string(model, "sha256"));
    for (i = 0; i < SPLITS; i++) {
        const json_t *split = json_object_get(data, splits[i][0]);
        hash_row(b, splits[i][1], rk_page_string(split, "path"), rk_page_string(split, "sha256"));
    }
    json_array_foreach(json_object_get(report, "results"), i, result)
    {
        hash_row(b, "result", rk_page_string(result, "file"), rk_page_string(result, "sha256"));
    }
    rk_buffer_puts(b, "</tbody></table>\n");
}

void rk_page_how(rk_buffer *b, const json_t *report)
{
    const json_t *model = json_object_get(report, "model");
    const json_t *command = rk_page_part(report, "command");
    const double seconds = rk_page_number(report, "seconds");
    const size_t before = b->length;
    size_t empty;

    rk_buffer_puts(b, "<section>\n<h2>How it was run</h2>\n");
    rk_buffer_puts(b, "<dl>\n");
    empty = b->length;
    if (command) {
        open_fact(b, "Command");
        rk_buffer_puts(b, "<code>");
        for (size_t i = 0; i < json_array_size(command); i++) {
            if (i) rk_buffer_puts(b, " ");
            put_argument(b, json_string_value(json_array_get(command, i)));
        }
        rk_buffer_puts(b, "</code>");
        close_fact(b);
    }
    text_fact(b, model, "name", "Model");
    count_fact(b, model, "layers", "Layers");
    count_fact(b, model, "hidden", "Hidden size");
    count_fact(b, model, "params", "Parameters");
    text_fact(b, report, "cpu", "Processor");
    text_fact(b, report, "isa", "Instructions");
    count_fact(b, report, "threads", "Threads");
    if (!isnan(seconds)) {
        open_fact(b, "Took");
        rk_page_seconds(b, seconds);
        close_fact(b);
    }
    if (rk_page_string(report, "created")) {
        open_fact(b, "When");
        rk_page_time(b, rk_page_string(report, "created"));
        close_fact(b);
    }
    text_fact(b, report, "os", "System");
    text_fact(b, report, "ringkas", "Ringkas");
    text_fact(b, report, "libraries", "Built with");
    if (b->length == empty && !any_hash(report)) {
        cut(b, before); /* nothing is known: no section */
        return;
    }
    if (b->length == empty)
        cut(b, empty - strlen("<dl>\n"));
    else
        rk_buffer_puts(b, "</dl>\n");
    if (any_hash(report)) put_hashes(b, report);
    rk_buffer_puts(b, "</section>\n");
}
