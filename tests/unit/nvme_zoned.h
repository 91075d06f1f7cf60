/* Beds with zones, and the commands of the Zoned Namespace command set; over nvme_bed.h. */
#ifndef NVME_ZONED_H
#define NVME_ZONED_H

#include "nvme_bed.h"

/* 16 zones of 4 MiB, of which 3 MiB can be written, in blocks of 4 KiB. */
enum { ZONED_ZONES = 16, ZONED_LBAS = 1024, ZONED_CAPACITY = 768, ZONED_ACTIVE = 5, ZONED_OPEN = 3, ZONED_ASL = 32 };

/* Further options as of -o, NULL-terminated, or NULL. Two I/O queues are connected. */
struct bed *zoned_new(const char *image, const char *const *options);

/* All on queue 1 and namespace 1 unless said otherwise; SCT << 8 | SC. */
uint16_t zoned_rw(struct bed *bed, uint8_t opc, uint64_t slba, uint32_t nlb, const void *data);
uint16_t zoned_write(struct bed *bed, uint64_t slba, uint32_t nlb); /* data: zoned_byte() of each block */
bool zoned_reads(struct bed *bed, uint64_t slba, uint32_t nlb);     /* back what zoned_write() wrote */
uint16_t zoned_append(struct bed *bed, uint64_t zslba, uint32_t nlb, uint64_t *lba);
uint16_t zoned_send(struct bed *bed, uint64_t slba, uint32_t cdw13, const void *data);
uint16_t zoned_act(struct bed *bed, uint32_t zone, uint8_t action);
uint16_t zoned_receive(struct bed *bed, uint32_t nsid, uint64_t slba, uint32_t bytes, uint32_t cdw13);

uint64_t zoned_result(const struct bed *bed);
/* The descriptor of a zone, by a report of its own. */
struct nvme_zone_desc zoned_zone(struct bed *bed, uint32_t zone);
uint8_t zoned_state(struct bed *bed, uint32_t zone);
/* Force a zone to Read Only or Offline, as worn flash would. */
void zoned_fail(struct bed *bed, uint32_t zone, uint8_t state);

/* Of the newest entry of the error information log. */
uint16_t zoned_location(struct bed *bed);
bool zoned_says(struct bed *bed, const char *part);

#endif
