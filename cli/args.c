#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static const cli_option common[] = {
    {"threads", "N", NULL, "threads to use (default: all cores)", 0},
    {"isa", "ref|avx2|avx512|vnni|amx", NULL,
     "highest instruction level used (default: all this CPU has)", 0},
    {"quiet", NULL, NULL, "no progress and no talk, errors only", 'q'},
    {"help", NULL, NULL, "this page", 'h'},
    {NULL, NULL, NULL, NULL, 0},
};

static size_t own_count(const cli_command *c)
{
    size_t n = 0;
    while (c->options[n].name) n++;
    return n;
}

const cli_option *cli_option_at(const cli_command *c, size_t k)
{
    const size_t own = own_count(c);
    const cli_option *o = k < own ? &c->options[k] : &common[k - own];
    return o->name ? o : NULL;
}

static size_t option_count(const cli_command *c)
{
    return own_count(c) + sizeof common / sizeof common[0] - 1;
}

static const char *find(const cli_args *a, const char *name)
{
    for (size_t k = 0; k < option_count(a->command); k++)
        if (strcmp(cli_option_at(a->command, k)->name, name) == 0) return a->value[k];
    return NULL;
}

int cli_misuse(cli_args *a, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (!a->wrong)
        cli_error("%s: %s; see ringkas %s --help", a->command->name, line, a->command->name);
    a->wrong = true;
    return CLI_USAGE;
}

/* Edits between two words (insert, remove, replace), at most `limit` + 1. */
static size_t distance(const char *a, const char *b, size_t limit)
{
    enum { WORD = 32 };
    size_t row[WORD + 1];
    const size_t n = strlen(a), m = strlen(b);

    if (n > WORD || m > WORD) return limit + 1;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t swap = corner + (a[i - 1] != b[j - 1]);
            size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            if (swap < best) best = swap;
            row[j] = best;
        }
    }
    return row[m];
}

const char *cli_nearest(const char *word, const char *const *words, size_t n)
{
    const size_t length = strlen(word);
    const char *best = NULL;
    size_t least = length / 3 + 2;     /* further away it would be a guess */
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, words[i], least);
        /* a beginning is a hint too: --max for --max-length */
        if (length >= 3 && strncmp(word, words[i], length) == 0) d = 1;
        if (d < least) {
            least = d;
            best = words[i];
        }
    }
    return best;
}

