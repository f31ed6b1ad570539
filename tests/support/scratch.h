/* Files for tests, in a folder of this process that is gone at its end. */
#ifndef RK_TEST_SCRATCH_H
#define RK_TEST_SCRATCH_H

#include <stddef.h>

/* The folder's path; made at the first call. Stops the program when it cannot be made. */
const char *scratch_dir(void);
/* dir/name, in one of a few buffers that are used in turn. */
const char *scratch_path(const char *name);
/* Writes a file (over an old one) and returns its path. */
const char *scratch_write(const char *name, const void *bytes, size_t length);
/* Names in a folder, "." and ".." apart. */
size_t scratch_count(const char *dir);
/* Removes a file or a folder with what it holds. */
void scratch_remove(const char *path);
/* The content, NUL-terminated, or NULL; free() it. */
char *scratch_read(const char *path, size_t *length);

#endif
