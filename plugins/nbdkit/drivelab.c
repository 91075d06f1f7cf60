/*
 * nbdkit plugin: a drive over NBD, for qemu, nbd-client, libnbd and fio.
 *
 *     nbdkit drivelab drive=hdd-7200 image=disk.img
 *
 * Written over the public C API alone. nbdkit calls from several threads; one
 * thread of ours runs the lab, and a request waits for its answer there, as it
 * would for a drive. So the queue depth is that of nbdkit's threads (-t).
 */
#include <drivelab.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX   256

#define MAXIMUM_BYTES (32u << 20) /* of a request, as nbdkit's server itself limits them */
#define EXTENTS_MAX   1024        /* looked at in one go: the drive waits meanwhile */
#define ZERO_BYTES    (1u << 30)  /* written at a time as zeroes */

struct settings {
    char *profile, *image;
    const char *store;
    char *option[OPTIONS_MAX + 1]; /* section.key=value; NULL-terminated */
    unsigned options;
    struct drivelab_clock clock;
};

/* nbdkit gives its plugins no context, so what they remember is static. */
static struct settings settings = {
    .clock = {.struct_size = sizeof(struct drivelab_clock), .mode = DRIVELAB_WALL},
};

/* The running drive. */
static struct drivelab_lab *lab;
static struct drivelab_drive *drive;
static struct drivelab_info info;
static pthread_t lab_thread;
static int lab_runs;

/* ---- Settings ---- */

static int set_time(const char *value) {
    double scale = 1;
    char end;
    settings.clock.mode = DRIVELAB_WALL;
    if (!strcmp(value, "wall"))
        return 0;
    if (sscanf(value, "scaled:%lf%c", &scale, &end) != 1) {
        nbdkit_error("time=%s: allowed are wall and scaled:N, wall seconds for one modelled second", value);
        return -1;
    }
    settings.clock.mode = DRIVELAB_SCALED;
    settings.clock.scale = scale;
    return 0;
}

static int set_store(const char *value) {
    if (strcmp(value, "memory") && strcmp(value, "none")) {
        nbdkit_error("store=%s: allowed are memory and none (no payload: reads return zeroes); image=FILE keeps it",
                     value);
        return -1;
    }
    settings.store = value;
    return 0;
}

static int set_spin(const char *value) {
    settings.clock.spin = nbdkit_parse_bool(value);
    if (settings.clock.spin >= 0)
        return 0;
    nbdkit_error("spin=%s: allowed are true and false", value);
    return -1;
}

static int set_option(const char *key, const char *value) {
    if (settings.options == OPTIONS_MAX) {
        nbdkit_error("more than %d options", OPTIONS_MAX);
        return -1;
    }
    if (asprintf(&settings.option[settings.options], "%s=%s", key, value) < 0) {
        settings.option[settings.options] = NULL;
        nbdkit_error("no memory for the option %s", key);
        return -1;
    }
    settings.options++;
    return 0;
}

/* A built-in drive's name, or the path of an INI file: nbdkit changes its directory when it forks. */
static int set_profile(const char *value) {
    size_t len = strlen(value);
    bool path = strchr(value, '/') || (len > 4 && !strcmp(value + len - 4, ".ini"));
    free(settings.profile);
    settings.profile = path ? nbdkit_absolute_path(value) : strdup(value);
    if (!settings.profile && !path)
        nbdkit_error("no memory for drive=%s", value);
    return settings.profile ? 0 : -1;
}

static int plugin_config(const char *key, const char *value) {
    if (!strcmp(key, "drive"))
        return set_profile(value);
    if (!strcmp(key, "image")) {
        free(settings.image);
        settings.image = nbdkit_absolute_path(value); /* as above */
        return settings.image ? 0 : -1;
    }
    if (!strcmp(key, "store"))
        return set_store(value);
    if (!strcmp(key, "time"))
        return set_time(value);
    if (!strcmp(key, "spin"))
        return set_spin(value);
    if (strchr(key, '.'))
        return set_option(key, value);
    nbdkit_error("unknown parameter %s: allowed are drive, image, store, time, spin and a drive's options as "
                 "section.key",
                 key);
    return -1;
}

