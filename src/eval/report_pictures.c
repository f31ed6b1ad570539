/* Three charts of the files measured: what accuracy costs, how long a text takes, and whether a
 * probability can be taken at its word. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "eval/intervals.h"
#include "eval/metrics.h"
#include "eval/report_axes.h"

static const json_t *eval_of(const json_t *result)
{
    return json_object_get(result, "eval");
}

/* ---- accuracy against latency, the circle's area the size ---- */

enum { BUBBLE = 17, SHOWN_NAMES = 12 };

typedef struct box {
    double x1, y1, x2, y2;
} box;

static bool apart(const box *a, const box *c)
{
    return a->x2 < c->x1 || c->x2 < a->x1 || a->y2 < c->y1 || c->y2 < a->y1;
}

typedef struct trade {
    const json_t *result;
    double ms, accuracy, low, high, bytes; /* low, high: the interval, or accuracy itself */
    double x, y, r;                        /* in the drawing */
} trade;

static bool read_trade(trade *t, const json_t *result)
{
    const json_t *eval = eval_of(result);

    t->result = result;
    t->ms = rk_page_number(json_object_get(eval, "latency_ms"), "p50");
    t->accuracy = rk_page_number(eval, "accuracy") * 100;
    t->bytes = rk_page_number(result, "model_bytes");
    t->low = fmin(t->accuracy, rk_page_item(eval, "accuracy_ci95", 0) * 100);
    t->high = fmax(t->accuracy, rk_page_item(eval, "accuracy_ci95", 1) * 100);
    return !isnan(t->ms) && !isnan(t->accuracy) && t->bytes > 0;
}

/* Right of the circle, else left, above, below: the first place where nothing stands. */
static void put_bubble_name(rk_buffer *b, const trade *t, size_t n, size_t i, box *taken,
                            size_t *count)
{
    static const char *const anchor[] = {"start", "end", "middle", "middle"};
    const double wide = 64, high = 30, gap = t[i].r + 6;
    const double x[] = {t[i].x + gap, t[i].x - gap, t[i].x, t[i].x};
    const double y[] = {t[i].y, t[i].y, t[i].y - gap - high / 2, t[i].y + gap + high / 2};
    size_t k;
    box at = {0};

    for (k = 0; k < 4; k++) {
        bool free_here;
        at.x1 = k == 0 ? x[k] : k == 1 ? x[k] - wide : x[k] - wide / 2;
        at = (box){at.x1, y[k] - high / 2, at.x1 + wide, y[k] + high / 2};
        free_here = at.x1 >= RK_DRAW_LEFT && at.x2 <= RK_DRAW_WIDTH && at.y1 >= 0;
        for (size_t j = 0; j < *count && free_here; j++) free_here = apart(&at, &taken[j]);
        for (size_t j = 0; j < n && free_here; j++) {
            const box bubble = {t[j].x - t[j].r, t[j].y - t[j].r, t[j].x + t[j].r, t[j].y + t[j].r};
            free_here = j == i || apart(&at, &bubble);
        }
        if (free_here) break;
    }
    if (k == 4) return; /* the table has it */
    taken[(*count)++] = at;
    rk_draw_text(b, "value kept", anchor[k], x[k], y[k] - 2);
    rk_draw_name(b, rk_page_string(t[i].result, "name"));
    rk_buffer_puts(b, "</text>");
    rk_draw_text(b, "number halo", anchor[k], x[k], y[k] + 12);
    rk_page_bytes(b, t[i].bytes);
    rk_buffer_puts(b, "</text>\n");
}

static void put_bubbles(rk_buffer *b, const trade *t, size_t n, const rk_axis *y)
{
    box taken[SHOWN_NAMES];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const double low = rk_axis_at(y, t[i].low), high = rk_axis_at(y, t[i].high);
        rk_draw_line(b, "whisker", t[i].x, low, t[i].x, high);
        rk_draw_line(b, "whisker", t[i].x - 4, low, t[i].x + 4, low);
        rk_draw_line(b, "whisker", t[i].x - 4, high, t[i].x + 4, high);
        rk_draw_circle(b, "bubble", t[i].x, t[i].y, t[i].r);
        rk_draw_circle(b, "dot", t[i].x, t[i].y, 2.5);
        rk_buffer_puts(b, "\n");
    }
    for (size_t i = 0; i < n && count < SHOWN_NAMES; i++)
        put_bubble_name(b, t, n, i, taken, &count);
}

