/*
 * Where statuses stand in what tools and kernels print, and lines that are
 * known by their words alone.
 *
 * Sources: behaviour of Linux 6.12 (drivers/nvme/host), nvme-cli 1.x to 3.0,
 * SPDK, QEMU 10.1 and FEMU. The first row that fits is taken: the special ones
 * stand first.
 */
#include "diag/explain_int.h"

#define ADMIN   NVME_KIND_ADMIN
#define FABRICS NVME_KIND_FABRICS
#define ANY     (-1), (-1)

/* clang-format off */
const struct explain_place explain_places[] = {
    {"(sct 0x", NULL, STYLE_WORDS, false, ANY, "Linux's driver (nvme_log_error(), 5.18 and newer)",
     "Printed when the command is given up, after all retries. Passthrough commands are logged only with passthru_err_log_enabled in sysfs, and then with cdw10 to cdw15."},
    {"NVMe status:", NULL, STYLE_PAREN, false, ANY, "nvme-cli 2 and newer",
     "The exit code is an errno (22 is EINVAL)."},
    {"NVMe Status:", NULL, STYLE_PAREN, false, ANY, "nvme-cli 1.x, hexadecimal without 0x",
     "The exit code was once the status' low byte."},
    {"Identify Controller failed (", NULL, STYLE_DECIMAL, false, ADMIN, 0x06, "Linux's driver, decimal", NULL},
    {"Could not set queue count (", NULL, STYLE_DECIMAL, false, ADMIN, 0x09, "Linux's driver, decimal", "Set Features 07h, Number of Queues."},
    {"failed to set APST feature (", NULL, STYLE_DECIMAL, false, ADMIN, 0x09, "Linux's driver, decimal", "Set Features 0Ch: power state transitions; drives without them answer Invalid Field."},
    {"could not set timestamp (", NULL, STYLE_DECIMAL, false, ADMIN, 0x09, "Linux's driver, decimal", "Set Features 0Eh."},
    {"Identify Descriptors failed (nsid=", "status=0x", STYLE_HEX, false, ADMIN, 0x06, "Linux's driver", "Identify CNS 03h: without it the namespace has no command set identifier."},
    {"Identify NS List failed (status=0x", NULL, STYLE_HEX, false, ADMIN, 0x06, "Linux's driver", "Identify CNS 02h."},
    {"Abort status: 0x", NULL, STYLE_HEX, false, ADMIN, -1, "Linux's driver", "The result of the Abort command that it sent after a timeout; 371h is its own cancellation."},
    {"error wo/DNR bit: ", NULL, STYLE_DECIMAL, false, FABRICS, 0x01, "Linux's fabrics driver, decimal, DNR taken off", "A negative number is an errno."},
    {"failed to connect queue: ", "ret=", STYLE_DECIMAL, false, FABRICS, 0x01, "Linux's fabrics driver, decimal", NULL},
    {"nvme_complete_rq", "status=0x", STYLE_HEX, false, ANY, "Linux's tracepoint nvme_complete_rq", "cmdid has a generation of 4 bits on top since 5.14."},
    {"pci_nvme_enqueue_req_completion", "status 0x", STYLE_HEX, false, ANY, "QEMU's trace", NULL},
    {"pci_nvme_err_req_status", "status 0x", STYLE_HEX, false, ANY, "QEMU's trace", NULL},
    {" fails with ", "(0x", STYLE_HEX, false, ANY, "drivelab's log", "The words behind it say why."},
    {"(status 0x", NULL, STYLE_HEX, true, ANY, "drivelab's host and others", NULL},
    {"(", "cid:", STYLE_SLASH, false, ANY, "SPDK: type and code in hexadecimal", "sqid:0 is the admin queue; m is More, dnr Do Not Retry, p the phase."},
    {"(", "sqid:", STYLE_SLASH, false, ANY, "SPDK: type and code in hexadecimal", NULL},
    {"status_field", NULL, STYLE_EITHER, false, ANY, "nvme error-log or smartctl", "Older nvme-cli printed the raw field, newer the shifted one (and phase_tag apart)."},
    {"sct", "sc", STYLE_WORDS, true, ANY, "type and code apart", NULL},
    {"status=", NULL, STYLE_HEX, true, ANY, "a status of 15 bits", NULL},
    {"status:", NULL, STYLE_HEX, true, ANY, "a status of 15 bits", NULL},
    {"status ", NULL, STYLE_HEX, true, ANY, "FEMU, QEMU or a debugger: 15 bits", "Inside of FEMU and QEMU the phase bit is added when the entry is written; ffffh (NVME_NO_COMPLETE) is no status."},
    {"(", "nvme", STYLE_SLASH, true, ANY, "type and code in hexadecimal", NULL},
    {.needle = NULL},
};

const struct explain_writer explain_writers[] = {
    {"memory of a completion queue, traces of PCIe, Wireshark, struct spdk_nvme_cpl", "16 bits with the phase bit", "0x8372, 0x8373"},
    {"Linux's driver, ioctl and io_uring passthrough", "15 bits; negative numbers are errnos", "0x41b9"},
    {"libnvme's return values", "15 bits, bits 29:27 say whose (0 NVMe, 1 NVMe-MI); -1 and errno for the system's", "0x41b9"},
    {"nvme-cli", "15 bits in parentheses; its exit code is an errno, in 1.x the low byte of the status", "(0x41b9)"},
    {"nvme error-log, smartctl", "raw in older releases, 15 bits and phase_tag apart in newer ones", "0x8372, 0x41b9"},
    {"ftrace nvme_complete_rq", "15 bits; cmdid has the generation in its top 4 bits", "status=0x41b9"},
    {"SPDK's log", "type and code in hexadecimal, flags by name", "(01/b9) ... m:0 dnr:1"},
    {"Linux's log", "type and code in hexadecimal; older lines 15 bits in decimal", "(sct 0x1 / sc 0xb9) DNR, (16825)"},
    {"inside of FEMU and QEMU, their traces, gdb", "15 bits; ffffh is NVME_NO_COMPLETE, no status", "41b9"},
    {"drivelab's log", "15 bits, and the reason behind it", "Zone Is Full (0x61b9): ..."},
    {NULL, NULL, NULL},
};

