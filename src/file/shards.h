/* Weights split over several safetensors files, named by a JSON index beside them. */
#ifndef RK_FILE_SHARDS_H
#define RK_FILE_SHARDS_H

#include "file/weights.h"

/* path: model.safetensors.index.json. Shards must be regular files in its folder; each tensor must
 * be in the shard that the index says and in no other. A wrong total_size becomes the note. */
rk_status rk_shards_open(rk_weights **out, const char *path, rk_error *err);

#endif
