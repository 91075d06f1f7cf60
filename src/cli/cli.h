/*
 * The drivelab program: one file a sub-command, one table.
 *
 * Exit codes: 0 success, 1 the run found an error, 2 bad usage or input.
 */
#ifndef DRIVELAB_CLI_CLI_H
#define DRIVELAB_CLI_CLI_H

#include "base/err.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command {
    const char *name;
    const char *synopsis; /* arguments, for the usage line */
    const char *summary;
    const char *options; /* one line an option, for its help and the man page */
    int (*run)(const struct cli_command *self, int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct cli_command *const cli_commands[]; /* NULL-terminated */

/* Print "drivelab: text" and return CLI_USAGE. */
int cli_bad_input(const struct err *e);

/* Print a printf-style complaint and where to find help; returns CLI_USAGE. */
int cli_bad_usage(const struct cli_command *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * After getopt_long() with an option string that starts with ':' returned what
 * is no option (`c` is '?' or ':'): say which argument is wrong and how.
 */
struct option;
int cli_bad_option(const struct cli_command *self, char **argv, int c, const struct option *options);

/* Say that there is no such command, and which is near; returns CLI_USAGE. */
int cli_unknown_command(const char *name);

/* Print the command's help to stdout; returns CLI_OK. */
int cli_help(const struct cli_command *self);

#endif
