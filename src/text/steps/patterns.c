/* The regular expressions that tokenizer.json files of the wild hold, each by its own matcher:
 * linear, and nothing else of the language. */
#include <string.h>

#include "base/utf8.h"
#include "text/steps/flow.h"
#include "text/unicode/unicode.h"

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define WORDS "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
#define REST "|\\s+(?!\\S)|\\s+"

typedef struct known {
    const char *regex;
    rk_pattern_kind kind;
} known;

static const known list[] = {
    {CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+" REST, RK_PATTERN_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+" REST, RK_PATTERN_GPT2},
    {WORDS "|\\p{N}{1,3}" SIGNS REST, RK_PATTERN_LLAMA3},
    {WORDS "|\\p{N}" SIGNS REST, RK_PATTERN_QWEN2},
    {"\\s+", RK_PATTERN_SPACES},
    {" {2,}", RK_PATTERN_BLANKS},
    {"[\\r\\n\\t]", RK_PATTERN_LINES},
    {"[\\n\\r\\t]", RK_PATTERN_LINES},
    {"\\n", RK_PATTERN_NEWLINE},
    {"\n", RK_PATTERN_NEWLINE},
};

bool rk_pattern_known(rk_pattern_kind *kind, const char *regex)
{
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (strcmp(regex, list[i].regex) != 0) continue;
        *kind = list[i].kind;
        return true;
    }
    return false;
}

/* ---- characters ---- */

typedef struct source {
    const char *text;
    size_t length;
} source;

enum { END, LETTER, NUMBER, SPACE, OTHER };

/* What stands at `at`, and its bytes. */
static int kind_at(const source *s, size_t at, size_t *used, uint32_t *cp)
{
    unsigned bits;

    *used = 0;
    *cp = 0;
    if (at >= s->length) return END;
    *used = rk_utf8_decode(cp, s->text + at, s->length - at);
    if (*used == 0) *used = 1;    /* the caller has checked; never a loop without end */
    bits = rk_pattern_class(*cp);
    return bits & RK_PAT_LETTER ? LETTER : bits & RK_PAT_NUMBER ? NUMBER
           : bits & RK_PAT_SPACE ? SPACE : OTHER;
}

/* The end of a run of one kind that starts at `at`; at most `most` characters. */
static size_t run_end(const source *s, size_t at, int kind, size_t most)
{
    size_t used;
    uint32_t cp;
    while (most-- > 0 && kind_at(s, at, &used, &cp) == kind) at += used;
    return at;
}

static bool is_line_end(const source *s, size_t at)
{
    return at < s->length && (s->text[at] == '\r' || s->text[at] == '\n');
}

