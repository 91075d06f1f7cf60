/*
 * Where zones lie: a durable table of the blocks of each, and spare blocks.
 *
 * Zones are dealt to groups of dies in turn; within a group they take blocks
 * in order. What is left of a plane's blocks is its spare.
 *
 * Faithful: zones that share dies and those that don't; bad blocks are
 * replaced from the spares of the same plane, then cost capacity.
 * Simplified: what a replaced block held is copied without taking time; a
 * plane's loss takes its die out of the set; blocks stay with their zone, so
 * zones that are reset more often wear more.
 * Not modelled: parity over dies, metadata within blocks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "drive/zns/flash/flash.h"

/* --- geometry --- */

static uint64_t divisors_near(uint64_t of, uint64_t to, uint64_t *above) {
    uint64_t below = 1;
    *above = of;
    for (uint64_t d = 1; d <= of; d++) {
        if (of % d)
            continue;
        if (d <= to)
            below = d;
        else if (d < *above)
            *above = d;
    }
    return below;
}

static int check_shape(const struct drive_config *c, struct zns_flash *m, struct err *e) {
    uint32_t dies = nand_die_count(&c->nand), want = c->zns_media.dies_per_zone;
    uint64_t above, below;
    m->dies = want ? want : dies;
    if (m->dies > dies || dies % m->dies) {
        below = divisors_near(dies, m->dies, &above);
        return err_set(e, EINVAL,
                       "zns.dies_per_zone = %u: must divide the %u dies of nand.channels x nand.luns; nearest are "
                       "%" PRIu64 " and %" PRIu64,
                       m->dies, dies, below, above);
    }
    m->stripe = c->zns_media.stripe_pages;
    if (!m->stripe)
        m->stripe = c->nand.pages % ((uint32_t)c->nand.cell + 1) ? 1 : (uint32_t)c->nand.cell + 1;
    if (m->stripe > ZNS_STRIPE_PAGES_MAX || c->nand.pages % m->stripe) {
        below = divisors_near(c->nand.pages, m->stripe, &above);
        return err_set(e, EINVAL,
                       "zns.stripe_pages = %u: must divide nand.pages = %u; nearest are %" PRIu64 " and %" PRIu64,
                       m->stripe, c->nand.pages, below, above);
    }
    m->groups = dies / m->dies;
    m->planes = c->nand.planes;
    m->rows = c->nand.pages / m->stripe;
    m->unit_bytes = (uint64_t)m->planes * m->stripe * c->nand.page_bytes;
    m->read_bytes = c->zns_media.read_unit ? (uint32_t)c->zns_media.read_unit : c->nand.page_bytes;
    if (m->read_bytes < 512 || c->nand.page_bytes % m->read_bytes) {
        below = divisors_near(c->nand.page_bytes, m->read_bytes, &above);
        return err_set(e, EINVAL,
                       "zns.read_unit = %u: must divide nand.page_bytes = %u; nearest are %" PRIu64 " and %" PRIu64,
                       m->read_bytes, c->nand.page_bytes, below, above);
    }
    m->parts = c->nand.page_bytes / m->read_bytes;
    if (c->zns_media.zone_cache < m->unit_bytes)
        return err_set(e, EINVAL,
                       "zns.zone_cache = %" PRIu64 ": less than a program unit, %" PRIu64
                       " bytes (nand.planes x zns.stripe_pages x nand.page_bytes)",
                       c->zns_media.zone_cache, m->unit_bytes);
    return 0;
}

