/* explain: every row, every spelling, lines of every tool it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "diag/explain.h"
#include "diag/explain_int.h"
#include "nvme/nvme_int.h"

static struct explain_hint hint_of(uint8_t set) {
    struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
    hint.kind = set == NVME_SET_FABRICS ? NVME_KIND_FABRICS : set == NVME_SET_STANDARD ? NVME_KIND_IO : -1;
    return hint;
}

static bool is_command(const char *name) {
    for (const struct nvme_opcode_row *row = nvme_opcodes; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return true;
    return strcmp(name, "any") == 0 || strcmp(name, "none") == 0;
}

/* ---- Tables ---- */

static void test_explain_knows_each_named_status_once(void **state) {
    unsigned names = 0, abouts = 0;
    for (const struct nvme_status_row *row = nvme_statuses; row->name; row++, names++)
        if (!explain_about_find(row->status, row->set))
            fail_msg("0x%03x %s is not explained", row->status, row->name);
    for (const struct explain_about *about = explain_abouts; about->causes; about++, abouts++) {
        char name[64];
        unsigned n = 0;
        assert_ptr_equal(explain_about_find(about->status, about->set), about);
        assert_non_null(nvme_status_find_in(about->status, about->set));
        assert_true(strlen(about->causes) > 10 && about->source < SRC_COUNT && explain_sources[about->source]);
        for (const char *at = about->commands; (at = explain_commands_next(at, name, sizeof name)); n++)
            if (!is_command(name))
                fail_msg("0x%03x: no command is called %s", about->status, name);
        assert_true(n > 0);
        assert_true(explain_errno_name(about->libnvme)[0] != 'a');
    }
    assert_int_equal(names, abouts);
}

static void check_op_names(enum nvme_opcode_kind kind, const struct nvme_op_row rows[256]) {
    for (unsigned i = 0; i < 256; i++)
        if (rows[i].name)
            assert_string_equal(nvme_opcode_name(kind, (uint8_t)i), rows[i].name);
}

static void test_explain_opcodes_are_the_controllers(void **state) {
    check_op_names(NVME_KIND_ADMIN, nvme_admin_ops);
    check_op_names(NVME_KIND_IO, nvme_io_ops);
    check_op_names(NVME_KIND_FABRICS, nvme_fabrics_ops);
    for (const struct nvme_opcode_row *row = nvme_opcodes; row->name; row++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct err e = {0};
        hint.kind = row->kind;
        assert_int_equal(explain_opcode(row->name, &hint, &e), 0);
        assert_int_equal(hint.opcode, row->opcode);
    }
}

/* docs/nvme-status.md is what the tables say. */
static void test_explain_tables_document_themselves(void **state) {
    char *text = NULL, path[4096];
    static char page[1 << 17];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    explain_doc(out);
    fclose(out);
    assert_non_null(strstr(text, "| 0x1b9 | Zone Is Full |"));
    const char *root = getenv("DRIVELAB_SOURCE");
    if (root) {
        snprintf(path, sizeof path, "%s/docs/nvme-status.md", root);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t got = fread(page, 1, sizeof page, f);
        fclose(f);
        assert_int_equal(got, size);
        assert_memory_equal(page, text, size);
    }
    free(text);
}

/* ---- Spellings ---- */

/* Every flag, and the phase bit, on top of a status. */
static const uint16_t flag_sets[] = {0, NVME_DNR, NVME_MORE, NVME_DNR | NVME_MORE, 1 << 11, 3 << 11 | NVME_DNR};

static void expect(const char *text, const struct explain_hint *hint, uint16_t status, int phase, uint8_t set) {
    struct explanation x;
    struct err e = {0};
    if (explain_value(text, hint, &x, &e))
        fail_msg("%s", e.text);
    for (unsigned i = 0; i < x.count; i++)
        if (x.reading[i].status == status && x.reading[i].set == set && x.reading[i].phase == phase)
            return;
    fail_msg("\"%s\" is 0x%x, not 0x%x of set %u, phase %d", text, x.reading[0].status, status, set, phase);
}

static bool shadowed(const struct nvme_status_row *row) {
    return row->set == NVME_SET_VENDOR && nvme_status_find_in(row->status, NVME_SET_STANDARD);
}

static void spell_numbers(const struct nvme_status_row *row, const struct explain_hint *hint, uint16_t status) {
    char text[64];
    snprintf(text, sizeof text, "0x%x", status);
    expect(text, hint, status, -1, row->set);
    snprintf(text, sizeof text, " 0X%X\n", status);
    expect(text, hint, status, -1, row->set);
    snprintf(text, sizeof text, "%xh", status);
    expect(text, hint, status, -1, row->set);
    snprintf(text, sizeof text, "%04x", status);
    expect(text, hint, status, -1, row->set);
    snprintf(text, sizeof text, "%u", status);
    if (status >= 10000) /* shorter ones can be hexadecimal just as well */
        expect(text, hint, status, -1, row->set);
}

static void spell_pairs(const struct nvme_status_row *row, const struct explain_hint *hint, uint16_t status) {
    static const char *const forms[] = {"(%02x/%02x)",          "%x/%02x",           "sct 0x%x / sc 0x%x",
                                        "(sct 0x%x / sc 0x%x)", "SCT %xh, SC %02xh", "sct=%x,sc=%x",
                                        "sct: 0x%x sc: 0x%x"};
    unsigned sct = status >> 8 & 7, sc = status & 0xff;
    char text[64];
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(text, sizeof text, forms[i], sct, sc);
#pragma GCC diagnostic pop
        snprintf(text + n, sizeof text - (size_t)n, "%s%s", status & NVME_MORE ? " MORE" : "",
                 status & NVME_DNR ? " DNR" : "");
        expect(text, hint, status & ~0x1800, -1, row->set);
    }
}

static void spell_raw(const struct nvme_status_row *row, const struct explain_hint *told, uint16_t status) {
    struct explain_hint hint = *told;
    char text[64];
    hint.raw = true;
    for (unsigned phase = 0; phase < 2; phase++) {
        unsigned field = (unsigned)status << 1 | phase;
        snprintf(text, sizeof text, "0x%04x", field);
        expect(text, &hint, status, (int)phase, row->set);
        snprintf(text, sizeof text, "%04x0012", field);
        if (field)
            expect(text, &hint, status, (int)phase, row->set);
        snprintf(text, sizeof text, "00000000 00000000 00010005 %04x0012", field);
        expect(text, &hint, status, (int)phase, row->set);
        snprintf(text, sizeof text, "0000000000000000050001001200%02x%02x", field & 0xff, field >> 8);
        expect(text, &hint, status, (int)phase, row->set);
        snprintf(text, sizeof text, "00 00 00 00 00 00 00 00 05 00 01 00 12 00 %02x %02x", field & 0xff, field >> 8);
        expect(text, told, status, (int)phase, row->set);
        snprintf(text, sizeof text, "0x%04x", field);
        if (field > 0x7fff)
            expect(text, told, status, (int)phase, row->set);
    }
}

static void test_explain_every_status_in_every_spelling(void **state) {
    for (const struct nvme_status_row *row = nvme_statuses; row->name; row++) {
        struct explain_hint hint = hint_of(row->set);
        for (unsigned f = 0; f < sizeof flag_sets / sizeof *flag_sets && !shadowed(row); f++) {
            uint16_t status = row->status | flag_sets[f];
            spell_numbers(row, &hint, status);
            spell_pairs(row, &hint, status);
            spell_raw(row, &hint, status);
        }
    }
}

