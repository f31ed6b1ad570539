#include <math.h>

#include "eval/report_axes.h"

/* ---- accuracy of the files with its interval ---- */

static void put_interval(rk_buffer *b, const json_t *result, const rk_axis *x, double y)
{
    const json_t *eval = json_object_get(result, "eval");
    const double accuracy = rk_page_number(eval, "accuracy") * 100;
    const double low = rk_page_item(eval, "accuracy_ci95", 0) * 100;
    const double high = rk_page_item(eval, "accuracy_ci95", 1) * 100;

    if (isnan(accuracy)) return;
    rk_draw_text(b, "label", "end", x->from - 12, y + 4);
    rk_draw_name(b, rk_page_string(result, "name"));
    rk_buffer_puts(b, "</text>");
    if (!isnan(low) && !isnan(high)) {
        rk_draw_line(b, "range", rk_axis_at(x, low), y, rk_axis_at(x, high), y);
        rk_draw_line(b, "range", rk_axis_at(x, low), y - 4, rk_axis_at(x, low), y + 4);
        rk_draw_line(b, "range", rk_axis_at(x, high), y - 4, rk_axis_at(x, high), y + 4);
    }
    rk_draw_circle(b, "dot", rk_axis_at(x, accuracy), y, 4.5);
    rk_buffer_puts(b, "\n");
}

void rk_page_intervals(rk_buffer *b, const json_t *results, const rk_page_verdict *v)
{
    enum { ROW = 28 };
    const int top = 8, height = top + (int)json_array_size(results) * ROW + 44;
    const double foot = height - 44;
    double low = 100.0, high = 0.0;
    const json_t *result;
    rk_axis x;
    size_t i;

    json_array_foreach(results, i, result)
    {
        const json_t *eval = json_object_get(result, "eval");
        const double accuracy = rk_page_number(eval, "accuracy") * 100;
        low = fmin(low, fmin(accuracy, rk_page_item(eval, "accuracy_ci95", 0) * 100));
        high = fmax(high, fmax(accuracy, rk_page_item(eval, "accuracy_ci95", 1) * 100));
    }
    x = rk_axis_make(low, high, 6, true, 78, RK_DRAW_WIDTH - 22);
    rk_draw_open(b, height, "Accuracy of each file with its 95% interval");
    if (v->base) {
        const json_t *eval = json_object_get(v->base, "eval");
        const double from = rk_axis_at(&x, rk_page_item(eval, "accuracy_ci95", 0) * 100);
        const double to = rk_axis_at(&x, rk_page_item(eval, "accuracy_ci95", 1) * 100);
        if (to > from) {
            rk_draw_rect(b, "band", from, 0, to - from, foot);
            rk_buffer_puts(b, "\n");
        }
    }
    json_array_foreach(results, i, result)
    {
        put_interval(b, result, &x, top + ROW / 2 + (double)i * ROW);
    }
    rk_draw_x_axis(b, &x, foot, "accuracy on the test rows", true);
    rk_buffer_puts(b, "</svg>\n");
}

/* ---- loss by step ---- */

enum { SHOWN = 360 }; /* points of one line: more than its width in pixels shows nothing */

typedef struct loss_scale {
    rk_axis x, y;
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
            rk_draw_point(b, rk_axis_at(&s->x, step), rk_axis_at(&s->y, sum / (double)count));
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
            rk_draw_point(b, rk_axis_at(&s->x, step), rk_axis_at(&s->y, mean / weight));
    }
    rk_buffer_puts(b, "\"/>\n");
}

