/*
 * The NVMe controller as transports see it: a target holds subsystems, a
 * subsystem holds namespaces over drives, hosts create controllers in it and
 * queues in those.
 *
 *   target -> subsystem -> controller -> queue -> command
 *                       -> namespace -> drive
 *
 * The life of a command:
 *   1. the transport takes a free struct nvme_cmd, copies the 64-byte entry in
 *      and calls nvme_cmd_start(), which finds the opcode's row, checks
 *      the namespace and sizes, and says which way data moves and how much;
 *   2. if data moves to the controller, the transport collects it and sets
 *      cmd->in;
 *   3. nvme_cmd_execute(); later (or from inside) queue->ops->complete(cmd),
 *      exactly once: cqe is filled; on success of a read-type command out/out_bytes
 *      point at the payload;
 *   4. the transport sends it and calls nvme_cmd_release(); when nothing below
 *      refers to the command any more (an aborted one may still be in the
 *      drive) queue->ops->recycle(cmd) gives the slot back. A request for an
 *      event that the host gave up is recycled without complete(), from inside
 *      nvme_cmd_start() of another command; so is what runs when the power is
 *      cut. The payload of a
 *      write (cmd->in and what it points at) stays valid until then.
 *
 * One thread. Models no PCIe registers; that is a transport's business.
 */
#ifndef DRIVELAB_NVME_NVME_H
#define DRIVELAB_NVME_NVME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/opt.h"
#include "drive/drive.h"
#include "nvme/spec.h"

struct json_t;
struct nvme_target;
struct nvme_subsystem;
struct nvme_ctrl;
struct nvme_queue;

/* Whether hosts are told that controllers share namespaces, CMIC and NMIC. */
enum nvme_multipath { NVME_MULTIPATH_AUTO, NVME_MULTIPATH_NO, NVME_MULTIPATH_YES };

/* Section "nvme". */
struct nvme_config {
    char nqn[OPT_STRING_MAX];         /* empty: derived from the profile's name */
    char serial[OPT_STRING_MAX];      /* empty: derived from the seed */
    uint32_t namespaces;              /* the capacity is divided evenly */
    uint32_t lba_bytes;               /* 512 or 4096: the format when new; 0: the drive's */
    uint64_t mdts;                    /* bytes, power of two >= 4096 */
    int multipath;                    /* enum nvme_multipath */
    uint32_t io_queues;               /* per controller, 1..64 */
    uint32_t queue_entries;           /* per queue, 2..4096 */
    char allow_hosts[OPT_STRING_MAX]; /* comma-separated host NQNs; empty: any */
    uint32_t history;                 /* commands kept, see history.h */
    int64_t watchdog;                 /* age from which a command is named, 0: never */
};
extern const struct opt_row nvme_opts[];

enum nvme_xfer { NVME_XFER_NONE, NVME_XFER_TO_CTRL, NVME_XFER_TO_HOST };

struct nvme_cmd {
    struct nvme_sqe sqe;
    struct nvme_cqe cqe; /* complete(): everything but the phase bit */
    struct nvme_queue *queue;
    uint8_t xfer;           /* enum nvme_xfer; after nvme_cmd_start() */
    bool latched;           /* start() already found an error; execute() will complete with it */
    uint32_t xfer_bytes;    /* to controller: exactly what to collect; to host: the most that will be sent */
    const struct iovec *in; /* set by the transport before execute() */
    uint32_t in_count;
    const void *out; /* complete(): payload for the host, or NULL */
    uint32_t out_bytes;

    /* the controller's own */
    struct io io;
    struct nvme_cmd *next, *prev;
    const struct nvme_op_row *row;
    struct nvme_ns *ns;
    void *buffer;          /* admin payload, freed on recycle */
    uint32_t buffer_bytes; /* kept for the next such command instead; 0: freed */
    uint64_t slba;
    uint32_t nlb;
    uint32_t step, steps_left;
    uint64_t cursor;
    uint8_t state;            /* enum nvme_cmd_state */
    bool io_busy;             /* the drive (or a job) still refers to the command */
    bool cid_held;            /* its bit in queue->cids is set */
    bool held;                /* waits for nvme_resume() */
    bool answered, forgotten; /* complete() was called, or held back; its host gave it up */
    bool watched;             /* the watchdog has named it */
    struct nvme_cmd *held_next, *held_prev;
    uint16_t status;         /* SCT<<8|SC plus DNR in bit 14 as in cqe.status >> 1 */
    uint16_t error_location; /* parameter error location: byte | bit << 8 */
    int64_t due_ns;          /* modelled completion time, for measuring lateness */
    int64_t started_ns;
    uint64_t failure;    /* number of its nvme_failure(), the last if there were several; 0: none */
    int64_t received_ns; /* its data had come from the host; 0: it has none, or not yet */
    int64_t sent_ns;     /* answered while the drive still had it; 0: as it is given back */
};

