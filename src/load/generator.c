/*
 * Requests of a job; see generator.h. The order of decisions is fio's:
 * direction, place, size, and a request that would not fit is cut to a
 * multiple of the smallest size.
 *
 * A random map is a permutation of the region's blocks, which needs no memory.
 * Only where sizes differ there is a bit for each smallest block: places come
 * from the permutation, skipping those taken, and requests end where the next
 * block is taken.
 */
#include "load/generator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool bit(const uint64_t *map, uint64_t i) {
    return map[i / 64] >> i % 64 & 1;
}

/* The random order over the window. */
static void shuffle(struct generator *g) {
    uint64_t blocks = g->window / g->unit;
    if (g->job->norandommap || !g->job->random)
        return;
    g->given = g->drawn = 0;
    if (g->job->random_generator == JOB_LFSR)
        lfsr_init(&g->lfsr, blocks, &g->places);
    else
        permutation_init(&g->order, blocks, &g->places);
    if (g->taken)
        memset(g->taken, 0, (blocks + 63) / 64 * 8);
}

/* Backwards, the place that comes before the first one. */
static uint64_t last_place(const struct generator *g, int dir) {
    uint64_t end = g->window - g->window % g->job->bs[dir], skip = (uint64_t)-g->job->rw_skip;
    return skip < end ? end - skip : 0;
}

static void rewind_to_start(struct generator *g) {
    memset(g->next, 0, sizeof(g->next));
    memset(g->last, 0, sizeof(g->last));
    /* As fio: backwards from the end, unless the region begins with the drive. */
    if (g->job->rw_skip < 0 && g->offset)
        for (int d = 0; d < RUN_DIRS; d++)
            g->next[d] = last_place(g, d);
    g->window_at = g->in_window = 0;
    g->repeats_left = 0;
    g->trimmed = false;
}

void generator_pass(struct generator *g) {
    rewind_to_start(g);
    shuffle(g);
}

static void seed(struct generator *g) {
    g->given = g->drawn = 0;
    rng_init(&g->places, g->seed, g->stream * 2);
    rng_init(&g->mix, g->seed, g->stream * 2 + 1);
}

/* As fio: only an order of all blocks comes again, what is drawn without a map does not. */
void generator_restart(struct generator *g, bool same) {
    if (same && !(g->job->random && g->job->norandommap))
        seed(g);
    generator_pass(g);
}

static int init_distributions(struct generator *g) {
    struct rng key; /* the same blocks are hot in every pass */
    rng_init(&key, g->seed, ~g->stream);
    for (int d = 0; d < RUN_DIRS; d++) {
        uint64_t block = g->align[d], room = g->window - (g->window < g->job->bs[d] ? g->window : g->job->bs[d]);
        struct rng same = key; /* for reads and writes alike */
        if (distribution_init(&g->distribution[d], g->job, d, room / block + 1, block, &same))
            return -ENOMEM;
    }
    return 0;
}

/* What next_plain() can do: random blocks, all of the same size and in the same places whatever the direction. */
static bool is_plain(const struct generator *g) {
    const struct job *job = g->job;
    bool plain = job->random && !g->mixed && !job->trimwrite && job->random_distribution == JOB_UNIFORM &&
                 job->zonemode != JOB_ZONE_STRIDED && job->rw_every == 1 &&
                 (job->norandommap || job->random_generator != JOB_LFSR);
    for (int d = 0; d < RUN_DIRS; d++)
        if (job->uses[d])
            plain = plain && job->percentage_random[d] == 100 && g->align[d] == g->unit;
    return plain;
}

int generator_init(struct generator *g, const struct job *job, uint64_t offset, uint64_t size, uint64_t seed_,
                   uint64_t stream) {
    unsigned uses = 0;
    *g = (struct generator){.job = job, .offset = offset, .size = size, .seed = seed_, .stream = stream, .only = -1};
    g->window = job->zonemode == JOB_ZONE_STRIDED && job->zonerange < size ? job->zonerange : size;
    g->unit = job_smallest(job);
    for (int d = 0; d < RUN_DIRS; d++) {
        g->align[d] = job->blockalign[d] ? job->blockalign[d] : job->bs[d];
        g->mixed = g->mixed || (job->uses[d] && (job->bs[d] != g->unit || job->bs_max[d] != g->unit));
        uses += job->uses[d];
        if (job->uses[d])
            g->only = d;
    }
    if (uses > 1)
        g->only = -1;
    g->plain = is_plain(g);
    g->soon = offset;
    if (job->random && g->mixed && !job->norandommap) {
        g->taken = calloc((g->window / g->unit + 63) / 64, 8);
        if (!g->taken && !job->softrandommap)
            return -ENOMEM;
    }
    seed(g);
    if (init_distributions(g))
        return -ENOMEM;
    generator_pass(g);
    return 0;
}

