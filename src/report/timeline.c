/*
 * Writing a timeline; see timeline.h. The format: "Trace Event Format", Google,
 * 2016; complete events (ph X) with a process for each kind of lane.
 *
 * Uses of a die come once for each plane of a multi-plane operation; they are
 * one event, so each die holds its last one back until a different one comes.
 *
 * Simplified: more than HOST_LANES requests of a kind at once are not all drawn.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "report/timeline_int.h"

static const char *const kind_names[NAND_KINDS] = {"read", "program", "erase"};
static const char *const cause_names[NAND_CAUSES] = {"host", "mapping", "gc", "wear"};
static const char *const op_names[IO_OPS] = {"read", "write", "flush", "trim", "write zeroes", "append", "zone"};
static const char *const host_names[HOST_KINDS] = {"reads", "writes", "others"};

struct timeline *timeline_new(const struct timeline_config *config, const struct nand_config *nand, int64_t start_ns) {
    struct timeline *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->config = *config;
    t->start_ns = start_ns;
    t->channels = nand ? nand->channels : 0;
    t->luns = nand ? nand->luns : 1;
    t->dies = t->channels * t->luns;
    t->die = calloc(t->dies + 1, sizeof(*t->die));
    t->channel_seen = calloc(t->channels + 1, sizeof(*t->channel_seen));
    if (!t->die || !t->channel_seen) {
        free(t->die);
        free(t->channel_seen);
        free(t);
        return NULL;
    }
    t->slice.since_ns = t->idle.since_ns = -1;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", config->out);
    return t;
}

/* --- events --- */

void timeline_comma(struct timeline *t) {
    if (t->any)
        fputs(",\n", t->config.out);
    t->any = true;
}

static void print_us(FILE *out, const char *key, int64_t ns) {
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    fprintf(out, "\"%s\":%s%" PRIu64 ".%03u", key, ns < 0 ? "-" : "", size / 1000, (unsigned)(size % 1000));
}

/* Whether there is still something to be written at this time, since start_ns. */
static bool wanted(struct timeline *t, int64_t from, int64_t to) {
    if (t->full || to <= t->config.from_ns || from >= t->config.to_ns)
        return false;
    if (t->events == t->config.events) {
        t->full = true;
        t->full_at_ns = from;
        return false;
    }
    t->events++;
    timeline_comma(t);
    return true;
}