static int plugin_config_complete(void) {
    if (!settings.profile) {
        nbdkit_error("which drive? drive=NAME, a name that \"drivelab drives\" lists or an INI file");
        return -1;
    }
    if (settings.image && settings.store) {
        nbdkit_error("image=%s and store=%s: one or the other", settings.image, settings.store);
        return -1;
    }
    return 0;
}

static void plugin_unload(void) {
    for (unsigned i = 0; i < settings.options; i++)
        free(settings.option[i]);
    free(settings.image);
    free(settings.profile);
}

/* ---- The drive ---- */

static struct drivelab_drive *open_in(struct drivelab_lab *in, const char *store, const char *image) {
    struct drivelab_error e;
    struct drivelab_drive *opened =
        drivelab_open(in, settings.profile, (const char *const *)settings.option, store, image, &e);
    if (!opened)
        nbdkit_error("%s", e.text);
    return opened;
}

static int refuse_zoned(struct drivelab_drive *opened) {
    drivelab_get_info(opened, &info);
    if (!info.zone_size)
        return 0;
    nbdkit_error("drive %s is zoned, and NBD knows no zones: serve it over NVMe/TCP (drivelab serve)",
                 settings.profile);
    return -1;
}

/*
 * Errors are still seen by the user here, so a drive is tried; the real one
 * lives in the server's process. An image is opened (and made), as most can go
 * wrong there; memory would only be filled for nothing.
 */
static int plugin_get_ready(void) {
    struct drivelab_error e;
    info.struct_size = sizeof(info);
    struct drivelab_lab *trial = drivelab_lab_new(&settings.clock, &e);
    if (!trial) {
        nbdkit_error("%s", e.text);
        return -1;
    }
    struct drivelab_drive *opened = open_in(trial, settings.image ? "file" : "none", settings.image);
    int ret = opened ? refuse_zoned(opened) : -1;
    drivelab_lab_free(trial);
    return ret;
}

static void *run_lab(void *unused) {
    (void)unused;
    drivelab_serve(lab);
    return NULL;
}

static int plugin_after_fork(void) {
    struct drivelab_error e;
    lab = drivelab_lab_new(&settings.clock, &e);
    if (!lab) {
        nbdkit_error("%s", e.text);
        return -1;
    }
    drive = open_in(lab, settings.image ? "file" : settings.store ? settings.store : "memory", settings.image);
    if (!drive)
        return -1;
    int failed = pthread_create(&lab_thread, NULL, run_lab, NULL);
    if (failed) {
        nbdkit_error("no thread for the drive: %s", strerror(failed));
        return -1;
    }
    lab_runs = 1;
    return 0;
}

static void stop_lab(void *unused) {
    (void)unused;
    drivelab_stop(lab);
}

static void plugin_cleanup(void) {
    if (lab_runs && !drivelab_call(lab, stop_lab, NULL))
        pthread_join(lab_thread, NULL);
    drivelab_lab_free(lab); /* makes the image durable */
    lab = NULL;
    lab_runs = 0;
}

/* A connection is a process to schedulers; its handle is just its number. */
static void *plugin_open(int readonly) {
    static _Atomic uintptr_t connections;
    (void)readonly;
    return (void *)++connections;
}

static void forget_owner(void *handle) {
    drivelab_owner_gone(drive, (uint32_t)(uintptr_t)handle);
}

static void plugin_close(void *handle) {
    (void)drivelab_call(lab, forget_owner, handle); /* without memory for that it is remembered */
}

static int64_t plugin_get_size(void *handle) {
    (void)handle;
    return (int64_t)info.capacity;
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum) {
    (void)handle;
    *minimum = 1; /* smaller than the drive's own unit costs a read-modify-write in it, nothing else */
    *preferred = info.granularity > 4096 ? info.granularity : 4096;
    *maximum = MAXIMUM_BYTES;
    return 0;
}

