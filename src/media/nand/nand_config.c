/*
 * Options of the NAND and the check of a whole configuration.
 *
 * The defaults describe a drive of TLC parts of about 2021: read times around
 * the 40 to 58 us published at ISSCC, programming 3 x 400 us a word line (160
 * to 184 MB/s a die of four planes), an interface of 1.2 Gb/s a pin. Erase
 * and suspension times are typical, not of a named part.
 */
#include <errno.h>
#include <string.h>

#include "media/nand/nand_int.h"

static const char *const cell_names[] = {"slc", "mlc", "tlc", "qlc", NULL};

#define ROW(field, kind, low, high, text, unit_text, meaning)                                                          \
    { "nand", #field, kind, offsetof(struct nand_config, field), low, high, text, NULL, unit_text, meaning, false }
#define LIVE(field, kind, low, high, text, unit_text, meaning)                                                         \
    { "nand", #field, kind, offsetof(struct nand_config, field), low, high, text, NULL, unit_text, meaning, true }

const struct opt_row nand_opts[] = {
    ROW(channels, OPT_U32, 1, 64, "8", NULL, "channels; each is one bus"),
    ROW(luns, OPT_U32, 1, 64, "8", NULL, "LUNs (dies) per channel"),
    ROW(planes, OPT_U32, 1, NAND_PLANES_MAX, "4", NULL, "planes per LUN"),
    ROW(blocks, OPT_U32, 0, NAND_BLOCKS_MAX, "512", "blocks",
        "blocks per plane, from 4; an ssd takes 0 for as many as drive.capacity, ssd.op_percent and collection need"),
    ROW(pages, OPT_U32, 1, 65535, "384", "pages", "pages per block"),
    ROW(page_bytes, OPT_U32, 512, 131072, "16384", "bytes", "page size; a multiple of 512"),
    {"nand", "cell", OPT_ENUM, offsetof(struct nand_config, cell), 0, 0, "tlc", cell_names, NULL,
     "bits per cell; the type of page p is p modulo the bits per cell", false},
    LIVE(read_time, OPT_TIMES, 0, 1e9, "45us,60us,75us", "ns",
         "array read time per page type, lower page first; or one"),
    LIVE(program_time, OPT_TIMES, 0, 1e9, "400us", "ns", "array program time per page type, lower page first; or one"),
    LIVE(erase_time, OPT_TIME, 0, 1e9, "3500us", "ns", "block erase time"),
    LIVE(command_time, OPT_TIME, 0, 1e6, "200ns", "ns", "command and address cycles on the bus, per operation"),
    LIVE(bus_mts, OPT_U32, 0, 16000, "1200", "MT/s", "transfer rate of a channel, bytes per microsecond; 0: no time"),
    ROW(multi_plane, OPT_BOOL, 0, 0, "yes", NULL, "run waiting operations of equal page on several planes as one"),
    ROW(multi_plane_dies, OPT_U32, 0, NAND_PLANES_MAX, "1", NULL,
        "dies that a LUN stands for, of planes p with equal p modulo this: only planes of one of them work as one; 0: "
        "as "
        "1"),
    ROW(cache_read, OPT_BOOL, 0, 0, "yes", NULL, "the array reads on while read data waits for the bus"),
    ROW(cache_program, OPT_BOOL, 0, 0, "yes", NULL, "the next data comes in while the array programs"),
    LIVE(program_suspend, OPT_BOOL, 0, 0, "yes", NULL, "host reads suspend a running program"),
    LIVE(erase_suspend, OPT_BOOL, 0, 0, "yes", NULL, "host reads suspend a running erase"),
    LIVE(suspend_limit, OPT_U32, 0, 255, "8", NULL, "suspensions of one operation; then it runs to its end"),
    LIVE(suspend_time, OPT_TIME, 0, 1e7, "15us", "ns", "from the suspend command until the array is free"),
    LIVE(resume_time, OPT_TIME, 0, 1e7, "5us", "ns", "from the resume command until the array goes on"),
    LIVE(suspend_min_remaining, OPT_TIME, 0, 1e9, "50us", "ns", "what is nearer to its end is not suspended"),
    LIVE(starvation_limit, OPT_U32, 0, 1 << 20, "32", NULL, "later operations that may run before a waiting one"),
    LIVE(endurance, OPT_U32, 0, 100000000, "3000", "cycles",
         "erases of a block until erases begin to fail; 0: no limit"),
    ROW(factory_bad_percent, OPT_DOUBLE, 0, 50, "0", "%", "share of blocks bad from the factory"),
    LIVE(read_fail_ppm, OPT_DOUBLE, 0, 1e6, "0", "ppm", "chance that a read is uncorrectable"),
    LIVE(program_fail_ppm, OPT_DOUBLE, 0, 1e6, "0", "ppm", "chance that a program fails and its block goes bad"),
    LIVE(erase_fail_ppm, OPT_DOUBLE, 0, 1e6, "0", "ppm", "chance that an erase fails and its block goes bad"),
    ROW(supply_mv, OPT_U32, 0, 20000, "3300", "mV", "voltage at which the currents flow"),
    ROW(read_ua, OPT_U32, 0, 1000000, "0", "uA", "current of a plane that reads its array; 0: not given"),
    ROW(program_ua, OPT_U32, 0, 1000000, "0", "uA", "current of a plane that programs; 0: not given"),
    ROW(erase_ua, OPT_U32, 0, 1000000, "0", "uA", "current of a plane that erases; 0: not given"),
    ROW(bus_ua, OPT_U32, 0, 1000000, "0", "uA",
        "current of a die while its command or data is on the bus; 0: not given"),
    ROW(standby_ua, OPT_U32, 0, 1000000, "0", "uA", "current of each die at all times; 0: not given"),
    {NULL},
};

static const void *field(const struct nand_config *c, const struct opt_row *row) {
    return (const char *)c + row->offset;
}

static int check_number(const struct nand_config *c, const struct opt_row *row, struct err *e) {
    double v;
    if (row->type == OPT_U32) {
        uint32_t x;
        memcpy(&x, field(c, row), sizeof x);
        v = x;
    } else if (row->type == OPT_TIME) {
        int64_t x;
        memcpy(&x, field(c, row), sizeof x);
        v = (double)x;
    } else if (row->type == OPT_DOUBLE) {
        memcpy(&v, field(c, row), sizeof v);
    } else {
        return 0;
    }
    if (v >= row->min && v <= row->max)
        return 0;
    return err_set(e, EINVAL, "nand.%s = %.12g is out of range: %.12g to %.12g%s%s allowed", row->key, v, row->min,
                   row->max, row->unit ? " " : "", row->unit ? row->unit : "");
}

static int check_times(const struct opt_times *t, const char *key, uint32_t bits, const char *cell, struct err *e) {
    if (t->count != 1 && t->count != bits)
        return err_set(e, EINVAL, "nand.%s has %u values: nand.cell = %s needs 1 or %u (one per page type)", key,
                       t->count, cell, bits);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->ns[i] < 0 || t->ns[i] > 1000000000)
            return err_set(e, EINVAL, "nand.%s: value %u is %lld ns: 0 to 1 s allowed", key, i + 1,
                           (long long)t->ns[i]);
    return 0;
}

int nand_config_check(const struct nand_config *c, struct err *e) {
    for (const struct opt_row *row = nand_opts; row->key; row++)
        if (check_number(c, row, e))
            return -EINVAL;
    if (c->blocks < NAND_BLOCKS_MIN)
        return err_set(e, EINVAL, "nand.blocks = %u: %u to %u allowed, and 0, as many as needed, of an ssd only",
                       c->blocks, NAND_BLOCKS_MIN, NAND_BLOCKS_MAX);
    if (c->cell < NAND_SLC || c->cell > NAND_QLC)
        return err_set(e, EINVAL, "nand.cell = %d: slc, mlc, tlc, qlc allowed", c->cell);
    if (c->page_bytes % 512)
        return err_set(e, EINVAL, "nand.page_bytes = %u: must be a multiple of 512", c->page_bytes);
    uint32_t bits = (uint32_t)c->cell + 1;
    if (check_times(&c->read_time, "read_time", bits, cell_names[c->cell], e) ||
        check_times(&c->program_time, "program_time", bits, cell_names[c->cell], e))
        return -EINVAL;
    uint64_t bytes, block_bytes = (uint64_t)c->pages * c->page_bytes;
    if (__builtin_mul_overflow(nand_block_count(c), block_bytes, &bytes) || bytes >> 56)
        return err_set(e, EINVAL, "nand.channels x luns x planes x blocks x pages x page_bytes is more than 64 PiB");
    return 0;
}
