/*
 * A small target for the wire tests: a flashless drive in memory behind the
 * NVMe/TCP transport on a free loopback port.
 *
 *   wire_target [-o section.key=value]... [ADDRESS]
 *
 * Prints one JSON line with its port and NQN. Reads lines from standard input:
 * "stats" answers with one JSON line, "check" with the self-check's verdict,
 * "power" cuts the drive's power; the end of input stops it. Exit 0 only if everything was given back.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "transport/tcp/tcp.h"

struct server {
    struct sim *sim;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct transport *transport;
    struct sim_watch input;
};

struct settings {
    struct drive_config drive;
    struct nvme_config nvme;
    struct tcp_config tcp;
    struct opt_set set;
    bool sleep;
    const char *address;
};

static int read_arguments(struct settings *s, int argc, char **argv, struct err *e) {
    static const char *const defaults[] = {"drive.kind=nossd", "drive.capacity=64MiB", "nvme.lba_bytes=512"};
    if (drive_config_init(&s->drive, &s->set, e) != 0 || opt_set_add(&s->set, nvme_opts, &s->nvme) != 0 ||
        opt_set_add(&s->set, tcp_opts, &s->tcp) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        if (opt_assign_arg(&s->set, defaults[i], e) != 0)
            return -1;
    s->address = "127.0.0.1:0";
    for (int c; (c = getopt(argc, argv, "o:s")) != -1;) {
        if (c == '?')
            return err_set(e, EINVAL, "usage: wire_target [-s] [-o section.key=value]... [ADDRESS]");
        if (c == 's')
            s->sleep = true;
        else if (opt_assign_arg(&s->set, optarg, e) != 0)
            return -1;
    }
    if (optind < argc)
        s->address = argv[optind];
    return 0;
}

static void print_json(json_t *json) {
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(json);
}

static void answer(struct server *s, const char *line) {
    struct err e = {0};
    if (strcmp(line, "stats") == 0)
        print_json(s->transport->ops->stats(s->transport));
    else if (strcmp(line, "check") == 0)
        print_json(json_pack("{s:i,s:s}", "check", nvme_check(s->target, &e), "text", e.text));
    else if (strcmp(line, "power") == 0) {
        nvme_subsystem_power_cut(s->subsystem);
        print_json(json_pack("{s:b}", "power", 1));
    }
}

static void on_input(struct sim_watch *watch, uint32_t events) {
    struct server *s = (struct server *)((char *)watch - offsetof(struct server, input));
    char text[256];
    ssize_t n = read(watch->fd, text, sizeof(text) - 1);
    if (n <= 0) {
        sim_stop(s->sim);
        return;
    }
    text[n] = '\0';
    char *rest = text;
    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;)
        answer(s, line);
}

static int start(struct server *s, const struct settings *settings, struct err *e) {
    struct sim_config sim = {.mode = SIM_WALL, .spin = !settings->sleep};
    struct transport_config transport = {.options = &settings->tcp, .address = settings->address};
    if (!(s->sim = sim_new(&sim, e)) || !(s->drive = drive_open(&settings->drive, "memory", NULL, s->sim, e)) ||
        !(s->target = nvme_target_new(s->sim, e)) ||
        !(s->subsystem = nvme_subsystem_new(s->target, &settings->nvme, s->drive, e)) ||
        !(s->transport = tcp_transport.listen(&transport, s->sim, s->target, e)))
        return -1;
    s->input = (struct sim_watch){.fd = STDIN_FILENO, .events = EPOLLIN, .ready = on_input};
    if (sim_watch_add(s->sim, &s->input) != 0)
        return err_set(e, EINVAL, "standard input must be a pipe");
    const char *address = tcp_transport.address(s->transport);
    print_json(json_pack("{s:s,s:s,s:i}", "address", address, "nqn", nvme_subsystem_nqn(s->subsystem), "port",
                         atoi(strrchr(address, ':') + 1)));
    return 0;
}

/* What the drive still holds comes back in its own time. */
static void stop(struct server *s) {
    bool closed = !s->transport;
    if (s->transport) {
        sim_watch_remove(s->sim, &s->input);
        tcp_transport.close(s->transport, &closed);
    }
    while (!closed)
        sim_run(s->sim, sim_now(s->sim) + 1000000);
    nvme_subsystem_free(s->subsystem);
    nvme_target_free(s->target);
    drive_close(s->drive);
    sim_free(s->sim);
}

int main(int argc, char **argv) {
    struct settings settings = {0};
    struct server server = {0};
    struct err e = {0};
    if (read_arguments(&settings, argc, argv, &e) != 0) {
        fprintf(stderr, "wire_target: %s\n", e.text);
        return 2;
    }
    int r = start(&server, &settings, &e);
    if (r != 0)
        fprintf(stderr, "wire_target: %s\n", e.text);
    else
        sim_run(server.sim, SIM_NEVER);
    stop(&server);
    return r ? 1 : 0;
}
