/*
 * drivelab help: the commands; and, for the build, the man page from the
 * tables of commands and options, and the page of the control socket's methods.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/config.h"
#include "ctl/ctl.h"
#include "drive/profile.h"

static void print_overview(void) {
    printf("drivelab %s: a laboratory of emulated drives\n\n", DRIVELAB_VERSION);
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        printf("  drivelab %-7s %s\n", (*c)->name, (*c)->summary);
    printf("\nEach command explains itself with --help.\n");
}

/* roff: a leading dot or quote would be a request, a backslash an escape. */
static void print_roff(const char *text) {
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        line_start = *text == '\n';
    }
}

static void man_commands(void) {
    puts(".SH COMMANDS");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        printf(".SS drivelab %s ", (*c)->name);
        print_roff((*c)->synopsis);
        putchar('\n');
        print_roff((*c)->summary);
        puts(".");
        if ((*c)->options) {
            puts(".PP\n.nf");
            print_roff((*c)->options);
            puts(".fi");
        }
    }
}

static void man_options(const struct config *config) {
    puts(".SH OPTIONS OF DRIVES\nGiven as \\fB\\-o\\fR \\fIsection.key=value\\fR or in an INI file.");
    for (unsigned t = 0; t < config->set.count; t++) {
        const struct opt_row *row = config->set.table[t].rows;
        if (row->key)
            printf(".SS %s\n", row->section);
        for (; row->key; row++) {
            char range[400];
            printf(".TP\n\\fB%s.%s\\fR (", row->section, row->key);
            print_roff(opt_range_text(row, range, sizeof(range)));
            printf("%sdefault ", range[0] ? "; " : "");
            print_roff(row->def && row->def[0] ? row->def : "empty");
            puts(")");
            print_roff(row->help);
            putchar('\n');
        }
    }
}

static void man_drives(void) {
    puts(".SH DRIVES");
    for (const struct profile *p = profiles; p->name; p++) {
        printf(".TP\n\\fB%s\\fR\n", p->name);
        print_roff(p->summary);
        putchar('\n');
    }
}

static void man_methods(void) {
    const char *name, *help;
    puts(".SH METHODS OF THE CONTROL SOCKET\nOf \\fBdrivelab ctl\\fR; \\fBdrivelab ctl\\fR \\fIPATH\\fR \\fBhelp\\fR "
         "has their parameters.");
    for (unsigned i = 0; (name = ctl_method_name(i, &help)) != NULL; i++) {
        printf(".TP\n\\fB%s\\fR\n", name);
        print_roff(help);
        putchar('\n');
    }
}

static int print_man(void) {
    struct err e = {0};
    struct config *config = malloc(sizeof(*config));
    if (!config || config_init(config, &e)) {
        free(config);
        return CLI_FAILED;
    }
    printf(".TH DRIVELAB 1 \"\" \"drivelab %s\"\n", DRIVELAB_VERSION);
    puts(".SH NAME\ndrivelab \\- a laboratory of emulated drives\n.SH SYNOPSIS");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        printf("\\fBdrivelab %s\\fR ", (*c)->name);
        print_roff((*c)->synopsis);
        puts("\n.br");
    }
    man_commands();
    man_drives();
    man_options(config);
    man_methods();
    puts(".SH EXIT STATUS\n0 success, 1 the run found an error, 2 bad usage or input, 3 (of "
         "\\fBoops\\fR) no report in the log.");
    free(config);
    return CLI_OK;
}

static int run_help(const struct cli_command *self, int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--man"))
        return print_man();
    if (argc > 1 && !strcmp(argv[1], "--control")) {
        ctl_methods_doc(stdout);
        return CLI_OK;
    }
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return cli_help(self);
    for (const struct cli_command *const *c = cli_commands; argc > 1 && *c; c++)
        if (!strcmp((*c)->name, argv[1]))
            return cli_help(*c);
    if (argc > 1)
        return cli_unknown_command(argv[1]);
    print_overview();
    return CLI_OK;
}

const struct cli_command cmd_help = {
    .name = "help",
    .synopsis = "[COMMAND | --man | --control]",
    .summary = "list the commands, or explain one",
    .run = run_help,
};
