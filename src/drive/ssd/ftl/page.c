/*
 * Page mapping: one entry per unit (4 KiB, or ssd.map_unit), all of it in memory.
 *
 * The map is durable and the only truth; owners, valid bits and counts are
 * rebuilt from it at start. Each change of the map is one 32-bit store, made
 * when the new place holds the data, so the process may die between any two.
 *
 * A large map that is not durable is kept packed where it is sparse
 * (leaves.h): scattered writes would touch a page of it each.
 *
 * A map that is not durable and is written in order when it is new (a
 * preconditioned drive) is not written at all: unit n lies where the n-th unit
 * goes. Entries that change are packed as exceptions, if the map is large, or
 * end the rule for their page of the map.
 *
 * Simplified: the whole map is held in controller memory (no map cache, no
 * map pages on flash). Not modelled: map journal and checkpoints.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "drive/ssd/ftl/ftl.h"
#include "drive/ssd/ftl/leaves.h"

enum {
    MAP_PAGE_SHIFT = 10, /* entries in 4 KiB of map */
    MAP_PAGE_BYTES = sizeof(uint32_t) << MAP_PAGE_SHIFT,
    DENSE_ENTRIES = 256,         /* of a page, written at once: not to be packed */
    SEEK_PAGES = 1 << 16,        /* looked at in one go */
    HUGE_TABLE_BYTES = 64 << 20, /* tables up to here may use huge pages: little is lost if they stay sparse */
};

/* State of a page of the map. In an image every used page is FLAT. BENT: entries are packed where they break the rule.
 */
enum { PAGE_UNUSED, PAGE_FLAT, PAGE_PACKED, PAGE_RULE, PAGE_BENT };

static void advise_huge(void *at, size_t bytes) {
    uintptr_t first = ((uintptr_t)at + 4095) & ~(uintptr_t)4095, end = ((uintptr_t)at + bytes) & ~(uintptr_t)4095;
    if (end > first)
        madvise((void *)first, end - first, MADV_HUGEPAGE); /* advice: works as well without */
}

static void advise_small(void *at, size_t bytes) {
    if (bytes <= HUGE_TABLE_BYTES)
        advise_huge(at, bytes);
}

