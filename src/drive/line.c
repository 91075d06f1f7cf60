/* Delay lines and FIFO links; see line.h. */
#include "drive/line.h"

#include <stddef.h>

static void line_fire(struct sim_event *event) {
    struct io_line *line = (struct io_line *)event; /* first member */
    /* Under a wall clock, take along what fell due while this event was late. */
    int64_t now = sim_clock(line->sim);
    if (now < event->at_ns)
        now = event->at_ns;
    /* Only what waited at the start: a request that comes back at once must not keep the loop here. */
    const struct io *last = line->tail;
    bool more = line->head != NULL;
    while (more && line->head && line->head->completed_ns <= now) {
        struct io *io = line->head;
        more = io != last;
        line->head = io->next;
        io->next = NULL;
        line->out(line, io);
    }
    if (line->head && !sim_event_pending(event))
        sim_schedule(line->sim, event, line->head->completed_ns);
}

void io_line_init(struct io_line *line, struct sim *sim, void (*out)(struct io_line *, struct io *), void *owner) {
    *line = (struct io_line){.sim = sim, .out = out, .owner = owner};
    sim_event_init(&line->event, line_fire);
}

void io_line_push(struct io_line *line, struct io *io, int64_t due_ns) {
    if (due_ns < line->last_ns)
        due_ns = line->last_ns;
    line->last_ns = due_ns;
    io->completed_ns = due_ns;
    io->next = NULL;
    if (line->head) {
        line->tail->next = io;
        line->tail = io;
        return;
    }
    line->head = line->tail = io;
    if (!sim_event_pending(&line->event))
        sim_schedule(line->sim, &line->event, due_ns);
}

void io_line_clear(struct io_line *line) {
    line->head = line->tail = NULL;
    line->last_ns = 0;
    sim_cancel(line->sim, &line->event);
}

void io_link_init(struct io_link *link, uint64_t bytes_per_second) {
    *link = (struct io_link){0};
    io_link_set(link, bytes_per_second);
}

void io_link_set(struct io_link *link, uint64_t bytes_per_second) {
    link->byte_ns_q32 = bytes_per_second ? (uint64_t)(((unsigned __int128)1000000000u << 32) / bytes_per_second) : 0;
}

int64_t io_link_cross(struct io_link *link, int64_t from_ns, uint64_t bytes) {
    if (!link->byte_ns_q32)
        return from_ns;
    int64_t start = from_ns > link->free_ns ? from_ns : link->free_ns;
    link->free_ns = start + io_link_ns(link, bytes);
    return link->free_ns;
}
