/*
 * A subsystem: namespaces over ranges of one drive, their durable state, and
 * who may use them.
 *
 * Durable state (one store area, used in place): block size and uncorrectable
 * marks of each namespace, saved features, SMART counters. A namespace being
 * formatted when the process died is formatted to the end at the next start.
 *
 * Identifiers (UUID, NGUID, EUI-64) follow from NQN, serial number and NSID,
 * so that a host recognises a restarted target.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rng.h"
#include "nvme/nvme_int.h"

#define STATE_VERSION 1
#define NS_ALIGN      (1u << 20)

static const char *const multipath_names[] = {"auto", "no", "yes", NULL};

const struct opt_row nvme_opts[] = {
#define ROW(k, t, field) .section = "nvme", .key = k, .type = t, .offset = offsetof(struct nvme_config, field)
    {ROW("nqn", OPT_STRING, nqn), .def = "", .help = "subsystem NQN; empty: nqn.2024-01.io.drivelab:PROFILE"},
    {ROW("serial", OPT_STRING, serial), .def = "",
     .help = "serial number, at most 20 characters; empty: from the seed"},
    {ROW("namespaces", OPT_U32, namespaces), .min = 1, .max = NVME_NS_MAX, .def = "1",
     .help = "namespaces; they share the capacity evenly and the same dies"},
    {ROW("lba_bytes", OPT_U32, lba_bytes), .max = 4096, .def = "0", .unit = "bytes",
     .help = "logical block size when new, 512 or 4096; 0 = drive.lba_bytes; Format NVM changes it"},
    {ROW("mdts", OPT_SIZE, mdts), .min = 4096, .max = 1 << 24, .def = "1MiB", .unit = "bytes",
     .help = "largest transfer of one command, a power of two"},
    {ROW("multipath", OPT_ENUM, multipath), .choices = multipath_names, .def = "auto",
     .help =
         "tell hosts that several controllers share the namespaces; auto: unless the drive has zones, as Linux 6.12 "
         "takes MDTS for the append limit of a multipath device"},
    {ROW("io_queues", OPT_U32, io_queues), .min = 1, .max = NVME_IO_QUEUES_MAX, .def = "64", .unit = "queues",
     .help = "I/O queues of one controller"},
    {ROW("queue_entries", OPT_U32, queue_entries), .min = 2, .max = 4096, .def = "1024", .unit = "entries",
     .help = "entries of one queue"},
    {ROW("allow_hosts", OPT_STRING, allow_hosts), .def = "", .runtime = true,
     .help = "comma-separated NQNs of the hosts that may connect; empty: any"},
    {ROW("history", OPT_U32, history), .min = 0, .max = NVME_HISTORY_MAX, .def = "1024", .unit = "commands",
     .help = "last commands kept with the times of their stages; logged when something goes wrong"},
    {ROW("watchdog", OPT_TIME, watchdog), .min = 0, .max = 1e13, .def = "30s", .unit = "ns", .runtime = true,
     .help = "a command older than this is named in the log, with what it waits for; 0: never"},
    {.key = NULL},
#undef ROW
};

static int config_check(const struct nvme_config *config, struct err *e) {
    if (config->lba_bytes != 512 && config->lba_bytes != 4096)
        return err_set(e, EINVAL, "nvme.lba_bytes (or drive.lba_bytes) is %u; 512 and 4096 are possible",
                       config->lba_bytes);
    if (config->mdts < 4096 || (config->mdts & (config->mdts - 1)) || config->mdts > 1 << 24)
        return err_set(e, EINVAL, "nvme.mdts is %" PRIu64 "; a power of two from 4096 to 16777216 is needed",
                       config->mdts);
    if (!config->namespaces || config->namespaces > NVME_NS_MAX)
        return err_set(e, EINVAL, "nvme.namespaces is %u; 1 to %u are possible", config->namespaces, NVME_NS_MAX);
    if (!config->io_queues || config->io_queues > NVME_IO_QUEUES_MAX)
        return err_set(e, EINVAL, "nvme.io_queues is %u; 1 to %u are possible", config->io_queues, NVME_IO_QUEUES_MAX);
    if (config->queue_entries < 2 || config->queue_entries > 4096)
        return err_set(e, EINVAL, "nvme.queue_entries is %u; 2 to 4096 are possible", config->queue_entries);
    if (config->history > NVME_HISTORY_MAX || config->watchdog < 0)
        return err_set(e, EINVAL, "nvme.history is %u, at most %u is possible; nvme.watchdog must not be negative",
                       config->history, NVME_HISTORY_MAX);
    if (strlen(config->serial) > 20)
        return err_set(e, EINVAL, "nvme.serial \"%s\" is longer than 20 characters", config->serial);
    if (strlen(config->nqn) > NVME_NQN_MAX || (config->nqn[0] && strncmp(config->nqn, "nqn.", 4) != 0))
        return err_set(e, EINVAL, "nvme.nqn \"%s\" must begin with \"nqn.\" and have at most %u bytes", config->nqn,
                       NVME_NQN_MAX);
    return 0;
}

static void default_names(struct nvme_subsystem *s) {
    const struct drive_config *drive = &s->drive->config;
    if (!s->config.nqn[0])
        snprintf(s->config.nqn, sizeof s->config.nqn, "nqn.2024-01.io.drivelab:%.180s",
                 drive->name[0] ? drive->name : "drive");
    if (!s->config.serial[0])
        snprintf(s->config.serial, sizeof s->config.serial, "DL%012" PRIX64,
                 drive->drive.seed & UINT64_C(0xffffffffffff));
}

static uint64_t text_hash(uint64_t h, const char *text) { /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3ull;
    return h;
}

static void ns_identify(struct nvme_ns *ns) {
    struct rng rng;
    uint64_t bits[5];
    uint64_t seed =
        text_hash(text_hash(0xcbf29ce484222325ull, ns->subsystem->config.nqn), ns->subsystem->config.serial);
    rng_init(&rng, seed, ns->nsid);
    for (unsigned i = 0; i < 5; i++)
        bits[i] = rng_next(&rng);
    memcpy(ns->uuid, bits, 16);
    memcpy(ns->nguid, bits + 2, 16);
    memcpy(ns->eui64, bits + 4, 8);
    ns->uuid[6] = (uint8_t)((ns->uuid[6] & 0x0f) | 0x80); /* version 8: our own derivation */
    ns->uuid[8] = (uint8_t)((ns->uuid[8] & 0x3f) | 0x80);
    ns->nguid[8] = ns->eui64[0] = 0x52; /* locally administered */
}

