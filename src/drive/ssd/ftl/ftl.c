/* Geometry, thresholds and self-check of the translation layer; see ftl.h. */
#include "drive/ssd/ftl/ftl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, FEW_PAGES = 8 };

/* --- configuration --- */

static int order_check(const char *order, struct err *e) {
    if (strlen(order) == 3 && strchr(order, 'C') && strchr(order, 'L') && strchr(order, 'P'))
        return 0;
    return err_set(e, EINVAL,
                   "ssd.plane_order = \"%s\": allowed are the permutations of C (channel), L (LUN), P (plane), fastest "
                   "first: CLP CPL LCP LPC PCL PLC",
                   order);
}

static unsigned log2_up(uint64_t v) {
    return v <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(v - 1);
}

/*
 * The largest capacity the flash carries: less over-provisioning, and less bad blocks and what each plane needs spare,
 * of blocks of which at most the share `fill` is used on average.
 */
static uint64_t capacity_with(const struct drive_config *c, double fill) {
    const struct nand_config *n = &c->nand;
    double block_bytes = (double)n->pages * n->page_bytes, total = (double)nand_block_count(n);
    double planes = total / n->blocks, good = floor(total * (1 - n->factory_bad_percent / 100));
    double by_spare = good * block_bytes / (1 + c->ssd.op_percent / 100);
    double by_blocks = (good - ftl_spare_min(&c->ssd) * planes) * block_bytes * fill;
    double max = fmin(by_spare, by_blocks);
    return max < 0 ? 0 : (uint64_t)max / c->ssd.map_unit * c->ssd.map_unit;
}

static uint64_t capacity_max(const struct drive_config *c) {
    return capacity_with(c, 1);
}

/*
 * Copies of a victim may leave the rest of their last page empty. Collecting gains nothing then unless blocks hold a
 * page's worth of garbage on average, which matters to blocks of a few pages only.
 */
static double fill_to_collect(const struct drive_config *c) {
    double in_page = floor((double)c->nand.page_bytes / (double)c->ssd.map_unit), in_block = in_page * c->nand.pages;
    return in_page >= 1 && c->nand.pages <= FEW_PAGES ? (in_block - in_page + 1) / (in_block + 1) : 1;
}

/* The smallest number of blocks a plane that carries the capacity and leaves room to collect: both never fall with
 * more. */
void ftl_config_resolve(struct drive_config *c) {
    struct nand_config *n = &c->nand;
    double planes = (double)n->channels * n->luns * n->planes, block_bytes = (double)n->pages * n->page_bytes;
    if (n->blocks || !(planes * block_bytes > 0))
        return;
    double fill = fill_to_collect(c), by_spare = (double)c->drive.capacity * (1 + c->ssd.op_percent / 100);
    double by_blocks = (double)c->drive.capacity / fill / (planes * block_bytes) + ftl_spare_min(&c->ssd);
    double least = floor(fmax(by_spare / (planes * block_bytes), by_blocks));
    if (!(least < NAND_BLOCKS_MAX))
        return;
    uint32_t low = least < NAND_BLOCKS_MIN ? NAND_BLOCKS_MIN : (uint32_t)least, high = NAND_BLOCKS_MAX;
    while (low < high) {
        n->blocks = low + (high - low) / 2;
        if (capacity_with(c, fill) >= c->drive.capacity)
            high = n->blocks;
        else
            low = n->blocks + 1;
    }
    n->blocks = low;
    if (capacity_with(c, fill) < c->drive.capacity)
        n->blocks = 0;
}

int ftl_config_too_large(const struct drive_config *c, struct err *e) {
    const struct nand_config *n = &c->nand;
    return err_set(e, EINVAL,
                   "nand.blocks = 0: drive.capacity = %" PRIu64 " bytes with ssd.op_percent = %g and "
                   "nand.factory_bad_percent = %g needs more than %u blocks in each of channels=%u x luns=%u x "
                   "planes=%u planes, of pages=%u x page_bytes=%u each",
                   c->drive.capacity, c->ssd.op_percent, n->factory_bad_percent, NAND_BLOCKS_MAX, n->channels, n->luns,
                   n->planes, n->pages, n->page_bytes);
}

static int page_size_check(const struct nand_config *n, struct err *e) {
    uint32_t units = n->page_bytes / FTL_SECTOR_BYTES;
    if (n->page_bytes % FTL_SECTOR_BYTES || !units || units & (units - 1) || units > FTL_PAGE_UNITS_MAX)
        return err_set(e, EINVAL, "nand.page_bytes = %u: an ssd needs 4096, 8192, 16384, 32768 or 65536",
                       n->page_bytes);
    return 0;
}

