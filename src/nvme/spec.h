/*
 * NVM Express wire structures and constants: Base 2.0, NVM Command Set 1.0,
 * Zoned Namespace Command Set 1.1 with TP4076 (ZRWA), NVMe over Fabrics parts
 * of Base 2.0. Field names are the specification's.
 *
 * Status values are SCT << 8 | SC; the bits above (More, DNR) are NVME_MORE
 * and NVME_DNR, all as in cqe.status >> 1. Sizes are asserted here, offsets of
 * what hosts look at beside them.
 */
#ifndef DRIVELAB_NVME_SPEC_H
#define DRIVELAB_NVME_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/le.h"

typedef struct {
    le64 lo, hi;
} le128;

#define NVME_NSID_ALL      0xffffffffu
#define NVME_CNTLID_ANY    0xffffu /* dynamic controller model: allocate one */
#define NVME_NQN_MAX       223     /* bytes without the terminating zero */
#define NVME_NQN_FIELD     256
#define NVME_DISCOVERY_NQN "nqn.2014-08.org.nvmexpress.discovery"
#define NVME_VERSION_2_0   0x00020000u

/* SGL descriptor, Base 2.0 section 4.1.2; identifier byte = type << 4 | subtype. */
struct nvme_sgl {
    le64 addr;
    le32 len;
    uint8_t rsvd[3];
    uint8_t type; /* 7:4 type, 3:0 subtype */
};
_Static_assert(sizeof(struct nvme_sgl) == 16, "SGL descriptor");

enum nvme_sgl_type {
    NVME_SGL_DATA_BLOCK = 0x0,
    NVME_SGL_BIT_BUCKET = 0x1,
    NVME_SGL_SEGMENT = 0x2,
    NVME_SGL_LAST_SEGMENT = 0x3,
    NVME_SGL_KEYED_DATA_BLOCK = 0x4,
    NVME_SGL_TRANSPORT_DATA_BLOCK = 0x5,
};
enum nvme_sgl_subtype { NVME_SGL_ADDRESS = 0x0, NVME_SGL_OFFSET = 0x1, NVME_SGL_TRANSPORT = 0xa };
#define NVME_SGL_ID(type, subtype) ((uint8_t)((type) << 4 | (subtype)))

/* Submission queue entry, Base 2.0 figure 86. */
struct nvme_sqe {
    uint8_t opc;
    uint8_t flags; /* 1:0 FUSE, 7:6 PSDT */
    le16 cid;
    le32 nsid; /* fabrics commands: byte 4 is FCTYPE, the rest reserved */
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

#define NVME_SQE_FUSE(flags) ((flags)&3)
#define NVME_SQE_PSDT(flags) ((flags) >> 6)
enum nvme_psdt { NVME_PSDT_PRP, NVME_PSDT_SGL_MPTR_BUFFER, NVME_PSDT_SGL_MPTR_SGL };

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

/* ---- Opcodes ---- */

enum nvme_admin_opcode {
    NVME_ADMIN_DELETE_SQ = 0x00,
    NVME_ADMIN_CREATE_SQ = 0x01,
    NVME_ADMIN_GET_LOG_PAGE = 0x02,
    NVME_ADMIN_DELETE_CQ = 0x04,
    NVME_ADMIN_CREATE_CQ = 0x05,
    NVME_ADMIN_IDENTIFY = 0x06,
    NVME_ADMIN_ABORT = 0x08,
    NVME_ADMIN_SET_FEATURES = 0x09,
    NVME_ADMIN_GET_FEATURES = 0x0a,
    NVME_ADMIN_ASYNC_EVENT_REQUEST = 0x0c,
    NVME_ADMIN_NS_MANAGEMENT = 0x0d,
    NVME_ADMIN_FIRMWARE_COMMIT = 0x10,
    NVME_ADMIN_FIRMWARE_DOWNLOAD = 0x11,
    NVME_ADMIN_DEVICE_SELF_TEST = 0x14,
    NVME_ADMIN_NS_ATTACHMENT = 0x15,
    NVME_ADMIN_KEEP_ALIVE = 0x18,
    NVME_ADMIN_DIRECTIVE_SEND = 0x19,
    NVME_ADMIN_DIRECTIVE_RECEIVE = 0x1a,
    NVME_ADMIN_FORMAT_NVM = 0x80,
    NVME_ADMIN_SECURITY_SEND = 0x81,
    NVME_ADMIN_SECURITY_RECEIVE = 0x82,
    NVME_ADMIN_SANITIZE = 0x84,
};

enum nvme_io_opcode {
    NVME_IO_FLUSH = 0x00,
    NVME_IO_WRITE = 0x01,
    NVME_IO_READ = 0x02,
    NVME_IO_WRITE_UNCORRECTABLE = 0x04,
    NVME_IO_COMPARE = 0x05,
    NVME_IO_WRITE_ZEROES = 0x08,
    NVME_IO_DSM = 0x09,
    NVME_IO_VERIFY = 0x0c,
    NVME_IO_RESERVATION_REGISTER = 0x0d,
    NVME_IO_RESERVATION_REPORT = 0x0e,
    NVME_IO_RESERVATION_ACQUIRE = 0x11,
    NVME_IO_RESERVATION_RELEASE = 0x15,
    NVME_IO_COPY = 0x19,
    NVME_IO_ZONE_SEND = 0x79,
    NVME_IO_ZONE_RECEIVE = 0x7a,
    NVME_IO_ZONE_APPEND = 0x7d,
};

#define NVME_OPC_FABRICS 0x7f

enum nvme_fabrics_type {
    NVME_FCTYPE_PROPERTY_SET = 0x00,
    NVME_FCTYPE_CONNECT = 0x01,
    NVME_FCTYPE_PROPERTY_GET = 0x04,
    NVME_FCTYPE_AUTH_SEND = 0x05,
    NVME_FCTYPE_AUTH_RECEIVE = 0x06,
    NVME_FCTYPE_DISCONNECT = 0x08,
};

/* ---- Status, Base 2.0 figures 93 to 98 ---- */

#define NVME_MORE 0x2000u
#define NVME_DNR  0x4000u

enum nvme_status_value {
    NVME_SC_SUCCESS = 0x000,
    NVME_SC_INVALID_OPCODE = 0x001,
    NVME_SC_INVALID_FIELD = 0x002,
    NVME_SC_CID_CONFLICT = 0x003,
    NVME_SC_DATA_TRANSFER_ERROR = 0x004,
    NVME_SC_POWER_LOSS = 0x005,
    NVME_SC_INTERNAL_ERROR = 0x006,
    NVME_SC_ABORT_REQUESTED = 0x007,
    NVME_SC_SQ_DELETED = 0x008,
    NVME_SC_FUSED_FAILED = 0x009,
    NVME_SC_FUSED_MISSING = 0x00a,
    NVME_SC_INVALID_NS = 0x00b,
    NVME_SC_SEQUENCE_ERROR = 0x00c,
    NVME_SC_SGL_INVALID_SEGMENT = 0x00d,
    NVME_SC_SGL_INVALID_COUNT = 0x00e,
    NVME_SC_SGL_INVALID_DATA_LENGTH = 0x00f,
    NVME_SC_SGL_INVALID_METADATA_LENGTH = 0x010,
    NVME_SC_SGL_INVALID_TYPE = 0x011,
    NVME_SC_SGL_INVALID_OFFSET = 0x016,
    NVME_SC_HOSTID_INCONSISTENT = 0x018,
    NVME_SC_KA_EXPIRED = 0x019,
    NVME_SC_KA_INVALID = 0x01a,
    NVME_SC_NS_WRITE_PROTECTED = 0x020,
    NVME_SC_COMMAND_INTERRUPTED = 0x021,
    NVME_SC_TRANSIENT_TRANSPORT_ERROR = 0x022,
    NVME_SC_LBA_OUT_OF_RANGE = 0x080,
    NVME_SC_CAPACITY_EXCEEDED = 0x081,
    NVME_SC_NS_NOT_READY = 0x082,
    NVME_SC_FORMAT_IN_PROGRESS = 0x084,

