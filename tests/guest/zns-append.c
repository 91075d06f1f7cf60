/*
 * Appends to a zone with libnvme, as an application would, and reads the blocks
 * back from where the drive says it put them.
 *
 *   zns-append DEVICE ZSLBA NLB BYTES
 *
 * NLB goes into the command as it is (zero-based), BYTES is how much data comes
 * with it. Prints "lba 0x..." and exits 0, or prints "status 0x..." or the
 * system's error and exits 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnvme.h>

static int ended(const char *what, int rc) {
    if (rc > 0)
        printf("%s: status 0x%x\n", what, rc);
    else
        printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int append(int fd, uint32_t nsid, uint64_t zslba, uint16_t nlb, void *data, uint32_t bytes, __u64 *lba) {
    struct nvme_zns_append_args args = {
        .args_size = sizeof args,
        .fd = fd,
        .nsid = nsid,
        .zslba = zslba,
        .nlb = nlb,
        .data = data,
        .data_len = bytes,
        .result = lba,
    };
    return nvme_zns_append(&args);
}

static int read_back(int fd, uint32_t nsid, uint64_t slba, uint16_t nlb, void *data, uint32_t bytes) {
    struct nvme_io_args args = {
        .args_size = sizeof args,
        .fd = fd,
        .nsid = nsid,
        .slba = slba,
        .nlb = nlb,
        .data = data,
        .data_len = bytes,
    };
    return nvme_read(&args);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: zns-append DEVICE ZSLBA NLB BYTES\n");
        return 2;
    }
    uint64_t zslba = strtoull(argv[2], NULL, 0);
    __u64 lba = 0;
    uint16_t nlb = (uint16_t)strtoul(argv[3], NULL, 0);
    uint32_t bytes = (uint32_t)strtoul(argv[4], NULL, 0), nsid = 0;
    void *data = NULL, *back = NULL;
    int fd = open(argv[1], O_RDWR), rc;
    if (fd < 0 || nvme_get_nsid(fd, &nsid) || posix_memalign(&data, 4096, bytes) || posix_memalign(&back, 4096, bytes))
        return ended(argv[1], -1);
    for (uint32_t i = 0; i < bytes; i++)
        ((uint8_t *)data)[i] = (uint8_t)(i * 7 + i / 512 + zslba);
    rc = append(fd, nsid, zslba, nlb, data, bytes, &lba);
    if (rc)
        return ended("append", rc);
    rc = read_back(fd, nsid, lba, nlb, back, bytes);
    if (rc)
        return ended("read", rc);
    if (memcmp(data, back, bytes) != 0) {
        printf("the data read from 0x%llx differs\n", lba);
        return 1;
    }
    printf("lba 0x%llx\n", lba);
    return 0;
}
