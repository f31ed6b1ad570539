/* Ringkas: small, fast, valid text classifiers from a pretrained BERT encoder.
 *
 * The whole public interface, in order of need: status, model (open, classify, close), text,
 * training, export and conversion, evaluation. Licence: Apache-2.0.
 *
 * Conventions
 *   - Every call that can fail returns an rk_status and, where err is not NULL, fills *err with one
 *     line that names the place. On failure outputs are untouched or NULL and nothing is written
 *     to disk: files are written beside their place, synced, and renamed.
 *   - Text is UTF-8, terminated by NUL unless a length is given.
 *   - Results with many fields are returned as JSON text; the fields are listed in doc/FORMATS.md.
 *     Free it with rk_string_free.
 *   - Pointers in option structs are borrowed for the call. Zero every struct, or start from its
 *     _defaults function; a zero or NULL field then means "the default".
 *   - What a person should see though nothing failed (a byte-order mark that was dropped) goes to
 *     the function given to rk_set_notes.
 *   - No call prints, exits or installs a signal handler. */
#ifndef RINGKAS_H
#define RINGKAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RK_API __attribute__((visibility("default")))
#else
#define RK_API
#endif

#define RK_VERSION "0.1.0"

/* ---- status ------------------------------------------------------------------------------- */

typedef enum rk_status {
    RK_OK = 0,
    RK_E_ARG,        /* a wrong argument or option: the caller's mistake */
    RK_E_OPEN,       /* an input cannot be opened or is not a regular file */
    RK_E_FORMAT,     /* an input's content is refused */
    RK_E_MEMORY,     /* out of memory */
    RK_E_OUTPUT,     /* an output cannot be created */
    RK_E_IO,         /* reading or writing failed on the way */
    RK_E_STOPPED,    /* stopped on request; what was saved can be resumed */
    RK_E_NUMERIC,    /* the numbers went wrong: a loss that is not finite, say */
    RK_E_UNSUPPORTED /* understood but not available: an operator, a precision on this CPU */
} rk_status;

typedef struct rk_error {
    rk_status code;
    char message[1024]; /* one line, no newline at the end */
} rk_error;

/* The name of a status ("RK_E_FORMAT"); never NULL. */
RK_API const char *rk_status_name(rk_status status);

RK_API const char *rk_version(void);

/* What the library was built with ("oneDNN 3.2.0, gcc 12.2"); never NULL. */
RK_API const char *rk_libraries(void);

/* SHA-256 of a regular file as 64 hexadecimal digits; out is untouched on failure. */
RK_API rk_status rk_sha256(char out[65], const char *path, rk_error *err);

/* Frees text returned by this library; NULL is fine. */
RK_API void rk_string_free(char *text);

/* Threads used by calls made on this thread from now on, 0 for all cores (the start, unless
 * OMP_NUM_THREADS says otherwise). Returns the number in force. A program whose own threads each
 * have a handle on a model sets 1 in each. */
RK_API size_t rk_set_threads(size_t threads);

/* Limits the instruction levels used ("ref", "avx2", "avx512", "vnni", "amx"; NULL for all this
 * CPU has). RK_E_UNSUPPORTED when the CPU lacks the level, RK_E_ARG for an unknown name. Call it
 * before anything else: packed weights keep the level they were made for. */
RK_API rk_status rk_set_isa(const char *level, rk_error *err);

/* The level in force, as a constant string. */
RK_API const char *rk_isa(void);

/* Called by long work. kind says what the numbers mean ("tokenize", "train", "calibrate" for the
 * batches that ranges are measured on before the first step, "eval", "convert", "log" for a line of
 * text in `line` that a person should see, "data" for such a line about the data). Return false to
 * stop: the call then saves what it can and returns RK_E_STOPPED. May be called from the calling
 * thread only. */
typedef struct rk_progress {
    const char *kind;
    size_t done, total; /* units of work: steps for training, rows for evaluation */
    double rows_per_s;
    double seconds_left; /* estimate; negative when unknown */
    double loss;         /* training: mean of the recent steps; else 0 */
    size_t epoch, epochs;
    const char *line; /* kinds "log" and "data": without newline; else NULL */
} rk_progress;

typedef bool (*rk_progress_fn)(const rk_progress *progress, void *user);

/* Called with one line, without newline, about an input that was taken though something in it is
 * odd: file, line where there is one, what is odd and what is done about it. */
typedef void (*rk_note_fn)(const char *line, void *user);