/* 's 't 're 've 'm 'll 'd at `at`: the bytes, or 0. */
static size_t contraction(const source *s, size_t at, bool any_case)
{
    static const char *const tail[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (s->text[at] != '\'') return 0;
    for (size_t k = 0; k < sizeof tail / sizeof tail[0]; k++) {
        const size_t n = strlen(tail[k]);
        size_t i = 0;
        if (s->length - at - 1 < n) continue;
        while (i < n) {
            char c = s->text[at + 1 + i];
            if (any_case && c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
            if (c != tail[k][i]) break;
            i++;
        }
        if (i == n) return 1 + n;
    }
    /* the long s is an s when case does not count */
    if (any_case && s->length - at >= 3 && memcmp(s->text + at + 1, "\xc5\xbf", 2) == 0) return 3;
    return 0;
}

/* \s+(?!\S)|\s+ : white space, but for the last character before something else. */
static size_t spaces_end(const source *s, size_t at)
{
    size_t last = at, end = at, used;
    uint32_t cp;
    while (kind_at(s, end, &used, &cp) == SPACE) {
        last = end;
        end += used;
    }
    return end == s->length || last == at ? end : last;
}

static size_t gpt2_end(const source *s, size_t at)
{
    size_t used, end = at + contraction(s, at, false);
    uint32_t cp;
    int kind;

    if (end > at) return end;
    end = s->text[at] == ' ' ? at + 1 : at;
    kind = kind_at(s, end, &used, &cp);
    if (kind == END || kind == SPACE) return spaces_end(s, at);
    return run_end(s, end, kind, SIZE_MAX);
}

/* Up to the last line end of a run of white space; `at` when it has none. */
static size_t lines_end(const source *s, size_t at)
{
    size_t end = at, used, i = at;
    uint32_t cp;
    while (kind_at(s, i, &used, &cp) == SPACE) {
        i += used;
        if (cp == '\r' || cp == '\n') end = i;
    }
    return end;
}

static size_t llama3_end(const source *s, size_t at, size_t digits)
{
    size_t used, next, end = at + contraction(s, at, true);
    uint32_t cp;
    int kind;

    if (end > at) return end;
    kind = kind_at(s, at, &used, &cp);
    next = at + used;
    if (kind == LETTER) return run_end(s, at, LETTER, SIZE_MAX);
    if (kind != NUMBER && cp != '\r' && cp != '\n') {
        end = run_end(s, next, LETTER, SIZE_MAX);
        if (end > next) return end;
    }
    if (kind == NUMBER) return run_end(s, at, NUMBER, digits);
    end = run_end(s, cp == ' ' ? next : at, OTHER, SIZE_MAX);
    if (end > (cp == ' ' ? next : at)) {
        while (is_line_end(s, end)) end++;
        return end;
    }
    end = lines_end(s, at);
    return end > at ? end : spaces_end(s, at);
}

static bool is_word(uint32_t cp)
{
    return rk_pattern_class(cp) & RK_PAT_WORD;
}

/* \w+|[^\w\s]+ */
static size_t word_end(const source *s, size_t at, bool word)
{
    size_t used;
    uint32_t cp;
    while (at < s->length) {
        kind_at(s, at, &used, &cp);
        if (is_word(cp) != word || (!word && rk_char_class(cp) & RK_CHAR_SPACE)) break;
        at += used;
    }
    return at;
}

/* ---- matches ---- */

/* The end of the match at `at`, or `at`; used: of the character there. */
static size_t match_at(const rk_pattern *p, const source *s, size_t at, size_t *used)
{
    uint32_t cp;
    size_t end = at;
    const int kind = kind_at(s, at, used, &cp);
    const bool white = rk_char_class(cp) & RK_CHAR_SPACE;

    switch (p->kind) {
    case RK_PATTERN_LITERAL:
        if (s->length - at >= p->length && memcmp(s->text + at, p->literal, p->length) == 0)
            end += p->length;
        return end;
    case RK_PATTERN_SPACE: return white ? at + *used : at;
    case RK_PATTERN_PUNCT: return rk_char_class(cp) & RK_CHAR_PUNCT ? at + *used : at;
    case RK_PATTERN_NUMERIC: return rk_pattern_class(cp) & RK_PAT_NUMERIC ? at + *used : at;
    case RK_PATTERN_WORD: return white ? at : word_end(s, at, is_word(cp));
    case RK_PATTERN_SPACES: return run_end(s, at, SPACE, SIZE_MAX);
    case RK_PATTERN_BLANKS:
        while (end < s->length && s->text[end] == ' ') end++;
        return end - at >= 2 ? end : at;
    case RK_PATTERN_LINES: return cp == '\r' || cp == '\n' || cp == '\t' ? at + 1 : at;
    case RK_PATTERN_NEWLINE: return cp == '\n' ? at + 1 : at;
    case RK_PATTERN_GPT2: return gpt2_end(s, at);
    case RK_PATTERN_LLAMA3: return llama3_end(s, at, 3);
    case RK_PATTERN_QWEN2: return llama3_end(s, at, 1);
    }
    (void)kind;
    return at;
}

bool rk_pattern_next(const rk_pattern *p, const char *text, size_t length, size_t from,
                     size_t *start, size_t *end)
{
    const source s = {text, length};
    size_t used;

    for (size_t at = from; at < length; at += used) {
        *end = match_at(p, &s, at, &used);
        if (*end == at) continue;
        *start = at;
        return true;
    }
    return false;
}
