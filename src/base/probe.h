/*
 * Static tracepoints (SystemTap's sys/sdt.h): a nop until perf, bpftrace or
 * stap attaches. Without that header at build time they are nothing.
 *
 *   io_submit(op, offset, bytes)             drive/drive.c
 *   io_complete(op, offset, status, ns)      drive/drive.c; ns: modelled latency
 *   io_error(status, reason)                 drive/io.c
 *   media_start(kind, cause, die, block)     media/nand; kind and cause as in nand.h
 *   nvme_start(qid, cid, opcode)             nvme/cmd.c
 *   nvme_complete(qid, cid, opcode, status)  nvme/cmd.c
 *
 * For instance: bpftrace -e 'usdt:./drivelab:drivelab:io_error { printf("%x %s\n", arg0, str(arg1)); }'
 */
#ifndef DRIVELAB_BASE_PROBE_H
#define DRIVELAB_BASE_PROBE_H

#ifdef HAVE_SDT
#include <sys/sdt.h>
#define PROBE2(name, a, b)       DTRACE_PROBE2(drivelab, name, a, b)
#define PROBE3(name, a, b, c)    DTRACE_PROBE3(drivelab, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(drivelab, name, a, b, c, d)
#else
#define PROBE2(name, a, b)       ((void)0)
#define PROBE3(name, a, b, c)    ((void)0)
#define PROBE4(name, a, b, c, d) ((void)0)
#endif

#endif