static void test_explain_says_what_is_ambiguous(void **state) {
    static const struct {
        const char *text;
        unsigned count;
        uint16_t status[3];
        uint8_t form[3];
    } cases[] = {
        {"0x41b9", 1, {0x41b9}, {EXPLAIN_HEX}},
        {"41b9", 1, {0x41b9}, {EXPLAIN_HEX}},
        {"16825", 1, {0x41b9}, {EXPLAIN_DECIMAL}},
        {"4002", 1, {0x4002}, {EXPLAIN_HEX}},
        {"281", 2, {0x281, 0x119}, {EXPLAIN_HEX, EXPLAIN_DECIMAL}},
        {"10", 2, {0x10, 0x0a}, {EXPLAIN_HEX, EXPLAIN_DECIMAL}},
        {"2", 1, {2}, {EXPLAIN_HEX}},
        {"b9", 1, {0x1b9}, {EXPLAIN_CODE_ALONE}},
        {"0x8373", 1, {0x41b9}, {EXPLAIN_RAW_BY_SIZE}},
        {"33651", 1, {0x41b9}, {EXPLAIN_RAW_BY_SIZE}},
        {"0x373", 1, {0x1b9}, {EXPLAIN_RAW_GUESS}},
        {"83730001", 1, {0x41b9}, {EXPLAIN_DWORD3}},
        {"0x6182", 2, {0x6182, 0x6182}, {EXPLAIN_HEX, EXPLAIN_HEX}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct explanation x;
        struct err e = {0};
        assert_int_equal(explain_value(cases[i].text, &hint, &x, &e), 0);
        if (x.count != cases[i].count)
            fail_msg("%s: %u readings", cases[i].text, x.count);
        for (unsigned r = 0; r < x.count; r++)
            if (x.reading[r].status != cases[i].status[r] || x.reading[r].form != cases[i].form[r])
                fail_msg("%s: reading %u is 0x%x, form %u", cases[i].text, r, x.reading[r].status, x.reading[r].form);
    }
}

static void test_explain_unknown_numbers_are_statuses_too(void **state) {
    static const uint16_t values[] = {0x7a2, 0x5ff, 0x1c5, 0x0bf, 0x3f0, 0x33};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct explanation x;
        struct err e = {0};
        char text[16];
        snprintf(text, sizeof text, "0x%x", values[i]);
        assert_int_equal(explain_value(text, &hint, &x, &e), 0);
        assert_true(x.count > 0);
        assert_true(strlen(explain_unknown(values[i])) > 10);
    }
}

static void test_explain_refuses_what_is_no_value(void **state) {
    static const char *const bad[] = {"",        " ",      "0x",         "hello", "0x1b9z", "-5",       "12345678901",
                                      "0x99999", "(9/b9)", "sct 8 sc 1", "sct 1", "99999",  "00 00 00", "0x8372 0x1",
                                      "123/",    "\"\""};
    struct explain_hint hints[2] = {EXPLAIN_NOTHING_KNOWN, EXPLAIN_NOTHING_KNOWN};
    hints[1].raw = true;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        for (unsigned h = 0; h < 2; h++) {
            struct explanation x;
            struct err e = {0};
            if (h && strcmp(bad[i], "0x99999") == 0) /* dword 3 of an entry with CID 9999h */
                continue;
            if (h && strcmp(bad[i], "99999") == 0)
                continue;
            if (explain_value(bad[i], &hints[h], &x, &e) != -EINVAL)
                fail_msg("\"%s\" was taken", bad[i]);
            assert_non_null(strstr(e.text, "possible"));
        }
}

