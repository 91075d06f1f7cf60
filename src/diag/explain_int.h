/*
 * The tables behind explain.h, and what its files share.
 */
#ifndef DRIVELAB_DIAG_EXPLAIN_INT_H
#define DRIVELAB_DIAG_EXPLAIN_INT_H

#include <errno.h>

#include "diag/explain.h"

#define EXPLAIN_EIO EIO /* of statuses that no table has */

/* Who has a name for a status. */
enum explain_seen { EXPLAIN_LINUX = 1, EXPLAIN_LIBNVME = 2, EXPLAIN_SPDK = 4, EXPLAIN_QEMU = 8, EXPLAIN_FEMU = 16 };
#define EXPLAIN_SEERS 5
extern const char *const explain_seers[EXPLAIN_SEERS]; /* by bit */

/* Where a status is defined. */
enum explain_source {
    SRC_GEN,
    SRC_CMD,
    SRC_NVM,
    SRC_MEDIA,
    SRC_PATH,
    SRC_HOST,
    SRC_FAB,
    SRC_ZNS,
    SRC_ZRWA,
    SRC_KV,
    SRC_MEM,
    SRC_CONFLICT,
    SRC_OC12,
    SRC_OC20,
    SRC_FEMU,
    SRC_COUNT
};
extern const char *const explain_sources[SRC_COUNT];

struct explain_about {
    uint16_t status;
    uint8_t set;          /* enum nvme_status_set; with status the key */
    uint8_t source;       /* enum explain_source */
    uint8_t seen;         /* enum explain_seen; 0: in no header looked at */
    int libnvme;          /* errno of libnvme's nvme_status_to_errno() */
    const char *commands; /* comma-separated names, "any" or "none" (the host sets it) */
    const char *causes;   /* in real drives and hosts */
    const char *here;     /* in drivelab; NULL: never */
    const char *beware;   /* what it is taken for; NULL: nothing */
};
extern const struct explain_about explain_abouts[]; /* ended by causes == NULL */
const struct explain_about *explain_about_find(uint16_t status, uint8_t set);

/* Values that no row has. */
const char *explain_unknown(uint16_t status);

struct explain_blk {
    const char *name;  /* BLK_STS_* without the prefix */
    const char *words; /* before " error, dev" in the kernel's log */
    int number;        /* errno */
};
extern const struct explain_blk explain_blks[];                  /* ended by name == NULL */
const char *explain_linux_name(const struct explain_reading *r); /* what nvme_get_error_status_str() gives */

/* How a status is written at a place. */
enum explain_style {
    STYLE_WORDS,   /* "sct 0x1 / sc 0xb9) MORE DNR" */
    STYLE_SLASH,   /* "(01/b9) sqid:1 cid:5 ... m:0 dnr:1" */
    STYLE_DECIMAL, /* 15 bits in decimal, or a negative errno */
    STYLE_HEX,     /* 15 bits in hexadecimal, 0x or not */
    STYLE_PAREN,   /* the same in the line's last parentheses */
    STYLE_EITHER,  /* 15 bits or raw: tools disagree */
};

struct explain_place {
    const char *needle;  /* the number stands behind it */
    const char *context; /* must be in the line too; NULL: nothing */
    uint8_t style;
    bool loose;  /* occurs in other logs: only in lines that speak of NVMe, or were asked for */
    int8_t kind; /* enum nvme_opcode_kind of the command, or -1 */
    int16_t opcode;
    const char *who;
    const char *note; /* NULL: nothing to add */
};
extern const struct explain_place explain_places[]; /* ended by needle == NULL */

/* Who writes statuses how. */
struct explain_writer {
    const char *who, *how, *example; /* ended by NULL */
};
extern const struct explain_writer explain_writers[];

struct explain_message {
    const char *needle;  /* ended by NULL */
    const char *context; /* must be in the line too; NULL: nothing */
    const char *meaning;
    const char *look; /* what to look at; NULL */
};
extern const struct explain_message explain_messages[];

/* ---- Readings (value.c) ---- */
void explain_clear(struct explanation *x, const struct explain_hint *hint);
void explain_add(struct explanation *x, uint32_t status, int phase, enum explain_form form);
void explain_rank(struct explanation *x);
bool explain_pair(const char *text, uint16_t *status); /* "sct 0x1 / sc 0xb9) MORE DNR" from its first word on */
/* Hexadecimal digits from `text` on, at most 8; their count. An 0x before them is skipped. */
unsigned explain_hex(const char *text, uint64_t *value, bool *prefixed);
bool explain_is_status(uint16_t status, uint8_t set);
const char *explain_commands_next(const char *list, char *name, size_t size); /* NULL: no more */

#endif
