/*
 * drivelab drives: the built-in drives, and every option of one.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/config.h"
#include "cli/profiles.h"

static void list_drives(void) {
    printf("%-16s %s\n", "DRIVE", "WHAT IT IS");
    for (const struct profile *p = profiles; p->name; p++)
        printf("%-16s %s\n", p->name, p->summary);
    printf("\ndrivelab drives NAME lists every option of a drive; -o section.key=value changes one.\n");
}

static void show_json(const struct config *config) {
    json_t *json = opt_to_json(&config->set);
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(json);
}

static int run_drives(const struct cli_command *self, int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, 0, 'j'}, {"help", no_argument, 0, 'h'}, {0}};
    struct config_overrides overrides = {0};
    struct err e = {0};
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        if (c == 'h')
            return cli_help(self);
        if (c == 'j')
            json = true;
        else if (c != 'o')
            return cli_bad_option(self, argv, c, options);
        else if (config_override(&overrides, optarg, &e))
            return cli_bad_input(&e);
    }
    if (optind + 1 < argc)
        return cli_bad_usage(self, "at most one drive can be shown");
    if (optind == argc) {
        list_drives();
        return CLI_OK;
    }
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return CLI_FAILED;
    int ret = CLI_OK;
    if (config_load(config, argv[optind], &overrides, &e))
        ret = cli_bad_input(&e);
    else if (json)
        show_json(config);
    else
        opt_print_help(&config->set, stdout);
    free(config);
    return ret;
}

const struct cli_command cmd_drives = {
    .name = "drives",
    .synopsis = "[DRIVE] [-o section.key=value]... [--json]",
    .summary = "list the built-in drives, or every option of one with its meaning, range and value",
    .options = "  -o section.key=value  change an option first\n"
               "  --json                values only, as JSON\n",
    .run = run_drives,
};