    NVME_SC_INVALID_QID = 0x101,
    NVME_SC_INVALID_QUEUE_SIZE = 0x102,
    NVME_SC_ABORT_LIMIT_EXCEEDED = 0x103,
    NVME_SC_AER_LIMIT_EXCEEDED = 0x105,
    NVME_SC_INVALID_LOG_PAGE = 0x109,
    NVME_SC_INVALID_FORMAT = 0x10a,
    NVME_SC_FEATURE_NOT_SAVEABLE = 0x10d,
    NVME_SC_FEATURE_NOT_CHANGEABLE = 0x10e,
    NVME_SC_FEATURE_NOT_NS_SPECIFIC = 0x10f,
    NVME_SC_INVALID_CONTROLLER_ID = 0x11f,
    NVME_SC_IOCS_NOT_SUPPORTED = 0x129,
    NVME_SC_IOCS_NOT_ENABLED = 0x12a,
    NVME_SC_IOCS_COMBINATION_REJECTED = 0x12b,
    NVME_SC_INVALID_IOCS = 0x12c,
    NVME_SC_CONFLICTING_ATTRIBUTES = 0x180,
    NVME_SC_INVALID_PROTECTION = 0x181,
    NVME_SC_READ_ONLY_RANGE = 0x182,
    NVME_SC_SIZE_LIMIT_EXCEEDED = 0x183,
    NVME_SC_OVERLAPPING_IO_RANGE = 0x187,

    /* Those of zoned namespaces are enum io_status: IO_ZONE_... */

    NVME_SC_CONNECT_INCOMPATIBLE_FORMAT = 0x180,
    NVME_SC_CONNECT_BUSY = 0x181,
    NVME_SC_CONNECT_INVALID_PARAMETERS = 0x182,
    NVME_SC_CONNECT_RESTART_DISCOVERY = 0x183,
    NVME_SC_CONNECT_INVALID_HOST = 0x184,
    NVME_SC_INVALID_QUEUE_TYPE = 0x185,
    NVME_SC_DISCOVERY_RESTART = 0x190,
    NVME_SC_AUTH_REQUIRED = 0x191,

