/* Completion for bash, zsh and fish, from the tables that --help prints. */
#include <ctype.h>
#include <string.h>

#include "cli.h"

typedef enum value_kind { NO_VALUE, FREE, FILES, FOLDERS, WORDS } value_kind;

/* What can stand after an option: words where the table lists them with bars between. */
static value_kind kind_of(const cli_option *o)
{
    if (!o->value) return NO_VALUE;
    if (strchr(o->value, '|')) return WORDS;
    if (strcmp(o->value, "FILE") == 0) return FILES;
    return strcmp(o->value, "DIR") == 0 ? FOLDERS : FREE;
}

static void put_words(FILE *to, const char *list)
{
    for (; *list; list++) fputc(*list == '|' ? ' ' : *list, to);
}

/* The first line of the help without what the shell at hand would read as its own. */
static void put_help(FILE *to, const char *text, const char *taboo)
{
    for (; *text && *text != '\n'; text++) {
        if (strchr(taboo, *text)) fputc('\\', to);
        if (*text == '\'') fputs("\\''", to);    /* closes the quote, a literal one, opens again */
        else fputc(*text, to);
    }
}

/* ---- bash ---- */

/* "a|b)" of the options of one kind; false when there are none. */
static bool bash_pattern(FILE *to, const cli_command *c, value_kind kind)
{
    const cli_option *o;
    bool any = false;

    for (size_t k = 0; (o = cli_option_at(c, k)); k++) {
        if (kind_of(o) != kind) continue;
        fprintf(to, "%s--%s", any ? "|" : "            ", o->name);
        if (o->letter) fprintf(to, "|-%c", o->letter);
        any = true;
    }
    if (any) fputs(") ", to);
    return any;
}

static void bash_command(FILE *to, const cli_command *c)
{
    const cli_option *o;

    fprintf(to, "    %s)\n        options='", c->name);
    for (size_t k = 0; (o = cli_option_at(c, k)); k++)
        fprintf(to, "%s--%s", k ? " " : "", o->name);
    fputs("'\n        case $prev in\n", to);
    for (size_t k = 0; (o = cli_option_at(c, k)); k++) {
        if (kind_of(o) != WORDS) continue;
        fprintf(to, "            --%s) kind=words words='", o->name);
        put_words(to, o->value);
        fputs("' ;;\n", to);
    }
    if (bash_pattern(to, c, FILES)) fputs("kind=files ;;\n", to);
    if (bash_pattern(to, c, FOLDERS)) fputs("kind=folders ;;\n", to);
    if (bash_pattern(to, c, FREE)) fputs("kind=free ;;\n", to);
    fputs("        esac ;;\n", to);
}

static void bash(FILE *to)
{
    fputs("# bash completion for ringkas; made by: ringkas --completion bash\n"
          "_ringkas()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} options='' kind=operand words=''\n"
          "    # --to=fp16 comes as three words: --to, = and fp16\n"
          "    if [[ $cur == = ]]; then cur=''\n"
          "    elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
          "    COMPREPLY=()\n"
          "    if [[ $COMP_CWORD == 1 || ( $COMP_CWORD == 2 && $command == help ) ]]; then\n"
          "        words='", to);
    for (size_t i = 0; cli_commands[i]; i++) fprintf(to, "%s ", cli_commands[i]->name);
    fputs("help'\n"
          "        [[ $cur == -* ]] && words='", to);
    for (const cli_option *o = cli_top_options; o->name; o++) fprintf(to, "--%s ", o->name);
    fputs("'\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n", to);
    for (size_t i = 0; cli_commands[i]; i++) bash_command(to, cli_commands[i]);
    for (const cli_option *o = cli_top_options; o->name; o++) {
        if (kind_of(o) != WORDS) continue;
        fprintf(to, "    --%s) kind=words words='", o->name);
        put_words(to, o->value);
        fputs("' ;;\n", to);
    }
    fputs("    *) return ;;\n"
          "    esac\n"
          "    [[ $kind == operand && $cur == -* ]] && kind=words words=$options\n"
          "    case $kind in\n"
          "    words) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
          "    files | operand)\n"
          "        local IFS=$'\\n'\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
          "    folders)\n"
          "        local IFS=$'\\n'\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _ringkas ringkas\n", to);
}

