/*
 * drivelab demo: what `make run` shows. A drive on its real NVMe/TCP port, the
 * project's own host at the other end of the loopback, every byte verified,
 * and a result that can be read. Needs no kernel module.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hostrun.h"
#include "cli/server.h"

#define FILL_BYTES    (128u << 10)
#define IO_BYTES      4096u
#define DEPTH_MAX     128
#define DEFAULT_DRIVE "tlc"

struct arguments {
    struct config_overrides overrides;
    const char *drive, *listen;
    uint64_t region;
    int64_t duration_ns;
    bool help;
};

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"listen", required_argument, 0, 'l'},
        {"region", required_argument, 0, 'r'},
        {"seconds", required_argument, 0, 's'},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    struct err e = {0};
    for (int c; (c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        char *end;
        switch (c) {
        case 'o':
            if (config_override(&a->overrides, optarg, &e))
                return cli_bad_input(&e);
            break;
        case 'l':
            a->listen = optarg;
            break;
        case 'r':
            if (opt_parse_size(optarg, &a->region) || a->region < 8 << 20 || a->region % FILL_BYTES)
                return cli_bad_usage(self, "--region %s: a multiple of 128KiB from 8MiB", optarg);
            break;
        case 's': {
            double seconds = strtod(optarg, &end);
            if (end == optarg || *end || !(seconds >= 0.1 && seconds <= 3600))
                return cli_bad_usage(self, "--seconds %s: a number from 0.1 to 3600", optarg);
            a->duration_ns = (int64_t)(seconds * 1e9);
            break;
        }
        case 'h':
            a->help = true;
            return cli_help(self);
        default:
            return cli_bad_option(self, argv, c, options);
        }
    }
    if (optind + 1 < argc)
        return cli_bad_usage(self, "at most one drive can be named");
    if (optind < argc)
        a->drive = argv[optind];
    return CLI_OK;
}

/* ---- the phases ---- */

static int run_phases(struct hostrun *h, const struct arguments *a, struct ledger *ledger, struct err *e) {
    static const unsigned depths[] = {1, 8, 32, DEPTH_MAX};
    const unsigned n = sizeof(depths) / sizeof(depths[0]);
    struct workload w = {.pattern = WORKLOAD_SEQUENTIAL,
                         .bytes = FILL_BYTES,
                         .depth = 32,
                         .region = a->region,
                         .seed = 1,
                         .ledger = ledger};
    char name[64];
    if (w.bytes > h->ctrl.mdts)
        w.bytes = h->ctrl.mdts;
    snprintf(name, sizeof(name), "fill %s, depth %u", text_bytes(a->region).s, w.depth);
    int ret = hostrun_phase(h, name, &w, e);
    for (unsigned i = 0; !ret && i < n && !h->problem[0]; i++) {
        struct workload mix = {.pattern = WORKLOAD_RANDOM,
                               .read_percent = 70,
                               .bytes = IO_BYTES,
                               .depth = depths[i],
                               .region = a->region,
                               .duration_ns = a->duration_ns / (n + 1),
                               .seed = 2 + i,
                               .ledger = ledger};
        snprintf(name, sizeof(name), "random 70/30, 4 KiB, depth %u", mix.depth);
        ret = hostrun_phase(h, name, &mix, e);
    }
    w.read_percent = 100;
    snprintf(name, sizeof(name), "read back, depth %u", w.depth);
    if (!ret && !h->problem[0])
        ret = hostrun_phase(h, name, &w, e);
    return ret;
}

/* ---- the result ---- */