    NVME_SC_WRITE_FAULT = 0x280,
    NVME_SC_UNRECOVERED_READ = 0x281,
    NVME_SC_COMPARE_FAILURE = 0x285,
    NVME_SC_DEALLOCATED = 0x287,
};

/* ---- Properties (controller registers), Base 2.0 section 3.1.3 ---- */

enum nvme_property {
    NVME_PROP_CAP = 0x00,  /* 8 bytes */
    NVME_PROP_VS = 0x08,   /* 4 bytes */
    NVME_PROP_CC = 0x14,   /* 4 bytes */
    NVME_PROP_CSTS = 0x1c, /* 4 bytes */
    NVME_PROP_NSSR = 0x20,
    NVME_PROP_CRTO = 0x68,
};

#define NVME_CAP_MQES(cap)   ((uint16_t)(cap))
#define NVME_CAP_CQR         (1ull << 16)
#define NVME_CAP_TO_SHIFT    24 /* 500 ms */
#define NVME_CAP_TO(cap)     ((cap) >> 24 & 0xff)
#define NVME_CAP_NSSRS       (1ull << 36)
#define NVME_CAP_CSS_NVM     (1ull << 37)
#define NVME_CAP_CSS_IOCS    (1ull << 43)
#define NVME_CAP_CRMS_RWMS   (1ull << 59)
#define NVME_CC_EN           (1u << 0)
#define NVME_CC_CSS(cc)      ((cc) >> 4 & 7) /* 0 NVM, 6 all supported command sets, 7 admin only */
#define NVME_CC_MPS(cc)      ((cc) >> 7 & 15)
#define NVME_CC_AMS(cc)      ((cc) >> 11 & 7)
#define NVME_CC_SHN(cc)      ((cc) >> 14 & 3) /* 1 normal, 2 abrupt */
#define NVME_CC_SHN_MASK     (3u << 14)
#define NVME_CC_IOSQES(cc)   ((cc) >> 16 & 15)
#define NVME_CC_IOCQES(cc)   ((cc) >> 20 & 15)
#define NVME_CC_CSS_ALL      6u
#define NVME_NSSR_MAGIC      0x4e564d65u /* "NVMe": what resets the subsystem */
#define NVME_CSTS_RDY        (1u << 0)
#define NVME_CSTS_CFS        (1u << 1)
#define NVME_CSTS_SHST(csts) ((csts) >> 2 & 3) /* 2 complete */
#define NVME_CSTS_SHST_MASK  (3u << 2)
#define NVME_CSTS_SHST_DONE  (2u << 2)

/* ---- Fabrics commands, Base 2.0 section 6; layouts over the 64-byte entry ---- */

struct nvme_fabrics_connect {
    uint8_t opc, flags;
    le16 cid;
    uint8_t fctype, rsvd5[19];
    struct nvme_sgl sgl1;
    le16 recfmt;
    le16 qid;
    le16 sqsize; /* 0's based */
    uint8_t cattr;
    uint8_t rsvd47;
    le32 kato; /* ms */
    uint8_t rsvd52[12];
};
_Static_assert(sizeof(struct nvme_fabrics_connect) == 64, "Connect");
_Static_assert(offsetof(struct nvme_fabrics_connect, recfmt) == 40, "Connect");
#define NVME_CATTR_NO_SQ_FLOW_CONTROL (1u << 2)

struct nvme_connect_data {
    uint8_t hostid[16];
    le16 cntlid;
    uint8_t rsvd18[238];
    char subnqn[256];
    char hostnqn[256];
    uint8_t rsvd768[256];
};
_Static_assert(sizeof(struct nvme_connect_data) == 1024, "Connect data");

/* Completion dword 0 of Connect: on success CNTLID and AUTHREQ, on Invalid Parameters IPO and IATTR. */
#define NVME_CONNECT_IPO(result) ((uint16_t)(result))
#define NVME_CONNECT_IATTR_DATA  (1u << 16) /* the offset is into the data, not the command */
#define NVME_CONNECT_AUTHREQ     (1u << 17)

struct nvme_fabrics_property {
    uint8_t opc, flags;
    le16 cid;
    uint8_t fctype, rsvd5[35];
    uint8_t attrib; /* 2:0 size: 0 = 4 bytes, 1 = 8 bytes */
    uint8_t rsvd41[3];
    le32 ofst;
    le64 value; /* Property Set */
    uint8_t rsvd56[8];
};
_Static_assert(sizeof(struct nvme_fabrics_property) == 64, "Property Get/Set");

struct nvme_fabrics_disconnect {
    uint8_t opc, flags;
    le16 cid;
    uint8_t fctype, rsvd5[35];
    le16 recfmt;
    uint8_t rsvd42[22];
};
_Static_assert(sizeof(struct nvme_fabrics_disconnect) == 64, "Disconnect");

/* ---- Identify, Base 2.0 section 5.17 ---- */

enum nvme_cns {
    NVME_CNS_NS = 0x00,
    NVME_CNS_CTRL = 0x01,
    NVME_CNS_ACTIVE_NS_LIST = 0x02,
    NVME_CNS_NS_DESC_LIST = 0x03,
    NVME_CNS_NVMSET_LIST = 0x04,
    NVME_CNS_CS_NS = 0x05,
    NVME_CNS_CS_CTRL = 0x06,
    NVME_CNS_CS_ACTIVE_NS_LIST = 0x07,
    NVME_CNS_INDEPENDENT_NS = 0x08,
    NVME_CNS_NS_FORMAT = 0x09,
    NVME_CNS_CS_NS_FORMAT = 0x0a,
    NVME_CNS_ALLOCATED_NS_LIST = 0x10,
    NVME_CNS_ALLOCATED_NS = 0x11,
    NVME_CNS_NS_CTRL_LIST = 0x12,
    NVME_CNS_CTRL_LIST = 0x13,
    NVME_CNS_PRIMARY_CTRL_CAPS = 0x14,
    NVME_CNS_SECONDARY_CTRL_LIST = 0x15,
    NVME_CNS_NS_GRANULARITY = 0x16,
    NVME_CNS_UUID_LIST = 0x17,
    NVME_CNS_DOMAIN_LIST = 0x18,
    NVME_CNS_ENDURANCE_GROUP_LIST = 0x19,
    NVME_CNS_CS_ALLOCATED_NS_LIST = 0x1a,
    NVME_CNS_CS_ALLOCATED_NS = 0x1b,
    NVME_CNS_IOCS = 0x1c,
};

enum nvme_csi { NVME_CSI_NVM = 0, NVME_CSI_KV = 1, NVME_CSI_ZNS = 2 };
enum nvme_cntrltype { NVME_CNTRLTYPE_IO = 1, NVME_CNTRLTYPE_DISCOVERY = 2, NVME_CNTRLTYPE_ADMIN = 3 };

#define NVME_IDENTIFY_BYTES 4096

struct nvme_power_state {
    le16 mp;              /* 0.01 W, or 0.0001 W with MXPS */
    uint8_t rsvd2, flags; /* bit 0 MXPS, bit 1 NOPS */
    le32 enlat, exlat;    /* us */
    uint8_t rrt, rrl, rwt, rwl;
    le16 idlp;
    uint8_t ips, rsvd19;
    le16 actp;
    uint8_t apw_aps;
    uint8_t rsvd23[9];
};
_Static_assert(sizeof(struct nvme_power_state) == 32, "power state descriptor");

struct nvme_id_ctrl {
    le16 vid, ssvid;
    char sn[20], mn[40], fr[8];
    uint8_t rab, ieee[3], cmic, mdts;
    le16 cntlid;
    le32 ver, rtd3r, rtd3e, oaes, ctratt;
    le16 rrls;
    uint8_t rsvd102[9], cntrltype, fguid[16];
    le16 crdt1, crdt2, crdt3;
    uint8_t rsvd134[119], nvmsr, vwci, mec;
    le16 oacs;
    uint8_t acl, aerl, frmw, lpa, elpe, npss, avscc, apsta;
    le16 wctemp, cctemp, mtfa;
    le32 hmpre, hmmin;
    le128 tnvmcap, unvmcap;
    le32 rpmbs;
    le16 edstt;
    uint8_t dsto, fwug;
    le16 kas, hctma, mntmt, mxtmt;
    le32 sanicap, hmminds;
    le16 hmmaxd, nsetidmax, endgidmax;
    uint8_t anatt, anacap;
    le32 anagrpmax, nanagrpid, pels;
    le16 domainid;
    uint8_t rsvd358[10];
    le128 megcap;
    uint8_t rsvd384[128];
    uint8_t sqes, cqes;
    le16 maxcmd;
    le32 nn;
    le16 oncs, fuses;
    uint8_t fna, vwc;
    le16 awun, awupf;
    uint8_t icsvscc, nwpc;
    le16 acwu;
    le16 ocfs; /* Optional Copy Formats Supported */
    le32 sgls, mnan;
    le128 maxdna;
    le32 maxcna;
    uint8_t rsvd564[204];
    char subnqn[256];
    uint8_t rsvd1024[768];
    le32 ioccsz, iorcsz; /* 16 bytes */
    le16 icdoff;
    uint8_t fcatt, msdbd;
    le16 ofcs;
    uint8_t dctype, rsvd1807[241];
    struct nvme_power_state psd[32];
    uint8_t vs[1024];
};
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, oacs) == 256, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, kas) == 320, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, sgls) == 536, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, subnqn) == 768, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, ioccsz) == 1792, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, psd) == 2048, "identify controller");

