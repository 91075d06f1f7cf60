/*
 * Which track and angle a sector is on.
 *
 *   cylinders: all surfaces of a cylinder, then the next cylinder
 *   bands:     band_tracks tracks of a surface, then back on the next surface
 *              (serpentine), then the next band: how large drives are laid out
 *
 * Skew counts up along the tracks in the order they are used: the track skew
 * where only the head changes, the cylinder skew where the arm moves. From
 * zone to zone the last track's end goes on with the new zone's cylinder skew.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/disk/disk_int.h"

#define CYLINDERS_MAX 16000000u
#define SECTORS_MAX   1000000u /* a track */
#define ITEM_MAX      80

bool disk_next_item(const char **text, char *item, size_t size) {
    const char *p = *text;
    while (isspace((unsigned char)*p) || *p == ',')
        p++;
    size_t len = strcspn(p, ",");
    *text = p + len;
    while (len && isspace((unsigned char)p[len - 1]))
        len--;
    size_t copy = len < size ? len : size - 1;
    memcpy(item, p, copy);
    item[copy] = '\0';
    return len > 0;
}

/* --- the zone table --- */

/* A number and the character behind it, which must be one of `ends`. */
static bool read_number(const char **p, const char *ends, uint64_t most, uint64_t *n) {
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)**p))
        return false;
    *n = strtoull(*p, &end, 10);
    if (errno || *n > most || !strchr(ends, *end))
        return false;
    *p = *end ? end + 1 : end;
    return true;
}

static int read_zone(const char *item, struct disk_zone *z, struct err *e) {
    uint64_t first, last, sectors, track, cylinder, spare = 0;
    const char *p = item;
    if (!read_number(&p, "-", CYLINDERS_MAX - 1, &first) || !read_number(&p, ":", CYLINDERS_MAX - 1, &last) ||
        !read_number(&p, ":", SECTORS_MAX, &sectors) || !read_number(&p, ":", SECTORS_MAX, &track) || !*p ||
        !read_number(&p, ":", SECTORS_MAX, &cylinder) || (*p && (!read_number(&p, "", UINT32_MAX, &spare) || *p)))
        return err_set(e, EINVAL,
                       "hdd.zones: \"%.60s\" is not first-last:sectors:track_skew:cylinder_skew[:spare], as "
                       "0-846:254:97:133 (cylinders below %u, sectors of a track up to %u)",
                       item, CYLINDERS_MAX, SECTORS_MAX);
    if (last < first || !sectors || track >= sectors || cylinder >= sectors)
        return err_set(e, EINVAL,
                       "hdd.zones: \"%.60s\": the last cylinder must not be before the first, a track holds at least "
                       "one sector, and skews are less than a track",
                       item);
    *z = (struct disk_zone){.first = (uint32_t)first,
                            .cylinders = (uint32_t)(last - first + 1),
                            .sectors = (uint32_t)sectors,
                            .track_skew = (uint32_t)track,
                            .cylinder_skew = (uint32_t)cylinder,
                            .spare = spare};
    return 0;
}

static uint64_t zone_sectors(const struct disk_geometry *g, const struct disk_zone *z) {
    return (uint64_t)z->cylinders * g->surfaces * z->sectors;
}

static int add_zone(struct disk_geometry *g, const char *item, struct err *e) {
    if (g->zones == DISK_ZONES_MAX)
        return err_set(e, EINVAL, "hdd.zones: more than %d zones", DISK_ZONES_MAX);
    struct disk_zone *z = &g->zone[g->zones];
    if (read_zone(item, z, e))
        return -EINVAL;
    if (g->zones && z->first < g->cylinders)
        return err_set(e, EINVAL,
                       "hdd.zones: \"%.60s\" starts at cylinder %" PRIu32 ", but the zone before ends at %" PRIu32
                       ": zones must be sorted by cylinder and not overlap",
                       item, z->first, g->cylinders - 1);
    if (z->spare >= zone_sectors(g, z))
        return err_set(e, EINVAL, "hdd.zones: \"%.60s\" spares all %" PRIu64 " sectors of the zone", item,
                       zone_sectors(g, z));
    z->first_lba = g->sectors;
    z->lbas = zone_sectors(g, z) - z->spare;
    g->sectors += z->lbas;
    g->cylinders = z->first + z->cylinders;
    g->zones++;
    return 0;
}

/* --- tracks of a zone, in the order they are used --- */