static void test_explain_opcode_forms(void **state) {
    static const struct {
        const char *text;
        int before, kind, opcode;
    } cases[] = {
        {"zone-append", -1, NVME_KIND_IO, 0x7d},
        {"Zone Append", -1, NVME_KIND_IO, 0x7d},
        {"0x7d", -1, NVME_KIND_IO, 0x7d},
        {"125", -1, NVME_KIND_IO, 0x7d},
        {"connect", -1, NVME_KIND_FABRICS, 1},
        {"0x7f", -1, NVME_KIND_FABRICS, -1},
        {"6", NVME_KIND_ADMIN, NVME_KIND_ADMIN, 6},
        {"identify", -1, NVME_KIND_ADMIN, 6},
        {"store", -1, NVME_KIND_KV, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct explain_hint hint = {.kind = cases[i].before, .opcode = -1};
        struct err e = {0};
        assert_int_equal(explain_opcode(cases[i].text, &hint, &e), 0);
        assert_int_equal(hint.kind, cases[i].kind);
        assert_int_equal(hint.opcode, cases[i].opcode);
    }
    static const char *const bad[] = {"", "nothing", "256", "0x", "-1"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct err e = {0};
        assert_int_equal(explain_opcode(bad[i], &hint, &e), -EINVAL);
        assert_non_null(strstr(e.text, "possible"));
    }
}

/* ---- Linux ---- */

static void test_explain_what_linux_does(void **state) {
    static const struct {
        uint16_t status;
        enum explain_fate fate;
        int number;
    } cases[] = {
        {0x000, EXPLAIN_DONE, 0},
        {0x41b9, EXPLAIN_GIVES_UP, EIO},
        {0x01b9, EXPLAIN_RETRIES, EIO},
        {0x0281, EXPLAIN_RETRIES, ENODATA},
        {0x4002, EXPLAIN_GIVES_UP, EOPNOTSUPP},
        {0x302, EXPLAIN_FAILS_OVER, EIO},
        {0x4302, EXPLAIN_GIVES_UP, EIO},
        {0x191, EXPLAIN_AUTHENTICATES, EIO},
        {0x1bd, EXPLAIN_RETRIES, EOVERFLOW},
        {0x1be, EXPLAIN_RETRIES, ETOOMANYREFS},
        {0x370, EXPLAIN_FAILS_OVER, ENOLINK},
        {0x80, EXPLAIN_RETRIES, EREMOTEIO},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(explain_fate(cases[i].status), cases[i].fate);
        assert_int_equal(explain_blk_of(cases[i].status)->number, cases[i].number);
        assert_true(strlen(explain_fate_name(cases[i].fate)) > 3);
    }
}

/* The line that a status leads to is read back as that status. */
static void test_explain_reads_the_lines_it_foretells(void **state) {
    unsigned lines = 0;
    for (const struct nvme_status_row *row = nvme_statuses; row->name; row++)
        for (unsigned f = 0; f < 4 && !shadowed(row); f++) {
            struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
            struct explanation x, back;
            char value[16], text[256];
            const char *since;
            struct err e = {0};
            snprintf(value, sizeof value, "0x%x", row->status | flag_sets[f]);
            hint.kind = row->set == NVME_SET_FABRICS ? NVME_KIND_FABRICS : -1;
            assert_int_equal(explain_value(value, &hint, &x, &e), 0);
            for (unsigned i = 0; i < 2 && explain_dmesg(&x, i, text, sizeof text, &since); i++, lines++) {
                hint.kind = -1;
                assert_true(explain_line(text, strlen(text), &hint, &back));
                assert_int_equal(back.reading[0].status, x.reading[0].status);
                assert_int_equal(back.reading[0].set, x.reading[0].set);
            }
            if (explain_dmesg(&x, 2, text, sizeof text, &since)) {
                assert_true(explain_line(text, strlen(text), &hint, &back));
                assert_ptr_equal(back.blk, explain_blk_of(x.reading[0].status));
            }
        }
    assert_true(lines > 800);
}

/* ---- Lines ---- */

static const struct {
    const char *line;
    int status;          /* -1: none */
    const char *message; /* a part of its meaning, or NULL */
    int error;
} lines[] = {
    {"nvme0n1: Write(0x1) @ LBA 218630656, 256 blocks, Zone Is Full (sct 0x1 / sc 0xb9) DNR ", 0x41b9, NULL, 0},
    {"[    5.0] nvme0n1: I/O Cmd(0x1) @ LBA 2048, 8 blocks, I/O Error (sct 0x1 / sc 0xb9) MORE DNR ", 0x61b9, NULL, 0},
    {"nvme0: Admin Cmd(0x6), I/O Error (sct 0x0 / sc 0xb) DNR ", 0x400b, NULL, 0},
    {"nvme nvme0: I/O tag 5 (3005) opcode 0x1 (I/O Cmd) QID 1 timeout, aborting req_op:WRITE(1) size:4096", -1,
     "io_timeout", 0},
    {"nvme nvme0: I/O 512 QID 3 timeout, aborting", -1, "io_timeout", 0},
    {"nvme nvme0: Abort status: 0x0", 0, NULL, 0},
    {"nvme nvme0: Abort status: 0x371", 0x371, NULL, 0},
    {"nvme nvme0: I/O tag 7 (3007) QID 1 timeout, completion polled", -1, "no interrupt", 0},
    {"nvme nvme0: I/O tag 7 QID 1 timeout, reset controller", -1, "even after an Abort", 0},
    {"nvme nvme0: I/O 0 QID 0 timeout, disable controller", -1, "set up or shut down", 0},
    {"nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff", -1, "gone", 0},
    {"nvme nvme0: Device not ready; aborting initialisation, CSTS=0x0", -1, "CAP.TO", 0},
    {"nvme nvme0: invalid id 300 completed on queue 2", -1, "never out", 0},
    {"nvme nvme0: request 0x3005 genctr mismatch (got 0x3 expected 0x4)", -1, "earlier use", 0},
    {"nvme nvme0: Identify Controller failed (16386)", 0x4002, NULL, 0},
    {"nvme nvme0: Identify Controller failed (-4)", -1, NULL, EINTR},
    {"nvme nvme0: Could not set queue count (16386)", 0x4002, NULL, 0},
    {"nvme nvme0: failed to set APST feature (2)", 2, NULL, 0},
    {"nvme nvme0: could not set timestamp (16386)", 0x4002, NULL, 0},
    {"nvme nvme0: Identify Descriptors failed (nsid=1, status=0x4002)", 0x4002, NULL, 0},
    {"nvme nvme0: Identify NS List failed (status=0x400b)", 0x400b, NULL, 0},
    {"nvme nvme0: ignoring nsid 2 because of duplicate IDs", -1, "left out", 0},
    {"nvme nvme0: duplicate IDs in subsystem for nsid 2", -1, "same EUI-64", 0},
    {"nvme nvme0: globally duplicate IDs for nsid 1", -1, "Another device", 0},
    {"nvme nvme0: Ignoring bogus Namespace Identifiers", -1, "quirk", 0},
    {"nvme nvme0: block device for nsid 1 not supported without CONFIG_BLK_DEV_ZONED", -1, "no block device", 0},
    {"nvme nvme0: block device for nsid 1 not supported (csi 1)", -1, "command set", 0},
    {"nvme nvme0: Command set not reported for nsid: 1", -1, "descriptors", 0},
    {"nvme nvme0: zone info query failed for nsid 1, ret 2", -1, "Identify CNS 05h", 0},
    {"nvme nvme0: IO command:02 has unusual effects:00000004", -1, "more than blocks", 0},
    {"nvme nvme0: missing or invalid SUBNQN field.", -1, "NQN", 0},
    {"nvme nvme0: Minimum device page size 8192 too large for host (4096)", -1, "MPSMIN", 0},
    {"nvme nvme0: bad crto:0 cap:1e0103ff", -1, "CAP.TO", 0},
    {"nvme nvme0: NPSS is invalid; not using APST", -1, "power states", 0},
    {"nvme nvme0: Connect command failed, error wo/DNR bit: 386", 0x182, NULL, 0},
    {"nvme nvme0: Connect command failed, error wo/DNR bit: 881", 0x371, NULL, 0},
    {"nvme nvme0: Connect command failed, error wo/DNR bit: -16402", -1, NULL, EXDEV},
    {"nvme nvme0: failed to connect queue: 5 ret=881", 0x371, NULL, 0},
    {"nvme nvme0: failed to connect queue: 1 ret=-18", -1, NULL, EXDEV},
    {"NVMe status: Invalid Field in Command: A reserved coded value (x)(0x4002)", 0x4002, NULL, 0},
    {"NVMe Status:INVALID_FIELD: A reserved coded value or an unsupported value in a defined field(4002)", 0x4002, NULL,
     0},
    {"NVMe-MI status: Invalid Parameter (0x4)", -1, "management interface", 0},
    {"nvme_complete_rq: nvme0: disk=nvme0n1, qid=1, cmdid=12293, res=0x0, retries=0, flags=0x0, status=0x41b9", 0x41b9,
     NULL, 0},
    {"nvme_qpair.c: 474:spdk_nvme_print_completion: *NOTICE*: INVALID FIELD (00/02) sqid:0 cid:95 cdw0:0 sqhd:0005 p:1 "
     "m:0 dnr:1",
     0x4002, NULL, 0},
    {"nvme_qpair.c: *NOTICE*: ZONE IS FULL (01/b9) qid:1 cid:3 cdw0:0 sqhd:0005 p:0 m:1 dnr:0", 0x21b9, NULL, 0},
    {"pci_nvme_err_req_status cid 7 nsid 1 status 0x41bc opc 0x7d", 0x41bc, NULL, 0},
    {"pci_nvme_enqueue_req_completion cid 1 cqid 1 dw0 0x0 dw1 0x0 status 0x4002", 0x4002, NULL, 0},
    {"[FEMU] Err: append failed, status 41b9", 0x41b9, NULL, 0},
    {"drivelab: nvme info: tcp 127.0.0.1:4 ctrl 1 qid 1 cid 2: Read (opcode 02h) nsid 1 fails with LBA Out of Range "
     "(0x6080): blocks "
     "(0x1) to 2",
     0x6080, NULL, 0},
    {"drivelab: nvme info: tcp 127.0.0.1:4 qid 0 cid 2: Connect (opcode 7fh) fails with Connect Invalid Parameters "
     "(0x4182): no",
     0x4182, NULL, 0},
    {"nvme error-log: status_field : 0xc502", 0x6281, NULL, 0},
    {"usb 1-1: device descriptor read/64, error -71", -1, NULL, 0},
    {"ACPI: something status: 0x4002", -1, NULL, 0},
    {"eth0: link up (01/02)", -1, NULL, 0},
    {"nvme nvme0: 2/0/0 default/read/poll queues", -1, NULL, 0},
    {"", -1, NULL, 0},
};

static void test_explain_lines(void **state) {
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct explanation x;
        bool known = explain_line(lines[i].line, strlen(lines[i].line), &hint, &x);
        if (known != (lines[i].status >= 0 || lines[i].message || lines[i].error))
            fail_msg("%s: %s", lines[i].line, known ? "known" : "not known");
        if ((x.count ? x.reading[0].status : -1) != lines[i].status)
            fail_msg("%s: 0x%x", lines[i].line, x.count ? x.reading[0].status : 0);
        if (lines[i].message && (!x.message || !strstr(x.message->meaning, lines[i].message)))
            fail_msg("%s: %s", lines[i].line, x.message ? x.message->meaning : "no message");
        assert_int_equal(x.error, lines[i].error);
    }
}