static int map_unit_check(const struct drive_config *c, struct err *e) {
    uint64_t unit = c->ssd.map_unit;
    if (unit < FTL_SECTOR_BYTES || unit > FTL_UNIT_BYTES_MAX || unit & (unit - 1) || unit > c->nand.page_bytes)
        return err_set(e, EINVAL,
                       "ssd.map_unit = %" PRIu64 ": allowed are 4096, 8192, 16384, 32768 and 65536, up to "
                       "nand.page_bytes = %u",
                       unit, c->nand.page_bytes);
    if (c->drive.capacity % unit)
        return err_set(e, EINVAL, "drive.capacity = %" PRIu64 ": allowed are multiples of ssd.map_unit = %" PRIu64,
                       c->drive.capacity, unit);
    return 0;
}

int ftl_config_check(const struct drive_config *c, struct err *e) {
    const struct nand_config *n = &c->nand;
    if (order_check(c->ssd.plane_order, e) || page_size_check(n, e) || map_unit_check(c, e))
        return -EINVAL;
    unsigned shift = log2_up((uint64_t)n->pages * (n->page_bytes / c->ssd.map_unit));
    uint64_t blocks = nand_block_count(n);
    if (blocks > (uint64_t)FTL_UNITS_MAX >> shift)
        return err_set(e, EINVAL,
                       "nand.channels x luns x planes x blocks = %" PRIu64 " blocks of %u pages: an ssd can address at "
                       "most %" PRIu64 " blocks of that size (2^32 - 4 units of %" PRIu64 " KiB)",
                       blocks, n->pages, (uint64_t)FTL_UNITS_MAX >> shift, c->ssd.map_unit / 1024);
    uint64_t max = capacity_max(c);
    if (c->drive.capacity > max)
        return err_set(
            e, EINVAL,
            "drive.capacity = %" PRIu64 " bytes does not fit: nand.channels=%u x luns=%u x planes=%u x "
            "blocks=%u x pages=%u x page_bytes=%u is %" PRIu64 " bytes; with ssd.op_percent=%g, "
            "nand.factory_bad_percent=%g and %u spare blocks a plane the largest capacity is %" PRIu64 " bytes",
            c->drive.capacity, n->channels, n->luns, n->planes, n->blocks, n->pages, n->page_bytes,
            blocks * n->pages * n->page_bytes, c->ssd.op_percent, n->factory_bad_percent, ftl_spare_min(&c->ssd), max);
    return 0;
}

/* --- life --- */

static void order_init(struct ftl *f) {
    const struct nand_config *n = f->geometry;
    const char *order = f->config->plane_order;
    uint32_t size[3], at[3] = {0}, channel = 0, lun = 0, plane = 0;
    uint32_t *digit[3];
    for (unsigned i = 0; i < 3; i++) {
        size[i] = order[i] == 'C' ? n->channels : order[i] == 'L' ? n->luns : n->planes;
        digit[i] = order[i] == 'C' ? &channel : order[i] == 'L' ? &lun : &plane;
    }
    for (uint32_t i = 0; i < f->planes; i++) {
        for (unsigned d = 0; d < 3; d++)
            *digit[d] = at[d];
        f->order[i] = (channel * n->luns + lun) * n->planes + plane;
        for (unsigned d = 0; d < 3 && ++at[d] == size[d]; d++)
            at[d] = 0;
    }
    f->group = order[0] == 'P' && n->multi_plane ? n->planes : 1;
    f->ready_words = (uint32_t)((f->planes / f->group + 63) / 64);
    for (uint32_t i = 0; i < f->planes; i++) {
        f->plane[f->order[i]].place = i;
        f->plane[f->order[i]].group = i / f->group;
    }
}

/* A share of a plane's blocks, kept within what the spare blocks allow. */
static uint32_t threshold(const struct ftl *f, double percent, uint32_t least) {
    uint64_t data = ((uint64_t)f->units + f->block_units - 1) / f->block_units;
    uint64_t spare = (f->total_blocks - data) / f->planes;
    uint32_t open = 2 * f->heats, most = spare > least + open ? (uint32_t)spare - open : least;
    double want = ceil(percent / 100 * f->geometry->blocks);
    return want < least ? least : want > most ? most : (uint32_t)want;
}

static void thresholds_init(struct ftl *f) {
    f->gc_urgent = threshold(f, f->config->gc_urgent_percent, f->heats);
    f->gc_start = threshold(f, f->config->gc_start_percent, f->gc_urgent + 1);
    f->gc_stop = threshold(f, f->config->gc_stop_percent, f->gc_start);
}

void *ftl_table(struct ftl *f, size_t bytes) {
    char *at = f->tables ? f->tables + f->tables_used : NULL;
    f->tables_used += (bytes + 63) & ~(size_t)63;
    return at;
}

