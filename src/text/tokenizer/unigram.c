/* The path of best score through a word's pieces. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_parts.h"

static const double UNKNOWN_PENALTY = 10.0;

/* The reference's JSON reader takes the digits as one integer and scales it by a power of ten, two
 * roundings where one would do. Scores that differ in the last bit decide between paths of equal
 * score, so they are made the same way from the shortest digits, which is how files hold them. */
double rk_unigram_read(double score)
{
    char text[RK_REAL_SIZE];
    uint64_t digits = 0;
    long exponent = 0;
    double x, scale = 1.0;
    bool point = false;

    if (!isfinite(score)) return score;
    rk_json_real(text, fabs(score));
    for (const char *p = text; *p; p++) {
        if (*p == 'e') {
            exponent += strtol(p + 1, NULL, 10);
            break;
        }
        if (*p == '.') {
            point = true;
            continue;
        }
        digits = digits * 10 + (uint64_t)(*p - '0');
        exponent -= point;
    }
    if (exponent < -22 || exponent > 22) return score;    /* powers that are not exact themselves */
    for (long i = labs(exponent); i > 0; i--) scale *= 10.0;
    x = exponent < 0 ? (double)digits / scale : (double)digits * scale;
    return score < 0 ? -x : x;
}

/* The best way to end a piece here. */
typedef struct best {
    double score;
    size_t start, next;          /* of the piece; where the next piece of the path ends */
    int32_t id;
    bool reached;
} best;

static void offer(best *b, double score, size_t start, int32_t id)
{
    if (b->reached && !(score > b->score)) return;
    *b = (best){score, start, 0, id, true};
}

static void find_path(const rk_tokenizer *t, const char *word, size_t length, best *ends)
{
    const rk_trie *pieces = &t->pieces;
    const double unknown = t->min_score - UNKNOWN_PENALTY;
    size_t i = 0;

    for (size_t k = 0; k <= length; k++) ends[k].reached = false;
    ends[0].score = 0.0;
    while (i < length) {
        const size_t used = rk_utf8_length(word + i, length - i);
        const size_t n = used ? used : 1;
        const double here = ends[i].score;
        uint32_t node = t->head[0][(unsigned char)word[i]];
        bool single = false;
        for (size_t k = i + 1; node != RK_TRIE_NONE; k++) {
            const int32_t id = pieces->value[node];
            if (id >= 0) {
                offer(&ends[k], t->read[id] + here, i, id);
                single = single || k == i + n;
            }
            if (k == length) break;
            node = rk_trie_child(pieces, node, (uint8_t)word[k]);
        }
        if (!single) offer(&ends[i + n], unknown + here, i, t->unigram_unk);
        i += n;
    }
}

/* A piece, or a run of unknown ones taken as one. */
static bool put_piece(const rk_tokenizer *t, const char *text, size_t length, rk_ids *ids)
{
    const int32_t id = rk_tokenizer_find_piece(t, text, length);
    bool bytes = id < 0 && t->byte_fallback;

    for (size_t i = 0; i < length && bytes; i++) bytes = t->byte_id[(unsigned char)text[i]] >= 0;
    if (!rk_ids_reserve(ids, bytes ? length : 1)) return false;
    if (!bytes) ids->id[ids->count++] = id < 0 ? t->unigram_unk : id;
    for (size_t i = 0; i < length && bytes; i++)
        ids->id[ids->count++] = t->byte_id[(unsigned char)text[i]];
    return true;
}

bool rk_unigram_word(const rk_tokenizer *t, const char *word, size_t length, rk_ids *ids,
                     rk_work *w)
{
    best *ends = rk_work_model(w, length + 1, sizeof *ends);

    if (!ends) return false;
    find_path(t, word, length, ends);
    for (size_t end = length; end > 0; end = ends[end].start) ends[ends[end].start].next = end;
    for (size_t at = 0; at < length;) {
        size_t end = ends[at].next;
        if (ends[end].id != t->unigram_unk) {
            if (!rk_ids_reserve(ids, 1)) return false;
            ids->id[ids->count++] = ends[end].id;
        } else {
            while (end < length && ends[ends[end].next].id == t->unigram_unk) end = ends[end].next;
            if (!put_piece(t, word + at, end - at, ids)) return false;
        }
        at = end;
    }
    return true;
}
