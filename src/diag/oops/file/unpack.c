/*
 * Streams into a memfd, in pieces of a buffer that is on the heap. Nothing is
 * trusted but the bound: a stream that goes on beyond it is refused.
 *
 * Sources: Documentation/arch/x86/boot.rst of Linux (setup_sects, payload_offset,
 * payload_length), the libraries' manuals, lz4's "legacy frame" as the kernel's
 * build writes it, drivers/firmware/efi/libstub/zboot-header.S, and Documentation/arch/arm64/booting.rst.
 */
#include "diag/oops/file/unpack.h"

#include <elf.h>
#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "diag/oops/file/unpack_int.h"
#ifdef HAVE_BZIP2
#include <bzlib.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#endif

#define PIECE          OOPS_UNPACK_PIECE
#define LZ4_BLOCK      (8u << 20)
#define XZ_MEMORY      (256u << 20)
#define VMLINUZ_TRIES  64u
#define ZBOOT_HEADER   64u
#define BOOT_SIGNATURE 0x53726448u /* "HdrS" */

int oops_sink_put(struct sink *sink, const uint8_t *data, size_t len) {
    if (len > OOPS_UNPACK_MAX_BYTES - sink->written)
        return -EFBIG;
    while (len) {
        ssize_t n = write(sink->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
        sink->written += (size_t)n;
    }
    return 0;
}

static int unpack_gzip(struct sink *sink, const uint8_t *data, size_t len) {
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
    if (len > UINT32_MAX || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return -EINVAL;
    int rc = 0, state = Z_OK;
    while (!rc && state == Z_OK) {
        z.next_out = sink->piece;
        z.avail_out = PIECE;
        state = inflate(&z, Z_NO_FLUSH);
        rc = state == Z_OK || state == Z_STREAM_END ? oops_sink_put(sink, sink->piece, PIECE - z.avail_out) : -EINVAL;
    }
    inflateEnd(&z);
    return rc;
}

/* Both formats of liblzma, the decoder being ready. */
static int unpack_lzma_stream(struct sink *sink, lzma_stream *stream, const uint8_t *data, size_t len) {
    lzma_stream x = *stream;
    x.next_in = data;
    x.avail_in = len;
    int rc = 0;
    lzma_ret state = LZMA_OK;
    while (!rc && state == LZMA_OK) {
        x.next_out = sink->piece;
        x.avail_out = PIECE;
        state = lzma_code(&x, LZMA_RUN);
        rc = state == LZMA_OK || state == LZMA_STREAM_END ? oops_sink_put(sink, sink->piece, PIECE - x.avail_out)
                                                          : -EINVAL;
    }
    lzma_end(&x);
    return rc;
}

static int unpack_xz(struct sink *sink, const uint8_t *data, size_t len) {
    lzma_stream x = LZMA_STREAM_INIT;
    return lzma_stream_decoder(&x, XZ_MEMORY, 0) == LZMA_OK ? unpack_lzma_stream(sink, &x, data, len) : -ENOMEM;
}

static int unpack_lzma(struct sink *sink, const uint8_t *data, size_t len) {
    lzma_stream x = LZMA_STREAM_INIT;
    return lzma_alone_decoder(&x, XZ_MEMORY) == LZMA_OK ? unpack_lzma_stream(sink, &x, data, len) : -ENOMEM;
}

static int unpack_zstd(struct sink *sink, const uint8_t *data, size_t len) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream)
        return -ENOMEM;
    ZSTD_inBuffer in = {data, len, 0};
    int rc = 0;
    size_t state = 1;
    while (!rc && state != 0) {
        ZSTD_outBuffer out = {sink->piece, PIECE, 0};
        size_t before = in.pos;
        state = ZSTD_decompressStream(stream, &out, &in);
        bool stuck = in.pos == before && out.pos == 0;
        rc = ZSTD_isError(state) || (stuck && state != 0) ? -EINVAL : oops_sink_put(sink, sink->piece, out.pos);
    }
    ZSTD_freeDStream(stream);
    return rc;
}

static int unpack_bzip2(struct sink *sink, const uint8_t *data, size_t len) {
#ifdef HAVE_BZIP2
    bz_stream b = {.next_in = (char *)(uintptr_t)data, .avail_in = (unsigned)len};
    if (len > UINT32_MAX || BZ2_bzDecompressInit(&b, 0, 0) != BZ_OK)
        return -EINVAL;
    int rc = 0, state = BZ_OK;
    while (!rc && state == BZ_OK) {
        b.next_out = (char *)sink->piece;
        b.avail_out = PIECE;
        state = BZ2_bzDecompress(&b);
        bool stuck = b.avail_out == PIECE && b.avail_in == 0;
        bool good = state == BZ_STREAM_END || (state == BZ_OK && !stuck);
        rc = good ? oops_sink_put(sink, sink->piece, PIECE - b.avail_out) : -EINVAL;
    }
    BZ2_bzDecompressEnd(&b);
    return rc;
#else
    return -ENOTSUP;
#endif
}

static int unpack_lz4(struct sink *sink, const uint8_t *data, size_t len) {
#ifdef HAVE_LZ4
    char *block = malloc(LZ4_BLOCK);
    if (!block)
        return -ENOMEM;
    int rc = 0;
    for (size_t at = 4; !rc && len - at >= 4;) {
        uint32_t size;
        memcpy(&size, data + at, 4);
        at += 4;
        if (size == 0 || size > len - at || size > LZ4_COMPRESSBOUND(LZ4_BLOCK))
            break; /* the kernel's build puts the unpacked size behind the last block */
        int n = LZ4_decompress_safe((const char *)data + at, block, (int)size, LZ4_BLOCK);
        rc = n < 0 ? -EINVAL : oops_sink_put(sink, (uint8_t *)block, (size_t)n);
        at += size;
    }
    free(block);
    return rc ? rc : sink->written ? 0 : -EINVAL;
#else
    return -ENOTSUP;
#endif
}

