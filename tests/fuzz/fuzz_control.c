/*
 * The control socket: any bytes from a client, cut into pieces of any size (the
 * first byte says how), to a drive with flash and a host. Whatever comes back
 * are lines of JSON-RPC replies, and neither drive nor controller is damaged.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/ctl_int.h"
#include "fuzz.h"

struct world {
    struct sim *sim;
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

static void world_close(struct world *w) {
    struct err e = {0};
    fuzz_require(!nvme_check(w->target, &e));
    fuzz_require(!drive_check_state(w->drive, &e));
    nvme_target_free(w->target);
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
    fuzz_require(!ctl_session_init(&session, &w->ctl));
    for (size_t at = 1; at < size;) {
        size_t n = piece < size - at ? piece : size - at;
        at += ctl_session_put(&session, data + at, n);
        while (ctl_session_step(&session)) {
        }
        check_output(&session);
        sim_run(w->sim, sim_now(w->sim) + 1000);
    }
    ctl_session_release(&session);
    world_close(w);
    free(w);
    return 0;
}
