#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

extern char **environ;

/* By this link the same program is found even when its file was replaced in the meantime. */
static const char *self(const char *fallback)
{
    static const char link[] = "/proc/self/exe";
    return access(link, X_OK) == 0 ? link : fallback;
}

/* Everything that comes out of fd; NULL when out of memory or on a read error. */
static char *read_all(int fd)
{
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);

    while (text) {
        ssize_t n;
        if (capacity - used < 2) {
            char *more = realloc(text, capacity *= 2);
            if (!more) break;
            text = more;
        }
        n = read(fd, text + used, capacity - used - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        if (n == 0) {
            text[used] = '\0';
            return text;
        }
        used += (size_t)n;
    }
    free(text);
    return NULL;
}

char *cli_run_self(const char *const *argv, int *code)
{
    posix_spawn_file_actions_t actions;
    int pipes[2], status = 0, failed;
    pid_t child;
    char *text;

    *code = CLI_FAILED;
    if (pipe(pipes) < 0) {
        cli_error("cannot make a pipe: %s", strerror(errno));
        return NULL;
    }
    failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO) ||
                 posix_spawn_file_actions_addclose(&actions, pipes[0]) ||
                 posix_spawn_file_actions_addclose(&actions, pipes[1]);
        if (!failed)
            failed = posix_spawnp(&child, self(argv[0]), &actions, NULL,
                                 (char *const *)(uintptr_t)argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(pipes[1]);
    if (failed) {
        close(pipes[0]);
        cli_error("cannot run %s again: %s", argv[0], strerror(failed));
        return NULL;
    }
    text = read_all(pipes[0]);
    close(pipes[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status)) *code = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        cli_error("%s was ended by signal %d", argv[1], WTERMSIG(status));
    if (*code == CLI_DONE && !text) {
        cli_error("out of memory");
        *code = CLI_FAILED;
    }
    if (*code != CLI_DONE) {
        free(text);
        return NULL;
    }
    return text;
}
