/* The directory of a zip as torch.save writes it: entries stored, end to end from the first byte to
 * the directory, nothing before, between or after. Anything else is refused, so every reader of
 * the file sees the same entries. */
#ifndef RK_FILE_ZIP_LAYOUT_H
#define RK_FILE_ZIP_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

enum { RK_ZIP_ENTRIES_MAX = 65536 };

typedef struct rk_zip_entry {
    const char *name;        /* in the map, not NUL-terminated; valid UTF-8, a relative path */
    size_t name_length;
    size_t header, data;     /* offsets of the local header and of the bytes */
    size_t size;
    uint32_t crc;
    size_t index;            /* place in the directory */
} rk_zip_entry;

typedef struct rk_zip_layout {
    rk_zip_entry *entry;     /* by name */
    size_t count;
} rk_zip_layout;

/* path: as it shall stand in messages. The caller frees with rk_zip_layout_free. */
rk_status rk_zip_layout_read(rk_zip_layout *out, const rk_map *map, const char *path,
                             rk_error *err);
void rk_zip_layout_free(rk_zip_layout *z);
/* By bisection; NULL when there is none. */
const rk_zip_entry *rk_zip_find(const rk_zip_layout *z, const char *name, size_t length);

#endif
