/*
 * CRC-32C (Castagnoli) as NVMe/TCP digests and iSCSI use it: initial value
 * all ones, result inverted (NVMe/TCP Transport Specification, section 3.3.1.1;
 * RFC 3720, appendix B.4). ISA-L chooses the fastest form for the processor.
 */
#ifndef DRIVELAB_BASE_CRC32C_H
#define DRIVELAB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `len` bytes in one piece. */
uint32_t crc32c(const void *data, size_t len);

/*
 * In pieces: crc = CRC32C_START; crc = crc32c_update(crc, ...) any number of
 * times; digest = crc32c_finish(crc).
 */
#define CRC32C_START 0xffffffffu
uint32_t crc32c_update(uint32_t crc, const void *data, size_t len);
static inline uint32_t crc32c_finish(uint32_t crc) {
    return ~crc;
}

#endif
