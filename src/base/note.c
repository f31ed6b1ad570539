#include "base/note.h"

#include <stdarg.h>
#include <stdio.h>

/* A thread's own, so that calls on two threads do not hear each other. */
static _Thread_local rk_note_fn handler;
static _Thread_local void *handler_user;

void rk_set_notes(rk_note_fn fn, void *user)
{
    handler = fn;
    handler_user = user;
}

void rk_note(const char *format, ...)
{
    char line[1024];
    va_list args;

    if (!handler) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p; p++)
        if (*p == '\n' || *p == '\r') *p = ' ';
    handler(line, handler_user);
}