static void *sparse_new(size_t bytes) {
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static size_t physical_units(const struct ftl *f) {
    return (size_t)f->total_blocks << f->block_shift;
}

static size_t valid_bytes(const struct ftl *f) {
    return (physical_units(f) + 63) / 64 * 8;
}

static size_t owner_bytes(const struct ftl *f) {
    return (size_t)f->total_blocks * f->block_units * sizeof *f->owner;
}

static size_t map_page_count(const struct ftl *f) {
    return ((size_t)f->units >> MAP_PAGE_SHIFT) + 1;
}

static uint64_t map_page_entries(const struct ftl *f, uint64_t page) {
    uint64_t first = page << MAP_PAGE_SHIFT, entries = 1u << MAP_PAGE_SHIFT;
    return entries < f->units - first ? entries : f->units - first;
}

static bool map_page_empty(const struct ftl *f, uint64_t page) {
    const uint32_t *entry = f->map + (page << MAP_PAGE_SHIFT);
    uint32_t any = 0;
    for (uint64_t i = 0; i < map_page_entries(f, page); i++)
        any |= entry[i];
    return any == 0;
}

/*
 * A machine that goes down may have written a page of the map back, but not
 * its byte in map_pages; and the byte may be damaged. It must not be taken for
 * an empty page: look at all that is not marked and not a hole.
 */
static void mark_unmarked(struct ftl *f) {
    for (uint64_t page = 0; page << MAP_PAGE_SHIFT < f->units; page++) {
        if (f->map_pages[page])
            continue;
        uint64_t first = page << MAP_PAGE_SHIFT;
        uint64_t hole = store_state_hole(f->store, f->map + first, (f->units - first) * sizeof *f->map);
        if (hole >= MAP_PAGE_BYTES)
            page += hole / MAP_PAGE_BYTES - 1;
        else if (!map_page_empty(f, page))
            f->map_pages[page] = 1;
    }
}

/* That machine, or whoever copied the image, may have lost space that was taken for pages of the map. */
static int reserve_marked(struct ftl *f, struct err *e) {
    int rc = 0;
    for (uint64_t page = 0; !rc && page << MAP_PAGE_SHIFT < f->units; page++)
        if (f->map_pages[page])
            rc = store_state_reserve(f->store, f->map + (page << MAP_PAGE_SHIFT),
                                     map_page_entries(f, page) * sizeof *f->map);
    return rc ? err_set(e, -rc, "no space behind the drive for the map of what is written: %s", strerror(-rc)) : 0;
}

static int page_init(struct ftl *f, struct store *store, bool *fresh, struct err *e) {
    bool fresh_pages;
    f->store = store;
    f->map = store_state(store, "ftl.map", 1, (uint64_t)f->units * sizeof *f->map, fresh, e);
    f->map_pages = store_state(store, "ftl.map-pages", 1, map_page_count(f), &fresh_pages, e);
    if (!f->map || !f->map_pages)
        return -EIO; /* the store said why */
    f->owner = sparse_new(owner_bytes(f));
    f->valid = sparse_new(valid_bytes(f));
    if (!f->owner || !f->valid)
        return err_set(e, ENOMEM, "no address space for the reverse map of %zu units", physical_units(f));
    advise_small(f->map, (size_t)f->units * sizeof *f->map);
    advise_small(f->owner, owner_bytes(f));
    advise_small(f->valid, valid_bytes(f));
    if (!store_is_durable(store) && (size_t)f->units * sizeof *f->map > HUGE_TABLE_BYTES)
        f->leaves = leaves_new((uint32_t)map_page_count(f)); /* without memory for it: flat */
    if (*fresh)
        return 0;
    mark_unmarked(f);
    return reserve_marked(f, e);
}

static void page_release(struct ftl *f) {
    leaves_free(f->leaves);
    if (f->owner)
        munmap(f->owner, owner_bytes(f));
    if (f->valid)
        munmap(f->valid, valid_bytes(f));
}

/* --- the rule --- */

/* Where a new drive puts unit lpn, written in order: page after page in allocation order, and block after block. */
static uint32_t rule_place(const struct ftl *f, uint32_t lpn) {
    uint32_t page = lpn >> f->page_shift, planes = (uint32_t)f->planes, pages = f->geometry->pages;
    uint32_t row = ftl_divide(page, f->planes_recip), block = ftl_divide(row, f->pages_recip);
    uint32_t index = f->order[page - row * planes] * f->geometry->blocks + block;
    return (index << f->block_shift | (row - block * pages) << f->page_shift) + (lpn & (f->page_units - 1));
}

/* The first of the units that the rule puts into a page. */
static uint32_t rule_owner(const struct ftl *f, const struct ftl_plane *p, uint32_t block, uint32_t page) {
    return ((block * f->geometry->pages + page) * (uint32_t)f->planes + p->place) << f->page_shift;
}

static inline bool is_rule(const struct ftl *f, uint32_t lpn) {
    return __builtin_expect(f->rule, 0) && f->map_pages[lpn >> MAP_PAGE_SHIFT] >= PAGE_RULE;
}

/* Write the entries of a page of the map: rule_place() of each, without its divisions. */
static void rule_ends(struct ftl *f, uint32_t map_page) {
    uint32_t lpn = map_page << MAP_PAGE_SHIFT, end = lpn + (1u << MAP_PAGE_SHIFT);
    uint32_t row = (lpn >> f->page_shift) / (uint32_t)f->planes, place = (lpn >> f->page_shift) % (uint32_t)f->planes;
    uint32_t block = row / f->geometry->pages, page = row % f->geometry->pages;
    while (lpn < end) {
        uint32_t ppu = ftl_ppu(f, &f->plane[f->order[place]], block, page);
        for (uint32_t u = 0; u < f->page_units; u++)
            f->map[lpn++] = ppu + u + 1;
        if (++place < f->planes)
            continue;
        place = 0;
        if (++page == f->geometry->pages) {
            page = 0;
            block++;
        }
    }
    if (f->map_pages[map_page] == PAGE_BENT)
        leaves_spread(f->leaves, map_page, f->map + (map_page << MAP_PAGE_SHIFT));
    f->map_pages[map_page] = PAGE_FLAT;
}

/* Whole blocks of every plane, and whole pages of the map. */
static uint32_t page_fill(struct ftl *f, uint32_t count) {
    uint64_t row_units = f->planes * f->block_units, map_page = 1u << MAP_PAGE_SHIFT;
    uint32_t rows = (uint32_t)(count / row_units);
    if (store_is_durable(f->store) || f->planes == 1 || f->geometry->pages == 1)
        return 0;
    for (uint32_t i = 0; i < f->planes; i++)
        if (f->plane[i].free_count != f->geometry->blocks || rows >= f->geometry->blocks)
            return 0; /* bad blocks: no rule */
    for (uint32_t i = 0; i < f->planes; i++)
        ftl_blocks_fill(f, &f->plane[i], rows);
    uint32_t filled = (uint32_t)(rows * row_units), pages = (uint32_t)(filled / map_page);
    f->rule = true;
    f->mapped += filled;
    memset(f->map_pages, PAGE_RULE, pages);
    for (uint32_t lpn = pages << MAP_PAGE_SHIFT; lpn < filled; lpn++)
        f->map[lpn] = rule_place(f, lpn) + 1;
    if (filled % map_page)
        f->map_pages[pages] = PAGE_FLAT;
    return filled;
}

void ftl_owners_write(struct ftl *f, struct ftl_plane *p, uint32_t block) {
    struct ftl_block *b = &f->blocks[p->first_block + block];
    if (!b->by_rule)
        return;
    if (ftl_untouched(f, b))
        ftl_valid_write(f, p->first_block + block);
    uint32_t *owner = ftl_owner(f, ftl_ppu(f, p, block, 0));
    for (uint32_t page = 0; page < f->geometry->pages; page++)
        for (uint32_t first = rule_owner(f, p, block, page), u = 0; u < f->page_units; u++)
            *owner++ = first + u;
    b->by_rule = 0;
}

static uint32_t owner_of(const struct ftl *f, uint32_t ppu) {
    uint32_t index = ppu >> f->block_shift;
    const struct ftl_plane *p = ftl_plane_of(f, index);
    if (!f->blocks[index].by_rule)
        return *ftl_owner(f, ppu);
    return rule_owner(f, p, index - p->first_block, ftl_page_of(f, ppu)) + (ppu & (f->page_units - 1));
}

/* --- entries --- */

static inline bool is_packed(const struct ftl *f, uint32_t lpn) {
    return __builtin_expect(f->leaves != NULL, 0) && f->map_pages[lpn >> MAP_PAGE_SHIFT] != PAGE_FLAT;
}

static inline uint32_t in_page(uint32_t lpn) {
    return lpn & ((1u << MAP_PAGE_SHIFT) - 1);
}

/* NULL: unmapped, and no place is kept for it. */
static inline uint32_t *entry_of(const struct ftl *f, uint32_t lpn) {
    return is_packed(f, lpn) ? leaves_find(f->leaves, lpn >> MAP_PAGE_SHIFT, in_page(lpn)) : &f->map[lpn];
}

/* An entry that breaks the rule, or NULL. */
static uint32_t *exception_of(const struct ftl *f, uint32_t lpn) {
    uint32_t page = lpn >> MAP_PAGE_SHIFT;
    return f->map_pages[page] == PAGE_BENT ? leaves_find(f->leaves, page, in_page(lpn)) : NULL;
}

static inline uint32_t entry_get(const struct ftl *f, uint32_t lpn) {
    if (is_rule(f, lpn)) {
        const uint32_t *exception = exception_of(f, lpn);
        return exception ? *exception : rule_place(f, lpn) + 1;
    }
    const uint32_t *at = entry_of(f, lpn);
    return at ? *at : FTL_UNMAPPED;
}

static void make_flat(struct ftl *f, uint32_t page) {
    leaves_spread(f->leaves, page, f->map + ((size_t)page << MAP_PAGE_SHIFT));
    f->map_pages[page] = PAGE_FLAT;
}

static void packed_set(struct ftl *f, uint32_t lpn, uint32_t entry, bool known) {
    uint32_t page = lpn >> MAP_PAGE_SHIFT;
    if (entry == FTL_UNMAPPED && known) {
        leaves_remove(f->leaves, page, in_page(lpn));
    } else if (entry != FTL_UNMAPPED && !leaves_add(f->leaves, page, in_page(lpn), entry)) {
        make_flat(f, page);
        f->map[lpn] = entry;
    }
}

/* Set an entry where the rule holds. A few exceptions are packed: writing a page of the map costs more than all else.
 */
static uint32_t exception_set(struct ftl *f, uint32_t lpn, uint32_t entry) {
    uint32_t page = lpn >> MAP_PAGE_SHIFT, old = entry_get(f, lpn), *at = exception_of(f, lpn);
    f->bent = true;
    if (at) {
        *at = entry;
    } else if (f->leaves && leaves_add(f->leaves, page, in_page(lpn), entry)) {
        f->map_pages[page] = PAGE_BENT;
    } else {
        rule_ends(f, page);
        f->map[lpn] = entry;
    }
    return old;
}

/* Set an entry; returns what it was. */
static inline uint32_t entry_set(struct ftl *f, uint32_t lpn, uint32_t entry) {
    if (is_rule(f, lpn))
        return exception_set(f, lpn, entry);
    uint32_t *at = entry_of(f, lpn), old = at ? *at : FTL_UNMAPPED;
    if (at && (entry != FTL_UNMAPPED || !is_packed(f, lpn)))
        *at = entry;
    else
        packed_set(f, lpn, entry, at);
    return old;
}

/* Pages of the map get their space in the image before their first entry. */
static int flat_page_reserve(struct ftl *f, uint32_t page) {
    if (f->map_pages[page])
        return 0;
    int rc = store_state_reserve(f->store, f->map + ((uint64_t)page << MAP_PAGE_SHIFT),
                                 map_page_entries(f, page) * sizeof *f->map);
    if (!rc)
        f->map_pages[page] = PAGE_FLAT;
    return rc;
}

static void packed_page_reserve(struct ftl *f, uint32_t page, uint32_t lpn, uint32_t count) {
    uint64_t first = (uint64_t)page << MAP_PAGE_SHIFT, from = lpn > first ? lpn : first;
    uint64_t end = (uint64_t)lpn + count, until = first + (1u << MAP_PAGE_SHIFT);
    if ((end < until ? end : until) - from >= DENSE_ENTRIES)
        make_flat(f, page);
    else if (!f->map_pages[page])
        f->map_pages[page] = PAGE_PACKED;
}

static int page_reserve(struct ftl *f, uint32_t lpn, uint32_t count) {
    int rc = 0;
    for (uint32_t page = lpn >> MAP_PAGE_SHIFT; !rc && page <= (lpn + count - 1) >> MAP_PAGE_SHIFT; page++) {
        if (f->map_pages[page] == PAGE_FLAT || f->map_pages[page] >= PAGE_RULE)
            continue;
        if (f->leaves)
            packed_page_reserve(f, page, lpn, count);
        else
            rc = flat_page_reserve(f, page);
    }
    return rc;
}

static void page_dense(struct ftl *f, uint32_t lpn, uint32_t count) {
    advise_huge(f->map + lpn, count * sizeof *f->map);
    if (count >= f->units / 2)
        advise_huge(f->owner, owner_bytes(f));
}

static uint32_t page_translate(const struct ftl *f, uint32_t lpn) {
    return entry_get(f, lpn);
}

static void page_prefetch(const struct ftl *f, uint32_t lpn) {
    if (f->rule && !f->bent) {
        __builtin_prefetch(&f->map_pages[lpn >> MAP_PAGE_SHIFT]); /* to look at it would be to wait for it */
        return;
    }
    if (is_rule(f, lpn) && f->map_pages[lpn >> MAP_PAGE_SHIFT] == PAGE_RULE)
        return;
    if (is_packed(f, lpn))
        leaves_prefetch(f->leaves, lpn >> MAP_PAGE_SHIFT);
    else
        __builtin_prefetch(&f->map[lpn], 1);
}

static void page_prefetch_old(const struct ftl *f, uint32_t lpn) {
    uint32_t entry = entry_get(f, lpn);
    if (!ftl_on_flash(entry))
        return;
    __builtin_prefetch(&f->valid[(entry - 1) >> 6], 1);
    __builtin_prefetch(ftl_block_of(f, entry - 1), 1);
}

static void invalidate(struct ftl *f, uint32_t ppu) {
    struct ftl_block *b = ftl_block_of(f, ppu);
    if (__builtin_expect(b->by_rule, 0) && ftl_untouched(f, b))
        ftl_valid_write(f, ppu >> f->block_shift);
    f->valid[ppu >> 6] &= ~(1ull << (ppu & 63));
    b->valid--;
    if (b->state == BLOCK_FULL)
        ftl_victim_changed(f, ppu >> f->block_shift, b->valid + 1);
    else if (b->valid == 0 && b->state == BLOCK_DRAINING)
        ftl_drained(f, ppu >> f->block_shift);
}

static void validate(struct ftl *f, uint32_t lpn, uint32_t ppu) {
    *ftl_owner(f, ppu) = lpn;
    f->valid[ppu >> 6] |= 1ull << (ppu & 63);
    struct ftl_block *b = ftl_block_of(f, ppu);
    if (b->valid++, __builtin_expect(b->state == BLOCK_FULL, 0)) /* its last page */
        ftl_victim_changed(f, ppu >> f->block_shift, b->valid - 1);
}

static void set_entry(struct ftl *f, uint32_t lpn, uint32_t entry) {
    uint32_t old = entry_set(f, lpn, entry);
    f->mapped += (entry != FTL_UNMAPPED) - (old != FTL_UNMAPPED);
    if (ftl_on_flash(old))
        invalidate(f, old - 1);
}

static void page_commit(struct ftl *f, uint32_t lpn, uint32_t ppu) {
    validate(f, lpn, ppu);
    set_entry(f, lpn, ppu + 1);
}

static void page_mark(struct ftl *f, uint32_t lpn, uint32_t entry) {
    set_entry(f, lpn, entry);
}

bool ftl_relocate(struct ftl *f, uint32_t lpn, uint32_t from, uint32_t to) {
    if (entry_get(f, lpn) != from + 1)
        return false;
    validate(f, lpn, to);
    set_entry(f, lpn, to + 1);
    return true;
}

static void page_trim(struct ftl *f, uint32_t lpn, uint32_t count) {
    uint32_t end = lpn + count;
    while (lpn < end) {
        if (!f->map_pages[lpn >> MAP_PAGE_SHIFT]) {
            lpn = ((lpn >> MAP_PAGE_SHIFT) + 1) << MAP_PAGE_SHIFT;
            continue;
        }
        if (entry_get(f, lpn) != FTL_UNMAPPED)
            set_entry(f, lpn, FTL_UNMAPPED);
        lpn++;
    }
}

static uint32_t page_seek(const struct ftl *f, uint32_t lpn, uint32_t end) {
    uint32_t page = lpn >> MAP_PAGE_SHIFT, last = (end - 1) >> MAP_PAGE_SHIFT, most = page + SEEK_PAGES;
    while (page <= last && page < most && !f->map_pages[page])
        page++;
    uint64_t first = (uint64_t)page << MAP_PAGE_SHIFT;
    return first <= lpn ? lpn : first < end ? (uint32_t)first : end;
}

/* An entry that no sound drive would have written: beyond the flash, or in a page that was never programmed. */
static bool entry_sound(const struct ftl *f, uint32_t entry) {
    if (!ftl_on_flash(entry))
        return true;
    uint32_t ppu = entry - 1;
    uint64_t index = ppu >> f->block_shift;
    return index < f->total_blocks && ftl_page_of(f, ppu) < f->state[index].next_page;
}

/*
 * The machine may have gone down between writing back the map and the blocks'
 * states. A unit whose place then makes no sense still has its payload, so it
 * gets a new place; after a clean stop it is damage.
 */
static void rebuild_entry(struct ftl *f, uint32_t lpn) {
    uint32_t entry = entry_get(f, lpn);
    if (entry == FTL_UNMAPPED)
        return;
    f->mapped++;
    if (!entry_sound(f, entry) || (ftl_on_flash(entry) && ftl_valid(f, entry - 1)))
        entry_set(f, lpn, entry = store_was_clean(f->store) ? FTL_LOST : FTL_BUFFERED);
    f->homeless += entry == FTL_BUFFERED;
    if (ftl_on_flash(entry))
        validate(f, lpn, entry - 1);
}

/* Units that are mapped but lie nowhere on flash get a place now. */
static void place_buffered(struct ftl *f, uint32_t *found, uint32_t count) {
    for (uint32_t done = 0; done < count; done += f->page_units) {
        uint32_t n = count - done < f->page_units ? count - done : f->page_units;
        if (!ftl_place_now(f, found + done, n))
            return; /* they stay in controller memory until the next start */
        f->homeless -= n;
    }
}

static uint32_t least_valid(const struct ftl *f, const struct ftl_plane *p) {
    const struct ftl_block *b = &f->blocks[p->first_block];
    uint32_t best = FTL_NONE;
    for (uint32_t i = 0; i < f->geometry->blocks; i++)
        if (b[i].state == BLOCK_FULL && (best == FTL_NONE || b[i].valid < b[best].valid))
            best = i;
    return best;
}

/* Without a free block a plane could never be collected: clear one with time standing still. */
static void make_room(struct ftl *f, struct ftl_plane *p) {
    while (p->free_count == 0) {
        uint32_t block = least_valid(f, p);
        if (block == FTL_NONE)
            return;
        ftl_victim_remove(f, p, block);
        f->blocks[p->first_block + block].state = BLOCK_VICTIM;
        uint32_t first = ftl_ppu(f, p, block, 0);
        for (uint32_t u = 0; u < f->block_units; u++)
            if (ftl_valid(f, first + u) && ++f->homeless)
                set_entry(f, *ftl_owner(f, first + u), FTL_BUFFERED);
        nand_erased(f->nand, p->first_block + block);
        ftl_block_free(f, p, block);
    }
}

static int place_homeless(struct ftl *f, struct err *e) {
    uint32_t *found = malloc(f->homeless * sizeof *found), n = 0;
    if (!found)
        return err_set(e, ENOMEM, "no memory to recover %u buffered units", f->homeless);
    for (uint32_t lpn = 0; lpn < f->units; lpn++) {
        if (!f->map_pages[lpn >> MAP_PAGE_SHIFT])
            lpn |= (1u << MAP_PAGE_SHIFT) - 1;
        else if (entry_get(f, lpn) == FTL_BUFFERED)
            found[n++] = lpn;
    }
    place_buffered(f, found, n);
    free(found);
    return 0;
}

static int page_recover(struct ftl *f, struct err *e) {
    /* Fresh pages of zeros cost less than clearing used ones. */
    madvise(f->valid, valid_bytes(f), MADV_DONTNEED);
    for (uint64_t i = 0; i < f->total_blocks; i++)
        f->blocks[i] = (struct ftl_block){0};
    f->mapped = f->homeless = 0;
    for (uint32_t lpn = 0; lpn < f->units; lpn++) {
        if (!f->map_pages[lpn >> MAP_PAGE_SHIFT])
            lpn |= (1u << MAP_PAGE_SHIFT) - 1;
        else
            rebuild_entry(f, lpn);
    }
    ftl_blocks_rebuild(f);
    for (uint32_t i = 0; i < f->planes; i++)
        make_room(f, &f->plane[i]);
    return f->homeless ? place_homeless(f, e) : 0;
}

static int check_entry(const struct ftl *f, uint32_t lpn, struct err *e) {
    uint32_t entry = entry_get(f, lpn);
    if (!ftl_on_flash(entry))
        return 0;
    if (!entry_sound(f, entry))
        return err_set(e, EFAULT, "lpn %u maps to unit %u, which was never programmed", lpn, entry - 1);
    if (owner_of(f, entry - 1) != lpn || !ftl_valid(f, entry - 1))
        return err_set(e, EFAULT, "lpn %u maps to unit %u, which belongs to lpn %u (valid %d)", lpn, entry - 1,
                       owner_of(f, entry - 1), ftl_valid(f, entry - 1));
    return 0;
}

static int page_check(const struct ftl *f, struct err *e) {
    uint64_t mapped = 0, on_flash = 0, valid = 0;
    if (f->leaves && !leaves_check(f->leaves))
        return err_set(e, EFAULT, "the packed pages of the map are broken");
    for (uint32_t lpn = 0; lpn < f->units; lpn++) {
        uint32_t entry = entry_get(f, lpn);
        if (entry != FTL_UNMAPPED && !f->map_pages[lpn >> MAP_PAGE_SHIFT])
            return err_set(e, EFAULT, "lpn %u is mapped in a page of the map marked untouched", lpn);
        mapped += entry != FTL_UNMAPPED;
        on_flash += ftl_on_flash(entry);
        if (check_entry(f, lpn, e))
            return -EFAULT;
    }
    for (uint64_t i = 0; i < f->total_blocks; i++) {
        uint32_t count = 0;
        for (uint32_t u = 0; u < 1u << f->block_shift; u++)
            count += ftl_valid(f, (uint32_t)(i << f->block_shift) + u);
        if (count != f->blocks[i].valid)
            return err_set(e, EFAULT, "block %llu counts %u valid units but has %u", (unsigned long long)i,
                           f->blocks[i].valid, count);
        valid += count;
    }
    if (mapped != f->mapped || valid != on_flash)
        return err_set(e, EFAULT, "%llu units mapped, %llu counted; %llu on flash, %llu valid",
                       (unsigned long long)mapped, (unsigned long long)f->mapped, (unsigned long long)on_flash,
                       (unsigned long long)valid);
    return 0;
}

const struct ftl_ops ftl_page_ops = {
    .name = "page",
    .doc = "one map entry per unit, all in controller memory",
    .init = page_init,
    .release = page_release,
    .reserve = page_reserve,
    .dense = page_dense,
    .translate = page_translate,
    .prefetch = page_prefetch,
    .prefetch_old = page_prefetch_old,
    .fill = page_fill,
    .plan = ftl_plan_host,
    .commit = page_commit,
    .mark = page_mark,
    .trim = page_trim,
    .seek = page_seek,
    .collect = ftl_collect,
    .recover = page_recover,
    .check = page_check,
};

const struct ftl_ops *const ftl_kinds[] = {&ftl_page_ops, NULL};
