#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t stop_wanted;
static cli_progress *bar; /* the one that is on the terminal now */

void cli_error(const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fputs("ringkas: ", stderr);
    /* one line, whatever name or argument is in it */
    for (const char *p = line; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) fprintf(stderr, "\\x%02x", (unsigned char)*p);
        else fputc(*p, stderr);
    }
    fputc('\n', stderr);
}

int cli_fail(const rk_error *err)
{
    cli_error("%s", err->message[0] ? err->message : rk_status_name(err->code));
    return err->code == RK_E_ARG ? CLI_USAGE : CLI_FAILED;
}

void cli_say(const cli_args *a, const char *format, ...)
{
    va_list args;
    if (a->quiet) return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    stop_wanted = 1;
}

void cli_stop_on_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction now, old;

    memset(&now, 0, sizeof now);
    now.sa_handler = on_signal;
    /* once: the second signal finds the default action, which ends the program */
    now.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigemptyset(&now.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* what was ignored when we started (nohup) stays ignored */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &now, NULL);
    }
}

bool cli_stopped(void)
{
    return stop_wanted != 0;
}

static void put_shell_word(FILE *to, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%";
    if (*word && word[strspn(word, plain)] == '\0') {
        fputs(word, to);
        return;
    }
    fputc('\'', to);
    for (; *word; word++) {
        if (*word == '\'') fputs("'\\''", to);
        else cli_put_escaped(to, word, 1);
    }
    fputc('\'', to);
}

void cli_say_resume(const cli_args *a)
{
    fputs("ringkas: to go on: ringkas", stderr);
    for (int i = 0; i < a->argc; i++) {
        fputc(' ', stderr);
        put_shell_word(stderr, a->argv[i]);
    }
    fputs(cli_given(a, "resume") ? "\n" : " --resume\n", stderr);
}

/* ---- progress ------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void put_duration(char *out, size_t size, double seconds)
{
    const unsigned long s = seconds < 0.0 || seconds > 1e9 ? 0 : (unsigned long)(seconds + 0.5);
    if (s >= 3600) snprintf(out, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, size, "%lu:%02lu", s / 60, s % 60);
}

/* "train  epoch 1/3  120/2064  loss 0.4321  153 rows/s  12:34 left" */
static void describe(char *out, size_t size, const cli_progress *me, const rk_progress *p)
{
    size_t n = (size_t)snprintf(out, size, "%s", me->what ? me->what : p->kind);
    char left[32];

    if (p->epochs && n < size)
        n += (size_t)snprintf(out + n, size - n, "  epoch %zu/%zu", p->epoch, p->epochs);
    if (n < size) n += (size_t)snprintf(out + n, size - n, "  %zu/%zu", p->done, p->total);
    if (strcmp(p->kind, "train") == 0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "  loss %.4f", p->loss);
    if (p->rows_per_s > 0.0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "  %.0f rows/s", p->rows_per_s);
    if (p->seconds_left >= 0.0 && n < size) {
        put_duration(left, sizeof left, p->seconds_left);
        snprintf(out + n, size - n, "  %s left", left);
    }
}

static size_t terminal_width(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 20) return w.ws_col;
    return 80;
}

static void draw(cli_progress *me, const rk_progress *p)
{
    enum { BAR = 20 };
    char text[256], cells[BAR + 1];
    const size_t full = p->total ? BAR * p->done / p->total : 0, width = terminal_width();

    describe(text, sizeof text, me, p);
    for (size_t i = 0; i < BAR; i++) cells[i] = i < full ? '#' : '.';
    cells[BAR] = '\0';
    if (width > BAR + 4)
        fprintf(stderr, "\r[%s] %.*s\033[K", cells, (int)(width - BAR - 4), text);
    me->drawn = true;
    bar = me;
}

static void clear(cli_progress *me)
{
    if (me->drawn) fputs("\r\033[K", stderr);
    me->drawn = false;
    bar = NULL;
}

bool cli_on_progress(const rk_progress *p, void *user)
{
    enum { PER_SECOND = 10, SECONDS_BETWEEN_LINES = 5 };
    cli_progress *me = user;
    double t;

    if (me->quiet) return !cli_stopped();
    if (!me->started) {
        const char *term = getenv("TERM");
        me->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
        me->started = true;
        me->next = me->terminal ? 0.0 : now() + SECONDS_BETWEEN_LINES;
    }
    if (p->line) {
        if (me->no_data && strcmp(p->kind, "data") == 0) return !cli_stopped();
        clear(me);
        cli_put_escaped(stderr, p->line, strlen(p->line));
        fputc('\n', stderr);
        return !cli_stopped();
    }
    t = now();
    if (t >= me->next) {
        if (me->terminal) {
            draw(me, p);
            me->next = t + 1.0 / PER_SECOND;
        } else {
            char text[256];
            describe(text, sizeof text, me, p);
            fprintf(stderr, "%s\n", text);
            me->next = t + SECONDS_BETWEEN_LINES;
        }
    }
    return !cli_stopped();
}

void cli_progress_end(cli_progress *me)
{
    clear(me);
    me->started = false;
}

/* ---- notes ---------------------------------------------------------------------------------- */

static bool said_before(const char *line)
{
    enum { KEPT = 64 };
    static char *kept[KEPT];
    static size_t count;

    for (size_t i = 0; i < count; i++)
        if (strcmp(kept[i], line) == 0) return true;
    if (count < KEPT && (kept[count] = strdup(line))) count++;
    return false;
}

void cli_on_note(const char *line, void *user)
{
    const cli_args *a = user;
    if (a->quiet || said_before(line)) return;
    if (bar) clear(bar);
    cli_error("note: %s", line);
}