static int check_zones(const struct drive_config *c, struct zns_flash *m, struct err *e) {
    const struct zns_config *z = &c->zns;
    uint64_t set_bytes = (uint64_t)m->dies * m->rows * m->unit_bytes, want = z->zone_capacity;
    if (!z->zone_size || c->drive.capacity / z->zone_size == 0 || c->drive.capacity / z->zone_size > UINT32_MAX)
        return err_set(e, EINVAL, "zns.zone_size = %" PRIu64 ": allowed are up to drive.capacity = %" PRIu64,
                       z->zone_size, c->drive.capacity);
    if (!want || want > z->zone_size)
        return err_set(e, EINVAL, "zns.zone_capacity = %" PRIu64 ": at least 4096, at most zns.zone_size = %" PRIu64,
                       want, z->zone_size);
    if (want % set_bytes && !c->zns_media.part_blocks) {
        uint64_t below = want / set_bytes * set_bytes;
        return err_set(e, EINVAL,
                       "zns.zone_capacity = %" PRIu64 ": not a multiple of the erase unit of %u dies, %" PRIu64
                       " bytes (dies x nand.planes x nand.pages x nand.page_bytes); nearest are %" PRIu64
                       " and %" PRIu64 "; or set zns.part_blocks = yes to leave the rest of the blocks unused",
                       want, m->dies, set_bytes, below ? below : set_bytes, below + set_bytes);
    }
    uint64_t sets = (want + set_bytes - 1) / set_bytes, zones = c->drive.capacity / z->zone_size;
    uint64_t in_group = (zones + m->groups - 1) / m->groups, need;
    if (__builtin_mul_overflow(in_group, sets, &need) || need > c->nand.blocks)
        return err_set(e, EINVAL,
                       "nand.blocks = %u: %" PRIu64 " zones of %" PRIu64 " bytes on %u dies each need %" PRIu64
                       " blocks a plane; the most zones are %" PRIu64,
                       c->nand.blocks, zones, want, m->dies, need, c->nand.blocks / sets * m->groups);
    m->zones = (uint32_t)zones;
    m->sets = (uint32_t)sets;
    m->slots = m->sets * m->dies * m->planes;
    m->zone_size = z->zone_size;
    m->zone_capacity = want;
    return 0;
}

int zns_map_geometry(const struct drive_config *c, struct zns_flash *m, struct err *e) {
    int rc = check_shape(c, m, e);
    return rc ? rc : check_zones(c, m, e);
}

/* --- places --- */

/* Dies in the order of use: channels change first. */
static uint32_t nth_die(const struct zns_flash *m, uint32_t n) {
    uint32_t channels = m->config.nand.channels;
    return n % channels * m->config.nand.luns + n / channels;
}

uint32_t zns_map_slot_die(const struct zns_flash *m, uint32_t zone, uint32_t slot) {
    const struct zns_zone *z = &m->zone[zone];
    uint32_t lane = slot / m->planes % m->dies;
    return nth_die(m, zone % m->groups * m->dies + (z->first_die + lane * z->die_step) % m->dies);
}

