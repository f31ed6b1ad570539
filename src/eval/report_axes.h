/* Lines, texts and axes of the report's charts. Units are those of a viewBox that the page scales
 * to its column; text sizes are in the style sheet, where a narrow screen can make them larger. */
#ifndef RK_EVAL_REPORT_AXES_H
#define RK_EVAL_REPORT_AXES_H

#include "eval/report_parts.h"

enum {
    RK_DRAW_WIDTH = 440,
    RK_DRAW_HEIGHT = 250,
    RK_DRAW_LEFT = 52,
    RK_DRAW_RIGHT = 14,
    RK_DRAW_TOP = 16,
    RK_DRAW_BOTTOM = 46
};

typedef struct rk_axis {
    double low, high; /* ends of the data range shown */
    double step;      /* between ticks */
    int decimals;     /* of a tick's label */
    double from, to;  /* the same ends in the drawing */
} rk_axis;

/* Ticks at 1, 2 or 5 times a power of ten, at most `most` of them, and ends moved out to ticks when
 * `whole`. */
rk_axis rk_axis_make(double low, double high, int most, bool whole, double from, double to);
double rk_axis_at(const rk_axis *a, double x);

/* Opens the drawing; the caller closes it with </svg>. label: what it shows, for those who hear
 * the page. */
void rk_draw_open(rk_buffer *b, int height, const char *label);
void rk_draw_attribute(rk_buffer *b, const char *name, double value);
void rk_draw_line(rk_buffer *b, const char *class, double x1, double y1, double x2, double y2);
void rk_draw_rect(rk_buffer *b, const char *class, double x, double y, double width,
                  double height);
void rk_draw_circle(rk_buffer *b, const char *class, double x, double y, double r);
/* Opens a text; the caller puts what it says and closes it with </text>. */
void rk_draw_text(rk_buffer *b, const char *class, const char *anchor, double x, double y);
void rk_draw_point(rk_buffer *b, double x, double y); /* of a polyline */
/* A name in the room left of a chart of rows: cut after a few characters. */
void rk_draw_name(rk_buffer *b, const char *name);

/* Whole multiples of the step inside the axis; rk_axis_make bounds their number. */
void rk_draw_x_axis(rk_buffer *b, const rk_axis *x, double y, const char *name, bool percent);
void rk_draw_y_axis(rk_buffer *b, const rk_axis *y, bool percent);

#endif
