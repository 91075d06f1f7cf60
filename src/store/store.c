/*
 * The table of stores and the wrappers that check ranges before a row sees them.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_int.h"

const struct store_ops *const store_kinds[] = {&store_memory_ops, &store_file_ops, &store_none_ops, NULL};

static const uint8_t zeros[STORE_ZEROS_BYTES] __attribute__((aligned(STORE_PAGE)));

static const struct store_ops *store_find(const char *kind, struct err *e) {
    char known[128] = "";
    for (const struct store_ops *const *k = store_kinds; *k; k++) {
        if (kind && strcmp((*k)->name, kind) == 0)
            return *k;
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", (*k)->name);
    }
    err_set(e, EINVAL, "unknown store '%s': valid are %s", kind ? kind : "", known);
    return NULL;
}

struct store *store_open(const struct store_config *config, struct sim *sim, bool *created, struct err *e) {
    const struct store_ops *ops = store_find(config->kind, e);
    if (!ops)
        return NULL;
    if (!config->bytes || config->bytes > STORE_BYTES_MAX) {
        err_set(e, EINVAL, "store of %llu bytes: must be 1 byte to 1 PiB", (unsigned long long)config->bytes);
        return NULL;
    }
    struct store *store = ops->open(config, sim, created, e);
    if (!store)
        return NULL;
    store->ops = ops;
    store->sim = sim;
    store->bytes = config->bytes;
    return store;
}

int store_made(struct store *store, struct err *e) {
    return store->ops->made ? store->ops->made(store, e) : 0;
}

static void areas_close(struct store *store) {
    while (store->areas) {
        struct store_area *area = store->areas;
        store->areas = area->next;
        store->ops->area_close(store, area);
        free(area);
    }
}

void store_close(struct store *store) {
    if (!store)
        return;
    areas_close(store);
    store->ops->close(store);
}

void store_remove(struct store *store) {
    areas_close(store);
    if (store->ops->remove)
        store->ops->remove(store);
    else
        store->ops->close(store);
}

const char *store_kind(const struct store *store) {
    return store->ops->name;
}

uint64_t store_bytes(const struct store *store) {
    return store->bytes;
}

bool store_has_payload(const struct store *store) {
    return store->payload;
}

bool store_is_durable(const struct store *store) {
    return store->ops->durable;
}

bool store_was_clean(const struct store *store) {
    return store->clean;
}

const void *store_zeros(void) {
    return zeros;
}

static inline bool store_inside(const struct store *store, uint64_t offset, uint64_t len) {
    return offset <= store->bytes && len <= store->bytes - offset;
}

void *store_map(struct store *store, uint64_t offset, size_t len) {
    return store->payload && store_inside(store, offset, len) ? store->payload + offset : NULL;
}

int store_reserve(struct store *store, uint64_t offset, uint64_t len) {
    if (!store_inside(store, offset, len))
        return -EINVAL;
    return store->ops->reserve && len ? store->ops->reserve(store, offset, len) : 0;
}

uint64_t store_extent(const struct store *store, uint64_t offset, uint64_t len, bool *hole) {
    *hole = true;
    if (offset >= store->bytes || !len)
        return 0;
    if (len > store->bytes - offset)
        len = store->bytes - offset;
    return store->ops->extent ? store->ops->extent(store, offset, len, hole) : len;
}

int store_discard(struct store *store, uint64_t offset, uint64_t len) {
    if (!store_inside(store, offset, len))
        return -EINVAL;
    return store->payload && len ? store->ops->discard(store, offset, len) : 0;
}

void store_flush(struct store *store, struct store_flush *flush) {
    store->ops->flush(store, flush);
}

void store_zero(uint8_t *at, uint64_t len) {
    while (len) {
        uint64_t piece = STORE_PAGE - (uintptr_t)at % STORE_PAGE;
        if (piece > len)
            piece = len;
        if (memcmp(at, zeros, piece) != 0)
            memset(at, 0, piece);
        at += piece;
        len -= piece;
    }
}

/* ---- state areas ---- */

static struct store_area *store_area_named(struct store *store, const char *name) {
    struct store_area *area = store->areas;
    while (area && strcmp(area->name, name) != 0)
        area = area->next;
    return area;
}

static void *store_state_again(const struct store_area *area, uint32_t version, uint64_t bytes, struct err *e) {
    if (area->version == version && area->bytes == bytes)
        return area->base;
    err_set(e, EEXIST, "state area '%s' is open with version %u and %llu bytes, not version %u and %llu bytes",
            area->name, area->version, (unsigned long long)area->bytes, version, (unsigned long long)bytes);
    return NULL;
}

void *store_state(struct store *store, const char *name, uint32_t version, uint64_t bytes, bool *fresh, struct err *e) {
    size_t length = strlen(name);
    if (!length || length > STORE_NAME_MAX || !bytes || bytes > STORE_BYTES_MAX) {
        err_set(e, EINVAL, "state area '%s' of %llu bytes: name of 1 to %d characters and 1 byte to 1 PiB allowed",
                name, (unsigned long long)bytes, STORE_NAME_MAX);
        return NULL;
    }
    struct store_area *area = store_area_named(store, name);
    if (area) {
        *fresh = false;
        return store_state_again(area, version, bytes, e);
    }
    area = calloc(1, sizeof(*area));
    if (!area) {
        err_set(e, ENOMEM, "no memory for state area '%s'", name);
        return NULL;
    }
    memcpy(area->name, name, length);
    area->version = version;
    area->bytes = bytes;
    if (store->ops->area_open(store, area, fresh, e)) {
        free(area);
        return NULL;
    }
    area->next = store->areas;
    store->areas = area;
    return area->base;
}

/* The area that holds [at, at+len), with the offset of `at`; or NULL. */
static struct store_area *area_of(const struct store *store, const void *at, uint64_t len, uint64_t *offset) {
    for (struct store_area *area = store->areas; area; area = area->next) {
        *offset = (uint64_t)((uintptr_t)at - (uintptr_t)area->base);
        if (*offset <= area->bytes && len <= area->bytes - *offset)
            return area;
    }
    return NULL;
}

int store_state_reserve(struct store *store, const void *at, uint64_t len) {
    uint64_t offset;
    struct store_area *area = area_of(store, at, len, &offset);
    if (!area)
        return -EINVAL;
    return area->reserve.bytes ? reserve_range(&area->reserve, offset, len) : 0;
}

uint64_t store_state_hole(const struct store *store, const void *at, uint64_t len) {
    uint64_t offset;
    const struct store_area *area = area_of(store, at, len, &offset);
    return area && store->ops->area_hole ? store->ops->area_hole(store, area, offset, len) : 0;
}
