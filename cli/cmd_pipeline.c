#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pipeline.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FOLDER/NAME.tsv, else .csv, else .jsonl; NULL, with a line, when there is none. */
static char *find_data(const char *folder, const char *name)
{
    static const char *const endings[] = {".tsv", ".csv", ".jsonl"};
    char file[32];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char *path;
        snprintf(file, sizeof file, "%s%s", name, endings[i]);
        path = cli_join(folder, file);
        if (!path) return NULL;
        if (cli_is_file(path)) return path;
        free(path);
    }
    cli_error("%s: holds no %s.tsv, .csv or .jsonl; train, valid and test are needed", folder,
              name);
    return NULL;
}

static bool read_qat(cli_args *a, pipeline *p)
{
    const char *list = cli_text(a, "qat", "none");
    if (strcmp(list, "none") == 0) return true;
    for (;;) {
        const size_t n = strcspn(list, ",");
        size_t i;
        for (i = PIPE_FP16; i < PIPE_KINDS; i++)
            if (strlen(p->variant[i].name) == n && strncmp(list, p->variant[i].name, n) == 0) break;
        if (i == PIPE_KINDS || p->variant[i].folder) {
            cli_misuse(a, "--qat wants none, fp16, int8 or fp16,int8");
            return false;
        }
        p->variant[i].folder = cli_join(p->out, i == PIPE_FP16 ? "model-fp16" : "model-int8");
        if (!p->variant[i].folder) return false;
        if (!list[n]) return true;
        list += n + 1;
    }
}

/* What would be passed over in silence. */
static bool fits_qat(cli_args *a, const pipeline *p)
{
    static const char *const of_qat[] = {"qat-epochs", "qat-lr", "qat-delay", "distill"};
    const bool int8 = p->variant[PIPE_INT8].folder != NULL;
    const bool any = int8 || p->variant[PIPE_FP16].folder != NULL;

    for (size_t i = 0; i < sizeof of_qat / sizeof of_qat[0] && !any; i++)
        if (cli_given(a, of_qat[i])) cli_misuse(a, "--%s is of --qat fp16 or int8", of_qat[i]);
    if (!int8 && (p->options.observer != RK_OBSERVER_MINMAX || p->options.learn_ranges))
        cli_misuse(a, "--observer and --learn-ranges are of --qat int8");
    return !a->wrong;
}

static int set_up(pipeline *p)
{
    static const char *const files[] = {"model.onnx", "model_fp16.onnx", "model_int8.onnx"};
    const char *data = cli_text(p->args, "data", "");
    bool ok;

    p->variant[PIPE_FP32].folder = cli_join(p->out, "model");
    ok = p->variant[PIPE_FP32].folder != NULL;
    for (size_t i = 0; i < PIPE_KINDS && ok; i++)
        ok = (p->variant[i].file = cli_join(p->out, files[i])) != NULL;
    p->variant[PIPE_FP32].wanted = p->variant[PIPE_FP16].wanted = true;
    p->variant[PIPE_INT8].wanted = p->variant[PIPE_INT8].folder != NULL;
    ok = ok && (p->report_json = cli_join(p->out, "report.json")) &&
         (p->report_html = cli_join(p->out, "report.html")) &&
         (p->train = find_data(data, "train")) && (p->valid = find_data(data, "valid")) &&
         (p->test = find_data(data, "test"));
    return ok && cli_make_folder(p->out) ? CLI_DONE : CLI_FAILED;
}

/* The folder to start from: the one given, or a random encoder made here. */
static int make_base(pipeline *p)
{
    const char *given = cli_text(p->args, "model", NULL);
    rk_init_options o;
    rk_error err;
    char *text;

    if (given) {
        p->base = strdup(given);
        return p->base ? CLI_DONE : CLI_FAILED;
    }
    p->base = cli_join(p->out, "init");
    if (!p->base) return CLI_FAILED;
    if (p->options.resume && cli_is_file_in(p->base, "ringkas.json")) return CLI_DONE;
    rk_init_defaults(&o);
    cli_init_sizes(p->args, &o);
    if (p->args->wrong) return CLI_USAGE;
    o.train = p->train;
    o.out = p->base;
    o.clean = cli_text(p->args, "clean", NULL);
    o.seed = p->options.seed;
    o.fields = p->options.fields;
    cli_say(p->args, "making a random encoder of %zu layers, %zu wide", o.layers, o.hidden);
    if (rk_init(&text, &o, &err)) return cli_fail(&err);
    rk_string_free(text);
    return CLI_DONE;
}

/* With --resume: a training that ended is taken as it is, one that was stopped goes on. */
static int look_back(pipe_variant *v, rk_train_options *o)
{
    if (!o->resume) return CLI_DONE;
    o->resume = rk_train_unfinished(v->folder);
    if (o->resume || !cli_is_file_in(v->folder, "ringkas.json")) return CLI_DONE;
    return pipe_finished(&v->train, v->folder, o) ? CLI_DONE : CLI_FAILED;
}

