/* links: base text */
/* tokenizer.json: refused, or a tokenizer that writes itself down and reads back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "Enaknya [SEP]<x> tidak\xc2\xa0"
                           "ENAK,\xe4\xb8\xad\xcc\x81 \xea\xb0\x80!";

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "fuzz_tokenizer_json: %s\n", what);
    abort();
}

static void encode(const rk_tokenizer *t, rk_ids *ids)
{
    bool cut;
    must(rk_tokenizer_encode(t, text, sizeof text - 1, 16, ids, &cut, NULL) == RK_OK, "no ids");
    must(ids->count <= 16, "too many ids");
    for (size_t i = 0; i < ids->count; i++) {
        must(ids->id[i] >= 0 && (size_t)ids->id[i] < rk_tokenizer_size(t), "an id out of range");
        must(rk_tokenizer_token(t, ids->id[i]) != NULL, "an id without a token");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL, *own;
    rk_tokenizer *t, *again = NULL;
    rk_error err = {RK_OK, ""};
    rk_ids a = {0}, b = {0};

    if (rk_json_parse(&json, (const char *)data, size, "fuzz.json", &err)) return 0;
    if (rk_tokenizer_from_json(&t, json, "fuzz.json", &err)) {
        must(err.message[0] && !strchr(err.message, '\n'), "no message of one line");
        json_decref(json);
        return 0;
    }
    encode(t, &a);
    own = rk_tokenizer_json(t);
    must(own != NULL, "not written");
    must(rk_tokenizer_from_json(&again, own, "own", &err) == RK_OK, err.message);
    encode(again, &b);
    must(a.count == b.count && memcmp(a.id, b.id, a.count * sizeof *a.id) == 0, "other ids");
    rk_ids_clear(&a);
    rk_ids_clear(&b);
    rk_tokenizer_close(t);
    rk_tokenizer_close(again);
    json_decref(own);
    json_decref(json);
    return 0;
}
