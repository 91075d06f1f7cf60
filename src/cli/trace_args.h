/*
 * The options --trace... of `drivelab run`, and what a replay says of itself.
 */
#ifndef DRIVELAB_CLI_TRACE_ARGS_H
#define DRIVELAB_CLI_TRACE_ARGS_H

#include <getopt.h>

#include "load/replay.h"

struct json_t;

/* For getopt_long(): rows with values from TRACE_ARG_FIRST on. */
enum {
    TRACE_ARG_FIRST = 256,
    TRACE_ARG_FILE = TRACE_ARG_FIRST,
    TRACE_ARG_FORMAT,
    TRACE_ARG_PACE,
    TRACE_ARG_FIT,
    TRACE_ARG_DEVICE,
    TRACE_ARG_BAD_LINES,
    TRACE_ARG_REQUESTS,
    TRACE_ARG_END,
};
#define TRACE_ARG_OPTIONS                                                                                              \
    {"trace", required_argument, 0, TRACE_ARG_FILE}, {"trace-format", required_argument, 0, TRACE_ARG_FORMAT},         \
        {"trace-pace", required_argument, 0, TRACE_ARG_PACE}, {"trace-fit", required_argument, 0, TRACE_ARG_FIT},      \
        {"trace-device", required_argument, 0, TRACE_ARG_DEVICE},                                                      \
        {"trace-bad-lines", required_argument, 0, TRACE_ARG_BAD_LINES}, {                                              \
        "trace-requests", required_argument, 0, TRACE_ARG_REQUESTS                                                     \
    }
#define TRACE_ARG_HELP                                                                                                 \
    "  --trace FILE           replay a trace, plain or packed by gzip or zstd; - : standard input\n"                   \
    "  --trace-format NAME    instead of finding it out: drivelab, fio, blktrace[:Q|D], blkparse[:Q|D], msr,\n"        \
    "                         alibaba, tencent, spc, mqsim\n"                                                          \
    "  --trace-pace PACE      recorded (default), scaled:N (N times as slow), depth:N (N in flight, as fast as "       \
    "can be)\n"                                                                                                        \
    "  --trace-fit FIT        addresses beyond the drive: wrap (default), scale (all of them), refuse\n"               \
    "  --trace-device N       only requests of this device of the trace\n"                                             \
    "  --trace-bad-lines N    leave out up to N lines that aren't understood, default 0\n"                             \
    "  --trace-requests N     end after N requests\n"

/* What holds without any option. */
void trace_args_init(struct replay_config *config);

/* One option; 0, or -EINVAL with `e` naming it and what is allowed. */
int trace_args_take(struct replay_config *config, int option, const char *value, struct err *e);

/* What there is to be said of a replay: notes on standard error; pace, fit, counts as JSON. */
void trace_args_notes(const struct replay_config *config, const struct replay_result *result, uint64_t capacity);
struct json_t *trace_args_json(const struct replay_config *config, const struct replay_result *result);

#endif