/* OACS, ONCS, LPA, FNA, CTRATT, SGLS, OAES bits that we set or hosts test. */
#define NVME_OACS_FORMAT            (1u << 1)
#define NVME_ONCS_COMPARE           (1u << 0)
#define NVME_ONCS_WRITE_UNC         (1u << 1)
#define NVME_ONCS_DSM               (1u << 2)
#define NVME_ONCS_WRITE_ZEROES      (1u << 3)
#define NVME_ONCS_SAVE_SELECT       (1u << 4)
#define NVME_ONCS_RESERVATIONS      (1u << 5)
#define NVME_ONCS_TIMESTAMP         (1u << 6)
#define NVME_ONCS_VERIFY            (1u << 7)
#define NVME_ONCS_COPY              (1u << 8)
#define NVME_LPA_SMART_PER_NS       (1u << 0)
#define NVME_LPA_EFFECTS            (1u << 1)
#define NVME_LPA_EXTENDED           (1u << 2)
#define NVME_LPA_LID_SUPPORTED      (1u << 5)
#define NVME_CTRATT_HOSTID_128      (1u << 0)
#define NVME_CTRATT_NVM_SETS        (1u << 2)
#define NVME_CTRATT_ENDURANCE_GROUP (1u << 4)
#define NVME_CTRATT_TBKAS           (1u << 6)
#define NVME_SGLS_SUPPORTED         (1u << 0)
#define NVME_SGLS_KEYED             (1u << 2)
#define NVME_SGLS_OFFSET            (1u << 20) /* address of a data block may be an offset */
#define NVME_SGLS_TRANSPORT         (1u << 21) /* transport SGL data block descriptor */
#define NVME_OAES_NS_ATTRIBUTE      (1u << 8)
#define NVME_OAES_FIRMWARE          (1u << 9)
#define NVME_OAES_ZONES             (1u << 27)
#define NVME_OAES_DISCOVERY         (1u << 31)

struct nvme_lbaf {
    le16 ms;
    uint8_t lbads; /* power of two */
    uint8_t rp;    /* 0 best .. 3 degraded */
};
_Static_assert(sizeof(struct nvme_lbaf) == 4, "LBA format");

