/*
 * drivelab: the table of sub-commands.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
    &cmd_serve, &cmd_run, &cmd_drives, &cmd_demo, &cmd_perf, &cmd_ctl, &cmd_explain, &cmd_oops, &cmd_help, NULL,
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

static int bad_long_option(const struct cli_command *self, const char *text, const struct option *options) {
    const char *names[32] = {0};
    int len = (int)strcspn(text + 2, "=");
    char name[64];
    snprintf(name, sizeof(name), "%.*s", len, text + 2);
    for (unsigned i = 0; options[i].name && i < 31; i++) {
        names[i] = options[i].name;
        if (!strcmp(options[i].name, name))
            return cli_bad_usage(self, "option --%s takes no value", name);
    }
    const char *nearest = text_nearest(name, names);
    return cli_bad_usage(self, "no option is called \"--%s\"%s%s%s", name, nearest ? " (did you mean --" : "",
                         nearest ? nearest : "", nearest ? "?)" : "");
}

int cli_bad_option(const struct cli_command *self, char **argv, int c, const struct option *options) {
    const char *text = argv[optind - 1];
    if (c == ':')
        return cli_bad_usage(self, "option %s needs a value", text);
    if (!strncmp(text, "--", 2))
        return bad_long_option(self, text, options);
    return cli_bad_usage(self, "no option is called \"-%c\"", optopt);
}

int cli_help(const struct cli_command *self) {
    printf("drivelab %s %s\n\n%s.\n", self->name, self->synopsis, self->summary);
    if (self->options)
        printf("\n%s", self->options);
    return CLI_OK;
}

int cli_unknown_command(const char *name) {
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
    return cli_unknown_command(name);
}
