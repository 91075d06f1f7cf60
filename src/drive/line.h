/*
 * A delay line: finished requests waiting for the moment their answer is due.
 * Due times never fall, so the line is a list and needs one event, for its
 * head; everything due at once completes in one batch.
 */
#ifndef DRIVELAB_DRIVE_LINE_H
#define DRIVELAB_DRIVE_LINE_H

#include "drive/io.h"

/* Embedded in its owner. `out` is called in an event, with the request already off the line. */
struct io_line {
    struct sim_event event;
    struct sim *sim;
    struct io *head, *tail;
    int64_t last_ns;
    void (*out)(struct io_line *, struct io *);
    void *owner;
};

void io_line_init(struct io_line *line, struct sim *sim, void (*out)(struct io_line *, struct io *), void *owner);

/* Put a request on the line; a due time before that of its predecessor is raised to it. Uses io->next and completed_ns.
 */
void io_line_push(struct io_line *line, struct io *io, int64_t due_ns);

/* Forget everything on the line. */
void io_line_clear(struct io_line *line);

/* A FIFO resource of limited bandwidth, such as one direction of a host link. */
struct io_link {
    uint64_t byte_ns_q32; /* time of a byte, 32 fraction bits; 0 = none */
    int64_t free_ns;
};

/* `bytes_per_second` 0 = unlimited. */
void io_link_init(struct io_link *link, uint64_t bytes_per_second);

/* Another bandwidth from now on; what is on the link crosses as planned. */
void io_link_set(struct io_link *link, uint64_t bytes_per_second);

/* How long `bytes` take to cross, without waiting. */
static inline int64_t io_link_ns(const struct io_link *link, uint64_t bytes) {
    return (int64_t)(((unsigned __int128)bytes * link->byte_ns_q32) >> 32);
}

/* When `bytes` that are ready at `from_ns` have crossed; takes the link until then. */
int64_t io_link_cross(struct io_link *link, int64_t from_ns, uint64_t bytes);

#endif