void nvme_ns_set_shift(struct nvme_ns *ns, uint32_t shift) {
    ns->lba_shift = shift;
    ns->nsze = ns->bytes >> shift;
    ns->view = (struct io_view){.base = ns->base, .block_bytes = 1u << shift};
}

void nvme_ns_power_on(struct nvme_ns *ns) {
    ns->durable->error_recovery = ns->durable->error_recovery_saved;
    if (ns->zones)
        nvme_zones_forget_marks(ns);
}

static void ns_init(struct nvme_subsystem *s, uint32_t index, uint64_t bytes, bool fresh) {
    struct nvme_ns *ns = &s->ns[index];
    ns->subsystem = s;
    ns->nsid = index + 1;
    ns->base = index * bytes;
    ns->bytes = bytes;
    ns->durable = &s->durable->ns[index];
    if (fresh)
        ns->durable->lba_shift = s->config.lba_bytes == 512 ? 9 : 12;
    nvme_ns_power_on(ns);
    nvme_ns_set_shift(ns, ns->durable->lba_shift);
    nvme_marks_count(ns);
    nvme_zones_ns_init(ns);
    ns_identify(ns);
}

/* Everything in the area that later code takes for granted. */
static int durable_check(const struct nvme_subsystem *s, struct err *e) {
    const struct nvme_durable *d = s->durable;
    if (d->ns_count != s->config.namespaces)
        return err_set(e, EINVAL, "the image holds %u namespaces, nvme.namespaces is %u", d->ns_count,
                       s->config.namespaces);
    for (uint32_t i = 0; i < d->ns_count; i++) {
        const struct nvme_ns_durable *ns = &d->ns[i];
        if ((ns->lba_shift != 9 && ns->lba_shift != 12) ||
            (ns->formatting && ns->formatting != 9 && ns->formatting != 12))
            return err_set(e, EINVAL, "the image's state of namespace %u is damaged: block size 2^%u, next 2^%u", i + 1,
                           ns->lba_shift, ns->formatting);
    }
    return 0;
}

static int durable_open(struct nvme_subsystem *s, bool *fresh, struct err *e) {
    s->durable = store_state(s->drive->store, "nvme", STATE_VERSION, sizeof *s->durable, fresh, e);
    if (!s->durable)
        return e && e->code ? e->code : -EINVAL;
    if (!s->durable->ns_count) {
        *fresh = true;
        for (uint32_t i = 0; i < s->config.namespaces; i++)
            s->durable->ns[i].lba_shift = s->config.lba_bytes == 512 ? 9 : 12;
        s->durable->ns_count = s->config.namespaces;
    }
    int rc = durable_check(s, e);
    if (rc)
        return rc;
    s->durable->power_cycles++;
    if (!*fresh && !store_was_clean(s->drive->store))
        s->durable->unsafe_shutdowns++;
    return 0;
}

static uint64_t ns_bytes(const struct nvme_subsystem *s) {
    uint64_t bytes = s->drive->capacity / s->config.namespaces;
    if (s->config.namespaces > 1)
        bytes -= bytes % NS_ALIGN;
    return bytes - bytes % 4096;
}

