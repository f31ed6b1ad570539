/* A WordPiece vocabulary by merging: words start as characters, and the pair of neighbouring pieces
 * that is most frequent in the rows becomes one piece, again and again (byte-pair encoding on
 * characters, after Sennrich, Haddow and Birch 2016, with "##" before pieces inside a word). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"
#include "text/learn/vocab_parts.h"

enum { SCALARS = 0x110000, LEAST_COUNT = 2 };    /* a pair seen once is a coincidence */

typedef struct pair {
    uint32_t a, b;
    uint64_t count;
    uint32_t first;        /* of its occurrences, index + 1 */
    uint32_t touched;      /* the merge that last raised its count */
} pair;

/* A word that holds a pair, or once did. */
typedef struct occurrence {
    uint32_t word, next;
} occurrence;

typedef struct candidate {
    uint64_t count;
    uint32_t pair;
} candidate;

typedef struct span {
    size_t offset;
    uint32_t length;
} span;

typedef struct learner {
    rk_strings tokens;             /* their numbers are the ids */
    const uint64_t *count;         /* of each word */
    span *word;                    /* [words] pieces of each word in `piece` */
    size_t words;
    uint32_t *piece;
    pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *pair_table;          /* pair + 1; open addressing */
    size_t pair_table_size;
    occurrence *occ;
    size_t occ_count, occ_capacity;
    candidate *heap;
    size_t heap_count, heap_capacity;
    uint32_t *raised;              /* pairs whose count the current merge raised */
    size_t raised_count, raised_capacity;
    uint32_t merge;
    bool failed;
} learner;

/* The array with room for one more; as it was, and l->failed, when out of memory. */
static void *room(learner *l, void *array, size_t *capacity, size_t count, size_t size)
{
    const size_t wanted = *capacity ? *capacity * 2 : 1024;
    void *grown;

    if (count < *capacity) return array;
    grown = wanted < UINT32_MAX ? rk_realloc(array, wanted, size) : NULL;
    if (!grown) {
        l->failed = true;
        return array;
    }
    *capacity = wanted;
    return grown;
}

/* ---- pairs ---- */

static size_t pair_slot(const learner *l, uint32_t a, uint32_t b)
{
    const uint64_t key = (uint64_t)a << 32 | b;
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (l->pair_table_size - 1);
    while (l->pair_table[at]) {
        const pair *p = &l->pairs[l->pair_table[at] - 1];
        if (p->a == a && p->b == b) break;
        at = (at + 1) & (l->pair_table_size - 1);
    }
    return at;
}

static bool grow_pair_table(learner *l)
{
    const size_t size = l->pair_table_size ? l->pair_table_size * 2 : 4096;
    uint32_t *old = l->pair_table;
    uint32_t *table = rk_calloc(size, sizeof *table);
    if (!table) return false;
    l->pair_table = table;
    l->pair_table_size = size;
    for (size_t i = 0; i < l->pair_count; i++)
        table[pair_slot(l, l->pairs[i].a, l->pairs[i].b)] = (uint32_t)i + 1;
    rk_free(old);
    return true;
}

static pair *find_pair(learner *l, uint32_t a, uint32_t b)
{
    size_t at;

    if (l->pair_count * 2 >= l->pair_table_size && !grow_pair_table(l)) l->failed = true;
    l->pairs = room(l, l->pairs, &l->pair_capacity, l->pair_count, sizeof *l->pairs);
    if (l->failed) return NULL;
    at = pair_slot(l, a, b);
    if (!l->pair_table[at]) {
        l->pairs[l->pair_count++] = (pair){a, b, 0, 0, UINT32_MAX};
        l->pair_table[at] = (uint32_t)l->pair_count;
    }
    return &l->pairs[l->pair_table[at] - 1];
}

/* ---- candidates: a heap, most frequent first, then by the ids so that the order is total ---- */

static bool before(const learner *l, candidate x, candidate y)
{
    const pair *p = &l->pairs[x.pair], *q = &l->pairs[y.pair];
    if (x.count != y.count) return x.count > y.count;
    if (p->a != q->a) return p->a < q->a;
    return p->b < q->b;
}

