/* The steps of a tokenizer.json, one after another. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/steps/flow.h"
#include "text/unicode/unicode.h"

/* ---- memory ---- */

void rk_flow_put(rk_flow *f, const char *bytes, size_t length, bool from_first)
{
    /* steps that replace a character by many, one after another, would grow without end */
    if (length > RK_FLOW_MAX - f->text.length) f->text.failed = true;
    rk_buffer_put(&f->text, bytes, length);
    if (from_first) f->first = f->text.length;
}

void rk_flow_put_char(rk_flow *f, uint32_t cp, bool from_first)
{
    char bytes[4];
    rk_flow_put(f, bytes, rk_utf8_encode(bytes, cp), from_first);
}

static void clear(rk_flow *f)
{
    rk_buffer_clear(&f->text);
    f->text.failed = false; /* of an earlier text */
    f->first = 0;
}

bool rk_pieces_put(rk_pieces *p, size_t offset, size_t length, size_t first)
{
    if (length == 0) return true;    /* nothing is no word */
    if (p->count == p->capacity) {
        const size_t capacity = p->capacity ? p->capacity * 2 : 64;
        rk_piece *grown = rk_realloc(p->item, capacity, sizeof *grown);
        if (!grown) return false;
        p->item = grown;
        p->capacity = capacity;
    }
    p->item[p->count++] = (rk_piece){offset, length, first < length ? first : length};
    return true;
}

void *rk_work_model(rk_work *w, size_t count, size_t size)
{
    size_t bytes;
    if (!rk_mul(&bytes, count, size)) return NULL;
    if (bytes > w->model_bytes || !w->model) {
        void *grown = rk_realloc(w->model, bytes ? bytes : 1, 1);
        if (!grown) return NULL;
        w->model = grown;
        w->model_bytes = bytes;
    }
    return w->model;
}

void rk_work_free(rk_work *w)
{
    rk_free(w->scratch.data);
    for (int i = 0; i < 2; i++) {
        rk_buffer_free(&w->flow[i].text);
        rk_buffer_free(&w->split[i].text);
        rk_free(w->pieces[i].item);
    }
    rk_free(w->model);
    memset(w, 0, sizeof *w);
}

void rk_steps_free(rk_steps *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->norms; i++) {
        rk_free(s->norm[i].pattern.literal);
        rk_free(s->norm[i].content);
        rk_charsmap_close(s->norm[i].map);
    }
    for (size_t i = 0; i < s->splits; i++) rk_free(s->split[i].pattern.literal);
    rk_free(s);
}

/* ---- normalisers ---- */

static void put_lower(rk_flow *out, const char *text, size_t length, size_t first)
{
    for (size_t i = 0; i < length;) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        if (n == 0) break;
        if (cp == 0x130) rk_flow_put(out, "i\xcc\x87", 3, i < first);
        else rk_flow_put_char(out, rk_char_lower(cp), i < first);
        i += n;
    }
}

static void put_without_marks(rk_flow *out, const char *text, size_t length, size_t first)
{
    for (size_t i = 0; i < length;) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        if (n == 0) break;
        if (!(rk_pattern_class(cp) & RK_PAT_MARK)) rk_flow_put(out, text + i, n, i < first);
        i += n;
    }
}

/* SentencePiece's first step: controls out, all kinds of white space to a space. */
static void put_nmt(rk_flow *out, const char *text, size_t length, size_t first)
{
    for (size_t i = 0; i < length;) {
        uint32_t cp;
        const size_t n = rk_utf8_decode(&cp, text + i, length - i);
        const bool from_first = i < first;
        if (n == 0) break;
        if ((cp >= 1 && cp <= 8) || cp == 0xb || (cp >= 0xe && cp <= 0x1f) || cp == 0x7f ||
            cp == 0x8f || cp == 0x9f) {
            i += n;
            continue;
        }
        if (cp == 9 || cp == 0xa || cp == 0xc || cp == 0xd || cp == 0x1680 ||
            (cp >= 0x200b && cp <= 0x200f) || cp == 0x2028 || cp == 0x2029 || cp == 0x2581 ||
            cp == 0xfeff || cp == 0xfffd)
            rk_flow_put(out, " ", 1, from_first);
        else
            rk_flow_put(out, text + i, n, from_first);
        i += n;
    }
}

