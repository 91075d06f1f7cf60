/*
 * The file is looked at a few times a second and read in pieces, so that the
 * drive is not held up; a report is decoded by its text alone for the same
 * reason (drivelab oops --vmlinux tells more afterwards). A report ends where
 * the reader sees its end, or when nothing more was written for a while.
 *
 * Source for the lines of Linux's driver: drivers/nvme/host/{pci,core,tcp}.c of
 * 5.4 to 6.12. Its tag of a command is the low 12 bits of the command
 * identifier; above it stands a generation since 5.14.
 */
#include "cli/guest_log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "diag/oops/log/reader.h"
#include "diag/oops/verdict/verdict.h"
#include "nvme/history.h"

#define LOOK_NS      250000000L
#define PIECE        (256u << 10)
#define PIECES_MAX   4096u /* read of one file at the end */
#define IDLE_LOOKS   6u    /* after so many looks without a byte a report is over */
#define TAGS_MAX     16u
#define COMMANDS_MAX 12u
#define TAG_MASK     0xfffu

struct tag {
    unsigned tag, qid;
};

struct guest_log {
    struct sim_watch watch; /* first: the callback gets it */
    struct sim *sim;
    const struct nvme_subsystem *subsystem;
    char *path;
    int fd; /* -1: not there yet */
    struct oops_reader *reader;
    unsigned idle;
    bool pending; /* bytes since the reader's last end */
    char line[512];
    size_t line_len;
    struct tag tags[TAGS_MAX]; /* the driver complained about, the last ones */
    unsigned tag_count;
    char piece[PIECE];
};

/* ---- Lines of the driver ---- */

static bool number_after(const char *line, const char *word, unsigned *n) {
    const char *at = strstr(line, word);
    if (!at || !isdigit((unsigned char)at[strlen(word)]))
        return false;
    unsigned long value = strtoul(at + strlen(word), NULL, 0);
    *n = (unsigned)value;
    return value <= UINT16_MAX;
}

bool guest_log_tag(const char *line, unsigned *tag, unsigned *qid) {
    if (!strstr(line, "nvme"))
        return false;
    if (number_after(line, "QID ", qid) && (number_after(line, "I/O tag ", tag) || number_after(line, "I/O ", tag)))
        return true;
    if (number_after(line, "queue ", qid) && /* nvme-tcp of 5.0 to 6.7 */
        (number_after(line, "timeout request ", tag) || number_after(line, "timeout cid ", tag)))
        return true;
    if (number_after(line, "invalid id ", tag) && number_after(line, "on queue ", qid))
        return true;
    *qid = 0;
    return strstr(line, "genctr mismatch") && number_after(line, "request ", tag);
}

static void take_line(struct guest_log *g) {
    struct tag t;
    g->line[g->line_len] = 0;
    if (!guest_log_tag(g->line, &t.tag, &t.qid))
        return;
    t.tag &= TAG_MASK;
    if (g->tag_count == TAGS_MAX)
        memmove(g->tags, g->tags + 1, (TAGS_MAX - 1) * sizeof(t));
    else
        g->tag_count++;
    g->tags[g->tag_count - 1] = t;
}

static void take_bytes(struct guest_log *g, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            take_line(g);
            g->line_len = 0;
        } else if (g->line_len + 1 < sizeof(g->line) && bytes[i]) {
            g->line[g->line_len++] = bytes[i];
        }
    }
}

/* ---- Reports ---- */

