/*
 * The file store: one sparse image, payload and state mapped shared and used
 * in place. What a killed process wrote is in the page cache and stays; a
 * flush makes it survive the machine.
 *
 * Opening takes an exclusive flock() for as long as the store is open, checks
 * everything before it writes anything, and then marks the image in use,
 * durably, until store_close().
 *
 * On a file system that copies on write, space taken beforehand may be needed
 * again for overwriting; such files are marked not to be copied where the file
 * system knows how (Btrfs).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/fault.h"
#include "store/flusher.h"
#include "store/image.h"
#include "store/store_int.h"

struct file_store {
    struct store store; /* first */
    char *path;
    int fd;
    struct image_header *header; /* mapped */
    uint64_t payload_bytes;
    struct reserve reserve; /* payload */
    struct flusher *flusher;
};

static struct file_store *file_of(struct store *store) {
    return (struct file_store *)store;
}

/* ---- mapping ---- */

static void *file_map(struct file_store *f, uint64_t at, uint64_t bytes, struct err *e) {
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)at);
    if (base == MAP_FAILED) {
        err_set(e, errno, "cannot map %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
        return NULL;
    }
    fault_watch(base, bytes, f->path);
    return base;
}

static void file_unmap(void *base, uint64_t bytes) {
    if (!base)
        return;
    fault_unwatch(base);
    munmap(base, bytes);
}

static int file_sync(int fd, struct err *e) {
    return fsync(fd) ? err_set(e, errno, "cannot make it durable: %s", strerror(errno)) : 0;
}

/* ---- a new image ---- */

static int file_write_header(int fd, const struct image_header *h) {
    for (size_t done = 0; done < sizeof(*h);) {
        ssize_t put = pwrite(fd, (const uint8_t *)h + done, sizeof(*h) - done, (off_t)done);
        if (put < 0 && errno != EINTR)
            return -errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

/* A name alone is durable only when its directory is. */
static void sync_directory_of(const char *path) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    else
        snprintf(dir, sizeof(dir), ".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static void avoid_copy_on_write(int fd) {
#ifdef FS_NOCOW_FL
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags); /* refused by all but Btrfs */
    }
#endif
}

static int file_lock(int fd, struct err *e) {
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            return err_set(e, EBUSY, "image is in use by another process");
        if (errno != EINTR)
            return err_set(e, errno, "cannot lock the image: %s", strerror(errno));
    }
    return 0;
}

static int file_fill_new(int fd, const struct store_config *config, struct err *e) {
    struct image_header *h = calloc(1, sizeof(*h));
    bool by_writing = false;
    if (!h)
        return err_set(e, ENOMEM, "no memory for the image's header");
    int rc = image_format(h, config->bytes, config->identity ? config->identity : "", e);
    if (!rc && (ftruncate(fd, 0) || ftruncate(fd, (off_t)(IMAGE_PAYLOAD_AT + config->bytes))))
        rc = err_set(e, errno, "cannot make an image of %llu bytes: %s",
                     (unsigned long long)(IMAGE_PAYLOAD_AT + config->bytes), strerror(errno));
    if (!rc) {
        avoid_copy_on_write(fd);
        rc = reserve_blocks(fd, 0, IMAGE_HEADER_BYTES, &by_writing);
        rc = rc ? rc : file_write_header(fd, h);
        if (rc)
            err_set(e, -rc, "cannot write the image's header: %s", strerror(-rc));
    }
    free(h);
    return rc ? rc : file_sync(fd, e);
}

/* Whether `fd` still is the file of that name: another process may have moved it to its place. */
static bool file_is_at(int fd, const char *path) {
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

/* Move a new image to its place, where at most an empty file may be. */
static int file_put_in_place(const char *from, const char *to, struct err *e) {
    struct stat st;
    bool empty = stat(to, &st) == 0 && st.st_size == 0;
    int rc = empty ? rename(from, to) : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc && !empty && errno == EINVAL) /* the file system does not know NOREPLACE */
        rc = rename(from, to);
    return rc ? err_set(e, errno, "cannot put the new image in its place: %s", strerror(errno)) : 0;
}

