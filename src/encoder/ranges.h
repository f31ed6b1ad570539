/* Learned ranges: the one road from the observer to the deployed file (DESIGN 6.4). Stored in the
 * model folder as quant.safetensors:
 *   metadata   format "ringkas-quant", version "1", precision "int8" or "fp16"
 *   activation.<site>.scale F32 [1], .zero_point U8 [1], .min F32 [1], .max F32 [1]
 *   weight.<parameter name>.scale F32 [rows of the parameter]
 * INT8 has all of them; FP16 has none (its meaning is the rounding itself). */
#ifndef RK_ENCODER_RANGES_H
#define RK_ENCODER_RANGES_H

#include "encoder/params.h"
#include "quant/qparams.h"

/* A site is the input of a Linear; query, key and value share theirs. */
enum { RK_SITE_QKV, RK_SITE_ATTN, RK_SITE_INTER, RK_SITE_OUT, RK_SITES_PER_LAYER };

typedef struct rk_range {
    float min, max; /* as observed or learned */
    rk_qparams q;   /* what is used everywhere */
} rk_range;

typedef struct rk_ranges {
    rk_qat precision; /* RK_QAT_INT8 or RK_QAT_FP16 */
    size_t sites;     /* 4 layers + 2: the last two are the pooler's and the classifier's input */
    rk_range *site;   /* [sites]; NULL for FP16 */
    size_t params;
    float **weight_scale; /* [params]; NULL where the parameter is not quantised; else [dim[0]] */
} rk_ranges;

size_t rk_site_count(const rk_bert_config *c);
/* "bert.encoder.layer.3.output.dense.input"; for QKV "bert.encoder.layer.3.attention.self.input";
 * "bert.pooler.dense.input", "classifier.input". */
void rk_site_name(char out[96], const rk_bert_config *c, size_t site);

rk_status rk_ranges_new(rk_ranges **out, const rk_bert_config *c, const rk_params *p,
                        rk_qat precision, rk_error *err);
void rk_ranges_free(rk_ranges *r);

/* Weight scales of the parameters as they are now. */
void rk_ranges_weights(rk_ranges *r, const rk_params *p);

rk_status rk_ranges_save(const rk_ranges *r, const rk_bert_config *c, const rk_params *p,
                         const char *path, rk_error *err);
/* Checks every tensor: a scale that is not finite and positive, min > max, a missing site are
 * RK_E_FORMAT. */
rk_status rk_ranges_load(rk_ranges **out, const rk_bert_config *c, const rk_params *p,
                         const rk_weights *quant, rk_error *err);

#endif
