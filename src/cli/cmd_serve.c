/*
 * drivelab serve: a drive that real hosts connect to.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/guest_log.h"
#include "cli/server.h"

/* SIGINT and SIGTERM as a descriptor of the loop. */
struct stopper {
    struct sim_watch watch;
    struct sim *sim;
};

static void on_signal(struct sim_watch *w, uint32_t events) {
    struct stopper *s = (struct stopper *)w;
    struct signalfd_siginfo info;
    if (read(w->fd, &info, sizeof(info)) == sizeof(info)) {
        log_info(LOG_MAIN, "ending on %s", strsignal((int)info.ssi_signo));
        sim_stop(s->sim);
    }
}

static int stopper_init(struct stopper *s, struct sim *sim, struct err *e) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *s = (struct stopper){.sim = sim, .watch = {.events = EPOLLIN, .ready = on_signal}};
    s->watch.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->watch.fd < 0 || sim_watch_add(sim, &s->watch))
        return err_set(e, errno, "cannot watch for signals: %s", strerror(errno));
    return 0;
}

static void stopper_release(struct stopper *s) {
    sim_watch_remove(s->sim, &s->watch);
    close(s->watch.fd);
}

static void announce(const struct server *server, const struct config *config, const struct server_options *o) {
    char address[160], host[128], port[16];
    log_info(LOG_MAIN, "%s, %s, %s", config->drive.name, text_bytes(server->drive->capacity).s,
             o->image ? o->image : "in memory");
    if (o->control)
        log_info(LOG_MAIN, "control socket: drivelab ctl %s help", o->control);
    for (unsigned i = 0; i < server->listeners; i++) {
        log_info(LOG_MAIN, "listening on %s", server_address(server, i, address, sizeof(address)));
        server_split_address(server, i, host, sizeof(host), port, sizeof(port));
        log_info(LOG_MAIN, "attach with: modprobe nvme-tcp; nvme connect -t tcp -a %s -s %s -n %s", host, port,
                 nvme_subsystem_nqn(server->subsystem));
    }
}

/* What the drive did, in three lines. */
static void summarize(const struct server *server) {
    json_t *stats = drive_stats(server->drive);
    json_t *waf = json_object_get(stats, "write_amplification");
    const struct drive *d = server->drive;
    log_info(LOG_MAIN, "read %s in %" PRIu64 " requests, wrote %s in %" PRIu64 ", %" PRIu64 " failed",
             text_bytes(d->bytes[IO_READ]).s, d->ios[IO_READ], text_bytes(d->bytes[IO_WRITE]).s, d->ios[IO_WRITE],
             d->failed);
    if (json_is_number(waf) && d->bytes[IO_WRITE])
        log_info(LOG_MAIN, "write amplification %.3f", json_number_value(waf));
    json_decref(stats);
    for (unsigned i = 0; i < server->listeners; i++) {
        json_t *transport = server->listener[i].ops->stats(server->listener[i].transport);
        json_t *late = json_object_get(transport, "lateness_ns");
        if (late && json_number_value(json_object_get(late, "count")) > 0)
            log_info(LOG_MAIN, "responses were late by %s (median), %s (99th percentile), %s (most)",
                     text_time((int64_t)json_number_value(json_object_get(late, "p50"))).s,
                     text_time((int64_t)json_number_value(json_object_get(late, "p99"))).s,
                     text_time((int64_t)json_number_value(json_object_get(late, "max"))).s);
        json_decref(transport);
    }
}

static int serve(struct config *config, const struct server_options *options, const char *guest_log) {
    struct server server;
    struct stopper stopper;
    struct guest_log *guest = NULL;
    struct err e = {0};
    int ret = CLI_OK;
    if (server_open(&server, config, options, &e))
        return cli_bad_input(&e);
    if (stopper_init(&stopper, server.sim, &e)) {
        ret = cli_bad_input(&e);
    } else if (guest_log && !(guest = guest_log_open(guest_log, server.sim, server.subsystem, &e))) {
        ret = cli_bad_input(&e);
        stopper_release(&stopper);
    } else {
        announce(&server, config, options);
        sim_run(server.sim, SIM_NEVER);
        guest_log_close(guest);
        summarize(&server);
        stopper_release(&stopper);
    }
    if (server.record)
        log_info(LOG_MAIN, "%" PRIu64 " requests recorded in %s", record_count(server.record), options->record);
    if (server_close(&server, &e) && ret == CLI_OK) {
        fprintf(stderr, "drivelab: --record %s\n", e.text);
        ret = CLI_FAILED;
    }
    return ret;
}

struct arguments {
    struct config_overrides overrides;
    struct server_options server;
    const char *guest_log;
    char seed[64], scheduler[512];
    bool help;
};

