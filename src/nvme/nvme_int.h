/*
 * What the controller's own files share. See nvme.h for the life of a command.
 *
 *   IDLE -start-> STARTED -execute-> RUNNING -finish-> DONE -release-> IDLE
 *                    |                  |                 |
 *                    |   connection gone, or aborted and released, while the
 *                    |   drive still has it: RELEASED -io returns-> IDLE
 *                    +-- connection gone, nobody works on it ------> IDLE
 *
 * Invariants (nvme_check()):
 *   1. every command of a queue's list is in a state other than IDLE, and the
 *      list is `outstanding` long;
 *   2. complete() happens on RUNNING -> DONE (or STARTED -> DONE by reject) only;
 *   3. an identifier's bit is set exactly while its command is STARTED or RUNNING;
 *   4. a queue that is gone holds only commands in RELEASED;
 *   5. started - completed - forgotten = commands STARTED or RUNNING;
 *   6. what is held is STARTED or DONE, and only while the target is paused.
 */
#ifndef DRIVELAB_NVME_INT_H
#define DRIVELAB_NVME_INT_H

#include "base/log.h"
#include "nvme/nvme.h"

#define NVME_NS_MAX            64
#define NVME_MARKS             256 /* ranges of uncorrectable blocks per namespace */
#define NVME_PORTS_MAX         16
#define NVME_IO_QUEUES_MAX     64
#define NVME_CTRLS_MAX         256 /* per target */
#define NVME_AER_MAX           8
#define NVME_ERRORS            64 /* entries of the error information log */
#define NVME_KAS_MS            100
#define NVME_TEMPERATURE_K     313 /* nothing heats up in here: 40 degrees Celsius */
#define NVME_WARN_K            343
#define NVME_CRITICAL_K        353
#define NVME_DISCOVERY_MDTS    (1u << 20)
#define NVME_ADMIN_ENTRIES_MIN 128
#define NVME_HISTORY_MAX       1000000

/* What a handler says; an int does not convert to it. Either final, or the command completes later. */
struct nvme_status {
    uint16_t v; /* SCT << 8 | SC, NVME_MORE, NVME_DNR */
};
#define NVME_OK      ((struct nvme_status){0})
#define NVME_PENDING ((struct nvme_status){0xffff})

enum nvme_cmd_state { NVME_CMD_IDLE, NVME_CMD_STARTED, NVME_CMD_RUNNING, NVME_CMD_DONE, NVME_CMD_RELEASED };

/* ---- Rows ---- */

enum nvme_op_flag {
    NVME_OP_NS = 1u << 0,        /* needs a namespace */
    NVME_OP_NS_ALL = 1u << 1,    /* also takes NSID FFFFFFFFh, ns is NULL then */
    NVME_OP_DISCOVERY = 1u << 2, /* also on a discovery controller */
    NVME_OP_NO_ABORT = 1u << 3,  /* runs to its end */
    NVME_OP_ZONED = 1u << 4,     /* of the Zoned Namespace command set */
};

struct nvme_op_row {
    const char *name; /* NULL: not supported */
    uint32_t flags;
    uint8_t xfer;     /* enum nvme_xfer */
    uint32_t effects; /* besides CSUPP */
    /* Check the entry and set xfer_bytes, slba, nlb. NULL: no data. */
    struct nvme_status (*prepare)(struct nvme_cmd *);
    struct nvme_status (*handler)(struct nvme_cmd *);
    const char *help;
};
extern const struct nvme_op_row nvme_admin_ops[256], nvme_io_ops[256], nvme_fabrics_ops[256];

enum nvme_feat_flag {
    NVME_FEAT_CHANGE = 1u << 0,
    NVME_FEAT_SAVE = 1u << 1,
    NVME_FEAT_NS = 1u << 2,
    NVME_FEAT_DISCOVERY = 1u << 3,
};
#define NVME_FEATS 32 /* rows at most; also saved values in the image */

struct nvme_feat_row {
    uint8_t fid;
    const char *name; /* NULL ends the table */
    uint32_t flags;
    uint32_t data_bytes;
    uint32_t def;
    bool (*present)(const struct nvme_ctrl *); /* NULL: always */
    uint32_t (*def_of)(const struct nvme_ctrl *);
    struct nvme_status (*set)(struct nvme_cmd *, uint32_t cdw11); /* NULL: store cdw11 */
    /* SEL 0: dword 0 of the result, data into cmd->buffer. NULL: the stored value. */
    uint32_t (*get)(struct nvme_cmd *, uint32_t cdw11);
    uint32_t mask; /* bits of cdw11 that may be set, when set is NULL */
};
extern const struct nvme_feat_row nvme_feats[];

