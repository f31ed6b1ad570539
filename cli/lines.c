#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { READ_MIN = 1 << 16, ROOM = CLI_LINE_MAX + 2 };

void cli_lines_free(cli_lines *l)
{
    free(l->data);
    memset(l, 0, sizeof *l);
}

/* Reads more; false at the end of the input or on an error. */
static bool fill(cli_lines *l)
{
    ssize_t n;

    if (l->finished) return false;
    if (l->begin) {
        memmove(l->data, l->data + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    if (l->capacity - l->end < READ_MIN) {
        const size_t more = l->capacity ? 2 * l->capacity : 2 * READ_MIN;
        char *data = realloc(l->data, more);
        if (!data) {
            l->error = ENOMEM;
            l->finished = true;
            return false;
        }
        l->data = data;
        l->capacity = more;
    }
    do n = read(STDIN_FILENO, l->data + l->end, l->capacity - l->end);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        if (n < 0) l->error = errno;
        l->finished = true;
        return false;
    }
    l->end += (size_t)n;
    return true;
}

static bool ready(void)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&p, 1, 0) != 0;     /* an error is found by read */
}

cli_line_kind cli_lines_next(cli_lines *l, bool may_wait, const char **text, size_t *length)
{
    for (;;) {
        char *from = l->data ? l->data + l->begin : NULL;
        const size_t have = l->end - l->begin;
        const char *end = have ? memchr(from, '\n', have) : NULL;
        size_t n = end ? (size_t)(end - from) : have;

        if (l->skipping && end) {             /* the rest of a line that was refused */
            l->begin += n + 1;
            l->skipping = false;
            continue;
        }
        if (l->skipping) {
            l->begin = l->end;
        } else if (end || (l->finished && have)) {
            l->begin += end ? n + 1 : n;
            l->number++;
            if (n && from[n - 1] == '\r') n--;
            *text = from;
            *length = n;
            return n > CLI_LINE_MAX ? CLI_LINE_TOO_LONG : CLI_LINE;
        } else if (have >= ROOM) {
            l->skipping = true;
            l->number++;
            return CLI_LINE_TOO_LONG;
        }
        if (l->finished) return CLI_LINE_NONE;
        if (!may_wait && !ready()) return CLI_LINE_WAIT;
        fill(l);
    }
}
