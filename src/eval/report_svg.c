#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "eval/report_parts.h"

/* Charts in units of a viewBox that the page scales to its column; text sizes are in the style
 * sheet, where a narrow screen can make them larger. */
enum { WIDTH = 440, HEIGHT = 250, LEFT = 52, RIGHT = 14, TOP = 16, BOTTOM = 46 };

typedef struct axis {
    double low, high;      /* ends of the data range shown */
    double step;           /* between ticks */
    int decimals;          /* of a tick's label */
    double from, to;       /* the same ends in the drawing */
} axis;

/* Ticks at 1, 2 or 5 times a power of ten, at most `most` of them, and ends moved out to ticks when
 * `whole`. */
static axis axis_make(double low, double high, int most, bool whole, double from, double to)
{
    axis a = { .from = from, .to = to };
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

static double axis_at(const axis *a, double x)
{
    return a->from + (x - a->low) / (a->high - a->low) * (a->to - a->from);
}

static void put_attribute(rk_buffer *b, const char *name, double value)
{
    rk_buffer_printf(b, " %s=\"", name);
    /* Not rk_page_fixed: its minus is not the ASCII one. */
    if (value < 0) rk_buffer_puts(b, "-");
    rk_page_fixed(b, fabs(value), 1);
    rk_buffer_puts(b, "\"");
}

static void put_line(rk_buffer *b, const char *class, double x1, double y1, double x2, double y2)
{
    rk_buffer_printf(b, "<line class=\"%s\"", class);
    put_attribute(b, "x1", x1);
    put_attribute(b, "y1", y1);
    put_attribute(b, "x2", x2);
    put_attribute(b, "y2", y2);
    rk_buffer_puts(b, "/>");
}

static void open_text(rk_buffer *b, const char *class, const char *anchor, double x, double y)
{
    rk_buffer_printf(b, "<text class=\"%s\" text-anchor=\"%s\"", class, anchor);
    put_attribute(b, "x", x);
    put_attribute(b, "y", y);
    rk_buffer_puts(b, ">");
}

static void put_circle(rk_buffer *b, const char *class, double x, double y, double r)
{
    rk_buffer_printf(b, "<circle class=\"%s\"", class);
    put_attribute(b, "cx", x);
    put_attribute(b, "cy", y);
    put_attribute(b, "r", r);
    rk_buffer_puts(b, "/>");
}

static void open_svg(rk_buffer *b, int height, const char *label)
{
    rk_buffer_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, height);
    rk_page_escape(b, label);
    rk_buffer_puts(b, "\">\n");
}

static void put_tick(rk_buffer *b, const axis *a, double x, bool percent)
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

/* Whole multiples of the step inside the axis; axis_make bounds their number. */
static void put_x_axis(rk_buffer *b, const axis *x, double y, const char *name, bool percent)
{
    const double first = ceil(x->low / x->step - 1e-9);

    for (double i = first; i * x->step <= x->high + 1e-9 * x->step; i += 1.0) {
        const double at = axis_at(x, i * x->step);
        put_line(b, "tick", at, y, at, y + 4);
        open_text(b, "number", "middle", at, y + 17);
        put_tick(b, x, i * x->step, percent);
        rk_buffer_puts(b, "</text>\n");
    }
    put_line(b, "axis", x->from, y, x->to, y);
    open_text(b, "title", "middle", (x->from + x->to) / 2, y + 36);
    rk_buffer_printf(b, "%s</text>\n", name);
}

static void put_y_axis(rk_buffer *b, const axis *y, bool percent)
{
    const double first = ceil(y->low / y->step - 1e-9);

    for (double i = first; i * y->step <= y->high + 1e-9 * y->step; i += 1.0) {
        const double at = axis_at(y, i * y->step);
        put_line(b, "grid", LEFT, at, WIDTH - RIGHT, at);
        open_text(b, "number", "end", LEFT - 7, at + 4);
        put_tick(b, y, i * y->step, percent);
        rk_buffer_puts(b, "</text>\n");
    }
}

static void put_point(rk_buffer *b, double x, double y)
{
    rk_page_fixed(b, x, 1);
    rk_buffer_puts(b, ",");
    rk_page_fixed(b, y, 1);
    rk_buffer_puts(b, " ");
}

/* ---- accuracy of the files with its interval ---- */