void generator_release(struct generator *g) {
    free(g->taken);
    for (int d = 0; d < RUN_DIRS; d++)
        distribution_release(&g->distribution[d]);
    *g = (struct generator){0};
}

enum run_dir generator_direction(struct generator *g) {
    if (g->only >= 0)
        return (enum run_dir)g->only;
    if (g->job->trimwrite)
        return g->trimmed ? RUN_WRITE : RUN_TRIM;
    return rng_below(&g->mix, 100) < g->job->read_percent ? RUN_READ : RUN_WRITE;
}

/* --- sizes --- */

static uint64_t draw_split(struct generator *g, const struct job_shares *s) {
    unsigned draw = (unsigned)rng_below(&g->mix, 100), i = 0;
    for (; i + 1 < s->count && draw >= s->share[i].percent; i++)
        draw -= s->share[i].percent;
    return s->share[i].bytes;
}

static uint64_t draw_size(struct generator *g, enum run_dir dir) {
    const struct job *job = g->job;
    if (job->bssplit[dir].count)
        return draw_split(g, &job->bssplit[dir]);
    if (job->bs[dir] == job->bs_max[dir])
        return job->bs[dir];
    return job->bs[dir] * (1 + rng_below(&g->mix, job->bs_max[dir] / job->bs[dir]));
}

/* One that ends within the window, as fio: drawn again until it does; the smallest, if none will. */
static uint64_t draw_fitting(struct generator *g, enum run_dir dir, uint64_t at) {
    uint64_t bytes = draw_size(g, dir);
    for (int tries = 0; bytes > g->window - at && tries < 64 && g->job->bs[dir] != g->job->bs_max[dir]; tries++)
        bytes = draw_size(g, dir);
    return bytes;
}

/* Not beyond the window, in multiples of the smallest size. */
static uint64_t cut(const struct generator *g, enum run_dir dir, uint64_t at, uint64_t bytes) {
    uint64_t room = g->window - at;
    return bytes <= room ? bytes : room - room % g->job->bs[dir];
}

/* --- places, relative to the window --- */

static bool next_of_order(struct generator *g, uint64_t *block) {
    return g->job->random_generator == JOB_LFSR ? lfsr_next(&g->lfsr, block) : permutation_next(&g->order, block);
}

/* The first block from here on that nobody had; there is one. */
static uint64_t next_free(const struct generator *g, uint64_t block, uint64_t blocks) {
    uint64_t word = block / 64, words = (blocks + 63) / 64, mask = ~UINT64_C(0) << block % 64;
    for (uint64_t n = 0; n <= words; n++) {
        uint64_t free = ~g->taken[word] & mask;
        uint64_t found = free ? word * 64 + (uint64_t)__builtin_ctzll(free) : blocks;
        if (found < blocks)
            return found;
        word = word + 1 < words ? word + 1 : 0;
        mask = ~UINT64_C(0);
    }
    return blocks;
}

/* A block nobody had, as fio the next one from a place drawn at random, and how many free ones follow it at most. */
static bool draw_unmapped(struct generator *g, enum run_dir dir, uint64_t *at, uint64_t *bytes) {
    uint64_t block, blocks = g->window / g->unit, want = draw_size(g, dir) / g->unit, n = 0;
    if (!want)
        want = 1;
    if (!next_of_order(g, &block) || (block = next_free(g, block, blocks)) == blocks)
        return false;
    for (; n < want && block + n < blocks && !bit(g->taken, block + n); n++)
        g->taken[(block + n) / 64] |= UINT64_C(1) << (block + n) % 64;
    *at = block * g->unit;
    *bytes = n * g->unit;
    return true;
}

/* Anywhere it fits. */
static bool draw_free(struct generator *g, enum run_dir dir, uint64_t *at, uint64_t *bytes) {
    *at = distribution_next(&g->distribution[dir], &g->places) * g->align[dir];
    *bytes = cut(g, dir, *at, draw_fitting(g, dir, *at));
    return *bytes > 0;
}

static bool draw_random(struct generator *g, enum run_dir dir, uint64_t *at, uint64_t *bytes) {
    uint64_t block;
    if (g->job->norandommap || (g->mixed && !g->taken))
        return draw_free(g, dir, at, bytes);
    if (g->taken)
        return draw_unmapped(g, dir, at, bytes);
    if (!next_of_order(g, &block))
        return false;
    *at = block * g->unit;
    *bytes = g->unit;
    return true;
}

/* Where the last one ended, with rw_skip; backwards past the start, from the end. False: with holes there is no more.
 */