/* Surface and cylinder of a zone's track number `track`, and the sectors of skew it starts at. */
static struct disk_head track_at(const struct disk_geometry *g, const struct disk_zone *z, uint64_t track,
                                 uint64_t *skew) {
    if (!g->bands) {
        uint64_t cylinder = track / g->surfaces, surface = track % g->surfaces;
        *skew = (track - cylinder) * z->track_skew + cylinder * z->cylinder_skew;
        return (struct disk_head){(uint32_t)(z->first + cylinder), (uint32_t)surface};
    }
    uint64_t set = (uint64_t)g->band * g->surfaces, band = track / set, in = track % set;
    uint64_t width = g->band; /* the zone's last band may be narrower */
    if ((band + 1) * g->band > z->cylinders)
        width = z->cylinders - band * g->band;
    uint64_t surface = in / width, step = in % width;
    uint64_t changes = band * (g->surfaces - 1) + surface;
    *skew = changes * z->track_skew + (track - changes) * z->cylinder_skew;
    uint64_t cylinder = z->first + band * g->band + (surface & 1 ? width - 1 - step : step);
    return (struct disk_head){(uint32_t)cylinder, (uint32_t)surface};
}

static int64_t slot_ns(const struct disk_geometry *g, const struct disk_zone *z, uint64_t slot) {
    return (int64_t)(slot * (uint64_t)g->rev_ns / z->sectors);
}

static void zone_angles(struct disk_geometry *g) {
    for (unsigned i = 1; i < g->zones; i++) {
        const struct disk_zone *last = &g->zone[i - 1];
        uint64_t skew;
        track_at(g, last, (uint64_t)last->cylinders * g->surfaces - 1, &skew);
        g->zone[i].angle = (last->angle + slot_ns(g, last, (skew + last->cylinder_skew) % last->sectors)) % g->rev_ns;
    }
}

int disk_geometry_init(struct disk_geometry *g, const struct disk_config *c, struct err *e) {
    char item[ITEM_MAX];
    const char *text = c->zones;
    *g = (struct disk_geometry){
        .surfaces = c->surfaces,
        .sector_bytes = c->sector_bytes,
        .bands = c->layout == DISK_BANDS,
        .band = c->band_tracks,
        .rev_ns = (int64_t)(60e9 / c->rpm + 0.5),
        .head_switch = c->head_switch,
        .write_settle = c->write_settle,
    };
    if (c->sector_bytes != 512 && c->sector_bytes != 4096)
        return err_set(e, EINVAL, "hdd.sector_bytes = %" PRIu32 ": allowed are 512 and 4096", c->sector_bytes);
    while (disk_next_item(&text, item, sizeof item))
        if (add_zone(g, item, e))
            return -EINVAL;
    if (!g->zones)
        return err_set(e, EINVAL, "hdd.zones: empty; expected first-last:sectors:track_skew:cylinder_skew, ...");
    if (disk_curve_init(g, c, e))
        return -EINVAL;
    zone_angles(g);
    return disk_defects_init(g, c, e);
}

void disk_geometry_release(struct disk_geometry *g) {
    free(g->slip);
    free(g->remap);
    g->slip = NULL;
    g->remap = NULL;
}

/* --- places --- */

static const struct disk_zone *zone_of(const struct disk_geometry *g, uint64_t lba) {
    unsigned low = 0, high = g->zones - 1;
    while (low < high) {
        unsigned mid = (low + high + 1) / 2;
        if (g->zone[mid].first_lba <= lba)
            low = mid;
        else
            high = mid - 1;
    }
    return &g->zone[low];
}

/* How many slipped defects stand in front of sector `in` of a zone. */
static uint32_t slips_before(const struct disk_geometry *g, const struct disk_zone *z, uint64_t in) {
    const uint64_t *slip = g->slip + z->first_slip;
    uint32_t low = 0, high = z->slips;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (slip[mid] <= in)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first remapped sector from `lba` on, or NULL. */
static const struct disk_remap *remap_from(const struct disk_geometry *g, uint64_t lba) {
    uint32_t low = 0, high = g->remaps;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (g->remap[mid].lba < lba)
            low = mid + 1;
        else
            high = mid;
    }
    return low < g->remaps ? &g->remap[low] : NULL;
}

static void limit(uint32_t *run, uint64_t most) {
    if (*run > most)
        *run = (uint32_t)most;
}

struct disk_place disk_locate(const struct disk_geometry *g, uint64_t lba) {
    const struct disk_zone *z = zone_of(g, lba);
    const struct disk_remap *remap = g->remaps ? remap_from(g, lba) : NULL;
    uint64_t in = lba - z->first_lba, index = in, skew;
    uint32_t run = UINT32_MAX;
    limit(&run, z->lbas - in);
    if (z->slips) {
        uint32_t before = slips_before(g, z, in);
        index += before;
        if (before < z->slips)
            limit(&run, g->slip[z->first_slip + before] - in);
    }
    if (remap && remap->lba == lba) {
        index = remap->index;
        run = 1;
    } else if (remap) {
        limit(&run, remap->lba - lba);
    }
    uint64_t sector = index % z->sectors;
    limit(&run, z->sectors - sector);
    struct disk_head at = track_at(g, z, index / z->sectors, &skew);
    return (struct disk_place){
        .at = at, .zone = z, .slot = skew % z->sectors + sector, .run = run, .sector = (uint32_t)sector};
}

