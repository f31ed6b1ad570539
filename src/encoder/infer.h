/* The runtime: ragged inference of a BERT classifier, weights packed once, no padding ever. */
#ifndef RK_ENCODER_INFER_H
#define RK_ENCODER_INFER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "encoder/config.h"

typedef struct rk_engine rk_engine;

/* From a model folder: float weights, or INT8 / FP16 where the folder carries learned ranges
 * (quant.safetensors says which). A folder without a classifier head is RK_E_FORMAT: train it
 * first. */
rk_status rk_engine_open_folder(rk_engine **out, const char *folder, rk_compute compute,
                                rk_error *err);
/* From an ONNX file of ours, recognised by structure. metadata: a new reference to an object of the
 * file's metadata strings (the caller's, json_decref), or NULL if not wanted. */
rk_status rk_engine_open_onnx(rk_engine **out, const char *path, rk_compute compute,
                              json_t **metadata, rk_error *err);
/* Another engine over the weights of e, to run on another thread at the same time: of its own it
 * has only the memory that a run works in, and the calibration as it is now. e must outlive it.
 * May be called while e runs. */
rk_status rk_engine_share(rk_engine **out, const rk_engine *e, rk_error *err);
void rk_engine_close(rk_engine *e);

const rk_bert_config *rk_engine_config(const rk_engine *e);
const char *rk_engine_precision(const rk_engine *e); /* what executes: fp32 fp16 bf16 int8 */
size_t rk_engine_bytes(const rk_engine *e);          /* resident bytes of packed weights */

/* A scale and a bias on the logits from now on: logit * scale, rounded, plus bias, as the Mul and
 * Add of an exported graph do. bias [labels], copied; NULL: none. */
rk_status rk_engine_calibrate(rk_engine *e, float scale, const float *bias, rk_error *err);

/* ids [starts[rows]], starts [rows + 1] in; logits [rows, labels] out. Row lengths 1 ..
 * config.positions, ids 0 .. vocab - 1 (else RK_E_ARG names the row). A row's logits do not depend
 * on its neighbours. */
rk_status rk_engine_run(rk_engine *e, const int32_t *ids, const size_t *starts, size_t rows,
                        float *logits, rk_error *err);

#endif