struct nvme_queue_ops {
    uint8_t trtype; /* enum nvme_trtype, for the error information log */
    void (*complete)(struct nvme_cmd *);
    void (*recycle)(struct nvme_cmd *);
    /*
     * The controller wants the connection gone: keep alive expired, fatal status, controller reset by another queue.
     * Called once per queue; nvme_queue_gone() may be called from inside or later.
     */
    void (*disconnect)(struct nvme_queue *, const char *why);
};

/* Embedded by the transport in its connection. Initialise with nvme_queue_init(). */
struct nvme_queue {
    const struct nvme_queue_ops *ops;
    struct nvme_target *target;
    struct nvme_ctrl *ctrl; /* NULL until Connect succeeded */
    char peer[128];         /* who it is, for logs: "tcp 10.0.0.2:40112" */
    char local[64];         /* where the host reached us, "10.0.0.1", or empty; stands in the discovery log for a
                               port that listens on all addresses of this family. Set after nvme_queue_init() */
    uint8_t local_adrfam;   /* enum nvme_adrfam of it */
    uint16_t qid;
    uint32_t owner;   /* of its requests, for I/O schedulers: one for each queue of each controller */
    uint16_t entries; /* after Connect: SQSIZE + 1 */
    uint16_t sqhd;
    bool sq_flow_control;
    uint32_t outstanding;         /* commands started, not yet recycled */
    struct nvme_cmd *head, *tail; /* all of them */
    uint32_t max_in_capsule;      /* what the transport takes in a capsule, for IOCCSZ */

    /* the controller's own */
    bool gone, told_to_go;
    bool disconnected;           /* by the host; its QID is free, its connection still stands */
    struct nvme_queue *detached; /* the next queue of the controller without a QID */
    uint64_t started, completed;
    uint64_t cids[65536 / 64]; /* command identifiers in use */
};

struct nvme_target *nvme_target_new(struct sim *sim, struct err *e);
/*
 * All queues must be gone. A flush that a host's shutdown started may still be
 * in a drive: close the drives before turning the loop again.
 */
void nvme_target_free(struct nvme_target *target);

/* Build a subsystem with its namespaces over `drive` (not owned). NULL with `e` filled. */
struct nvme_subsystem *nvme_subsystem_new(struct nvme_target *target, const struct nvme_config *config,
                                          struct drive *drive, struct err *e);
void nvme_subsystem_free(struct nvme_subsystem *subsystem);
const char *nvme_subsystem_nqn(const struct nvme_subsystem *subsystem);

/*
 * The drive loses its power and gets it back at once. All controllers of the
 * subsystem go: their queues are told to disconnect, and from inside this call
 * each command that the controller worked on is recycled without complete();
 * those that still wait for the transport (data to come, answer to be sent) are
 * recycled as the transport gives them up. Not from inside a callback of a
 * command or of the drive.
 */
void nvme_subsystem_power_cut(struct nvme_subsystem *subsystem);

/*
 * Announce an address in the discovery log. adrfam 1 IPv4, 2 IPv6; trtype 3 TCP
 * (Base 2.0, section 5.16.1.22). Copies the strings.
 */
int nvme_target_add_port(struct nvme_target *target, uint8_t trtype, uint8_t adrfam, const char *traddr,
                         const char *trsvcid);

/* A fresh queue, before Connect; only Connect (and authentication) is accepted on it. */
void nvme_queue_init(struct nvme_queue *queue, struct nvme_target *target, const struct nvme_queue_ops *ops,
                     const char *peer, uint32_t max_in_capsule);

/*
 * The connection is gone or going. Commands in flight are forgotten by the host
 * but still recycled one by one, exactly once, without complete(): those nobody
 * works on (collecting data, completed but not released, waiting) from inside
 * this call, those in the drive later. The transport makes no further
 * nvme_cmd_ calls for the queue and frees it once this call has returned and
 * outstanding == 0 (true already when the last recycle() is called later).
 * An admin queue takes its controller, and so all other queues, with it.
 */
void nvme_queue_gone(struct nvme_queue *queue);

void nvme_cmd_start(struct nvme_queue *queue, struct nvme_cmd *cmd);
void nvme_cmd_execute(struct nvme_cmd *cmd);
void nvme_cmd_release(struct nvme_cmd *cmd);