/* Who hears the notes of calls made on this thread from now on; NULL (the start): nobody. */
RK_API void rk_set_notes(rk_note_fn fn, void *user);

/* ---- model: open, classify, close ---------------------------------------------------------- */

typedef struct rk_model rk_model;

typedef enum rk_compute { RK_COMPUTE_AUTO = 0, RK_COMPUTE_F32, RK_COMPUTE_BF16 } rk_compute;

/* Opens a model folder (Hugging Face layout) or an .onnx file for inference, with its tokenizer,
 * labels and cleaning (from the file's metadata, else from the files beside it).
 * On success the caller owns *out and closes it with rk_model_close. A model serves one thread at a
 * time; rk_model_share gives the others theirs. */
RK_API rk_status rk_model_open(rk_model **out, const char *path, rk_compute compute, rk_error *err);

/* Another handle on an open model, for another thread: weights, tokenizer and labels are
 * shared, what a call works in is its own (some hundred kB). Answers are those of `model`, to
 * the bit. Takes no time to speak of, and may be called while other handles work. The caller
 * closes it; handles are closed in any order. */
RK_API rk_status rk_model_share(rk_model **out, rk_model *model, rk_error *err);
RK_API void rk_model_close(rk_model *model); /* takes NULL */

RK_API size_t rk_model_labels(const rk_model *model);
RK_API const char *rk_model_label(const rk_model *model, size_t label); /* owned by the model */
RK_API size_t rk_model_max_length(const rk_model *model);               /* tokens */

/* What executes: "fp32", "fp16", "bf16" or "int8". */
RK_API const char *rk_model_precision(const rk_model *model);

/* Classifies texts: cleaned, tokenised and truncated as the model was trained.
 *   texts    [n]           in   UTF-8, lengths[i] bytes each; lengths NULL means NUL-terminated
 *   logits   [n, labels]   out  raw scores, row-major; the caller's memory; may be NULL
 *   probs    [n, labels]   out  softmax of the logits; may be NULL
 * An empty text is a valid text ([CLS][SEP]). Invalid UTF-8 is RK_E_FORMAT and names the row. */
RK_API rk_status rk_model_classify(rk_model *model, const char *const *texts, const size_t *lengths,
                                   size_t n, float *logits, float *probs, rk_error *err);

/* Classifies token ids, rows end to end (no padding):
 *   ids      [starts[n]]   in   token ids, special tokens included
 *   starts   [n + 1]       in   row r is ids[starts[r]] .. ids[starts[r + 1] - 1], at least one id
 *   logits   [n, labels]   out */
RK_API rk_status rk_model_classify_ids(rk_model *model, const int32_t *ids, const size_t *starts,
                                       size_t n, float *logits, rk_error *err);

/* Token ids of one text, special tokens included, truncated to the model's length. The caller frees
 * *ids with rk_ids_free. */
RK_API rk_status rk_model_tokenize(const rk_model *model, const char *text, size_t length,
                                   int32_t **ids, size_t *count, rk_error *err);
RK_API void rk_ids_free(int32_t *ids);

/* Opens only the tokenizer side of MODEL (no weights are read): for rk_model_tokenize. */
RK_API rk_status rk_model_open_tokenizer(rk_model **out, const char *path, rk_error *err);

/* ---- data files ---------------------------------------------------------------------------- */

/* Data files are UTF-8 rows of a text and a label: TSV, CSV by the ending .csv, JSON Lines by
 * .jsonl or .ndjson. These are the names of the two fields of JSON Lines, or of the columns where a
 * file starts with a header line; NULL: "text", "label". */
typedef struct rk_fields {
    const char *text, *label;
} rk_fields;

/* ---- training ------------------------------------------------------------------------------ */

typedef enum rk_qat { RK_QAT_NONE = 0, RK_QAT_FP16, RK_QAT_INT8 } rk_qat;

/* The learning rate after its warm-up: down to 0 in a line or along half a cosine, or level. */
typedef enum rk_schedule {
    RK_SCHEDULE_LINEAR = 0,
    RK_SCHEDULE_CONSTANT,
    RK_SCHEDULE_COSINE
} rk_schedule;

/* How a batch's range is taken before it enters the moving average: its ends, its percentiles, or
 * the ends of the least squared error. */
typedef enum rk_observer {
    RK_OBSERVER_MINMAX = 0,
    RK_OBSERVER_PERCENTILE,
    RK_OBSERVER_MSE
} rk_observer;

