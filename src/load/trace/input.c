/* Streaming input, see input.h. */
#include "load/trace/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define RAW_BYTES      (64u << 10)
#define TEXT_BYTES     (64u << 10) /* more than INPUT_LINE_MAX and INPUT_HEAD_MAX */

#define STANDARD_INPUT "standard input" /* what "-" is called */

struct input {
    char *path;
    int fd;
    enum { INPUT_PLAIN, INPUT_GZIP, INPUT_ZSTD } kind;
    bool raw_end; /* the file has no more bytes */
    bool midway;  /* inside a compressed stream */
    size_t raw_at, raw_len;
    size_t at, len; /* of text[] */
    uint64_t line, consumed;
    int64_t file_bytes; /* 0: not known */
    uint64_t raw_bytes; /* read of them */
    z_stream gzip;
    ZSTD_DStream *zstd;
    unsigned char raw[RAW_BYTES];
    char text[TEXT_BYTES + 1];
};

static int fill_raw(struct input *in, struct err *e) {
    if (in->raw_at < in->raw_len || in->raw_end)
        return 0;
    ssize_t got;
    do
        got = read(in->fd, in->raw, sizeof(in->raw));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(e, errno, "%s: %s", in->path, strerror(errno));
    in->raw_at = 0;
    in->raw_len = (size_t)got;
    in->raw_bytes += (uint64_t)got;
    in->raw_end = !got;
    return 0;
}

static int damaged(const struct input *in, const char *format, const char *how, struct err *e) {
    char line[32] = "";
    if (in->line)
        snprintf(line, sizeof(line), "%" PRIu64 ":", in->line + 1);
    return err_set(e, EINVAL, "%s:%s the %s data are damaged after %" PRIu64 " bytes: %s", in->path, line, format,
                   in->consumed + in->len - in->at, how);
}

static int more_gzip(struct input *in, char *to, size_t room, size_t *made, struct err *e) {
    in->gzip.next_in = in->raw + in->raw_at;
    in->gzip.avail_in = (uInt)(in->raw_len - in->raw_at);
    in->gzip.next_out = (unsigned char *)to;
    in->gzip.avail_out = (uInt)room;
    int ret = inflate(&in->gzip, Z_NO_FLUSH);
    in->raw_at = in->raw_len - in->gzip.avail_in;
    *made = room - in->gzip.avail_out;
    if (ret == Z_STREAM_END) { /* another member may follow */
        in->midway = false;
        return inflateReset(&in->gzip) == Z_OK ? 0 : damaged(in, "gzip", "no second member", e);
    }
    in->midway = true;
    if (ret != Z_OK && ret != Z_BUF_ERROR)
        return damaged(in, "gzip", in->gzip.msg ? in->gzip.msg : "not gzip", e);
    return 0;
}

static int more_zstd(struct input *in, char *to, size_t room, size_t *made, struct err *e) {
    ZSTD_inBuffer from = {in->raw, in->raw_len, in->raw_at};
    ZSTD_outBuffer into = {to, room, 0};
    size_t ret = ZSTD_decompressStream(in->zstd, &into, &from);
    in->raw_at = from.pos;
    *made = into.pos;
    if (ZSTD_isError(ret))
        return damaged(in, "zstd", ZSTD_getErrorName(ret), e);
    in->midway = ret != 0;
    return 0;
}

/* Put at least one more byte into text[], unless the file ends. */
static int fill(struct input *in, struct err *e) {
    size_t made = 0;
    memmove(in->text, in->text + in->at, in->len - in->at);
    in->len -= in->at;
    in->at = 0;
    while (!made && in->len < TEXT_BYTES) {
        int ret = fill_raw(in, e);
        bool dry = in->raw_at == in->raw_len;
        if (ret)
            return ret;
        if (dry && in->kind == INPUT_PLAIN)
            break;
        char *to = in->text + in->len;
        size_t room = TEXT_BYTES - in->len;
        if (in->kind == INPUT_GZIP) {
            if (dry && !in->midway)
                break;
            ret = more_gzip(in, to, room, &made, e);
        } else if (in->kind == INPUT_ZSTD) {
            if (dry && !in->midway)
                break;
            ret = more_zstd(in, to, room, &made, e);
        } else {
            made = in->raw_len - in->raw_at < room ? in->raw_len - in->raw_at : room;
            memcpy(to, in->raw + in->raw_at, made);
            in->raw_at += made;
        }
        if (ret)
            return ret;
        if (!made && dry)
            return damaged(in, in->kind == INPUT_GZIP ? "gzip" : "zstd", "the file ends too early", e);
    }
    in->len += made;
    return 0;
}

/* Have `want` bytes in text[] if the file has them. */
static int have(struct input *in, size_t want, struct err *e) {
    while (in->len - in->at < want) {
        size_t before = in->len - in->at;
        int ret = fill(in, e);
        if (ret)
            return ret;
        if (in->len - in->at == before)
            break;
    }
    return 0;
}

static void measure(struct input *in) {
    struct stat st;
    if (!fstat(in->fd, &st) && S_ISREG(st.st_mode))
        in->file_bytes = st.st_size;
}