static void put_stripped(rk_flow *out, const rk_norm_step *n, const char *text, size_t length,
                         size_t first)
{
    size_t from = 0, to = length, last = 0;
    bool begun = false;

    for (size_t i = 0; i < length;) {
        uint32_t cp;
        const size_t used = rk_utf8_decode(&cp, text + i, length - i);
        if (used == 0) break;
        if (!(rk_char_class(cp) & RK_CHAR_SPACE)) {
            if (!begun) from = i;
            begun = true;
            last = i + used;
        }
        i += used;
    }
    if (!begun) from = length;
    if (!n->left) from = 0;
    if (n->right) to = last > from ? last : from;
    if (from >= to) return;
    rk_flow_put(out, text + from, to - from, false);
    if (first > from) out->first = first - from < to - from ? first - from : to - from;
}

static void put_replaced(rk_flow *out, const rk_norm_step *n, const char *text, size_t length,
                         size_t first)
{
    size_t from = 0, start, end;

    while (rk_pattern_next(&n->pattern, text, length, from, &start, &end)) {
        rk_flow_put(out, text + from, start - from, false);
        if (from < first) out->first = out->text.length - (start > first ? start - first : 0);
        rk_flow_put(out, n->content, n->content_length, end <= first);
        from = end;
    }
    rk_flow_put(out, text + from, length - from, false);
    if (from < first) out->first = out->text.length - (length - first);
}

static void put_bert(rk_flow *out, rk_scratch *scratch, const rk_normalizer *n, const char *text,
                     size_t length, size_t first)
{
    /* The first character is normalised with the rest, so its share is what it gives alone; a Han
     * character's spaces come from it too. */
    size_t own = 0;
    if (first > 0 && rk_normalize(scratch, n, text, first)) own = scratch->length;
    if (!rk_normalize(scratch, n, text, length)) {
        out->text.failed = true;
        return;
    }
    rk_flow_put(out, scratch->data, scratch->length, false);
    out->first = own < scratch->length ? own : scratch->length;
}

static void apply(rk_flow *out, rk_scratch *scratch, const rk_norm_step *n, const rk_flow *in)
{
    const char *text = in->text.data ? in->text.data : "";
    const size_t length = in->text.length, first = in->first;

    switch (n->kind) {
    case RK_NORM_BERT: put_bert(out, scratch, &n->bert, text, length, first); break;
    case RK_NORM_LOWER: put_lower(out, text, length, first); break;
    case RK_NORM_FORM:
        if (!rk_form_put(out, n->form, text, length, first)) out->text.failed = true;
        break;
    case RK_NORM_STRIP: put_stripped(out, n, text, length, first); break;
    case RK_NORM_MARKS: put_without_marks(out, text, length, first); break;
    case RK_NORM_REPLACE: put_replaced(out, n, text, length, first); break;
    case RK_NORM_PREPEND:
        if (length) rk_flow_put(out, n->content, n->content_length, first > 0);
        rk_flow_put(out, text, length, false);
        if (first) out->first = n->content_length + first;
        break;
    case RK_NORM_CHARSMAP: rk_charsmap_put(out, n->map, text, length, first); break;
    case RK_NORM_NMT: put_nmt(out, text, length, first); break;
    }
}

const rk_flow *rk_steps_normalize(const rk_steps *s, rk_work *w, const char *text, size_t length,
                                  bool at_start)
{
    rk_flow *in = &w->flow[0], *out = &w->flow[1], *other;

    clear(in);
    rk_flow_put(in, text, length, false);
    if (at_start) in->first = rk_utf8_length(text, length);
    clear(out);
    for (size_t i = 0; i < s->norms && !in->text.failed; i++) {
        clear(out);
        apply(out, &w->scratch, &s->norm[i], in);
        other = in;
        in = out;
        out = other;
    }
    return in->text.failed ? NULL : in;
}

/* ---- parting ---- */

/* Takes matches and what lies between them in turn, gives pieces. */
typedef struct parter {
    rk_pieces *out;
    const rk_split_step *step;
    rk_piece whole;
    bool has, last_match, failed;
    size_t start, end;           /* of the piece in hand */
} parter;

static void emit(parter *p)
{
    const size_t first = p->whole.first > p->start ? p->whole.first - p->start : 0;
    if (p->has && !rk_pieces_put(p->out, p->whole.offset + p->start, p->end - p->start, first))
        p->failed = true;
    p->has = false;
}

static void part(parter *p, size_t start, size_t end, bool match)
{
    bool joins = false;

    if (start == end) return;
    if (p->step->invert) match = !match;
    switch (p->step->behavior) {
    case RK_REMOVED:
        if (match) return;
        break;
    case RK_ISOLATED: break;
    case RK_CONTIGUOUS: joins = match == p->last_match; break;
    case RK_WITH_PREVIOUS: joins = match && !p->last_match; break;
    case RK_WITH_NEXT: joins = !match && p->last_match; break;
    }
    if (joins && p->has) {
        p->end = end;
    } else {
        emit(p);
        p->has = true;
        p->start = start;
        p->end = end;
    }
    p->last_match = match;
}