static int plugin_is_rotational(void *handle) {
    (void)handle;
    return info.rotational;
}

static const char *plugin_export_description(void *handle) {
    (void)handle;
    return settings.profile;
}

static int yes(void *handle) {
    (void)handle;
    return 1;
}

static int native_fua(void *handle) {
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

/* ---- Requests ---- */

struct order {
    struct drivelab_request request;
    sem_t answered;
    int error; /* errno; 0: it is done */
    char reason[512];
};

static int errno_of(uint16_t status) {
    switch (status) {
    case 0x080: /* LBA Out of Range */
    case 0x002: /* Invalid Field in Command */
        return EINVAL;
    case 0x081: /* Capacity Exceeded */
        return ENOSPC;
    case 0x020: /* Namespace is Write Protected */
    case 0x182: /* Attempted Write to Read Only Range */
        return EROFS;
    case DRIVELAB_LOST:
        return ESHUTDOWN;
    default:
        return EIO;
    }
}

static void order_answered(const struct drivelab_answer *answer, void *user) {
    struct order *o = user;
    if (answer->status) {
        o->error = errno_of(answer->status);
        snprintf(o->reason, sizeof(o->reason), "%s", answer->reason);
    }
    sem_post(&o->answered);
}

static void submit_order(void *user) {
    struct order *o = user;
    int failed = drivelab_submit(drive, &o->request);
    if (!failed)
        return;
    o->error = -failed;
    snprintf(o->reason, sizeof(o->reason), "the request was not taken: %s", strerror(-failed));
    sem_post(&o->answered);
}

static void wait_for(struct order *o) {
    while (sem_wait(&o->answered) && errno == EINTR)
        ;
}

/* Have the lab's thread call `function(o)`, which posts o->answered; wait for that. */
static void hand_over(struct order *o, void (*function)(void *)) {
    sem_init(&o->answered, 0, 0);
    if (drivelab_call(lab, function, o)) {
        o->error = ENOMEM;
        snprintf(o->reason, sizeof(o->reason), "no memory for a request");
    } else {
        wait_for(o);
    }
    sem_destroy(&o->answered);
}

/* One request, from any of nbdkit's threads; flags are the library's. 0, or -1 with nbdkit told why. */
static int carry_out(void *handle, int op, uint64_t offset, uint32_t bytes, void *data, unsigned flags) {
    struct order o = {.request = {.struct_size = sizeof(struct drivelab_request),
                                  .op = op,
                                  .flags = flags,
                                  .offset = offset,
                                  .bytes = bytes,
                                  .data = data,
                                  .done = order_answered,
                                  .owner = (uint32_t)(uintptr_t)handle}};
    o.request.user = &o;
    hand_over(&o, submit_order);
    if (!o.error)
        return 0;
    nbdkit_error("%s", o.reason);
    nbdkit_set_error(o.error);
    return -1;
}

static unsigned fua(uint32_t flags) {
    return flags & NBDKIT_FLAG_FUA ? DRIVELAB_FUA : 0;
}

static int plugin_pread(void *handle, void *buffer, uint32_t bytes, uint64_t offset, uint32_t flags) {
    if (settings.store && !strcmp(settings.store, "none"))
        memset(buffer, 0, bytes);
    (void)flags;
    return carry_out(handle, DRIVELAB_READ, offset, bytes, buffer, 0);
}

static int plugin_pwrite(void *handle, const void *buffer, uint32_t bytes, uint64_t offset, uint32_t flags) {
    return carry_out(handle, DRIVELAB_WRITE, offset, bytes, (void *)buffer, fua(flags));
}

static int plugin_flush(void *handle, uint32_t flags) {
    (void)flags;
    return carry_out(handle, DRIVELAB_FLUSH, 0, 0, NULL, 0);
}

static int flush_if(void *handle, uint32_t flags) {
    return flags & NBDKIT_FLAG_FUA ? carry_out(handle, DRIVELAB_FLUSH, 0, 0, NULL, 0) : 0;
}

/* Deallocation knows no FUA (NVM Command Set 1.0, 3.2.3): a flush stands for it. */
static int plugin_trim(void *handle, uint32_t bytes, uint64_t offset, uint32_t flags) {
    if (carry_out(handle, DRIVELAB_TRIM, offset, bytes, NULL, 0))
        return -1;
    return flush_if(handle, flags);
}

/* Flash forgets at once; a disk writes every sector, and so does flash whose room is to be kept. */
static int plugin_can_fast_zero(void *handle) {
    (void)handle;
    return !info.rotational;
}

static int plugin_zero(void *handle, uint32_t bytes, uint64_t offset, uint32_t flags) {
    unsigned keep = flags & NBDKIT_FLAG_MAY_TRIM ? 0 : DRIVELAB_KEEP_MAPPED;
    if (flags & NBDKIT_FLAG_FAST_ZERO && (keep || info.rotational)) {
        nbdkit_set_error(EOPNOTSUPP);
        return -1;
    }
    for (uint32_t part; bytes; bytes -= part, offset += part) {
        part = bytes < ZERO_BYTES ? bytes : ZERO_BYTES;
        if (carry_out(handle, DRIVELAB_WRITE_ZEROES, offset, part, NULL, fua(flags) | keep))
            return -1;
    }
    return 0;
}

struct survey {
    struct order order; /* first member; its request says which bytes */
    struct nbdkit_extents *extents;
};

static void make_survey(void *user) {
    struct survey *s = user;
    uint64_t at = s->order.request.offset, end = at + s->order.request.bytes;
    for (unsigned i = 0; at < end && i < EXTENTS_MAX && !s->order.error; i++) {
        int zero;
        uint64_t alike = drivelab_extent(drive, at, end - at, &zero);
        if (nbdkit_add_extent(s->extents, at, alike, zero ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0))
            s->order.error = errno;
        at += alike;
        if (s->order.request.flags & NBDKIT_FLAG_REQ_ONE)
            break;
    }
    sem_post(&s->order.answered);
}

/* What was never written or is deallocated need not be read by whoever copies the drive. */
static int plugin_extents(void *handle, uint32_t bytes, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents) {
    struct survey s = {.order.request = {.offset = offset, .bytes = bytes, .flags = flags}, .extents = extents};
    (void)handle;
    hand_over(&s.order, make_survey);
    if (s.order.error)
        nbdkit_set_error(s.order.error);
    return s.order.error ? -1 : 0;
}

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct nbdkit_plugin plugin = {
    .name = "drivelab",
    .longname = "drivelab: an emulated drive",
    .version = DRIVELAB_VERSION,
    .description = "A drive of drivelab: real bytes, answered when a modelled drive would answer",
    .magic_config_key = "drive",
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = "drive=NAME          a drive of \"drivelab drives\", or an INI file\n"
                   "image=FILE          keep data and the drive's state there; created if missing\n"
                   "store=memory|none   without image: keep the data in memory, or none of it\n"
                   "time=wall|scaled:N  run as fast as the drive, or N times slower\n"
                   "spin=true           poll instead of sleeping: never late, uses a core\n"
                   "section.key=value   any option of the drive, as in \"drivelab drives NAME\";\n"
                   "                    queue.scheduler=NAME puts an I/O scheduler of Linux before it",
    .unload = plugin_unload,
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .cleanup = plugin_cleanup,
    .open = plugin_open,
    .close = plugin_close,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .export_description = plugin_export_description,
    .is_rotational = plugin_is_rotational,
    .can_multi_conn = yes, /* one drive behind all connections: a flush of one covers all */
    .can_extents = yes,
    .can_fast_zero = plugin_can_fast_zero,
    .can_fua = native_fua,
    .pread = plugin_pread,
    .pwrite = plugin_pwrite,
    .flush = plugin_flush,
    .trim = plugin_trim,
    .zero = plugin_zero,
    .extents = plugin_extents,
};

NBDKIT_REGISTER_PLUGIN(plugin)
