/* links: base text */
/* Data files, as TSV, as CSV and as JSON Lines, with and without labels. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "support/scratch.h"
#include "text/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "fuzz_rows: %s\n", what);
    abort();
}

/* What is accepted keeps what the header promises. */
static void check(rk_rows *rows, bool labelled)
{
    rk_labels labels = {0};
    size_t line = 0;

    must(rows->count > 0, "no rows");
    for (size_t i = 0; i < rows->count; i++) {
        const rk_row *r = &rows->row[i];
        must(rk_utf8_valid(r->text, r->length, NULL), "a text is not UTF-8");
        must(memchr(r->text, '\0', r->length) == NULL && r->text[r->length] == '\0', "a NUL");
        must(r->line > line, "lines out of order");
        must(!labelled || (r->label && r->label[0] && r->length > 0), "an empty field");
        line = r->line;
    }
    if (rk_labels_from_rows(&labels, rows, NULL) == RK_OK) {
        must(rk_rows_bind(rows, &labels, NULL) == RK_OK, "a label is lost");
        must(rows->row[0].label_id >= 0, "no id");
    }
    rk_labels_free(&labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const name[] = {"rows.tsv", "rows.csv", "rows.jsonl"};

    for (int i = 0; i < 3; i++) {
        const char *path = scratch_write(name[i], data, size);
        for (int labelled = 0; labelled < 2; labelled++) {
            rk_rows *rows;
            rk_error err = {RK_OK, ""};
            if (rk_rows_load(&rows, path, labelled, 0, &err) == RK_OK) check(rows, labelled);
            else must(err.message[0] && !strchr(err.message, '\n'), "no message of one line");
            rk_rows_free(rows);
        }
    }
    return 0;
}
