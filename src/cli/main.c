/*
 * drivelab: the table of sub-commands.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
    &cmd_serve, &cmd_run, &cmd_drives, &cmd_demo, &cmd_perf, &cmd_help, NULL,
};

int cli_bad_input(const struct err *e) {
    fprintf(stderr, "drivelab: %s\n", e->text);
    return CLI_USAGE;
}

int cli_bad_usage(const struct cli_command *self, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("drivelab: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see drivelab %s --help\n", self->name);
    return CLI_USAGE;
}

int cli_help(const struct cli_command *self) {
    printf("drivelab %s %s\n\n%s.\n", self->name, self->synopsis, self->summary);
    if (self->options)
        printf("\n%s", self->options);
    return CLI_OK;
}

static int unknown_command(const char *name) {
    const char *names[16] = {0};
    for (unsigned i = 0; cli_commands[i] && i < 15; i++)
        names[i] = cli_commands[i]->name;
    const char *nearest = text_nearest(name, names);
    fprintf(stderr, "drivelab: no command is called \"%s\"%s%s%s; see drivelab help\n", name,
            nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "");
    return CLI_USAGE;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        printf("drivelab %s\n", DRIVELAB_VERSION);
        return CLI_OK;
    }
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        if (!strcmp((*c)->name, name))
            return (*c)->run(*c, argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : argv);
    return unknown_command(name);
}