static void tables_share(struct ftl *f) {
    f->tables_used = 0;
    f->blocks = ftl_table(f, f->total_blocks * sizeof *f->blocks);
    for (struct ftl_plane *p = f->plane; p < f->plane + f->planes; p++) {
        p->heap = ftl_table(f, f->geometry->blocks * sizeof *p->heap);
        ftl_victims_init(f, p);
    }
}

/* In one piece, and in huge pages if it is large: at a start all of it is touched, and a fault costs more than the
 * rest. */
static bool tables_init(struct ftl *f) {
    tables_share(f);
    size_t huge = f->tables_used >= HUGE_PAGE / 2 ? HUGE_PAGE : 0;
    f->tables_bytes = f->tables_used + 2 * huge;
    void *at = mmap(NULL, f->tables_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    f->tables_mapped = at;
    f->tables = huge ? (char *)(((uintptr_t)at + huge - 1) & ~(uintptr_t)(huge - 1)) : at;
    if (huge)
        madvise(f->tables, f->tables_used + huge, MADV_HUGEPAGE); /* advice: works as well without */
    tables_share(f);
    return true;
}

static int planes_init(struct ftl *f, struct err *e) {
    f->plane = calloc(f->planes, sizeof *f->plane);
    f->site = calloc(f->planes, sizeof *f->site);
    f->order = calloc(f->planes, sizeof *f->order);
    f->ready = calloc(f->heats * (f->planes / 64 + 1), sizeof *f->ready);
    if (!f->plane || !f->site || !f->order || !f->ready || !tables_init(f))
        return err_set(e, ENOMEM, "no memory for %" PRIu64 " blocks", f->total_blocks);
    for (uint32_t i = 0; i < f->planes; i++) {
        struct ftl_plane *p = &f->plane[i];
        p->first_block = i * f->geometry->blocks;
        p->die = (uint16_t)(i / f->geometry->planes);
        p->plane = (uint8_t)(i % f->geometry->planes);
        f->site[i] = (struct ftl_site){p->die, p->plane};
        for (unsigned h = 0; h < f->heats; h++) {
            p->waiting[h].copy = calloc((f->heats + 5) * f->page_units, sizeof *p->waiting[h].copy);
            if (!p->waiting[h].copy)
                return err_set(e, ENOMEM, "no memory for plane %u", i);
        }
    }
    return 0;
}

static void geometry_init(struct ftl *f, const struct drive_config *config) {
    const struct nand_config *n = &config->nand;
    f->geometry = n;
    f->config = &config->ssd;
    f->ops = ftl_kinds[config->ssd.mapping];
    f->heats = config->ssd.streams;
    f->policy = &gc_policies[config->ssd.gc_policy];
    f->total_blocks = nand_block_count(n);
    f->planes = f->total_blocks / n->blocks;
    f->blocks_recip = ftl_recip(n->blocks);
    f->planes_recip = ftl_recip(f->planes);
    f->pages_recip = ftl_recip(n->pages);
    f->unit_bytes = (uint32_t)config->ssd.map_unit;
    f->unit_shift = log2_up(f->unit_bytes);
    f->units = (uint32_t)(config->drive.capacity >> f->unit_shift);
    f->page_units = n->page_bytes >> f->unit_shift;
    f->page_shift = log2_up(f->page_units);
    f->block_units = n->pages * f->page_units;
    f->block_shift = log2_up(f->block_units);
}

int ftl_init(struct ftl *f, const struct drive_config *config, struct sim *sim, struct store *store, bool fresh,
             struct err *e) {
    geometry_init(f, config);
    rng_init(&f->rng, config->drive.seed, 0x6763);
    bool fresh_state, fresh_map;
    f->state = store_state(store, "nand.blocks", 1, f->total_blocks * sizeof *f->state, &fresh_state, e);
    if (!f->state)
        return -EIO;              /* the store said why */
    if (!store_is_durable(store)) /* looked at here and there, by every operation */
        madvise(f->state, f->total_blocks * sizeof *f->state, MADV_HUGEPAGE);
    /* NAND writes to the states of its blocks whenever it likes. */
    int rc = store_state_reserve(store, f->state, f->total_blocks * sizeof *f->state);
    if (rc)
        return err_set(e, -rc, "no space behind the drive for the states of %" PRIu64 " blocks: %s", f->total_blocks,
                       strerror(-rc));
    f->nand = nand_new(&config->nand, sim, f->state, fresh_state, config->drive.seed, e);
    if (!f->nand)
        return -EINVAL;
    rc = f->ops->init(f, store, &fresh_map, e);
    if (!rc)
        rc = planes_init(f, e);
    if (!rc)
        rc = ftl_heat_init(f, store, e);
    if (rc)
        return rc;
    order_init(f);
    thresholds_init(f);
    ftl_health_update(f, NULL);
    f->spare_blocks_start = ftl_spare_blocks(f);
    if (fresh_state && f->read_only)
        return err_set(e, EINVAL,
                       "nand.factory_bad_percent = %g left too few good blocks for drive.capacity = %" PRIu64
                       " bytes; lower either",
                       config->nand.factory_bad_percent, config->drive.capacity);
    return f->ops->recover(f, e);
}

void ftl_release(struct ftl *f) {
    ftl_gc_release(f);
    if (f->ops)
        f->ops->release(f);
    nand_free(f->nand);
    for (uint32_t i = 0; f->plane && i < f->planes; i++)
        for (unsigned h = 0; h < f->heats; h++)
            free(f->plane[i].waiting[h].copy);
    if (f->tables_mapped)
        munmap(f->tables_mapped, f->tables_bytes);
    ftl_heat_release(f);
    free(f->plane);
    free(f->site);
    free(f->order);
    free(f->ready);
}

void ftl_address(const struct ftl *f, uint32_t ppu, struct nand_op *op) {
    uint32_t index = ppu >> f->block_shift, plane = ftl_divide(index, f->blocks_recip);
    op->die = f->site[plane].die;
    op->plane = f->site[plane].plane;
    op->block = index - plane * f->geometry->blocks;
    op->page = ftl_page_of(f, ppu);
}

/* --- self-check --- */

static int check_block(const struct ftl *f, const struct ftl_plane *p, uint32_t b, struct err *e) {
    const struct ftl_block *blk = &f->blocks[p->first_block + b];
    const struct nand_block *nb = &f->state[p->first_block + b];
    bool open = false;
    for (unsigned s = 0; s < 2 * f->heats; s++)
        open |= b == p->open[s].block;
    if (open != (blk->state == BLOCK_OPEN))
        return err_set(e, EFAULT, "die %u plane %u block %u: state %u, but open in a stream: %d", p->die, p->plane, b,
                       blk->state, open);
    if (blk->state == BLOCK_FREE && (blk->valid || nb->next_page || nb->bad))
        return err_set(e, EFAULT, "die %u plane %u block %u is free with %u valid units, %u pages written, bad %u",
                       p->die, p->plane, b, blk->valid, nb->next_page, nb->bad);
    if (blk->state == BLOCK_DRAINING && blk->valid > blk->copying)
        return err_set(e, EFAULT, "die %u plane %u block %u drains with %u valid units, but only %u are being copied",
                       p->die, p->plane, b, blk->valid, blk->copying);
    if (blk->valid > nb->next_page * f->page_units)
        return err_set(e, EFAULT, "die %u plane %u block %u: %u valid units in %u pages", p->die, p->plane, b,
                       blk->valid, nb->next_page);
    return 0;
}

static int check_heap(const struct ftl *f, const struct ftl_plane *p, struct err *e) {
    for (uint32_t i = 0; i < p->free_count; i++) {
        uint32_t b = p->heap[i], parent = p->heap[i ? (i - 1) / 2 : 0];
        if (f->blocks[p->first_block + b].state != BLOCK_FREE)
            return err_set(e, EFAULT, "die %u plane %u: block %u in the free heap has state %u", p->die, p->plane, b,
                           f->blocks[p->first_block + b].state);
        if (f->state[p->first_block + b].erases < f->state[p->first_block + parent].erases)
            return err_set(e, EFAULT, "die %u plane %u: free heap out of order at %u", p->die, p->plane, i);
    }
    return 0;
}

static int check_plane(const struct ftl *f, const struct ftl_plane *p, struct err *e) {
    uint32_t state[BLOCK_DEAD + 1] = {0};
    for (uint32_t b = 0; b < f->geometry->blocks; b++) {
        state[f->blocks[p->first_block + b].state]++;
        if (check_block(f, p, b, e))
            return -EFAULT;
    }
    if (state[BLOCK_FREE] != p->free_count || state[BLOCK_ERASING] != p->erasing ||
        state[BLOCK_VICTIM] != (p->victim != FTL_NONE))
        return err_set(e, EFAULT, "die %u plane %u: %u free, %u erasing, %u victims; counted %u, %u, %d", p->die,
                       p->plane, state[BLOCK_FREE], state[BLOCK_ERASING], state[BLOCK_VICTIM], p->free_count,
                       p->erasing, p->victim != FTL_NONE);
    return check_heap(f, p, e) || ftl_victims_check(f, p, e) ? -EFAULT : 0;
}

int ftl_check(const struct ftl *f, struct err *e) {
    for (uint32_t i = 0; i < f->planes; i++)
        if (check_plane(f, &f->plane[i], e))
            return -EFAULT;
    if (!ftl_ready_check(f))
        return err_set(e, EFAULT, "a group of planes is ready for the host, or not, and marked otherwise");
    int rc = f->ops->check(f, e);
    return rc ? rc : nand_check(f->nand, e);
}
