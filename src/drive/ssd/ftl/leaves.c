/* Packed pages of a map; see leaves.h. */
#include "drive/ssd/ftl/leaves.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    QUARTERS = 4,
    CAPACITY_MAX = 512, /* beyond it the flat page is hardly larger */
    SIZES_MAX = 64,
    RUN_MIN = 32,           /* entries in a row that tell of writing in order */
    SPARE_BYTES = 64 << 10, /* of a region, kept before memory is given back */
    INDEX_BITS = 22,        /* of a reference: size + 1, then the index in its region */
};

struct leaf {
    uint32_t page;
    uint16_t end[QUARTERS]; /* entries up to the end of each quarter */
    uint32_t value[];       /* capacity of them; then as many bytes of places */
};

/* All leaves of one capacity. */
struct region {
    uint32_t capacity, bytes, count;
    uint32_t touched; /* leaves that may have memory */
    uint8_t *base;    /* NULL until the first */
};

struct leaves {
    uint32_t pages;
    uint32_t *ref; /* page -> reference, 0: no leaf */
    unsigned sizes;
    struct region region[SIZES_MAX];
};

static void *reserve(uint64_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

struct leaves *leaves_new(uint32_t pages) {
    struct leaves *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->pages = pages;
    l->ref = reserve(pages * sizeof *l->ref);
    if (!l->ref) {
        free(l);
        return NULL;
    }
    for (uint32_t c = 4; c <= CAPACITY_MAX && l->sizes < SIZES_MAX; c += c < 64 ? 4 : c / 16 & ~3u)
        l->region[l->sizes++] = (struct region){.capacity = c, .bytes = (uint32_t)sizeof(struct leaf) + 5 * c};
    return l;
}

void leaves_free(struct leaves *l) {
    if (!l)
        return;
    for (unsigned i = 0; i < l->sizes; i++)
        if (l->region[i].base)
            munmap(l->region[i].base, (uint64_t)l->pages * l->region[i].bytes);
    munmap(l->ref, l->pages * sizeof *l->ref);
    free(l);
}

static struct leaf *leaf_at(const struct region *r, uint32_t index) {
    return (struct leaf *)(r->base + (uint64_t)index * r->bytes);
}

static unsigned size_of(uint32_t ref) {
    return (ref >> INDEX_BITS) - 1;
}

static struct leaf *leaf_of(const struct leaves *l, uint32_t page) {
    uint32_t ref = l->ref[page];
    return ref ? leaf_at(&l->region[size_of(ref)], ref & ((1u << INDEX_BITS) - 1)) : NULL;
}

static uint8_t *places(const struct leaves *l, struct leaf *leaf) {
    return (uint8_t *)(leaf->value + l->region[size_of(l->ref[leaf->page])].capacity);
}

static uint32_t quarter_start(const struct leaf *leaf, uint32_t quarter) {
    return quarter ? leaf->end[quarter - 1] : 0;
}

static uint32_t entries(const struct leaf *leaf) {
    return leaf->end[QUARTERS - 1];
}

/* --- regions --- */

static bool region_ready(struct leaves *l, struct region *r) {
    if (!r->base)
        r->base = reserve((uint64_t)l->pages * r->bytes);
    return r->base;
}

/* The page's new leaf of that size. */
static struct leaf *leaf_new(struct leaves *l, unsigned size, uint32_t page) {
    struct region *r = &l->region[size];
    if (!region_ready(l, r))
        return NULL;
    l->ref[page] = (size + 1) << INDEX_BITS | r->count;
    struct leaf *leaf = leaf_at(r, r->count++);
    r->touched = r->count > r->touched ? r->count : r->touched;
    *leaf = (struct leaf){.page = page};
    return leaf;
}

static void give_back(struct region *r) {
    uint64_t from = ((uint64_t)r->count * r->bytes + 4095) & ~4095ull, to = (uint64_t)r->touched * r->bytes;
    if (to < from + SPARE_BYTES)
        return;
    madvise(r->base + from, to - from, MADV_DONTNEED); /* leaves are set up when taken */
    r->touched = r->count;
}

/* The leaf behind a reference goes; the last of its size moves there. */
static void leaf_drop(struct leaves *l, uint32_t ref) {
    struct region *r = &l->region[size_of(ref)];
    uint32_t index = ref & ((1u << INDEX_BITS) - 1), last = --r->count;
    if (index != last) {
        struct leaf *to = leaf_at(r, index);
        memcpy(to, leaf_at(r, last), r->bytes);
        l->ref[to->page] = ref;
    }
    give_back(r);
}

/* --- entries --- */

/* Index of a place in a leaf, or UINT32_MAX. */
static uint32_t index_of(const struct leaves *l, struct leaf *leaf, uint32_t at) {
    uint32_t start = quarter_start(leaf, at >> 8);
    const uint8_t *all = places(l, leaf), *found = memchr(all + start, (int)(at & 255), leaf->end[at >> 8] - start);
    return found ? (uint32_t)(found - all) : UINT32_MAX;
}

uint32_t *leaves_find(const struct leaves *l, uint32_t page, uint32_t at) {
    struct leaf *leaf = leaf_of(l, page);
    uint32_t i = leaf ? index_of(l, leaf, at) : UINT32_MAX;
    return i == UINT32_MAX ? NULL : &leaf->value[i];
}

void leaves_prefetch(const struct leaves *l, uint32_t page) {
    const struct leaf *leaf = leaf_of(l, page);
    if (leaf)
        __builtin_prefetch(leaf, 1);
}

/* True if the entries are one run of neighbours. */
static bool in_a_row(const struct leaves *l, struct leaf *leaf) {
    const uint8_t *place = places(l, leaf);
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t q = 0; q < QUARTERS; q++)
        for (uint32_t i = quarter_start(leaf, q); i < leaf->end[q]; i++) {
            uint32_t at = q << 8 | place[i];
            least = at < least ? at : least;
            most = at > most ? at : most;
        }
    return most - least + 1 == entries(leaf);
}

