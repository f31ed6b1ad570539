/* BERT's text normaliser: control characters out, Han set apart, accents stripped, lower case. */
#ifndef RK_TEXT_NORMALIZE_H
#define RK_TEXT_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rk_normalizer {
    bool clean;            /* drop RK_CHAR_REMOVED; white space becomes a space */
    bool han;              /* a space on both sides of each Han character */
    bool strip;            /* canonical decomposition, then non-spacing marks dropped */
    bool lower;
    uint8_t ascii[128];    /* what becomes of each ASCII byte, RK_ASCII_REMOVED for nothing */
} rk_normalizer;
enum { RK_ASCII_REMOVED = 0xff };

/* Fills ascii[] from the switches. */
void rk_normalizer_ready(rk_normalizer *n);

/* Memory that grows and is used again; zero it first, rk_free(data) last. */
typedef struct rk_scratch {
    char *data;
    size_t length, capacity;
} rk_scratch;

/* Normalises text (valid UTF-8) into out->data[0 .. out->length), replacing what was there. False
 * when out of memory. */
bool rk_normalize(rk_scratch *out, const rk_normalizer *n, const char *text, size_t length);

#endif
