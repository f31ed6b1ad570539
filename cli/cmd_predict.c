#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { BATCH = 64 };

/* Texts that wait for their answers. */
typedef struct queue {
    size_t count;
    char *text[BATCH];
    size_t length[BATCH], number[BATCH];
} queue;

typedef struct work {
    rk_model *model;
    size_t labels;
    float *probs;          /* [BATCH, labels] */
    double threshold;      /* below it the best label is no answer; 0: always is one */
    bool json, lines;      /* lines: the texts are lines of standard input */
    bool failed;           /* some text got an error in place of an answer */
    bool fatal;            /* no point in going on */
    queue q;
} work;

/* A text that is not UTF-8 would make the JSON invalid; there it stays out. */
static void put_error(work *w, size_t i, const char *why)
{
    const queue *q = &w->q;
    const char *unit = w->lines ? "standard input:" : "argument ";
    w->failed = true;
    cli_error("%s%zu: %s", unit, q->number[i], why);
    if (w->json) {
        json_t *one = json_pack("{s:I, s:s}", w->lines ? "line" : "argument",
                                (json_int_t)q->number[i], "error", why);
        w->fatal = !one || !cli_put_json(stdout, one);
        json_decref(one);
        return;
    }
    fputs("!error\t\t", stdout);
    for (size_t k = 0; k < q->length[i]; k++) {
        const unsigned char c = (unsigned char)q->text[i][k];
        if (c < 0x80) cli_put_escaped(stdout, q->text[i] + k, 1);
        else printf("\\x%02x", c);
    }
    putchar('\n');
}

static void put_answer(work *w, size_t i, const float *probs)
{
    const queue *q = &w->q;
    size_t best = 0;
    bool abstained;
    json_t *one, *all;

    for (size_t k = 1; k < w->labels; k++)
        if (probs[k] > probs[best]) best = k;
    abstained = (double)probs[best] < w->threshold;
    if (!w->json) {
        printf("%s\t%.4f\t", abstained ? "!abstain" : rk_model_label(w->model, best),
               (double)probs[best]);
        cli_put_escaped(stdout, q->text[i], q->length[i]);
        putchar('\n');
        return;
    }
    all = json_object();
    for (size_t k = 0; k < w->labels; k++)
        json_object_set_new(all, rk_model_label(w->model, k), json_real((double)probs[k]));
    one = json_pack("{s:s%, s:s, s:f, s:o}", "text", q->text[i], q->length[i], "label",
                    rk_model_label(w->model, best), "probability", (double)probs[best],
                    "probabilities", all);
    if (one && w->threshold > 0.0) json_object_set_new(one, "abstained", json_boolean(abstained));
    w->fatal = !one || !cli_put_json(stdout, one);
    json_decref(one);
}

/* One text alone: finds out which of a refused batch is at fault. */
static void answer_alone(work *w, size_t i)
{
    const char *text = w->q.text[i], *why;
    rk_error err;

    if (!rk_model_classify(w->model, &text, &w->q.length[i], 1, NULL, w->probs, &err)) {
        put_answer(w, i, w->probs);
        return;
    }
    if (err.code == RK_E_MEMORY) w->fatal = true;
    why = err.message;
    if (strncmp(why, "text 1: ", 8) == 0) why += 8;
    put_error(w, i, why);
}

static void answer(work *w)
{
    queue *q = &w->q;
    rk_error err;
    rk_status st;

    if (!q->count) return;
    st = rk_model_classify(w->model, (const char *const *)q->text, q->length, q->count, NULL,
                           w->probs, &err);
    for (size_t i = 0; i < q->count && !w->fatal; i++) {
        if (st) answer_alone(w, i);
        else put_answer(w, i, w->probs + i * w->labels);
    }
    for (size_t i = 0; i < q->count; i++) free(q->text[i]);
    q->count = 0;
    if (fflush(stdout) != 0) w->fatal = true;      /* cli_finish says why */
}

static void push(work *w, const char *text, size_t length, size_t number)
{
    queue *q = &w->q;
    char *copy = malloc(length + 1);
    if (!copy) {
        cli_error("out of memory");
        w->fatal = w->failed = true;
        return;
    }
    if (length) memcpy(copy, text, length);
    copy[length] = '\0';
    q->text[q->count] = copy;
    q->length[q->count] = length;
    q->number[q->count++] = number;
    if (q->count == BATCH) answer(w);
}