/* Make the image beside its place, then move it there. Returns the locked descriptor or -errno. */
static int file_create(const struct store_config *config, struct err *e) {
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof(temporary), "%s.new", config->path) >= (int)sizeof(temporary))
        return err_set(e, ENAMETOOLONG, "name too long");
    int fd = open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(e, errno, "cannot create it: %s", strerror(errno));
    int rc = file_lock(fd, e);
    if (!rc && !file_is_at(fd, temporary))
        rc = err_set(e, EBUSY, "image is being made by another process");
    if (rc) {
        close(fd);
        return rc;
    }
    rc = file_fill_new(fd, config, e);
    rc = rc ? rc : file_put_in_place(temporary, config->path, e);
    if (rc) {
        unlink(temporary);
        close(fd);
        return rc;
    }
    sync_directory_of(config->path);
    return fd;
}

/* ---- an image that exists ---- */

/* *unfinished: the image was left behind half made. */
static int file_check(int fd, const struct store_config *config, bool *unfinished, struct err *e) {
    struct image_header *h = calloc(1, sizeof(*h));
    struct stat st;
    size_t got = 0;
    if (!h)
        return err_set(e, ENOMEM, "no memory for the image's header");
    int rc = fstat(fd, &st) ? err_set(e, errno, "cannot look at it: %s", strerror(errno)) : 0;
    while (!rc && got < sizeof(*h)) {
        ssize_t n = pread(fd, (uint8_t *)h + got, sizeof(*h) - got, (off_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_set(e, errno, "cannot read it: %s", strerror(errno));
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    rc = rc ? rc : image_check(h, got, (uint64_t)st.st_size, e);
    *unfinished = !rc && image_unfinished(h);
    if (!rc && !*unfinished)
        rc = image_match(h, config->bytes, config->identity ? config->identity : "", e);
    free(h);
    return rc;
}

/* Returns the locked descriptor or -errno; -ENOENT without `e` where no image is yet. */
static int file_open_old(const struct store_config *config, struct err *e) {
    struct stat st;
    bool unfinished = false;
    int fd = open(config->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return err_set(e, errno, "cannot open it for writing: %s", strerror(errno));
    int rc = fstat(fd, &st) ? err_set(e, errno, "cannot look at it: %s", strerror(errno)) : 0;
    if (!rc && !S_ISREG(st.st_mode))
        rc = err_set(e, EINVAL, "not a regular file");
    if (!rc && st.st_size == 0)
        rc = -ENOENT;
    rc = rc ? rc : file_lock(fd, e);
    rc = rc ? rc : file_check(fd, config, &unfinished, e);
    if (unfinished) {
        log_info(LOG_STORE, "%s: this image was never finished; it is made anew", config->path);
        rc = ftruncate(fd, 0) ? err_set(e, errno, "cannot empty it: %s", strerror(errno)) : -ENOENT;
    }
    if (rc) {
        close(fd);
        return rc;
    }
    return fd;
}

/* ---- opening and closing ---- */

static void file_release(struct file_store *f) {
    flusher_free(f->flusher);
    reserve_release(&f->reserve);
    file_unmap(f->store.payload, f->payload_bytes);
    file_unmap(f->header, IMAGE_HEADER_BYTES);
    if (f->fd >= 0)
        close(f->fd); /* and so unlocks */
    free(f->path);
    free(f);
}

/* Mark the image in use before anything in it changes; a new one only when it has been made. */
static int file_mark_in_use(struct file_store *f, bool created, struct err *e) {
    f->store.clean = created || le32_get(f->header->stop) == IMAGE_CLEAN;
    if (created)
        return 0;
    f->header->stop = le32_from(IMAGE_IN_USE);
    return file_sync(f->fd, e);
}

/* All that was made is durable before the word that says so. */
static int file_made(struct store *store, struct err *e) {
    struct file_store *f = file_of(store);
    int rc = file_sync(f->fd, e);
    f->header->stop = le32_from(rc ? IMAGE_MAKING : IMAGE_IN_USE);
    rc = rc ? rc : file_sync(f->fd, e);
    if (rc)
        err_prefix(e, "%s: ", f->path);
    return rc;
}

static int file_set_up(struct file_store *f, const struct store_config *config, struct sim *sim, bool created,
                       struct err *e) {
    f->payload_bytes = config->bytes;
    int rc = reserve_init(&f->reserve, f->fd, IMAGE_PAYLOAD_AT, config->bytes);
    if (rc)
        return err_set(e, -rc, "no memory for the store");
    rc = reserve_blocks(f->fd, 0, IMAGE_HEADER_BYTES, &f->reserve.by_writing); /* a copied image may have holes there */
    if (rc)
        return err_set(e, -rc, "no space for the image's header: %s", strerror(-rc));
    f->header = file_map(f, 0, IMAGE_HEADER_BYTES, e);
    f->store.payload = f->header ? file_map(f, IMAGE_PAYLOAD_AT, config->bytes, e) : NULL;
    f->flusher = f->store.payload ? flusher_new(f->fd, sim, e) : NULL;
    return f->flusher ? file_mark_in_use(f, created, e) : -ENOMEM;
}

static struct store *file_open(const struct store_config *config, struct sim *sim, bool *created, struct err *e) {
    if (!config->path || !*config->path) {
        err_set(e, EINVAL, "a store of kind 'file' needs the path of its image");
        return NULL;
    }
    struct file_store *f = calloc(1, sizeof(*f));
    char *path = strdup(config->path);
    if (!f || !path) {
        free(f);
        free(path);
        err_set(e, ENOMEM, "no memory for the store");
        return NULL;
    }
    f->path = path;
    f->fd = file_open_old(config, e);
    *created = f->fd == -ENOENT;
    if (*created)
        f->fd = file_create(config, e);
    int rc = f->fd < 0 ? f->fd : file_set_up(f, config, sim, *created, e);
    if (!rc)
        return &f->store;
    if (*created && f->fd >= 0)
        unlink(path);
    err_prefix(e, "%s: ", config->path);
    file_release(f);
    return NULL;
}

static void file_close(struct store *store) {
    struct file_store *f = file_of(store);
    struct err e = {0};
    int rc = flusher_error(f->flusher);
    if (rc)
        err_set(&e, -rc, "a flush failed: %s", strerror(-rc));
    else
        rc = file_sync(f->fd, &e);
    if (!rc) {
        f->header->stop = le32_from(IMAGE_CLEAN);
        rc = file_sync(f->fd, &e);
    }
    if (rc)
        log_error(LOG_STORE, "%s: closing the image: %s", f->path, e.text);
    file_release(f);
}

static void file_remove(struct store *store) {
    struct file_store *f = file_of(store);
    unlink(f->path);
    file_release(f);
}

/* ---- payload ---- */

static int file_reserve(struct store *store, uint64_t offset, uint64_t len) {
    return reserve_range(&file_of(store)->reserve, offset, len);
}

static int file_discard(struct store *store, uint64_t offset, uint64_t len) {
    struct file_store *f = file_of(store);
    while (
        fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(IMAGE_PAYLOAD_AT + offset), (off_t)len)) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            store_zero(store->payload + offset, len); /* what is not zero has its space */
            return 0;
        }
        if (errno != EINTR)
            return -errno;
    }
    reserve_forget(&f->reserve, offset, len);
    return 0;
}

/* Where seeking holes is not known, all is data. */
static uint64_t file_extent(const struct store *store, uint64_t offset, uint64_t len, bool *hole) {
    const struct file_store *f = (const struct file_store *)store;
    off_t at = (off_t)(IMAGE_PAYLOAD_AT + offset), end = lseek(f->fd, at, SEEK_DATA);
    *hole = end > at || (end < 0 && errno == ENXIO);
    if (!*hole)
        end = lseek(f->fd, at, SEEK_HOLE);
    return end > at && (uint64_t)(end - at) < len ? (uint64_t)(end - at) : len;
}

static void file_flush(struct store *store, struct store_flush *flush) {
    flusher_add(file_of(store)->flusher, flush);
}

/* ---- state ---- */

static int file_area_map(struct file_store *f, struct store_area *area, uint64_t at, struct err *e) {
    int rc = 0;
    if (area->bytes > STORE_RESERVED_MAX)
        rc = reserve_init(&area->reserve, f->fd, at, area->bytes);
    else
        rc = reserve_blocks(f->fd, at, area->bytes, &f->reserve.by_writing);
    if (rc)
        return err_set(e, -rc, "no space for %llu bytes of state '%s': %s", (unsigned long long)area->bytes, area->name,
                       strerror(-rc));
    area->at = at;
    area->base = file_map(f, at, area->bytes, e);
    if (area->base)
        return 0;
    reserve_release(&area->reserve);
    return -ENOMEM;
}

static int file_area_old(struct file_store *f, struct store_area *area, int i, struct err *e) {
    const struct image_area *has = &f->header->area[i];
    uint32_t version = le32_get(has->version);
    uint64_t bytes = le64_get(has->bytes);
    if (version != area->version || bytes != area->bytes)
        return err_set(e, EINVAL,
                       "state area '%s' has version %u and %llu bytes, this program needs version %u and %llu bytes",
                       area->name, version, (unsigned long long)bytes, area->version, (unsigned long long)area->bytes);
    return file_area_map(f, area, le64_get(has->at), e);
}

/* Cut off what a process killed here left behind, so that a fresh area is zero. */
static int file_area_new(struct file_store *f, struct store_area *area, struct err *e) {
    uint64_t at;
    int i = image_area_free(f->header, &at);
    if (i < 0)
        return err_set(e, ENOSPC, "no place for state area '%s': the image has %d", area->name, IMAGE_AREAS);
    if (ftruncate(f->fd, (off_t)at) || ftruncate(f->fd, (off_t)(at + area->bytes)))
        return err_set(e, errno, "cannot grow by %llu bytes for state '%s': %s", (unsigned long long)area->bytes,
                       area->name, strerror(errno));
    int rc = file_area_map(f, area, at, e);
    if (!rc)
        image_area_commit(f->header, i, area->name, area->version, at, area->bytes);
    return rc;
}

static int file_area_open(struct store *store, struct store_area *area, bool *fresh, struct err *e) {
    struct file_store *f = file_of(store);
    int i = image_area_find(f->header, area->name);
    *fresh = i < 0;
    int rc = i < 0 ? file_area_new(f, area, e) : file_area_old(f, area, i, e);
    if (rc)
        err_prefix(e, "%s: ", f->path);
    return rc;
}

static void file_area_close(struct store *store, struct store_area *area) {
    file_unmap(area->base, area->bytes);
    if (area->reserve.bytes)
        reserve_release(&area->reserve);
}

static uint64_t file_area_hole(const struct store *store, const struct store_area *area, uint64_t offset,
                               uint64_t len) {
    const struct file_store *f = (const struct file_store *)store;
    off_t at = (off_t)(area->at + offset), data = lseek(f->fd, at, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? len : 0; /* no data up to the end of the file */
    return (uint64_t)(data - at) < len ? (uint64_t)(data - at) : len;
}

const struct store_ops store_file_ops = {
    .name = "file",
    .summary = "payload and state in one sparse image, kept when the program ends or is killed",
    .durable = true,
    .open = file_open,
    .made = file_made,
    .close = file_close,
    .remove = file_remove,
    .discard = file_discard,
    .flush = file_flush,
    .reserve = file_reserve,
    .extent = file_extent,
    .area_open = file_area_open,
    .area_close = file_area_close,
    .area_hole = file_area_hole,
};