struct nvme_log_row {
    uint8_t lid;
    const char *name; /* NULL ends the table */
    uint8_t ctrl;     /* which controllers have it: NVME_LOG_IO, _DISCOVERY, _ZONED, _ROTATIONAL */
    uint64_t (*size)(const struct nvme_ctrl *);
    struct nvme_status (*fill)(struct nvme_cmd *, void *page); /* zeroed, size() bytes */
    void (*read)(struct nvme_cmd *);                           /* after a read with RAE clear */
};
enum { NVME_LOG_IO = 1, NVME_LOG_DISCOVERY = 2, NVME_LOG_ZONED = 4, NVME_LOG_ROTATIONAL = 8 };
extern const struct nvme_log_row nvme_logs[];

struct nvme_cns_row {
    uint8_t cns;
    const char *name; /* NULL ends the table */
    bool discovery;
    bool ns;                                                   /* NSID must name a namespace */
    struct nvme_status (*fill)(struct nvme_cmd *, void *page); /* zeroed, 4096 bytes */
};
extern const struct nvme_cns_row nvme_cnses[];

/* ---- Durable state, used in place; a killed process leaves it usable at any store ---- */

struct nvme_mark {
    uint64_t slba, count; /* count 0: free entry */
};

struct nvme_ns_durable {
    uint32_t lba_shift;
    uint32_t formatting; /* shift it is being formatted to; 0: no format under way */
    uint32_t error_recovery, error_recovery_saved;
    struct nvme_mark marks[NVME_MARKS];
};

struct nvme_durable {
    uint32_t ns_count, rsvd;
    uint64_t power_cycles, unsafe_shutdowns, power_on_ns, busy_ns;
    uint64_t host_reads, host_writes, read_bytes, written_bytes, media_errors, error_entries;
    uint32_t saved_valid; /* bit per row of nvme_feats[] */
    uint32_t saved[NVME_FEATS];
    struct nvme_ns_durable ns[NVME_NS_MAX];
};

/* ---- Objects ---- */

struct nvme_format {
    struct io io;
    struct nvme_ns *ns;
    struct nvme_cmd *cmd; /* whom to tell, or NULL: resumed at start */
    uint64_t cursor;
};

struct nvme_ns {
    struct nvme_subsystem *subsystem;
    struct nvme_ns_durable *durable;
    uint64_t base, bytes; /* of the drive */
    uint64_t nsze;        /* in logical blocks */
    uint32_t nsid;
    uint32_t lba_shift;
    struct io_view view;        /* of this namespace's blocks */
    uint8_t csi;                /* enum nvme_csi */
    uint32_t zone_first, zones; /* of the drive's; zones 0: not zoned */
    uint32_t marks;             /* in use */
    uint32_t inflight;          /* I/O commands in the drive; a format waits for 0 */
    bool busy;                  /* being formatted */
    uint8_t uuid[16], nguid[16], eui64[8];
    struct nvme_format format;
};

enum nvme_past_time { NVME_PAST_RECEIVED, NVME_PAST_SUBMITTED, NVME_PAST_RETURNED, NVME_PAST_SENT, NVME_PAST_TIMES };

/* A command that is over: history.c. One cache line of copies, made sense of when it is read. */
struct nvme_past {
    uint8_t opc, flags;
    le16 cid;
    le32 nsid; /* fabrics commands: FCTYPE */
    uint16_t cntlid, qid, status;
    bool answered, forgotten;
    uint64_t slba;
    uint32_t nlb, failure; /* low half of the failure's number */
    int64_t started_ns;
    uint32_t after[NVME_PAST_TIMES]; /* ns since then, plus 1, 48 bits: three days; 0: did not come to that */
    uint16_t after_high[NVME_PAST_TIMES];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct nvme_past) == 64, "one cache line");

