/*
 * A file that is read from its start to its end, as lines or as bytes, in
 * constant memory. gzip and zstd are undone on the way, recognised by their
 * first bytes. A cut or damaged compressed file is an error, never a short one.
 */
#ifndef DRIVELAB_LOAD_TRACE_INPUT_H
#define DRIVELAB_LOAD_TRACE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define INPUT_LINE_MAX 4096 /* characters, with the end of the line */
#define INPUT_HEAD_MAX 4096 /* bytes that can be looked at ahead */

struct input;

/* "-" is the standard input. NULL with `e` naming the file. */
struct input *input_open(const char *path, struct err *e);
void input_close(struct input *in); /* NULL is allowed */

const char *input_path(const struct input *in);
uint64_t input_line_number(const struct input *in); /* of the last line read, from 1; 0: none yet */
uint64_t input_offset(const struct input *in);      /* bytes consumed, after decompression */

double input_done(const struct input *in); /* share of the file that was read, 0 to 1; -1: no regular file */

/* The bytes that will be read next, at most INPUT_HEAD_MAX; fewer only if the file ends. -errno with `e`. */
int input_peek(struct input *in, const char **bytes, size_t *len, struct err *e);

/*
 * The next line without its end ("\n" or "\r\n"), NUL-terminated, valid until
 * the next call. 1: a line; 0: the end; -errno with `e` naming file and line (a
 * line longer than INPUT_LINE_MAX: -EINVAL).
 */
int input_line(struct input *in, char **line, struct err *e);

/* Exactly `len` bytes. 1; 0: the end, before the first byte; -errno with `e`: also if the file ends within. */
int input_bytes(struct input *in, void *to, size_t len, struct err *e);

#endif
