#include "eval/report_axes.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

rk_axis rk_axis_make(double low, double high, int most, bool whole, double from, double to)
{
    rk_axis a = {.from = from, .to = to};
    double power;

    if (!(high - low > 1e-9 * fmax(fabs(high), 1e-6))) {
        const double pad = fmax(fabs(high) * 0.05, 0.5e-3);
        low -= pad;
        high += pad;
    }
    power = pow(10.0, floor(log10((high - low) / most)));
    a.step = power;
    for (int i = 0; i < 3 && (high - low) / a.step > most; i++)
        a.step = power * (i == 0 ? 2 : i == 1 ? 5 : 10);
    a.low = whole ? floor(low / a.step + 1e-9) * a.step : low;
    a.high = whole ? ceil(high / a.step - 1e-9) * a.step : high;
    a.decimals = (int)fmin(fmax(-floor(log10(a.step) + 1e-9), 0.0), 9.0);
    return a;
}

double rk_axis_at(const rk_axis *a, double x)
{
    return a->from + (x - a->low) / (a->high - a->low) * (a->to - a->from);
}

void rk_draw_attribute(rk_buffer *b, const char *name, double value)
{
    rk_buffer_printf(b, " %s=\"", name);
    /* Not rk_page_fixed: its minus is not the ASCII one. */
    if (value < 0) rk_buffer_puts(b, "-");
    rk_page_fixed(b, fabs(value), 1);
    rk_buffer_puts(b, "\"");
}

void rk_draw_line(rk_buffer *b, const char *class, double x1, double y1, double x2, double y2)
{
    rk_buffer_printf(b, "<line class=\"%s\"", class);
    rk_draw_attribute(b, "x1", x1);
    rk_draw_attribute(b, "y1", y1);
    rk_draw_attribute(b, "x2", x2);
    rk_draw_attribute(b, "y2", y2);
    rk_buffer_puts(b, "/>");
}

void rk_draw_rect(rk_buffer *b, const char *class, double x, double y, double width, double height)
{
    rk_buffer_printf(b, "<rect class=\"%s\"", class);
    rk_draw_attribute(b, "x", x);
    rk_draw_attribute(b, "y", y);
    rk_draw_attribute(b, "width", width);
    rk_draw_attribute(b, "height", height);
    rk_buffer_puts(b, "/>");
}

void rk_draw_text(rk_buffer *b, const char *class, const char *anchor, double x, double y)
{
    rk_buffer_printf(b, "<text class=\"%s\" text-anchor=\"%s\"", class, anchor);
    rk_draw_attribute(b, "x", x);
    rk_draw_attribute(b, "y", y);
    rk_buffer_puts(b, ">");
}

void rk_draw_circle(rk_buffer *b, const char *class, double x, double y, double r)
{
    rk_buffer_printf(b, "<circle class=\"%s\"", class);
    rk_draw_attribute(b, "cx", x);
    rk_draw_attribute(b, "cy", y);
    rk_draw_attribute(b, "r", r);
    rk_buffer_puts(b, "/>");
}

void rk_draw_open(rk_buffer *b, int height, const char *label)
{
    rk_buffer_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", RK_DRAW_WIDTH,
                     height);
    rk_page_escape(b, label);
    rk_buffer_puts(b, "\">\n");
}

static void put_tick(rk_buffer *b, const rk_axis *a, double x, bool percent)
{
    if (percent) {
        rk_page_fixed(b, x, a->decimals);
        rk_buffer_puts(b, "%");
    } else if (a->decimals == 0) {
        rk_page_count(b, x);
    } else {
        rk_page_fixed(b, x, a->decimals);
    }
}

void rk_draw_x_axis(rk_buffer *b, const rk_axis *x, double y, const char *name, bool percent)
{
    const double first = ceil(x->low / x->step - 1e-9);

    for (double i = first; i * x->step <= x->high + 1e-9 * x->step; i += 1.0) {
        const double at = rk_axis_at(x, i * x->step);
        rk_draw_line(b, "tick", at, y, at, y + 4);
        rk_draw_text(b, "number", "middle", at, y + 17);
        put_tick(b, x, i * x->step, percent);
        rk_buffer_puts(b, "</text>\n");
    }
    rk_draw_line(b, "axis", x->from, y, x->to, y);
    rk_draw_text(b, "title", "middle", (x->from + x->to) / 2, y + 36);
    rk_buffer_printf(b, "%s</text>\n", name);
}

void rk_draw_y_axis(rk_buffer *b, const rk_axis *y, bool percent)
{
    const double first = ceil(y->low / y->step - 1e-9);

    for (double i = first; i * y->step <= y->high + 1e-9 * y->step; i += 1.0) {
        const double at = rk_axis_at(y, i * y->step);
        rk_draw_line(b, "grid", RK_DRAW_LEFT, at, RK_DRAW_WIDTH - RK_DRAW_RIGHT, at);
        rk_draw_text(b, "number", "end", RK_DRAW_LEFT - 7, at + 4);
        put_tick(b, y, i * y->step, percent);
        rk_buffer_puts(b, "</text>\n");
    }
}

void rk_draw_point(rk_buffer *b, double x, double y)
{
    rk_page_fixed(b, x, 1);
    rk_buffer_puts(b, ",");
    rk_page_fixed(b, y, 1);
    rk_buffer_puts(b, " ");
}

/* No <bdi>, which SVG does not know. */
void rk_draw_name(rk_buffer *b, const char *name)
{
    enum { ROOM = 9 }; /* characters */
    char cut[4 * ROOM + 1];
    size_t bytes = 0, length = name ? strlen(name) : 0;

    for (int i = 0; i < ROOM && bytes < length; i++) {
        const size_t n = rk_utf8_length(name + bytes, length - bytes);
        bytes += n ? n : 1;
    }
    if (bytes == length) {
        rk_page_precision_plain(b, name);
        return;
    }
    memcpy(cut, name, bytes);
    cut[bytes] = '\0';
    rk_page_escape(b, cut);
    rk_buffer_puts(b, "\xe2\x80\xa6");
}