struct nvme_subsystem {
    struct nvme_target *target;
    struct nvme_subsystem *next;
    struct nvme_config config;
    struct drive *drive;
    struct drive_limits limits;
    const struct drive_zoned_ops *zoned; /* NULL: none of the namespaces has zones; else all have */
    struct drive_zoned_limits zones;
    struct drive_zone_watch zone_watch;
    struct sim_event reset; /* of the whole subsystem, asked for by NSSR */
    struct nvme_durable *durable;
    void *spare; /* the buffer of the last large report, for the next; or NULL */
    uint32_t spare_bytes;
    void *zeros; /* mdts bytes to read from when the store keeps no payload */
    uint32_t ns_count;
    struct nvme_ns ns[NVME_NS_MAX];
    struct nvme_past *past; /* ring; NULL: none kept */
    uint32_t past_size, past_at;
    uint64_t past_count;
    struct sim_event watchdog;
    uint32_t inflight;   /* I/O commands, for the busy time */
    uint32_t open_ctrls; /* enabled since the power came, not shut down since, even if gone */
    int64_t busy_since_ns, power_on_since_ns;
    uint64_t admin_count[256], io_count[256], errors;
    int64_t dumped_ns; /* the last dump for a fault */
    uint64_t overdue;  /* commands the watchdog named */
};

struct nvme_error {
    struct nvme_error_log_entry entry;
    char reason[NVME_REASON_MAX];
};

/* Kinds of events, in order of delivery; a bit each. */
enum nvme_event {
    NVME_EVENT_ERROR,
    NVME_EVENT_RELIABILITY,
    NVME_EVENT_TEMPERATURE,
    NVME_EVENT_SPARE,
    NVME_EVENT_NS_ATTRIBUTE,
    NVME_EVENT_ZONES,
    NVME_EVENT_DISCOVERY,
    NVME_EVENTS
};

struct nvme_zone_list;

struct nvme_ctrl {
    struct nvme_target *target;
    struct nvme_subsystem *subsystem; /* NULL: discovery */
    struct nvme_ctrl *next;
    uint32_t refs; /* attached queues, and a shutdown's flush */
    uint16_t cntlid;
    bool dying;
    bool off;           /* its power was cut */
    bool open;          /* was enabled, not shut down since: counted in its subsystem */
    bool write_through; /* feature 06h: the volatile write cache is off */
    uint8_t hostid[16];
    char hostnqn[NVME_NQN_FIELD];
    uint32_t cc, csts;
    struct nvme_queue *queues[NVME_IO_QUEUES_MAX + 1];
    struct nvme_queue *detached; /* disconnected by the host, or gone with commands in the drive; linked by detached */
    uint32_t io_queues;          /* attached */
    uint32_t queues_allowed;

    bool traffic;   /* a command came since the keep alive timer was set */
    bool last_call; /* the timer has fired without */
    uint32_t kato_ms;
    struct sim_event keep_alive, association;
    struct io shutdown; /* its flush */
    bool flushing;      /* it is in the drive */
    bool flush_again;   /* a shutdown after a reset waits for it to come back */

    uint32_t feats[NVME_FEATS]; /* by row; current values of what is not a namespace's */
    int64_t timestamp_set_ns;
    uint64_t timestamp_ms;
    uint8_t timestamp_origin;
    struct nvme_host_behavior host_behavior;
    uint16_t temp_over[10], temp_under[10]; /* 0 composite, 1..8 sensors */

    struct nvme_cmd *aer[NVME_AER_MAX];
    uint32_t aer_count;
    uint32_t events, masked; /* bit per enum nvme_event */
    uint32_t error_info;     /* which error event */
    uint8_t warnings;        /* those already reported */
    int64_t health_ns;       /* when the health was last polled */
    uint64_t changed_ns;     /* bit per NSID - 1 */
    uint64_t zones_pending;  /* bit per NSID - 1: changed zones to tell of */
    uint64_t zones_masked;   /* told, and not read since */
    struct nvme_zone_list *zone_lists[NVME_NS_MAX];

    uint64_t error_count;
    struct nvme_error *errors; /* ring of NVME_ERRORS */
    struct log_limit limit;
};

struct nvme_port {
    uint8_t trtype, adrfam;
    char traddr[256], trsvcid[32];
};

struct nvme_target {
    struct sim *sim;
    struct nvme_subsystem *subsystems;
    struct nvme_ctrl *ctrls;
    uint32_t ctrl_count;
    uint16_t next_cntlid;
    uint64_t genctr;
    uint32_t port_count;
    struct nvme_port ports[NVME_PORTS_MAX];
    uint64_t violations; /* of the state machine; stays 0 */
    uint64_t bare;       /* failures without a reason; stays 0 */

