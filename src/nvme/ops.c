/*
 * The opcodes: one row each feeds dispatch, the commands supported and effects
 * log, and the documentation. Indexed by opcode (fabrics: by FCTYPE); a row
 * without a handler is not supported.
 *
 * Not modelled: queue creation and deletion (fabrics connect instead),
 * namespace management, firmware update, self-test, sanitize, security,
 * directives, reservations.
 */
#include "nvme/nvme_int.h"

#define LBCC NVME_EFFECT_LBCC

const struct nvme_op_row nvme_admin_ops[256] = {
    [NVME_ADMIN_GET_LOG_PAGE] = {.name = "Get Log Page",
                                 .flags = NVME_OP_DISCOVERY,
                                 .xfer = NVME_XFER_TO_HOST,
                                 .prepare = nvme_get_log_prepare,
                                 .handler = nvme_get_log,
                                 .help = "part of a log page; RAE clear lets its next event be reported"},
    [NVME_ADMIN_IDENTIFY] = {.name = "Identify",
                             .flags = NVME_OP_DISCOVERY,
                             .xfer = NVME_XFER_TO_HOST,
                             .prepare = nvme_identify_prepare,
                             .handler = nvme_identify,
                             .help = "controller, namespaces, command sets, lists"},
    [NVME_ADMIN_ABORT] = {.name = "Abort",
                          .handler = nvme_abort,
                          .help = "completes the named command at once; its work on the media runs out by itself"},
    [NVME_ADMIN_SET_FEATURES] = {.name = "Set Features",
                                 .flags = NVME_OP_DISCOVERY,
                                 .xfer = NVME_XFER_TO_CTRL,
                                 .prepare = nvme_set_features_prepare,
                                 .handler = nvme_set_features,
                                 .help = "with Save where the feature can be"},
    [NVME_ADMIN_GET_FEATURES] = {.name = "Get Features",
                                 .flags = NVME_OP_DISCOVERY,
                                 .xfer = NVME_XFER_TO_HOST,
                                 .prepare = nvme_get_features_prepare,
                                 .handler = nvme_get_features,
                                 .help = "current, default, saved, capabilities"},
    [NVME_ADMIN_ASYNC_EVENT_REQUEST] = {.name = "Asynchronous Event Request",
                                        .flags = NVME_OP_DISCOVERY,
                                        .handler = nvme_async_event_request,
                                        .help = "waits for an error, health or notice event"},
    [NVME_ADMIN_KEEP_ALIVE] = {.name = "Keep Alive",
                               .flags = NVME_OP_DISCOVERY,
                               .handler = nvme_keep_alive,
                               .help = "restarts the keep alive timer, as any command does"},
    [NVME_ADMIN_FORMAT_NVM] = {.name = "Format NVM",
                               .flags = NVME_OP_NS | NVME_OP_NS_ALL | NVME_OP_NO_ABORT,
                               .effects = LBCC | NVME_EFFECT_NCC | NVME_EFFECT_CSE_NS,
                               .prepare = nvme_format_prepare,
                               .handler = nvme_format,
                               .help = "erases a namespace, or all, and sets its block size"},
};

const struct nvme_op_row nvme_io_ops[256] = {
    [NVME_IO_FLUSH] = {.name = "Flush",
                       .flags = NVME_OP_NS | NVME_OP_NS_ALL,
                       .handler = nvme_flush,
                       .help = "everything completed before is durable after"},
    [NVME_IO_WRITE] = {.name = "Write",
                       .flags = NVME_OP_NS,
                       .xfer = NVME_XFER_TO_CTRL,
                       .effects = LBCC,
                       .prepare = nvme_rw_prepare,
                       .handler = nvme_write,
                       .help = "FUA honoured"},
    [NVME_IO_READ] = {.name = "Read",
                      .flags = NVME_OP_NS,
                      .xfer = NVME_XFER_TO_HOST,
                      .prepare = nvme_rw_prepare,
                      .handler = nvme_read,
                      .help = "DULBE honoured"},
    [NVME_IO_WRITE_UNCORRECTABLE] = {.name = "Write Uncorrectable",
                                     .flags = NVME_OP_NS,
                                     .effects = LBCC,
                                     .prepare = nvme_range_prepare,
                                     .handler = nvme_write_uncorrectable,
                                     .help = "marks blocks: reads fail until they are written or deallocated"},
    [NVME_IO_COMPARE] = {.name = "Compare",
                         .flags = NVME_OP_NS,
                         .xfer = NVME_XFER_TO_CTRL,
                         .prepare = nvme_rw_prepare,
                         .handler = nvme_compare,
                         .help = "reads and compares"},
    [NVME_IO_WRITE_ZEROES] = {.name = "Write Zeroes",
                              .flags = NVME_OP_NS,
                              .effects = LBCC,
                              .prepare = nvme_range_prepare,
                              .handler = nvme_write_zeroes,
                              .help = "deallocates with DEAC"},
    [NVME_IO_DSM] = {.name = "Dataset Management",
                     .flags = NVME_OP_NS,
                     .xfer = NVME_XFER_TO_CTRL,
                     .effects = LBCC,
                     .prepare = nvme_dsm_prepare,
                     .handler = nvme_dsm,
                     .help = "up to 256 ranges; AD deallocates, other attributes are hints without effect"},
    [NVME_IO_VERIFY] = {.name = "Verify",
                        .flags = NVME_OP_NS,
                        .prepare = nvme_range_prepare,
                        .handler = nvme_verify,
                        .help = "reads without moving data"},
    [NVME_IO_COPY] = {.name = "Copy",
                      .flags = NVME_OP_NS,
                      .xfer = NVME_XFER_TO_CTRL,
                      .effects = LBCC,
                      .prepare = nvme_copy_prepare,
                      .handler = nvme_copy,
                      .help = "source range descriptors of format 0, inside one namespace"},
    [NVME_IO_ZONE_SEND] = {.name = "Zone Management Send",
                           .flags = NVME_OP_NS | NVME_OP_ZONED,
                           .xfer = NVME_XFER_TO_CTRL,
                           .effects = LBCC,
                           .prepare = nvme_zone_send_prepare,
                           .handler = nvme_zone_send,
                           .help = "close, finish, open, reset, offline, set descriptor extension, flush ZRWA; data "
                                   "for the extension only"},
    [NVME_IO_ZONE_RECEIVE] = {.name = "Zone Management Receive",
                              .flags = NVME_OP_NS | NVME_OP_ZONED,
                              .xfer = NVME_XFER_TO_HOST,
                              .prepare = nvme_zone_receive_prepare,
                              .handler = nvme_zone_receive,
                              .help = "report and extended report, filters 0 to 7 and 9, partial or whole count"},
    [NVME_IO_ZONE_APPEND] = {.name = "Zone Append",
                             .flags = NVME_OP_NS | NVME_OP_ZONED,
                             .xfer = NVME_XFER_TO_CTRL,
                             .effects = LBCC,
                             .prepare = nvme_append_prepare,
                             .handler = nvme_append,
                             .help = "up to ZASL; the LBA is in the completion, FUA honoured"},
};