static bool split_at(rk_pieces *out, const rk_split_step *step, const char *base,
                     const rk_pieces *in)
{
    for (size_t i = 0; i < in->count; i++) {
        const char *text = base + in->item[i].offset;
        const size_t length = in->item[i].length;
        parter p = {.out = out, .step = step, .whole = in->item[i]};
        size_t from = 0, start, end;
        while (rk_pattern_next(&step->pattern, text, length, from, &start, &end)) {
            part(&p, from, start, false);
            part(&p, start, end, true);
            from = end;
        }
        part(&p, from, length, false);
        emit(&p);
        if (p.failed) return false;
    }
    return true;
}

static bool starts_with(const char *text, size_t length, const rk_pattern *p)
{
    return length >= p->length && memcmp(text, p->literal, p->length) == 0;
}

static void put_meta(rk_flow *out, const rk_split_step *s, const char *text, size_t length,
                     size_t first)
{
    const rk_pattern *to = &s->pattern;
    const bool already = starts_with(text, length, to) || (length && text[0] == ' ');

    if (!already && (s->scheme == RK_PREPEND_ALWAYS || (s->scheme == RK_PREPEND_FIRST && first)))
        rk_flow_put(out, to->literal, to->length, first > 0);
    for (size_t i = 0; i < length;) {
        const char *space = memchr(text + i, ' ', length - i);
        const size_t end = space ? (size_t)(space - text) : length;
        rk_flow_put(out, text + i, end - i, false);
        if (i < first) out->first = out->text.length - (end > first ? end - first : 0);
        if (space) rk_flow_put(out, to->literal, to->length, end < first);
        i = end + (space != NULL);
    }
}

/* GPT-2's printable characters: the printable ones of Latin-1 are themselves, the others follow
 * from U+0100 on. */
static uint32_t byte_char(unsigned byte)
{
    if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae)
        return byte;
    if (byte <= 0x20) return 0x100 + byte;
    if (byte <= 0xa0) return 0x121 + byte - 0x7f;
    return 0x143;
}

static void put_bytes(rk_flow *out, const char *text, size_t length, size_t first)
{
    for (size_t i = 0; i < length; i++)
        rk_flow_put_char(out, byte_char((unsigned char)text[i]), i < first);
}

static void rewrite(rk_flow *out, const rk_split_step *s, const char *text, size_t length,
                    size_t first)
{
    switch (s->kind) {
    case RK_SPLIT_PREFIX:
        if (text[0] != ' ') rk_flow_put(out, " ", 1, first > 0);
        rk_flow_put(out, text, length, false);
        if (first) out->first = out->text.length - (length - first);
        break;
    case RK_SPLIT_META: put_meta(out, s, text, length, first); break;
    case RK_SPLIT_BYTES: put_bytes(out, text, length, first); break;
    case RK_SPLIT_AT: break;
    }
}

/* Each piece rewritten into `to`. */
static bool rewrite_all(rk_pieces *out, rk_flow *to, const rk_split_step *s, const char *base,
                        const rk_pieces *in)
{
    for (size_t i = 0; i < in->count; i++) {
        const rk_piece *p = &in->item[i];
        const size_t before = to->text.length;
        to->first = before;
        rewrite(to, s, base + p->offset, p->length, p->first);
        if (to->text.failed ||
            !rk_pieces_put(out, before, to->text.length - before, to->first - before))
            return false;
    }
    return true;
}

bool rk_steps_split(const rk_steps *s, rk_work *w, const char *text, size_t length, size_t first,
                    const char **base, const rk_pieces **pieces)
{
    rk_pieces *in = &w->pieces[0], *out = &w->pieces[1], *other;
    size_t flows = 0;
    bool ok;

    in->count = 0;
    *base = text;
    ok = rk_pieces_put(in, 0, length, first);
    for (size_t i = 0; i < s->splits && ok; i++) {
        const rk_split_step *step = &s->split[i];
        out->count = 0;
        if (step->kind == RK_SPLIT_AT) {
            ok = split_at(out, step, *base, in);
        } else {
            rk_flow *to = &w->split[flows++ % 2];
            clear(to);
            ok = rewrite_all(out, to, step, *base, in);
            *base = to->text.data ? to->text.data : "";
        }
        other = in;
        in = out;
        out = other;
    }
    *pieces = in;
    return ok;
}
