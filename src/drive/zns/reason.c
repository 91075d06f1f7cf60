/*
 * Why a zone refuses a request, in the words of who asked: blocks and zones of a
 * namespace if the request says how they are counted, else bytes of the drive.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "drive/zns/zns.h"

enum { WHY_MAX = 320, ZONE_MAX = 192 };

const char *zns_place(const struct io *io, uint64_t offset, char buf[ZNS_WORD_MAX]) {
    if (io->view && io->view->block_bytes)
        snprintf(buf, ZNS_WORD_MAX, "LBA 0x%" PRIx64, (offset - io->view->base) / io->view->block_bytes);
    else
        snprintf(buf, ZNS_WORD_MAX, "byte %" PRIu64, offset);
    return buf;
}

const char *zns_amount(const struct io *io, uint64_t bytes, char buf[ZNS_WORD_MAX]) {
    bool blocks = io->view && io->view->block_bytes && bytes % io->view->block_bytes == 0;
    uint64_t n = blocks ? bytes / io->view->block_bytes : bytes;
    snprintf(buf, ZNS_WORD_MAX, "%" PRIu64 " %s%s", n, blocks ? "block" : "byte", n == 1 ? "" : "s");
    return buf;
}

bool zns_one_block(const struct io *io, uint64_t bytes) {
    if (io->view && io->view->block_bytes)
        return bytes == io->view->block_bytes;
    return bytes == 512 || bytes == 4096;
}

static const char *asked(const struct zns *s, const struct io *io, char buf[ZONE_MAX]) {
    static const char *const names[IO_OPS] = {"Read",         "Write",       "Flush", "Deallocate",
                                              "Write Zeroes", "Zone Append", ""};
    char amount[ZNS_WORD_MAX], place[ZNS_WORD_MAX];
    zns_place(io, io->offset, place);
    if (io->op == IO_ZONE) {
        enum zns_event event = zns_event_of(io->action);
        snprintf(buf, ZONE_MAX, "%s at %s", event == ZNS_EVENTS ? "Flush ZRWA before" : zns_rules[event].name, place);
    } else {
        snprintf(buf, ZONE_MAX, "%s of %s at %s", names[io->op], zns_amount(io, io->bytes, amount), place);
    }
    return buf;
}

static const char *zone_words(const struct zns *s, const struct io *io, uint32_t zone, char buf[ZONE_MAX]) {
    const struct zns_durable *z = &s->zones[zone];
    char start[ZNS_WORD_MAX], wp[ZNS_WORD_MAX], capacity[ZNS_WORD_MAX];
    uint64_t base = io->view ? io->view->base : 0;
    bool pointer = z->mark.state == ZONE_STATE_EMPTY || zns_is_active(z->mark.state);
    snprintf(buf, ZONE_MAX, "zone %" PRIu64 " at %s is %s, write pointer %s, capacity %s", zone - base / s->zone_bytes,
             zns_place(io, zns_start(s, zone), start), zone_state_name(z->mark.state),
             pointer ? zns_place(io, zns_start(s, zone) + z->wp, wp) : "none", zns_amount(io, z->capacity, capacity));
    return buf;
}

__attribute__((format(printf, 5, 0))) static void fail_list(struct zns *s, struct io *io, uint32_t zone,
                                                            uint16_t status, const char *fmt, va_list args) {
    char why[WHY_MAX], what[ZONE_MAX], where[ZONE_MAX];
    vsnprintf(why, sizeof why, fmt, args);
    s->stat.refused++;
    io_fail(io, status, "%s: %s; %s", asked(s, io, what), why, zone_words(s, io, zone, where));
}

void zns_fail(struct zns *s, struct io *io, uint32_t zone, uint16_t status, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail_list(s, io, zone, status, fmt, args);
    va_end(args);
}

void zns_refuse(struct zns *s, struct io *io, uint32_t zone, uint16_t status, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail_list(s, io, zone, status, fmt, args);
    va_end(args);
    zns_media_nothing(s->media, io);
}