static const struct packing {
    const char *name;
    const char *magic;
    size_t magic_len;
    int (*unpack)(struct sink *sink, const uint8_t *data, size_t len);
} packings[] = {
    {"gzip", "\x1f\x8b\x08", 3, unpack_gzip},     {"xz", "\xfd\x37\x7a\x58\x5a\x00", 6, unpack_xz},
    {"zstd", "\x28\xb5\x2f\xfd", 4, unpack_zstd}, {"bzip2", "BZh", 3, unpack_bzip2},
    {"lz4", "\x02\x21\x4c\x18", 4, unpack_lz4},   {"lzop", "\x89LZO\x00\r\n\x1a\n", 9, oops_unpack_lzo},
    {"lzma", "\x5d\x00\x00", 3, unpack_lzma},
};

/* Its magic bytes are few: the size behind them is unknown, or below 4 GiB. */
static bool is_lzma(const uint8_t *data, size_t len) {
    static const uint8_t unknown[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, zeros[4] = {0};
    return len > 13 &&
           (memcmp(data + 5, unknown, 8) == 0 || (memcmp(data + 9, zeros, 4) == 0 && memcmp(data + 5, zeros, 4) != 0));
}

static const struct packing *packing_of(const uint8_t *data, size_t len) {
    for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
        if (len > packings[i].magic_len && memcmp(data, packings[i].magic, packings[i].magic_len) == 0 &&
            (packings[i].unpack != unpack_lzma || is_lzma(data, len)))
            return &packings[i];
    return NULL;
}

const char *oops_unpack_kind(const uint8_t *data, size_t len) {
    const struct packing *packing = packing_of(data, len);
    return packing ? packing->name : NULL;
}

static int say(struct err *e, int rc, const char *name) {
    if (rc == -ENOTSUP)
        return err_set(e, ENOTSUP, "compressed by %s, which this build of drivelab cannot read", name);
    if (rc == -EFBIG)
        return err_set(e, EFBIG, "unpacks to more than %u MiB", OOPS_UNPACK_MAX_BYTES >> 20);
    return err_set(e, -rc, "damaged: its %s data cannot be unpacked (%s)", name, strerror(-rc));
}

int oops_unpack(const uint8_t *data, size_t len, struct err *e) {
    const struct packing *packing = packing_of(data, len);
    if (!packing)
        return err_set(e, EINVAL, "no compression that is known here");
    struct sink sink = {.fd = memfd_create("drivelab-oops", MFD_CLOEXEC), .piece = malloc(PIECE)};
    int rc = sink.fd < 0 || !sink.piece ? -ENOMEM : packing->unpack(&sink, data, len);
    free(sink.piece);
    if (!rc)
        return sink.fd;
    if (sink.fd >= 0)
        close(sink.fd);
    return say(e, rc, packing->name);
}

static uint32_t u32_at(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

/* Where x86's boot protocol (2.08 and newer) says the payload is; 0: it does not. */
static size_t payload_of(const uint8_t *data, size_t len, size_t *size) {
    if (len < 0x250 || u32_at(data + 0x202) != BOOT_SIGNATURE)
        return 0;
    size_t sectors = data[0x1f1] ? data[0x1f1] : 4;
    size_t at = (sectors + 1) * 512 + (size_t)u32_at(data + 0x248);
    *size = u32_at(data + 0x24c);
    return at < len && *size <= len - at ? at : 0;
}

/* What a payload has to be: a kernel as ELF, or as the bare image of arm64 and riscv. */
static bool is_kernel(int fd) {
    uint8_t head[OOPS_IMAGE_HEADER];
    ssize_t n = pread(fd, head, sizeof(head), 0);
    return (n >= 4 && memcmp(head, "\177ELF", 4) == 0) || (n == (ssize_t)sizeof(head) && oops_image_machine(head));
}

/* An EFI application that unpacks itself. */
static size_t zboot_payload(const uint8_t *data, size_t len, size_t *size) {
    if (len < ZBOOT_HEADER || memcmp(data, "MZ", 2) != 0 || memcmp(data + 4, "zimg", 4) != 0)
        return 0;
    size_t at = u32_at(data + 8);
    *size = u32_at(data + 12);
    return at >= ZBOOT_HEADER && at < len && *size <= len - at ? at : 0;
}

uint16_t oops_image_machine(const uint8_t head[OOPS_IMAGE_HEADER]) {
    if (memcmp(head + 0x38, "ARM\x64", 4) == 0)
        return EM_AARCH64;
    return memcmp(head + 0x38, "RSC\x05", 4) == 0 && memcmp(head + 0x30, "RISCV", 6) == 0 ? EM_RISCV : 0;
}

int oops_unpack_vmlinuz(const uint8_t *data, size_t len, struct err *e) {
    size_t size, at = payload_of(data, len, &size);
    if (!at)
        at = zboot_payload(data, len, &size);
    if (at && packing_of(data + at, size))
        return oops_unpack(data + at, size, e);
    unsigned tries = 0;
    for (at = 1; at + 16 < len && tries < VMLINUZ_TRIES; at++) {
        const struct packing *packing = packing_of(data + at, len - at);
        if (!packing)
            continue;
        tries++;
        struct err unused = {0};
        int fd = oops_unpack(data + at, len - at, &unused);
        if (fd >= 0 && is_kernel(fd))
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return err_set(e, ENOENT, "no compressed kernel in it");
}
