#include "support/token_folder.h"

#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "support/scratch.h"

const char *token_folder(void)
{
    mkdir(scratch_path("m"), 0777);
    return scratch_path("m");
}

const char *token_folder_empty(void)
{
    scratch_remove(scratch_path("m"));
    return token_folder();
}

void token_file(const char *name, const char *text)
{
    token_folder();
    scratch_write(name, text, strlen(text));
}

rk_tokenizer *token_open_json(const char *text, rk_error *err)
{
    rk_tokenizer *t = NULL;
    token_folder_empty();
    token_file("m/tokenizer.json", text);
    if (rk_tokenizer_open(&t, token_folder(), err) == RK_OK) err->message[0] = '\0';
    return t;
}

char *token_ids(const rk_tokenizer *t, const char *text, size_t limit, rk_error *err)
{
    rk_ids ids = {0};
    rk_buffer b = {0};
    bool cut = false;
    const rk_status st = rk_tokenizer_encode(t, text, strlen(text), limit, &ids, &cut, err);

    for (size_t i = 0; i < ids.count; i++) rk_buffer_printf(&b, i ? " %d" : "%d", ids.id[i]);
    if (cut) rk_buffer_puts(&b, " cut");
    rk_ids_clear(&ids);
    if (!st) return rk_buffer_take(&b);
    rk_buffer_free(&b);
    return NULL;
}
