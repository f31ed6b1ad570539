#include <string.h>

#include "cli.h"

enum { HELP_COLUMN = 26 };

/* Lines of text, each after `indent` blanks. */
static void put_lines(FILE *to, const char *text, int indent)
{
    for (; *text; text += strspn(text, "\n")) {
        const size_t n = strcspn(text, "\n");
        fprintf(to, "%*s%.*s\n", indent, "", (int)n, text);
        text += n;
    }
}

static void put_option(FILE *to, const cli_option *o)
{
    char left[64];
    const char *text = o->help;
    size_t n = strcspn(text, "\n");
    const int used = snprintf(left, sizeof left, "  %c%c%s--%s%s%s", o->letter ? '-' : ' ',
                              o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                              o->value ? " " : "", o->value ? o->value : "");

    if (used >= HELP_COLUMN) fprintf(to, "%s\n%*s", left, HELP_COLUMN, "");
    else fprintf(to, "%-*s", HELP_COLUMN, left);
    for (;;) {
        fprintf(to, "%.*s", (int)n, text);
        text += n;
        if (!*text) break;
        text++;
        n = strcspn(text, "\n");
        fprintf(to, "\n%*s", HELP_COLUMN, "");
    }
    if (o->fallback) fprintf(to, " (default %s)", o->fallback);
    fputc('\n', to);
}

void cli_help(const cli_command *c, FILE *to)
{
    const cli_option *o;
    fprintf(to, "%s: %s\n\nUsage\n", c->name, c->purpose);
    for (const char *line = c->usage; *line; line += strspn(line, "\n")) {
        const size_t n = strcspn(line, "\n");
        if (line == c->usage) fprintf(to, "  ringkas %s %.*s\n", c->name, (int)n, line);
        else fprintf(to, "  %*s%.*s\n", (int)strlen(c->name) + 9, "", (int)n, line);
        line += n;
    }
    fputs("\nOptions\n", to);
    for (size_t k = 0; (o = cli_option_at(c, k)); k++) put_option(to, o);
    if (c->notes) {
        fputc('\n', to);
        put_lines(to, c->notes, 0);
    }
    fputs("\nExample\n", to);
    put_lines(to, c->example, 2);
    fputs("\nExit codes\n"
          "  0 done   1 could not: a file, a format, memory, a check   2 wrong use\n", to);
    if (strcmp(c->name, "compare") == 0) fputs("  3 the drop is larger than --max-drop\n", to);
}
