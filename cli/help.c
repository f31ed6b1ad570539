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

/* One line, and another where there is a gate. */
const char *cli_exit_code(const cli_command *c, size_t k, int *code)
{
    static const char *const text[] = {"done", "could not: a file, a format, memory, a check",
                                       "wrong use"};
    if (k < sizeof text / sizeof text[0]) {
        *code = (int)k;
        return text[k];
    }
    *code = CLI_GATE;
    if (k > CLI_GATE) return NULL;
    if (!c) return "a gate was not met (compare --max-drop)";
    return strcmp(c->name, "compare") == 0 ? "the drop is larger than --max-drop" : NULL;
}

static void put_exit_codes(const cli_command *c, FILE *to)
{
    const char *text;
    int code;

    fputs("\nExit codes\n ", to);
    for (size_t k = 0; (text = cli_exit_code(c, k, &code)); k++)
        fprintf(to, "%s%d %s", k == CLI_GATE ? "\n  " : k ? "   " : " ", code, text);
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
    put_exit_codes(c, to);
}

void cli_overview(FILE *to)
{
    fprintf(to, "ringkas: %s\n\nUsage\n  ringkas COMMAND [options]\n\nCommands\n", cli_purpose);
    for (size_t i = 0; cli_commands[i]; i++)
        fprintf(to, "  %-9s  %s\n", cli_commands[i]->name, cli_commands[i]->purpose);
    fputs("\nOptions\n", to);
    for (const cli_option *o = cli_top_options; o->name; o++) put_option(to, o);
    fputs("\nExample\n", to);
    put_lines(to, cli_example, 2);
    put_exit_codes(NULL, to);
}