const struct explain_message explain_messages[] = {
    {"timeout, aborting", NULL,
     "No completion came within io_timeout (30 s by default); the driver sends Abort for the command.",
     "The device lost the command or never saw the doorbell, or the completion or its interrupt was lost. A watchdog on the device's side (nvme.watchdog) names it."},
    {"timeout, completion polled", NULL,
     "The completion was there when the driver looked, but no interrupt had come.",
     "A lost interrupt: MSI-X or irqfd of an emulator, interrupt remapping, a masked vector. Not the command."},
    {"timeout, reset controller", NULL, "A command stayed out even after an Abort: the driver resets the controller.",
     "What was in flight comes back as Host Aborted Command (371h) and is retried."},
    {"timeout, disable controller", NULL, "A command timed out while the controller was being set up or shut down: the driver switches it off.", "Look for the command that it waited for."},
    {": timeout request ", NULL, "Linux's NVMe/TCP host gave a command up after io_timeout and starts error recovery.", "The target was stopped, or the network lost; nvme.watchdog names commands that the drive holds."},
    {"QID", " timeout", "A command timed out on that queue.", "QID 0 is the admin queue; during Connect the target does not answer."},
    {"controller is down; will reset", NULL,
     "The driver read CSTS: ffffffffh is a device that is gone or whose registers are unmapped, bit 1 (CFS) a fatal fault that the device itself set.",
     "CSTS=0x3 is ready and fatal. PCI_STATUS=0xffff says that even configuration space is gone."},
    {"Device not ready; aborting", NULL, "CSTS.RDY did not follow CC.EN within CAP.TO.", "A wrong CC (page size, queue entry sizes, command set) that the controller refuses, or an initialisation that takes longer than it says."},
    {"invalid id ", "completed on queue", "A completion has a command identifier that was never out.", "The device posted a wrong identifier or read a stale entry. Check identifiers before posting."},
    {"genctr mismatch", NULL, "A completion came for a command that had been completed already, or is of an earlier use of its tag.", "A double or stale completion. The top 4 bits of the identifier are the generation."},
    {"ignoring nsid ", "duplicate IDs", "Two namespaces have the same EUI-64, NGUID or UUID: the second is left out.", "An emulated device gives every namespace the same identifiers, or zeros that count as equal."},
    {"duplicate IDs in subsystem for nsid", NULL, "Two namespaces have the same EUI-64, NGUID or UUID.", "As above; some kernels from 5.18 on say \"globally duplicate IDs\"."},
    {"globally duplicate IDs", NULL, "Another device of this machine has a namespace with the same identifiers.", "Two emulated drives with the same serial and seed."},
    {"Ignoring bogus Namespace Identifiers", NULL, "A quirk for this device: its identifiers are not unique and are not used.", NULL},
    {"not supported without CONFIG_BLK_DEV_ZONED", NULL, "The kernel was built without zoned block devices: the zoned namespace gets no block device.", NULL},
    {"not supported (csi ", NULL, "A namespace of a command set that the driver has no block device for.", "Key value namespaces (csi 1) are reached through the generic character device."},
    {"Command set not reported for nsid", NULL, "The identification descriptors (CNS 03h) have no command set.", "A controller with CC.CSS 6 has to give each namespace descriptor type 4."},
    {"zone info query failed for nsid", NULL, "Identify CNS 05h or 06h of the zoned command set failed.", NULL},
    {"has unusual effects", NULL, "The Commands Supported and Effects log says of an I/O command that it changes more than blocks.", "Linux freezes queues for such commands: fill the log with care."},
    {"missing or invalid SUBNQN field", NULL, "Identify Controller has no NQN, so the driver makes one up.", NULL},
    {"Minimum device page size", "too large for host", "CAP.MPSMIN is above the host's page size.", NULL},
    {"bad crto:", NULL, "CRTO's timeouts are smaller than CAP.TO.", NULL},
    {"NPSS is invalid", NULL, "More power states than 32: power state transitions are left off.", NULL},
    {"NVMe-MI status:", NULL, "A response status of the management interface: another table than the one here.", NULL},
    {"Connect command failed: controller is busy", NULL, "Connect was answered with Controller Busy (181h).", "The target has no controller left."},
    {"Connect for subsystem ", "is not allowed", "Connect was answered with Connect Invalid Host (184h).", "The host NQN is not in the target's list (nvme.allow_hosts)."},
    {"Connect Invalid Data Parameter", NULL, "Connect was answered with Connect Invalid Parameters (182h): the field named, in the data.", "Most often the NQN given with -n."},
    {"Connect Invalid SQE Parameter", NULL, "Connect was answered with Connect Invalid Parameters (182h): the field named, in the command.", NULL},
    {"Connect command failed: authentication required", NULL, "Connect was answered with Authentication Required (191h).", "Give a key with --dhchap-secret."},
    {"Connect command failed: host path error", NULL, "The connection went while Connect was out (370h, set by the host).", NULL},
    {"keep alive", "timed out", "The keep alive timer ran out on one side.", "A paused process or virtual machine; raise -k KATO."},
    {"starting error recovery", NULL, "The host drops all connections to the controller and connects again.", "The line before says why."},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */
