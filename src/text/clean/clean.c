#include "text/clean.h"

#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/clean/stopwords.h"
#include "text/unicode/unicode.h"

static const struct {
    const char *name;
    unsigned steps;
} known[] = {
    {"lower", RK_CLEAN_LOWER},
    {"strip-special", RK_CLEAN_STRIP_SPECIAL},
    {"collapse", RK_CLEAN_COLLAPSE},
    {"stopwords", RK_CLEAN_STOPWORDS},
    {"stopwords-keep-negation", RK_CLEAN_STOPWORDS | RK_CLEAN_KEEP_NEGATION},
};
enum { KNOWN = sizeof known / sizeof known[0] };

rk_status rk_clean_parse(unsigned *steps, const char *text, rk_error *err)
{
    char name[RK_QUOTE_SIZE];
    unsigned all = 0;
    const char *at = text;

    if (strcmp(text, "none") == 0 || strcmp(text, "seed") == 0) {
        *steps = strcmp(text, "seed") == 0 ? RK_CLEAN_SEED : 0u;
        return RK_OK;
    }
    for (;;) {
        const size_t length = strcspn(at, ",");
        size_t i = 0;
        while (i < KNOWN &&
               (strlen(known[i].name) != length || memcmp(known[i].name, at, length) != 0))
            i++;
        if (i == KNOWN)
            return rk_fail(err, RK_E_ARG, "unknown cleaning step \"%s\"; known: none, seed, or of "
                           "lower, strip-special, collapse, stopwords, stopwords-keep-negation, "
                           "by comma", rk_quote(name, at, length));
        all |= known[i].steps;
        if (at[length] == '\0') break;
        at += length + 1;
    }
    *steps = all;
    return RK_OK;
}

char *rk_clean_name(unsigned steps)
{
    rk_buffer b = {0};
    const bool keep = steps & RK_CLEAN_KEEP_NEGATION;

    if (steps == RK_CLEAN_SEED) return rk_strdup("seed");
    for (size_t i = 0; i < KNOWN; i++) {
        if ((known[i].steps & steps) != known[i].steps) continue;
        if (keep && known[i].steps == RK_CLEAN_STOPWORDS) continue;    /* the next one says both */
        if (b.length) rk_buffer_puts(&b, ",");
        rk_buffer_puts(&b, known[i].name);
    }
    if (b.length == 0) rk_buffer_puts(&b, "none");
    return rk_buffer_take(&b);
}

/* ---- lower case as Python's str.lower ---- */

enum {
    SIGMA = 0x3a3,
    SIGMA_SMALL = 0x3c3,
    SIGMA_FINAL = 0x3c2,
    I_WITH_DOT = 0x130,
    DOT_ABOVE = 0x307
};

/* Unicode's Case_Ignorable: marks, format and modifier characters, and punctuation inside words. */
static bool case_ignorable(uint32_t cp)
{
    static const uint16_t inside[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,
                                      0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                      0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
            if (inside[i] == cp) return true;
        return false;
    }
}

static bool cased(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return true;
    default:    /* ordinals, Roman numerals, circled and squared letters */
        return cp == 0xaa || cp == 0xba || (cp >= 0x2160 && cp <= 0x217f) ||
               (cp >= 0x24b6 && cp <= 0x24e9) || (cp >= 0x1f130 && cp <= 0x1f149) ||
               (cp >= 0x1f150 && cp <= 0x1f169) || (cp >= 0x1f170 && cp <= 0x1f189);
    }
}

/* A sigma is final when a cased letter stands before it and none behind it, with what is
 * case-ignorable skipped. at: the sigma, two bytes. */
static bool final_sigma(const char *text, size_t length, size_t at)
{
    uint32_t cp = 0;
    size_t i = at;
    bool found = false;

    while (i > 0 && !found) {
        size_t end = i--;
        while (i > 0 && end - i < 4 && ((unsigned char)text[i] & 0xc0) == 0x80) i--;
        rk_utf8_decode(&cp, text + i, end - i);
        found = !case_ignorable(cp);
    }
    if (!found || !cased(cp)) return false;
    for (i = at + 2; i < length;) {
        const size_t used = rk_utf8_decode(&cp, text + i, length - i);
        if (used == 0) return true;
        if (!case_ignorable(cp)) return !cased(cp);
        i += used;
    }
    return true;
}

/* ---- one pass over the text ---- */

/* What becomes of a byte: below 0x80 that byte is written. */
enum { DROPPED = 0xff, SPACE = 0xfe, NOT_ASCII = 0xfd };