bool timeline_begin(struct timeline *t, enum process process, uint32_t lane, int64_t from_ns, int64_t to_ns) {
    int64_t from = from_ns - t->start_ns, to = to_ns - t->start_ns;
    if (!wanted(t, from, to))
        return false;
    fprintf(t->config.out, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%u,", process, lane);
    print_us(t->config.out, "ts", from);
    fputc(',', t->config.out);
    print_us(t->config.out, "dur", to - from);
    return true;
}

bool timeline_count(struct timeline *t, enum process process, const char *name, int64_t at_ns, uint64_t value) {
    int64_t at = at_ns - t->start_ns;
    if (!wanted(t, at, at + 1))
        return false;
    fprintf(t->config.out, "{\"ph\":\"C\",\"pid\":%d,\"tid\":0,\"cat\":\"value\",\"name\":\"%s\",", process, name);
    print_us(t->config.out, "ts", at);
    fprintf(t->config.out, ",\"args\":{\"%s\":%" PRIu64 "}}", name, value);
    return true;
}

/* --- requests --- */

static enum host_kind host_kind(const struct io *io) {
    if (io->op == IO_READ)
        return HOST_READ;
    return io->op == IO_WRITE || io->op == IO_APPEND || io->op == IO_WRITE_ZEROES ? HOST_WRITE : HOST_OTHER;
}

uint32_t timeline_submitted(struct timeline *t, const struct io *io) {
    enum host_kind kind = host_kind(io);
    for (uint32_t word = 0; word < LANE_WORDS; word++) {
        uint64_t taken = t->taken[kind][word];
        if (taken == UINT64_MAX)
            continue;
        uint32_t lane = word * 64 + (uint32_t)__builtin_ctzll(~taken);
        t->taken[kind][word] = taken | 1ull << lane % 64;
        return lane;
    }
    t->crowded++;
    return TIMELINE_NO_LANE;
}

static uint32_t host_lane(enum host_kind kind, uint32_t lane) {
    return kind * HOST_LANES + lane + 1;
}

void timeline_answered(struct timeline *t, const struct io *io, uint32_t lane) {
    enum host_kind kind = host_kind(io);
    if (lane == TIMELINE_NO_LANE)
        return;
    t->taken[kind][lane / 64] &= ~(1ull << lane % 64);
    if (io->completed_ns <= io->submitted_ns ||
        !timeline_begin(t, PROCESS_HOST, host_lane(kind, lane), io->submitted_ns, io->completed_ns))
        return;
    t->lanes[kind] = lane >= t->lanes[kind] ? lane + 1 : t->lanes[kind];
    fprintf(t->config.out, ",\"name\":\"%s\",\"cat\":\"host\",\"args\":{\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64,
            op_names[io->op < IO_OPS ? io->op : IO_FLUSH], io->offset, io->bytes);
    if (io->status)
        fprintf(t->config.out, ",\"status\":\"0x%03x\"", (unsigned)io->status);
    fputs("}}", t->config.out);
}

/* --- flash --- */

static void use_channel(struct timeline *t, uint32_t index, enum nand_phase phase, const struct nand_op *op,
                        int64_t from_ns, int64_t to_ns) {
    const char *name = phase == NAND_PHASE_COMMAND ? "command" : op->kind == NAND_READ ? "data out" : "data in";
    if (!timeline_begin(t, PROCESS_CHANNELS, index + 1, from_ns, to_ns))
        return;
    t->channel_seen[index] = true;
    fprintf(t->config.out,
            ",\"name\":\"%s\",\"cat\":\"%s\",\"args\":{\"operation\":\"%s\",\"die\":%u,\"plane\":%u,\"bytes\":%u}}",
            name, cause_names[op->cause], kind_names[op->kind], op->die, op->plane,
            phase == NAND_PHASE_COMMAND ? 0 : op->bytes);
}

static void print_planes(FILE *out, uint32_t planes) {
    const char *separator = "";
    fputs("\"planes\":[", out);
    for (uint32_t plane = 0; planes >> plane; plane++)
        if (planes >> plane & 1) {
            fprintf(out, "%s%u", separator, plane);
            separator = ",";
        }
    fputc(']', out);
}

/* Write what a die holds back. */
static void flush_die(struct timeline *t, uint32_t index) {
    struct die_use *u = &t->die[index];
    if (!u->planes || !timeline_begin(t, PROCESS_DIES, index + 1, u->from_ns, u->to_ns)) {
        u->planes = 0;
        return;
    }
    u->seen = true;
    FILE *out = t->config.out;
    if (u->phase == NAND_PHASE_ARRAY)
        fprintf(out, ",\"name\":\"%s %s\"", cause_names[u->cause], kind_names[u->kind]);
    else
        fprintf(out, ",\"name\":\"%s\"", u->phase == NAND_PHASE_SUSPEND ? "suspend" : "resume");
    fprintf(out, ",\"cat\":\"%s\",\"args\":{", cause_names[u->cause]);
    print_planes(out, u->planes);
    fprintf(out, ",\"block\":%u,\"page\":%u}}", u->block, u->page);
    u->planes = 0;
}

static void use_die(struct timeline *t, uint32_t index, enum nand_phase phase, const struct nand_op *op,
                    int64_t from_ns, int64_t to_ns) {
    struct die_use *u = &t->die[index];
    if (u->planes && u->from_ns == from_ns && u->to_ns == to_ns) {
        u->planes |= 1u << op->plane;
        return;
    }
    flush_die(t, index);
    *u = (struct die_use){.from_ns = from_ns,
                          .to_ns = to_ns,
                          .planes = 1u << op->plane,
                          .block = op->block,
                          .page = op->kind == NAND_ERASE ? 0 : op->page,
                          .phase = (uint8_t)phase,
                          .kind = op->kind,
                          .cause = op->cause,
                          .seen = u->seen};
}

void timeline_use(struct timeline *t, enum nand_resource resource, uint32_t index, enum nand_phase phase,
                  const struct nand_op *op, int64_t from_ns, int64_t to_ns) {
    if (t->full)
        return;
    if (resource == NAND_CHANNEL)
        use_channel(t, index, phase, op, from_ns, to_ns);
    else
        use_die(t, index, phase, op, from_ns, to_ns);
}

/* --- names --- */

/* One event of phase M, with the category and time that Chrome gives them: strict readers want both. */
static void name_one(struct timeline *t, enum process process, uint32_t lane, const char *what) {
    timeline_comma(t);
    fprintf(t->config.out,
            "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"ts\":0,\"cat\":\"__metadata\",\"name\":\"%s\",\"args\":{", process,
            lane, what);
}

void timeline_name_process(struct timeline *t, enum process process, const char *name) {
    name_one(t, process, 0, "process_name");
    fprintf(t->config.out, "\"name\":\"%s\"}}", name);
    name_one(t, process, 0, "process_sort_index");
    fprintf(t->config.out, "\"sort_index\":%d}}", process);
}

void timeline_name_lane(struct timeline *t, enum process process, uint32_t lane, const char *name) {
    name_one(t, process, lane, "thread_name");
    fprintf(t->config.out, "\"name\":\"%s\"}}", name);
    name_one(t, process, lane, "thread_sort_index");
    fprintf(t->config.out, "\"sort_index\":%u}}", lane);
}

static void name_lanes(struct timeline *t) {
    char name[64];
    for (uint32_t kind = 0; kind < HOST_KINDS; kind++)
        for (uint32_t lane = 0; lane < t->lanes[kind]; lane++) {
            snprintf(name, sizeof(name), "%s %u", host_names[kind], lane);
            timeline_name_lane(t, PROCESS_HOST, host_lane(kind, lane), name);
        }
    for (uint32_t i = 0; i < t->channels; i++) {
        snprintf(name, sizeof(name), "channel %u", i);
        if (t->channel_seen[i])
            timeline_name_lane(t, PROCESS_CHANNELS, i + 1, name);
    }
    for (uint32_t i = 0; i < t->dies; i++) {
        snprintf(name, sizeof(name), "die %u (channel %u, LUN %u)", i, i / t->luns, i % t->luns);
        if (t->die[i].seen)
            timeline_name_lane(t, PROCESS_DIES, i + 1, name);
    }
}

struct timeline_end timeline_end(struct timeline *t) {
    for (uint32_t i = 0; i < t->dies; i++)
        flush_die(t, i);
    timeline_name_process(t, PROCESS_HOST, "host requests");
    if (t->dies) {
        timeline_name_process(t, PROCESS_CHANNELS, "channels");
        timeline_name_process(t, PROCESS_DIES, "dies");
    }
    name_lanes(t);
    timeline_queue_end(t);
    struct timeline_end end = {t->events, t->full, t->full_at_ns, t->crowded};
    fprintf(t->config.out,
            "\n],\"otherData\":{\"program\":\"drivelab " DRIVELAB_VERSION "\",\"events\":%" PRIu64
            ",\"complete\":%s,\"requests_without_lane\":%" PRIu64 "}}\n",
            end.events, end.full ? "false" : "true", end.crowded);
    free(t->die);
    free(t->channel_seen);
    free(t);
    return end;
}