/* Move a full leaf to the next size. NULL: it should be flat, or there is no memory. */
static struct leaf *grow(struct leaves *l, struct leaf *old) {
    uint32_t page = old->page, ref = l->ref[page], n = entries(old);
    unsigned size = size_of(ref) + 1;
    if (size == l->sizes || !region_ready(l, &l->region[size]) || (n >= RUN_MIN && !(n & (n - 1)) && in_a_row(l, old)))
        return NULL;
    const uint8_t *place = places(l, old);
    struct leaf *leaf = leaf_new(l, size, page);
    memcpy(leaf->end, old->end, sizeof leaf->end);
    memcpy(leaf->value, old->value, n * sizeof *leaf->value);
    memcpy(places(l, leaf), place, n);
    leaf_drop(l, ref);
    return leaf;
}

bool leaves_add(struct leaves *l, uint32_t page, uint32_t at, uint32_t value) {
    struct leaf *leaf = leaf_of(l, page);
    if (!leaf)
        leaf = leaf_new(l, 0, page);
    else if (entries(leaf) == l->region[size_of(l->ref[page])].capacity)
        leaf = grow(l, leaf);
    if (!leaf)
        return false;
    uint8_t *place = places(l, leaf);
    uint32_t i = leaf->end[at >> 8], behind = entries(leaf) - i;
    memmove(leaf->value + i + 1, leaf->value + i, behind * sizeof *leaf->value);
    memmove(place + i + 1, place + i, behind);
    leaf->value[i] = value;
    place[i] = (uint8_t)at;
    for (uint32_t q = at >> 8; q < QUARTERS; q++)
        leaf->end[q]++;
    return true;
}

static void leaf_end(struct leaves *l, uint32_t page) {
    uint32_t ref = l->ref[page];
    l->ref[page] = 0;
    leaf_drop(l, ref);
}

void leaves_remove(struct leaves *l, uint32_t page, uint32_t at) {
    struct leaf *leaf = leaf_of(l, page);
    uint8_t *place = places(l, leaf);
    uint32_t i = index_of(l, leaf, at), behind = entries(leaf) - i - 1;
    memmove(leaf->value + i, leaf->value + i + 1, behind * sizeof *leaf->value);
    memmove(place + i, place + i + 1, behind);
    for (uint32_t q = at >> 8; q < QUARTERS; q++)
        leaf->end[q]--;
    if (!entries(leaf))
        leaf_end(l, page);
}

void leaves_spread(struct leaves *l, uint32_t page, uint32_t *flat) {
    struct leaf *leaf = leaf_of(l, page);
    if (!leaf)
        return;
    const uint8_t *place = places(l, leaf);
    for (uint32_t q = 0; q < QUARTERS; q++)
        for (uint32_t i = quarter_start(leaf, q); i < leaf->end[q]; i++)
            flat[q << 8 | place[i]] = leaf->value[i];
    leaf_end(l, page);
}

bool leaves_check(const struct leaves *l) {
    uint64_t refs = 0, count = 0;
    for (uint32_t page = 0; page < l->pages; page++)
        refs += l->ref[page] != 0;
    for (unsigned s = 0; s < l->sizes; s++) {
        const struct region *r = &l->region[s];
        count += r->count;
        for (uint32_t i = 0; i < r->count; i++) {
            const struct leaf *leaf = leaf_at(r, i);
            if (l->ref[leaf->page] != ((s + 1) << INDEX_BITS | i) || !entries(leaf) || entries(leaf) > r->capacity)
                return false;
            for (uint32_t q = 0; q < QUARTERS; q++)
                if (leaf->end[q] < quarter_start(leaf, q))
                    return false;
        }
    }
    return refs == count;
}