static int train(pipeline *p, size_t kind)
{
    pipe_variant *v = &p->variant[kind];
    rk_train_options o = p->options;
    char what[32];
    rk_error err;
    rk_status st;
    char *text;

    o.train = p->train;
    o.valid = p->valid;
    o.test = p->test;
    o.out = v->folder;
    o.model = p->base;
    if (kind != PIPE_INT8) {
        o.observer = RK_OBSERVER_MINMAX;
        o.learn_ranges = false;
    }
    if (kind == PIPE_FP32) {
        o.qat_delay = o.distill = o.distill_hidden = 0.0;
        o.teacher = NULL;
    } else {
        o.model = p->variant[PIPE_FP32].folder;
        o.qat = kind == PIPE_FP16 ? RK_QAT_FP16 : RK_QAT_INT8;
        o.epochs = p->qat_epochs;
        o.lr = p->qat_lr;
    }
    if (look_back(v, &o)) return CLI_FAILED;
    if (v->train) {
        cli_say(p->args, "training %s: %s was trained before", v->name, o.out);
    } else {
        snprintf(what, sizeof what, "train %s", v->name);
        cli_say(p->args, "training %s: %s -> %s", v->name, o.model, o.out);
        p->progress.what = what;
        p->progress.no_data = p->told_data;
        p->told_data = true;
        st = rk_train(&text, &o, cli_on_progress, &p->progress, &err);
        cli_progress_end(&p->progress);
        if (st == RK_E_STOPPED) {
            cli_fail(&err);
            cli_say_resume(p->args);
            return CLI_FAILED;
        }
        if (st) return cli_fail(&err);
        v->train = cli_parse(text);
    }
    if (!v->train || json_object_set_new(v->train, "curve", pipe_curve(v->folder)))
        return CLI_FAILED;
    return CLI_DONE;
}

/* OUT/model_fp16.onnx or model_int8.onnx, by way of the float file of the same training. */
static int convert(pipeline *p, size_t kind)
{
    pipe_variant *v = &p->variant[kind];
    rk_convert_options o = {0};
    char *passing = NULL, *text;
    rk_error err;
    int code = CLI_DONE;

    o.in = p->variant[PIPE_FP32].file;
    o.out = v->file;
    o.to = kind == PIPE_FP16 ? RK_FP16 : RK_INT8;
    if (v->folder) {
        passing = cli_join(p->out, kind == PIPE_FP16 ? ".model_fp16.float.onnx"
                                                     : ".model_int8.float.onnx");
        if (!passing) return CLI_FAILED;
        if (rk_export(v->folder, passing, 0, &err)) code = cli_fail(&err);
        o.in = passing;
    }
    if (code == CLI_DONE) {
        cli_say(p->args, "converting to %s: %s", v->name, v->file);
        if (rk_convert(&text, &o, &err)) code = cli_fail(&err);
        else rk_string_free(text);
    }
    if (passing) unlink(passing);
    free(passing);
    return code;
}

static int make_files(pipeline *p)
{
    rk_error err;
    int code = CLI_DONE;

    cli_say(p->args, "exporting %s", p->variant[PIPE_FP32].file);
    if (rk_export(p->variant[PIPE_FP32].folder, p->variant[PIPE_FP32].file, 0, &err))
        return cli_fail(&err);
    for (size_t i = PIPE_FP16; i < PIPE_KINDS && !code; i++) {
        if (p->variant[i].wanted) code = convert(p, i);
        else if (unlink(p->variant[i].file) == 0)
            cli_say(p->args, "removed %s: it was of an earlier run", p->variant[i].file);
    }
    return code;
}

static int measure(pipeline *p, size_t kind)
{
    pipe_variant *v = &p->variant[kind];
    static const char *const option[] = {"--threads", "--isa", "--text-field", "--label-field"};
    const char *argv[16] = {"ringkas", "eval", v->file, "--data", p->test, "--json", "--quiet"};
    const char *candidate = v->file;
    rk_compare_options compare;
    size_t n = 7;
    rk_error err;
    char *text;
    json_error_t e;
    int code;

    for (size_t i = 0; i < sizeof option / sizeof option[0]; i++) {
        const char *value = cli_text(p->args, option[i] + 2, NULL);
        if (!value) continue;
        argv[n++] = option[i];
        argv[n++] = value;
    }
    cli_say(p->args, "evaluating %s", v->file);
    text = cli_run_self(argv, &code);
    if (!text) return code;
    v->eval = json_loads(text, 0, &e);
    if (v->eval && v->folder) cli_put_card(v->folder, text);
    free(text);
    if (!v->eval) {
        cli_error("eval of %s gave no JSON: %s", v->file, e.text);
        return CLI_FAILED;
    }
    if (kind == PIPE_FP32) return CLI_DONE;
    rk_compare_defaults(&compare);
    compare.base = p->variant[PIPE_FP32].file;
    compare.candidate = &candidate;
    compare.candidates = 1;
    compare.data = p->test;
    compare.fields = p->options.fields;
    compare.no_latency = true; /* eval has it already */
    if (rk_compare(&text, &compare, NULL, NULL, &err)) return cli_fail(&err);
    v->compare = cli_parse(text);
    return v->compare ? CLI_DONE : CLI_FAILED;
}

