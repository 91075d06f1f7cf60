/*
 * Seek curves: measured points with straight lines between them, or the
 * three-part formula of Ruemmler and Wilkes (0; a + b sqrt(d); e + f d).
 * Beyond the last point the last line goes on; below the first its time holds.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/disk/disk_int.h"

#define SEEK_NS_MAX 10000000000 /* 10 s */

static int read_point(const char *item, struct disk_point *p, struct err *e) {
    char *end;
    errno = 0;
    unsigned long long d = isdigit((unsigned char)*item) ? strtoull(item, &end, 10) : 0;
    if (!d || errno || d > UINT32_MAX || *end != ':' || opt_parse_time(end + 1, &p->ns) || p->ns > SEEK_NS_MAX)
        return err_set(e, EINVAL,
                       "hdd.seek_points: \"%.40s\" is not cylinders:time (1 or more; up to 10s), as 10:1.45ms", item);
    p->distance = (uint32_t)d;
    return 0;
}

static int check_point(const struct disk_point *last, const struct disk_point *p, struct err *e) {
    if (p->distance <= last->distance)
        return err_set(e, EINVAL, "hdd.seek_points: %" PRIu32 " cylinders after %" PRIu32 ": distances must rise",
                       p->distance, last->distance);
    if (p->ns < last->ns)
        return err_set(e, EINVAL,
                       "hdd.seek_points: the curve decreases from %" PRId64 " ns at %" PRIu32 " cylinders to %" PRId64
                       " ns at %" PRIu32 "; a longer seek must not take less time",
                       last->ns, last->distance, p->ns, p->distance);
    return 0;
}

static int points_init(struct disk_geometry *g, const char *text, struct err *e) {
    char item[64];
    while (disk_next_item(&text, item, sizeof item)) {
        struct disk_point *p = &g->point[g->points];
        if (g->points == DISK_POINTS_MAX)
            return err_set(e, EINVAL, "hdd.seek_points: more than %d points", DISK_POINTS_MAX);
        if (read_point(item, p, e) || (g->points && check_point(p - 1, p, e)))
            return -EINVAL;
        g->points++;
    }
    return 0;
}

static double formula_ms(const struct disk_geometry *g, uint32_t d) {
    return (d < g->c ? g->a + g->b * sqrt(d) : g->e + g->f * d) / 1e6;
}

static int formula_init(struct disk_geometry *g, const char *text, struct err *e) {
    double v[5];
    char item[64], *end;
    unsigned n = 0;
    while (disk_next_item(&text, item, sizeof item)) {
        double x = strtod(item, &end);
        if (n == 5 || end == item || *end || !isfinite(x) || x < 0 || x > 4e9)
            n = 6;
        if (n == 6)
            break;
        v[n++] = x;
    }
    if (n != 5)
        return err_set(e, EINVAL,
                       "hdd.seek_formula: \"%.60s\" at fault; expected a,b,c,e,f, none negative: a + b*sqrt(d) ms "
                       "below c cylinders, e + f*d from there",
                       item);
    g->a = v[0] * 1e6, g->b = v[1] * 1e6, g->c = (uint32_t)v[2], g->e = v[3] * 1e6, g->f = v[4] * 1e6;
    if (formula_ms(g, g->cylinders) > SEEK_NS_MAX / 1e6)
        return err_set(e, EINVAL, "hdd.seek_formula: a full seek takes %g ms (at most 10 s)",
                       formula_ms(g, g->cylinders));
    /* The two branches of published fits meet to a few hundredths of a millisecond, not exactly. */
    if (g->c > 1 && formula_ms(g, g->c) < formula_ms(g, g->c - 1) - 0.1)
        return err_set(e, EINVAL,
                       "hdd.seek_formula: the curve decreases from %g ms at %" PRIu32 " cylinders to %g ms at %" PRIu32
                       "; a longer seek must not take less time",
                       formula_ms(g, g->c - 1), g->c - 1, formula_ms(g, g->c), g->c);
    return 0;
}

int disk_curve_init(struct disk_geometry *g, const struct disk_config *config, struct err *e) {
    if (*config->seek_points)
        return points_init(g, config->seek_points, e);
    return formula_init(g, config->seek_formula, e);
}

static int64_t by_formula(const struct disk_geometry *g, uint32_t d) {
    double shorter = g->a + g->b * sqrt(d < g->c ? d : g->c);
    if (d < g->c)
        return (int64_t)shorter;
    double longer = g->e + g->f * d;
    return (int64_t)(longer > shorter ? longer : shorter); /* monotone where the branches meet */
}

int64_t disk_seek_ns(const struct disk_geometry *g, uint32_t d) {
    if (!d)
        return 0;
    if (!g->points)
        return by_formula(g, d);
    unsigned low = 0, high = g->points; /* points below `low` are nearer than d, from `high` on at least d */
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (g->point[mid].distance < d)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low || g->points == 1)
        return g->point[0].ns;
    if (low == g->points)
        low--;
    const struct disk_point *p = &g->point[low - 1], *q = &g->point[low];
    int64_t rise = q->ns - p->ns, run = (int64_t)q->distance - p->distance, from = (int64_t)d - p->distance;
    return p->ns + (int64_t)((__int128)rise * from / run);
}
