/* links: base file */
/* weights_probe FILE          one line per tensor: name, type, shape, FNV-1a of the bytes
 * weights_probe FILE OUT      the same, and all tensors written to OUT as safetensors
 * The last line is "note TEXT" where the reader had one. Exit 1 with the error on stderr. */
#include <inttypes.h>
#include <stdio.h>

#include "file/weights.h"

static uint64_t fnv(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static void print_tensor(const rk_tensor *t)
{
    printf("%s\t%s\t[", t->name, rk_dtype_name(t->type));
    for (size_t i = 0; i < t->rank; i++) printf("%s%zu", i ? "," : "", t->dim[i]);
    printf("]\t%016" PRIx64 "\n", fnv(t->data, t->bytes));
}

int main(int argc, char **argv)
{
    rk_weights *w = NULL;
    rk_error err;
    rk_status st = RK_OK;

    if (argc < 2 || argc > 3) return 2;
    if (rk_weights_open(&w, argv[1], &err)) {
        fprintf(stderr, "%s: %s\n", rk_status_name(err.code), err.message);
        return 1;
    }
    for (size_t i = 0; i < w->count; i++) print_tensor(&w->tensor[i]);
    if (w->note) printf("note %s\n", w->note);
    if (argc == 3) st = rk_safetensors_save(argv[2], w->tensor, w->count, w->metadata, &err);
    if (st) fprintf(stderr, "%s: %s\n", rk_status_name(err.code), err.message);
    rk_weights_close(w);
    return st ? 1 : 0;
}