static uint32_t common_divisor(uint32_t a, uint32_t b) {
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/*
 * Zones go round their dies from different ones and in different steps, so
 * that those written or read together meet now and then, not on each die.
 */
static void choose_order(const struct zns_flash *m, uint32_t zone, struct zns_zone *z) {
    uint32_t nth = zone / m->groups, step = 2 * (nth % 8) + 1;
    z->first_die = (uint16_t)((uint64_t)nth * ((uint32_t)(m->dies * 0.618) | 1) % m->dies);
    z->die_step = (uint16_t)(common_divisor(m->dies, step) == 1 ? step : 1);
}

struct nand_block *zns_map_state(const struct zns_flash *m, uint32_t zone, uint32_t slot) {
    return &m->blocks[nand_block_index(&m->config.nand, zns_map_slot_die(m, zone, slot), slot % m->planes,
                                       zns_map_block(m, zone, slot))];
}

/* The die has all its blocks in the set, to read from and (later) to write to. */
static bool lane_laid_out(const struct zns_flash *m, const uint32_t *slots, uint32_t lane) {
    for (uint32_t p = 0; p < m->planes; p++)
        if (slots[lane * m->planes + p] == ZNS_LOST)
            return false;
    return true;
}

static bool lane_good(const struct zns_flash *m, const uint32_t *slots, uint32_t lane) {
    for (uint32_t p = 0; p < m->planes; p++)
        if (slots[lane * m->planes + p] & ZNS_FAILING) /* ZNS_LOST has the bit */
            return false;
    return true;
}

static struct zns_place broken_unit(const struct zns_flash *m, uint32_t zone, uint64_t unit) {
    const uint32_t *slots = zns_map_slots(m, zone);
    uint32_t lanes[4096], n = 0;
    for (uint32_t set = 0; set < m->sets; set++) {
        n = 0;
        for (uint32_t lane = set * m->dies; lane < (set + 1) * m->dies; lane++)
            if (lane_laid_out(m, slots, lane))
                lanes[n++] = lane;
        uint64_t units = (uint64_t)n * m->rows;
        if (unit < units)
            break;
        unit -= units;
    }
    uint32_t lane = lanes[unit % n];
    return (struct zns_place){zns_map_slot_die(m, zone, lane * m->planes), lane * m->planes,
                              (uint32_t)(unit / n) * m->stripe};
}

struct zns_place zns_map_unit(const struct zns_flash *m, uint32_t zone, uint64_t unit) {
    if (__builtin_expect(!m->zone[zone].whole, 0))
        return broken_unit(m, zone, unit);
    uint32_t row = (uint32_t)(unit / m->dies), set = 0;
    uint32_t lane = (uint32_t)(unit % m->dies);
    if (row >= m->rows) {
        set = row / m->rows;
        row %= m->rows;
    }
    return (struct zns_place){zns_map_slot_die(m, zone, lane * m->planes), (set * m->dies + lane) * m->planes,
                              row * m->stripe};
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void measure(struct zns_flash *m, uint32_t zone) {
    struct zns_zone *z = &m->zone[zone];
    const uint32_t *slots = zns_map_slots(m, zone);
    uint64_t laid = 0, good = 0, lanes = (uint64_t)m->sets * m->dies;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        laid += lane_laid_out(m, slots, lane);
        good += lane_good(m, slots, lane);
    }
    z->whole = laid == lanes;
    z->laid_out = least(laid * m->rows * m->unit_bytes, m->zone_capacity);
    z->capacity = least(good * m->rows * m->unit_bytes, m->zone_capacity);
}

/* --- spares --- */

static uint32_t plane_index(const struct zns_flash *m, uint32_t zone, uint32_t slot) {
    return zns_map_slot_die(m, zone, slot) * m->planes + slot % m->planes;
}

/* A good spare block of the slot's plane, or ZNS_LOST. */
static uint32_t take_spare(struct zns_flash *m, uint32_t zone, uint32_t slot) {
    uint32_t plane = plane_index(m, zone, slot);
    while (m->spare_count[plane]) {
        uint32_t block = m->spares[(uint64_t)plane * m->config.nand.blocks + --m->spare_count[plane]];
        m->spares_now--;
        if (!m->blocks[(uint64_t)plane * m->config.nand.blocks + block].bad)
            return block;
    }
    return ZNS_LOST;
}

bool zns_map_replace(struct zns_flash *m, uint32_t zone, uint32_t slot) {
    uint32_t *at = &zns_map_slots(m, zone)[slot];
    uint16_t pages = zns_map_state(m, zone, slot)->next_page;
    uint32_t block = take_spare(m, zone, slot);
    if (block == ZNS_LOST) {
        *at |= ZNS_FAILING;
        measure(m, zone);
        return false;
    }
    *at = block;
    m->count.replaced_blocks++;
    zns_map_state(m, zone, slot)->next_page = pages;
    return true;
}

void zns_map_relay(struct zns_flash *m, uint32_t zone) {
    uint32_t *slots = zns_map_slots(m, zone);
    for (uint32_t i = 0; i < m->slots; i++)
        if (slots[i] & ZNS_FAILING)
            slots[i] = ZNS_LOST;
    measure(m, zone);
}

void zns_map_settle(struct zns_flash *m, uint32_t zone, uint64_t bytes) {
    const struct zns_zone *z = &m->zone[zone];
    uint64_t units = (bytes + (bytes == z->laid_out ? m->unit_bytes - 1 : 0)) / m->unit_bytes;
    const uint32_t *slots = zns_map_slots(m, zone);
    for (uint32_t set = 0; set < m->sets; set++) {
        uint32_t lanes = 0, nth = 0;
        for (uint32_t lane = set * m->dies; lane < (set + 1) * m->dies; lane++)
            lanes += lane_laid_out(m, slots, lane);
        uint64_t here = least(units, (uint64_t)lanes * m->rows);
        units -= here;
        for (uint32_t lane = set * m->dies; lane < (set + 1) * m->dies; lane++) {
            if (!lane_laid_out(m, slots, lane))
                continue;
            uint64_t rows = here / lanes + (nth++ < here % lanes); /* lanes > 0: this is one */
            for (uint32_t p = 0; p < m->planes; p++)
                zns_map_state(m, zone, lane * m->planes + p)->next_page = (uint16_t)(rows * m->stripe);
        }
    }
}

/* --- life --- */

static void deal(struct zns_flash *m) {
    for (uint32_t zone = 0; zone < m->zones; zone++)
        for (uint32_t slot = 0; slot < m->slots; slot++)
            zns_map_slots(m, zone)[slot] = zone / m->groups * m->sets + slot / (m->dies * m->planes);
}

/* Every block is of one zone at most: mark them; or say which table entry can't be. */
static int mark_used(const struct zns_flash *m, uint8_t *used, struct err *e) {
    uint32_t blocks = m->config.nand.blocks;
    for (uint32_t zone = 0; zone < m->zones; zone++)
        for (uint32_t slot = 0; slot < m->slots; slot++) {
            if (zns_map_slots(m, zone)[slot] == ZNS_LOST)
                continue;
            uint32_t block = zns_map_block(m, zone, slot);
            uint64_t at = (uint64_t)plane_index(m, zone, slot) * blocks + block;
            if (block >= blocks || used[at]++)
                return err_set(e, EINVAL, "the table of blocks is damaged: zone %u, place %u says block %u", zone, slot,
                               block);
        }
    return 0;
}

static int find_spares(struct zns_flash *m, struct err *e) {
    uint32_t blocks = m->config.nand.blocks, planes = nand_die_count(&m->config.nand) * m->planes;
    uint64_t total = (uint64_t)planes * blocks;
    uint8_t *used = calloc(total, 1);
    if (!used)
        return err_set(e, ENOMEM, "no memory for the use of %" PRIu64 " blocks", total);
    int rc = mark_used(m, used, e);
    for (uint64_t i = total; !rc && i-- > 0;) {
        if (used[i] || m->blocks[i].bad)
            continue;
        m->blocks[i].next_page = 0;
        m->spares[i / blocks * blocks + m->spare_count[i / blocks]++] = (uint32_t)(i % blocks);
        m->spares_now++;
    }
    free(used);
    return rc;
}

/* Blocks that were bad from the start make way for spares. */
static void replace_bad(struct zns_flash *m, uint32_t zone) {
    for (uint32_t slot = 0; slot < m->slots; slot++) {
        uint32_t *at = &zns_map_slots(m, zone)[slot];
        if (*at != ZNS_LOST && zns_map_state(m, zone, slot)->bad == 1)
            *at = take_spare(m, zone, slot);
    }
}

int zns_map_init(struct zns_flash *m, bool fresh, struct err *e) {
    bool fresh_table;
    uint32_t planes = nand_die_count(&m->config.nand) * m->planes;
    m->table =
        store_state(m->store, "zns.blocks", 1, (uint64_t)m->zones * m->slots * sizeof *m->table, &fresh_table, e);
    if (!m->table)
        return -EIO; /* the store said why */
    m->spares = calloc(nand_block_count(&m->config.nand), sizeof *m->spares);
    m->spare_count = calloc(planes, sizeof *m->spare_count);
    if (!m->spares || !m->spare_count)
        return err_set(e, ENOMEM, "no memory for the spare blocks");
    for (uint32_t zone = 0; zone < m->zones; zone++)
        choose_order(m, zone, &m->zone[zone]);
    if (fresh)
        deal(m);
    int rc = find_spares(m, e);
    for (uint32_t zone = 0; !rc && zone < m->zones; zone++) {
        if (fresh)
            replace_bad(m, zone);
        measure(m, zone);
    }
    m->spares_start = nand_block_count(&m->config.nand) - (uint64_t)m->zones * m->slots > UINT32_MAX
                          ? UINT32_MAX
                          : (uint32_t)(nand_block_count(&m->config.nand) - (uint64_t)m->zones * m->slots);
    return rc;
}

void zns_map_release(struct zns_flash *m) {
    free(m->spares);
    free(m->spare_count);
}

int zns_map_check(const struct zns_flash *m, struct err *e) {
    uint8_t *used = calloc(nand_block_count(&m->config.nand), 1);
    if (!used)
        return err_set(e, ENOMEM, "no memory to check the table of blocks");
    int rc = mark_used(m, used, e);
    uint32_t planes = nand_die_count(&m->config.nand) * m->planes, blocks = m->config.nand.blocks;
    for (uint32_t p = 0; !rc && p < planes; p++)
        for (uint32_t i = 0; !rc && i < m->spare_count[p]; i++)
            if (used[(uint64_t)p * blocks + m->spares[(uint64_t)p * blocks + i]])
                rc = err_set(e, EFAULT, "a spare block of plane %u belongs to a zone", p);
    free(used);
    return rc;
}
