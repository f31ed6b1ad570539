/* Runs a fuzz target without a fuzzer: every file given (folders: the files in them), each as it
 * is, cut short, and with bytes changed. The same changes on every run, so a failure repeats.
 *
 *   fuzz_NAME [-v] FILE|FOLDER...
 *
 * Exit 0 when all inputs came back; a crash or a hang of HANG_SECONDS names the input. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CUT_ALL = 2048,         /* files up to this size are cut at every length */
    CUT_SOME = 200,         /* larger ones at so many places */
    FLIPS = 400,            /* single changes per file */
    BURSTS = 200,           /* runs with several changes at once per file */
    FILE_MAX = 1 << 20,     /* larger files run as they are, unchanged */
    DEPTH_MAX = 8,
    HANG_SECONDS = 20
};

static char current[512];
static bool verbose;

/* Only calls that a signal handler may make. */
static void say_current(void)
{
    static const char lead[] = "fuzz: stopped in: ";
    ssize_t n = write(STDERR_FILENO, lead, sizeof lead - 1);
    n = write(STDERR_FILENO, current, strlen(current));
    n = write(STDERR_FILENO, "\n", 1);
    (void)n;
}

static void on_signal(int sig)
{
    say_current();
    if (sig == SIGALRM) _exit(1);
    signal(sig, SIG_DFL);
    raise(sig);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SANITIZED)
/* The sanitizer keeps its own handlers, which print the stack; it tells us when it stops. */
void __sanitizer_set_death_callback(void (*callback)(void));

static void catch_crashes(void)
{
    __sanitizer_set_death_callback(say_current);
    signal(SIGALRM, on_signal);
}
#else
static void catch_crashes(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], on_signal);
}
#endif

static size_t runs;

/* A copy of exactly the input's size, so that one byte too far is seen. */
static void run_once(const uint8_t *data, size_t size, const char *path, const char *how, size_t at)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) {
        fprintf(stderr, "fuzz: out of memory\n");
        exit(1);
    }
    memcpy(copy, data, size);
    snprintf(current, sizeof current, "%s %s %zu", path, how, at);
    if (verbose) fprintf(stderr, "%s\n", current);
    alarm(HANG_SECONDS);
    LLVMFuzzerTestOneInput(copy, size);
    alarm(0);
    free(copy);
    runs++;
}

/* xorshift64: the state is never 0. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bytes that readers stumble over: signs, limits, ends, quotes, brackets, newlines. */
static uint8_t nasty(uint64_t random)
{
    static const uint8_t bytes[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe, '"', '{', '[', '}',
                                    ']',  ',',  ':',  '\t', '\n', '\r', '-', '9', '\\', 0xc0};
    const size_t pick = (size_t)((random >> 8) % (sizeof bytes + 12));
    return pick < sizeof bytes ? bytes[pick] : (uint8_t)(random >> 40);
}

static void run_cuts(const uint8_t *data, size_t size, const char *path)
{
    const size_t step = size <= CUT_ALL ? 1 : size / CUT_SOME;
    for (size_t n = 0; n < size; n += step) run_once(data, n, path, "cut to", n);
    if (step > 1) run_once(data, size - 1, path, "cut to", size - 1);
}

static void run_changes(uint8_t *data, size_t size, const char *path)
{
    uint64_t state = 0x9e3779b97f4a7c15u ^ size;
    uint8_t *copy;

    if (size == 0) return;
    copy = malloc(size);
    if (!copy) {
        fprintf(stderr, "fuzz: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < FLIPS; i++) {
        /* The first half walks the start of the file, where headers are. */
        const size_t head = size < FLIPS / 2 ? size : FLIPS / 2;
        const size_t range = i < FLIPS / 2 ? head : size;
        const size_t at = i < FLIPS / 2 ? i % range : (size_t)(next_random(&state) % range);
        const uint8_t old = data[at];
        const uint64_t random = next_random(&state);
        data[at] = nasty(random);
        if (random & 1) data[at] = (uint8_t)(old ^ (1u << ((random >> 1) & 7)));
        run_once(data, size, path, "byte changed", at);
        data[at] = old;
    }
    for (size_t i = 0; i < BURSTS; i++) {
        const size_t count = 2 + (size_t)(next_random(&state) % 16);
        memcpy(copy, data, size);
        for (size_t k = 0; k < count; k++) {
            const size_t at = (size_t)(next_random(&state) % size);
            copy[at] = nasty(next_random(&state));
        }
        run_once(copy, size, path, "burst", i);
    }
    free(copy);
}

static bool run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    const bool read = f && data && fread(data, 1, size, f) == size;

    if (read) {
        run_once(data, size, path, "as it is", 0);
        if (size <= FILE_MAX) {
            run_cuts(data, size, path);
            run_changes(data, size, path);
        }
    } else {
        fprintf(stderr, "fuzz: cannot read %s\n", path);
    }
    free(data);
    if (f) fclose(f);
    return read;
}

static bool run_path(const char *path, int depth);

static bool run_folder(const char *path, int depth)
{
    bool ok = true;
    struct dirent **names;
    const int count = scandir(path, &names, NULL, alphasort);    /* sorted: the same every time */

    if (count < 0) {
        fprintf(stderr, "fuzz: cannot read %s\n", path);
        return false;
    }
    for (int i = 0; i < count; i++) {
        char inner[4096];
        const char *name = names[i]->d_name;
        const int n = snprintf(inner, sizeof inner, "%s/%s", path, name);
        const bool fits = n > 0 && (size_t)n < sizeof inner;
        if (name[0] != '.') ok = fits && run_path(inner, depth + 1) && ok;
        free(names[i]);
    }
    free(names);
    return ok;
}

static bool run_path(const char *path, int depth)
{
    struct stat st;

    if (depth > DEPTH_MAX) return true;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "fuzz: no such file: %s\n", path);
        return false;
    }
    if (S_ISDIR(st.st_mode)) return run_folder(path, depth);
    return !S_ISREG(st.st_mode) || run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    bool ok = true;

    catch_crashes();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else
            ok = run_path(argv[i], 0) && ok;
    }
    printf("fuzz: %zu inputs\n", runs);
    if (runs == 0) fprintf(stderr, "fuzz: nothing to replay: give files or folders\n");
    return ok && runs > 0 ? 0 : 1;
}
