/* Files: whole reads and maps of regular files only; writes beside the target, synced and
 * renamed. */
#ifndef RK_BASE_FILE_H
#define RK_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A file mapped read-only. Opening is non-blocking and refuses all but regular files (RK_E_OPEN)
 * and empty files (RK_E_FORMAT). */
typedef struct rk_map {
    const uint8_t *data;
    size_t size;
} rk_map;

rk_status rk_map_open(rk_map *map, const char *path, rk_error *err);
void rk_map_close(rk_map *map); /* takes a zeroed map */
/* The first `bytes` are done with: their pages need not stay in memory. They can still be read,
 * from the file again. */
void rk_map_forget(const rk_map *map, size_t bytes);

/* Reads a whole regular file of at most `limit` bytes; *data is NUL-terminated past *size and the
 * caller's (rk_free). An empty file is RK_E_FORMAT. */
rk_status rk_file_read(char **data, size_t *size, const char *path, size_t limit, rk_error *err);

/* Streams a regular file (rows of a data file). read returns the bytes got, 0 at the end. */
typedef struct rk_reader rk_reader;
rk_status rk_reader_open(rk_reader **out, const char *path, rk_error *err);
rk_status rk_reader_read(rk_reader *r, void *bytes, size_t capacity, size_t *got, rk_error *err);
void rk_reader_close(rk_reader *r);

bool rk_path_exists(const char *path);
bool rk_path_is_dir(const char *path);
/* Bytes of a regular file, 0 when there is none. */
uint64_t rk_file_size(const char *path);
/* dir + "/" + name in new memory (rk_free), NULL when out of memory. */
char *rk_path_join(const char *dir, const char *name);
/* The folder that holds path ("." when it names none), new memory. */
char *rk_path_dir(const char *path);
/* True when both name the same existing file. */
bool rk_path_same(const char *a, const char *b);

/* Writing: bytes go to an unpredictable name beside `path`; commit syncs the file, renames it over
 * path, and syncs the folder. abort (or close without commit) leaves no trace. path "-" is standard
 * output. A path that is a folder, a FIFO or a device is RK_E_OUTPUT. */
typedef struct rk_writer rk_writer;
rk_status rk_writer_open(rk_writer **out, const char *path, rk_error *err);
rk_status rk_writer_put(rk_writer *w, const void *bytes, size_t length, rk_error *err);
/* Closes and frees w whether it succeeds or not. */
rk_status rk_writer_commit(rk_writer *w, rk_error *err);
/* The same under another name in the same folder. */
rk_status rk_writer_commit_as(rk_writer *w, const char *path, rk_error *err);
void rk_writer_abort(rk_writer *w); /* takes NULL */
/* Removes what earlier runs left beside `path`: files PATH.<16 hex digits>.data other than `keep`.
 * Errors are ignored. */
void rk_file_forget_old(const char *path, const char *keep);

rk_status rk_file_write(const char *path, const void *bytes, size_t length, rk_error *err);

/* Makes the folder and its missing parents; RK_E_OUTPUT when it cannot, or cannot be written in. */
rk_status rk_dir_make(const char *path, rk_error *err);

/* A new folder with an unpredictable name beside `path` (its parent must exist). Fill it, then
 * commit syncs it and renames it to path; an existing folder of that name is moved away first and
 * removed after. When commit fails, temp is still there: rk_dir_remove it. Names: new memory
 * (rk_free). */
rk_status rk_dir_temp(char **temp, const char *path, rk_error *err);
rk_status rk_dir_commit(const char *temp, const char *path, rk_error *err);
/* Moves every file of the folder temp into the folder path, over files of the same name, the file
 * called `last` after all others; then removes temp. RK_E_OUTPUT before anything is moved where a
 * name is taken by something else than a file. */
rk_status rk_dir_pour(const char *temp, const char *path, const char *last, rk_error *err);
/* Removes a folder with all in it; no links are followed; errors are ignored. */
void rk_dir_remove(const char *path);

#endif
