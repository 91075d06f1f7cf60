/*
 * Where one JSON value ends and the next begins, in a stream that comes in
 * pieces. Only brackets and strings are looked at; whether it is JSON is seen
 * when it is parsed.
 *
 * A value that begins with a bracket ends with the one that closes it;
 * anything else ends with its line. A line that ends within a string ends the
 * value too, which is then wrong, so that a client that loses its thread finds
 * it again with the next line.
 */
#ifndef DRIVELAB_CTL_FRAME_H
#define DRIVELAB_CTL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_DEPTH_MAX 16

/* Zero-initialise. */
struct ctl_frame {
    uint64_t depth;
    bool begun, line, string, escape;
    bool skipping; /* to its end, without keeping it */
};

enum ctl_frame_end {
    CTL_FRAME_MORE,  /* all bytes belong to a value that goes on, or stand before one */
    CTL_FRAME_SPACE, /* *at bytes stand before a value */
    CTL_FRAME_VALUE, /* a value of *at bytes */
    CTL_FRAME_DEEP,  /* nested deeper than CTL_DEPTH_MAX, seen at *at: skip it */
};

/*
 * Look at `bytes` more bytes. Returns what they come to; *at is how many were
 * looked at.
 */
enum ctl_frame_end ctl_frame_scan(struct ctl_frame *frame, const char *data, size_t bytes, size_t *at);

#endif
