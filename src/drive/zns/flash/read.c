/*
 * Reads: from the dies, the zones' caches and the read-ahead.
 *
 *   pages from the dies (or held by the read-ahead) -> firmware -> link -> answer
 *
 * Read-ahead: while each read begins where the last one that came ended, pages
 * are fetched ahead of it. Any other read ends that; two streams at once never
 * get any. Reads of a stream are answered in order. Its memory holds what was
 * fetched until the host has it, and something for each read it serves, so that
 * less is fetched ahead of many.
 *
 * Faithful: die and channel collisions, the link and its cost per answer.
 * Simplified: firmware time is a constant after the flash and not a resource.
 */
#include <inttypes.h>

#include "drive/zns/flash/flash.h"

/* io->priv of a read that the stream took */
#define READ_STREAM ((void *)0x200)

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* --- the end of a read --- */

static void room_again(struct zns_flash *m, const struct io *io);

static void arrived(struct io_line *line, struct io *io) {
    struct zns_flash *m = line->owner;
    if (io->priv == READ_STREAM)
        room_again(m, io);
    m->owner->done(m->owner, io);
}

/* io->event.at_ns: more time it needs. */
void zns_read_end(struct zns_flash *m, struct io *io) {
    const struct zns_media_config *c = zns_cost(m);
    int64_t from = sim_now(m->sim) + c->read_firmware + io->event.at_ns;
    int64_t due = io_link_cross(&m->link_out, from, io->bytes) + c->read_command;
    m->link_out.free_ns = due;
    if (__builtin_expect(io->stages != NULL, 0)) {
        io_spent(io, IO_STAGE_CACHE, from - c->read_firmware);
        io_spent(io, IO_STAGE_FIRMWARE, from);
        io_spent(io, IO_STAGE_LINK_WAIT, due - c->read_command - io_link_ns(&m->link_out, io->bytes));
        io_spent(io, IO_STAGE_LINK, due);
    }
    io_line_push(&m->reads, io, due);
}

static void at_least(struct io *io, int64_t more) {
    if (io->event.at_ns < more)
        io->event.at_ns = more;
}

/* --- pages --- */

static void fail_page(struct zns_flash *m, struct io *io, const struct zns_op *op) {
    uint32_t luns = m->config.nand.luns;
    m->life->media_errors++;
    io_fail(io, IO_UNRECOVERED_READ, "zone %u: uncorrectable page %u of block %u, channel %u, LUN %u, plane %u",
            op->zone, op->nand.page, op->nand.block, op->nand.die / luns, op->nand.die % luns, op->nand.plane);
}

/* The page that came last is what the request waited for. */
static void say_stages(const struct zns_flash *m, struct io *io, const struct nand_op *nand) {
    int64_t at = nand->started_ns;
    io_spent(io, IO_STAGE_DIE_WAIT, at);
    io_spent(io, IO_STAGE_ARRAY, at += nand->array_ns);
    io_spent(io, IO_STAGE_CHANNEL, at + nand->bus_ns);
    io_spent(io, IO_STAGE_CHANNEL_WAIT, sim_now(m->sim));
}

static void page_read(struct nand_op *nand) {
    struct zns_op *op = (struct zns_op *)nand; /* first member */
    struct zns_flash *m = op->media;
    struct io *io = op->io;
    struct zns_zone *z = &m->zone[op->zone];
    m->life->bytes_read += nand->bytes;
    if (nand->result != NAND_DONE)
        fail_page(m, io, op);
    if (__builtin_expect(io->stages != NULL, 0) && io->pending == 1)
        say_stages(m, io, nand);
    zns_op_free(op);
    zns_drain_read_done(m, z);
    if (--io->pending == 0)
        zns_read_end(m, io);
}

/* An operation for `bytes` of the zone's part of a page `number`, or NULL: it isn't on flash (yet), or no memory. */
static struct zns_op *page_op(struct zns_flash *m, uint32_t zone, uint64_t number, uint32_t bytes) {
    uint32_t parts = m->planes * m->stripe * m->parts, i = (uint32_t)(number % parts), block;
    struct zns_place at = zns_map_unit(m, zone, number / parts);
    uint32_t slot = at.block_slot + i % m->planes, page = at.page + i / m->planes / m->parts;
    if (m->zone[zone].known && !m->zone[zone].clean)
        return NULL; /* what is on its blocks is from before a reset */
    if (zns_map_state(m, zone, slot)->next_page <= page)
        return NULL;
    block = zns_map_block(m, zone, slot);
    struct zns_op *op = zns_op_new(m);
    if (!op)
        return NULL;
    op->zone = zone;
    op->nand.kind = NAND_READ;
    op->nand.die = (uint16_t)at.die;
    op->nand.plane = (uint8_t)(i % m->planes);
    op->nand.block = block;
    op->nand.page = page;
    op->nand.bytes = bytes;
    m->zone[zone].reads++;
    return op;
}

