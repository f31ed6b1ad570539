#include "cli.h"

/* For a person: how many of an operator stayed float, and why, with one of them named. */
static json_t *grouped(const json_t *kept)
{
    json_t *groups = json_array(), *node, *g;
    size_t i, k;

    json_array_foreach((json_t *)(uintptr_t)kept, i, node) {
        const json_t *op = json_object_get(node, "op"), *why = json_object_get(node, "why");
        bool found = false;
        json_array_foreach(groups, k, g) {
            if (!json_equal(json_object_get(g, "op"), op) ||
                !json_equal(json_object_get(g, "why"), why))
                continue;
            const json_int_t n = json_integer_value(json_object_get(g, "nodes"));
            json_object_set_new(g, "nodes", json_integer(n + 1));
            found = true;
            break;
        }
        if (!found)
            json_array_append_new(groups, json_pack("{s:O, s:i, s:O, s:O}", "op", op, "nodes", 1,
                                                    "why", why, "for example",
                                                    json_object_get(node, "node")));
    }
    return groups;
}

/* For a person: only constants that were clamped; that some numbers of a weight vanish is usual. */
static json_t *clamped_only(const json_t *constants)
{
    json_t *out = json_array(), *one;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)constants, i, one)
        if (json_integer_value(json_object_get(one, "clamped"))) json_array_append(out, one);
    return out;
}

static int run(cli_args *a)
{
    static const char *const types[] = {"fp16", "bf16", "int8", NULL};
    static const char *const io[] = {"keep", "convert", NULL};
    static const char *const targets[] = {"any", "ort-cpu", "ort-cuda", "openvino", "tensorrt",
                                          NULL};
    rk_convert_options o = {0};
    char in[CLI_SIZE_TEXT], out[CLI_SIZE_TEXT];
    rk_error err;
    char *text;
    json_t *result;

    o.in = a->operand[0];
    o.out = cli_need(a, "output");
    cli_need(a, "to");
    o.to = (rk_precision)(RK_FP16 + cli_choice(a, "to", types, 0));
    o.convert_io = cli_choice(a, "io", io, 0) == 1;
    o.keep_ops = cli_text(a, "keep-op", NULL);
    o.keep_nodes = cli_text(a, "keep-node", NULL);
    o.target = (rk_convert_target)cli_choice(a, "target", targets, 0);
    o.ranges = cli_text(a, "ranges", NULL);
    o.check = cli_text(a, "check", NULL);
    o.fields = cli_fields(a);
    if (!a->wrong) cli_refuse_same(a, o.in, o.out);
    if (a->wrong) return CLI_USAGE;
    if (rk_convert(&text, &o, &err)) return cli_fail(&err);
    result = cli_parse(text);
    if (!result) return CLI_FAILED;
    if (a->json) cli_put_json(stdout, result);
    else {
        if (json_object_get(result, "constants"))
            json_object_set_new(result, "constants",
                                clamped_only(json_object_get(result, "constants")));
        json_object_set_new(result, "kept_float", grouped(json_object_get(result, "kept_float")));
        cli_put_object(stdout, result);
        cli_say(a, "wrote %s: %s -> %s", o.out, cli_bytes(in, cli_num(result, "bytes.in")),
                cli_bytes(out, cli_num(result, "bytes.out")));
    }
    json_decref(result);
    return CLI_DONE;
}

static const cli_option options[] = {
    {"output", "FILE", NULL, "the .onnx file to write", 'o'},
    {"to", "fp16|bf16|int8", NULL, "numbers that the weights become", 0},
    {"io", "keep|convert", "keep", "whether inputs and outputs stay as they are", 0},
    {"target", "any|ort-cpu|ort-cuda|openvino|tensorrt", "any",
     "what that runtime cannot do in half stays float", 0},
    {"ranges", "FILE", NULL, "measured ranges (JSON): nodes past half's range stay float", 0},
    {"keep-op", "TYPE,..", NULL, "operators that stay float", 0},
    {"keep-node", "NAME,..", NULL, "nodes that stay float", 0},
    {"check", "FILE", NULL, "labelled rows on which the result must give the same labels", 0},
    CLI_FIELD_OPTIONS,
    {"json", NULL, NULL, "the result as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_convert = {
    .name = "convert",
    .purpose = "make an ONNX file smaller: half, bfloat16 or 8-bit integers",
    .usage = "IN.onnx -o OUT.onnx --to fp16|bf16|int8 [--io keep|convert]\n"
             "[--target NAME] [--ranges FILE] [--keep-op T,..] [--keep-node N,..]\n"
             "[--check FILE] [--json]",
    .options = options,
    .notes = "fp16 and bf16 take any ONNX model, also one with external data. int8 uses the\n"
             "ranges that training learned and that the file carries; a file without them is\n"
             "refused. The input is never changed.",
    .example = "ringkas convert model.onnx -o model_fp16.onnx --to fp16",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