typedef struct rk_train_options {
    const char *model; /* folder to start from */
    const char *train; /* data files */
    const char *valid;
    const char *test; /* NULL: none */
    const char *out;  /* folder to make */
    rk_qat qat;
    size_t epochs; /* 0 with qat: measure the ranges and train nothing */
    size_t batch;  /* rows */
    double lr;     /* peak rate; negative: so many times the usual one, which is 2e-5 from hidden
                      768 up and 5e-5 for smaller models */
    double weight_decay;
    double warmup;     /* below 1 a share of all steps, else a number of steps */
    double dropout;    /* negative: as config.json says */
    double clip;       /* largest gradient norm; 0: no clipping */
    rk_schedule schedule;
    size_t accumulate;  /* batches whose gradients make one step */
    double layer_decay; /* rate of a layer as a share of that of the layer above; 1: all equal */
    size_t patience;    /* epochs without a better one before training ends; 0: never */
    double label_smoothing;    /* share of the target spread over all labels, below 1 */
    const char *class_weights; /* NULL, "balanced", or "label=weight,..."; others weigh 1 */
    size_t max_length; /* tokens, special ones included; 0: 128, or the model's positions */
    const char *clean; /* "none", "seed", steps by comma; NULL: as the model folder says */
    rk_compute compute;
    uint64_t seed;
    bool resume;
    size_t max_steps;      /* 0: no limit */
    size_t max_train_rows; /* 0: all; the first N rows (for trials) */
    size_t save_every;     /* steps between resumable states; 0: at the end of each epoch */
    rk_fields fields;      /* of the data files */

    /* knowledge distillation */
    double distill;             /* share of the loss that is the teacher's; 0: no teacher */
    const char *teacher;        /* its model folder; NULL: `model` */
    double distill_temperature; /* both logits are divided by it */
    double distill_hidden;      /* weight of the distance of the last hidden states; 0: none */
    /* quantisation-aware training only */
    double qat_delay; /* steps in float before it acts; below 1 a share of all steps */
    /* INT8 */
    rk_observer observer;
    double percentile;  /* of RK_OBSERVER_PERCENTILE, above 50 */
    bool learn_ranges;  /* activations' scales are trained, instead of frozen half way */
} rk_train_options;

RK_API void rk_train_defaults(rk_train_options *options);

/* True when the folder holds a state that a training with `resume` can go on from. */
RK_API bool rk_train_unfinished(const char *out);

/* Fine-tunes, keeps the epoch of best weighted F1 on the validation rows (with qat it may be the
 * start, epoch 0), and writes the model folder. *json: see doc/FORMATS.md "train". */
RK_API rk_status rk_train(char **json, const rk_train_options *options, rk_progress_fn progress,
                          void *user, rk_error *err);

/* Writes the model card, README.md in a folder that rk_train made, again: with the results of
 * test_json, an object of rk_eval (NULL: without). rk_train writes it without. A README.md that is
 * no card of ours stays (RK_E_OUTPUT). */
RK_API rk_status rk_model_card(const char *folder, const char *test_json, rk_error *err);

typedef struct rk_init_options {
    const char *train; /* rows to learn the vocabulary and the labels from */
    const char *out;
    const char *clean;
    size_t layers, hidden, heads, vocab_size, max_length;
    uint64_t seed;
    rk_fields fields; /* of the rows */
} rk_init_options;

RK_API void rk_init_defaults(rk_init_options *options);

/* Makes a model folder with random weights and a vocabulary learned from the rows. */
RK_API rk_status rk_init(char **json, const rk_init_options *options, rk_error *err);

/* ---- export and conversion ----------------------------------------------------------------- */

/* Writes the folder's model as one ONNX file: float, or with QuantizeLinear/DequantizeLinear where
 * the folder carries learned ranges. opset 0: 17. */
RK_API rk_status rk_export(const char *folder, const char *onnx_path, int opset, rk_error *err);

typedef enum rk_precision { RK_FP16 = 1, RK_BF16, RK_INT8 } rk_precision;

/* Which runtime the file is for: what it cannot do in half stays float. */
typedef enum rk_convert_target {
    RK_FOR_ANY,
    RK_FOR_ORT_CPU,
    RK_FOR_ORT_CUDA,
    RK_FOR_OPENVINO,
    RK_FOR_TENSORRT
} rk_convert_target;