struct nvme_id_ns {
    le64 nsze, ncap, nuse;
    uint8_t nsfeat, nlbaf, flbas, mc, dpc, dps, nmic, rescap, fpi, dlfeat;
    le16 nawun, nawupf, nacwu, nabsn, nabo, nabspf, noiob;
    le128 nvmcap;
    le16 npwg, npwa, npdg, npda, nows;
    le16 mssrl;
    le32 mcl;
    uint8_t msrc;
    uint8_t rsvd81[11];
    le32 anagrpid;
    uint8_t rsvd96[3], nsattr;
    le16 nvmsetid, endgid;
    uint8_t nguid[16], eui64[8];
    struct nvme_lbaf lbaf[64];
    uint8_t vs[3712];
};
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, nvmcap) == 48, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, mssrl) == 74, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "identify namespace");

#define NVME_NSFEAT_THIN    (1u << 0)
#define NVME_NSFEAT_DEALLOC (1u << 2) /* DAE: Deallocated or Unwritten Logical Block error */
#define NVME_NSFEAT_OPTPERF (1u << 4)
#define NVME_NMIC_SHARED    (1u << 0)
#define NVME_DLFEAT_ZEROES  0x01u /* deallocated blocks read as zeroes */
#define NVME_DLFEAT_WZ_DEAC 0x08u /* DEAC of Write Zeroes honoured */

/* CNS 05h, NVM command set. */
struct nvme_id_ns_nvm {
    le64 lbstm;
    uint8_t pic, rsvd9[3];
    le32 elbaf[64];
    uint8_t rsvd268[3828];
};
_Static_assert(sizeof(struct nvme_id_ns_nvm) == 4096, "identify namespace, NVM command set");

/* CNS 06h, NVM command set. */
struct nvme_id_ctrl_nvm {
    uint8_t vsl, wzsl, wusl, dmrl; /* VSL, WZSL, WUSL: power of two of the minimum page size */
    le32 dmrsl;
    le64 dmsl;
    uint8_t rsvd16[4080];
};
_Static_assert(sizeof(struct nvme_id_ctrl_nvm) == 4096, "identify controller, NVM command set");

/* CNS 05h, Zoned Namespace command set; figure 48, and TP4076 from NUMZRWA on. */
struct nvme_id_ns_zns {
    le16 zoc, ozcs;
    le32 mar, mor; /* 0's based, ffffffffh: no limit */
    le32 rrl, frl; /* seconds, 0: not reported */
    le32 rrl1, rrl2, rrl3, frl1, frl2, frl3;
    le32 numzrwa;
    le16 zrwafg, zrwasz; /* blocks */
    uint8_t zrwacap, rsvd53[2763];
    struct {
        le64 zsze;    /* blocks */
        uint8_t zdes; /* 64 bytes */
        uint8_t rsvd9[7];
    } lbafe[64];
    uint8_t vs[256];
};
_Static_assert(sizeof(struct nvme_id_ns_zns) == 4096, "identify namespace, Zoned Namespace command set");
_Static_assert(offsetof(struct nvme_id_ns_zns, numzrwa) == 44, "identify namespace, Zoned Namespace command set");
_Static_assert(offsetof(struct nvme_id_ns_zns, lbafe) == 2816, "identify namespace, Zoned Namespace command set");
#define NVME_ZOC_VZC          (1u << 0)
#define NVME_ZOC_ZAE          (1u << 1)
#define NVME_OZCS_RAZB        (1u << 0)
#define NVME_OZCS_ZRWASUP     (1u << 1)
#define NVME_ZRWACAP_EXPLICIT (1u << 0)

/* CNS 06h, Zoned Namespace command set. */
struct nvme_id_ctrl_zns {
    uint8_t zasl; /* power of two of the minimum page size; 0: as MDTS */
    uint8_t rsvd1[4095];
};
_Static_assert(sizeof(struct nvme_id_ctrl_zns) == 4096, "identify controller, Zoned Namespace command set");

/* CNS 08h. */
#define NVME_NSFEAT_ROTATIONAL (1u << 4) /* there */
struct nvme_id_independent_ns {
    uint8_t nsfeat, nmic, rescap, fpi;
    le32 anagrpid;
    uint8_t nsattr, rsvd9;
    le16 nvmsetid, endgid;
    uint8_t nstat, rsvd15[4081];
};
_Static_assert(sizeof(struct nvme_id_independent_ns) == 4096, "I/O command set independent identify namespace");

struct nvme_ns_list {
    le32 ns[1024];
};
_Static_assert(sizeof(struct nvme_ns_list) == 4096, "namespace list");

struct nvme_ctrl_list {
    le16 num;
    le16 identifier[2047];
};
_Static_assert(sizeof(struct nvme_ctrl_list) == 4096, "controller list");

enum nvme_nidt { NVME_NIDT_EUI64 = 1, NVME_NIDT_NGUID = 2, NVME_NIDT_UUID = 3, NVME_NIDT_CSI = 4 };

struct nvme_ns_id_desc {
    uint8_t nidt, nidl, rsvd2[2];
    /* nidl bytes follow */
};
_Static_assert(sizeof(struct nvme_ns_id_desc) == 4, "namespace identification descriptor");

