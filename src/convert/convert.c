#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "convert/passes.h"
#include "convert/verify.h"
#include "onnx/check.h"
#include "onnx/store.h"
#include "ringkas.h"

static rk_status to_half(rk_onnx *m, const rk_convert_options *o, json_t *report, rk_error *err)
{
    rk_half_options half = {
        .type = o->to == RK_BF16 ? RK_DT_BF16 : RK_DT_F16, .convert_io = o->convert_io,
        .keep_ops = o->keep_ops, .keep_nodes = o->keep_nodes,
        .target = (rk_target)o->target};
    rk_half_ranges *ranges = NULL;
    rk_status st = o->ranges ? rk_half_ranges_load(&ranges, o->ranges, err) : RK_OK;

    half.ranges = ranges;
    if (!st) st = rk_to_half(m, &half, report, err);
    rk_half_ranges_free(ranges);
    return st;
}

static rk_status rewrite(rk_onnx *m, const rk_convert_options *o, json_t *report, rk_error *err)
{
    static const char *const names[] = {[RK_FP16] = "fp16", [RK_BF16] = "bf16", [RK_INT8] = "int8"};
    rk_status st = o->to == RK_INT8 ? rk_to_int8(m, report, err) : to_half(m, o, report, err);

    if (!st && rk_onnx_metadata(m, "ringkas.precision"))
        st = rk_onnx_set_metadata(m, "ringkas.precision", names[o->to], err);
    if (!st && json_object_set_new(report, "to", json_string(names[o->to])))
        st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", m->shown);
    return st;
}

static rk_status check_options(const rk_convert_options *o, rk_error *err)
{
    char name[RK_QUOTE_SIZE];

    if (!o || !o->in || !o->out)
        return rk_fail(err, RK_E_ARG, "rk_convert: an input and an output path are needed");
    if (o->to != RK_FP16 && o->to != RK_BF16 && o->to != RK_INT8)
        return rk_fail(err, RK_E_ARG, "rk_convert: precision %d is not known", (int)o->to);
    if ((int)o->target < RK_FOR_ANY || o->target > RK_FOR_TENSORRT)
        return rk_fail(err, RK_E_ARG, "rk_convert: target %d is not known", (int)o->target);
    if (o->to == RK_INT8 &&
        (o->convert_io || o->keep_ops || o->keep_nodes || o->ranges || o->target))
        return rk_fail(err, RK_E_ARG,
                       "targets, ranges, keeping nodes and converting inputs and outputs are for "
                       "fp16 and bf16; int8 follows the ranges in the file");
    if (rk_path_same(o->in, o->out))
        return rk_fail(err, RK_E_ARG, "%s: is the input and the output; give another output",
                       rk_quote(name, o->in, strlen(o->in)));
    return RK_OK;
}

rk_status rk_convert(char **json, const rk_convert_options *o, rk_error *err)
{
    rk_onnx *m = NULL;
    json_t *report = NULL;
    char *text = NULL, shown[RK_QUOTE_SIZE];
    rk_status st = check_options(o, err);

    if (json) *json = NULL;
    if (st) return st;
    report = json_object();
    if (!report) return rk_fail(err, RK_E_MEMORY, "out of memory");
    const bool any = o->to != RK_INT8;
    st = any ? rk_onnx_open(&m, o->in, err) : rk_onnx_load(&m, o->in, err);
    if (!st) st = any ? rk_onnx_check_any(m, err) : rk_onnx_check(m, err);
    if (!st && rk_store_reads(m, o->out))
        st = rk_fail(err, RK_E_ARG, "%s: would overwrite the input's external data; give another "
                     "output", rk_quote(shown, o->out, strlen(o->out)));
    if (!st) st = rewrite(m, o, report, err);
    /* What we made is held to the same. */
    if (!st) st = any ? rk_onnx_check_any(m, err) : rk_onnx_check(m, err);
    if (!st && o->check) st = rk_verify(report, m, o->in, o->out, o->check, &o->fields, err);
    if (st) goto done;
    if (json_object_set_new(report, "bytes",
                            json_pack("{s:I, s:I}", "in", (json_int_t)m->bytes, "out",
                                      (json_int_t)rk_onnx_size_at(m, o->out))) ||
        !(text = rk_json_text(report, 0))) {
        st = rk_fail(err, RK_E_MEMORY, "out of memory");
        goto done;
    }
    st = rk_onnx_save(m, o->out, err);
    if (!st && json) {
        *json = text;
        text = NULL;
    }
done:
    rk_free(text);
    json_decref(report);
    rk_onnx_close(m);
    return st;
}