static void push(learner *l, candidate c)
{
    size_t i = l->heap_count;

    if (c.count < LEAST_COUNT) return;
    l->heap = room(l, l->heap, &l->heap_capacity, l->heap_count, sizeof *l->heap);
    if (l->failed) return;
    l->heap_count++;
    while (i > 0 && before(l, c, l->heap[(i - 1) / 2])) {
        l->heap[i] = l->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    l->heap[i] = c;
}

static candidate pop(learner *l)
{
    const candidate top = l->heap[0], last = l->heap[--l->heap_count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->heap_count) break;
        if (child + 1 < l->heap_count && before(l, l->heap[child + 1], l->heap[child])) child++;
        if (!before(l, l->heap[child], last)) break;
        l->heap[i] = l->heap[child];
        i = child;
    }
    l->heap[i] = last;
    return top;
}

/* ---- counting the pairs of a word ---- */

static void raise_pair(learner *l, uint32_t a, uint32_t b, uint32_t word)
{
    pair *p = find_pair(l, a, b);

    l->occ = room(l, l->occ, &l->occ_capacity, l->occ_count, sizeof *l->occ);
    l->raised = room(l, l->raised, &l->raised_capacity, l->raised_count, sizeof *l->raised);
    if (!p || l->failed) return;
    p->count += l->count[word];
    if (!p->first || l->occ[p->first - 1].word != word) {
        l->occ[l->occ_count++] = (occurrence){word, p->first};
        p->first = (uint32_t)l->occ_count;
    }
    if (p->touched == l->merge) return;
    p->touched = l->merge;
    l->raised[l->raised_count++] = (uint32_t)(p - l->pairs);
}

static void raise_word(learner *l, uint32_t word)
{
    const span w = l->word[word];
    for (uint32_t i = 0; i + 1 < w.length && !l->failed; i++)
        raise_pair(l, l->piece[w.offset + i], l->piece[w.offset + i + 1], word);
}

static void lower_word(learner *l, uint32_t word)
{
    const span w = l->word[word];
    for (uint32_t i = 0; i + 1 < w.length && !l->failed; i++) {
        pair *p = find_pair(l, l->piece[w.offset + i], l->piece[w.offset + i + 1]);
        if (p) p->count -= l->count[word];
    }
}

static void push_raised(learner *l)
{
    for (size_t i = 0; i < l->raised_count && !l->failed; i++)
        push(l, (candidate){l->pairs[l->raised[i]].count, l->raised[i]});
    l->raised_count = 0;
}

/* ---- merging ---- */

static bool holds(const learner *l, uint32_t word, uint32_t a, uint32_t b)
{
    const span w = l->word[word];
    for (uint32_t i = 0; i + 1 < w.length; i++)
        if (l->piece[w.offset + i] == a && l->piece[w.offset + i + 1] == b) return true;
    return false;
}

static void merge_in_word(learner *l, uint32_t word, uint32_t a, uint32_t b, uint32_t joined)
{
    span *w = &l->word[word];
    uint32_t *p = l->piece + w->offset, kept = 0;

    for (uint32_t i = 0; i < w->length; i++) {
        if (i + 1 < w->length && p[i] == a && p[i + 1] == b) {
            p[kept++] = joined;
            i++;
        } else {
            p[kept++] = p[i];
        }
    }
    w->length = kept;
}

/* The id of a's text with b's, without the mark that b carries as a piece inside a word. */
static uint32_t join_tokens(learner *l, uint32_t a, uint32_t b)
{
    rk_buffer text = {0};
    size_t id = SIZE_MAX;
    bool fresh;

    rk_buffer_put(&text, l->tokens.bytes.data + l->tokens.item[a].offset, l->tokens.item[a].length);
    rk_buffer_put(&text, l->tokens.bytes.data + l->tokens.item[b].offset + 2,
                  l->tokens.item[b].length - 2);
    if (!text.failed) id = rk_strings_put(&l->tokens, text.data, text.length, &fresh);
    rk_buffer_free(&text);
    if (id == SIZE_MAX) l->failed = true;
    return (uint32_t)id;
}

