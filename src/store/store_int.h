/*
 * What the rows of the store share; for this folder and its tests.
 */
#ifndef DRIVELAB_STORE_STORE_INT_H
#define DRIVELAB_STORE_STORE_INT_H

#include "store/reserve.h"
#include "store/store.h"

#define STORE_PAGE 4096u

/* An open state area. */
struct store_area {
    struct store_area *next;
    char name[STORE_NAME_MAX + 1];
    uint32_t version;
    uint64_t bytes;
    uint8_t *base;
    uint64_t at;            /* file: where in the image */
    struct reserve reserve; /* file; bytes == 0: all of it has space */
};

/* The embedded part of every row's store. */
struct store {
    const struct store_ops *ops;
    struct sim *sim;
    uint64_t bytes;
    uint8_t *payload; /* NULL: none kept */
    bool clean;
    struct store_area *areas;
};

/* Ranges have been checked against the capacity and are not empty. */
struct store_ops {
    const char *name;
    const char *summary;
    bool durable; /* as store_is_durable() */
    /* As store_open(); ops, sim and bytes are set by the wrapper afterwards. */
    struct store *(*open)(const struct store_config *, struct sim *, bool *created, struct err *);
    int (*made)(struct store *, struct err *); /* as store_made(); NULL: nothing to do */
    /* As store_close(); areas are freed by the wrapper beforehand through area_close. */
    void (*close)(struct store *);
    void (*remove)(struct store *); /* NULL: as close */
    int (*discard)(struct store *, uint64_t offset, uint64_t len);
    void (*flush)(struct store *, struct store_flush *);
    int (*reserve)(struct store *, uint64_t offset, uint64_t len);
    uint64_t (*extent)(const struct store *, uint64_t offset, uint64_t len, bool *hole); /* NULL: nothing is written */
    /* Find or make the area that name, version and bytes of `area` describe; fill base and reserve. 0 or -errno, `e`.
     */
    int (*area_open)(struct store *, struct store_area *area, bool *fresh, struct err *);
    void (*area_close)(struct store *, struct store_area *area);
    /* As store_state_hole(), at an offset of the area. NULL: 0. */
    uint64_t (*area_hole)(const struct store *, const struct store_area *, uint64_t offset, uint64_t len);
};

extern const struct store_ops store_memory_ops, store_none_ops, store_file_ops;
extern const struct store_ops *const store_kinds[]; /* NULL-terminated */

/* Write zeros where there are none yet, so that pages that read as zero stay without space of their own. */
void store_zero(uint8_t *at, uint64_t len);

#endif