/* No character grows to more bytes than that, times its own; test_clean tries every one. */
enum { GROWTH = 2 };

typedef struct cleaner {
    rk_buffer *out;        /* with room for all that can come */
    unsigned steps;
    bool words;            /* white space only parts words, which are joined by one space */
    size_t start;          /* of this text in out */
    size_t word;           /* of the word that is being written; SIZE_MAX between words */
    uint8_t to[256];
} cleaner;

static void set_bytes(cleaner *c)
{
    for (unsigned b = 0; b < 256; b++) {
        const bool upper = b >= 'A' && b <= 'Z' && (c->steps & RK_CLEAN_LOWER);
        const unsigned low = upper ? b | 0x20 : b;
        const bool space = b == ' ' || (b >= 9 && b <= 13) || (b >= 0x1c && b <= 0x1f);
        const bool letter = low >= 'a' && low <= 'z';
        unsigned to = low;
        if (b >= 0x80) to = NOT_ASCII;
        else if (space) to = c->words ? SPACE : b;
        else if ((c->steps & RK_CLEAN_STRIP_SPECIAL) && !letter) to = DROPPED;
        c->to[b] = (uint8_t)to;
    }
}

static void end_word(cleaner *c)
{
    const char *word;
    size_t length;

    if (c->word == SIZE_MAX) return;
    length = c->out->length - c->word;
    word = c->out->data + c->word;
    if ((c->steps & RK_CLEAN_STOPWORDS) && rk_stopword(word, length) &&
        !((c->steps & RK_CLEAN_KEEP_NEGATION) && rk_negation(word, length)))
        c->out->length = c->word > c->start ? c->word - 1 : c->word;    /* with the space before */
    c->word = SIZE_MAX;
}

static void begin_word(cleaner *c)
{
    if (!c->words || c->word != SIZE_MAX) return;
    if (c->out->length > c->start) c->out->data[c->out->length++] = ' ';
    c->word = c->out->length;
}

static void put(cleaner *c, uint32_t cp)
{
    const bool space = rk_char_python_space(cp);

    if ((c->steps & RK_CLEAN_STRIP_SPECIAL) && !space && (cp < 'a' || cp > 'z')) return;
    if (c->words && space) {
        end_word(c);
        return;
    }
    begin_word(c);
    c->out->length += rk_utf8_encode(c->out->data + c->out->length, cp);
}

/* The character at text[i], which is not ASCII; returns its bytes. */
static size_t put_character(cleaner *c, const char *text, size_t length, size_t i)
{
    const bool lower = c->steps & RK_CLEAN_LOWER;
    uint32_t cp;
    const size_t used = rk_utf8_decode(&cp, text + i, length - i);

    if (used == 0) return length - i;    /* the caller has checked; never a loop without end */
    if (lower && cp == SIGMA) {
        put(c, final_sigma(text, length, i) ? SIGMA_FINAL : SIGMA_SMALL);
    } else if (lower && cp == I_WITH_DOT) {
        put(c, 'i');
        put(c, DOT_ABOVE);
    } else {
        put(c, lower ? rk_char_lower(cp) : cp);
    }
    return used;
}

/* Writes the bytes from text[i] on up to one that is not simply written; returns its place. */
static size_t put_run(cleaner *c, const char *text, size_t length, size_t i)
{
    size_t at;
    uint8_t to;

    begin_word(c);
    at = c->out->length;
    while (i < length && (to = c->to[(unsigned char)text[i]]) < 0x80) {
        c->out->data[at++] = (char)to;
        i++;
    }
    c->out->length = at;
    return i;
}

void rk_clean_apply(rk_buffer *out, unsigned steps, const char *text, size_t length)
{
    cleaner c = {.out = out, .steps = steps, .start = out->length, .word = SIZE_MAX};
    size_t room, i = 0;

    if (steps == 0) {
        rk_buffer_put(out, text, length);
        return;
    }
    if (!rk_mul(&room, length, GROWTH)) room = SIZE_MAX;    /* which fails for want of memory */
    if (!rk_buffer_reserve(out, room)) return;
    c.words = (steps & (RK_CLEAN_COLLAPSE | RK_CLEAN_STOPWORDS)) != 0;
    set_bytes(&c);
    while (i < length) {
        const uint8_t to = c.to[(unsigned char)text[i]];
        if (to < 0x80) {
            i = put_run(&c, text, length, i);
        } else if (to == NOT_ASCII) {
            i += put_character(&c, text, length, i);
        } else {
            if (to == SPACE) end_word(&c);
            i++;
        }
    }
    end_word(&c);
    out->data[out->length] = '\0';
}