static void read_pages(struct zns_flash *m, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io) {
    uint32_t part_bytes = m->read_bytes;
    uint64_t laid_out = m->zone[zone].laid_out;
    if (at >= laid_out)
        return;
    for (uint64_t end = least(at + bytes, laid_out); at < end;) {
        uint32_t part = (uint32_t)least(part_bytes - at % part_bytes, end - at);
        struct zns_op *op = page_op(m, zone, at / part_bytes, part);
        at += part;
        if (!op) {
            m->count.cache_read_pages++;
            at_least(io, zns_cost(m)->cache_read);
            continue;
        }
        op->io = io;
        op->nand.done = page_read;
        io->pending++;
        nand_submit(m->nand, &op->nand);
    }
}

/* --- the stream --- */

static bool held(const struct zns_stream *s, uint64_t page) {
    return s->ready[page % ZNS_STREAM_PAGES / 64] >> (page % 64) & 1;
}

/* Reads of a stream keep their first page in event.at_ns. */
static uint64_t last_page(const struct zns_flash *m, const struct io *io) {
    uint32_t part_bytes = m->read_bytes;
    return (io->offset % m->zone_size + io->bytes - 1) / part_bytes;
}

static void page_ahead(struct nand_op *nand);

/* Fetch up to `to`, exclusive, as far as there is flash and room. */
static void fetch(struct zns_flash *m, uint64_t to) {
    struct zns_stream *s = &m->stream;
    while (s->head < to && s->head - s->first < ZNS_STREAM_PAGES) {
        struct zns_op *op = page_op(m, s->zone, s->head, m->read_bytes);
        if (!op)
            return;
        s->ready[s->head % ZNS_STREAM_PAGES / 64] &= ~(1ull << (s->head % 64));
        op->page_number = s->head++;
        op->nand.done = page_ahead;
        s->inflight++;
        m->count.ahead_pages++;
        nand_submit(m->nand, &op->nand);
    }
}

/* Fetch what the window now covers, and at least up to `end`, a byte. */
static void fetch_window(struct zns_flash *m, uint64_t end) {
    const struct zns_stream *s = &m->stream;
    uint64_t all = zns_cost(m)->read_ahead, taken = s->commands * zns_cost(m)->read_ahead_command;
    uint64_t window = s->first * m->read_bytes + (all > taken ? all - taken : 0), laid_out = m->zone[s->zone].laid_out;
    end = least(end > window ? end : window, laid_out);
    fetch(m, (end + m->read_bytes - 1) / m->read_bytes);
}

/* What the host has of the stream needs no memory any more. */
static void room_again(struct zns_flash *m, const struct io *io) {
    struct zns_stream *s = &m->stream;
    uint64_t last = last_page(m, io);
    s->commands--;
    if (!s->active || s->zone != io->part || last <= s->first || last > s->head)
        return;
    s->first = last;
    fetch_window(m, 0);
}

/* `last_read`: the page that came just now; NULL: none. */
static void serve(struct zns_flash *m, const struct nand_op *last_read) {
    struct zns_stream *s = &m->stream;
    while (s->wait_head) {
        struct io *io = s->wait_head;
        uint64_t page = (uint64_t)io->event.at_ns, last = last_page(m, io);
        while (page <= last && held(s, page))
            page++;
        io->event.at_ns = (int64_t)page;
        if (page <= last)
            return;
        s->wait_head = io->next;
        io->next = NULL;
        io->event.at_ns = zns_cost(m)->read_ahead_hit;
        if (s->bad <= last && s->bad >= io->offset % m->zone_size / m->read_bytes)
            io_fail(io, IO_UNRECOVERED_READ, "zone %u: page %" PRIu64 " of it is uncorrectable", s->zone, s->bad);
        if (__builtin_expect(io->stages && last_read, 0))
            say_stages(m, io, last_read);
        zns_read_end(m, io);
    }
}

