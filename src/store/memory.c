/*
 * Stores without a file: memory keeps the payload in anonymous, sparse memory;
 * none keeps no payload. Both keep state in sparse memory. Address space is
 * taken at once, pages only as they are written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "store/store_int.h"

#define HUGE_PAGE ((uint64_t)2 << 20)

struct memory_store {
    struct store store;
    uint64_t *written; /* a bit per STORE_CHUNK_BYTES of the payload; NULL: none kept */
};

static struct memory_store *memory_of(const struct store *store) {
    return (struct memory_store *)store; /* first member */
}

static uint8_t *memory_map(uint64_t bytes, const char *what, struct err *e) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED)
        return at;
    err_set(e, errno, "cannot reserve %llu bytes of address space for %s: %s", (unsigned long long)bytes, what,
            strerror(errno));
    return NULL;
}

static struct store *none_open(const struct store_config *config, struct sim *sim, bool *created, struct err *e) {
    struct memory_store *m = calloc(1, sizeof(*m));
    if (!m) {
        err_set(e, ENOMEM, "no memory for the store");
        return NULL;
    }
    m->store.clean = true;
    *created = true;
    return &m->store;
}

static struct store *memory_open(const struct store_config *config, struct sim *sim, bool *created, struct err *e) {
    struct store *store = none_open(config, sim, created, e);
    if (!store)
        return NULL;
    uint64_t chunks = (config->bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    memory_of(store)->written = calloc((chunks + 63) / 64, sizeof(uint64_t));
    if (memory_of(store)->written)
        store->payload = memory_map(config->bytes, "the payload", e);
    else
        err_set(e, ENOMEM, "no memory to note what is written");
    if (!store->payload) {
        free(memory_of(store)->written);
        free(store);
        return NULL;
    }
    if (config->huge_pages)
        madvise(store->payload, config->bytes, MADV_HUGEPAGE); /* advice: works as well without */
    return store;
}

static void memory_close(struct store *store) {
    if (store->payload)
        munmap(store->payload, store->bytes);
    free(memory_of(store)->written);
    free(store);
}

/* Always has space: only notes that something may be there. */
static int memory_reserve(struct store *store, uint64_t offset, uint64_t len) {
    uint64_t *written = memory_of(store)->written;
    for (uint64_t chunk = offset / STORE_CHUNK_BYTES; written && chunk <= (offset + len - 1) / STORE_CHUNK_BYTES;
         chunk++)
        written[chunk / 64] |= 1ull << chunk % 64;
    return 0;
}

static void forget_written(struct memory_store *m, uint64_t offset, uint64_t len) {
    uint64_t first = (offset + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES, end = (offset + len) / STORE_CHUNK_BYTES;
    if (offset + len == m->store.bytes)
        end = (offset + len + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    for (uint64_t chunk = first; chunk < end; chunk++)
        m->written[chunk / 64] &= ~(1ull << chunk % 64);
}

static bool chunk_written(const struct store *store, uint64_t chunk) {
    return memory_of(store)->written[chunk / 64] >> chunk % 64 & 1;
}

static uint64_t memory_extent(const struct store *store, uint64_t offset, uint64_t len, bool *hole) {
    uint64_t chunk = offset / STORE_CHUNK_BYTES;
    bool written = chunk_written(store, chunk);
    do
        chunk++;
    while (chunk * STORE_CHUNK_BYTES < offset + len && chunk_written(store, chunk) == written);
    *hole = !written;
    uint64_t end = chunk * STORE_CHUNK_BYTES;
    return end < offset + len ? end - offset : len;
}

static int memory_discard(struct store *store, uint64_t offset, uint64_t len) {
    uint64_t end = offset + len, first = (offset + STORE_PAGE - 1) / STORE_PAGE * STORE_PAGE;
    uint64_t last = end / STORE_PAGE * STORE_PAGE;
    forget_written(memory_of(store), offset, len);
    if (first >= last) {
        store_zero(store->payload + offset, len);
        return 0;
    }
    store_zero(store->payload + offset, first - offset);
    store_zero(store->payload + last, end - last);
    if (madvise(store->payload + first, last - first, MADV_DONTNEED))
        store_zero(store->payload + first, last - first);
    return 0;
}

static void memory_flush(struct store *store, struct store_flush *flush) {
    flush->done(flush, 0);
}

/* Large areas are whole huge pages, should their user ask for some. */
static uint64_t area_room(uint64_t bytes) {
    return bytes < HUGE_PAGE / 2 ? bytes : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static int memory_area_open(struct store *store, struct store_area *area, bool *fresh, struct err *e) {
    uint64_t room = area_room(area->bytes), more = room == area->bytes && room < HUGE_PAGE ? 0 : HUGE_PAGE;
    uint8_t *at = memory_map(room + more, area->name, e);
    *fresh = true;
    if (!at)
        return -ENOMEM;
    uint64_t skip = more ? -(uintptr_t)at % HUGE_PAGE : 0;
    area->base = at + skip;
    if (skip)
        munmap(at, skip);
    if (more > skip)
        munmap(area->base + room, more - skip);
    return 0;
}

static void memory_area_close(struct store *store, struct store_area *area) {
    munmap(area->base, area_room(area->bytes));
}

const struct store_ops store_memory_ops = {
    .name = "memory",
    .summary = "payload and state in sparse memory, gone when the program ends",
    .open = memory_open,
    .close = memory_close,
    .discard = memory_discard,
    .reserve = memory_reserve,
    .extent = memory_extent,
    .flush = memory_flush,
    .area_open = memory_area_open,
    .area_close = memory_area_close,
};

const struct store_ops store_none_ops = {
    .name = "none",
    .summary = "no payload: reads return no data; for runs in virtual time",
    .open = none_open,
    .close = memory_close,
    .discard = memory_discard,
    .flush = memory_flush,
    .area_open = memory_area_open,
    .area_close = memory_area_close,
};
