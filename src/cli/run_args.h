/*
 * The command line of `drivelab run`.
 */
#ifndef DRIVELAB_CLI_RUN_ARGS_H
#define DRIVELAB_CLI_RUN_ARGS_H

#include "cli/cli.h"
#include "cli/config.h"
#include "load/replay.h"
#include "report/timeline.h"

#define RUN_SETS_MAX 64

struct run_args {
    const char *drive;   /* as named; NULL with `compare` */
    const char *compare; /* names of drives, separated by commas; NULL: not asked for */
    unsigned jobs;       /* processes at once, of several runs */
    struct config_overrides overrides;
    const char *job, *json, *html, *timeline;
    struct timeline_config window; /* of the timeline; its `out` is not set here */
    char scheduler[512];           /* the option -o that --scheduler stands for, or "" */
    bool all_schedulers;           /* --scheduler all: those that fit the drive */
    const char *set[RUN_SETS_MAX]; /* options over those of every job */
    unsigned sets;
    struct replay_config replay; /* trace.path NULL: a job file */
    uint64_t seed;
    bool precondition, reproducible;
    bool detail; /* the statistics of a struct watch */
    bool over;   /* nothing is to be run: help was asked for and given */
};

/* CLI_OK, or CLI_USAGE after saying what is wrong. */
int run_args_parse(const struct cli_command *self, int argc, char **argv, struct run_args *args);

/* Whether results go to the standard output instead of the text. */
bool run_args_on_stdout(const struct run_args *args);

/* The lines of help. */
#define RUN_ARGS_SYNOPSIS                                                                                              \
    "DRIVE --job FILE.fio | --trace FILE [-o section.key=value]... [--set NAME=VALUE]... "                             \
    "[--scheduler NAME[,TUNABLE=VALUE]...] "                                                                           \
    "[--precondition none|steady] [--seed N] [--compare DRIVE,DRIVE...] [--jobs N] [--json FILE|-] [--detail] "        \
    "[--html FILE] [--timeline FILE] "                                                                                 \
    "[--reproducible]"
extern const char run_args_help[];

#endif
