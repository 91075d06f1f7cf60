/*
 * The last resort for mapped images: SIGBUS means that the file lost blocks
 * under a mapping (cut short by someone, disk failing). There is nobody to
 * return an error to, so the program says which image it was and ends; what
 * was written before stays in the image, which is left marked unclean.
 */
#ifndef DRIVELAB_STORE_FAULT_H
#define DRIVELAB_STORE_FAULT_H

#include <stdint.h>

/*
 * Watch over a mapping; `path` stays the caller's. Beyond FAULT_MAX mappings
 * the kernel's own message has to do. Any thread.
 */
#define FAULT_MAX 256
void fault_watch(const void *base, uint64_t bytes, const char *path);
void fault_unwatch(const void *base);

#endif
