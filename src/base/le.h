/*
 * Little-endian wire integers that don't convert silently: reading one is
 * always an explicit le32_get(). Byte arrays, so that any address will do.
 */
#ifndef DRIVELAB_BASE_LE_H
#define DRIVELAB_BASE_LE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "drivelab runs on little-endian machines"
#endif

typedef struct {
    uint8_t b[2];
} le16;
typedef struct {
    uint8_t b[4];
} le32;
typedef struct {
    uint8_t b[8];
} le64;

static inline uint16_t le16_get(le16 v) {
    uint16_t x;
    memcpy(&x, v.b, 2);
    return x;
}
static inline uint32_t le32_get(le32 v) {
    uint32_t x;
    memcpy(&x, v.b, 4);
    return x;
}
static inline uint64_t le64_get(le64 v) {
    uint64_t x;
    memcpy(&x, v.b, 8);
    return x;
}
static inline le16 le16_from(uint16_t x) {
    le16 v;
    memcpy(v.b, &x, 2);
    return v;
}
static inline le32 le32_from(uint32_t x) {
    le32 v;
    memcpy(v.b, &x, 4);
    return v;
}
static inline le64 le64_from(uint64_t x) {
    le64 v;
    memcpy(v.b, &x, 8);
    return v;
}

#endif
