/*
 * Methods that break things on purpose. Each fault that waits for its moment
 * has a number, which the layer that will suffer it keeps; fault.list asks them.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/ctl_int.h"

static struct nand *flash(struct ctl *ctl, struct ctl_error *e) {
    struct nand *nand = drive_nand(ctl->config.drive);
    if (!nand)
        ctl_fail(e, CTL_UNSUPPORTED, NULL, "this drive has no flash: it is of kind %s", ctl->config.drive->ops->name);
    return nand;
}

static json_t *number_json(struct ctl *ctl) {
    return json_pack("{s:I}", "fault", (json_int_t)ctl->last_fault);
}

/* ---- The flash ---- */

static const char *const kinds[] = {"read", "program", "erase", NULL}; /* of enum nand_kind */

static uint32_t place(const struct ctl_value *v) {
    return v->given ? (uint32_t)v->number : NAND_ANY;
}

static json_t *media(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct err why = {0};
    struct nand *nand = flash(ctl, e);
    const struct nand_fault fault = {
        .id = ctl->last_fault + 1,
        .kind = (uint8_t)arg[0].number,
        .count = (uint64_t)arg[1].number,
        .die = place(&arg[2]),
        .plane = place(&arg[3]),
        .block = place(&arg[4]),
    };
    if (!nand)
        return NULL;
    if (nand_fault_add(nand, &fault, &why))
        return ctl_fail(e, why.code == -ENOSPC ? CTL_REFUSED : CTL_INVALID_PARAMS, NULL, "%s", why.text);
    ctl->last_fault++;
    return number_json(ctl);
}

static json_t *delay_die(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct err why = {0};
    struct nand *nand = flash(ctl, e);
    if (!nand)
        return NULL;
    if (nand_hold(nand, (uint32_t)arg[0].number, arg[1].number, &why))
        return ctl_fail(e, CTL_INVALID_PARAMS, NULL, "%s", why.text);
    return json_pack("{s:I,s:I}", "now_ns", (json_int_t)sim_now(ctl->config.sim), "until_ns",
                     (json_int_t)nand_held_until(nand, (uint32_t)arg[0].number));
}

/* ---- The controller ---- */

static int selector(const struct ctl_value *v) {
    return v->given ? (int)v->number : NVME_FAULT_ANY;
}

static json_t *lose_completion(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct err why = {0};
    const struct nvme_fault fault = {
        .id = ctl->last_fault + 1,
        .nth = (uint64_t)arg[0].number,
        .opcode = selector(&arg[1]),
        .qid = selector(&arg[2]),
        .cntlid = selector(&arg[3]),
    };
    if (nvme_lose_completion(ctl->config.target, &fault, &why))
        return ctl_fail(e, CTL_REFUSED, NULL, "%s", why.text);
    ctl->last_fault++;
    return number_json(ctl);
}

static json_t *power_cut(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    uint64_t inflight = ctl->config.drive->inflight;
    nvme_subsystem_power_cut(ctl->config.subsystem);
    return json_pack("{s:I,s:o}", "now_ns", (json_int_t)sim_now(ctl->config.sim), "forgotten", ctl_u64(inflight));
}

/* ---- Those that wait ---- */

static json_t *place_json(uint32_t place) {
    return place == NAND_ANY ? json_null() : json_integer(place);
}

static json_t *selector_json(int selector) {
    return selector == NVME_FAULT_ANY ? json_null() : json_integer(selector);
}

static void list_media(const struct nand *nand, json_t *list) {
    struct nand_fault faults[NAND_FAULTS];
    unsigned n = nand_faults(nand, faults);
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I,s:s,s:s,s:o,s:o,s:o,s:o}", "fault", (json_int_t)faults[i].id,
                                              "what", "media", "op", kinds[faults[i].kind], "count",
                                              ctl_u64(faults[i].count), "die", place_json(faults[i].die), "plane",
                                              place_json(faults[i].plane), "block", place_json(faults[i].block)));
}

static void list_completions(const struct nvme_target *target, json_t *list) {
    struct nvme_fault faults[NVME_FAULTS];
    unsigned n = nvme_faults(target, faults);
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I,s:s,s:o,s:o,s:o,s:o}", "fault", (json_int_t)faults[i].id, "what",
                                              "lose_completion", "nth", ctl_u64(faults[i].nth), "opcode",
                                              selector_json(faults[i].opcode), "queue", selector_json(faults[i].qid),
                                              "controller", selector_json(faults[i].cntlid)));
}

