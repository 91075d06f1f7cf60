/*
 * Damaged image files: bytes anywhere in the image of a drive that was used, in
 * its header, its directory or the state of the drive, and files cut short.
 * Opening store and drive gives a clear error, or a drive that answers every
 * request; and so does opening it again.
 *
 * An input: what drive, by its first byte (bit 7: headers get the checksums they
 * should have, so that what is behind them is reached), then changes of nine
 * bytes each: place (2: area, how), offset (3), value (4).
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "drive/drive.h"
#include "fuzz.h"
#include "store/image.h"

enum { MIB = 1 << 20, CHANGE = 9, CHANGES_MAX = 64, PIECE = 16384, IOS = 12, IMAGES = 6 };

/* What an image keeps of a drive that was used: the parts of its file that are not holes. */
struct image {
    const char *options[20]; /* NULL-terminated */
    struct drive_config config;
    size_t bytes;
    struct extent {
        off_t at;
        size_t bytes;
        uint8_t *data;
        struct extent *next;
    } * extents;
    unsigned areas;
    struct {
        uint64_t at, bytes;
    } area[IMAGE_AREAS];
};

#define FLASH "nand.channels=2", "nand.luns=1", "nand.planes=1", "nand.page_bytes=16384", "nand.factory_bad_percent=0"

static struct image images[IMAGES] = {
    {{"drive.kind=nossd", "drive.capacity=4MiB"}},
    {{"drive.kind=ssd", "drive.capacity=16MiB", "nand.pages=48", "nand.blocks=32", "ssd.write_buffer=1MiB", FLASH}},
    {{"drive.kind=zns", "drive.capacity=64MiB", "zns.zone_size=4MiB", "zns.zone_capacity=3MiB", "zns.max_active=6",
      "zns.max_open=4", "zns.max_open=4", "zns.zrwa_zones=2", "zns.zrwa_bytes=64KiB", "zns.extension_bytes=64",
      "zns.dies_per_zone=2", "nand.pages=96", "nand.blocks=24", FLASH}},
    {{"drive.kind=zns", "drive.capacity=64MiB", "zns.zone_size=4MiB", "zns.zone_capacity=3MiB", "zns.max_active=6",
      "zns.max_open=4", "zns.variable_capacity=yes", "zns.excursions=yes", "zns.volatile_cache=yes",
      "zns.dies_per_zone=1", "nand.pages=192", "nand.blocks=20", FLASH}},
    {{"drive.kind=hdd", "drive.capacity=8MiB"}},
    {{"drive.kind=smr", "drive.capacity=64MiB", "zns.zone_size=4MiB", "zns.zone_capacity=4MiB", "zns.max_active=6",
      "zns.max_open=4", "zns.extension_bytes=64"}},
};

static char path[64];

/* ---- Using a drive ---- */

struct bed {
    struct sim *sim;
    struct drive *drive;
};

static void answered(struct io *io) {
    io->owner = 1;
}

/* A drive answers whatever is asked of it. */
static uint16_t ask(struct bed *b, uint8_t op, uint8_t action, uint64_t offset, uint64_t bytes) {
    static uint8_t data[PIECE];
    struct iovec vec = {data, bytes};
    struct io io;
    io_init(&io);
    io.op = op;
    io.action = action;
    io.offset = offset;
    io.bytes = bytes;
    io.flags = action == ZONE_OPEN && offset / (4 * MIB) % 2 ? IO_ZRWA : 0;
    io.vec = op == IO_WRITE || op == IO_APPEND || op == IO_ZONE ? &vec : NULL;
    io.nvec = io.vec != NULL;
    io.done = answered;
    if (op == IO_ZONE)
        vec.iov_len = 64;
    drive_submit(b->drive, &io);
    for (unsigned i = 0; !io.owner && i < 100000; i++) {
        if (i % 64 == 63)
            usleep(100); /* virtual time does not wait for the file to be flushed */
        sim_run(b->sim, sim_now(b->sim) + 1000000);
    }
    fuzz_require(io.owner);
    uint16_t status = io.status;
    fuzz_require(!status || io.reason);
    io_release(&io);
    return status;
}