static int subsystem_init(struct nvme_subsystem *s, struct err *e) {
    uint64_t bytes = ns_bytes(s);
    bool fresh = false;
    if (!bytes)
        return err_set(e, EINVAL, "%u namespaces do not fit into %" PRIu64 " bytes", s->config.namespaces,
                       s->drive->capacity);
    int rc = nvme_zones_init(s, &bytes, e);
    if (!rc)
        rc = durable_open(s, &fresh, e);
    if (rc)
        return rc;
    s->zeros = mmap(NULL, s->config.mdts, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->zeros == MAP_FAILED) {
        s->zeros = NULL;
        return err_set(e, ENOMEM, "no address space for %" PRIu64 " bytes of zeros", s->config.mdts);
    }
    s->ns_count = s->config.namespaces;
    for (uint32_t i = 0; i < s->ns_count; i++)
        ns_init(s, i, bytes, fresh);
    return 0;
}

struct nvme_subsystem *nvme_subsystem_new(struct nvme_target *target, const struct nvme_config *config,
                                          struct drive *drive, struct err *e) {
    struct nvme_config own = *config;
    if (!own.lba_bytes)
        own.lba_bytes = drive->config.drive.lba_bytes;
    if (config_check(&own, e))
        return NULL;
    struct nvme_subsystem *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, ENOMEM, "no memory for an NVM subsystem");
        return NULL;
    }
    s->target = target;
    s->config = own;
    s->drive = drive;
    sim_event_init(&s->reset, nvme_subsystem_reset_fire);
    sim_event_init(&s->watchdog, nvme_watchdog_fire);
    if (s->config.multipath == NVME_MULTIPATH_AUTO)
        s->config.multipath = drive->ops->zoned ? NVME_MULTIPATH_NO : NVME_MULTIPATH_YES;
    default_names(s);
    drive_limits(drive, &s->limits);
    s->power_on_since_ns = sim_now(target->sim);
    if (nvme_subsystem_find(target, s->config.nqn) || strcmp(s->config.nqn, NVME_DISCOVERY_NQN) == 0)
        err_set(e, EEXIST, "a subsystem named %s exists already", s->config.nqn);
    else if (nvme_history_init(s))
        err_set(e, ENOMEM, "no memory to keep %u commands (nvme.history)", s->config.history);
    else if (subsystem_init(s, e) == 0)
        goto linked;
    if (s->zeros)
        munmap(s->zeros, s->config.mdts);
    nvme_history_release(s);
    free(s);
    return NULL;
linked:
    s->next = target->subsystems;
    target->subsystems = s;
    nvme_zones_watch(s);
    for (uint32_t i = 0; i < s->ns_count; i++)
        nvme_format_resume(&s->ns[i]);
    nvme_discovery_changed(target);
    return s;
}

void nvme_subsystem_power_on(struct nvme_subsystem *s) {
    int64_t now = sim_now(s->target->sim);
    s->durable->power_on_ns += (uint64_t)(now - s->power_on_since_ns);
    s->power_on_since_ns = now;
}

void nvme_subsystem_free(struct nvme_subsystem *s) {
    if (!s)
        return;
    nvme_subsystem_power_on(s);
    sim_cancel(s->target->sim, &s->reset);
    sim_cancel(s->target->sim, &s->watchdog);
    nvme_history_release(s);
    for (struct nvme_subsystem **at = &s->target->subsystems; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    munmap(s->zeros, s->config.mdts);
    free(s->spare);
    free(s);
}

const char *nvme_subsystem_serial(const struct nvme_subsystem *s) {
    return s->config.serial;
}

uint32_t nvme_subsystem_namespaces(const struct nvme_subsystem *s) {
    return s->ns_count;
}

bool nvme_subsystem_namespace(const struct nvme_subsystem *s, uint32_t nsid, struct nvme_namespace *to) {
    if (nsid - 1 >= s->ns_count)
        return false;
    const struct nvme_ns *ns = &s->ns[nsid - 1];
    *to = (struct nvme_namespace){
        .nsid = nsid,
        .lba_bytes = nvme_lba_bytes(ns),
        .base = ns->base,
        .blocks = ns->nsze,
        .formatting = ns->busy,
    };
    return true;
}

void nvme_subsystem_reconfigure(struct nvme_subsystem *s, const struct nvme_config *config) {
    opt_copy_runtime(nvme_opts, &s->config, config);
    sim_cancel(s->target->sim, &s->watchdog); /* its period may be another now */
    if (s->config.watchdog)
        nvme_watchdog_arm(s);
}

const char *nvme_subsystem_nqn(const struct nvme_subsystem *s) {
    return s->config.nqn;
}

struct nvme_subsystem *nvme_subsystem_find(const struct nvme_target *target, const char *nqn) {
    for (struct nvme_subsystem *s = target->subsystems; s; s = s->next)
        if (strcmp(s->config.nqn, nqn) == 0)
            return s;
    return NULL;
}

bool nvme_subsystem_allows(const struct nvme_subsystem *s, const char *hostnqn) {
    const char *at = s->config.allow_hosts;
    size_t len = strlen(hostnqn);
    if (!*at)
        return true;
    while (*at) {
        at += strspn(at, ", ");
        size_t word = strcspn(at, ", ");
        if (word && word == len && memcmp(at, hostnqn, len) == 0)
            return true;
        at += word;
    }
    return false;
}