    bool armed, paused; /* armed: something to look at when a command begins or ends */
    unsigned fault_count;
    struct nvme_fault faults[NVME_FAULTS];
    struct nvme_cmd *held_head, *held_tail;
    uint64_t held_count, lost_completions;

    uint64_t failure_count;
    struct nvme_failure *failures; /* ring of NVME_FAILURES */
    struct log_limit limit;
};

#define NVME_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define NVME_LOC(member)                  ((uint16_t)offsetof(struct nvme_sqe, member))
#define NVME_LOC_NONE                     0xffffu

static inline struct nvme_ctrl *nvme_cmd_ctrl(const struct nvme_cmd *cmd) {
    return cmd->queue->ctrl;
}
static inline struct nvme_subsystem *nvme_cmd_subsystem(const struct nvme_cmd *cmd) {
    return cmd->queue->ctrl->subsystem;
}
/* Of fabrics commands the FCTYPE. */
static inline enum nvme_opcode_kind nvme_cmd_kind(const struct nvme_cmd *cmd) {
    if (cmd->sqe.opc == NVME_OPC_FABRICS)
        return NVME_KIND_FABRICS;
    return cmd->queue->qid ? NVME_KIND_IO : NVME_KIND_ADMIN;
}
static inline uint8_t nvme_cmd_opcode(const struct nvme_cmd *cmd) {
    return cmd->sqe.opc == NVME_OPC_FABRICS ? ((const uint8_t *)&cmd->sqe)[4] : cmd->sqe.opc;
}
static inline uint32_t nvme_cdw(const struct nvme_cmd *cmd, unsigned n) { /* 10 to 15 */
    le32 v;
    memcpy(&v, (const uint8_t *)&cmd->sqe + 4 * n, sizeof v);
    return le32_get(v);
}
static inline uint32_t nvme_lba_bytes(const struct nvme_ns *ns) {
    return 1u << ns->lba_shift;
}

/* cmd.c: handlers and their callbacks use these. */

/*
 * Record why a command fails: in the log, the error information log, and the
 * status to return. `location`: byte | bit << 8 in the entry, or NVME_LOC_NONE.
 */
