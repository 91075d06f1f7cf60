/*
 * The rows of the table of sub-commands.
 */
#ifndef DRIVELAB_CLI_COMMANDS_H
#define DRIVELAB_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cmd_serve, cmd_run, cmd_drives, cmd_demo, cmd_perf, cmd_ctl, cmd_explain, cmd_oops,
    cmd_help;

#endif
