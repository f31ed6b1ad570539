#include "text/stopwords.h"

#include <string.h>

#include "text/stopword_list.h"

/* Sorted by bytes, as the list. "setidaknya" (at least) and "percuma" (in vain) do not negate what
 * follows and are not among them. */
static const char *const negations[] = {
    "belum", "belumlah", "bukan", "bukankah", "bukanlah", "bukannya", "enggak", "enggaknya",
    "jangan", "jangankan", "janganlah", "kurang", "tak", "tanpa", "tidak", "tidakkah", "tidaklah",
};

static bool among(const char *const *list, size_t count, const char *word, size_t length)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int c = strncmp(word, list[mid], length);
        if (c == 0 && list[mid][length] == '\0') return true;
        if (c > 0) lo = mid + 1;
        else hi = mid;    /* equal so far, but the listed word is longer */
    }
    return false;
}

bool rk_stopword(const char *word, size_t length)
{
    return among(stopwords, sizeof stopwords / sizeof stopwords[0], word, length);
}

bool rk_negation(const char *word, size_t length)
{
    return among(negations, sizeof negations / sizeof negations[0], word, length);
}
