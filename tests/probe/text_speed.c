/* links: base text */
/* Rows per second of the text side, for bench/bench_text.py. Rows lie in memory; a turn makes the
 * ids of all of them by rk_encode_rows and frees them again, cleaned first or not.
 *
 *   text_speed FOLDER FILE...
 *
 * Each line of standard input, "STEPS MAX TIMES", is TIMES turns with these cleaning steps and
 * this maximal length; one line answers: rows, tokens and seconds of one turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/clean.h"
#include "text/rows.h"
#include "text/tokenizer.h"

enum { FILES_MAX = 16 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const rk_error *err)
{
    fprintf(stderr, "%s: %s\n", rk_status_name(err->code), err->message);
    return 1;
}

int main(int argc, char **argv)
{
    rk_rows *rows[FILES_MAX];
    rk_tokenizer *t;
    rk_error err;
    char steps_name[128];
    size_t max, times, files = 0;

    if (argc < 3 || argc - 2 > FILES_MAX) {
        fprintf(stderr, "usage: text_speed FOLDER FILE...\n");
        return 2;
    }
    if (rk_tokenizer_open(&t, argv[1], &err)) return fail(&err);
    for (; argv[files + 2]; files++)
        if (rk_rows_load(&rows[files], argv[files + 2], true, 0, &err)) return fail(&err);
    while (scanf("%127s %zu %zu", steps_name, &max, &times) == 3) {
        size_t count = 0, tokens = 0;
        unsigned steps;
        double began;
        if (rk_clean_parse(&steps, steps_name, &err)) return fail(&err);
        began = now();
        for (size_t k = 0; k < times; k++) {
            for (size_t i = 0; i < files; i++) {
                rk_encoded e;
                if (rk_encode_rows(&e, rows[i], t, steps, max, &err)) return fail(&err);
                count += e.rows;
                tokens += e.tokens;
                rk_encoded_free(&e);
            }
        }
        if (times == 0) return 1;
        printf("%zu %zu %.9f\n", count / times, tokens / times, (now() - began) / (double)times);
        fflush(stdout);
    }
    for (size_t i = 0; i < files; i++) rk_rows_free(rows[i]);
    rk_tokenizer_close(t);
    return 0;
}
