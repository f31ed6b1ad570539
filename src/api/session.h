/* An open model: engine, tokenizer, labels, cleaning. The type behind rk_model. */
#ifndef RK_API_SESSION_H
#define RK_API_SESSION_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "encoder/infer.h"
#include "text/rows.h"
#include "text/tokenizer.h"

struct rk_model {
    char *path;
    rk_engine *engine;          /* NULL when only the tokenizer was opened */
    rk_tokenizer *tokenizer;
    rk_labels labels;
    unsigned clean;             /* RK_CLEAN_ steps */
    size_t max_length;          /* tokens, special tokens included */
    size_t positions, vocab;    /* what the embedding tables hold; vocab 0: not known */
    json_t *calibration;        /* what was fitted, as stored; NULL: nothing */
    double abstain;             /* threshold of it; 0: none */
    /* A handle that shares all this but the engine points to the one that was opened, which lives
     * until the last of them is closed. */
    rk_model *opened;           /* NULL: this one */
    atomic_size_t handles;      /* on this one, itself included */
};

/* Threads that the next product will use. */
size_t rk_threads(void);

/* Seconds on a clock that only goes forward. */
double rk_now(void);

/* Runs rows that lie end to end in calls of at most `batch` rows, in the order given.
 * ids [starts[rows]], starts [rows + 1] in; logits [rows, labels] out. */
rk_status rk_model_run(rk_model *m, const int32_t *ids, const size_t *starts, size_t rows,
                       size_t batch, float *logits, rk_error *err);

/* What a file or folder says was fitted, checked; NULL is fine. Takes no reference of `object`. */
rk_status rk_model_set_calibration(rk_model *m, json_t *object, rk_error *err);

/* Bytes on disk of what was opened: the .onnx file, or the weight files of the folder. */
uint64_t rk_model_bytes(const char *path);

/* "VmRSS" or "VmHWM" of this process in bytes; 0 where the system does not say. */
uint64_t rk_process_bytes(const char *key);

/* Sets key to a real, or to null when x is not finite. Returns 0, -1 when out of memory. */
int rk_json_set_real(json_t *object, const char *key, double x);

#endif
