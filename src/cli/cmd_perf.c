/*
 * drivelab perf: load on any NVMe/TCP target, from the project's own host.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/hostrun.h"

struct arguments {
    struct hostrun_target target;
    struct workload workload;
    const char *pattern;
    bool verify, help;
};

/* fio's names of what a workload does. */
static int set_pattern(struct workload *w, const char *name, unsigned mix) {
    static const struct {
        const char *name;
        enum workload_pattern pattern;
        int read_percent; /* -1: --mix */
    } rows[] = {
        {"read", WORKLOAD_SEQUENTIAL, 100}, {"write", WORKLOAD_SEQUENTIAL, 0}, {"rw", WORKLOAD_SEQUENTIAL, -1},
        {"randread", WORKLOAD_RANDOM, 100}, {"randwrite", WORKLOAD_RANDOM, 0}, {"randrw", WORKLOAD_RANDOM, -1},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(rows[i].name, name)) {
            w->pattern = rows[i].pattern;
            w->read_percent = rows[i].read_percent < 0 ? mix : (unsigned)rows[i].read_percent;
            return 0;
        }
    return -EINVAL;
}

static int parse_unsigned(const char *text, unsigned long min, unsigned long max, unsigned *out) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || *text == '-' || value < min || value > max)
        return -EINVAL;
    *out = (unsigned)value;
    return 0;
}

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"nqn", required_argument, 0, 'n'},     {"hostnqn", required_argument, 0, 'q'},
        {"rw", required_argument, 0, 'w'},      {"mix", required_argument, 0, 'm'},
        {"bs", required_argument, 0, 'b'},      {"depth", required_argument, 0, 'd'},
        {"time", required_argument, 0, 't'},    {"timeout", required_argument, 0, 'o'},
        {"region", required_argument, 0, 'r'},  {"nsid", required_argument, 0, 'N'},
        {"header-digest", no_argument, 0, 'g'}, {"data-digest", no_argument, 0, 'G'},
        {"verify", no_argument, 0, 'v'},        {"spin", no_argument, 0, 'p'},
        {"help", no_argument, 0, 'h'},          {0},
    };
    unsigned mix = 70;
    uint64_t bs = 4096;
    for (int c; (c = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            a->target.subnqn = optarg;
            break;
        case 'q':
            a->target.hostnqn = optarg;
            break;
        case 'w':
            a->pattern = optarg;
            break;
        case 'm':
            if (parse_unsigned(optarg, 0, 100, &mix))
                return cli_bad_usage(self, "--mix %s: percent of reads, 0 to 100", optarg);
            break;
        case 'b':
            if (opt_parse_size(optarg, &bs) || bs < 512 || bs > 16 << 20)
                return cli_bad_usage(self, "--bs %s: a size from 512 to 16MiB", optarg);
            break;
        case 'd':
            if (parse_unsigned(optarg, 1, 4095, &a->workload.depth))
                return cli_bad_usage(self, "--depth %s: a number from 1 to 4095", optarg);
            break;
        case 't':
            if (opt_parse_time(optarg, &a->workload.duration_ns) || a->workload.duration_ns < 0)
                return cli_bad_usage(self, "--time %s: a time such as 500ms, 10s; 0: once over the region", optarg);
            break;
        case 'o':
            if (opt_parse_time(optarg, &a->target.timeout_ns) || a->target.timeout_ns < 0)
                return cli_bad_usage(self, "--timeout %s: a time such as 500ms, 30s; 0: wait forever", optarg);
            break;
        case 'r':
            if (opt_parse_size(optarg, &a->workload.region))
                return cli_bad_usage(self, "--region %s: a size such as 512MiB", optarg);
            break;
        case 'N':
            if (parse_unsigned(optarg, 1, 0xfffffffe, &a->target.nsid))
                return cli_bad_usage(self, "--nsid %s: a number from 1", optarg);
            break;
        case 'g':
            a->target.header_digest = true;
            break;
        case 'G':
            a->target.data_digest = true;
            break;
        case 'v':
            a->verify = true;
            break;
        case 'p':
            a->target.spin = true;
            break;
        case 'h':
            a->help = true;
            return cli_help(self);
        default:
            return cli_bad_option(self, argv, c, options);
        }
    }
    a->workload.bytes = (uint32_t)bs;
    if (set_pattern(&a->workload, a->pattern, mix))
        return cli_bad_usage(self, "--rw %s: allowed are read, write, rw, randread, randwrite, randrw", a->pattern);
    if (optind + 1 != argc)
        return cli_bad_usage(self, "one target is to be named, such as tcp://127.0.0.1:4420");
    a->target.address = argv[optind];
    return CLI_OK;
}

/* With --verify reads can only be checked against what this run wrote: fill first. */
static int fill_first(struct hostrun *h, const struct workload *w, struct err *e) {
    struct workload fill = *w;
    fill.pattern = WORKLOAD_SEQUENTIAL;
    fill.read_percent = 0;
    fill.duration_ns = 0;
    return hostrun_phase(h, "fill", &fill, e);
}

static int perf(struct arguments *a) {
    struct hostrun h;
    struct err e = {0};
    if (hostrun_open(&h, &a->target, (uint16_t)(a->workload.depth + 1), &e))
        return cli_bad_input(&e);
    uint64_t ns_bytes = h.blocks * h.block_bytes;
    if (!a->workload.region)
        a->workload.region = ns_bytes;
    int ret = 0;
    if (a->verify) {
        a->workload.ledger = ledger_new(a->workload.region, a->workload.seed);
        ret = a->workload.ledger ? fill_first(&h, &a->workload, &e) : err_set(&e, ENOMEM, "no memory for the ledger");
    }
    if (!ret)
        ret = hostrun_phase(&h, a->pattern, &a->workload, &e);
    if (ret)
        ret = cli_bad_input(&e);
    else if (h.problem[0]) {
        printf("PROBLEM: %s\n", h.problem);
        ret = CLI_FAILED;
    }
    ledger_free(a->workload.ledger);
    hostrun_close(&h);
    return ret;
}

static int run_perf(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {
        .target = {.nsid = 1, .subnqn = NULL, .timeout_ns = HOSTRUN_TIMEOUT_NS},
        .workload = {.depth = 32, .duration_ns = 10000000000LL, .seed = 1},
        .pattern = "randread",
    };
    int ret = parse(self, argc, argv, &a);
    return ret || a.help ? ret : perf(&a);
}

const struct cli_command cmd_perf = {
    .name = "perf",
    .synopsis = "tcp://HOST:PORT --nqn NQN [--rw KIND] [--bs SIZE] [--depth N] [--time T] [--verify]",
    .summary = "load any NVMe/TCP target from drivelab's own host and measure it",
    .options = "  --nqn NQN              subsystem to connect to\n"
               "  --hostnqn NQN          host's own name\n"
               "  --rw KIND              read, write, rw, randread (default), randwrite, randrw\n"
               "  --mix N                percent of reads of rw and randrw, default 70\n"
               "  --bs SIZE              size of one I/O, default 4KiB\n"
               "  --depth N              commands in flight, default 32\n"
               "  --time T               how long, default 10s; 0: once over the region\n"
               "  --timeout T            give up when nothing was answered for T, default 30s; 0: wait forever\n"
               "  --region SIZE          use only the first SIZE bytes, default all\n"
               "  --nsid N               namespace, default 1\n"
               "  --verify               fill the region first, then check every byte read. DESTROYS DATA\n"
               "  --header-digest, --data-digest\n"
               "  --spin                 poll the connection instead of sleeping\n"
               "writing kinds destroy data.\n",
    .run = run_perf,
};
