/* Labels each line of standard input: classify MODEL <texts
 * cc classify.c $(pkg-config --cflags --libs ringkas) -o classify */
#include <ringkas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    rk_model *model = NULL;
    rk_error err;
    char line[4096];
    float *share = NULL;
    rk_status st = RK_OK;

    if (argc != 2) return fprintf(stderr, "usage: classify MODEL <texts\n"), 2;
    if (rk_model_open(&model, argv[1], RK_COMPUTE_AUTO, &err)) goto failed;
    share = calloc(rk_model_labels(model), sizeof *share);
    while (share && !st && fgets(line, sizeof line, stdin)) {
        const char *text = line;
        size_t best = 0;
        line[strcspn(line, "\r\n")] = '\0';
        st = rk_model_classify(model, &text, NULL, 1, NULL, share, &err);
        for (size_t i = 0; !st && i < rk_model_labels(model); i++)
            if (share[i] > share[best]) best = i;
        if (!st) printf("%s\t%.4f\t%s\n", rk_model_label(model, best), share[best], line);
    }
    free(share);
    rk_model_close(model);
    if (!st) return 0;
failed:
    fprintf(stderr, "classify: %s\n", err.message);
    return 1;
}