static void use_zones(struct bed *b) {
    static const uint8_t actions[] = {ZONE_OPEN, ZONE_CLOSE, ZONE_FINISH, ZONE_RESET, ZONE_SET_EXTENSION};
    const struct drive_zoned_ops *zoned = b->drive->ops->zoned;
    struct drive_zoned_limits limits;
    zoned->limits(b->drive, &limits);
    for (uint32_t i = 0; i < limits.zones; i++) {
        struct drive_zone z;
        zoned->zone(b->drive, i, &z);
        fuzz_require(z.start == i * limits.zone_bytes && z.capacity <= limits.zone_bytes);
        ask(b, IO_READ, 0, z.start, PIECE);
        if (z.write_pointer != UINT64_MAX && z.write_pointer % 4096 == 0)
            ask(b, IO_WRITE, 0, z.write_pointer, PIECE);
        ask(b, IO_APPEND, 0, z.start, PIECE);
        ask(b, IO_ZONE, actions[i % (sizeof actions / sizeof *actions)], z.start, 0);
    }
    for (uint32_t i = 0; i < limits.zones; i += 3)
        ask(b, IO_ZONE, ZONE_RESET, i * limits.zone_bytes, 0);
}

static void use(struct bed *b) {
    struct drive_health health;
    uint64_t step = b->drive->capacity / IOS / PIECE * PIECE;
    drive_health(b->drive, &health);
    for (uint64_t i = 0; i < IOS; i++)
        ask(b, IO_READ, 0, i * step, PIECE);
    if (b->drive->ops->zoned)
        use_zones(b);
    for (uint64_t i = 0; i < IOS && !b->drive->ops->zoned; i++) {
        ask(b, IO_WRITE, 0, i * step, PIECE);
        ask(b, IO_TRIM, 0, (i + IOS / 2) % IOS * step, PIECE);
    }
    ask(b, IO_FLUSH, 0, 0, 0);
    json_decref(drive_stats(b->drive));
    drive_check_state(b->drive, NULL); /* may find what opening does not look for */
}

/* 0, or -1 with a sentence in `e`. */
static int bed_open(struct bed *b, const struct image *image, struct err *e) {
    b->sim = sim_new(&(struct sim_config){.mode = SIM_VIRTUAL}, e);
    fuzz_require(b->sim);
    b->drive = drive_open(&image->config, "file", path, b->sim, e);
    return b->drive ? 0 : -1;
}

static void bed_close(struct bed *b) {
    drive_close(b->drive);
    sim_free(b->sim);
}

/* ---- Images ---- */

static void *must(void *at) {
    fuzz_require(at);
    return at;
}

static void extents_read(struct image *image, int fd) {
    off_t end = lseek(fd, 0, SEEK_END), at = lseek(fd, 0, SEEK_DATA);
    image->bytes = (size_t)end;
    while (at >= 0 && at < end) {
        off_t hole = lseek(fd, at, SEEK_HOLE);
        struct extent *x = must(calloc(1, sizeof *x));
        *x = (struct extent){at, (size_t)(hole - at), must(malloc((size_t)(hole - at))), image->extents};
        fuzz_require(pread(fd, x->data, x->bytes, at) == (ssize_t)x->bytes);
        image->extents = x;
        at = lseek(fd, hole, SEEK_DATA);
    }
}

static void areas_find(struct image *image, int fd) {
    struct image_header *h = must(malloc(sizeof *h));
    fuzz_require(pread(fd, h, sizeof *h, 0) == (ssize_t)sizeof *h);
    for (unsigned i = 0; i < IMAGE_AREAS; i++)
        if (le32_get(h->area[i].used) == IMAGE_AREA_USED) {
            image->area[image->areas].at = le64_get(h->area[i].at);
            image->area[image->areas++].bytes = le64_get(h->area[i].bytes);
        }
    free(h);
}

