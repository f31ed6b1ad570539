/* A model folder in Hugging Face's layout: what is in it, not what it means. */
#ifndef RK_FILE_MODEL_FOLDER_H
#define RK_FILE_MODEL_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"
#include "file/weights.h"

typedef struct rk_folder {
    char *path;
    char *config_path;   /* path/config.json, for messages */
    json_t *config;      /* config.json */
    json_t *ringkas;     /* ringkas.json (cleaning, training), NULL when absent */
    rk_weights *weights; /* NULL where with_weights was false */
    rk_weights *quant;   /* quant.safetensors (learned ranges), NULL when absent */
} rk_folder;

/* Weights: model.safetensors, else model.safetensors.index.json (shards), else pytorch_model.bin,
 * else RK_E_OPEN that lists what was looked for. */
rk_status rk_folder_open(rk_folder **out, const char *path, bool with_weights, rk_error *err);
void rk_folder_close(rk_folder *f);

#endif