const struct nvme_op_row nvme_fabrics_ops[256] = {
    [NVME_FCTYPE_PROPERTY_SET] = {.name = "Property Set",
                                  .flags = NVME_OP_DISCOVERY,
                                  .handler = nvme_property_set,
                                  .help = "CC: enable, reset, shut down; NSSR: reset the subsystem"},
    [NVME_FCTYPE_CONNECT] = {.name = "Connect",
                             .flags = NVME_OP_DISCOVERY,
                             .xfer = NVME_XFER_TO_CTRL,
                             .prepare = nvme_connect_prepare,
                             .handler = nvme_connect,
                             .help = "makes a controller (admin queue) or adds an I/O queue to one"},
    [NVME_FCTYPE_PROPERTY_GET] = {.name = "Property Get",
                                  .flags = NVME_OP_DISCOVERY,
                                  .handler = nvme_property_get,
                                  .help = "CAP, VS, CC, CSTS, CRTO"},
    [NVME_FCTYPE_DISCONNECT] = {.name = "Disconnect",
                                .handler = nvme_disconnect,
                                .help = "ends an I/O queue; the host then closes its connection"},
};

static void doc_effects(FILE *out, uint32_t effects) {
    static const struct {
        uint32_t bits;
        const char *text;
    } kinds[] = {{NVME_EFFECT_LBCC, "changes blocks"},
                 {NVME_EFFECT_NCC, "changes a namespace"},
                 {NVME_EFFECT_CSE_NS, "alone on its namespace"}};
    const char *before = "";
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (effects & kinds[i].bits) {
            fprintf(out, "%s%s", before, kinds[i].text);
            before = ", ";
        }
}

static void doc_ops(FILE *out, const char *title, const struct nvme_op_row rows[256], uint32_t zoned) {
    static const char *const ways[] = {"none", "to the controller", "to the host"};
    fprintf(out, "## %s\n\n| opcode | command | data | effects | notes |\n|---|---|---|---|---|\n", title);
    for (unsigned i = 0; i < 256; i++) {
        const struct nvme_op_row *row = &rows[i];
        if (!row->name || (row->flags & NVME_OP_ZONED) != zoned)
            continue;
        fprintf(out, "| %02xh | %s | %s | ", i, row->name, ways[row->xfer]);
        doc_effects(out, row->effects);
        fprintf(out, " | %s |\n", row->help);
    }
    fputc('\n', out);
}

void nvme_opcodes_doc(FILE *out) {
    fprintf(out, "# NVMe commands\n\nMade from the controller's own tables; a test compares.\n\n");
    doc_ops(out, "Admin commands", nvme_admin_ops, 0);
    doc_ops(out, "I/O commands, NVM command set", nvme_io_ops, 0);
    doc_ops(out, "I/O commands, Zoned Namespace command set: these besides", nvme_io_ops, NVME_OP_ZONED);
    doc_ops(out, "Fabrics commands (opcode 7Fh; by FCTYPE)", nvme_fabrics_ops, 0);
    fprintf(out, "## Identify\n\n| CNS | what |\n|---|---|\n");
    for (const struct nvme_cns_row *row = nvme_cnses; row->name; row++)
        fprintf(out, "| %02xh | %s |\n", row->cns, row->name);
    fprintf(out, "\n## Log pages\n\n| LID | what |\n|---|---|\n");
    for (const struct nvme_log_row *row = nvme_logs; row->name; row++)
        fprintf(out, "| %02xh | %s |\n", row->lid, row->name);
    fprintf(out, "\n## Features\n\n| FID | feature | changeable | saveable | per namespace |\n|---|---|---|---|---|\n");
    for (const struct nvme_feat_row *row = nvme_feats; row->name; row++)
        fprintf(out, "| %02xh | %s | %s | %s | %s |\n", row->fid, row->name,
                row->flags & NVME_FEAT_CHANGE ? "yes" : "no", row->flags & NVME_FEAT_SAVE ? "yes" : "no",
                row->flags & NVME_FEAT_NS ? "yes" : "no");
}