static bool draw_sequential(struct generator *g, enum run_dir dir, uint64_t *at, uint64_t *bytes) {
    *at = g->next[dir];
    if (g->window - *at < g->job->bs[dir]) {
        if (g->job->rw_skip > 0 && *at)
            return false;
        *at = 0;
    }
    *bytes = cut(g, dir, *at, draw_fitting(g, dir, *at));
    int64_t next = (int64_t)(*at + *bytes) + g->job->rw_skip;
    if (next < 0)
        next += (int64_t)(g->window - g->window % g->job->bs[dir]) - (int64_t)*bytes;
    g->next[dir] = next < 0 ? 0 : (uint64_t)next > g->window ? g->window : (uint64_t)next;
    return true;
}

/* Whether this request of a random job follows its predecessor. */
static bool follows(struct generator *g, enum run_dir dir) {
    const struct job *job = g->job;
    if (job->rw_every > 1) {
        if (g->repeats_left) {
            g->repeats_left--;
            return true;
        }
        g->repeats_left = job->rw_every - 1;
        return false;
    }
    return job->percentage_random[dir] < 100 && rng_below(&g->mix, 100) >= job->percentage_random[dir];
}

static bool place(struct generator *g, enum run_dir dir, uint64_t *at, uint64_t *bytes) {
    if (!g->job->random) {
        if (!draw_sequential(g, dir, at, bytes))
            return false;
    } else if (!follows(g, dir) ||
               (g->job->rw_sequencer == JOB_SEQUENTIAL && g->window - g->next[dir] < g->job->bs[dir])) {
        if (!draw_random(g, dir, at, bytes))
            return false;
        g->next[dir] = *at + *bytes;
    } else if (g->job->rw_sequencer == JOB_IDENTICAL && g->job->rw_every > 1) {
        *at = g->last[dir];
        *bytes = cut(g, dir, *at, draw_size(g, dir));
    } else {
        *at = g->next[dir];
        *bytes = cut(g, dir, *at, draw_size(g, dir));
        g->next[dir] = *at + *bytes;
    }
    g->last[dir] = *at;
    return true;
}

/* zonemode=strided: after zonesize bytes, on to the next zone, at the drive's end back to the first. As fio: whatever
 * size says, which is how much is done. */
static void stride(struct generator *g) {
    const struct job *job = g->job;
    if (g->in_window < job->zonesize)
        return;
    uint64_t step = job->zonerange + job->zoneskip.bytes, at = g->window_at;
    rewind_to_start(g);
    uint64_t rest = job->filesize.bytes - g->offset;
    /* The next zone has to lie on the drive as a whole, as the window's size does not change. */
    if (!__builtin_add_overflow(at, step, &at) && at <= rest && rest - at >= g->window)
        g->window_at = at;
    shuffle(g);
}

static bool next_strided(struct generator *g, enum run_dir dir, struct request *r) {
    uint64_t at, bytes;
    stride(g);
    if (!place(g, dir, &at, &bytes)) {
        shuffle(g); /* zonesize above zonerange: the zone once more */
        if (!place(g, dir, &at, &bytes))
            return false;
    }
    g->in_window += bytes;
    *r = (struct request){.dir = dir, .offset = g->offset + g->window_at + at, .bytes = bytes};
    return true;
}

static bool next_any(struct generator *g, enum run_dir dir, struct request *r) {
    uint64_t at, bytes;
    if (g->job->zonemode == JOB_ZONE_STRIDED)
        return next_strided(g, dir, r);
    if (!place(g, dir, &at, &bytes))
        return false;
    *r = (struct request){.dir = dir, .offset = g->offset + at, .bytes = bytes};
    return true;
}

static bool draw_plain(struct generator *g, enum run_dir dir, uint64_t *block) {
    if (!g->job->norandommap)
        return permutation_next(&g->order, block);
    *block = rng_below(&g->places, g->distribution[dir].count);
    return true;
}

/* The short way. What is drawn ahead stays good for the next pass, as a new random map discards it. */
static bool next_plain(struct generator *g, enum run_dir dir, struct request *r) {
    while (g->drawn - g->given < GENERATOR_AHEAD && draw_plain(g, dir, &g->ahead[g->drawn % GENERATOR_AHEAD]))
        g->drawn++;
    if (g->given == g->drawn)
        return false;
    g->soon = g->offset + g->ahead[(g->drawn - 1) % GENERATOR_AHEAD] * g->unit;
    uint64_t block = g->ahead[g->given++ % GENERATOR_AHEAD];
    *r = (struct request){.dir = dir, .offset = g->offset + block * g->unit, .bytes = g->unit};
    return true;
}

bool generator_next(struct generator *g, enum run_dir dir, struct request *r) {
    if (g->plain)
        return next_plain(g, dir, r);
    if (!g->job->trimwrite)
        return next_any(g, dir, r);
    if (g->trimmed) {
        g->trimmed = false;
        *r = g->trim;
        r->dir = RUN_WRITE;
        return true;
    }
    if (!next_any(g, RUN_WRITE, &g->trim)) /* one sequence of places for both */
        return false;
    g->trimmed = true;
    *r = g->trim;
    r->dir = RUN_TRIM;
    return true;
}
