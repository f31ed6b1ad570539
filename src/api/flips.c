#include "api/flips.h"

#include <stdlib.h>

#include "base/mem.h"
#include "eval/scores.h"

typedef struct flip {
    size_t row;
    bool to_right;
    double base, candidate; /* probability of either's answer */
} flip;

static double wrong(const flip *f)
{
    return f->to_right ? f->base : f->candidate;
}

static int worst_first(const void *a, const void *b)
{
    const flip *x = a, *y = b;
    if (x->to_right != y->to_right) return x->to_right ? 1 : -1;
    if (wrong(x) != wrong(y)) return wrong(x) > wrong(y) ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static size_t collect(flip *out, const int32_t *truth, const rk_score *base,
                      const rk_score *candidate, double *probs)
{
    size_t n = 0;

    for (size_t r = 0; r < base->rows; r++) {
        const int32_t b = base->predicted[r], c = candidate->predicted[r];
        flip f = {.row = r, .to_right = c == truth[r]};
        if ((b == truth[r]) == (c == truth[r])) continue;
        rk_softmax(probs, base->logits + r * base->labels, base->labels);
        f.base = probs[b];
        rk_softmax(probs, candidate->logits + r * base->labels, base->labels);
        f.candidate = probs[c];
        out[n++] = f;
    }
    return n;
}

static json_t *one(const flip *f, const rk_rows *rows, const int32_t *truth, const rk_score *base,
                   const rk_score *candidate, const rk_labels *labels)
{
    const rk_row *row = &rows->row[f->row];
    return json_pack("{s:I, s:s%, s:s, s:s, s:s, s:f, s:f, s:s}", "line", (json_int_t)row->line,
                     "text", row->text, row->length, "label", labels->name[truth[f->row]], "base",
                     labels->name[base->predicted[f->row]], "candidate",
                     labels->name[candidate->predicted[f->row]], "base_probability", f->base,
                     "candidate_probability", f->candidate, "way",
                     f->to_right ? "to_right" : "to_wrong");
}

json_t *rk_flips_json(const rk_rows *rows, const int32_t *truth, const rk_score *base,
                      const rk_score *candidate, const rk_labels *labels, size_t most)
{
    flip *list = rk_calloc(base->rows ? base->rows : 1, sizeof *list);
    double *probs = rk_calloc(labels->count, sizeof *probs);
    json_t *out = list && probs ? json_array() : NULL;
    size_t n, told[2] = {0};

    if (!out) goto done;
    n = collect(list, truth, base, candidate, probs);
    if (n) qsort(list, n, sizeof *list, worst_first);
    for (size_t i = 0; i < n && out; i++) {
        if (told[list[i].to_right]++ >= most) continue;
        if (json_array_append_new(out, one(&list[i], rows, truth, base, candidate, labels))) {
            json_decref(out);
            out = NULL;
        }
    }
done:
    rk_free(list);
    rk_free(probs);
    return out;
}
