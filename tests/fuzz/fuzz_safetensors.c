/* links: base file */
/* Any bytes as a safetensors file, read through each door that takes it. What is accepted must hold
 * together: every byte of every tensor can be read. */
#include <stdint.h>
#include <stdlib.h>

#include "file/weights.h"
#include "support/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the reads of fuzzed data go, so that they are not left out. */
volatile unsigned rk_fuzz_sink;

static unsigned touch(const rk_weights *w)
{
    unsigned sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        const unsigned char *p = w->tensor[i].data;
        for (size_t k = 0; k < w->tensor[i].bytes; k++) sum += p[k];
        if (rk_weights_find(w, w->tensor[i].name) == NULL) abort();
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_weights *w = NULL;
    rk_error err;
    const char *path = scratch_write("input", data, size);

    if (rk_safetensors_open(&w, path, &err) == RK_OK) rk_fuzz_sink = touch(w);
    else if (w || !err.message[0]) abort();
    rk_weights_close(w);
    w = NULL;
    if (rk_weights_open(&w, path, &err) == RK_OK) rk_fuzz_sink = touch(w);
    else if (w || !err.message[0]) abort();
    rk_weights_close(w);
    return 0;
}