/* A row that no line of the test reaches is not tested. */
static void test_explain_every_place_has_a_line(void **state) {
    for (const struct explain_place *place = explain_places; place->needle; place++) {
        bool used = place->loose || strcmp(place->needle, "(") == 0;
        for (unsigned i = 0; i < sizeof lines / sizeof *lines && !used; i++) {
            struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
            struct explanation x;
            used = explain_line(lines[i].line, strlen(lines[i].line), &hint, &x) && (x.place == place || x.error);
        }
        if (!used)
            fail_msg("no line has \"%s\"", place->needle);
    }
}

static void test_explain_line_tells_the_command(void **state) {
    static const struct {
        const char *line;
        int kind, opcode;
        int64_t cid, qid;
        uint8_t set;
    } cases[] = {
        {"nvme0n1: Write(0x1) @ LBA 8, 8 blocks, Zone Is Full (sct 0x1 / sc 0xb9) ", NVME_KIND_IO, 1, -1, -1, 0},
        {"nvme0: Admin Cmd(0x6), I/O Error (sct 0x0 / sc 0xb) DNR ", NVME_KIND_ADMIN, 6, -1, -1, 0},
        {"x: *NOTICE*: INVALID FIELD (00/02) sqid:0 cid:95 cdw0:0 sqhd:0005 p:1 m:0 dnr:1", NVME_KIND_ADMIN, -1, 95, 0,
         0},
        {"drivelab: nvme info: tcp qid 0 cid 2: Connect (opcode 7fh) fails with X (0x4182): no", NVME_KIND_FABRICS, -1,
         2, 0, NVME_SET_FABRICS},
        {"drivelab: nvme info: tcp 127.0.0.1:40112 ctrl 1 qid 3 cid 12: Read (opcode 02h) nsid 1 fails with X "
         "(0x6080): no",
         NVME_KIND_IO, 2, 12, 3, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
        struct explanation x;
        assert_true(explain_line(cases[i].line, strlen(cases[i].line), &hint, &x));
        assert_int_equal(x.kind, cases[i].kind);
        assert_int_equal(x.opcode, cases[i].opcode);
        assert_int_equal(x.cid, cases[i].cid);
        assert_int_equal(x.qid, cases[i].qid);
        assert_int_equal(x.reading[0].set, cases[i].set);
    }
    static const char late[] = "nvme nvme0: I/O tag 5 (3005) opcode 0x1 (I/O Cmd) QID 1 timeout, aborting";
    struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
    struct explanation x;
    assert_true(explain_line(late, strlen(late), &hint, &x));
    assert_int_equal(x.cid, 0x3005);
    assert_int_equal(x.qid, 1);
}

static void test_explain_log_counts_what_is_alike(void **state) {
    struct explain_hint hint = EXPLAIN_NOTHING_KNOWN;
    struct explain_log *log = explain_log_new(&hint);
    for (unsigned i = 0; i < 100; i++) {
        char line[128];
        int n = snprintf(line, sizeof line, "nvme0n1: Write(0x1) @ LBA %u, 8 blocks, X (sct 0x1 / sc 0x%x) DNR \n", i,
                         i % 10 ? 0xb9 : 0xbc);
        assert_int_equal(explain_log_line(log, line, (size_t)n), 0);
        assert_int_equal(explain_log_line(log, "nothing of interest\n", 20), 0);
    }
    assert_int_equal(explain_log_found(log), 2);
    json_t *array = explain_log_json(log);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 0), "count")), 10);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 1), "count")), 90);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 1), "line")), 3);
    json_decref(array);
    explain_log_free(log);
}

