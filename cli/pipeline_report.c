#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "pipeline.h"

/* "model name" of /proc/cpuinfo, "" where there is none. */
static void cpu_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");

    out[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 1 + strspn(value + 1, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (f) fclose(f);
}

static json_t *command_json(const cli_args *a)
{
    json_t *list = json_array();
    json_array_append_new(list, json_string("ringkas"));
    for (int i = 0; i < a->argc; i++) {
        json_t *word = json_string(a->argv[i]);
        json_array_append_new(list, word ? word : json_string("(not UTF-8)"));
    }
    return list;
}

/* Adds "sha256" where the file can be read; a report without it is still one. */
static void put_hash(json_t *object, const char *path)
{
    char hash[65];
    if (path && rk_sha256(hash, path, NULL) == RK_OK)
        json_object_set_new(object, "sha256", json_string(hash));
}

static json_t *system_json(void)
{
    struct utsname u;
    if (uname(&u) < 0) return json_null();
    return json_sprintf("%s %s %s", u.sysname, u.release, u.machine);
}

/* What training told of a split, with the file's path before it. */
static json_t *split_json(const char *path, const json_t *told)
{
    json_t *out = json_pack("{s:o}", "path", json_string(path));
    json_object_update(out, (json_t *)(uintptr_t)told);
    put_hash(out, path);
    return out;
}

/* The counts of the test rows are those of their evaluation where training told nothing: it ended
 * before this program was called. */
static json_t *test_split(const pipeline *p, const json_t *told)
{
    const json_t *eval = p->variant[PIPE_FP32].eval;
    json_t *labels, *score, *out = split_json(p->test, told);
    const char *name;

    if (told) return out;
    labels = json_object();
    json_object_foreach(json_object_get(eval, "per_label"), name, score)
        json_object_set(labels, name, json_object_get(score, "support"));
    json_object_set(out, "rows", json_object_get(eval, "rows"));
    json_object_set_new(out, "labels", labels);
    return out;
}

static json_t *data_json(const pipeline *p)
{
    const json_t *data = json_object_get(p->variant[PIPE_FP32].train, "data");
    return json_pack("{s:o, s:o, s:o}", "train",
                     split_json(p->train, json_object_get(data, "train")), "valid",
                     split_json(p->valid, json_object_get(data, "valid")), "test",
                     test_split(p, json_object_get(data, "test")));
}

/* The one weight file of the folder that training started from; shards have none to name. */
static void put_weights(json_t *model, const char *folder)
{
    static const char *const names[] = {"model.safetensors", "pytorch_model.bin"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = cli_join(folder, names[i]);
        const bool there = path && cli_is_file(path);
        if (there) {
            put_hash(model, path);
            json_object_set_new(model, "weights", json_string(names[i]));
        }
        free(path);
        if (there) return;
    }
}

static json_t *model_json(const pipeline *p)
{
    json_t *about = NULL, *out;
    char *text;
    rk_error err;

    if (rk_inspect(&text, p->variant[PIPE_FP32].folder, &err) == RK_OK) about = cli_parse(text);
    out = json_pack("{s:o, s:I, s:I, s:I}", "name", json_string(p->base), "layers",
                    (json_int_t)cli_num(about, "layers"), "hidden",
                    (json_int_t)cli_num(about, "hidden"), "params",
                    (json_int_t)cli_num(about, "parameters"));
    put_weights(out, p->base);
    json_decref(about);
    return out;
}

static json_t *run_json(const pipe_variant *v)
{
    json_t *curve = json_object_get(v->train, "curve");
    json_t *epochs = json_object_get(v->train, "epochs");
    return json_pack("{s:s, s:f, s:I, s:O?, s:O?}", "name", v->name, "seconds",
                     cli_num(v->train, "seconds"), "steps", (json_int_t)cli_num(v->train, "steps"),
                     "curve", curve, "epochs", epochs);
}

static json_t *compare_json(const pipe_variant *v)
{
    json_t *out = json_copy(v->compare);
    json_object_del(out, "base_eval");
    json_object_del(out, "candidate_eval");
    json_object_set_new(out, "base", json_string("fp32"));
    json_object_set_new(out, "candidate", json_string(v->name));
    return out;
}

static json_t *result_json(const pipe_variant *v)
{
    const char *slash = strrchr(v->file, '/');
    json_t *out = json_pack("{s:s, s:o, s:I, s:O}", "name", v->name, "file",
                            json_string(slash ? slash + 1 : v->file), "model_bytes",
                            (json_int_t)cli_num(v->eval, "model_bytes"), "eval", v->eval);
    put_hash(out, v->file);
    return out;
}

static json_t *report_object(const pipeline *p, double seconds)
{
    json_t *runs = json_array(), *results = json_array(), *compare = json_array();
    const time_t now = time(NULL);
    struct tm utc;
    char created[32] = "", cpu[200];

    if (gmtime_r(&now, &utc)) strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cpu_name(cpu, sizeof cpu);
    for (size_t i = 0; i < PIPE_KINDS; i++) {
        const pipe_variant *v = &p->variant[i];
        if (v->train) json_array_append_new(runs, run_json(v));
        if (v->eval) json_array_append_new(results, result_json(v));
        if (v->compare) json_array_append_new(compare, compare_json(v));
    }
    return json_pack("{s:i, s:s, s:s, s:s, s:o, s:f, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o}",
                     "version", 1, "created", created, "ringkas", rk_version(), "libraries",
                     rk_libraries(), "command", command_json(p->args), "seconds", seconds, "cpu",
                     json_string(cpu), "os", system_json(), "isa", rk_isa(), "threads",
                     (json_int_t)cli_num(p->variant[PIPE_FP32].eval, "threads"), "data",
                     data_json(p), "model", model_json(p), "runs", runs, "results", results,
                     "compare", compare);
}

bool pipe_report(const pipeline *p, double seconds, json_t **report)
{
    char *text;
    rk_error err;
    bool ok = false;

    *report = report_object(p, seconds);
    text = *report ? json_dumps(*report, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    if (!text) {
        cli_error("out of memory");
        return false;
    }
    if (cli_write_file(p->report_json, text)) {
        ok = rk_report_write(p->report_html, text, &err) == RK_OK;
        if (!ok) cli_fail(&err);
    }
    free(text);
    return ok;
}

static double majority(const json_t *eval)
{
    double most = 0.0;
    const char *name;
    json_t *score;
    json_object_foreach(json_object_get(eval, "per_label"), name,
                        score) if (cli_num(score, "support") > most) most =
        cli_num(score, "support");
    return cli_num(eval, "rows") > 0.0 ? most / cli_num(eval, "rows") : 0.0;
}

void pipe_put_table(const pipeline *p)
{
    static const char *const head[] = {"model",  "ran",         "bytes",  "accuracy %",
                                       "[95 %]", "weighted F1", "p50 ms", "rows/s"};
    enum { COLUMNS = sizeof head / sizeof head[0] };
    const json_t *test = p->variant[PIPE_FP32].eval;
    cli_table t;

    cli_table_head(&t, head, COLUMNS);
    for (size_t i = 0; i < PIPE_KINDS; i++) {
        const json_t *e = p->variant[i].eval, *ci = json_object_get(e, "accuracy_ci95");
        const char *slash = strrchr(p->variant[i].file, '/');
        if (!e) continue;
        cli_table_add(&t, "%s", slash ? slash + 1 : p->variant[i].file);
        cli_table_add(&t, "%s", cli_str(e, "precision_ran"));
        cli_table_add(&t, "%.0f", cli_num(e, "model_bytes"));
        cli_table_add(&t, "%.2f", 100.0 * cli_num(e, "accuracy"));
        cli_table_add(&t, "[%.2f, %.2f]", 100.0 * json_number_value(json_array_get(ci, 0)),
                      100.0 * json_number_value(json_array_get(ci, 1)));
        cli_table_add(&t, "%.4f", cli_num(e, "f1_weighted"));
        cli_table_add(&t, "%.2f", cli_num(e, "latency_ms.p50"));
        cli_table_add(&t, "%.1f", cli_num(e, "rows_per_s"));
    }
    cli_table_end(&t, stdout);
    printf("\n%.0f test rows; the most frequent label alone would have %.2f %%\n",
           cli_num(test, "rows"), 100.0 * majority(test));
    if (!p->variant[PIPE_INT8].eval)
        puts("int8: skipped, it needs the ranges that training learns; add --qat int8");
    printf("report: %s\n", p->report_html);
}
