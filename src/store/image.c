/*
 * Writing and judging image headers; see image.h. Functions on bytes alone, so
 * that any bytes can be tried on them.
 */
#include "store/image.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/crc32c.h"

static const char magic[8] = {'D', 'R', 'I', 'V', 'E', 'L', 'A', 'B'};

typedef unsigned long long ull;

static uint32_t super_crc(const struct image_super *s) {
    return crc32c(s, offsetof(struct image_super, crc));
}

static uint32_t area_crc(const struct image_area *a) {
    return crc32c(a->name, sizeof(*a) - offsetof(struct image_area, name));
}

int image_format(struct image_header *h, uint64_t payload_bytes, const char *identity, struct err *e) {
    size_t length = strlen(identity);
    if (length > IMAGE_IDENTITY_MAX)
        return err_set(e, EINVAL, "identity of %zu bytes: at most %u fit into an image", length, IMAGE_IDENTITY_MAX);
    memcpy(h->super.magic, magic, sizeof(magic));
    h->super.version = le32_from(IMAGE_VERSION);
    h->super.header_bytes = le32_from(IMAGE_HEADER_BYTES);
    h->super.payload_at = le64_from(IMAGE_PAYLOAD_AT);
    h->super.payload_bytes = le64_from(payload_bytes);
    h->super.identity_bytes = le32_from((uint32_t)length);
    h->super.identity_crc = le32_from(crc32c(identity, length));
    h->super.crc = le32_from(super_crc(&h->super));
    h->stop = le32_from(IMAGE_MAKING);
    memcpy(h->identity, identity, length);
    return 0;
}

/* ---- checking ---- */

static int check_kind(const struct image_header *h, uint64_t header_bytes, struct err *e) {
    if (header_bytes < sizeof(magic) || memcmp(h->super.magic, magic, sizeof(magic)) != 0)
        return err_set(e, EINVAL, "not a drivelab image");
    uint32_t version = header_bytes < 16 ? IMAGE_VERSION : le32_get(h->super.version);
    if (version > IMAGE_VERSION)
        return err_set(e, EINVAL, "image has format version %u, this program knows versions up to %u: use a newer one",
                       version, IMAGE_VERSION);
    if (header_bytes < IMAGE_HEADER_BYTES)
        return err_set(e, EINVAL, "image is truncated: it has %llu bytes, its header alone %u", (ull)header_bytes,
                       IMAGE_HEADER_BYTES);
    return 0;
}

bool image_unfinished(const struct image_header *h) {
    return le32_get(h->stop) == IMAGE_MAKING;
}

static int check_damage(const struct image_header *h, struct err *e) {
    const struct image_super *s = &h->super;
    uint32_t length = le32_get(s->identity_bytes);
    if (super_crc(s) != le32_get(s->crc) || le32_get(s->version) == 0 || length > IMAGE_IDENTITY_MAX)
        return err_set(e, EINVAL, "image is damaged: wrong checksum of its header");
    if (crc32c(h->identity, length) != le32_get(s->identity_crc))
        return err_set(e, EINVAL, "image is damaged: wrong checksum of its identity");
    if (le32_get(s->header_bytes) != IMAGE_HEADER_BYTES || le64_get(s->payload_at) != IMAGE_PAYLOAD_AT)
        return err_set(e, EINVAL, "image is damaged: payload at %llu, must be %u", (ull)le64_get(s->payload_at),
                       IMAGE_PAYLOAD_AT);
    if (le32_get(h->stop) != IMAGE_CLEAN && le32_get(h->stop) != IMAGE_IN_USE && !image_unfinished(h))
        return err_set(e, EINVAL, "image is damaged: stop word 0x%08x", le32_get(h->stop));
    return 0;
}

/* End of [at, at+bytes), or UINT64_MAX if it has none. */
static uint64_t range_end(uint64_t at, uint64_t bytes) {
    uint64_t end;
    return __builtin_add_overflow(at, bytes, &end) ? UINT64_MAX : end;
}

static bool area_valid(const struct image_area *a) {
    return le32_get(a->used) == IMAGE_AREA_USED && le32_get(a->crc) == area_crc(a) &&
           a->name[sizeof(a->name) - 1] == 0 && le64_get(a->at) % STORE_CHUNK_BYTES == 0 && le64_get(a->bytes) != 0;
}

