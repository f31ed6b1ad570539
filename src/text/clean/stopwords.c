#include "text/clean/stopwords.h"

#include <string.h>

#include "text/clean/stopword_list.h"

/* Sorted by bytes, as the list. "setidaknya" (at least) and "percuma" (in vain) do not negate what
 * follows and are not among them. */
static const char *const negations[] = {
    "belum", "belumlah", "bukan", "bukankah", "bukanlah", "bukannya", "enggak", "enggaknya",
    "jangan", "jangankan", "janganlah", "kurang", "tak", "tanpa", "tidak", "tidakkah", "tidaklah",
};

/* Words may hold NUL, so no string function compares them. */
static int compare(const char *word, size_t length, const char *listed)
{
    const size_t other = strlen(listed), n = length < other ? length : other;
    const int c = memcmp(word, listed, n);
    if (c) return c;
    return (length > other) - (length < other);
}

static bool among(const char *const *list, size_t count, const char *word, size_t length)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int c = compare(word, length, list[mid]);
        if (c == 0) return true;
        if (c > 0) lo = mid + 1;
        else hi = mid;
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
