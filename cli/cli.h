/* What the commands share: options, talk, tables, the way out. The commands see the public header
 * of the library and nothing else of it. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ringkas.h"

#if defined(__GNUC__)
#define CLI_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define CLI_PRINTF(string, first)
#endif

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_GATE = 3 };
enum { CLI_OPTIONS_MAX = 48 };

/* ---- commands and their options (args.c) ---------------------------------------------------- */

typedef struct cli_option {
    const char *name;       /* without the dashes; NULL ends the list */
    const char *value;      /* what the value is, in capitals, or all words it can be with bars
                               between; NULL: a switch */
    const char *fallback;   /* the default as text; NULL: none */
    const char *help;       /* one line */
    char letter;            /* short form, or 0 */
} cli_option;

struct cli_args;

typedef struct cli_command {
    const char *name;
    const char *purpose;        /* one line */
    const char *usage;          /* what follows "ringkas NAME "; lines by \n */
    const cli_option *options;  /* own ones; the common ones come from args.c */
    const char *example;        /* lines by \n */
    const char *notes;          /* more to teach, lines by \n; NULL: none */
    size_t min_operands, max_operands;
    int (*run)(struct cli_args *args);
} cli_command;

typedef struct cli_args {
    const cli_command *command;
    int argc;
    char **argv;                /* as given, the command's name first; order of operands may move */
    const char *value[CLI_OPTIONS_MAX];   /* by position in the list of all options; NULL: absent */
    const char *const *operand;
    size_t operands;
    bool quiet, json;
    bool wrong;                 /* a value was refused; the line about it is out already */
} cli_args;

/* Returns CLI_DONE with everything set, or CLI_USAGE after one line on stderr. */
int cli_args_parse(cli_args *args, const cli_command *command, int argc, char **argv);
/* The k-th option: the command's own, then the common ones; NULL past the end. */
const cli_option *cli_option_at(const cli_command *command, size_t k);

/* ---- what commands and options are, for people and shells (help.c, man.c, completion.c) ------ */

extern const cli_command *const cli_commands[]; /* ends with NULL */
extern const cli_option cli_top_options[];      /* of the program itself */
extern const char cli_purpose[], cli_example[];

void cli_overview(FILE *to);
void cli_help(const cli_command *command, FILE *to);
void cli_man(const cli_command *command, FILE *to); /* troff, section 1 */
void cli_man_overview(FILE *to);
bool cli_completion(const char *shell, FILE *to); /* false: no such shell */
/* The k-th exit code and what it says; NULL past the last. command NULL: of the program. */
const char *cli_exit_code(const cli_command *command, size_t k, int *code);


/* Values by option name. A missing option gives the fallback; a bad value says so once, sets wrong
 * and gives the fallback too: check args->wrong once, after the last of them. */
bool cli_given(const cli_args *a, const char *name);
const char *cli_text(const cli_args *a, const char *name, const char *fallback);
const char *cli_need(cli_args *a, const char *name);      /* sets wrong when missing */
size_t cli_count(cli_args *a, const char *name, size_t fallback, size_t min, size_t max);
uint64_t cli_u64(cli_args *a, const char *name, uint64_t fallback);
double cli_real(cli_args *a, const char *name, double fallback, double min, double max);
/* words: NULL-ended. Returns the position of the word given. */
size_t cli_choice(cli_args *a, const char *name, const char *const *words, size_t fallback);
rk_compute cli_compute(cli_args *a);

/* One line "ringkas NAME: ..." for wrong use; sets wrong. Returns CLI_USAGE. */
int cli_misuse(cli_args *a, const char *format, ...) CLI_PRINTF(2, 3);
/* Refuses an output that names the same file as an input (NULL in: fine). */
void cli_refuse_same(cli_args *a, const char *in, const char *out);

/* The nearest of n words within a few edits, or NULL. */
const char *cli_nearest(const char *word, const char *const *words, size_t n);

/* ---- talk (talk.c) -------------------------------------------------------------------------- */

/* "ringkas: ..." on stderr. */
void cli_error(const char *format, ...) CLI_PRINTF(1, 2);
/* Prints err's line; returns the exit code that belongs to it. */
int cli_fail(const rk_error *err);
/* Says something in passing on stderr, unless quiet. */
void cli_say(const cli_args *a, const char *format, ...) CLI_PRINTF(2, 3);

/* "ringkas: note: ..." on stderr, unless quiet; each line once, however often a file is read. user
 * of rk_note_fn is the cli_args. */
void cli_on_note(const char *line, void *user);