bool rk_page_trade_chart(rk_buffer *b, const json_t *results)
{
    const double bottom = RK_DRAW_HEIGHT - RK_DRAW_BOTTOM;
    double low = 100.0, high = 0.0, slowest = 0.0, largest = 0.0;
    trade *t = rk_calloc(json_array_size(results) + 1, sizeof *t);
    const json_t *result;
    size_t i, n = 0;
    rk_axis x, y;

    if (!t) {
        b->failed = true;
        return false;
    }
    json_array_foreach(results, i, result)
    {
        if (!read_trade(&t[n], result)) continue;
        low = fmin(low, t[n].low);
        high = fmax(high, t[n].high);
        slowest = fmax(slowest, t[n].ms);
        largest = fmax(largest, t[n].bytes);
        n++;
    }
    if (n < 2) {
        rk_free(t);
        return false;
    }
    x = rk_axis_make(0.0, slowest * 1.15, 6, false, RK_DRAW_LEFT, RK_DRAW_WIDTH - RK_DRAW_RIGHT);
    y = rk_axis_make(low, high, 5, true, bottom, RK_DRAW_TOP);
    for (i = 0; i < n; i++) {
        t[i].x = rk_axis_at(&x, t[i].ms);
        t[i].y = rk_axis_at(&y, t[i].accuracy);
        t[i].r = fmax(BUBBLE * sqrt(t[i].bytes / largest), 3.0);
    }
    rk_buffer_puts(b,
                   "<figure>\n<figcaption>What accuracy costs: up is better, left is faster, and "
                   "the area of a circle is the size of the file.</figcaption>\n");
    rk_draw_open(b, RK_DRAW_HEIGHT, "Accuracy against latency and file size");
    rk_draw_y_axis(b, &y, true);
    put_bubbles(b, t, n, &y);
    rk_draw_x_axis(b, &x, bottom, "latency of one text, p50, ms", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
    rk_free(t);
    return true;
}

/* ---- latency ---- */

enum { QUANTILES = 21, ROW = 34 }; /* 0, 5, .. 100 % */

static double quantile(const json_t *result, size_t percent)
{
    const json_t *ms = json_object_get(eval_of(result), "latency_ms");
    if (json_array_size(json_object_get(ms, "quantiles")) == QUANTILES)
        return rk_page_item(ms, "quantiles", percent / 5);
    return percent == 50   ? rk_page_number(ms, "p50")
           : percent == 95 ? rk_page_number(ms, "p95")
                           : (double)NAN;
}

static void put_latency(rk_buffer *b, const json_t *result, const rk_axis *x, double y)
{
    const double low = quantile(result, 5), high = quantile(result, 95);
    const double from = quantile(result, 25), to = quantile(result, 75);
    const double mid = quantile(result, 50);

    rk_draw_text(b, "label", "end", x->from - 12, y + 4);
    rk_draw_name(b, rk_page_string(result, "name"));
    rk_buffer_puts(b, "</text>");
    if (!(high >= low)) return;
    rk_draw_line(b, "range", rk_axis_at(x, low), y, rk_axis_at(x, high), y);
    if (to >= from)
        rk_draw_rect(b, "half", rk_axis_at(x, from), y - 7,
                     fmax(rk_axis_at(x, to) - rk_axis_at(x, from), 1.0), 14);
    rk_draw_line(b, "median", rk_axis_at(x, mid), y - 9, rk_axis_at(x, mid), y + 9);
    rk_buffer_puts(b, "\n");
}

bool rk_page_latency_chart(rk_buffer *b, const json_t *results)
{
    const int top = 4, height = top + (int)json_array_size(results) * ROW + 44;
    double most = 0.0;
    const json_t *result;
    rk_axis x;
    size_t i;

    json_array_foreach(results, i, result)
    {
        if (quantile(result, 95) >= quantile(result, 5)) most = fmax(most, quantile(result, 95));
    }
    if (!(most > 0)) return false;
    x = rk_axis_make(0.0, most, 6, true, 78, RK_DRAW_WIDTH - 22);
    rk_buffer_puts(b,
                   "<figure>\n<figcaption>Time of one text at a time. Box: the middle half of the "
                   "texts, with the median; line: all but the fastest and the slowest 5%."
                   "</figcaption>\n");
    rk_draw_open(b, height, "Latency of single texts");
    json_array_foreach(results, i, result)
        put_latency(b, result, &x, top + ROW / 2 + (double)i * ROW);
    rk_draw_x_axis(b, &x, height - 44, "milliseconds from text to answer", false);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
    return true;
}

/* ---- reliability ---- */

static const json_t *bins_of(const json_t *result)
{
    return rk_page_part(eval_of(result), "reliability");
}

static void put_bin(rk_buffer *b, const json_t *bin, const rk_axis *x, const rk_axis *y)
{
    const double rows = rk_page_number(bin, "rows"), right = rk_page_number(bin, "accuracy");
    const double confidence = rk_page_number(bin, "confidence");
    double ci[2], at;

    if (!(rows >= 1) || isnan(right) || isnan(confidence)) return;
    at = rk_axis_at(x, confidence * 100);
    rk_wilson(ci, (size_t)round(right * rows), (size_t)rows, RK_Z95);
    rk_draw_line(b, "whisker", at, rk_axis_at(y, ci[0] * 100), at, rk_axis_at(y, ci[1] * 100));
    rk_draw_circle(b, "dot", at, rk_axis_at(y, right * 100), 4);
    rk_buffer_puts(b, "\n");
}

/* Rows of each bin as a strip along the foot, its highest column of a fixed height. */
static void put_rows(rk_buffer *b, const json_t *bins, const rk_axis *x, double foot)
{
    enum { HIGH = 26 };
    double most = 0.0;
    const json_t *bin;
    size_t i;

    json_array_foreach(bins, i, bin) most = fmax(most, rk_page_number(bin, "rows"));
    json_array_foreach(bins, i, bin)
    {
        const double rows = rk_page_number(bin, "rows");
        const double confidence = rk_page_number(bin, "confidence");
        if (!(rows > 0) || isnan(confidence)) continue;
        rk_draw_rect(b, "half", rk_axis_at(x, confidence * 100) - 4, foot - HIGH * rows / most, 8,
                     HIGH * rows / most);
    }
    rk_buffer_puts(b, "\n");
}

/* A model that was calibrated says so, and whether these very rows did it. */
static void put_fitted(rk_buffer *b, const json_t *eval)
{
    const json_t *calibration = rk_page_part(eval, "calibration");
    const double rows = rk_page_number(calibration, "rows");

    if (!calibration) return;
    rk_buffer_puts(b, "<p class=\"note\">Calibrated, temperature ");
    rk_page_fixed(b, rk_page_number(calibration, "temperature"), 2);
    if (rows > 0) {
        rk_buffer_puts(b, ", on ");
        rk_page_some(b, rows, "row", "rows");
    }
    rk_buffer_puts(b, json_is_true(json_object_get(eval, "fitted_here"))
                          ? ". <b>These very rows fitted it, so the picture flatters.</b></p>\n"
                          : ".</p>\n");
}

/* low: left end of the axis, one for all charts; in percent. */
static void put_reliability(rk_buffer *b, const json_t *result, double low)
{
    const json_t *bins = bins_of(result), *bin;
    const double bottom = RK_DRAW_HEIGHT - RK_DRAW_BOTTOM;
    const double ece = rk_page_number(eval_of(result), "ece");
    rk_axis x, y;
    size_t i;

    x = rk_axis_make(low, 100.0, 5, true, RK_DRAW_LEFT, RK_DRAW_WIDTH - RK_DRAW_RIGHT);
    y = rk_axis_make(0.0, 100.0, 5, true, bottom, RK_DRAW_TOP);
    rk_buffer_puts(b, "<figure>\n<h3>");
    rk_page_precision(b, rk_page_string(result, "name"));
    if (!isnan(ece)) {
        rk_buffer_puts(b, " <span>expected calibration error ");
        rk_page_fixed(b, ece * 100, 1);
        rk_buffer_puts(b, " points</span>");
    }
    rk_buffer_puts(b, "</h3>\n");
    put_fitted(b, eval_of(result));
    rk_draw_open(b, RK_DRAW_HEIGHT, "Share right against confidence");
    rk_draw_y_axis(b, &y, true);
    put_rows(b, bins, &x, bottom);
    rk_draw_line(b, "ideal", x.from, rk_axis_at(&y, fmax(x.low, 0.0)), x.to,
                 rk_axis_at(&y, x.high));
    json_array_foreach(bins, i, bin) put_bin(b, bin, &x, &y);
    rk_draw_x_axis(b, &x, bottom, "confidence: probability of the label given", true);
    rk_buffer_puts(b, "</svg>\n</figure>\n");
}

void rk_page_reliability(rk_buffer *b, const json_t *results)
{
    const json_t *result, *bin;
    double low = 0.8;
    size_t i, j;

    json_array_foreach(results, i, result)
    {
        json_array_foreach(bins_of(result), j, bin)
        {
            low = fmin(low, rk_page_number(bin, "confidence"));
        }
    }
    low = floor(low * 10 + 1e-9) * 10;
    rk_buffer_puts(b,
                   "<p class=\"note\">Dots: of the answers given with about this confidence, the "
                   "share that was right, with its 95% interval. On the dashed line a "
                   "probability means what it says; below it the model is too sure of itself. "
                   "Columns at the foot: how many answers.</p>\n<div class=\"charts\">\n");
    json_array_foreach(results, i, result)
    {
        if (bins_of(result)) put_reliability(b, result, low);
    }
    rk_buffer_puts(b, "</div>\n");
}

bool rk_page_has_bins(const json_t *results)
{
    const json_t *result;
    size_t i;

    json_array_foreach(results, i, result)
    {
        if (bins_of(result)) return true;
    }
    return false;
}