/* Fail a started command from the transport's side (e.g. SGL invalid, data transfer error) instead of executing it. */
void nvme_cmd_reject(struct nvme_cmd *cmd, uint16_t status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for an SGL of `bytes`, fewer than xfer_bytes. */
void nvme_cmd_reject_short(struct nvme_cmd *cmd, uint32_t bytes);

/* ---- Faults from outside; they cost nothing while there are none ---- */

#define NVME_FAULTS    32 /* at once */
#define NVME_FAULT_ANY (-1)

/* Lose the completion of the nth command from now on that fits. */
struct nvme_fault {
    uint32_t id; /* the caller's name for it */
    int opcode;  /* or NVME_FAULT_ANY: all but fabrics commands */
    int qid;     /* 0: admin; NVME_FAULT_ANY: I/O queues */
    int cntlid;  /* or NVME_FAULT_ANY */
    uint64_t nth;
};

/* 0; -EINVAL, -ENOSPC with `e`. */
int nvme_lose_completion(struct nvme_target *target, const struct nvme_fault *fault, struct err *e);

/* Copy the faults that still wait, oldest first; returns how many. `faults` has room for NVME_FAULTS. */
unsigned nvme_faults(const struct nvme_target *target, struct nvme_fault *faults);
bool nvme_fault_clear(struct nvme_target *target, uint32_t id); /* false: there is none */
uint64_t nvme_lost_completions(const struct nvme_target *target);

/*
 * Take I/O commands but begin none, and report no end of one, until resumed;
 * admin and fabrics commands go on. Nothing is lost. Resuming calls complete()
 * and the drive from inside; not from a callback of a command.
 */
void nvme_pause(struct nvme_target *target);
void nvme_resume(struct nvme_target *target);
bool nvme_paused(const struct nvme_target *target);
uint64_t nvme_held(const struct nvme_target *target); /* commands that wait */

/* A queue was put before the drive: tell it of the hosts already there, each a cgroup, their queues processes. */
void nvme_introduce(const struct nvme_target *target);

/* ---- The last failures of all controllers, also of those that are gone ---- */

#define NVME_FAILURES   256
#define NVME_REASON_MAX 504

struct nvme_failure {
    uint64_t number; /* from 1 */
    int64_t at_ns;
    uint64_t slba;
    uint32_t nsid;
    uint16_t cntlid; /* 0: there was no controller yet */
    uint16_t qid, cid;
    uint16_t status;   /* SCT << 8 | SC with NVME_MORE and NVME_DNR */
    uint16_t location; /* byte | bit << 8 of the command, FFFFh: not one field */
    uint8_t kind;      /* enum nvme_opcode_kind */
    uint8_t opcode;    /* FCTYPE for fabrics commands */
    bool has_slba;
    char peer[128], host[256];
    char reason[NVME_REASON_MAX];
};

uint64_t nvme_failures(const struct nvme_target *target); /* so far */
/* NULL: forgotten, or not yet. Valid until the next failure. */
const struct nvme_failure *nvme_failure(const struct nvme_target *target, uint64_t number);

/* ---- What there is ---- */

struct nvme_namespace {
    uint32_t nsid, lba_bytes;
    uint64_t base, blocks; /* first byte of the drive; size in logical blocks */
    bool formatting;
};

uint32_t nvme_subsystem_namespaces(const struct nvme_subsystem *subsystem);
bool nvme_subsystem_namespace(const struct nvme_subsystem *subsystem, uint32_t nsid, struct nvme_namespace *ns);
const char *nvme_subsystem_serial(const struct nvme_subsystem *subsystem);

/* Take over the runtime options of `config`. */
void nvme_subsystem_reconfigure(struct nvme_subsystem *subsystem, const struct nvme_config *config);

/*
 * Self-check of every queue's state machine: no command completed twice or
 * lost, counts and identifier bits agree, none failed without a reason. 0 or -EINVAL with `e` saying which.
 */
int nvme_check(const struct nvme_target *target, struct err *e);

/* The tables of opcodes, features, log pages and Identify selectors as Markdown. */
void nvme_opcodes_doc(FILE *out);

/* What a status means. Numbers are reused: which command failed decides the set. */
enum nvme_status_set {
    NVME_SET_STANDARD, /* all but fabrics commands */
    NVME_SET_FABRICS,
    NVME_SET_VENDOR, /* Open-Channel drives, FEMU: not the specification's */
    NVME_STATUS_SETS
};
struct nvme_status_row {
    uint16_t status; /* SCT << 8 | SC */
    uint8_t set;     /* enum nvme_status_set */
    bool retry;      /* worth trying again unchanged: sent without DNR */
    const char *name;
    const char *meaning;
};
extern const struct nvme_status_row nvme_statuses[]; /* ended by name == NULL */
/* By SCT << 8 | SC (bits above are ignored). NULL if the set, or for the second any set, has no such status. */
const struct nvme_status_row *nvme_status_find_in(uint16_t status, enum nvme_status_set set);
const struct nvme_status_row *nvme_status_find(uint16_t status, bool fabrics); /* that set first */

/* Every opcode the specifications name, supported here or not; `opcode` is FCTYPE for fabrics commands. */
enum nvme_opcode_kind { NVME_KIND_ADMIN, NVME_KIND_IO, NVME_KIND_FABRICS, NVME_KIND_KV, NVME_OPCODE_KINDS };
struct nvme_opcode_row {
    uint8_t kind, opcode;
    const char *name;
};
extern const struct nvme_opcode_row nvme_opcodes[];                       /* ended by name == NULL */
const char *nvme_opcode_name(enum nvme_opcode_kind kind, uint8_t opcode); /* NULL if unknown */

/* New JSON object: controllers, queues, commands by opcode, errors. Caller owns it. */
struct json_t *nvme_subsystem_stats(const struct nvme_subsystem *subsystem);

#endif