int64_t disk_reposition_ns(const struct disk_geometry *g, struct disk_head from, struct disk_head to, bool write) {
    uint32_t d = from.cylinder > to.cylinder ? from.cylinder - to.cylinder : to.cylinder - from.cylinder;
    int64_t ns = disk_seek_ns(g, d);
    if (from.surface != to.surface && ns < g->head_switch)
        ns = g->head_switch;
    return ns && write ? ns + g->write_settle : ns;
}

/* Angle of the sector `ahead` of a place, as a time within a turn or a little more. */
static int64_t angle_ns(const struct disk_geometry *g, const struct disk_place *p, uint32_t ahead) {
    return p->zone->angle + slot_ns(g, p->zone, p->slot + ahead);
}

int64_t disk_rotation_ns(const struct disk_geometry *g, const struct disk_place *p, int64_t t) {
    int64_t wait = (angle_ns(g, p, 0) - t) % g->rev_ns;
    return wait < 0 ? wait + g->rev_ns : wait;
}

/* --- access --- */

/* Get to a place from `t` on, data not before `data_ns`; the time its first sector begins. */
static int64_t arrive(const struct disk_geometry *g, struct disk_head *head, int64_t t, const struct disk_place *p,
                      bool write, int64_t data_ns, struct disk_parts *parts) {
    int64_t move = disk_reposition_ns(g, *head, p->at, write);
    int64_t settle = move && write ? g->write_settle : 0;
    int64_t ready = t + move, wait = ready < data_ns ? data_ns - ready : 0;
    int64_t turn = disk_rotation_ns(g, p, ready + wait);
    if (parts) {
        uint32_t a = head->cylinder, b = p->at.cylinder;
        parts->seek += move - settle;
        parts->settle += settle;
        parts->wait += wait;
        parts->rotation += turn;
        parts->distance += a > b ? a - b : b - a;
        parts->seeks += a != b;
        parts->switches += a == b && head->surface != p->at.surface;
    }
    *head = p->at;
    return ready + wait + turn;
}

int64_t disk_access(const struct disk_geometry *g, struct disk_head *head, int64_t t, uint64_t lba, uint64_t count,
                    bool write, int64_t data_ns, struct disk_parts *parts) {
    bool first = true;
    while (count) {
        struct disk_place p = disk_locate(g, lba);
        uint32_t run = p.run < count ? p.run : (uint32_t)count;
        int64_t rotation = parts ? parts->rotation : 0;
        t = arrive(g, head, t, &p, write, data_ns, parts);
        int64_t start = angle_ns(g, &p, 0), transfer = angle_ns(g, &p, run) - start;
        if (parts) {
            if (first) {
                parts->first_ns = t + angle_ns(g, &p, 1) - start;
                parts->before_ns = parts->rotation - rotation;
            }
            parts->transfer += transfer;
        }
        t += transfer;
        first = false;
        lba += run;
        count -= run;
    }
    return t;
}

uint32_t disk_passed_before(const struct disk_geometry *g, uint64_t lba, int64_t wait_ns) {
    struct disk_place p = disk_locate(g, lba);
    uint64_t n = (uint64_t)wait_ns * p.zone->sectors / (uint64_t)g->rev_ns;
    if (n > p.sector)
        n = p.sector;
    if (!n || n > lba - p.zone->first_lba)
        return 0;
    struct disk_place q = disk_locate(g, lba - n);
    return q.run >= n && q.at.cylinder == p.at.cylinder && q.at.surface == p.at.surface ? (uint32_t)n : 0;
}

/* Whole sectors of a run that have passed by `until_ns`, which is before its end. */
static uint32_t passed(const struct disk_geometry *g, const struct disk_place *p, int64_t start, uint32_t run,
                       int64_t until_ns) {
    uint32_t low = 0, high = run; /* low have passed, high have not */
    while (low + 1 < high) {
        uint32_t mid = (low + high) / 2;
        if (start + angle_ns(g, p, mid) - angle_ns(g, p, 0) <= until_ns)
            low = mid;
        else
            high = mid;
    }
    return low;
}

uint64_t disk_read_until(const struct disk_geometry *g, struct disk_head *head, int64_t *t, uint64_t lba,
                         uint64_t count, int64_t until_ns) {
    uint64_t done = 0;
    while (done < count) {
        struct disk_place p = disk_locate(g, lba + done);
        struct disk_head moved = *head;
        uint32_t run = p.run < count - done ? p.run : (uint32_t)(count - done);
        int64_t start = arrive(g, &moved, *t, &p, false, 0, NULL);
        if (start + angle_ns(g, &p, run) - angle_ns(g, &p, 0) > until_ns)
            run = passed(g, &p, start, run, until_ns);
        if (!run)
            break;
        *head = moved;
        *t = start + angle_ns(g, &p, run) - angle_ns(g, &p, 0);
        done += run;
    }
    return done;
}
