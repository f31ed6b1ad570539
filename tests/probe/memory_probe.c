/* links: base compute quant text file onnx eval encoder train convert api */
/* memory_probe MODEL [HANDLES]: what opening costs. Prints one object: bytes of the file, memory of
 * the process before, with MODEL open, with HANDLES (1) of them, and after each has answered. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/session.h"
#include "ringkas.h"

enum { HANDLES_MAX = 64 };

static void put(const char *when, const char *end)
{
    printf("\"%s\": {\"rss\": %" PRIu64 ", \"anonymous\": %" PRIu64 ", \"peak\": %" PRIu64 "}%s",
           when, rk_process_bytes("VmRSS"), rk_process_bytes("RssAnon"), rk_process_bytes("VmHWM"),
           end);
}

int main(int argc, char **argv)
{
    const char *const text = "makanannya enak sekali dan pelayanannya ramah";
    const size_t handles = argc > 2 ? (size_t)atoi(argv[2]) : 1;
    rk_model *m[HANDLES_MAX] = {NULL};
    float *probs = NULL;
    rk_error err = {RK_OK, ""};
    rk_status st;
    double began;

    if (argc < 2 || handles < 1 || handles > HANDLES_MAX) return 2;
    printf("{\"bytes\": %" PRIu64 ", ", rk_model_bytes(argv[1]));
    put("before", ", ");
    began = rk_now();
    st = rk_model_open(&m[0], argv[1], RK_COMPUTE_AUTO, &err);
    printf("\"load_ms\": %.2f, ", 1e3 * (rk_now() - began));
    put("opened", ", ");
    for (size_t i = 1; i < handles && !st; i++) st = rk_model_share(&m[i], m[0], &err);
    put("handles", ", ");
    probs = calloc(rk_model_labels(m[0]) + 1, sizeof *probs);
    for (size_t i = 0; i < handles && !st && probs; i++)
        st = rk_model_classify(m[i], &text, NULL, 1, NULL, probs, &err);
    put("answered", ", ");
    if (st)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("\"precision\": \"%s\"}\n", rk_model_precision(m[0]));
    free(probs);
    for (size_t i = 0; i < handles; i++) rk_model_close(m[i]);
    return st || !probs ? 1 : 0;
}