struct nvme_id_nvmset {
    uint8_t nid, rsvd1[127];
    struct {
        le16 id, endgid;
        uint8_t rsvd4[4];
        le32 random_4k_read_typical; /* 100 ns */
        le32 optimal_write_size;
        le128 tnvmsetcap, unvmsetcap;
        uint8_t rsvd48[80];
    } ent[31];
};
_Static_assert(sizeof(struct nvme_id_nvmset) == 4096, "NVM set list");

struct nvme_id_endurance_group_list {
    le16 num;
    le16 identifier[2047];
};
_Static_assert(sizeof(struct nvme_id_endurance_group_list) == 4096, "endurance group list");

/* CNS 1Ch: each entry is a combination of command sets. */
struct nvme_id_iocs {
    le64 iocsc[512];
};
_Static_assert(sizeof(struct nvme_id_iocs) == 4096, "I/O command set data structure");

/* ---- Log pages, Base 2.0 section 5.16 ---- */

enum nvme_lid {
    NVME_LID_SUPPORTED = 0x00,
    NVME_LID_ERROR = 0x01,
    NVME_LID_SMART = 0x02,
    NVME_LID_FIRMWARE = 0x03,
    NVME_LID_CHANGED_NS = 0x04,
    NVME_LID_EFFECTS = 0x05,
    NVME_LID_SELF_TEST = 0x06,
    NVME_LID_TELEMETRY_HOST = 0x07,
    NVME_LID_TELEMETRY_CTRL = 0x08,
    NVME_LID_ENDURANCE_GROUP = 0x09,
    NVME_LID_ANA = 0x0c,
    NVME_LID_FID_EFFECTS = 0x12,
    NVME_LID_ROTATIONAL = 0x16,
    NVME_LID_DISCOVERY = 0x70,
    NVME_LID_CHANGED_ZONES = 0xbf,
    NVME_LID_VENDOR_REASONS = 0xc0, /* ours: texts beside the error information */
};

struct nvme_supported_logs {
    le32 lid[256]; /* bit 0 supported, bit 1 index offset */
};
_Static_assert(sizeof(struct nvme_supported_logs) == 1024, "supported log pages");

struct nvme_error_log_entry {
    le64 error_count;
    le16 sqid, cmdid;
    le16 status_field;        /* as in the completion entry: bit 0 is the phase tag, the status above it */
    le16 parm_error_location; /* 7:0 byte, 10:8 bit */
    le64 lba;
    le32 nsid;
    uint8_t vs, trtype;
    uint8_t csi, opc; /* Base 2.1 gives these reserved bytes a meaning: command set and opcode */
    le64 cs;
    le16 trtype_spec_info;
    uint8_t rsvd42[22];
};
_Static_assert(sizeof(struct nvme_error_log_entry) == 64, "error information log entry");

struct nvme_smart_log {
    uint8_t critical_warning;
    le16 temperature; /* kelvin */
    uint8_t avail_spare, spare_thresh, percent_used, endu_grp_crit_warn_sumry, rsvd7[25];
    le128 data_units_read, data_units_written; /* thousands of 512 bytes, rounded up */
    le128 host_reads, host_writes;
    le128 ctrl_busy_time; /* minutes */
    le128 power_cycles, power_on_hours, unsafe_shutdowns, media_errors, num_err_log_entries;
    le32 warning_temp_time, critical_comp_time; /* minutes */
    le16 temp_sensor[8];
    le32 thm_temp1_trans_count, thm_temp2_trans_count, thm_temp1_total_time, thm_temp2_total_time;
    uint8_t rsvd232[280];
};
_Static_assert(sizeof(struct nvme_smart_log) == 512, "SMART / health information log");
_Static_assert(offsetof(struct nvme_smart_log, data_units_read) == 32, "SMART / health information log");

#define NVME_SMART_SPARE       (1u << 0)
#define NVME_SMART_TEMPERATURE (1u << 1)
#define NVME_SMART_DEGRADED    (1u << 2)
#define NVME_SMART_READ_ONLY   (1u << 3)
#define NVME_SMART_BACKUP      (1u << 4)

struct nvme_firmware_log {
    uint8_t afi, rsvd1[7];
    char frs[7][8];
    uint8_t rsvd64[448];
};
_Static_assert(sizeof(struct nvme_firmware_log) == 512, "firmware slot information");

struct nvme_effects_log {
    le32 acs[256], iocs[256];
    uint8_t rsvd2048[2048];
};
_Static_assert(sizeof(struct nvme_effects_log) == 4096, "commands supported and effects");

#define NVME_EFFECT_CSUPP    (1u << 0)
#define NVME_EFFECT_LBCC     (1u << 1)
#define NVME_EFFECT_NCC      (1u << 2)
#define NVME_EFFECT_NIC      (1u << 3)
#define NVME_EFFECT_CCC      (1u << 4)
#define NVME_EFFECT_CSE_NS   (1u << 16) /* no other command to the same namespace meanwhile */
#define NVME_EFFECT_CSE_CTRL (2u << 16)

struct nvme_endurance_group_log {
    uint8_t critical_warning, endurance_group_features, rsvd2, avail_spare;
    uint8_t avail_spare_threshold, percent_used;
    le16 domain_identifier;
    uint8_t rsvd8[24];
    le128 endurance_estimate;                                       /* 10^9 bytes */
    le128 data_units_read, data_units_written, media_units_written; /* 10^9 bytes */
    le128 host_read_cmds, host_write_cmds, media_data_integrity_err, num_err_info_log_entries;
    le128 total_end_grp_cap, unalloc_end_grp_cap;
    uint8_t rsvd192[320];
};
_Static_assert(sizeof(struct nvme_endurance_group_log) == 512, "endurance group information");