static json_t *held_json(struct ctl *ctl, const struct nand *nand) {
    json_t *held = json_array();
    for (uint32_t die = 0; nand && die < nand_die_count(&ctl->config.drive->config.nand); die++)
        if (nand_held_until(nand, die))
            json_array_append_new(held, json_pack("{s:I,s:I}", "die", (json_int_t)die, "until_ns",
                                                  (json_int_t)nand_held_until(nand, die)));
    return held;
}

static json_t *list_faults(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    const struct nand *nand = drive_nand(ctl->config.drive);
    json_t *list = json_array();
    if (nand)
        list_media(nand, list);
    list_completions(ctl->config.target, list);
    return json_pack("{s:o,s:o,s:b}", "faults", list, "delayed_dies", held_json(ctl, nand), "paused",
                     nvme_paused(ctl->config.target));
}

static bool clear_one(struct ctl *ctl, struct nand *nand, uint32_t id) {
    return nvme_fault_clear(ctl->config.target, id) || (nand && nand_fault_clear(nand, id));
}

static unsigned clear_all(struct ctl *ctl, struct nand *nand) {
    struct nand_fault media_faults[NAND_FAULTS];
    struct nvme_fault faults[NVME_FAULTS];
    unsigned n = nvme_faults(ctl->config.target, faults), m = nand ? nand_faults(nand, media_faults) : 0, dies = 0;
    for (unsigned i = 0; i < n; i++)
        nvme_fault_clear(ctl->config.target, faults[i].id);
    for (unsigned i = 0; i < m; i++)
        nand_fault_clear(nand, media_faults[i].id);
    for (uint32_t die = 0; nand && die < nand_die_count(&ctl->config.drive->config.nand); die++)
        dies += nand_release(nand, die);
    return n + m + dies;
}

static json_t *clear(struct ctl *ctl, const struct ctl_value *arg, struct ctl_error *e) {
    struct nand *nand = drive_nand(ctl->config.drive);
    if (!arg[0].given)
        return json_pack("{s:i}", "cleared", (int)clear_all(ctl, nand));
    if (clear_one(ctl, nand, (uint32_t)arg[0].number))
        return json_pack("{s:i}", "cleared", 1);
    return ctl_fail(e, CTL_REFUSED, NULL,
                    "no fault %" PRId64 " waits; it may have happened, fault.list shows those that do", arg[0].number);
}

#define U32(name_, help_)                                                                                              \
    { name_, CTL_INT, .max = UINT32_MAX - 1, .help = help_ }

const struct ctl_method ctl_fault_methods[] = {
    {"fault.media",
     "Have the next operations of the flash fail: reads uncorrectable, programs and erases with bad blocks",
     "`fault`, its number",
     true,
     media,
     {{"op", CTL_CHOICE, true, .choices = kinds, .help = "what fails"},
      {"count", CTL_INT, .min = 1, .max = INT64_MAX, .def = "1", .help = "operations"},
      U32("die", "only there (channel x LUNs + LUN)"),
      U32("plane", "only there"),
      U32("block", "only there, a block of its plane")}},
    {"fault.delay_die",
     "Have one die start nothing for a time; what it does already it ends",
     "`now_ns`, and `until_ns`: when it goes on",
     true,
     delay_die,
     {{"die", CTL_INT, true, .max = UINT32_MAX - 1, .help = "channel x LUNs + LUN"},
      {"time", CTL_TIME, true, .min = 1, .max = 3600000000000, .help = "of modelled time"}}},
    {"fault.lose_completion",
     "Swallow the completion of one command that is yet to end: its host waits until its own timeout",
     "`fault`, its number",
     true,
     lose_completion,
     {{"nth", CTL_INT, .min = 1, .max = INT64_MAX, .def = "1", .help = "which of those that fit, from the next on"},
      {"opcode", CTL_INT, .max = 255, .help = "only of this command; 1 Write, 2 Read"},
      {"queue", CTL_INT, .max = 65535, .help = "only of this queue; 0 is the admin queue; default: the I/O queues"},
      {"controller", CTL_INT, .max = 65535, .help = "only of this controller"}}},
    {"fault.power_cut",
     "Cut the power, which is back at once: connections end, requests under way are forgotten, a volatile write cache "
     "is "
     "lost; what was flushed or written with FUA stays",
     "`now_ns`, and how many requests of the drive were `forgotten`",
     true,
     power_cut,
     {{NULL}}},
    {"fault.list",
     "The faults that wait for their moment, dies that are delayed, whether there is a pause",
     "`faults`, `delayed_dies`, `paused`",
     false,
     list_faults,
     {{NULL}}},
    {"fault.clear",
     "Take back a fault that waits; without a number all of them, and delays of dies",
     "how many: `cleared`",
     true,
     clear,
     {{"fault", CTL_INT, .min = 1, .max = UINT32_MAX, .help = "its number"}}},
    {.name = NULL},
};