static int64_t field(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

/* The kernel complained about this command: its tag and queue are the same. */
static bool complained(const struct guest_log *g, const json_t *command) {
    for (unsigned i = 0; i < g->tag_count; i++)
        if ((unsigned)field(command, "cid") % (TAG_MASK + 1) == g->tags[i].tag &&
            (g->tags[i].qid == 0 || field(command, "qid") == g->tags[i].qid))
            return true;
    return false;
}

static void print_command(const struct guest_log *g, const json_t *command) {
    const char *stage = json_string_value(json_object_get(command, "stage"));
    const char *reason = json_string_value(json_object_get(command, "reason"));
    fprintf(stderr, "  queue %-3" PRId64 " command %04" PRIx64 " (tag %" PRId64 ")  %-14s", field(command, "qid"),
            (uint64_t)field(command, "cid"), field(command, "cid") & TAG_MASK,
            json_string_value(json_object_get(command, "command")));
    if (json_object_get(command, "slba"))
        fprintf(stderr, " LBA %" PRId64 "+%" PRId64, field(command, "slba"), field(command, "nlb"));
    if (stage)
        fprintf(stderr, ", for %s: %s", text_time(field(command, "age")).s, stage);
    else if (json_object_get(command, "status"))
        fprintf(stderr, ", status %" PRIx64 "h", (uint64_t)field(command, "status"));
    if (reason)
        fprintf(stderr, ": %s", reason);
    fputs(complained(g, command) ? "  <- the kernel names this tag\n" : "\n", stderr);
}

static void print_list(const struct guest_log *g, const json_t *list, const char *title) {
    size_t i;
    json_t *command;
    if (json_array_size(list))
        fprintf(stderr, "\n%s\n", title);
    json_array_foreach(list, i, command) print_command(g, command);
}

static void print_drive(const struct guest_log *g) {
    json_t *history = nvme_history_json(g->subsystem, COMMANDS_MAX);
    print_list(g, json_object_get(history, "commands"), "The drive's last commands, the newest last");
    print_list(g, json_object_get(history, "in_flight"), "On their way in the drive");
    json_decref(history);
    for (unsigned i = 0; i < g->tag_count; i++)
        fprintf(stderr, "%s tag %u of queue %u%s", i ? "," : "\nThe kernel's driver complained of", g->tags[i].tag,
                g->tags[i].qid, i + 1 == g->tag_count ? "\n" : "");
}

static void take_report(void *ctx, struct oops_report *report) {
    struct guest_log *g = ctx;
    struct oops_verdict v = {0};
    const struct oops_print how = {.columns = 80, .colour = isatty(STDERR_FILENO)};
    oops_verdict_text(report, &v);
    log_warn(LOG_MAIN, "the guest's kernel: %s", v.headline);
    oops_print(stderr, report, &v, &how);
    print_drive(g);
    oops_report_free(report);
}

/* ---- The file ---- */

static void end_reports(struct guest_log *g) {
    if (!g->pending)
        return;
    oops_reader_end(g->reader);
    oops_reader_free(g->reader);
    g->reader = oops_reader_new(take_report, g);
    g->pending = false;
}

/* The file is another one now, or was cut. */
static bool is_other(const struct guest_log *g) {
    struct stat now, open_one;
    if (stat(g->path, &now) != 0 || fstat(g->fd, &open_one) != 0)
        return false;
    return now.st_ino != open_one.st_ino || now.st_dev != open_one.st_dev;
}

static ssize_t look(struct guest_log *g) {
    ssize_t n = g->fd >= 0 ? read(g->fd, g->piece, PIECE) : 0;
    if (n > 0 && g->reader) {
        take_bytes(g, g->piece, (size_t)n);
        oops_reader_feed(g->reader, g->piece, (size_t)n);
        g->pending = true;
        g->idle = 0;
    } else if (++g->idle >= IDLE_LOOKS && g->reader) {
        end_reports(g);
    }
    return n;
}

static void reopen(struct guest_log *g) {
    struct stat st;
    if (g->fd >= 0 && is_other(g)) {
        if (look(g) > 0)
            return; /* written between the last look and the move */
        close(g->fd);
        g->fd = -1;
    }
    if (g->fd < 0)
        g->fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (g->fd >= 0 && fstat(g->fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(g->fd, 0, SEEK_CUR) > st.st_size)
        lseek(g->fd, 0, SEEK_SET);
}

/* What stands in the file, but not more of a file without an end than that. */
static void read_rest(struct guest_log *g) {
    for (unsigned n = 0; n < PIECES_MAX && look(g) > 0; n++)
        ;
}

static void on_time(struct sim_watch *w, uint32_t events) {
    struct guest_log *g = (struct guest_log *)w;
    uint64_t times;
    if (read(w->fd, &times, sizeof(times)) != sizeof(times))
        return;
    if (look(g) <= 0) /* only then: what stands in a file that was moved away is read first */
        reopen(g);
}

struct guest_log *guest_log_open(const char *path, struct sim *sim, const struct nvme_subsystem *subsystem,
                                 struct err *e) {
    struct itimerspec every = {{0, LOOK_NS}, {0, LOOK_NS}};
    struct guest_log *g = calloc(1, sizeof(*g));
    if (!g || !(g->path = strdup(path)) || !(g->reader = oops_reader_new(take_report, g))) {
        if (g)
            free(g->path);
        free(g);
        err_set(e, ENOMEM, "no memory");
        return NULL;
    }
    g->sim = sim;
    g->subsystem = subsystem;
    g->fd = -1;
    g->watch = (struct sim_watch){.events = EPOLLIN, .ready = on_time};
    g->watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (g->watch.fd < 0 || timerfd_settime(g->watch.fd, 0, &every, NULL) != 0 || sim_watch_add(sim, &g->watch) != 0) {
        err_set(e, errno, "--guest-log %s: %s", path, strerror(errno));
        if (g->watch.fd >= 0)
            close(g->watch.fd);
        oops_reader_free(g->reader);
        free(g->path);
        free(g);
        return NULL;
    }
    reopen(g);
    return g;
}

void guest_log_close(struct guest_log *g) {
    if (!g)
        return;
    read_rest(g);
    reopen(g);
    read_rest(g);
    end_reports(g);
    sim_watch_remove(g->sim, &g->watch);
    close(g->watch.fd);
    if (g->fd >= 0)
        close(g->fd);
    oops_reader_free(g->reader);
    free(g->path);
    free(g);
}
