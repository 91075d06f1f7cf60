/*
 * The control socket: any bytes from a client, cut into pieces of any size (the
 * first byte says how), to a drive with flash and a host. If that byte is odd, a
 * queue with a scheduler is before the drive, and requests under way. Whatever
 * comes back are lines of JSON-RPC replies, and neither drive, queue nor
 * controller is damaged.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/block.h"
#include "ctl/ctl_int.h"
#include "fuzz.h"

enum { IOS = 96 };

struct world {
    struct sim *sim;
    struct io io[IOS];
    unsigned ios;
    struct drive_config drive_config;
    struct nvme_config nvme_config;
    struct opt_set set;
    struct drive *drive;
    struct nvme_target *target;
    struct ctl ctl;
};

static int apply(void *owner, const struct opt_row *row, struct err *e) {
    struct world *w = owner;
    if (!strcmp(row->section, "nvme"))
        nvme_subsystem_reconfigure(w->ctl.config.subsystem, &w->nvme_config);
    else
        return drive_reconfigure(w->drive, &w->drive_config, e);
    return 0;
}

static void world_open(struct world *w) {
    static const char *const options[] = {"drive.kind=ssd", "drive.capacity=4MiB",   "nand.channels=1",
                                          "nand.luns=2",    "nand.planes=1",         "nand.blocks=32",
                                          "nand.pages=12",  "ssd.write_buffer=64KiB"};
    struct err e = {0};
    fuzz_require(!drive_config_init(&w->drive_config, &w->set, &e));
    fuzz_require(!opt_set_add(&w->set, nvme_opts, &w->nvme_config));
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        fuzz_require(!opt_assign_arg(&w->set, options[i], &e));
    w->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, &e);
    w->drive = drive_open(&w->drive_config, "memory", NULL, w->sim, &e);
    fuzz_require(w->drive != NULL);
    w->target = nvme_target_new(w->sim, &e);
    w->ctl.config = (struct ctl_config){
        .path = "",
        .sim = w->sim,
        .drive = w->drive,
        .target = w->target,
        .subsystem = nvme_subsystem_new(w->target, &w->nvme_config, w->drive, &e),
        .options = &w->set,
        .apply = apply,
        .owner = w,
    };
    fuzz_require(w->ctl.config.subsystem != NULL);
}

static void done(struct io *io) {
    (void)io;
}

static void queue_open(struct world *w) {
    const struct block_settings s = {.scheduler = "cfq", .queue_depth = 3, .cgroup_version = 2};
    struct err e = {0};
    struct block *b = block_new(w->drive, &s, &e);
    fuzz_require(b != NULL);
    for (unsigned owner = 0; owner < 4; owner++) {
        const struct block_context_settings who = {.prioclass = -1, .prio = -1, .cgroup = owner & 1 ? "a/b" : "a"};
        fuzz_require(!block_context_describe(b, owner, &who, &e));
    }
}

/* Some more under way. */
static void send(struct world *w) {
    static const enum io_op ops[] = {IO_READ, IO_WRITE, IO_TRIM, IO_WRITE, IO_FLUSH};
    for (unsigned i = 0; i < 3 && w->ios < IOS; i++) {
        unsigned n = w->ios++;
        struct io *io = &w->io[n];
        io_init(io);
        io->op = (uint8_t)ops[n % 5];
        io->flags = (n % 3 ? IO_SYNC : 0) | (io->op == IO_FLUSH ? 0 : IO_NO_DATA);
        io->bytes = io->op == IO_FLUSH ? 0 : 4096u << n % 4;
        io->offset = io->op == IO_FLUSH ? 0 : n * 7 % 32 * 32768;
        io->owner = n % 4;
        io->done = done;
        drive_submit(w->drive, io);
    }
}

static void queue_check(const struct world *w) {
    struct err e = {0};
    struct block *b = block_of(w->drive);
    bool sound = !b || !block_check(b, &e);
    if (!sound)
        fprintf(stderr, "%s\n", e.text);
    fuzz_require(sound);
}

static void world_close(struct world *w) {
    struct err e = {0};
    fuzz_require(!nvme_check(w->target, &e));
    fuzz_require(!drive_check_state(w->drive, &e));
    nvme_target_free(w->target);
    block_free(block_of(w->drive));
    for (unsigned i = 0; i < w->ios; i++)
        io_release(&w->io[i]);
    drive_close(w->drive);
    sim_free(w->sim);
}

static void check_reply(const json_t *reply) {
    const json_t *error = json_object_get(reply, "error");
    fuzz_require(json_is_object(reply) && json_object_get(reply, "id"));
    fuzz_require((error != NULL) != (json_object_get(reply, "result") != NULL));
    fuzz_require(!error || (json_integer_value(json_object_get(error, "code")) < 0 &&
                            json_string_length(json_object_get(error, "message")) > 0));
}

static void check_output(struct ctl_session *s) {
    size_t bytes;
    const char *out = ctl_session_out(s, &bytes);
    fuzz_require(!s->broken && s->out_room <= 2 * CTL_REPLY_MAX);
    if (!out || s->batch)
        return;
    json_t *reply = json_loadb(out, bytes, 0, NULL), *one;
    size_t i;
    fuzz_require(reply && out[bytes - 1] == '\n');
    if (json_is_array(reply)) {
        json_array_foreach(reply, i, one) {
            check_reply(one);
        }
    } else {
        check_reply(reply);
    }
    json_decref(reply);
    ctl_session_sent(s, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    struct world *w = calloc(1, sizeof *w);
    struct ctl_session session;
    size_t piece = data[0] ? data[0] : size;
    log_set_levels("error", NULL);
    world_open(w);
    if (data[0] & 1)
        queue_open(w);
    fuzz_require(!ctl_session_init(&session, &w->ctl));
    for (size_t at = 1; at < size;) {
        size_t n = piece < size - at ? piece : size - at;
        at += ctl_session_put(&session, data + at, n);
        while (ctl_session_step(&session)) {
        }
        check_output(&session);
        if (data[0] & 1)
            send(w);
        sim_run(w->sim, sim_now(w->sim) + 1000);
        if (at % 64 < n)
            queue_check(w);
    }
    ctl_session_release(&session);
    world_close(w);
    free(w);
    return 0;
}
