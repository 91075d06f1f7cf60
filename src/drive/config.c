/* A drive's configuration: which sections exist, and whether all of it fits together. */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "drive/drive_int.h"
#include "drive/hdd/hdd.h"
#include "drive/nossd/nossd.h"
#include "drive/ssd/ssd.h"
#include "drive/zns/zns.h"

const struct drive_ops *const drive_kinds[] = {&nossd_ops, &ssd_ops, &zns_ops, &hdd_ops, &smr_ops, NULL};

/* The same names as rows for the option; in the order of drive_kinds[]. */
static const char *const kind_names[] = {"nossd", "ssd", "zns", "hdd", "smr", NULL};

#define ROW(field, ...)                                                                                                \
    { "drive", #field, .offset = offsetof(struct drive_common_config, field), __VA_ARGS__ }

const struct opt_row drive_opts[] = {
    ROW(kind, .type = OPT_ENUM, .choices = kind_names, .def = "ssd", .help = "what the drive is made of"),
    ROW(model, .type = OPT_STRING, .def = "drivelab drive",
        .help = "model number reported to hosts, 1 to 40 characters"),
    ROW(capacity, .type = OPT_SIZE, .min = 1 << 20, .max = STORE_BYTES_MAX, .def = "16GiB", .unit = "bytes",
        .help = "bytes a host can address; a multiple of 4 KiB"),
    ROW(lba_bytes, .type = OPT_U32, .min = 512, .max = 4096, .def = "4096", .unit = "bytes",
        .help = "logical block size the drive is sold with, 512 or 4096"),
    ROW(seed, .type = OPT_U64, .def = "1", .help = "seed of everything random in the drive"),
    ROW(huge_pages, .type = OPT_BOOL, .def = "no",
        .help = "memory on transparent huge pages: faster, but scattered data takes 2 MiB a piece"),
    {0},
};

const struct drive_ops *drive_kind(const struct drive_config *config) {
    return drive_kinds[config->drive.kind];
}

static const struct {
    const struct opt_row *rows;
    size_t offset; /* of its part of struct drive_config */
} tables[] = {
    {drive_opts, offsetof(struct drive_config, drive)}, {nossd_opts, offsetof(struct drive_config, nossd)},
    {nand_opts, offsetof(struct drive_config, nand)},   {ssd_opts, offsetof(struct drive_config, ssd)},
    {zns_opts, offsetof(struct drive_config, zns)},     {zns_media_opts, offsetof(struct drive_config, zns_media)},
    {hdd_opts, offsetof(struct drive_config, hdd)},
};
#define TABLES (sizeof tables / sizeof *tables)

int drive_config_init(struct drive_config *config, struct opt_set *set, struct err *e) {
    *config = (struct drive_config){.name = "default"};
    for (unsigned i = 0; i < TABLES; i++) {
        int rc = opt_set_add(set, tables[i].rows, (char *)config + tables[i].offset);
        if (rc)
            return err_set(e, -rc, "too many option tables for one set");
    }
    return 0;
}

bool drive_reads_section(const struct drive *drive, const char *section) {
    if (!strcmp(section, "drive"))
        return true;
    for (const char *const *s = drive->ops->sections; *s; s++)
        if (!strcmp(*s, section))
            return true;
    return false;
}

int drive_reconfigure(struct drive *drive, const struct drive_config *config, struct err *e) {
    struct drive_config next = drive->config;
    for (unsigned i = 0; i < TABLES; i++)
        opt_copy_runtime(tables[i].rows, (char *)&next + tables[i].offset, (const char *)config + tables[i].offset);
    int rc = drive_config_check(&next, e);
    if (rc)
        return rc;
    drive->config = next;
    if (drive->ops->reconfigured)
        drive->ops->reconfigured(drive);
    return 0;
}

void drive_config_resolve(struct drive_config *config) {
    const struct drive_ops *ops = drive_kind(config);
    if (ops->resolve)
        ops->resolve(config);
}

int drive_config_check(const struct drive_config *config, struct err *e) {
    const struct drive_common_config *d = &config->drive;
    struct drive_config resolved = *config;
    if (d->capacity < 1 << 20 || d->capacity > STORE_BYTES_MAX || d->capacity % 4096)
        return err_set(e, EINVAL, "drive.capacity = %" PRIu64 ": allowed are multiples of 4096 from 1MiB to 1PiB",
                       d->capacity);
    drive_config_resolve(&resolved);
    return drive_kind(config)->check(&resolved, e);
}
