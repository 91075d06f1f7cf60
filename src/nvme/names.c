/*
 * The names of opcodes: Base 2.0 figures 88 and 138, section 6 for fabrics
 * commands; NVM, ZNS and Key Value command sets. Commands that the controller
 * supports have the same names in ops.c; a test compares.
 */
#include "nvme/nvme.h"

#define ADMIN   NVME_KIND_ADMIN
#define IO      NVME_KIND_IO
#define FABRICS NVME_KIND_FABRICS
#define KV      NVME_KIND_KV

/* clang-format off */
const struct nvme_opcode_row nvme_opcodes[] = {
    {ADMIN, 0x00, "Delete I/O Submission Queue"},
    {ADMIN, 0x01, "Create I/O Submission Queue"},
    {ADMIN, 0x02, "Get Log Page"},
    {ADMIN, 0x04, "Delete I/O Completion Queue"},
    {ADMIN, 0x05, "Create I/O Completion Queue"},
    {ADMIN, 0x06, "Identify"},
    {ADMIN, 0x08, "Abort"},
    {ADMIN, 0x09, "Set Features"},
    {ADMIN, 0x0a, "Get Features"},
    {ADMIN, 0x0c, "Asynchronous Event Request"},
    {ADMIN, 0x0d, "Namespace Management"},
    {ADMIN, 0x10, "Firmware Commit"},
    {ADMIN, 0x11, "Firmware Image Download"},
    {ADMIN, 0x14, "Device Self-test"},
    {ADMIN, 0x15, "Namespace Attachment"},
    {ADMIN, 0x18, "Keep Alive"},
    {ADMIN, 0x19, "Directive Send"},
    {ADMIN, 0x1a, "Directive Receive"},
    {ADMIN, 0x1c, "Virtualization Management"},
    {ADMIN, 0x1d, "NVMe-MI Send"},
    {ADMIN, 0x1e, "NVMe-MI Receive"},
    {ADMIN, 0x20, "Capacity Management"},
    {ADMIN, 0x21, "Discovery Information Management"},
    {ADMIN, 0x22, "Fabric Zoning Receive"},
    {ADMIN, 0x24, "Lockdown"},
    {ADMIN, 0x25, "Fabric Zoning Lookup"},
    {ADMIN, 0x28, "Clear Exported NVM Resource Configuration"},
    {ADMIN, 0x29, "Fabric Zoning Send"},
    {ADMIN, 0x41, "Migration Send"},
    {ADMIN, 0x42, "Migration Receive"},
    {ADMIN, 0x45, "Controller Data Queue"},
    {ADMIN, 0x7c, "Doorbell Buffer Config"},
    {ADMIN, 0x80, "Format NVM"},
    {ADMIN, 0x81, "Security Send"},
    {ADMIN, 0x82, "Security Receive"},
    {ADMIN, 0x84, "Sanitize"},
    {ADMIN, 0x86, "Get LBA Status"},
    {IO, 0x00, "Flush"},
    {IO, 0x01, "Write"},
    {IO, 0x02, "Read"},
    {IO, 0x04, "Write Uncorrectable"},
    {IO, 0x05, "Compare"},
    {IO, 0x08, "Write Zeroes"},
    {IO, 0x09, "Dataset Management"},
    {IO, 0x0c, "Verify"},
    {IO, 0x0d, "Reservation Register"},
    {IO, 0x0e, "Reservation Report"},
    {IO, 0x11, "Reservation Acquire"},
    {IO, 0x12, "I/O Management Receive"},
    {IO, 0x15, "Reservation Release"},
    {IO, 0x18, "Cancel"},
    {IO, 0x19, "Copy"},
    {IO, 0x1d, "I/O Management Send"},
    {IO, 0x79, "Zone Management Send"},
    {IO, 0x7a, "Zone Management Receive"},
    {IO, 0x7d, "Zone Append"},
    {FABRICS, 0x00, "Property Set"},
    {FABRICS, 0x01, "Connect"},
    {FABRICS, 0x04, "Property Get"},
    {FABRICS, 0x05, "Authentication Send"},
    {FABRICS, 0x06, "Authentication Receive"},
    {FABRICS, 0x08, "Disconnect"},
    {KV, 0x01, "Store"},
    {KV, 0x02, "Retrieve"},
    {KV, 0x06, "List"},
    {KV, 0x10, "Delete"},
    {KV, 0x14, "Exist"},
    {.name = NULL},
};
/* clang-format on */

const char *nvme_opcode_name(enum nvme_opcode_kind kind, uint8_t opcode) {
    for (const struct nvme_opcode_row *row = nvme_opcodes; row->name; row++)
        if (row->kind == kind && row->opcode == opcode)
            return row->name;
    return NULL;
}