void rk_page_loss_chart(rk_buffer *b, const json_t *run)
{
    const json_t *curve = json_object_get(run, "curve");
    const double bottom = RK_DRAW_HEIGHT - RK_DRAW_BOTTOM;
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
    s.x = rk_axis_make(fmin(first, 1.0) < 1.0 ? first : 0.0, last, 5, false, RK_DRAW_LEFT,
                       RK_DRAW_WIDTH - RK_DRAW_RIGHT);
    s.y = rk_axis_make(low, top, 5, true, bottom, RK_DRAW_TOP);
    rk_buffer_puts(b, "<figure>\n<figcaption>Training loss. Faint: each step; strong: smoothed."
                      "</figcaption>\n");
    rk_draw_open(b, RK_DRAW_HEIGHT, "Training loss per step");
    rk_draw_y_axis(b, &s.y, false);
    put_raw(b, curve, &s);
    put_smooth(b, curve, &s);
    rk_draw_x_axis(b, &s.x, bottom, "step", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
}

/* ---- validation F1 by epoch ---- */

const json_t *rk_page_kept(const json_t *run)
{
    const json_t *epoch;
    size_t i;

    json_array_foreach(json_object_get(run, "epochs"), i, epoch)
    {
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

static void put_epoch(rk_buffer *b, const json_t *run, const json_t *epoch, const rk_axis *x,
                      const rk_axis *y)
{
    const bool kept = epoch == rk_page_kept(run);
    const bool few = json_array_size(json_object_get(run, "epochs")) <= 8;
    double number, f1, px, py;

    if (!epoch_point(epoch, &number, &f1)) return;
    px = rk_axis_at(x, number);
    py = rk_axis_at(y, f1);
    if (kept) {
        const double foot = RK_DRAW_HEIGHT - RK_DRAW_BOTTOM;
        rk_draw_line(b, "ideal", px, py + 8, px, foot);
        rk_draw_circle(b, "ring", px, py, 8);
        rk_draw_text(b, "halo kept", "start", px + 6, foot - 7);
        rk_buffer_puts(b, "kept</text>");
    }
    rk_draw_circle(b, "dot", px, py, 4);
    if (few || kept) {
        rk_draw_text(b, kept ? "value kept" : "value", "middle", px, py - 14);
        rk_page_fixed(b, f1, 1);
        rk_buffer_puts(b, "%</text>\n");
    }
}

bool rk_page_f1_chart(rk_buffer *b, const json_t *run)
{
    const json_t *epoch, *epochs = json_object_get(run, "epochs");
    const double bottom = RK_DRAW_HEIGHT - RK_DRAW_BOTTOM;
    double first = (double)INFINITY, last = 0.0, low = 100.0, high = 0.0, number, f1;
    rk_axis x, y;
    size_t i;

    json_array_foreach(epochs, i, epoch)
    {
        if (!epoch_point(epoch, &number, &f1)) continue;
        first = fmin(first, number);
        last = fmax(last, number);
        low = fmin(low, f1);
        high = fmax(high, f1);
    }
    if (!(last > first)) return false; /* one epoch: the table says it all */
    x = rk_axis_make(first - 0.5, last + 0.5, 8, false, RK_DRAW_LEFT,
                     RK_DRAW_WIDTH - RK_DRAW_RIGHT);
    if (x.step < 1.0) x = (rk_axis){x.low, x.high, 1.0, 0, x.from, x.to}; /* whole epochs only */
    /* Room above for the values; nothing finer than a point, which is noise. */
    y = rk_axis_make(fmax(low - 1.0, 0.0), fmin(high + fmax(1.5, (high - low) * 0.2), 101.0), 5,
                     true, bottom, RK_DRAW_TOP);
    rk_buffer_puts(b, "<figure>\n<figcaption>Weighted F1 on the validation rows, by epoch. The "
                      "ring marks the epoch that was kept.</figcaption>\n");
    rk_draw_open(b, RK_DRAW_HEIGHT, "Weighted F1 on the validation rows by epoch");
    rk_draw_y_axis(b, &y, true);
    rk_buffer_puts(b, "<polyline class=\"line\" points=\"");
    json_array_foreach(epochs, i, epoch)
    {
        if (epoch_point(epoch, &number, &f1))
            rk_draw_point(b, rk_axis_at(&x, number), rk_axis_at(&y, f1));
    }
    rk_buffer_puts(b, "\"/>\n");
    json_array_foreach(epochs, i, epoch) put_epoch(b, run, epoch, &x, &y);
    rk_draw_x_axis(b, &x, bottom, "epoch", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
    return true;
}
