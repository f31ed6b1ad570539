#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "text/clean.h"
#include "text/learn/vocab_parts.h"

enum { FIRST_TABLE = 1024 };

static bool grow_table(rk_strings *s)
{
    const size_t size = s->table_size ? s->table_size * 2 : FIRST_TABLE;
    uint32_t *table = rk_calloc(size, sizeof *table);
    if (!table) return false;
    for (size_t i = 0; i < s->count; i++) {
        size_t at = s->item[i].hash & (size - 1);
        while (table[at]) at = (at + 1) & (size - 1);
        table[at] = (uint32_t)i + 1;
    }
    rk_free(s->table);
    s->table = table;
    s->table_size = size;
    return true;
}

static bool append(rk_strings *s, const char *text, size_t length, uint32_t hash)
{
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity ? s->capacity * 2 : FIRST_TABLE;
        struct rk_string *grown = rk_realloc(s->item, capacity, sizeof *grown);
        if (!grown) return false;
        s->item = grown;
        s->capacity = capacity;
    }
    s->item[s->count] = (struct rk_string){s->bytes.length, (uint32_t)length, hash};
    rk_buffer_put(&s->bytes, text, length);
    rk_buffer_put(&s->bytes, "", 1);
    if (s->bytes.failed) return false;
    s->count++;
    return true;
}

size_t rk_strings_put(rk_strings *s, const char *text, size_t length, bool *fresh)
{
    const uint32_t hash = rk_hash(text, length);
    size_t at;

    *fresh = false;
    if (length >= UINT32_MAX || s->count >= UINT32_MAX - 1) return SIZE_MAX;
    if (s->count * 2 >= s->table_size && !grow_table(s)) return SIZE_MAX;
    for (at = hash & (s->table_size - 1); s->table[at]; at = (at + 1) & (s->table_size - 1)) {
        const struct rk_string *i = &s->item[s->table[at] - 1];
        if (i->hash == hash && i->length == length &&
            memcmp(s->bytes.data + i->offset, text, length) == 0)
            return s->table[at] - 1;
    }
    if (!append(s, text, length, hash)) return SIZE_MAX;
    s->table[at] = (uint32_t)s->count;
    *fresh = true;
    return s->count - 1;
}

void rk_strings_free(rk_strings *s)
{
    rk_buffer_free(&s->bytes);
    rk_free(s->item);
    rk_free(s->table);
    memset(s, 0, sizeof *s);
}

/* ---- counting ---- */

typedef struct counting {
    rk_word_counts *w;
    size_t max_chars;
    bool failed;
} counting;

static bool count_word(void *context, const char *text, size_t length)
{
    counting *c = context;
    rk_word_counts *w = c->w;
    size_t chars = 0, i;
    bool fresh;

    for (i = 0; i < length; i++) chars += ((unsigned char)text[i] & 0xc0) != 0x80;
    if (chars > c->max_chars) return true;
    i = rk_strings_put(&w->words, text, length, &fresh);
    if (i != SIZE_MAX && i >= w->capacity) {
        const size_t capacity = w->capacity ? w->capacity * 2 : FIRST_TABLE;
        uint64_t *grown = rk_realloc(w->count, capacity, sizeof *grown);
        if (grown) {
            w->count = grown;
            w->capacity = capacity;
        }
    }
    c->failed = i == SIZE_MAX || i >= w->capacity;
    if (c->failed) return false;
    w->count[i] = fresh ? 1 : w->count[i] + 1;
    return true;
}

static bool skip_token(void *context, int32_t id)
{
    (void)context;
    (void)id;
    return true;
}

rk_status rk_words_count(rk_word_counts *out, const rk_tokenizer *t, const rk_rows *rows,
                         unsigned clean_steps, rk_error *err)
{
    counting c = {out, t->max_chars, false};
    rk_word_sink sink = {.word = count_word, .token = skip_token, .context = &c};
    rk_buffer cleaned = {0};

    memset(out, 0, sizeof *out);
    for (size_t r = 0; r < rows->count && !c.failed; r++) {
        rk_buffer_clear(&cleaned);
        rk_clean_apply(&cleaned, clean_steps, rows->row[r].text, rows->row[r].length);
        if (cleaned.failed || (cleaned.length && !rk_words(t, cleaned.data, cleaned.length, &sink)))
            c.failed = true;
    }
    rk_buffer_free(&cleaned);
    rk_work_free(&sink.work);
    if (!c.failed) return RK_OK;
    rk_word_counts_free(out);
    return rk_fail(err, RK_E_MEMORY, "out of memory while counting words");
}

void rk_word_counts_free(rk_word_counts *w)
{
    rk_strings_free(&w->words);
    rk_free(w->count);
    memset(w, 0, sizeof *w);
}