/* A signal that came between two trainings, or after them. */
static int go_on(const pipeline *p)
{
    if (!cli_stopped()) return CLI_DONE;
    cli_error("stopped");
    cli_say_resume(p->args);
    return CLI_FAILED;
}

static int road(pipeline *p)
{
    json_t *report = NULL;
    int code = make_base(p);

    for (size_t i = 0; i < PIPE_KINDS && !code; i++) {
        if (p->variant[i].folder) code = train(p, i);
        if (!code) code = go_on(p);
    }
    if (!code) code = make_files(p);
    for (size_t i = 0; i < PIPE_KINDS && !code; i++) {
        if (p->variant[i].wanted) code = measure(p, i);
        if (!code) code = go_on(p);
    }
    if (!code && !pipe_report(p, now() - p->began, &report)) code = CLI_FAILED;
    if (!code && p->args->json) cli_put_json(stdout, report);
    else if (!code) pipe_put_table(p);
    json_decref(report);
    return code;
}

static void clear(pipeline *p)
{
    for (size_t i = 0; i < PIPE_KINDS; i++) {
        free(p->variant[i].folder);
        free(p->variant[i].file);
        json_decref(p->variant[i].train);
        json_decref(p->variant[i].eval);
        json_decref(p->variant[i].compare);
    }
    free(p->train);
    free(p->valid);
    free(p->test);
    free(p->base);
    free(p->report_json);
    free(p->report_html);
}

static int run(cli_args *a)
{
    pipeline p = {.args = a, .progress = {.quiet = a->quiet}};
    rk_init_options sizes;
    int code;

    p.began = now();
    p.variant[PIPE_FP32].name = "fp32";
    p.variant[PIPE_FP16].name = "fp16";
    p.variant[PIPE_INT8].name = "int8";
    p.out = cli_need(a, "out");
    cli_need(a, "data");
    if (cli_given(a, "init") == cli_given(a, "model"))
        cli_misuse(a, "either --model DIR or --init is needed");
    rk_train_defaults(&p.options);
    cli_train_options(a, &p.options);
    cli_qat_options(a, &p.options);
    rk_init_defaults(&sizes);
    cli_init_sizes(a, &sizes);
    p.options.fields = cli_fields(a);
    p.options.resume = cli_given(a, "resume");
    p.qat_epochs = cli_count(a, "qat-epochs", 1, 0, 10000);
    p.qat_lr = cli_real(a, "qat-lr", 0.5 * p.options.lr, 0.0, 1e10);
    code = a->wrong || !read_qat(a, &p) || !fits_qat(a, &p) ? CLI_USAGE : set_up(&p);
    if (!code) {
        cli_stop_on_signals();
        code = road(&p);
    }
    clear(&p);
    return code;
}

static const cli_option options[] = {
    {"model", "DIR", NULL, "folder to start from (Hugging Face layout)", 0},
    {"init", NULL, NULL, "start from a random encoder instead, made in OUT/init", 0},
    CLI_INIT_OPTIONS,
    {"data", "DIR", NULL, "holds train, valid and test, each .tsv, .csv or .jsonl", 0},
    CLI_FIELD_OPTIONS,
    {"out", "DIR", NULL, "folder for all that is made", 0},
    {"qat", "KINDS", "none", "fp16, int8 or fp16,int8: train for these too", 0},
    {"qat-epochs", "N", "1", "epochs of each of these", 0},
    {"qat-lr", "X", NULL, "their learning rate (default: half of --lr)", 0},
    CLI_TRAIN_OPTIONS,
    CLI_QAT_OPTIONS,
    {"resume", NULL, NULL, "go on where a stopped run with the same options ended", 0},
    {"json", NULL, NULL, "the report as one JSON object", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_pipeline = {
    .name = "pipeline",
    .purpose = "train, export, convert, evaluate all, write a report",
    .usage = "--model DIR --data DIR --out DIR [--qat fp16,int8] [options]\n"
             "--init --data DIR --out DIR [--layers N --hidden N --heads N --vocab-size N] ...",
    .options = options,
    .notes = "Makes in OUT: model/ (FP32), model-fp16/ and model-int8/ where training for them\n"
             "ran, model.onnx, model_fp16.onnx, model_int8.onnx, report.json, report.html.\n"
             "Training for FP16 or INT8 starts from the trained FP32 model: it has less to learn\n"
             "then, and one epoch is enough. Without --qat int8 there is no INT8 file: only\n"
             "training learns the ranges it needs.",
    .example = "ringkas pipeline --model indobert --data smsa --out out --qat fp16,int8",
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