static void from_input(work *w)
{
    cli_lines lines = {0};
    const char *text;
    size_t length;

    while (!w->fatal) {
        /* Whoever types line by line gets an answer line by line. */
        switch (cli_lines_next(&lines, w->q.count == 0, &text, &length)) {
        case CLI_LINE:
            push(w, text, length, lines.number);
            continue;
        case CLI_LINE_WAIT:
            answer(w);
            continue;
        case CLI_LINE_TOO_LONG:
            answer(w);
            push(w, "", 0, lines.number);
            if (!w->fatal) {
                put_error(w, 0, "the line is longer than 1 MiB");
                free(w->q.text[0]);
                w->q.count = 0;
            }
            continue;
        case CLI_LINE_NONE:
            break;
        }
        break;
    }
    if (!w->fatal) answer(w);
    if (lines.error) {
        cli_error("standard input: %s", strerror(lines.error));
        w->failed = true;
    }
    cli_lines_free(&lines);
}

static int run(cli_args *a)
{
    static work w;      /* too large for the stack of a small thread */
    rk_error err;

    w.json = a->json;
    w.lines = a->operands == 1;
    const rk_compute compute = cli_compute(a);
    cli_real(a, "abstain-below", 0.0, 0.0, 1.0);
    if (a->wrong) return CLI_USAGE;
    if (rk_model_open(&w.model, a->operand[0], compute, &err)) return cli_fail(&err);
    w.labels = rk_model_labels(w.model);
    if (cli_given(a, "abstain")) {
        w.threshold = rk_model_abstain(w.model);
        if (!(w.threshold > 0.0)) {
            cli_error("%s: stores no threshold; ringkas calibrate --abstain-precision makes one, "
                      "or --abstain-below gives one", a->operand[0]);
            rk_model_close(w.model);
            return CLI_FAILED;
        }
    }
    w.threshold = cli_real(a, "abstain-below", w.threshold, 0.0, 1.0);
    w.probs = calloc(w.labels, BATCH * sizeof *w.probs);
    if (!w.probs) {
        cli_error("out of memory");
        w.failed = true;
    } else if (w.lines) {
        from_input(&w);
    } else {
        for (size_t i = 1; i < a->operands && !w.fatal; i++)
            push(&w, a->operand[i], strlen(a->operand[i]), i);
        if (!w.fatal) answer(&w);
    }
    for (size_t i = 0; i < w.q.count; i++) free(w.q.text[i]);
    free(w.probs);
    rk_model_close(w.model);
    return w.failed || w.fatal ? CLI_FAILED : CLI_DONE;
}

static const cli_option options[] = {
    {"compute", "auto|f32|bf16", "auto", "products of a float model", 0},
    {"abstain", NULL, NULL, "no answer where the model was told to abstain (calibrate)", 0},
    {"abstain-below", "P", NULL, "no answer where the best label has less than P", 0},
    {"json", NULL, NULL, "one JSON object per text", 0},
    {NULL, NULL, NULL, NULL, 0},
};

const cli_command cli_cmd_predict = {
    .name = "predict",
    .purpose = "label texts",
    .usage = "MODEL [TEXT...] [--abstain | --abstain-below P] [--json]",
    .options = options,
    .notes = "MODEL is a model folder or an .onnx file. Texts are the arguments, or the lines of\n"
             "standard input. Each gets one line, in order: label TAB probability TAB text; in\n"
             "the text a tab, line end, control byte or backslash comes out as\n"
             "\\t \\n \\r \\xNN \\\\.\n"
             "With --abstain a text whose best label is not sure enough gets \"!abstain\" in\n"
             "place of a label (in JSON \"abstained\": true beside the best label).\n"
             "A text that is not UTF-8 gets \"!error\" in place of a label, a line on standard\n"
             "error, and exit code 1 at the end. Texts longer than the model's length lose their\n"
             "end. Put -- before texts that start with a dash.",
    .example = "ringkas predict build/demo/model_int8.onnx \"makanannya enak sekali\"\n"
               "ringkas predict model.onnx --json <reviews.txt >answers.jsonl",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .run = run,
};