static void image_make(struct image *image) {
    struct opt_set set = {0};
    struct err e = {0};
    struct bed b;
    fuzz_require(!drive_config_init(&image->config, &set, &e));
    for (unsigned i = 0; image->options[i]; i++)
        if (opt_assign_arg(&set, image->options[i], &e))
            fprintf(stderr, "%s: %s\n", image->options[i], e.text), abort();
    unlink(path);
    if (bed_open(&b, image, &e))
        fprintf(stderr, "%s\n", e.text), abort();
    use(&b);
    bed_close(&b);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    fuzz_require(fd >= 0);
    extents_read(image, fd);
    areas_find(image, fd);
    close(fd);
}

static void cleanup(void) {
    unlink(path);
    for (struct image *image = images; image < images + IMAGES; image++)
        for (struct extent *x = image->extents, *next; x; x = next) {
            next = x->next;
            free(x->data);
            free(x);
        }
}

static void images_make(void) {
    const char *folder = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(path, sizeof path, "%s/drivelab-fuzz-image-%d", folder, (int)getpid());
    log_set_levels("error", NULL);
    for (struct image *image = images; image < images + IMAGES; image++)
        image_make(image);
    atexit(cleanup);
}

static void image_restore(const struct image *image, int fd) {
    fuzz_require(!ftruncate(fd, 0) && !ftruncate(fd, (off_t)image->bytes));
    for (const struct extent *x = image->extents; x; x = x->next)
        fuzz_require(pwrite(fd, x->data, x->bytes, x->at) == (ssize_t)x->bytes);
}

/* ---- Damage ---- */

static uint64_t le(const uint8_t *from, unsigned bytes) {
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)from[i] << 8 * i;
    return v;
}

/* A place of the header is 0, of the state areas 1 and on; sizes are of powers of two. */
static void change(const struct image *image, int fd, const uint8_t *c) {
    unsigned area = c[0] % (image->areas + 2), width = 1u << (c[1] & 3);
    uint64_t offset = le(c + 2, 3), from = 0, bytes = IMAGE_HEADER_BYTES;
    if (area == image->areas + 1) {
        fuzz_require(!ftruncate(fd, (off_t)(le(c + 5, 4) % (image->bytes + 1))));
        return;
    }
    if (area) {
        from = image->area[area - 1].at;
        bytes = image->area[area - 1].bytes;
    }
    uint8_t old[8] = {0}, value[8];
    off_t at = (off_t)(from + offset % bytes / width * width);
    if (pread(fd, old, width, at) < 0)
        return;
    uint64_t v = le(c + 5, 4), now = le(old, 8);
    v = c[1] & 4 ? v | v << 32 : v;
    now = c[1] & 8 ? now + v : c[1] & 16 ? now ^ v : v;
    for (unsigned i = 0; i < width; i++)
        value[i] = (uint8_t)(now >> 8 * i);
    fuzz_require(pwrite(fd, value, width, at) == (ssize_t)width);
}

/* As somebody would who knows the format. */
static void checksums_set(int fd) {
    static struct image_header h;
    if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
        return;
    h.super.identity_crc = le32_from(crc32c(h.identity, le32_get(h.super.identity_bytes) % sizeof h.identity));
    h.super.crc = le32_from(crc32c(&h.super, offsetof(struct image_super, crc)));
    for (unsigned i = 0; i < IMAGE_AREAS; i++)
        if (le32_get(h.area[i].used))
            h.area[i].crc = le32_from(crc32c(h.area[i].name, sizeof h.area[i] - offsetof(struct image_area, name)));
    fuzz_require(pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h);
}

static void open_and_use(const struct image *image) {
    for (unsigned again = 0; again < 2; again++) {
        struct err e = {0};
        struct bed b;
        int rc = bed_open(&b, image, &e);
        fuzz_require((rc == 0) == (e.text[0] == '\0'));
        if (!rc)
            use(&b);
        bed_close(&b);
        if (rc)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    if (!path[0])
        images_make();
    const struct image *image = &images[(data[0] & 0x7f) % IMAGES];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fuzz_require(fd >= 0);
    image_restore(image, fd);
    for (size_t i = 0; i < CHANGES_MAX && size - 1 >= (i + 1) * CHANGE; i++)
        change(image, fd, data + 1 + i * CHANGE);
    if (data[0] & 0x80)
        checksums_set(fd);
    close(fd);
    open_and_use(image);
    return 0;
}