static double number(json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static void print_lateness(json_t *transport) {
    json_t *late = json_object_get(transport, "lateness_ns");
    if (!late)
        return;
    printf("  lateness: responses left %s (median), %s (99 %%), %s (99.9 %%) after their modelled time\n",
           text_time((int64_t)number(late, "p50")).s, text_time((int64_t)number(late, "p99")).s,
           text_time((int64_t)number(late, "p99.9")).s);
}

static void print_busiest(json_t *nand, const struct nand_config *config) {
    json_t *die = json_object_get(nand, "die_utilisation"), *channel = json_object_get(nand, "channel_utilisation");
    if (!die || !channel || !config->luns)
        return;
    unsigned d = (unsigned)number(die, "busiest");
    printf("  busiest die: channel %u LUN %u, %.1f %% of the time (mean of all dies %.1f %%)\n", d / config->luns,
           d % config->luns, number(die, "max") * 100, number(die, "mean") * 100);
    printf("  busiest channel: %u, %.1f %% of the time (mean of all channels %.1f %%)\n",
           (unsigned)number(channel, "busiest"), number(channel, "max") * 100, number(channel, "mean") * 100);
}

static void print_result(const struct server *server, const struct hostrun *h) {
    json_t *stats = drive_stats(server->drive), *nand = json_object_get(stats, "nand");
    json_t *transport = server->listener[0].ops->stats(server->listener[0].transport);
    json_t *waf = json_object_get(stats, "write_amplification");
    printf("\nResult\n  data: %" PRIu64 " blocks of 4 KiB compared, %" PRIu64 " wrong; %" PRIu64 " commands failed\n",
           h->verified, h->mismatches, h->failed);
    if (h->problem[0])
        printf("  PROBLEM: %s\n", h->problem);
    print_lateness(transport);
    if (json_is_number(waf))
        printf("  write amplification: %.3f\n", json_number_value(waf));
    if (nand)
        print_busiest(nand, &server->drive->config.nand);
    json_decref(stats);
    json_decref(transport);
}

static void print_attach(const struct server *server, const char *drive) {
    char host[128], port[16];
    const char *nqn = nvme_subsystem_nqn(server->subsystem);
    server_split_address(server, 0, host, sizeof(host), port, sizeof(port));
    printf("\nTo attach this drive, keep it running:\n"
           "    %s serve %s --image disk.img\n"
           "to this machine (as root):\n"
           "    modprobe nvme-tcp; nvme connect -t tcp -a %s -s %s -n %s\n"
           "to a virtual machine with QEMU's -netdev user (inside of it):\n"
           "    modprobe nvme-tcp; nvme connect -t tcp -a 10.0.2.2 -s %s -n %s\n",
           program_invocation_name, drive, host, port, nqn, port, nqn);
}

/* ---- putting it together ---- */

static void *target_thread(void *arg) {
    struct server *server = arg;
    sim_run(server->sim, SIM_NEVER);
    return NULL;
}

static int host_side(const struct server *server, const struct arguments *a, struct hostrun *h, struct err *e) {
    char address[160];
    struct hostrun_target target = {
        .address = server_address(server, 0, address, sizeof(address)),
        .subnqn = nvme_subsystem_nqn(server->subsystem),
        .nsid = 1,
        .timeout_ns = HOSTRUN_TIMEOUT_NS,
    };
    struct arguments fitted = *a;
    int ret = hostrun_open(h, &target, DEPTH_MAX + 1, e);
    if (ret)
        return ret;
    uint64_t ns_bytes = h->blocks * h->block_bytes;
    if (fitted.region > ns_bytes)
        fitted.region = ns_bytes - ns_bytes % FILL_BYTES;
    struct ledger *ledger = ledger_new(fitted.region, 1);
    ret = ledger ? run_phases(h, &fitted, ledger, e) : err_set(e, ENOMEM, "no memory for the ledger");
    ledger_free(ledger);
    hostrun_close(h);
    return ret;
}

static int demo(struct config *config, const struct arguments *a) {
    struct server_options options = {.listen = {a->listen}, .listeners = 1, .sim = {.mode = SIM_WALL}};
    struct server server;
    struct hostrun h = {0};
    struct err e = {0};
    pthread_t thread;
    char address[160];
    if (server_open(&server, config, &options, &e))
        return cli_bad_input(&e);
    printf("drivelab: drive %s, %s, at %s\n\n", config->drive.name, text_bytes(server.drive->capacity).s,
           server_address(&server, 0, address, sizeof(address)));
    fflush(stdout);
    int ret = pthread_create(&thread, NULL, target_thread, &server);
    if (ret) {
        fprintf(stderr, "drivelab: cannot start a thread: %s\n", strerror(ret));
        (void)server_close(&server, NULL);
        return CLI_FAILED;
    }
    ret = host_side(&server, a, &h, &e);
    sim_stop(server.sim);
    sim_wake(server.sim);
    pthread_join(thread, NULL);
    if (!ret) {
        print_result(&server, &h);
        print_attach(&server, config->drive.name);
    }
    (void)server_close(&server, NULL);
    if (ret) {
        cli_bad_input(&e);
        return CLI_FAILED; /* nothing was wrong with the input: the drive was served, the host failed */
    }
    return h.problem[0] || h.mismatches || h.failed ? CLI_FAILED : CLI_OK;
}

static int run_demo(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {
        .drive = DEFAULT_DRIVE, .listen = "tcp://127.0.0.1:4420", .region = 1 << 30, .duration_ns = 20000000000LL};
    struct err e = {0};
    int ret = parse(self, argc, argv, &a);
    if (ret || a.help)
        return ret;
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return CLI_FAILED;
    /* Spinning beside a spinning host needs two processors; options given by the user come later and win. */
    bool alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    struct config_overrides overrides = {.text = {alone ? "loop.wait=sleep" : "loop.wait=spin"}, .count = 1};
    log_set_levels("warn", &e);
    for (unsigned i = 0; !ret && i < a.overrides.count; i++)
        ret = config_override(&overrides, a.overrides.text[i], &e);
    if (!ret)
        ret = config_load(config, a.drive, &overrides, &e);
    ret = ret ? cli_bad_input(&e) : demo(config, &a);
    free(config);
    return ret;
}

const struct cli_command cmd_demo = {
    .name = "demo",
    .synopsis = "[DRIVE] [-o section.key=value]... [--seconds N] [--region SIZE] [--listen tcp://ADDR:PORT]",
    .summary = "serve a drive on loopback, drive it over NVMe/TCP, verify every byte and show the result",
    .options = "  DRIVE                  default tlc\n"
               "  -o section.key=value   change an option; drivelab drives DRIVE lists them\n"
               "  --seconds N            roughly how long, default 20\n"
               "  --region SIZE          part of the drive that is filled and used, default 1GiB\n"
               "  --listen tcp://A:P     address, default tcp://127.0.0.1:4420\n",
    .run = run_demo,
};