#define NVME_EGFEAT_ROTATIONAL 1u

struct nvme_rotational_log {
    le16 endgid, numa, nrot; /* endurance group, actuators, turns a minute */
    uint8_t rsvd6[2];
    le32 spinc, fspinc, ldc, fldc; /* spin-ups, head loads; failed ones */
    uint8_t rsvd24[488];
};
_Static_assert(sizeof(struct nvme_rotational_log) == 512, "rotational media information");

struct nvme_fid_effects_log {
    le32 fid_support[256];
};
_Static_assert(sizeof(struct nvme_fid_effects_log) == 1024, "feature identifiers supported and effects");

#define NVME_FID_EFFECT_FSUPP      (1u << 0)
#define NVME_FID_EFFECT_UDCC       (1u << 1)
#define NVME_FID_EFFECT_SCOPE_NS   (1u << 20)
#define NVME_FID_EFFECT_SCOPE_CTRL (2u << 20)

/* ---- Discovery log, Base 2.0 section 5.16.1.23 ---- */

enum nvme_trtype { NVME_TRTYPE_RDMA = 1, NVME_TRTYPE_FC = 2, NVME_TRTYPE_TCP = 3, NVME_TRTYPE_LOOP = 254 };
enum nvme_adrfam { NVME_ADRFAM_IPV4 = 1, NVME_ADRFAM_IPV6 = 2, NVME_ADRFAM_LOOP = 254 };
enum nvme_subtype { NVME_SUBTYPE_REFERRAL = 1, NVME_SUBTYPE_NVM = 2, NVME_SUBTYPE_DISCOVERY = 3 };

struct nvme_discovery_entry {
    uint8_t trtype, adrfam, subtype, treq;
    le16 portid, cntlid, asqsz, eflags;
    uint8_t rsvd12[20];
    char trsvcid[32];
    uint8_t rsvd64[192];
    char subnqn[256];
    char traddr[256];
    uint8_t tsas[256];
};
_Static_assert(sizeof(struct nvme_discovery_entry) == 1024, "discovery log page entry");
_Static_assert(offsetof(struct nvme_discovery_entry, subnqn) == 256, "discovery log page entry");

#define NVME_TREQ_NOT_SPECIFIED      0u
#define NVME_TREQ_NOT_REQUIRED       2u
#define NVME_TREQ_SQ_FLOW_DISABLE    (1u << 2) /* the host may disable SQ flow control */
#define NVME_EFLAGS_DUPRETINFO       (1u << 0)
#define NVME_EFLAGS_EXPLICIT_CONNECT (1u << 1)
#define NVME_TSAS_TCP_SECTYPE_NONE   0

struct nvme_discovery_log {
    le64 genctr, numrec;
    le16 recfmt;
    uint8_t rsvd18[1006];
    /* numrec entries follow */
};
_Static_assert(sizeof(struct nvme_discovery_log) == 1024, "discovery log page header");

/* ---- Features, Base 2.0 section 5.27 ---- */

enum nvme_fid {
    NVME_FID_ARBITRATION = 0x01,
    NVME_FID_POWER_MANAGEMENT = 0x02,
    NVME_FID_LBA_RANGE_TYPE = 0x03,
    NVME_FID_TEMPERATURE_THRESHOLD = 0x04,
    NVME_FID_ERROR_RECOVERY = 0x05,
    NVME_FID_VOLATILE_WRITE_CACHE = 0x06,
    NVME_FID_NUMBER_OF_QUEUES = 0x07,
    NVME_FID_INTERRUPT_COALESCING = 0x08,
    NVME_FID_INTERRUPT_VECTOR_CONFIG = 0x09,
    NVME_FID_WRITE_ATOMICITY = 0x0a,
    NVME_FID_ASYNC_EVENT_CONFIG = 0x0b,
    NVME_FID_TIMESTAMP = 0x0e,
    NVME_FID_KEEP_ALIVE_TIMER = 0x0f,
    NVME_FID_HOST_BEHAVIOR = 0x16,
    NVME_FID_IOCS_PROFILE = 0x19,
    NVME_FID_HOST_IDENTIFIER = 0x81,
};

enum nvme_feature_sel { NVME_SEL_CURRENT, NVME_SEL_DEFAULT, NVME_SEL_SAVED, NVME_SEL_SUPPORTED };
#define NVME_FEATURE_SAVE        (1u << 31) /* Set Features, command dword 10 */
#define NVME_FEATURE_SAVEABLE    (1u << 0)  /* SEL 3: completion dword 0 */
#define NVME_FEATURE_NS_SPECIFIC (1u << 1)
#define NVME_FEATURE_CHANGEABLE  (1u << 2)

struct nvme_timestamp {
    uint8_t timestamp[6]; /* ms */
    uint8_t attr;         /* bit 0 synch, 3:1 origin */
    uint8_t rsvd7;
};
_Static_assert(sizeof(struct nvme_timestamp) == 8, "timestamp feature");

#define NVME_DULBE (1u << 16) /* Error Recovery: report deallocated blocks */

struct nvme_host_behavior {
    uint8_t acre, etdas, lbafee, rsvd3[509];
};
_Static_assert(sizeof(struct nvme_host_behavior) == 512, "host behavior support");

/* ---- Asynchronous events, Base 2.0 section 5.2: completion dword 0 = LID << 16 | info << 8 | type ---- */

