/* One training for the command line, and several with different seeds. */
#ifndef CLI_TRAIN_H
#define CLI_TRAIN_H

#include "cli.h"

/* Trains and, with o->test, evaluates; *result is the caller's. Returns an exit code; what went
 * wrong has been said. */
int cli_train_run(cli_args *a, const rk_train_options *o, json_t **result);

/* Puts the evaluation of o->out on o->test under "test". */
int cli_train_test(cli_args *a, const rk_train_options *o, json_t *result);

/* The list of --seeds; each is trained into OUT/seed-N. */
int cli_train_seeds(cli_args *a, const rk_train_options *o, const char *list);

#endif
