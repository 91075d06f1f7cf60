/*
 * Defects. Those known when the drive was formatted are slipped: the sectors
 * behind them move up by one, into the spares at the end of the zone. Those
 * that grew later are remapped: one sector lives among the zone's spares, and
 * reading across it takes the arm there and back. Both are drawn from the seed,
 * spread over the zones by their size, as far as their spares go.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/rng.h"
#include "media/disk/disk_int.h"

enum { STREAM_DEFECTS = 0x6469 };

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_lba(const void *a, const void *b) {
    return by_number(&((const struct disk_remap *)a)->lba, &((const struct disk_remap *)b)->lba);
}

/* `total` spread over the zones by size: how many fall into zones before number `i`. */
static uint32_t share(const struct disk_geometry *g, unsigned i, uint32_t total) {
    uint64_t before = i < g->zones ? g->zone[i].first_lba : g->sectors;
    return (uint32_t)((unsigned __int128)total * before / g->sectors);
}

static int check_spares(const struct disk_geometry *g, const struct disk_config *c, struct err *e) {
    for (unsigned i = 0; i < g->zones; i++) {
        const struct disk_zone *z = &g->zone[i];
        uint64_t wanted = share(g, i + 1, c->defects) - share(g, i, c->defects);
        wanted += share(g, i + 1, c->grown_defects) - share(g, i, c->grown_defects);
        if (wanted > z->spare)
            return err_set(e, EINVAL,
                           "hdd.defects = %" PRIu32 ", hdd.grown_defects = %" PRIu32 ": the zone at cylinder %" PRIu32
                           " gets %" PRIu64 " of them, but has %" PRIu64 " spare sectors (hdd.zones)",
                           c->defects, c->grown_defects, z->first, wanted, z->spare);
        if (wanted > z->lbas / 2)
            return err_set(e, EINVAL, "hdd.defects: %" PRIu64 " defects in a zone of %" PRIu64 " sectors", wanted,
                           z->lbas);
    }
    return 0;
}

/* Slip positions of a zone, counted in good sectors in front of them, ascending; two may be the same. */
static void draw_slips(struct disk_geometry *g, struct disk_zone *z, struct rng *rng) {
    uint64_t *slip = g->slip + z->first_slip;
    for (uint32_t k = 0; k < z->slips; k++)
        slip[k] = rng_below(rng, z->lbas);
    qsort(slip, z->slips, sizeof *slip, by_number);
}

/* Sectors a zone's remapped ones live in: behind its data and its slips. */
static void draw_remaps(struct disk_geometry *g, const struct disk_zone *z, uint32_t count, struct rng *rng) {
    uint64_t spare = z->lbas + z->slips, stride = z->lbas / (count + 1);
    for (uint32_t k = 0; k < count; k++) /* one to a stretch, so that no sector is drawn twice */
        g->remap[g->remaps++] =
            (struct disk_remap){z->first_lba + k * stride + rng_below(rng, stride ? stride : 1), spare + k};
}

int disk_defects_init(struct disk_geometry *g, const struct disk_config *c, struct err *e) {
    struct rng rng;
    int rc = check_spares(g, c, e);
    if (rc || (!c->defects && !c->grown_defects))
        return rc;
    g->slip = calloc(c->defects + 1, sizeof *g->slip);
    g->remap = calloc(c->grown_defects + 1, sizeof *g->remap);
    if (!g->slip || !g->remap)
        return err_set(e, ENOMEM, "no memory for the defects of the disk");
    rng_init(&rng, c->seed, STREAM_DEFECTS);
    for (unsigned i = 0; i < g->zones; i++) {
        struct disk_zone *z = &g->zone[i];
        z->first_slip = share(g, i, c->defects);
        z->slips = share(g, i + 1, c->defects) - z->first_slip;
        draw_slips(g, z, &rng);
        draw_remaps(g, z, share(g, i + 1, c->grown_defects) - share(g, i, c->grown_defects), &rng);
    }
    qsort(g->remap, g->remaps, sizeof *g->remap, by_lba);
    return 0;
}
