#include "text/tokenizer/tokenizer_parts.h"

#include "base/utf8.h"
#include "text/unicode/unicode.h"

enum { IN_WORD, BETWEEN, ALONE };

/* What the character at text does to words, and its bytes. */
static int kind_of(const char *text, size_t length, size_t *used)
{
    const unsigned char c = (unsigned char)text[0];
    uint32_t cp = c;
    unsigned bits;

    *used = 1;
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return IN_WORD;
        if (c == ' ') return BETWEEN;
    } else {
        *used = rk_utf8_decode(&cp, text, length);
        if (*used == 0) *used = 1;    /* the caller has checked; never a loop without end */
    }
    bits = rk_char_class(cp);
    return bits & RK_CHAR_SPACE ? BETWEEN : bits & RK_CHAR_PUNCT ? ALONE : IN_WORD;
}

/* Normalised text into words. False when the sink stops. */
static bool split(const char *text, size_t length, rk_word_sink *sink)
{
    size_t start = 0, i = 0;

    while (i < length) {
        size_t used;
        const int kind = kind_of(text + i, length - i, &used);
        if (kind != IN_WORD) {
            if (i > start && !sink->word(sink->context, text + start, i - start)) return false;
            if (kind == ALONE && !sink->word(sink->context, text + i, used)) return false;
            start = i + used;
        }
        i += used;
    }
    return start >= length || sink->word(sink->context, text + start, length - start);
}

static bool split_or_whole(const rk_tokenizer *t, const char *text, size_t length,
                           rk_word_sink *sink)
{
    if (t->split) return split(text, length, sink);
    return length == 0 || sink->word(sink->context, text, length);
}

/* A stretch of normalised text by the steps' own way of parting. */
static bool split_by_steps(const rk_tokenizer *t, const char *text, size_t length, size_t first,
                           rk_word_sink *sink, bool *failed)
{
    const rk_pieces *pieces;
    const char *base;

    if (!rk_steps_split(t->steps, &sink->work, text, length, first, &base, &pieces)) {
        *failed = true;
        return false;
    }
    for (size_t i = 0; i < pieces->count; i++)
        if (!sink->word(sink->context, base + pieces->item[i].offset, pieces->item[i].length))
            return false;
    return true;
}

bool rk_normal_make(rk_normal *out, const rk_tokenizer *t, rk_work *w, const char *text,
                    size_t length, bool at_start)
{
    if (t->steps) {
        const rk_flow *flow = rk_steps_normalize(t->steps, w, text, length, at_start);
        if (!flow) return false;
        *out = (rk_normal){flow->text.data ? flow->text.data : "", flow->text.length, flow->first};
        return true;
    }
    if (!rk_normalize(&w->scratch, &t->norm, text, length)) return false;
    *out = (rk_normal){w->scratch.data, w->scratch.length, 0};
    return true;
}

/* What lies between the added tokens that are looked for in the raw text. at_start: it starts
 * there. */
static bool between(const rk_tokenizer *t, const char *text, size_t length, bool at_start,
                    rk_word_sink *sink, bool *failed)
{
    size_t from = 0, at = 0, start, stop, index;
    rk_normal clean;

    *failed = !rk_normal_make(&clean, t, &sink->work, text, length, at_start);
    if (*failed) return false;
    for (;;) {
        const bool found = rk_added_next(t, &t->normalized, clean.text, clean.length, from, &at,
                                         &start, &stop, &index);
        const size_t end = found ? start : clean.length;
        const size_t own = clean.first > from ? clean.first - from : 0;
        const char *part = clean.text + from;
        if (end > from && !(t->steps ? split_by_steps(t, part, end - from, own, sink, failed)
                                     : split_or_whole(t, part, end - from, sink)))
            return false;
        if (!found) return true;
        if (!sink->token(sink->context, t->added[index].id)) return false;
        from = stop;
    }
}

bool rk_words(const rk_tokenizer *t, const char *text, size_t length, rk_word_sink *sink)
{
    size_t from = 0, at = 0, start, stop, index;
    bool failed = false;

    while (rk_added_next(t, &t->raw, text, length, from, &at, &start, &stop, &index)) {
        if (start > from && !between(t, text + from, start - from, from == 0, sink, &failed))
            return !failed;
        if (!sink->token(sink->context, t->added[index].id)) return true;
        from = stop;
    }
    if (from < length) between(t, text + from, length - from, from == 0, sink, &failed);
    return !failed;
}
