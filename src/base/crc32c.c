/* CRC-32C through ISA-L; the contract is in crc32c.h. */
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len) {
    /* ISA-L takes an int length and a pointer it does not write through */
    unsigned char *p = (unsigned char *)(uintptr_t)data;
    while (len) {
        int n = len > 1u << 30 ? 1 << 30 : (int)len;
        crc = crc32_iscsi(p, n, crc);
        p += n;
        len -= (size_t)n;
    }
    return crc;
}

uint32_t crc32c(const void *data, size_t len) {
    return crc32c_finish(crc32c_update(CRC32C_START, data, len));
}