/* ---- zsh ---- */

static void zsh_value(FILE *to, const cli_option *o)
{
    switch (kind_of(o)) {
    case NO_VALUE: return;
    case FILES: fputs(":file:_files", to); return;
    case FOLDERS: fputs(":folder:_files -/", to); return;
    case FREE: fputs(":value: ", to); return;
    case WORDS:
        fputs(":value:(", to);
        put_words(to, o->value);
        fputc(')', to);
    }
}

static void zsh_option(FILE *to, const cli_option *o)
{
    if (o->letter) {
        fprintf(to, "        '-%c[", o->letter);
        put_help(to, o->help, "[]:\\");
        fputc(']', to);
        zsh_value(to, o);
        fputs("' \\\n", to);
    }
    fprintf(to, "        '--%s%s[", o->name, o->value ? "=" : "");
    put_help(to, o->help, "[]:\\");
    fputc(']', to);
    zsh_value(to, o);
    fputs("' \\\n", to);
}

static void zsh(FILE *to)
{
    fputs("#compdef ringkas\n# zsh completion for ringkas; made by: ringkas --completion zsh\n"
          "local -a commands\ncommands=(\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(to, "    '%s:", cli_commands[i]->name);
        put_help(to, cli_commands[i]->purpose, ":\\");
        fputs("'\n", to);
    }
    fputs("    'help:tell about a command'\n)\n"
          "if (( CURRENT == 2 )); then\n"
          "    if [[ $PREFIX == -* ]]; then\n"
          "        _arguments \\\n", to);
    for (const cli_option *o = cli_top_options; o->name; o++) zsh_option(to, o);
    fputs("        && return\n"
          "    fi\n"
          "    _describe command commands\n    return\nfi\n"
          "shift words\n(( CURRENT-- ))\n"
          "case $words[1] in\n"
          "help) _describe command commands ;;\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        const cli_option *o;
        fprintf(to, "%s)\n    _arguments \\\n", cli_commands[i]->name);
        for (size_t k = 0; (o = cli_option_at(cli_commands[i], k)); k++) zsh_option(to, o);
        fputs("        '*:file:_files' ;;\n", to);
    }
    fputs("esac\n", to);
}

/* ---- fish ---- */

static void fish_option(FILE *to, const cli_option *o)
{
    if (o->letter) fprintf(to, " -s %c", o->letter);
    fprintf(to, " -l %s", o->name);
    switch (kind_of(o)) {
    case NO_VALUE: break;
    case FILES: fputs(" -r -F", to); break;
    case FOLDERS: fputs(" -x -a '(__fish_complete_directories)'", to); break;
    case FREE: fputs(" -x", to); break;
    case WORDS:
        fputs(" -x -a '", to);
        put_words(to, o->value);
        fputc('\'', to);
    }
    fputs(" -d '", to);
    for (const char *c = o->help; *c && *c != '\n'; c++) {
        if (*c == '\'' || *c == '\\') fputc('\\', to);
        fputc(*c, to);
    }
    fputs("'\n", to);
}

static void fish(FILE *to)
{
    fputs("# fish completion for ringkas; made by: ringkas --completion fish\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(to, "complete -c ringkas -f -n __fish_use_subcommand -a %s -d '",
                cli_commands[i]->name);
        put_help(to, cli_commands[i]->purpose, "\\");
        fputs("'\n", to);
    }
    for (const cli_option *o = cli_top_options; o->name; o++) {
        fputs("complete -c ringkas -n __fish_use_subcommand", to);
        fish_option(to, o);
    }
    for (size_t i = 0; cli_commands[i]; i++) {
        const cli_option *o;
        for (size_t k = 0; (o = cli_option_at(cli_commands[i], k)); k++) {
            fprintf(to, "complete -c ringkas -n '__fish_seen_subcommand_from %s'",
                    cli_commands[i]->name);
            fish_option(to, o);
        }
    }
}

bool cli_completion(const char *shell, FILE *to)
{
    if (strcmp(shell, "bash") == 0) bash(to);
    else if (strcmp(shell, "zsh") == 0) zsh(to);
    else if (strcmp(shell, "fish") == 0) fish(to);
    else return false;
    return true;
}
