#include "text/clean/stopwords.h"

#include <string.h>

#include "base/hash.h"
#include "text/clean/stopword_list.h"

/* "setidaknya" (at least) and "percuma" (in vain) do not negate what follows and are not among
 * them. */
static const char *const negations[] = {
    "belum", "belumlah", "bukan", "bukankah", "bukanlah", "bukannya", "enggak", "enggaknya",
    "jangan", "jangankan", "janganlah", "kurang", "tak", "tanpa", "tidak", "tidakkah", "tidaklah",
};

bool rk_stopword(const char *word, size_t length)
{
    size_t at;
    unsigned slot;

    if (length == 0 || length > STOPWORD_BYTES_MAX) return false;
    at = rk_hash(word, length) % STOPWORD_SLOTS; /* as tools/make_stopwords.py has it */
    while ((slot = stopword_slots[at]) != 0) {
        /* words may hold NUL, so no string function compares them */
        if (stopword_bytes[slot - 1] == length && memcmp(stopwords[slot - 1], word, length) == 0)
            return true;
        at = (at + 1) % STOPWORD_SLOTS;
    }
    return false;
}

bool rk_negation(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof negations / sizeof negations[0]; i++)
        if (strlen(negations[i]) == length && memcmp(negations[i], word, length) == 0) return true;
    return false;
}