/* What is no trace for sure, though a trace may be in it. */
static int refuse_others(const struct input *in, struct err *e) {
    static const struct {
        const char *begins, *what;
        size_t length;
    } rows[] = {{"\xfd"
                 "7zXZ",
                 "compressed by xz", 5},
                {"BZh", "compressed by bzip2", 3},
                {"\x04\x22\x4d\x18", "compressed by lz4", 4},
                {"PK\x03\x04", "a ZIP archive", 4},
                {"\xff\xfe", "text in UTF-16", 2},
                {"\xfe\xff", "text in UTF-16", 2}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (in->raw_len >= rows[i].length && !memcmp(in->raw, rows[i].begins, rows[i].length))
            return err_set(e, EINVAL,
                           "%s: is %s; allowed are traces as they are (text in ASCII or UTF-8) or compressed by gzip "
                           "or zstd",
                           in->path, rows[i].what);
    return 0;
}

static int recognise(struct input *in, struct err *e) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    measure(in);
    int ret = fill_raw(in, e);
    if (ret)
        return ret;
    if (in->raw_len >= sizeof(gzip) && !memcmp(in->raw, gzip, sizeof(gzip))) {
        in->kind = INPUT_GZIP;
        if (inflateInit2(&in->gzip, 15 + 16) != Z_OK) /* the largest window, gzip's header */
            return err_set(e, ENOMEM, "%s: no memory to decompress", in->path);
    } else if (in->raw_len >= sizeof(zstd) && !memcmp(in->raw, zstd, sizeof(zstd))) {
        in->kind = INPUT_ZSTD;
        in->zstd = ZSTD_createDStream();
        if (!in->zstd)
            return err_set(e, ENOMEM, "%s: no memory to decompress", in->path);
    } else {
        return refuse_others(in, e);
    }
    return 0;
}

/* Some editors put it before text in UTF-8. */
static int skip_byte_order_mark(struct input *in, struct err *e) {
    static const char mark[] = "\xef\xbb\xbf";
    int ret = have(in, sizeof(mark) - 1, e);
    if (!ret && in->len - in->at >= sizeof(mark) - 1 && !memcmp(in->text + in->at, mark, sizeof(mark) - 1)) {
        in->at += sizeof(mark) - 1;
        in->consumed += sizeof(mark) - 1;
    }
    return ret;
}

struct input *input_open(const char *path, struct err *e) {
    struct input *in = calloc(1, sizeof(*in));
    bool standard = !strcmp(path, "-");
    if (in)
        in->path = strdup(standard ? STANDARD_INPUT : path);
    if (!in || !in->path) {
        free(in);
        err_set(e, ENOMEM, "%s: no memory to read it", path);
        return NULL;
    }
    in->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        err_set(e, errno, "%s: %s", in->path, strerror(errno));
    else if (!recognise(in, e) && !skip_byte_order_mark(in, e))
        return in;
    input_close(in);
    return NULL;
}

void input_close(struct input *in) {
    if (!in)
        return;
    if (in->kind == INPUT_GZIP)
        inflateEnd(&in->gzip);
    ZSTD_freeDStream(in->zstd);
    if (in->fd >= 0)
        close(in->fd);
    free(in->path);
    free(in);
}

const char *input_path(const struct input *in) {
    return in->path;
}

uint64_t input_line_number(const struct input *in) {
    return in->line;
}

uint64_t input_offset(const struct input *in) {
    return in->consumed;
}

double input_done(const struct input *in) {
    return in->file_bytes ? (double)(in->raw_bytes - (in->raw_len - in->raw_at)) / (double)in->file_bytes : -1;
}

int input_peek(struct input *in, const char **bytes, size_t *len, struct err *e) {
    int ret = have(in, INPUT_HEAD_MAX, e);
    *bytes = in->text + in->at;
    *len = in->len - in->at < INPUT_HEAD_MAX ? in->len - in->at : INPUT_HEAD_MAX;
    return ret;
}

int input_line(struct input *in, char **line, struct err *e) {
    char *end = memchr(in->text + in->at, '\n', in->len - in->at);
    if (!end) {
        int ret = have(in, INPUT_LINE_MAX, e);
        if (ret)
            return ret;
        if (in->at == in->len)
            return 0;
        end = memchr(in->text + in->at, '\n', in->len - in->at);
    }
    in->line++;
    *line = in->text + in->at;
    size_t len = end ? (size_t)(end - *line) : in->len - in->at; /* the last line may lack its end */
    if (len >= INPUT_LINE_MAX)
        return err_set(e, EINVAL, "%s:%" PRIu64 ": a line of more than %d characters", in->path, in->line,
                       INPUT_LINE_MAX - 1);
    in->at += len + (end != NULL);
    in->consumed += len + (end != NULL);
    if (len && (*line)[len - 1] == '\r')
        len--;
    (*line)[len] = 0; /* text[] has room for one more */
    return 1;
}

int input_bytes(struct input *in, void *to, size_t len, struct err *e) {
    for (size_t done = 0; done < len;) {
        int ret = in->at == in->len ? fill(in, e) : 0;
        size_t part = in->len - in->at < len - done ? in->len - in->at : len - done;
        if (ret)
            return ret;
        if (!part)
            return done ? err_set(e, EINVAL, "%s: ends at byte %" PRIu64 ", within a record", in->path, in->consumed)
                        : 0;
        memcpy((char *)to + done, in->text + in->at, part);
        in->at += part;
        in->consumed += part;
        done += part;
    }
    return 1;
}
