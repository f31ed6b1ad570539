#include "api/suspects.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

rk_status rk_suspects_begin(rk_suspects *s, size_t room, rk_error *err)
{
    memset(s, 0, sizeof *s);
    if (room > RK_SUSPECTS_MAX)
        return rk_fail(err, RK_E_ARG, "%zu suspects; at most %d can be listed", room,
                       RK_SUSPECTS_MAX);
    if (room == 0) return RK_OK;
    s->row = rk_calloc(room, sizeof *s->row);
    if (!s->row) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu suspects", room);
    s->room = room;
    return RK_OK;
}

/* Largest loss first; of equal ones the earlier row. */
static int by_loss(const void *a, const void *b)
{
    const rk_suspect *x = a, *y = b;
    if (x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

rk_status rk_suspects_offer(rk_suspects *s, const rk_row *row, double loss, const double *probs,
                            size_t labels, rk_error *err)
{
    const bool full = s->count == s->room;
    rk_suspect *to;
    size_t best = 0;
    char *text;

    if (s->room == 0 || (full && loss <= s->row[s->least].loss)) return RK_OK;
    text = rk_strndup(row->text, row->length);
    if (!text) return rk_fail(err, RK_E_MEMORY, "out of memory for suspects");
    for (size_t k = 1; k < labels; k++)
        if (probs[k] > probs[best]) best = k;
    to = full ? &s->row[s->least] : &s->row[s->count++];
    rk_free(to->text);
    *to = (rk_suspect){loss,          probs[best], probs[row->label_id], row->line, row->label_id,
                       (int32_t)best, text,        row->length};
    for (size_t i = 0; s->count == s->room && i < s->count; i++)
        if (i == 0 || by_loss(&s->row[i], &s->row[s->least]) > 0) s->least = i;
    return RK_OK;
}

json_t *rk_suspects_json(rk_suspects *s, const rk_labels *labels)
{
    json_t *list = json_array();

    if (s->count) qsort(s->row, s->count, sizeof *s->row, by_loss);
    for (size_t i = 0; list && i < s->count; i++) {
        const rk_suspect *r = &s->row[i];
        json_t *one = json_pack("{s:I, s:s, s:s, s:f, s:f, s:f, s:s%}", "line", (json_int_t)r->line,
                                "label", labels->name[r->label], "answer", labels->name[r->answer],
                                "probability", r->probability, "label_probability",
                                r->label_probability, "loss", r->loss, "text", r->text, r->length);
        if (json_array_append_new(list, one)) {
            json_decref(list);
            return NULL;
        }
    }
    s->least = s->count; /* their order is another now; nothing more is offered */
    return list;
}

void rk_suspects_free(rk_suspects *s)
{
    for (size_t i = 0; i < s->count; i++) rk_free(s->row[i].text);
    rk_free(s->row);
    memset(s, 0, sizeof *s);
}
