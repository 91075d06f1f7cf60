/*
 * A test bed for the controller: a drive, a target, and queues whose transport
 * is this file. It checks of every command that it is completed at most once
 * and given back exactly once.
 */
#ifndef NVME_BED_H
#define NVME_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nvme/nvme.h"

#define BED_SLOTS   64
#define BED_QUEUES  6
#define BED_DATA    (1u << 20)
#define BED_HOST    "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555"
#define BED_PENDING 0xffff

struct bed_queue;

struct bed_cmd {
    struct nvme_cmd cmd;
    struct bed_queue *q;
    struct iovec vec[2];
    uint8_t *in;
    bool used;
    unsigned completions;
    uint16_t *status; /* where the sender wants to know; BED_PENDING until completed */
};

struct bed_queue {
    struct nvme_queue queue;
    struct bed_cmd slot[BED_SLOTS];
    bool open, told;
    bool hold; /* don't release what completes: the transport is slow */
    char why[128];
    struct nvme_cqe cqe; /* of the last completion */
    uint8_t *out;        /* its payload, BED_DATA bytes */
    uint32_t out_bytes;
    int64_t due_ns;
    uint64_t completions, recycled;
};

struct bed {
    struct sim *sim;
    struct drive_config drive_config;
    struct nvme_config config;
    struct drive *drive;
    struct nvme_target *target;
    struct nvme_subsystem *subsystem;
    struct bed_queue q[BED_QUEUES]; /* q[0] is the admin queue of the usual controller */
    uint16_t cntlid;
};

/* Options as of -o ("nvme.namespaces=2"), NULL-terminated. `image` NULL: in memory; "none": no payload. */
struct bed *bed_new(const char *image, const char *const *options);
/* Close queues, drain, check the state machine, close the drive. */
void bed_free(struct bed *bed);
void bed_settle(struct bed *bed); /* run the simulation until nothing is due but keep alive timers */

/* Connect, returning the status; the queue is initialised first. */
uint16_t bed_connect(struct bed *bed, unsigned q, const struct nvme_fabrics_connect *command,
                     const struct nvme_connect_data *data);
void bed_connect_default(struct nvme_fabrics_connect *command, struct nvme_connect_data *data, struct bed *bed,
                         uint16_t qid, uint16_t cntlid);
/* Admin queue 0 enabled, I/O queues 1 .. io_queues connected; asserts success. */
void bed_up(struct bed *bed, unsigned io_queues);
void bed_gone(struct bed *bed, unsigned q);

/* Send; *status is BED_PENDING until it completes. Data: gathered from `data` if to the controller. */
struct bed_cmd *bed_send(struct bed *bed, unsigned q, const struct nvme_sqe *sqe, const void *data, uint16_t *status);
/* Send and run until it completes: SCT << 8 | SC. The entry's CID is chosen here. */
uint16_t bed_do(struct bed *bed, unsigned q, struct nvme_sqe *sqe, const void *data);
uint32_t bed_result(const struct bed *bed, unsigned q);
void *bed_out(struct bed *bed, unsigned q);

struct nvme_sqe bed_sqe(uint8_t opc, uint32_t nsid, uint32_t cdw10, uint32_t cdw11, uint32_t cdw12);
struct nvme_sqe bed_rw(uint8_t opc, uint32_t nsid, uint64_t slba, uint32_t nlb);
uint16_t bed_property_set(struct bed *bed, unsigned q, uint32_t offset, uint64_t value);
uint16_t bed_property_get(struct bed *bed, unsigned q, uint32_t offset, uint64_t *value);
uint16_t bed_identify(struct bed *bed, uint8_t cns, uint32_t nsid, uint32_t cdw11);
uint16_t bed_log(struct bed *bed, uint8_t lid, uint32_t bytes, uint64_t offset, bool rae);
uint16_t bed_set_feature(struct bed *bed, uint8_t fid, uint32_t value, bool save);
uint16_t bed_get_feature(struct bed *bed, uint8_t fid, uint8_t sel, uint32_t *value);

#endif
