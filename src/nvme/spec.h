/*
 * NVM Express wire structures and constants: Base 2.0, NVM Command Set 1.0,
 * NVMe over Fabrics parts of Base 2.0. Field names are the specification's.
 */
#ifndef DRIVELAB_NVME_SPEC_H
#define DRIVELAB_NVME_SPEC_H

#include <stdint.h>

#include "base/le.h"

/* SGL descriptor, Base 2.0 section 4.1.2. */
struct nvme_sgl {
    le64 addr;
    le32 len;
    uint8_t rsvd[3];
    uint8_t type; /* 7:4 type, 3:0 subtype */
};
_Static_assert(sizeof(struct nvme_sgl) == 16, "SGL descriptor");

/* Submission queue entry, Base 2.0 figure 86. */
struct nvme_sqe {
    uint8_t opc;
    uint8_t flags; /* 1:0 FUSE, 7:6 PSDT */
    le16 cid;
    le32 nsid;
    le32 cdw2, cdw3;
    le64 mptr;
    union {
        struct nvme_sgl sgl1;
        struct {
            le64 prp1, prp2;
        };
    };
    le32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "submission queue entry");

/* Completion queue entry, Base 2.0 figure 89. */
struct nvme_cqe {
    union {
        struct {
            le32 cdw0, cdw1;
        };
        le64 result; /* fabrics and append use all eight bytes */
    };
    le16 sqhd;
    le16 sqid;
    le16 cid;
    le16 status; /* bit 0 phase, 8:1 SC, 11:9 SCT, 13:12 CRD, 14 More, 15 DNR */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "completion queue entry");

#endif