static int unknown(cli_args *a, const char *given)
{
    const char *names[CLI_OPTIONS_MAX], *near;
    char quoted[64], word[64];
    const size_t n = option_count(a->command), cut = strcspn(given, "=");

    for (size_t k = 0; k < n; k++) names[k] = cli_option_at(a->command, k)->name;
    snprintf(word, sizeof word, "%.*s", (int)(cut < 60 ? cut : 60), given);
    near = cli_nearest(word, names, n);
    snprintf(quoted, sizeof quoted, "%s", word);
    for (char *p = quoted; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
    if (near) return cli_misuse(a, "unknown option --%s (did you mean --%s?)", quoted, near);
    return cli_misuse(a, "unknown option --%s", quoted);
}

/* getopt_long takes any beginning of a name; only whole names are meant here. */
static bool whole_name(const char *token, const char *name)
{
    const size_t n = strlen(name);
    if (strncmp(token, "--", 2) != 0) return true;
    return strncmp(token + 2, name, n) == 0 && (token[2 + n] == '\0' || token[2 + n] == '=');
}

static int take(cli_args *a, size_t k, const char *token)
{
    const cli_option *o = cli_option_at(a->command, k);
    if (!whole_name(token, o->name)) return unknown(a, token + 2);
    if (a->value[k]) return cli_misuse(a, "--%s is given twice", o->name);
    a->value[k] = o->value ? optarg : "";
    return CLI_DONE;
}

/* getopt_long leaves in optopt: 0 for an unknown long name, the option's own value where it lacks
 * or has too much of an argument, else the letter. */
static int refuse(cli_args *a, char **argv, int why)
{
    if (optopt == 0) return unknown(a, argv[optind - 1] + 2);
    if (optopt >= 256) {
        const char *name = cli_option_at(a->command, (size_t)optopt - 256)->name;
        return cli_misuse(a, why == ':' ? "--%s needs a value" : "--%s takes no value", name);
    }
    if (why == ':') return cli_misuse(a, "-%c needs a value", optopt);
    if (optopt > 0x20 && optopt < 0x7f) return cli_misuse(a, "unknown option -%c", optopt);
    return cli_misuse(a, "unknown option");
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static int check_operands(cli_args *a)
{
    const cli_command *c = a->command;
    if (a->operands < c->min_operands)
        return cli_misuse(a, "usage: ringkas %s %.*s", c->name, (int)strcspn(c->usage, "\n"),
                          c->usage);
    if (a->operands > c->max_operands) {
        const char *extra = a->operand[c->max_operands];
        return cli_misuse(a, "too many arguments, from \"%.60s\" on", extra);
    }
    return CLI_DONE;
}

int cli_args_parse(cli_args *a, const cli_command *command, int argc, char **argv)
{
    struct option longs[CLI_OPTIONS_MAX + 1] = {0};
    char shorts[2 * CLI_OPTIONS_MAX + 2];
    size_t n, s = 0;
    int k;

    memset(a, 0, sizeof *a);
    a->command = command;
    a->argc = argc;
    a->argv = argv;
    if (wants_help(argc, argv)) {
        a->value[option_count(command) - 1] = "";
        return CLI_DONE;
    }
    n = option_count(command);
    shorts[s++] = ':';
    for (size_t i = 0; i < n; i++) {
        const cli_option *o = cli_option_at(command, i);
        longs[i].name = o->name;
        longs[i].has_arg = o->value ? required_argument : no_argument;
        longs[i].val = 256 + (int)i;
        if (o->letter) {
            shorts[s++] = o->letter;
            if (o->value) shorts[s++] = ':';
        }
    }
    shorts[s] = '\0';
    opterr = 0;
    optind = 1;
    while ((k = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const char *token = optarg && optind >= 2 && optarg == argv[optind - 1] ? argv[optind - 2]
                                                                                : argv[optind - 1];
        if (k == '?' || k == ':') return refuse(a, argv, k);
        if (k < 256) {
            for (size_t i = 0; i < n; i++)
                if (cli_option_at(command, i)->letter == k) {
                    k = 256 + (int)i;
                    break;
                }
            token = "";
        }
        if (take(a, (size_t)k - 256, token)) return CLI_USAGE;
    }
    a->operand = (const char *const *)(argv + optind);
    a->operands = (size_t)(argc - optind);
    a->quiet = cli_given(a, "quiet");
    a->json = cli_given(a, "json");
    return check_operands(a);
}

bool cli_given(const cli_args *a, const char *name)
{
    return find(a, name) != NULL;
}

const char *cli_text(const cli_args *a, const char *name, const char *fallback)
{
    const char *v = find(a, name);
    return v ? v : fallback;
}

const char *cli_need(cli_args *a, const char *name)
{
    const char *v = find(a, name);
    if (!v || !*v) {
        cli_misuse(a, "--%s is needed", name);
        return "";
    }
    return v;
}

uint64_t cli_u64(cli_args *a, const char *name, uint64_t fallback)
{
    const char *v = find(a, name);
    unsigned long long x;
    char *end;

    if (!v) return fallback;
    errno = 0;
    x = strtoull(v, &end, 10);
    if (*v < '0' || *v > '9' || *end || errno) {
        cli_misuse(a, "--%s %.40s is not a whole number", name, v);
        return fallback;
    }
    return x;
}

size_t cli_count(cli_args *a, const char *name, size_t fallback, size_t min, size_t max)
{
    const char *given = find(a, name);
    const uint64_t x = cli_u64(a, name, fallback);
    if (given && (x < min || x > max)) {
        if (max == SIZE_MAX)
            cli_misuse(a, "--%s %.40s is out of range; %zu or more is wanted", name, given, min);
        else
            cli_misuse(a, "--%s %.40s is out of range; %zu to %zu is wanted", name, given, min,
                       max);
        return fallback;
    }
    return (size_t)x;
}

double cli_real(cli_args *a, const char *name, double fallback, double min, double max)
{
    const char *v = find(a, name);
    char *end;
    double x;

    if (!v) return fallback;
    x = strtod(v, &end);
    if (end == v || *end || !isfinite(x) || *v == ' ') {
        cli_misuse(a, "--%s %.40s is not a number", name, v);
        return fallback;
    }
    if (x < min || x > max) {
        cli_misuse(a, "--%s %.40s is out of range; %g to %g is wanted", name, v, min, max);
        return fallback;
    }
    return x;
}

size_t cli_choice(cli_args *a, const char *name, const char *const *words, size_t fallback)
{
    const char *v = find(a, name), *near;
    char all[200] = "";
    size_t n = 0, used = 0;

    if (!v) return fallback;
    for (; words[n]; n++) {
        if (strcmp(v, words[n]) == 0) return n;
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", n ? ", " : "",
                                     words[n]);
    }
    near = cli_nearest(v, words, n);
    if (near)
        cli_misuse(a, "--%s %.40s is not known (did you mean %s?); known: %s", name, v, near, all);
    else
        cli_misuse(a, "--%s %.40s is not known; known: %s", name, v, all);
    return fallback;
}

rk_compute cli_compute(cli_args *a)
{
    static const char *const words[] = {"auto", "f32", "bf16", NULL};
    return (rk_compute)cli_choice(a, "compute", words, RK_COMPUTE_AUTO);
}

void cli_refuse_same(cli_args *a, const char *in, const char *out)
{
    struct stat i, o;
    if (!in || !out || stat(in, &i) != 0 || stat(out, &o) != 0) return;
    if (i.st_dev == o.st_dev && i.st_ino == o.st_ino)
        cli_misuse(a, "%.200s is both input and output; name another output", out);
}
