/* Zips as torch.save lays them out, built in memory with the place of each part, so that a test
 * can damage one field. */
#ifndef RK_TEST_ZIP_MAKE_H
#define RK_TEST_ZIP_MAKE_H

#include <stdint.h>

#include "base/buffer.h"

enum { ZIP_ITEMS = 24 };

typedef struct zip_made {
    rk_buffer bytes;
    size_t count;
    size_t local[ZIP_ITEMS], data[ZIP_ITEMS], after[ZIP_ITEMS];   /* after: the descriptor */
    size_t central[ZIP_ITEMS];
    size_t end64, locator, end;
    const char *name[ZIP_ITEMS];
    size_t name_length[ZIP_ITEMS], size[ZIP_ITEMS];
    bool no_crc;                     /* set before adding: every CRC is 0 */
    bool plain;                      /* set before adding: sizes in the header, no descriptor */
} zip_made;

void zip_begin(zip_made *z);
void zip_add(zip_made *z, const char *name, size_t name_length, const void *data, size_t size);
void zip_finish(zip_made *z);        /* directory and both end records */
void zip_free(zip_made *z);

void zip_set(zip_made *z, size_t at, uint64_t value, int bytes);
uint64_t zip_get(const zip_made *z, size_t at, int bytes);
uint32_t zip_crc(const void *data, size_t size);

#endif
