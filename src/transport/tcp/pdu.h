/*
 * NVMe/TCP protocol data units: NVMe/TCP Transport Specification 1.0 (TP 8000),
 * section 3.6. Field names are the specification's.
 */
#ifndef DRIVELAB_TRANSPORT_TCP_PDU_H
#define DRIVELAB_TRANSPORT_TCP_PDU_H

#include "nvme/spec.h"

enum pdu_type {
    PDU_IC_REQ = 0x00,
    PDU_IC_RESP = 0x01,
    PDU_H2C_TERM_REQ = 0x02,
    PDU_C2H_TERM_REQ = 0x03,
    PDU_CAPSULE_CMD = 0x04,
    PDU_CAPSULE_RESP = 0x05,
    PDU_H2C_DATA = 0x06,
    PDU_C2H_DATA = 0x07,
    PDU_R2T = 0x09,
};

enum pdu_flag {
    PDU_HDGSTF = 1u << 0,
    PDU_DDGSTF = 1u << 1,
    PDU_LAST = 1u << 2,    /* H2CData, C2HData */
    PDU_SUCCESS = 1u << 3, /* C2HData: no CapsuleResp follows */
};

/* Fatal error status of a TermReq. */
enum pdu_fes {
    FES_INVALID_HEADER = 0x01, /* FEI: byte offset of the field */
    FES_SEQUENCE = 0x02,
    FES_HEADER_DIGEST = 0x03, /* FEI: the digest received */
    FES_OUT_OF_RANGE = 0x04,
    FES_LIMIT_EXCEEDED = 0x05,
    FES_UNSUPPORTED = 0x06, /* FEI: byte offset of the parameter */
    FES_COUNT
};

struct pdu_header {
    uint8_t type;
    uint8_t flags;
    uint8_t hlen;
    uint8_t pdo;
    le32 plen;
};
_Static_assert(sizeof(struct pdu_header) == 8, "common header");

/* ICReq and ICResp share their shape. */
struct pdu_ic {
    struct pdu_header ch;
    le16 pfv;
    uint8_t pda; /* HPDA or CPDA, dwords - 1 */
    uint8_t dgst;
    le32 limit; /* ICReq: MAXR2T (0's based), ICResp: MAXH2CDATA */
    uint8_t rsvd[112];
};
_Static_assert(sizeof(struct pdu_ic) == 128, "ICReq, ICResp");
#define PDU_DGST_HEADER  (1u << 0)
#define PDU_DGST_DATA    (1u << 1)
#define PDU_PDA_MAX      31
#define PDU_MAXH2C_FLOOR 4096 /* MAXH2CDATA is at least this */

struct pdu_term {
    struct pdu_header ch;
    le16 fes;
    le32 fei;
    uint8_t rsvd[10];
};
_Static_assert(sizeof(struct pdu_term) == 24, "TermReq");
#define PDU_TERM_DATA_MAX 128

struct pdu_cmd {
    struct pdu_header ch;
    struct nvme_sqe sqe;
};
_Static_assert(sizeof(struct pdu_cmd) == 72, "CapsuleCmd");

struct pdu_resp {
    struct pdu_header ch;
    struct nvme_cqe cqe;
};
_Static_assert(sizeof(struct pdu_resp) == 24, "CapsuleResp");

/* H2CData, C2HData (ttag reserved) and R2T share their shape. */
struct pdu_data {
    struct pdu_header ch;
    le16 cccid;
    le16 ttag;
    le32 datao; /* R2T: R2TO */
    le32 datal; /* R2T: R2TL */
    uint8_t rsvd[4];
};
_Static_assert(sizeof(struct pdu_data) == 24, "H2CData, C2HData, R2T");

#define PDU_DIGEST_BYTES     4
#define PDU_ADMIN_IN_CAPSULE 8192 /* section 3.2: admin and Fabrics commands carry up to this in the capsule */

/* The two SGL descriptors that exist over TCP. */
#define SGL_IN_CAPSULE NVME_SGL_ID(NVME_SGL_DATA_BLOCK, NVME_SGL_OFFSET)
#define SGL_TRANSPORT  NVME_SGL_ID(NVME_SGL_TRANSPORT_DATA_BLOCK, NVME_SGL_TRANSPORT)

#endif