struct nvme_status nvme_fail(struct nvme_cmd *cmd, uint16_t status, uint16_t location, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Complete a RUNNING command; it may be gone when this returns. */
void nvme_cmd_finish(struct nvme_cmd *cmd, struct nvme_status status);
/* The drive or job gave the command back: true if it is still to be finished. */
bool nvme_cmd_returned(struct nvme_cmd *cmd);
/* Hand cmd->io to the drive of its subsystem, done() as given; cmd->io's question is filled. */
void nvme_cmd_submit(struct nvme_cmd *cmd, void (*done)(struct io *));
/* A zeroed buffer of `bytes` as cmd->buffer, out and out_bytes; NULL: out of memory, already failed into *status. */
void *nvme_cmd_buffer(struct nvme_cmd *cmd, uint32_t bytes, struct nvme_status *status);
/* The same with whatever is in it, for large answers: the subsystem keeps one such buffer. */
void *nvme_cmd_scratch(struct nvme_cmd *cmd, uint32_t bytes, struct nvme_status *status);
/* Copy the payload; shorter input is padded with zeros. */
void nvme_cmd_gather(const struct nvme_cmd *cmd, void *to, uint32_t bytes);
void nvme_cmd_result(struct nvme_cmd *cmd, uint32_t dword0);
struct nvme_status nvme_io_failed(struct nvme_cmd *cmd); /* cmd->io's status and reason as the command's */

/* The drive has forgotten every request: give back what ran, let nothing else begin. */
void nvme_queue_power_cut(struct nvme_queue *queue);

/* Finish a command from outside its own progress: Abort, reset. Its io may run on. */
void nvme_cmd_cancel(struct nvme_cmd *cmd, uint16_t status, const char *why);

/* fault.c */
void nvme_faults_arm(struct nvme_target *target);
bool nvme_hold_start(struct nvme_cmd *cmd);      /* true: it begins later */
bool nvme_hold_completion(struct nvme_cmd *cmd); /* true: its end is reported later, or never */
void nvme_unhold(struct nvme_cmd *cmd);
int nvme_check_held(const struct nvme_target *target, struct err *e);

/* failures.c */
void nvme_failure_record(const struct nvme_cmd *cmd, uint16_t status, const char *reason);

/* history.c, watchdog.c */
static inline void nvme_past_time_set(struct nvme_past *p, enum nvme_past_time which, int64_t at_ns) {
    const uint64_t most = (1ull << 48) - 1;
    uint64_t after = at_ns ? (uint64_t)(at_ns - p->started_ns) + 1 : 0;
    after = after < most ? after : most;
    p->after[which] = (uint32_t)after;
    p->after_high[which] = (uint16_t)(after >> 32);
}
static inline void nvme_past_fill(struct nvme_past *p, const struct nvme_cmd *cmd) {
    memcpy(p, &cmd->sqe, 8); /* opcode, flags, identifier, NSID */
    p->cntlid = cmd->queue->ctrl->cntlid;
    p->qid = cmd->queue->qid;
    p->status = cmd->status;
    p->answered = cmd->answered;
    p->forgotten = cmd->forgotten;
    p->slba = cmd->slba;
    p->nlb = cmd->nlb;
    p->failure = (uint32_t)cmd->failure;
    p->started_ns = cmd->started_ns;
    nvme_past_time_set(p, NVME_PAST_RECEIVED, cmd->received_ns);
    nvme_past_time_set(p, NVME_PAST_SUBMITTED, cmd->io.submitted_ns);
    nvme_past_time_set(p, NVME_PAST_RETURNED, cmd->io.completed_ns);
    nvme_past_time_set(p, NVME_PAST_SENT, cmd->sent_ns);
}
/* On the path of every command. */
static inline void nvme_history_add(struct nvme_subsystem *s, const struct nvme_cmd *cmd) {
    struct nvme_past *p = &s->past[s->past_at];
    s->past_at = s->past_at + 1 == s->past_size ? 0 : s->past_at + 1;
    s->past_count++;
    nvme_past_fill(p, cmd);
    if (!cmd->sent_ns && !cmd->forgotten)
        nvme_past_time_set(p, NVME_PAST_SENT, sim_now(s->target->sim));
}
typedef void nvme_cmd_visit(struct nvme_cmd *cmd, void *context);
int nvme_history_init(struct nvme_subsystem *s);
void nvme_history_release(struct nvme_subsystem *s);
void nvme_subsystem_fault(struct nvme_subsystem *s, const char *why); /* see nvme_queue_fault() */
void nvme_each_command(const struct nvme_subsystem *s, nvme_cmd_visit *visit, void *context);
void nvme_watchdog_arm(struct nvme_subsystem *s);
void nvme_watchdog_fire(struct sim_event *ev);

/* admin_*.c */
struct nvme_status nvme_identify(struct nvme_cmd *cmd);
struct nvme_status nvme_identify_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_get_features_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_set_features_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_get_features(struct nvme_cmd *cmd);
struct nvme_status nvme_set_features(struct nvme_cmd *cmd);
void nvme_features_init(struct nvme_ctrl *ctrl);
uint32_t nvme_feature(const struct nvme_ctrl *ctrl, uint8_t fid);
bool nvme_feature_present(const struct nvme_ctrl *ctrl, const struct nvme_feat_row *row);
struct nvme_status nvme_get_log_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_get_log(struct nvme_cmd *cmd);
struct nvme_status nvme_abort(struct nvme_cmd *cmd);
struct nvme_status nvme_async_event_request(struct nvme_cmd *cmd);
struct nvme_status nvme_keep_alive(struct nvme_cmd *cmd);

/* events.c */
void nvme_event_raise(struct nvme_ctrl *ctrl, enum nvme_event event);
void nvme_event_clear(struct nvme_ctrl *ctrl, uint32_t events); /* their log page was read: report the next */
void nvme_events_forget(struct nvme_ctrl *ctrl, struct nvme_cmd *cmd);
/* Look at the drive's health and the thresholds; raise what is new. */
void nvme_health_look(struct nvme_ctrl *ctrl);
void nvme_health_poll(struct nvme_ctrl *ctrl); /* the same, at most every 10 ms: for what hosts can do often */
uint8_t nvme_warnings(const struct nvme_ctrl *ctrl, const struct drive_health *health);

/* format.c */
struct nvme_status nvme_format_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_format(struct nvme_cmd *cmd);
void nvme_format_resume(struct nvme_ns *ns); /* finish what a killed process began */
void nvme_format_go(struct nvme_ns *ns);     /* the last I/O command has left the drive */
void nvme_ns_set_shift(struct nvme_ns *ns, uint32_t shift);
#define NVME_LBA_FORMATS 2
uint32_t nvme_format_shift(uint32_t index); /* block size of an LBA format, as a power of two */

/* io_rw.c, io_misc.c */
struct nvme_status nvme_rw_prepare(struct nvme_cmd *cmd);    /* data in blocks: Read, Write, Compare */
struct nvme_status nvme_range_prepare(struct nvme_cmd *cmd); /* blocks without data */
struct nvme_status nvme_range_check(struct nvme_cmd *cmd, uint64_t slba, uint64_t nlb, uint16_t location);
struct nvme_status nvme_read(struct nvme_cmd *cmd);
struct nvme_status nvme_write(struct nvme_cmd *cmd);
struct nvme_status nvme_flush(struct nvme_cmd *cmd);
struct nvme_status nvme_compare(struct nvme_cmd *cmd);
struct nvme_status nvme_verify(struct nvme_cmd *cmd);
struct nvme_status nvme_write_zeroes(struct nvme_cmd *cmd);
struct nvme_status nvme_write_uncorrectable(struct nvme_cmd *cmd);
struct nvme_status nvme_dsm_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_dsm(struct nvme_cmd *cmd);
struct nvme_status nvme_copy_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_copy(struct nvme_cmd *cmd);
void nvme_io_begin(struct nvme_cmd *cmd); /* around each stay in the drive of a command with a namespace */
void nvme_io_end(struct nvme_cmd *cmd);
uint32_t nvme_fua(const struct nvme_cmd *cmd);
struct nvme_status nvme_still_possible(struct nvme_cmd *cmd);  /* the namespace as it is now */
struct nvme_status nvme_data_still_fits(struct nvme_cmd *cmd); /* the same, but for the range */
/* A read has come back for blocks [slba, slba + nlb): false with *status if they are not to be had. */
bool nvme_read_ok(struct nvme_cmd *cmd, uint64_t slba, uint64_t nlb, struct nvme_status *status);
uint32_t nvme_limit_lbas(const struct nvme_ns *ns); /* Verify, Write Zeroes, Write Uncorrectable at most */
uint32_t nvme_copy_range_lbas(const struct nvme_ns *ns);
uint32_t nvme_copy_total_lbas(const struct nvme_ns *ns);
#define NVME_RANGE_LIMIT_SHIFT 21 /* 2 MiB: VSL, WZSL, WUSL */
#define NVME_COPY_RANGES       128
#define NVME_STEP_BYTES        (64ull << 20) /* work of one step of Dataset Management and Format */

/* marks.c */
bool nvme_marks_hit(const struct nvme_ns *ns, uint64_t slba, uint64_t nlb, uint64_t *first);
int nvme_marks_add(struct nvme_ns *ns, uint64_t slba, uint64_t nlb); /* -ENOSPC: table full */
void nvme_marks_clear(struct nvme_ns *ns, uint64_t slba, uint64_t nlb);
void nvme_marks_count(struct nvme_ns *ns);

/* zns.c: zones of a subsystem and its namespaces */
int nvme_zones_init(struct nvme_subsystem *s, uint64_t *ns_bytes, struct err *e); /* no zones: nothing to do */
void nvme_zones_watch(struct nvme_subsystem *s); /* from now on it stays, until the drive is closed */
void nvme_zones_ns_init(struct nvme_ns *ns);
/* The field of the entry that a refusal by a zone is about. */
uint16_t nvme_zone_location(const struct nvme_cmd *cmd, uint16_t status);
uint64_t nvme_zone_lbas(const struct nvme_ns *ns); /* blocks from the start of a zone to the next */
void nvme_zone_get(const struct nvme_ns *ns, uint32_t zone, struct drive_zone *z);
void nvme_zones_forget_marks(struct nvme_ns *ns);   /* of blocks in Empty zones */
void nvme_zones_shutdown(struct nvme_subsystem *s); /* a controller was shut down: was it the last? */
void nvme_zones_reset(struct nvme_subsystem *s);    /* the subsystem was reset */
/* NSID of a namespace whose changed zones are to be told of, 0: none. `take`: it is told. */
uint32_t nvme_zones_event(struct nvme_ctrl *ctrl, bool take);
void nvme_zone_lists_free(struct nvme_ctrl *ctrl);
uint64_t nvme_changed_zones_size(const struct nvme_ctrl *ctrl);
struct nvme_status nvme_changed_zones_fill(struct nvme_cmd *cmd, void *page);
void nvme_changed_zones_read(struct nvme_cmd *cmd);

/* zns_identify.c */
bool nvme_csi_supported(const struct nvme_subsystem *s, uint32_t csi); /* enum nvme_csi */
const char *nvme_csi_choice(const struct nvme_subsystem *s);           /* which there are, for messages */
void nvme_zns_id_ns(const struct nvme_ns *ns, struct nvme_id_ns_zns *id);
void nvme_zns_id_ctrl(const struct nvme_subsystem *s, struct nvme_id_ctrl_zns *id);

/* zns_mgmt.c, zns_io.c */
struct nvme_status nvme_zone_start_check(struct nvme_cmd *cmd); /* cmd->slba must be where a zone starts */
struct nvme_status nvme_zone_send_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_zone_send(struct nvme_cmd *cmd);
struct nvme_status nvme_zone_receive_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_zone_receive(struct nvme_cmd *cmd);
uint64_t nvme_append_limit(const struct nvme_subsystem *s); /* bytes */
struct nvme_status nvme_append_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_append(struct nvme_cmd *cmd);
struct nvme_status nvme_zone_uncorrectable(struct nvme_cmd *cmd);
struct nvme_status nvme_zone_copy_check(struct nvme_cmd *cmd);

/* fabrics.c */
struct nvme_status nvme_connect_prepare(struct nvme_cmd *cmd);
struct nvme_status nvme_connect(struct nvme_cmd *cmd);
struct nvme_status nvme_property_get(struct nvme_cmd *cmd);
struct nvme_status nvme_property_set(struct nvme_cmd *cmd);
struct nvme_status nvme_disconnect(struct nvme_cmd *cmd);

/* ctrl.c */
struct nvme_ctrl *nvme_ctrl_new(struct nvme_target *target, struct nvme_subsystem *subsystem,
                                const struct nvme_connect_data *data);
struct nvme_ctrl *nvme_ctrl_find(const struct nvme_target *target, uint16_t cntlid);
void nvme_ctrl_attach(struct nvme_ctrl *ctrl, struct nvme_queue *queue, uint16_t qid, uint16_t entries);
void nvme_ctrl_detach(struct nvme_ctrl *ctrl, struct nvme_queue *queue); /* frees its QID; the reference stays */
void nvme_ctrl_forget(struct nvme_ctrl *ctrl, struct nvme_queue *queue); /* attached or detached: not any more */
void nvme_ctrl_put(struct nvme_ctrl *ctrl);
void nvme_ctrl_free(struct nvme_ctrl *ctrl); /* whatever still holds it; for the end of a target */
void nvme_ctrl_disconnect(struct nvme_ctrl *ctrl, bool admin_too, const char *why);
void nvme_ctrl_forget_flush(struct nvme_ctrl *ctrl); /* the drive has: a shutdown waits for it no more */
void nvme_ctrl_keep_alive(struct nvme_ctrl *ctrl);   /* set or restart the timer */
uint64_t nvme_ctrl_cap(const struct nvme_ctrl *ctrl);
void nvme_ctrl_set_cc(struct nvme_ctrl *ctrl, uint32_t cc);
uint32_t nvme_ctrl_max_entries(const struct nvme_ctrl *ctrl);
uint32_t nvme_ctrl_mdts(const struct nvme_ctrl *ctrl);
const char *nvme_ctrl_nqn(const struct nvme_ctrl *ctrl);

/* subsystem.c */
struct nvme_subsystem *nvme_subsystem_find(const struct nvme_target *target, const char *nqn);
bool nvme_subsystem_allows(const struct nvme_subsystem *subsystem, const char *hostnqn);
void nvme_subsystem_power_on(struct nvme_subsystem *subsystem); /* bring the counters up to now */
void nvme_ns_power_on(struct nvme_ns *ns);                      /* what does not survive without power */
void nvme_subsystem_reset(struct nvme_subsystem *subsystem);    /* soon: NSSR was written */
void nvme_subsystem_reset_fire(struct sim_event *ev);

/* discovery.c */
uint64_t nvme_discovery_size(const struct nvme_ctrl *ctrl);
struct nvme_status nvme_discovery_fill(struct nvme_cmd *cmd, void *page);
void nvme_discovery_changed(struct nvme_target *target);

#endif