/* Progress on stderr: a bar on a terminal, else a line every few seconds. Zero it, set quiet; what
 * is drawn is cleared by cli_progress_end. user of rk_progress_fn is the cli_progress. */
typedef struct cli_progress {
    bool no_data;            /* leaves the lines about the data out: they were said before */
    bool quiet, started, terminal, drawn;
    double next;             /* when to speak again, on the clock of clock_gettime */
    const char *what;        /* put before the numbers; NULL: the kind of work */
} cli_progress;

bool cli_on_progress(const rk_progress *p, void *user);
void cli_progress_end(cli_progress *progress);

/* From now on SIGINT, SIGTERM and SIGHUP make cli_on_progress ask for a stop; a second one ends the
 * program at once. */
void cli_stop_on_signals(void);
bool cli_stopped(void);

/* "run this to go on" after a stop: the command line with --resume, one line on stderr. */
void cli_say_resume(const cli_args *a);

/* ---- results (output.c, table.c) ------------------------------------------------------------ */

/* Keeps 0, 1 and 2 from being taken by the first files opened. */
void cli_reserve_streams(void);
/* Flushes stdout; what could not be written turns CLI_DONE into CLI_FAILED, with a line. */
int cli_finish(int code);

/* Bytes that would break a line or a terminal come out as \t \n \r \\ \xNN. */
void cli_put_escaped(FILE *to, const char *text, size_t length);
/* One JSON value and a newline. Returns false when out of memory. */
bool cli_put_json(FILE *to, const json_t *value);
/* Parses the JSON a call returned and frees the text; NULL: said already (never expected). */
json_t *cli_parse(char *text);
/* Writes text to path: beside, synced, renamed. Says why on failure. */
bool cli_write_file(const char *path, const char *text);
bool cli_make_folder(const char *path);     /* and its parents */
bool cli_is_file(const char *path);
bool cli_is_file_in(const char *folder, const char *name);
/* "DIR/NAME" in new memory (free), NULL when out of memory. */
char *cli_join(const char *folder, const char *name);
/* "29.4 MB"; a static buffer per call site is the caller's. */
enum { CLI_SIZE_TEXT = 32 };
const char *cli_bytes(char out[CLI_SIZE_TEXT], double bytes);

/* A table of text cells; the first row is the head. */
typedef struct cli_table {
    size_t columns, cells, capacity;
    char **cell;
    bool failed;
} cli_table;
void cli_table_start(cli_table *t, size_t columns);
/* The same with its first row, the names of the columns. */
void cli_table_head(cli_table *t, const char *const *head, size_t columns);
void cli_table_add(cli_table *t, const char *format, ...) CLI_PRINTF(2, 3);
void cli_table_end(cli_table *t, FILE *to);       /* prints and frees */

/* The card of a model folder with its test results; one that somebody wrote stays as it is. */
void cli_put_card(const char *folder, const char *eval_json);

/* An object as lines "key  value"; arrays of objects as tables below. */
void cli_put_object(FILE *to, const json_t *object);
/* The result of eval for people (show_eval.c). */
void cli_put_eval(FILE *to, const json_t *eval);
/* A text's first hundred bytes or so, escaped, and a newline. */
void cli_put_text(FILE *to, const char *text);

/* Numbers of a JSON object by path "a.b"; 0 where there is none. */
double cli_num(const json_t *object, const char *path);
const char *cli_str(const json_t *object, const char *path);   /* "" where there is none */

/* ---- lines of standard input (lines.c) ------------------------------------------------------ */

typedef struct cli_lines {
    char *data;
    size_t begin, end, capacity;
    size_t number;            /* of the line handed out last, from 1 */
    bool finished, skipping;
    int error;                /* errno of a failed read, else 0 */
} cli_lines;

typedef enum cli_line_kind {
    CLI_LINE, CLI_LINE_TOO_LONG, CLI_LINE_NONE, CLI_LINE_WAIT
} cli_line_kind;
enum { CLI_LINE_MAX = 1 << 20 };

/* The next line without its end, valid until the next call. may_wait false: CLI_LINE_WAIT instead
 * of sleeping when nothing has come yet. CLI_LINE_NONE at the end. */
cli_line_kind cli_lines_next(cli_lines *l, bool may_wait, const char **text, size_t *length);
void cli_lines_free(cli_lines *l);

/* ---- other programs (spawn.c) --------------------------------------------------------------- */

/* Runs this program again with the arguments given and returns what it printed (free), NULL on
 * failure. A process of its own makes its memory and its speed its own. */