static void merge(learner *l, uint32_t index)
{
    const pair p = l->pairs[index];
    const uint32_t joined = join_tokens(l, p.a, p.b);

    l->merge++;
    for (uint32_t o = p.first; o && !l->failed; o = l->occ[o - 1].next) {
        const uint32_t word = l->occ[o - 1].word;
        if (!holds(l, word, p.a, p.b)) continue;
        lower_word(l, word);
        merge_in_word(l, word, p.a, p.b, joined);
        raise_word(l, word);
    }
    push_raised(l);
}

static void merge_until(learner *l, size_t size)
{
    while (l->heap_count && l->tokens.count < size && !l->failed) {
        const candidate c = pop(l);
        const uint64_t now = l->pairs[c.pair].count;
        if (now == c.count) merge(l, c.pair);
        else if (now < c.count) push(l, (candidate){now, c.pair});
        /* else: it was raised, and a candidate with the higher count has been here */
    }
}

/* ---- the start: special tokens, characters, words as characters ---- */

/* A character and the id + 1 of its token at a word's start and inside one, 0 for none. */
typedef struct letter {
    uint32_t cp, start, inside;
} letter;

typedef struct alphabet {
    letter *letter;        /* [count], by cp */
    size_t count;
} alphabet;

static bool put_token(learner *l, const char *text, size_t length, uint32_t *id)
{
    bool fresh;
    const size_t i = rk_strings_put(&l->tokens, text, length, &fresh);
    if (i == SIZE_MAX) return false;
    if (id) *id = (uint32_t)i + 1;
    return true;
}

/* Punctuation and Han stand alone, so only other characters get a form inside words. All of these
 * do, seen there or not: otherwise a known letter in a new place would make a word unknown. */
static bool put_alphabet(learner *l, const alphabet *a)
{
    char text[6] = "##";
    bool ok = true;

    for (size_t i = 0; i < a->count && ok; i++) {
        letter *c = &a->letter[i];
        const size_t n = rk_utf8_encode(text + 2, c->cp);
        ok = put_token(l, text + 2, n, &c->start);
        if (ok && !(rk_char_class(c->cp) & (RK_CHAR_PUNCT | RK_CHAR_HAN)))
            ok = put_token(l, text, n + 2, &c->inside);
    }
    return ok;
}

static const letter *find_letter(const alphabet *a, uint32_t cp)
{
    size_t lo = 0, hi = a->count - 1;    /* every character that is asked for is there */
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (a->letter[mid].cp < cp) lo = mid + 1;
        else hi = mid;
    }
    return &a->letter[lo];
}

static bool make_pieces(learner *l, const rk_word_counts *w, const alphabet *a)
{
    size_t at = 0;

    l->count = w->count;
    l->words = w->words.count;
    l->word = rk_calloc(l->words, sizeof *l->word);
    l->piece = rk_calloc(w->words.bytes.length, sizeof *l->piece);
    if (!l->word || !l->piece) return false;
    for (size_t i = 0; i < l->words; i++) {
        const char *text = w->words.bytes.data + w->words.item[i].offset;
        const size_t length = w->words.item[i].length;
        uint32_t cp, n = 0;
        l->word[i].offset = at;
        for (size_t b = 0; b < length; n++) {
            const letter *c;
            uint32_t id;
            b += rk_utf8_decode(&cp, text + b, length - b);
            c = find_letter(a, cp);
            id = n == 0 ? c->start : c->inside;
            if (id == 0) n = 0;    /* stands alone, so it cannot be here; the word is left out */
            if (id == 0) break;
            l->piece[at++] = id - 1;
        }
        l->word[i].length = n;
    }
    return true;
}