/* A name in the room left of the chart; no <bdi>, which SVG does not know. */
static void put_short(rk_buffer *b, const char *name)
{
    enum { ROOM = 9 };    /* characters */
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

static void put_interval(rk_buffer *b, const json_t *result, const axis *x, double y)
{
    const json_t *eval = json_object_get(result, "eval");
    const double accuracy = rk_page_number(eval, "accuracy") * 100;
    const double low = rk_page_item(eval, "accuracy_ci95", 0) * 100;
    const double high = rk_page_item(eval, "accuracy_ci95", 1) * 100;

    if (isnan(accuracy)) return;
    open_text(b, "label", "end", x->from - 12, y + 4);
    put_short(b, rk_page_string(result, "name"));
    rk_buffer_puts(b, "</text>");
    if (!isnan(low) && !isnan(high)) {
        put_line(b, "range", axis_at(x, low), y, axis_at(x, high), y);
        put_line(b, "range", axis_at(x, low), y - 4, axis_at(x, low), y + 4);
        put_line(b, "range", axis_at(x, high), y - 4, axis_at(x, high), y + 4);
    }
    put_circle(b, "dot", axis_at(x, accuracy), y, 4.5);
    rk_buffer_puts(b, "\n");
}

void rk_page_intervals(rk_buffer *b, const json_t *results, const rk_page_verdict *v)
{
    enum { ROW = 28 };
    const int top = 8, height = top + (int)json_array_size(results) * ROW + 44;
    const double foot = height - 44;
    double low = 100.0, high = 0.0;
    const json_t *result;
    axis x;
    size_t i;

    json_array_foreach(results, i, result) {
        const json_t *eval = json_object_get(result, "eval");
        const double accuracy = rk_page_number(eval, "accuracy") * 100;
        low = fmin(low, fmin(accuracy, rk_page_item(eval, "accuracy_ci95", 0) * 100));
        high = fmax(high, fmax(accuracy, rk_page_item(eval, "accuracy_ci95", 1) * 100));
    }
    x = axis_make(low, high, 6, true, 78, WIDTH - 22);
    open_svg(b, height, "Accuracy of each file with its 95% interval");
    if (v->base) {
        const json_t *eval = json_object_get(v->base, "eval");
        const double from = axis_at(&x, rk_page_item(eval, "accuracy_ci95", 0) * 100);
        const double to = axis_at(&x, rk_page_item(eval, "accuracy_ci95", 1) * 100);
        if (to > from) {
            rk_buffer_puts(b, "<rect class=\"band\"");
            put_attribute(b, "x", from);
            put_attribute(b, "y", 0);
            put_attribute(b, "width", to - from);
            put_attribute(b, "height", foot);
            rk_buffer_puts(b, "/>\n");
        }
    }
    json_array_foreach(results, i, result) {
        put_interval(b, result, &x, top + ROW / 2 + (double)i * ROW);
    }
    put_x_axis(b, &x, foot, "accuracy on the test rows", true);
    rk_buffer_puts(b, "</svg>\n");
}

/* ---- loss by step ---- */

enum { SHOWN = 360 };    /* points of one line: more than its width in pixels shows nothing */

typedef struct loss_scale {
    axis x, y;
} loss_scale;

static bool loss_point(const json_t *point, double *step, double *loss)
{
    *step = rk_page_number(point, "step");
    *loss = rk_page_number(point, "loss");
    return !isnan(*step) && !isnan(*loss);
}

/* The points themselves, or, where there are many, means of equal runs of them. */
static void put_raw(rk_buffer *b, const json_t *curve, const loss_scale *s)
{
    const size_t n = json_array_size(curve), each = n / SHOWN + 1;
    double step, loss, sum = 0.0;
    size_t count = 0;

    rk_buffer_puts(b, "<polyline class=\"raw\" points=\"");
    for (size_t i = 0; i < n; i++) {
        if (loss_point(json_array_get(curve, i), &step, &loss)) {
            sum += loss;
            count++;
        }
        if (count && ((i + 1) % each == 0 || i + 1 == n)) {
            put_point(b, axis_at(&s->x, step), axis_at(&s->y, sum / (double)count));
            sum = 0.0;
            count = 0;
        }
    }
    rk_buffer_puts(b, "\"/>\n");
}

/* Exponential moving average over about a thirtieth of the steps, without the start's bias. */
static void put_smooth(rk_buffer *b, const json_t *curve, const loss_scale *s)
{
    const size_t n = json_array_size(curve), each = n / SHOWN + 1;
    const double window = fmax(fmax((double)n / 30.0, fmin(6.0, (double)n / 4.0)), 1.0);
    const double keep = 1.0 - 1.0 / window;
    double step, loss, mean = 0.0, weight = 0.0;

    rk_buffer_puts(b, "<polyline class=\"line\" points=\"");
    for (size_t i = 0; i < n; i++) {
        if (!loss_point(json_array_get(curve, i), &step, &loss)) continue;
        mean = keep * mean + (1.0 - keep) * loss;
        weight = keep * weight + (1.0 - keep);
        if (i % each == 0 || i + 1 == n)
            put_point(b, axis_at(&s->x, step), axis_at(&s->y, mean / weight));
    }
    rk_buffer_puts(b, "\"/>\n");
}

void rk_page_loss_chart(rk_buffer *b, const json_t *run)
{
    const json_t *curve = json_object_get(run, "curve");
    const double bottom = HEIGHT - BOTTOM;
    double first = (double)INFINITY, last = 0.0, top = 0.0, low = 0.0, step, loss;
    loss_scale s;
    size_t seen = 0;

    for (size_t i = 0; i < json_array_size(curve); i++) {
        if (!loss_point(json_array_get(curve, i), &step, &loss)) continue;
        first = fmin(first, step);
        last = fmax(last, step);
        top = fmax(top, loss);
        low = fmin(low, loss);
        seen++;
    }
    if (seen < 2) return;
    s.x = axis_make(fmin(first, 1.0) < 1.0 ? first : 0.0, last, 5, false, LEFT, WIDTH - RIGHT);
    s.y = axis_make(low, top, 5, true, bottom, TOP);
    rk_buffer_puts(b, "<figure>\n<figcaption>Training loss. Faint: each step; strong: smoothed."
                      "</figcaption>\n");
    open_svg(b, HEIGHT, "Training loss per step");
    put_y_axis(b, &s.y, false);
    put_raw(b, curve, &s);
    put_smooth(b, curve, &s);
    put_x_axis(b, &s.x, bottom, "step", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
}

/* ---- validation F1 by epoch ---- */

const json_t *rk_page_kept(const json_t *run)
{
    const json_t *epoch;
    size_t i;

    json_array_foreach(json_object_get(run, "epochs"), i, epoch) {
        if (json_is_true(json_object_get(epoch, "kept"))) return epoch;
    }
    return NULL;
}

static bool epoch_point(const json_t *epoch, double *number, double *f1)
{
    *number = rk_page_number(epoch, "epoch");
    *f1 = rk_page_number(epoch, "valid_f1_weighted") * 100;
    return !isnan(*number) && !isnan(*f1);
}

static void put_epoch(rk_buffer *b, const json_t *run, const json_t *epoch, const axis *x,
                      const axis *y)
{
    const bool kept = epoch == rk_page_kept(run);
    const bool few = json_array_size(json_object_get(run, "epochs")) <= 8;
    double number, f1, px, py;

    if (!epoch_point(epoch, &number, &f1)) return;
    px = axis_at(x, number);
    py = axis_at(y, f1);
    if (kept) put_circle(b, "ring", px, py, 8);
    put_circle(b, "dot", px, py, 4);
    if (few || kept) {
        open_text(b, kept ? "value kept" : "value", "middle", px, py - 14);
        rk_page_fixed(b, f1, 1);
        rk_buffer_puts(b, kept ? "% kept</text>\n" : "%</text>\n");
    }
}

bool rk_page_f1_chart(rk_buffer *b, const json_t *run)
{
    const json_t *epoch, *epochs = json_object_get(run, "epochs");
    const double bottom = HEIGHT - BOTTOM;
    double first = (double)INFINITY, last = 0.0, low = 100.0, high = 0.0, number, f1;
    axis x, y;
    size_t i;

    json_array_foreach(epochs, i, epoch) {
        if (!epoch_point(epoch, &number, &f1)) continue;
        first = fmin(first, number);
        last = fmax(last, number);
        low = fmin(low, f1);
        high = fmax(high, f1);
    }
    if (!(last > first)) return false;    /* one epoch: the table says it all */
    x = axis_make(first - 0.5, last + 0.5, 8, false, LEFT, WIDTH - RIGHT);
    if (x.step < 1.0) x = (axis){ x.low, x.high, 1.0, 0, x.from, x.to };   /* whole epochs only */
    /* Room above for the values; nothing finer than a point, which is noise. */
    y = axis_make(fmax(low - 1.0, 0.0), fmin(high + fmax(1.5, (high - low) * 0.2), 101.0), 5, true,
                  bottom, TOP);
    rk_buffer_puts(b, "<figure>\n<figcaption>Weighted F1 on the validation rows, by epoch. The "
                      "ring marks the epoch that was kept.</figcaption>\n");
    open_svg(b, HEIGHT, "Weighted F1 on the validation rows by epoch");
    put_y_axis(b, &y, true);
    rk_buffer_puts(b, "<polyline class=\"line\" points=\"");
    json_array_foreach(epochs, i, epoch) {
        if (epoch_point(epoch, &number, &f1)) put_point(b, axis_at(&x, number), axis_at(&y, f1));
    }
    rk_buffer_puts(b, "\"/>\n");
    json_array_foreach(epochs, i, epoch) put_epoch(b, run, epoch, &x, &y);
    put_x_axis(b, &x, bottom, "epoch", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
    return true;
}