static int parse(const struct cli_command *self, int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"listen", required_argument, 0, 'l'},
        {"image", required_argument, 0, 'i'},
        {"control", required_argument, 0, 'c'},
        {"time", required_argument, 0, 't'},
        {"seed", required_argument, 0, 's'},
        {"spin", no_argument, 0, 'p'},
        {"sleep", no_argument, 0, 'e'},
        {"log", required_argument, 0, 'g'},
        {"record", required_argument, 0, 'r'},
        {"scheduler", required_argument, 0, 'q'},
        {"guest-log", required_argument, 0, 'u'},
        {"help", no_argument, 0, 'h'},
        {0},
    };
    struct err e = {0};
    for (int c; (c = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;) {
        int ret = 0;
        switch (c) {
        case 'o':
            ret = config_override(&a->overrides, optarg, &e);
            break;
        case 'l':
            if (a->server.listeners == SERVER_LISTENERS)
                return cli_bad_usage(self, "at most %d addresses to listen on", SERVER_LISTENERS);
            a->server.listen[a->server.listeners++] = optarg;
            break;
        case 'i':
            a->server.image = optarg;
            break;
        case 'c':
            a->server.control = optarg;
            break;
        case 'r':
            a->server.record = optarg;
            break;
        case 'u':
            a->guest_log = optarg;
            break;
        case 't':
            ret = config_parse_time(optarg, &a->server.sim, &e);
            break;
        case 's':
            snprintf(a->seed, sizeof(a->seed), "drive.seed=%s", optarg);
            ret = config_override(&a->overrides, a->seed, &e);
            break;
        case 'p':
            ret = config_override(&a->overrides, "loop.wait=spin", &e);
            break;
        case 'e':
            ret = config_override(&a->overrides, "loop.wait=sleep", &e);
            break;
        case 'q':
            ret = config_scheduler(optarg, false, a->scheduler, sizeof(a->scheduler), &e);
            ret = ret ? ret : config_override(&a->overrides, a->scheduler, &e);
            break;
        case 'g':
            ret = log_set_levels(optarg, &e);
            break;
        case 'h':
            a->help = true;
            return cli_help(self);
        default:
            return cli_bad_option(self, argv, c, options);
        }
        if (ret)
            return cli_bad_input(&e);
    }
    if (optind + 1 != argc)
        return cli_bad_usage(self, "one drive is to be named");
    if (!a->server.listeners)
        a->server.listen[a->server.listeners++] = "tcp://127.0.0.1:4420";
    return CLI_OK;
}

static int run_serve(const struct cli_command *self, int argc, char **argv) {
    struct arguments a = {.server.sim = {.mode = SIM_WALL}};
    struct err e = {0};
    int ret = parse(self, argc, argv, &a);
    if (ret || a.help)
        return ret;
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        return CLI_FAILED;
    ret =
        config_load(config, argv[optind], &a.overrides, &e) ? cli_bad_input(&e) : serve(config, &a.server, a.guest_log);
    free(config);
    return ret;
}

const struct cli_command cmd_serve = {
    .name = "serve",
    .synopsis = "DRIVE [-o section.key=value]... [--listen tcp://ADDR:PORT]... [--image FILE] [--control PATH] "
                "[--scheduler NAME[,TUNABLE=VALUE]...] "
                "[--record FILE] [--guest-log FILE] [--time wall|scaled:N]",
    .summary = "serve a drive to real hosts over NVMe/TCP until interrupted",
    .options =
        "  -o section.key=value   change an option; drivelab drives DRIVE lists them\n"
        "  --listen tcp://A:P     address to listen on, default tcp://127.0.0.1:4420; port 0: any free one\n"
        "  --image FILE           keep data and the drive's state in a sparse file, created if missing;\n"
        "                         default: in memory\n"
        "  --control PATH         a Unix socket to look into the drive, change live options and cause faults:\n"
        "                         drivelab ctl PATH help\n"
        "  --scheduler NAME,...   put a queue with this I/O scheduler before the drive, tunables after it:\n"
        "                         cfq,slice_idle=0\n"
        "  --record FILE          write every request into a new trace file for drivelab run --trace\n"
        "  --guest-log FILE       the console of a guest that uses the drive: its kernel's reports are decoded as\n"
        "                         they come, beside the drive's own last commands\n"
        "  --time wall|scaled:N   real time, or one modelled second in N real ones, for slow hosts\n"
        "  --spin, --sleep        how to wait for the next event (loop.wait): spin takes a core, sleep spares it\n"
        "  --seed N               seed of everything random (drive.seed)\n"
        "  --log SPEC             error, warn, info or debug; also by area: warn,tcp=debug\n",
    .run = run_serve,
};
