/*
 * Is a tiny log-structured store crash-consistent? Find out by cutting the
 * power of the drive under it, hundreds of times at random moments.
 *
 * The store appends records of one 4 KiB block each. commit() makes all of them
 * durable with a flush. After a power cut, recover() reads records from the
 * start of the log until one isn't intact. What must hold:
 *
 *   1. every record of an acknowledged commit is found;
 *   2. every record that is found is one that was appended, in its order.
 *
 * Run with "no-flush" to see the test catch a store that forgets its flush.
 *
 *   cc crash_log.c $(pkg-config --cflags --libs drivelab) && ./a.out
 */
#include <drivelab.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK   4096
#define RECORDS 512 /* of the log */
#define ROUNDS  300

struct record {
    uint64_t generation, number; /* of the log, and of the record in it */
    unsigned char payload[BLOCK - 24];
    uint64_t sum;
};

struct log {
    struct drivelab_drive *drive;
    int flushes; /* does commit() flush? */
    uint64_t generation;
    uint64_t appended;  /* records handed to the drive */
    uint64_t committed; /* records covered by an acknowledged commit */
    uint64_t failed;
};

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t n) { /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
}

static uint64_t sum_of(const struct record *r) { /* FNV-1a over everything before the sum */
    const unsigned char *bytes = (const unsigned char *)r;
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < offsetof(struct record, sum); i++)
        h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}

static void make_record(struct record *r, uint64_t generation, uint64_t number) {
    *r = (struct record){.generation = generation, .number = number};
    memset(r->payload, (int)(number * 7 + generation), sizeof(r->payload));
    r->sum = sum_of(r);
}

static void write_done(const struct drivelab_answer *answer, void *user) {
    struct log *log = user;
    if (answer->status != DRIVELAB_OK)
        log->failed++;
}

/* Append `count` records, all in flight at once. Their buffers must live until they are answered. */
static void append(struct log *log, struct record *buffers, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        make_record(&buffers[i], log->generation, log->appended);
        struct drivelab_request write = {
            .struct_size = sizeof(write),
            .op = DRIVELAB_WRITE,
            .offset = log->appended * BLOCK,
            .bytes = BLOCK,
            .data = &buffers[i],
            .done = write_done,
            .user = log,
        };
        if (drivelab_submit(log->drive, &write))
            abort();
        log->appended++;
    }
}

struct commit {
    struct log *log;
    uint64_t upto;
};

static void commit_done(const struct drivelab_answer *answer, void *user) {
    struct commit *c = user;
    if (answer->status == DRIVELAB_OK)
        c->log->committed = c->upto;
}

/* The caller has waited for its appends. */
static void commit(struct commit *c) {
    c->upto = c->log->appended;
    if (!c->log->flushes) {
        c->log->committed = c->upto; /* the bug: writes that were answered are taken for durable */
        return;
    }
    struct drivelab_request flush = {
        .struct_size = sizeof(flush), .op = DRIVELAB_FLUSH, .done = commit_done, .user = c};
    if (drivelab_submit(c->log->drive, &flush))
        abort();
}

/* How many intact records of this generation stand at the start of the log. */
static uint64_t recover(struct log *log) {
    static struct record r;
    for (uint64_t n = 0; n < RECORDS; n++) {
        struct drivelab_request read = {
            .struct_size = sizeof(read),
            .op = DRIVELAB_READ,
            .offset = n * BLOCK,
            .bytes = BLOCK,
            .data = &r,
            .done = write_done,
            .user = log,
        };
        if (drivelab_submit(log->drive, &read))
            abort();
        drivelab_wait(log->drive);
        if (r.sum != sum_of(&r) || r.generation != log->generation || r.number != n)
            return n;
    }
    return RECORDS;
}

/* Write a log with a commit now and then, until the power goes. */
static void write_until(struct drivelab_lab *lab, struct log *log, int64_t end_ns) {
    static struct record buffers[RECORDS];
    struct commit c = {log, 0};
    while (log->appended < RECORDS) {
        unsigned batch = 1 + (unsigned)random_below(8);
        if (batch > RECORDS - log->appended)
            batch = RECORDS - (unsigned)log->appended;
        append(log, buffers + log->appended, batch);
        while (drivelab_inflight(log->drive) && drivelab_now(lab) < end_ns)
            drivelab_run(lab, drivelab_now(lab) + 1000);
        if (drivelab_now(lab) >= end_ns)
            break;
        commit(&c);
        while (drivelab_inflight(log->drive) && drivelab_now(lab) < end_ns)
            drivelab_run(lab, drivelab_now(lab) + 1000);
        if (drivelab_now(lab) >= end_ns)
            break;
    }
    drivelab_power_cut(log->drive);
}

int main(int argc, char **argv) {
    struct drivelab_error e;
    int flushes = !(argc > 1 && !strcmp(argv[1], "no-flush"));
    struct drivelab_lab *lab = drivelab_lab_new(NULL, &e);
    struct drivelab_drive *drive = lab ? drivelab_open(lab, "tlc", NULL, "memory", NULL, &e) : NULL;
    if (!drive) {
        fprintf(stderr, "crash_log: %s\n", e.text);
        return 2;
    }
    uint64_t lost = 0, committed = 0, found = 0;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        struct log log = {.drive = drive, .flushes = flushes, .generation = round};
        write_until(lab, &log, drivelab_now(lab) + 1000 + (int64_t)random_below(3000000));
        uint64_t there = recover(&log);
        if (there < log.committed) {
            if (!lost)
                printf("round %u: %" PRIu64 " records were committed, %" PRIu64 " are left\n", round, log.committed,
                       there);
            lost += log.committed - there;
        }
        if (there > log.appended) {
            printf("round %u: %" PRIu64 " records appended, %" PRIu64 " found\n", round, log.appended, there);
            lost++;
        }
        committed += log.committed;
        found += there;
    }
    printf("%u power cuts: %" PRIu64 " records committed, %" PRIu64 " found, %" PRIu64 " committed ones lost\n", ROUNDS,
           committed, found, lost);
    drivelab_close(drive);
    drivelab_lab_free(lab);
    return lost != 0;
}