char *cli_run_self(const char *const *argv, int *code);

extern const cli_command cli_cmd_init, cli_cmd_train, cli_cmd_export, cli_cmd_convert, cli_cmd_eval,
    cli_cmd_compare, cli_cmd_calibrate, cli_cmd_bench, cli_cmd_predict, cli_cmd_tokenize,
    cli_cmd_inspect, cli_cmd_pipeline;

/* Several evaluations as one: {models, summary} (cli/seeds.c). */
/* Reads a saved eval or a report.json and appends what is in it; says why on failure. */
bool cli_seeds_read(json_t *evals, const char *path);
/* {models, summary [{name, n, metrics {NAME: {mean, sd, ci95}}}]}; NULL: said already. */
json_t *cli_seeds_json(const json_t *evals);
void cli_put_seeds(FILE *to, const json_t *result);

/* The training options that train and pipeline share, in their lists and read by train_options.c.
 * Sets args->wrong for what is out of range. */
#define CLI_TRAIN_OPTIONS                                                                          \
    {"epochs", "N", "3", "times through the training rows", 0},                                    \
    {"batch", "N", "16", "rows per step", 0},                                                      \
    {"lr", "X", "2e-5; 5e-5 below 768 wide", "largest learning rate", 0},                          \
    {"weight-decay", "X", "0.01", "AdamW's decay of matrices and tables", 0},                      \
    {"warmup", "X", "0", "steps of rising rate; below 1 a share of all steps", 0},                 \
    {"schedule", "linear|cosine|constant", "linear", "how the rate goes on from there", 0},        \
    {"layer-decay", "X", "1", "rate of a layer as a share of that of the one above", 0},           \
    {"accumulate", "N", "1", "batches that make one step", 0},                                     \
    {"patience", "N", NULL, "end after N epochs without a better one (default: never)", 0},        \
    {"label-smoothing", "X", "0", "share of the target that all labels have alike", 0},            \
    {"class-weights", "W", NULL, "balanced, or label=weight,.. of the loss (default: all 1)", 0},  \
    {"clip", "X", "1", "largest norm of the gradient; 0: no clipping", 0},                         \
    {"dropout", "P", NULL, "of all kinds (default: as config.json says)", 0},                      \
    {"max-length", "N", "128", "tokens kept of a text; at most what the model can see", 0},        \
    {"clean", "STEPS", NULL,                                                                       \
     "none, seed, or steps by comma: lower, strip-special, collapse,\n"                            \
     "stopwords, stopwords-keep-negation (default: as the model says)", 0},                        \
    {"compute", "f32|bf16", "f32", "type of the products; weights stay f32", 0},                   \
    {"seed", "N", "42", "of new weights, order and dropout", 0}
void cli_train_options(cli_args *a, rk_train_options *o);

/* Distillation, and what training for FP16 or INT8 has besides. */
#define CLI_QAT_OPTIONS                                                                            \
    {"qat-delay", "X", "0", "steps in float before it acts; below 1 a share of all", 0},           \
    {"observer", "minmax|percentile|mse", "minmax", "int8: how a batch's range is taken", 0},      \
    {"percentile", "P", "99.99", "int8: of --observer percentile, at both ends", 0},               \
    {"learn-ranges", NULL, NULL, "int8: train the scales too (LSQ), instead of freezing them", 0}, \
    {"distill", "X", "0", "share of the loss that is a teacher's", 0},                             \
    {"teacher", "DIR", NULL, "its model folder (default: where training starts)", 0},              \
    {"distill-temperature", "T", "2", "softens the logits of both", 0},                            \
    {"distill-hidden", "X", "0", "weight of the distance of the last hidden states", 0}
void cli_qat_options(cli_args *a, rk_train_options *o);

/* The names of the fields of a data file, wherever one is read. */
#define CLI_FIELD_OPTIONS                                                                          \
    {"text-field", "NAME", "text", "field of the text: JSON Lines, or a header line", 0},          \
    {"label-field", "NAME", "label", "field of the label", 0}
rk_fields cli_fields(const cli_args *a);

/* The sizes of a random encoder, in init and pipeline. */
#define CLI_INIT_OPTIONS                                                                           \
    {"layers", "N", "2", "layers of the encoder", 0},                                              \
    {"hidden", "N", "128", "width", 0},                                                            \
    {"heads", "N", "4", "attention heads; they divide the width", 0},                              \
    {"vocab-size", "N", "4000", "tokens to learn at most", 0}
void cli_init_sizes(cli_args *a, rk_init_options *o);

#endif
