/* A regular file read in pieces, by place; and files that may not lie outside a folder. */
#ifndef RK_BASE_SOURCE_H
#define RK_BASE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

typedef struct rk_source rk_source;

rk_status rk_source_open(rk_source **out, const char *path, rk_error *err);
/* `relative` as a hostile file gives it: RK_E_FORMAT where it is empty, absolute, has a part "." or
 * "..", a backslash or more than 4,096 bytes; where any part of it is a link, or the file has
 * several names (a hard link), or is no regular file. `whose` begins the message. */
rk_status rk_source_open_beneath(rk_source **out, const char *folder, const char *relative,
                                 const char *whose, rk_error *err);
uint64_t rk_source_size(const rk_source *s);
/* All of `bytes` from `offset`, or RK_E_IO (cut short while it was read). */
rk_status rk_source_read(const rk_source *s, void *out, uint64_t offset, size_t bytes,
                         rk_error *err);
/* The whole of it, mapped; RK_E_FORMAT when it is empty. rk_map_close takes it. */
rk_status rk_source_map(const rk_source *s, rk_map *map, rk_error *err);
void rk_source_close(rk_source *s);   /* takes NULL */

#endif