/* Fills the alphabet with the distinct characters of the words. */
static bool see_characters(alphabet *a, const rk_word_counts *w)
{
    uint64_t *seen = rk_calloc(SCALARS / 64, sizeof *seen);    /* a bit for each */
    uint32_t cp;

    if (!seen) return false;
    for (size_t i = 0; i < w->words.count; i++) {
        const char *text = w->words.bytes.data + w->words.item[i].offset;
        const size_t length = w->words.item[i].length;
        for (size_t b = 0; b < length;) {
            b += rk_utf8_decode(&cp, text + b, length - b);
            a->count += !(seen[cp / 64] >> cp % 64 & 1);
            seen[cp / 64] |= (uint64_t)1 << cp % 64;
        }
    }
    a->letter = rk_calloc(a->count, sizeof *a->letter);
    for (size_t i = 0, n = 0; a->letter && i < SCALARS / 64; i++)
        for (uint32_t bit = 0; seen[i] && bit < 64; bit++)
            if (seen[i] >> bit & 1) a->letter[n++].cp = (uint32_t)i * 64 + bit;
    rk_free(seen);
    return a->letter != NULL;
}

static rk_status begin(learner *l, const char *const *specials, const rk_word_counts *w,
                       size_t size, rk_error *err)
{
    alphabet a = {0};
    bool ok = see_characters(&a, w);
    rk_status st = RK_OK;

    for (size_t i = 0; i < RK_SPECIALS && ok; i++)
        ok = put_token(l, specials[i], strlen(specials[i]), NULL);
    ok = ok && put_alphabet(l, &a);
    if (ok && l->tokens.count > size)
        st = rk_fail(err, RK_E_ARG,
                     "a vocabulary of %zu tokens is too small: the special tokens and "
                     "the characters of the rows are %zu", size, l->tokens.count);
    else if (!ok || !make_pieces(l, w, &a))
        st = rk_fail(err, RK_E_MEMORY, "out of memory while learning the vocabulary");
    rk_free(a.letter);
    return st;
}

static void learner_free(learner *l)
{
    rk_strings_free(&l->tokens);
    rk_free(l->word);
    rk_free(l->piece);
    rk_free(l->pairs);
    rk_free(l->pair_table);
    rk_free(l->occ);
    rk_free(l->heap);
    rk_free(l->raised);
}

static rk_status finish(rk_tokenizer **out, const learner *l, rk_error *err)
{
    const char **list = rk_calloc(l->tokens.count, sizeof *list);
    rk_status st;

    if (!list) return rk_fail(err, RK_E_MEMORY, "out of memory for %zu tokens", l->tokens.count);
    for (size_t i = 0; i < l->tokens.count; i++)
        list[i] = l->tokens.bytes.data + l->tokens.item[i].offset;
    st = rk_tokenizer_from_tokens(out, list, l->tokens.count, err);
    rk_free(list);
    return st;
}

rk_status rk_vocab_learn(rk_tokenizer **out, const rk_rows *rows, unsigned clean_steps, size_t size,
                         rk_error *err)
{
    static const char *const specials[RK_SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    learner l = {0};
    rk_word_counts counts = {0};
    rk_tokenizer *plain = NULL;
    rk_status st;

    *out = NULL;
    if (size > RK_VOCAB_MAX)
        return rk_fail(err, RK_E_ARG, "a vocabulary of %zu tokens; at most %d are made", size,
                       RK_VOCAB_MAX);
    st = rk_tokenizer_from_tokens(&plain, specials, RK_SPECIALS, err);
    if (!st) st = rk_words_count(&counts, plain, rows, clean_steps, err);
    if (!st) st = begin(&l, specials, &counts, size, err);
    if (!st) {
        for (size_t i = 0; i < l.words && !l.failed; i++) raise_word(&l, (uint32_t)i);
        push_raised(&l);
        merge_until(&l, size);
        st = l.failed ? rk_fail(err, RK_E_MEMORY, "out of memory while learning the vocabulary")
                      : finish(out, &l, err);
    }
    rk_tokenizer_close(plain);
    rk_word_counts_free(&counts);
    learner_free(&l);
    return st;
}