/* ---- What goes out ---- */

static void test_explain_output_of_every_status(void **state) {
    for (const struct nvme_status_row *row = nvme_statuses; row->name; row++) {
        struct explain_hint hint = hint_of(row->set);
        struct explanation x;
        struct err e = {0};
        char value[16], *text = NULL;
        size_t size = 0;
        if (shadowed(row))
            continue;
        snprintf(value, sizeof value, "0x%x", row->status);
        assert_int_equal(explain_value(value, &hint, &x, &e), 0);
        FILE *out = open_memstream(&text, &size);
        explain_print(out, &x);
        fclose(out);
        assert_non_null(strstr(text, row->name));
        assert_non_null(strstr(text, "\n  Linux "));
        assert_non_null(strstr(text, "\n  source "));
        free(text);
        json_t *json = explain_json(&x);
        json_t *reading = json_object_get(json, "reading");
        assert_string_equal(json_string_value(json_object_get(reading, "name")), row->name);
        assert_non_null(json_object_get(json_object_get(json, "linux"), "errno"));
        assert_true(json_array_size(json_object_get(reading, "commands")) > 0);
        json_decref(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_knows_each_named_status_once),
        cmocka_unit_test(test_explain_opcodes_are_the_controllers),
        cmocka_unit_test(test_explain_tables_document_themselves),
        cmocka_unit_test(test_explain_every_status_in_every_spelling),
        cmocka_unit_test(test_explain_says_what_is_ambiguous),
        cmocka_unit_test(test_explain_unknown_numbers_are_statuses_too),
        cmocka_unit_test(test_explain_refuses_what_is_no_value),
        cmocka_unit_test(test_explain_opcode_forms),
        cmocka_unit_test(test_explain_what_linux_does),
        cmocka_unit_test(test_explain_reads_the_lines_it_foretells),
        cmocka_unit_test(test_explain_lines),
        cmocka_unit_test(test_explain_every_place_has_a_line),
        cmocka_unit_test(test_explain_line_tells_the_command),
        cmocka_unit_test(test_explain_log_counts_what_is_alike),
        cmocka_unit_test(test_explain_output_of_every_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
