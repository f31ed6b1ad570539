/* links: base file */
/* Any bytes as a PyTorch file, and the same bytes as the pickle alone: a CRC would keep changes of
 * the file from ever reaching the pickle's machine. */
#include <stdint.h>
#include <stdlib.h>

#include "file/pickle.h"
#include "file/weights.h"
#include "support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the reads of fuzzed data go, so that they are not left out. */
volatile unsigned rk_fuzz_sink;

static void as_pickle(const uint8_t *data, size_t size)
{
    rk_pickle p;
    rk_error err;
    const rk_status st = rk_pickle_read(&p, data, size, "fuzz", &err);

    for (size_t i = 0; !st && i < p.entries; i++) {
        const rk_pickle_tensor *t = &p.tensor[p.entry[i].tensor];
        const rk_pickle_storage *s = &p.storage[t->storage];
        size_t last = t->offset;
        for (size_t d = 0; d < t->rank; d++)
            if (t->dim[d]) last += (t->dim[d] - 1) * t->stride[d];
        if (t->bytes && (last + 1) * t->item > s->bytes) abort();
    }
    if (st && !err.message[0]) abort();
    rk_pickle_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_weights *w = NULL;
    rk_error err;
    const char *path = scratch_write("input", data, size);

    if (rk_torch_zip_open(&w, path, &err) == RK_OK) {
        for (size_t i = 0; i < w->count; i++) {
            const unsigned char *p = w->tensor[i].data;
            for (size_t k = 0; k < w->tensor[i].bytes; k++) rk_fuzz_sink += p[k];
        }
    } else if (w || !err.message[0]) {
        abort();
    }
    rk_weights_close(w);
    as_pickle(data, size);
    return 0;
}
