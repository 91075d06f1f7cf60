/* Methods about what happened: statistics, errors, the history of commands. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl_int.h"
#include "nvme/history.h"

static const char *const sections[] = {"all", "drive", "nvme", "transport", "control", NULL};
enum { ALL, DRIVE, NVME, TRANSPORT, CONTROL };

/* The errors themselves are errors.list's business. */
static json_t *nvme_json(struct ctl *ctl) {
    json_t *stats = nvme_subsystem_stats(ctl->config.subsystem), *one;
    size_t i;
    json_array_foreach(json_object_get(stats, "controllers"), i, one) {
        json_object_del(one, "last_errors");
    }
    json_object_set_new(stats, "paused", json_boolean(nvme_paused(ctl->config.target)));
    json_object_set_new(stats, "held", ctl_u64(nvme_held(ctl->config.target)));
    json_object_set_new(stats, "lost_completions", ctl_u64(nvme_lost_completions(ctl->config.target)));
    return stats;
}

static json_t *control_json(const struct ctl *ctl) {
    return json_pack("{s:i,s:o,s:o,s:o}", "clients", (int)ctl->client_count, "accepted", ctl_u64(ctl->accepted),
                     "refused", ctl_u64(ctl->refused), "requests", ctl_u64(ctl->requests));
}

static json_t *stats(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    int64_t what = arg[0].number;
    json_t *r = json_pack("{s:I}", "now_ns", (json_int_t)sim_now(ctl->config.sim));
    if (what == ALL || what == DRIVE)
        json_object_set_new(r, "drive", drive_stats(ctl->config.drive));
    if (what == ALL || what == NVME)
        json_object_set_new(r, "nvme", nvme_json(ctl));
    if ((what == ALL || what == TRANSPORT) && ctl->config.transports)
        json_object_set_new(r, "transports", ctl->config.transports(ctl->config.owner));
    if (what == ALL || what == CONTROL)
        json_object_set_new(r, "control", control_json(ctl));
    return r;
}

static json_t *restart(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    if (drive_measure(ctl->config.drive))
        return ctl_fail(e, CTL_INTERNAL, NULL, "no memory to measure latencies");
    return json_pack("{s:I}", "now_ns", (json_int_t)sim_now(ctl->config.sim));
}

/* ---- Errors ---- */

static json_t *location_json(const struct nvme_failure *f) {
    if (f->location == 0xffff)
        return json_null();
    return json_pack("{s:i,s:i}", "byte", f->location & 0xff, "bit", f->location >> 8 & 7);
}

static json_t *error_json(const struct nvme_failure *f) {
    const struct nvme_status_row *row = nvme_status_find(f->status, f->kind == NVME_KIND_FABRICS);
    const char *op = nvme_opcode_name((enum nvme_opcode_kind)f->kind, f->opcode);
    char status[16];
    snprintf(status, sizeof status, "0x%x", f->status & 0x7ff);
    json_t *r = json_object();
    json_object_set_new(r, "number", ctl_u64(f->number));
    json_object_set_new(r, "at_ns", json_integer(f->at_ns));
    json_object_set_new(r, "status", json_string(status));
    json_object_set_new(r, "name", json_string(row ? row->name : "unknown status"));
    json_object_set_new(r, "retry", json_boolean(!(f->status & NVME_DNR)));
    json_object_set_new(r, "reason", ctl_text(f->reason));
    json_object_set_new(r, "command", json_string(op ? op : "unknown command"));
    json_object_set_new(r, "opcode", json_integer(f->opcode));
    json_object_set_new(r, "nsid", json_integer(f->nsid));
    json_object_set_new(r, "slba", f->has_slba ? ctl_u64(f->slba) : json_null());
    json_object_set_new(r, "location", location_json(f));
    json_object_set_new(r, "controller", f->cntlid ? json_integer(f->cntlid) : json_null());
    json_object_set_new(r, "queue", json_integer(f->qid));
    json_object_set_new(r, "cid", json_integer(f->cid));
    json_object_set_new(r, "host", f->host[0] ? ctl_text(f->host) : json_null());
    json_object_set_new(r, "peer", ctl_text(f->peer));
    return r;
}

static json_t *errors(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    uint64_t all = nvme_failures(ctl->config.target), after = (uint64_t)arg[1].number;
    json_t *list = json_array();
    const struct nvme_failure *f;
    for (uint64_t n = all; n > after && json_array_size(list) < (size_t)arg[0].number; n--) {
        if (!(f = nvme_failure(ctl->config.target, n)))
            break;
        json_array_append_new(list, error_json(f));
    }
    return json_pack("{s:o,s:o}", "total", ctl_u64(all), "errors", list);
}

static json_t *history(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    return nvme_history_json(ctl->config.subsystem, (unsigned)arg[0].number);
}

const struct ctl_method ctl_report_methods[] = {
    {"stats.get",
     "What was counted and measured since the start",
     "an object a section; `drive.latency_ns` has the latencies of the drive's requests in modelled time, "
     "`transports[].lateness_ns` how late responses left",
     false,
     stats,
     {{"section", CTL_CHOICE, .choices = sections, .def = "all", .help = "only one"}}},
    {"stats.restart", "Measure `drive.latency_ns` from now on; counters go on", "`now_ns`", true, restart, {{NULL}}},
    {"errors.list",
     "The last commands that failed, of all controllers, newest first, and why",
     "`total` so far, `errors`: status, its name, the `reason` in words, the command and whose it was; `location` is "
     "the "
     "byte and bit of the command that is wrong, `retry` whether the host may try again",
     false,
     errors,
     {{"count", CTL_INT, .min = 1, .max = NVME_FAILURES, .def = "20", .help = "errors at most"},
      {"after", CTL_INT, .max = INT64_MAX, .def = "0", .help = "only those with a greater `number`"}}},
    {"history.get",
     "The last commands with the times of their stages, and those on their way with the stage they are in",
     "`commands`, oldest first, and `in_flight`, those that wait longest first, of `in_flight_total`; `started` is "
     "modelled time, the other times are nanoseconds since then: `received` the command's data had come from the host, "
     "`submitted` to the drive, `returned` by it, `sent` the response",
     false,
     history,
     {{"count", CTL_INT, .min = 1, .max = 4096, .def = "32",
       .help = "commands at most, of each of the two, see `nvme.history`"}}},
    {.name = NULL},
};
