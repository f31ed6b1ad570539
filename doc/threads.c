/* Labels up to 16 texts, each on a thread of its own: threads MODEL TEXT...
 * One model is opened; every thread has a handle on it, which costs next to nothing.
 * cc threads.c $(pkg-config --cflags --libs ringkas) -pthread -o threads */
#include <pthread.h>
#include <ringkas.h>
#include <stdio.h>

enum { THREADS_MAX = 16 };

static rk_model *model; /* only shared from, never called, while threads run */

static void *work(void *text)
{
    const char *const one = text;
    float logits[64];
    rk_model *mine = NULL;
    rk_error err;
    size_t best = 0;

    rk_set_threads(1); /* of this thread's calls: the cores are taken by the others */
    if (!rk_model_share(&mine, model, &err) && rk_model_labels(mine) <= 64 &&
        !rk_model_classify(mine, &one, NULL, 1, logits, NULL, &err)) {
        for (size_t i = 0; i < rk_model_labels(mine); i++)
            if (logits[i] > logits[best]) best = i;
        printf("%s\t%s\n", rk_model_label(mine, best), one);
    }
    return rk_model_close(mine), NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS_MAX];
    int n = 0;
    if (argc < 3 || argc > THREADS_MAX + 2) return 2;
    if (rk_model_open(&model, argv[1], RK_COMPUTE_AUTO, NULL)) return 1;
    while (n + 2 < argc && !pthread_create(&thread[n], NULL, work, argv[n + 2])) n++;
    while (n > 0) pthread_join(thread[--n], NULL);
    rk_model_close(model);
}
