/* The rows of a pass whose loss is largest: where a label may be wrong. */
#ifndef RK_API_SUSPECTS_H
#define RK_API_SUSPECTS_H

#include <jansson.h>

#include "text/rows.h"

typedef struct rk_suspect {
    double loss, probability, label_probability; /* of the answer, of the true label */
    size_t line;
    int32_t label, answer;
    char *text; /* owned; `length` bytes */
    size_t length;
} rk_suspect;

typedef struct rk_suspects {
    size_t count, room;
    size_t least; /* of those kept, where all room is taken */
    rk_suspect *row;
} rk_suspects;

enum { RK_SUSPECTS_MAX = 10000 };

/* room 0: none are kept. Free with rk_suspects_free. */
rk_status rk_suspects_begin(rk_suspects *s, size_t room, rk_error *err);
/* probs [labels] of the row. */
rk_status rk_suspects_offer(rk_suspects *s, const rk_row *row, double loss, const double *probs,
                            size_t labels, rk_error *err);
/* [{line, label, answer, probability, label_probability, loss, text}], largest loss first; NULL
 * when out of memory. */
json_t *rk_suspects_json(rk_suspects *s, const rk_labels *labels);
void rk_suspects_free(rk_suspects *s);

#endif