/* Where the payload and all areas end; 0 with `e` if an entry is damaged. */
static uint64_t check_areas(const struct image_header *h, struct err *e) {
    uint64_t payload_end = range_end(IMAGE_PAYLOAD_AT, le64_get(h->super.payload_bytes)), end = payload_end;
    for (unsigned i = 0; i < IMAGE_AREAS; i++) {
        const struct image_area *a = &h->area[i];
        if (le32_get(a->used) == 0)
            continue;
        if (!area_valid(a) || le64_get(a->at) < payload_end) {
            err_set(e, EINVAL, "image is damaged: entry %u of its directory", i);
            return 0;
        }
        uint64_t area_end = range_end(le64_get(a->at), le64_get(a->bytes));
        end = area_end > end ? area_end : end;
    }
    return end;
}

int image_check(const struct image_header *h, uint64_t header_bytes, uint64_t file_bytes, struct err *e) {
    int rc = check_kind(h, header_bytes, e);
    if (!rc)
        rc = check_damage(h, e);
    if (rc || image_unfinished(h))
        return rc;
    uint64_t end = check_areas(h, e);
    if (!end)
        return -EINVAL;
    if (end > file_bytes)
        return err_set(e, EINVAL, "image is truncated: it has %llu bytes, %llu expected", (ull)file_bytes, (ull)end);
    return 0;
}

/* ---- whose image ---- */

#define WORDS "\t\n\r ,;"

/* Cut the next word off `*text`; its length, 0 at the end. */
static size_t next_word(const char **text, const char **word) {
    *text += strspn(*text, WORDS);
    *word = *text;
    size_t length = strcspn(*text, WORDS);
    *text += length;
    return length;
}

static int word_len(size_t length) {
    return length > 160 ? 160 : (int)length;
}

/* Name the first words that differ: whole identities are too long to compare by eye. */
static int identity_differs(const char *image, const char *drive, struct err *e) {
    const char *a, *b, *all_image = image, *all_drive = drive;
    size_t a_len, b_len;
    do {
        a_len = next_word(&image, &a);
        b_len = next_word(&drive, &b);
    } while (a_len && a_len == b_len && memcmp(a, b, a_len) == 0);
    if (!a_len && !b_len) /* only spaces differ */
        return err_set(e, EINVAL, "image is of another drive: it has '%.300s', this drive '%.300s'", all_image,
                       all_drive);
    return err_set(e, EINVAL, "image is of another drive: it has '%.*s' where this drive has '%.*s'",
                   a_len ? word_len(a_len) : 7, a_len ? a : "nothing", b_len ? word_len(b_len) : 7,
                   b_len ? b : "nothing");
}

int image_match(const struct image_header *h, uint64_t payload_bytes, const char *identity, struct err *e) {
    uint64_t has = le64_get(h->super.payload_bytes);
    uint32_t length = le32_get(h->super.identity_bytes);
    char text[IMAGE_IDENTITY_MAX + 1];
    memcpy(text, h->identity, length);
    text[length] = 0;
    if (has != payload_bytes)
        return err_set(e, EINVAL, "image has a capacity of %llu bytes, this drive %llu", (ull)has, (ull)payload_bytes);
    if (strlen(text) != length || strcmp(text, identity) != 0)
        return identity_differs(text, identity, e);
    return 0;
}

/* ---- the directory ---- */

int image_area_find(const struct image_header *h, const char *name) {
    for (int i = 0; i < IMAGE_AREAS; i++)
        if (le32_get(h->area[i].used) && strcmp(h->area[i].name, name) == 0)
            return i;
    return -1;
}

int image_area_free(const struct image_header *h, uint64_t *at) {
    uint64_t end = IMAGE_PAYLOAD_AT + le64_get(h->super.payload_bytes);
    int found = -1;
    for (int i = 0; i < IMAGE_AREAS; i++) {
        const struct image_area *a = &h->area[i];
        if (!le32_get(a->used))
            found = found < 0 ? i : found;
        else if (le64_get(a->at) + le64_get(a->bytes) > end)
            end = le64_get(a->at) + le64_get(a->bytes);
    }
    *at = (end + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES * STORE_CHUNK_BYTES;
    return found;
}

void image_area_commit(struct image_header *h, int i, const char *name, uint32_t version, uint64_t at, uint64_t bytes) {
    struct image_area *a = &h->area[i];
    struct image_area made = {.version = le32_from(version), .at = le64_from(at), .bytes = le64_from(bytes)};
    memcpy(made.name, name, strnlen(name, STORE_NAME_MAX));
    made.crc = le32_from(area_crc(&made));
    *a = made;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a kill may come between, a reordering must not */
    a->used = le32_from(IMAGE_AREA_USED);
}
