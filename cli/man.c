/* Man pages, from the tables that --help prints. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

/* Text as troff takes it literally; at the start of a line a dot would be a request. */
static void put_text(FILE *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        const bool start = i == 0 || text[i - 1] == '\n';
        if (start && (c == '.' || c == '\'')) fputs("\\&", to);
        if (c == '\\') fputs("\\e", to);
        else if (c == '-') fputs("\\-", to);
        else if (c == '\'') fputs("\\(aq", to);
        else if (c == '`') fputs("\\(ga", to);
        else if (c == '^') fputs("\\(ha", to);
        else if (c == '~') fputs("\\(ti", to);
        else fputc(c, to);
    }
}

static void put_string(FILE *to, const char *text)
{
    put_text(to, text, strlen(text));
}

/* Name in capitals, section, no date (the same sources give the same page), version. */
static void put_head(FILE *to, const char *command)
{
    fputs(".TH RINGKAS", to);
    if (command) fputc('-', to);
    for (; command && *command; command++) fputc(toupper((unsigned char)*command), to);
    fprintf(to, " 1 \"\" \"ringkas %s\" \"Ringkas\"\n", rk_version());
}

/* Lines as they are. */
static void put_lines(FILE *to, const char *text, const char *before)
{
    fputs(".nf\n", to);
    for (; *text; text += strspn(text, "\n")) {
        const size_t n = strcspn(text, "\n");
        if (before) put_string(to, before);
        put_text(to, text, n);
        fputc('\n', to);
        text += n;
    }
    fputs(".fi\n", to);
}

static void put_option(FILE *to, const cli_option *o)
{
    fputs(".TP\n", to);
    if (o->letter) fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", to);
    put_string(to, o->name);
    fputs("\\fR", to);
    if (o->value) {
        fputs(" \\fI", to);
        put_string(to, o->value);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put_string(to, o->help);
    if (o->fallback) {
        fputs(" (default ", to);
        put_string(to, o->fallback);
        fputc(')', to);
    }
    fputc('\n', to);
}

static void put_exit_codes(FILE *to, const cli_command *c)
{
    int code;
    const char *text;

    fputs(".SH EXIT STATUS\n", to);
    for (size_t k = 0; (text = cli_exit_code(c, k, &code)); k++) {
        fprintf(to, ".TP\n\\fB%d\\fR\n", code);
        put_string(to, text);
        fputc('\n', to);
    }
}

static void put_usage(FILE *to, const cli_command *c)
{
    const char *line = c->usage;
    bool first = true;

    fputs(".SH SYNOPSIS\n.nf\n", to);
    for (; *line; line += strspn(line, "\n")) {
        const size_t n = strcspn(line, "\n");
        if (first) fprintf(to, "\\fBringkas %s\\fR ", c->name);
        else fputs("    ", to);
        put_text(to, line, n);
        fputc('\n', to);
        first = false;
        line += n;
    }
    fputs(".fi\n", to);
}

void cli_man(const cli_command *c, FILE *to)
{
    const cli_option *o;

    put_head(to, c->name);
    fprintf(to, ".SH NAME\nringkas\\-%s \\- ", c->name);
    put_string(to, c->purpose);
    fputc('\n', to);
    put_usage(to, c);
    if (c->notes) {
        fputs(".SH DESCRIPTION\n", to);
        put_string(to, c->notes);
        fputc('\n', to);
    }
    fputs(".SH OPTIONS\n", to);
    for (size_t k = 0; (o = cli_option_at(c, k)); k++) put_option(to, o);
    fputs(".SH EXAMPLES\n", to);
    put_lines(to, c->example, NULL);
    put_exit_codes(to, c);
    fputs(".SH SEE ALSO\n.BR ringkas (1)\n", to);
}

void cli_man_overview(FILE *to)
{
    put_head(to, NULL);
    fputs(".SH NAME\nringkas \\- ", to);
    put_string(to, cli_purpose);
    fputs("\n.SH SYNOPSIS\n\\fBringkas\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.SH COMMANDS\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(to, ".TP\n.BR ringkas\\-%s (1)\n", cli_commands[i]->name);
        put_string(to, cli_commands[i]->purpose);
        fputc('\n', to);
    }
    fputs(".SH OPTIONS\n", to);
    for (const cli_option *o = cli_top_options; o->name; o++) put_option(to, o);
    fputs(".SH EXAMPLES\n", to);
    put_lines(to, cli_example, NULL);
    put_exit_codes(to, NULL);
    fputs(".SH SEE ALSO\n", to);
    for (size_t i = 0; cli_commands[i]; i++)
        fprintf(to, ".BR ringkas\\-%s (1)%s\n", cli_commands[i]->name,
                cli_commands[i + 1] ? "," : "");
}