static void page_ahead(struct nand_op *nand) {
    struct zns_op *op = (struct zns_op *)nand; /* first member */
    struct zns_flash *m = op->media;
    struct zns_stream *s = &m->stream;
    uint64_t page = op->page_number;
    struct zns_zone *z = &m->zone[op->zone];
    const struct nand_op last_read = *nand; /* the operation is used again for what is fetched next */
    m->life->bytes_read += nand->bytes;
    if (nand->result != NAND_DONE) {
        m->life->media_errors++;
        s->active = false; /* what comes reads for itself */
        s->bad = page;
    }
    s->ready[page % ZNS_STREAM_PAGES / 64] |= 1ull << (page % 64);
    s->inflight--;
    zns_op_free(op);
    zns_drain_read_done(m, z);
    serve(m, &last_read);
}

static bool continues(struct zns_flash *m, uint32_t zone, uint64_t at, uint64_t bytes) {
    struct zns_stream *s = &m->stream;
    bool next = s->zone == zone && s->next == at;
    s->zone = s->inflight || s->wait_head ? s->zone : zone;
    if (next)
        s->run += s->run < ZNS_STREAM_AFTER;
    else
        s->run = 0;
    if (s->zone == zone)
        s->next = at + bytes;
    else
        s->next = UINT64_MAX;
    s->active = s->active && next;
    return next;
}

/* True if the stream takes the read. */
static bool stream_read(struct zns_flash *m, uint32_t zone, uint64_t at, uint64_t bytes, struct io *io) {
    struct zns_stream *s = &m->stream;
    uint32_t part_bytes = m->read_bytes;
    uint64_t first = at / part_bytes, last = (at + bytes - 1) / part_bytes;
    if (!continues(m, zone, at, bytes) || s->run < ZNS_STREAM_AFTER)
        return false;
    if (!s->active) {
        if (s->inflight || s->wait_head)
            return false;
        s->active = true;
        s->bad = UINT64_MAX;
        s->first = s->head = first;
    }
    fetch_window(m, at + bytes);
    if (s->head <= last) {
        s->active = false;
        return false;
    }
    m->count.stream_reads++;
    s->commands++;
    io->priv = READ_STREAM;
    io->event.at_ns = (int64_t)first;
    io->next = NULL;
    if (s->wait_head)
        s->wait_tail->next = io;
    else
        s->wait_head = io;
    s->wait_tail = io;
    serve(m, NULL);
    return true;
}

void zns_read_forget(struct zns_flash *m, uint32_t zone) {
    struct zns_stream *s = &m->stream;
    if (s->zone != zone)
        return;
    s->active = false;
    s->run = 0;
    s->next = UINT64_MAX;
}

/* --- requests --- */

/* io->result: how much of it is mapped. */
void zns_read_start(struct zns_flash *m, struct io *io) {
    uint32_t zone = io->part;
    uint64_t at = io->offset % m->zone_size, mapped = io->result;
    io->result = 0;
    io_spent(io, IO_STAGE_QUEUE_WAIT, sim_now(m->sim));
    if (zns_cost(m)->read_ahead && mapped == io->bytes && stream_read(m, zone, at, mapped, io))
        return;
    io->event.at_ns = 0;
    io->pending = 1;
    read_pages(m, zone, at, mapped, io);
    if (mapped < io->bytes)
        at_least(io, zns_cost(m)->unmapped_read);
    if (--io->pending == 0)
        zns_read_end(m, io);
}

static void hold(struct zns_flash *m, struct io *io) {
    io->event.at_ns = (int64_t)m->writes_in;
    io->next = NULL;
    if (m->held_head)
        m->held_tail->next = io;
    else
        m->held_head = io;
    m->held_tail = io;
}

void zns_flash_read(struct zns_media *media, uint32_t zone, uint64_t at, uint64_t bytes, uint64_t mapped,
                    struct io *io) {
    struct zns_flash *m = flash_of(media);
    bool parts = io->pending > 0;
    io->priv = ZNS_READ_PART;
    if (parts) {
        zns_read_forget(m, m->stream.zone);
        read_pages(m, zone, at, mapped, io);
        if (mapped < bytes)
            at_least(io, zns_cost(m)->unmapped_read);
        return;
    }
    io->part = zone;
    io->result = mapped;
    if (zns_cost(m)->in_order && (m->waiting || m->held_head))
        hold(m, io);
    else
        zns_read_start(m, io);
}

void zns_read_init(struct zns_flash *m) {
    io_line_init(&m->reads, m->sim, arrived, m);
    m->stream.next = m->stream.bad = UINT64_MAX;
}

void zns_read_power_cut(struct zns_flash *m) {
    io_line_clear(&m->reads);
    m->link_out.free_ns = 0;
    m->stream = (struct zns_stream){.next = UINT64_MAX, .bad = UINT64_MAX};
}
