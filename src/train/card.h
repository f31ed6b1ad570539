/* The model card: README.md of a model folder, with the metadata that the Hugging Face hub
 * reads. */
#ifndef RK_TRAIN_CARD_H
#define RK_TRAIN_CARD_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/status.h"

/* Appends the card to *out. name: the folder's path; config, ringkas: its config.json and
 * ringkas.json; test: the object of eval on the test rows, or NULL. What they lack the card does
 * not say. RK_E_MEMORY. */
rk_status rk_card_text(rk_buffer *out, const char *name, const json_t *config,
                       const json_t *ringkas, const json_t *test, rk_error *err);

/* False where the folder has a README.md that no card of ours is: it stays. */
bool rk_card_may_write(const char *folder);

#endif
