/*
 * drivelab drives: the built-in drives, and every option of one.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/config.h"
#include "drive/profile.h"

static void list_drives(void) {
    printf("%-16s %s\n", "DRIVE", "WHAT IT IS");
    for (const struct profile *p = profiles; p->name; p++)
        printf("%-16s %s\n", p->name, p->summary);
    printf("\ndrivelab drives NAME lists every option of a drive; -o section.key=value changes one.\n");
}

static bool reads(const struct drive_ops *kind, const char *section) {
    for (const char *const *s = kind->sections; *s; s++)
        if (!strcmp(*s, section))
            return true;
    return false;
}

/* The tables that matter to this drive: all but those that only other kinds read. */
static struct opt_set options_of(const struct config *config) {
    const struct drive_ops *own = drive_kinds[config->drive.drive.kind];
    struct opt_set set = {0};
    for (unsigned t = 0; t < config->set.count; t++) {
        const char *section = config->set.table[t].rows->section;
        bool foreign = false;
        for (const struct drive_ops *const *kind = drive_kinds; *kind; kind++)
            foreign |= reads(*kind, section) && !reads(own, section);
        if (!foreign)
            set.table[set.count++] = config->set.table[t];
    }
    return set;
}

static void show_json(const struct opt_set *set) {
    json_t *json = opt_to_json(set);
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(json);
}

static void show(const struct config *config, bool json) {
    struct opt_set set = options_of(config);
    if (json)
        show_json(&set);
    else
        opt_print_help(&set, stdout);
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
    else
        show(config, json);
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