enum nvme_async_type {
    NVME_ASYNC_ERROR = 0,
    NVME_ASYNC_SMART = 1,
    NVME_ASYNC_NOTICE = 2,
    NVME_ASYNC_IMMEDIATE = 3,
    NVME_ASYNC_IO_COMMAND_SET = 6,
    NVME_ASYNC_VENDOR = 7,
};
enum nvme_async_error {
    NVME_ASYNC_ERROR_PERSISTENT_INTERNAL = 3,
    NVME_ASYNC_ERROR_TRANSIENT_INTERNAL = 4,
};
enum nvme_async_smart {
    NVME_ASYNC_SMART_RELIABILITY = 0,
    NVME_ASYNC_SMART_TEMPERATURE = 1,
    NVME_ASYNC_SMART_SPARE = 2,
};
enum nvme_async_notice {
    NVME_ASYNC_NOTICE_NS_ATTRIBUTE = 0x00,
    NVME_ASYNC_NOTICE_FIRMWARE = 0x01,
    NVME_ASYNC_NOTICE_ZONES = 0xef, /* completion dword 1: NSID */
    NVME_ASYNC_NOTICE_DISCOVERY = 0xf0,
};
/* Feature 0Bh. */
#define NVME_AEC_SMART(warning) ((warning)&0xffu)
#define NVME_AEC_NS_ATTRIBUTE   (1u << 8)
#define NVME_AEC_ZONES          (1u << 27)
#define NVME_AEC_DISCOVERY      (1u << 31)

/* ---- NVM command set data ---- */

/* Command dword 12 of Read, Write, Compare, Verify, Write Zeroes. */
#define NVME_RW_NLB(cdw12)    (((cdw12)&0xffffu) + 1)
#define NVME_RW_LR            (1u << 31)
#define NVME_RW_FUA           (1u << 30)
#define NVME_RW_PRINFO(cdw12) ((cdw12) >> 26 & 15)
#define NVME_RW_STC           (1u << 24)
#define NVME_WZ_DEAC          (1u << 25)

struct nvme_dsm_range {
    le32 cattr, nlb;
    le64 slba;
};
_Static_assert(sizeof(struct nvme_dsm_range) == 16, "Dataset Management range");
#define NVME_DSM_IDR (1u << 0)
#define NVME_DSM_IDW (1u << 1)
#define NVME_DSM_AD  (1u << 2)

struct nvme_copy_range_0 {
    uint8_t rsvd0[8];
    le64 slba;
    le16 nlb; /* 0's based */
    uint8_t rsvd18[6];
    le32 eilbrt;
    le16 elbat, elbatm;
};
_Static_assert(sizeof(struct nvme_copy_range_0) == 32, "Copy source range entry, format 0");

/* ---- Zoned Namespace command set data; ZNS 1.1 ---- */

/* Log page BFh: zones whose descriptors the controller changed by itself. */
#define NVME_CHANGED_ZONES     511
#define NVME_CHANGED_ZONES_ALL 0xffffu /* more than that: no identifiers follow */
struct nvme_changed_zones {
    le16 count;
    uint8_t rsvd2[6];
    le64 zslba[NVME_CHANGED_ZONES];
};
_Static_assert(sizeof(struct nvme_changed_zones) == 4096, "changed zone list");

/* Zone Management Send: command dword 13. */
#define NVME_ZSEND_ACTION(cdw13) ((cdw13)&0xffu) /* enum io_zone_action */
#define NVME_ZSEND_ALL           (1u << 8)
#define NVME_ZSEND_ZRWAA         (1u << 9) /* Open, Set Zone Descriptor Extension: allocate a ZRWA */
#define NVME_ZRESET_CAPACITY     (1u << 0) /* completion dword 0: a capacity changed */

/* Zone Management Receive: command dword 13. */
#define NVME_ZRECV_ACTION(cdw13) ((cdw13)&0xffu)
#define NVME_ZRECV_FILTER(cdw13) ((cdw13) >> 8 & 0xffu)
#define NVME_ZRECV_PARTIAL       (1u << 16)
enum nvme_zone_receive_action { NVME_ZRA_REPORT = 0, NVME_ZRA_EXTENDED_REPORT = 1 };
enum nvme_zone_filter {
    NVME_ZRASF_ALL = 0,
    NVME_ZRASF_EMPTY = 1,
    NVME_ZRASF_IMPLICIT_OPEN = 2,
    NVME_ZRASF_EXPLICIT_OPEN = 3,
    NVME_ZRASF_CLOSED = 4,
    NVME_ZRASF_FULL = 5,
    NVME_ZRASF_READ_ONLY = 6,
    NVME_ZRASF_OFFLINE = 7,
    NVME_ZRASF_ATTRIBUTES = 9, /* any of RZR, FZR, ZFC */
};

struct nvme_zone_report {
    le64 nr_zones;
    uint8_t rsvd8[56];
    /* descriptors follow, each with its extension in an extended report */
};
_Static_assert(sizeof(struct nvme_zone_report) == 64, "zone report");

struct nvme_zone_desc {
    uint8_t zt; /* 3:0 */
    uint8_t zs; /* 7:4 enum zone_state */
    uint8_t za; /* enum zone_attribute */
    uint8_t zai, rsvd4[4];
    le64 zcap, zslba, wp;
    uint8_t rsvd32[32];
};
_Static_assert(sizeof(struct nvme_zone_desc) == 64, "zone descriptor");
#define NVME_ZT_SEQWRITE_REQ 2u

/* Zone Append: command dword 12. */
#define NVME_APPEND_PIREMAP (1u << 25)

#endif
