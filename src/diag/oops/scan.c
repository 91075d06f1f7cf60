/*
 * Passing over text that holds no report: one search for all words that any
 * report starts with, by the algorithm of Wu and Manber ("A fast algorithm for
 * multi-pattern searching", TR 94-17, University of Arizona, 1994) with blocks
 * of two bytes. Most steps skip four bytes of the log.
 *
 * Every header that kinds.c knows must have one of these words; a test holds
 * the two together.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

#define SHORTEST 5 /* bytes of a word that the shift table looks at */

static const char *const words[] = {
    "BUG: ",
    "BUG at ",
    "BUG kmalloc",
    "BUG [#",
    "WARNING: ",
    "INFO: task",
    "INFO: rcu",
    "INFO: possi",
    "INFO: incons",
    "INFO: suspi",
    "INFO: tryin",
    "INFO: SOFTIRQ",
    "INFO: HARDIRQ",
    "INFO: lock",
    "Unable to hand",
    "unable to handle",
    "Oops: ",
    "Oops [",
    "Oops - ",
    "Kernel panic",
    "general protec",
    "double fault",
    "divide err",
    "divide_err",
    "invalid opcode",
    "stack segment",
    "int3: ",
    "UBSAN: ",
    "Internal error:",
    "Unhandled fault",
    "Alignment trap",
    "unregister_net",
    "rust_kernel: ",
    "hard LOCKUP",
    "VFS: Busy",
    "VFS: Close",
    "SError Interr",
    "alignment check",
    "Kernel BUG",
    "Insufficient stack",
    "Unhandled kernel",
    "ernel access of",
    "BUG (",
    "Unaligned access",
    "Bad mode in",
    "Panic#",
    "Oops#",
    "BUG kmem",
    "INFO: Slab",
    "INFO: Freed",
    "INFO: Alloc",
};
#define WORDS (sizeof(words) / sizeof(words[0]))
_Static_assert(WORDS <= OOPS_SCAN_WORDS_MAX, "one byte numbers a word");

static unsigned bucket(const unsigned char *last_two) {
    return ((unsigned)last_two[0] << 4 ^ last_two[1]) & (OOPS_SCAN_BUCKETS - 1);
}

void oops_scanner_init(struct oops_scanner *scanner) {
    memset(scanner->shift, SHORTEST - 1, sizeof(scanner->shift));
    memset(scanner->first, 0, sizeof(scanner->first));
    for (unsigned w = 0; w < WORDS; w++) {
        const unsigned char *word = (const unsigned char *)words[w];
        for (unsigned end = 1; end < SHORTEST; end++) {
            uint8_t *shift = &scanner->shift[bucket(word + end - 1)];
            if (*shift > SHORTEST - 1 - end)
                *shift = (uint8_t)(SHORTEST - 1 - end);
        }
        uint8_t *first = &scanner->first[bucket(word + SHORTEST - 2)];
        scanner->next[w] = *first;
        *first = (uint8_t)(w + 1);
    }
}

static bool word_at(const struct oops_scanner *scanner, unsigned b, const char *at, const char *end) {
    for (unsigned w = scanner->first[b]; w; w = scanner->next[w - 1]) {
        size_t n = strlen(words[w - 1]);
        if (n <= (size_t)(end - at) && !memcmp(at, words[w - 1], n))
            return true;
    }
    return false;
}

const char *oops_scan(const struct oops_scanner *scanner, const char *data, size_t len) {
    const char *end = data + len;
    if (len < SHORTEST)
        return NULL;
    for (const char *at = data; at <= end - SHORTEST;) {
        unsigned b = bucket((const unsigned char *)at + SHORTEST - 2);
        unsigned shift = scanner->shift[b];
        if (!shift && word_at(scanner, b, at, end))
            return at;
        at += shift ? shift : 1;
    }
    return NULL;
}

uint64_t oops_count_newlines(const char *data, size_t len) {
    uint64_t count = 0;
    while (len) { /* in pieces whose counts fit a byte, which compilers turn into vector code */
        size_t n = len < 4096 ? len : 4096;
        unsigned piece = 0;
        for (size_t i = 0; i < n; i++)
            piece += data[i] == '\n';
        count += piece;
        data += n;
        len -= n;
    }
    return count;
}