typedef struct rk_convert_options {
    const char *in, *out;
    rk_precision to;
    rk_convert_target target;
    const char *ranges;     /* JSON file of measured ranges: value name to [min, max]; NULL: none */
    bool convert_io;        /* graph inputs and outputs change type too */
    const char *keep_ops;   /* operator types kept float, by comma; NULL: none */
    const char *keep_nodes; /* node names kept float, by comma */
    const char *check;      /* data file: the result must give the same labels; NULL: none */
    rk_fields fields;       /* of that data file */
} rk_convert_options;

RK_API rk_status rk_convert(char **json, const rk_convert_options *options, rk_error *err);

/* What a file or folder is: sizes, types, labels, ranges, metadata. */
RK_API rk_status rk_inspect(char **json, const char *path, rk_error *err);

/* ---- evaluation ---------------------------------------------------------------------------- */

typedef struct rk_eval_options {
    const char *model;
    const char *data; /* labelled rows; read as a stream, never held whole */
    rk_fields fields;
    size_t batch; /* rows per call; 0: 32 */
    rk_compute compute;
    bool skip_bad_rows; /* count rows that are refused and go on; else the first one ends it */
    size_t suspects;    /* list so many rows of the largest loss; 0: none */
} rk_eval_options;

/* Scores a model on labelled rows. See doc/FORMATS.md "eval". Unlike other calls, one that a bad
 * row or a stop ends on the way leaves in *json what the rows before it gave, with "partial" true,
 * beside the error; NULL where there was no row. */
RK_API rk_status rk_eval(char **json, const rk_eval_options *options, rk_progress_fn progress,
                         void *user, rk_error *err);

typedef struct rk_compare_options {
    const char *base;
    const char *const *candidate; /* [candidates], at least one */
    size_t candidates;
    const char *data;
    rk_fields fields;
    double max_drop;  /* points of accuracy; negative: no gate */
    bool confident;   /* the gate looks at the upper end of the drop's 95 % interval */
    size_t flips;     /* rows listed at most, each way */
    bool no_latency;  /* leave out the timing of single texts */
} rk_compare_options;

RK_API void rk_compare_defaults(rk_compare_options *options); /* no gate, 10 flips */

/* Scores models on the same rows and compares each candidate with the base row by row; "gate" in
 * the result is "pass", "fail" or "none". See doc/FORMATS.md "compare". */
RK_API rk_status rk_compare(char **json, const rk_compare_options *options,
                            rk_progress_fn progress, void *user, rk_error *err);

typedef struct rk_calibrate_options {
    const char *model; /* .onnx file or model folder */
    const char *data;  /* labelled validation rows; never those that a result is reported on */
    const char *out;   /* file to write, or folder to make (that of the model: changed in place) */
    rk_fields fields;
    bool no_temperature;       /* leave the sharpness as it is */
    const char *target_prior;  /* "label=share,..", all labels; NULL: none */
    const char *unlabelled;    /* rows that the new shares are estimated on by EM; NULL: none */
    double abstain_precision;  /* share of answers that must be right; 0: no threshold */
} rk_calibrate_options;

/* Fits a temperature, new label shares and a threshold for abstaining on validation rows, and
 * writes the model with them: a scale and a bias on its logits. See doc/FORMATS.md "calibrate". */
RK_API rk_status rk_calibrate(char **json, const rk_calibrate_options *options,
                              rk_progress_fn progress, void *user, rk_error *err);

/* The probability that the best label needs for an answer, as rk_calibrate stored it; 0: none. */
RK_API double rk_model_abstain(const rk_model *model);

/* Mean and standard deviation (n - 1) of the figures of several runs, and the 95 % interval of the
 * mean by Student's t. */
typedef struct rk_summary {
    size_t n;
    double mean, sd, ci95[2]; /* sd and ci95 NAN for one value */
} rk_summary;

/* values [n]; RK_E_ARG for n 0 or a value that is not finite. */
RK_API rk_status rk_summarise(rk_summary *out, const double *values, size_t n, rk_error *err);

/* Times MODEL on the rows of a data file (labels are not needed). */
RK_API rk_status rk_bench(char **json, const char *model, const char *data,
                          const rk_fields *fields, size_t batch, size_t repeat, rk_compute compute,
                          rk_error *err);

/* Writes the report page from the report's JSON (what `ringkas pipeline` collects). */
RK_API rk_status rk_report_write(const char *html_path, const char *report_json, rk_error *err);

#ifdef __cplusplus
}
#endif
#endif
