/*
 * Series after reduction of the argument; see exactmath.h. log: x = m 2^e with
 * m around 1, log m = 2 artanh((m - 1) / (m + 1)). exp: x = k ln 2 + r, Taylor.
 */
#include "base/exactmath.h"

#include <stdint.h>
#include <string.h>

#define LN2_HIGH 0x1.62e42fefa0000p-1 /* so few bits that its multiples up to 1100 are exact */
#define LN2_LOW  0x1.cf79abc9e3b3ap-40
#define SQRT2    0x1.6a09e667f3bcdp+0

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

double exact_log(double x) {
    uint64_t bits = bits_of(x);
    int exponent = (int)(bits >> 52) - 1023;
    double m = of_bits((bits & 0xfffffffffffff) | UINT64_C(1023) << 52);
    if (m > SQRT2) {
        m /= 2;
        exponent++;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 23; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * square;
    return exponent * LN2_HIGH + (2 * (s + s * sum) + exponent * LN2_LOW);
}

double exact_exp(double x) {
    if (x < -700)
        return 0;
    if (x > 700)
        x = 700;
    int k = (int)(x / (LN2_HIGH + LN2_LOW) + (x < 0 ? -0.5 : 0.5));
    double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 1;
    for (int n = 16; n >= 1; n--)
        sum = 1 + sum * r / n;
    return sum * of_bits((uint64_t)(k + 1023) << 52);
}

double exact_pow(double x, double y) {
    return x > 0 ? exact_exp(y * exact_log(x)) : y > 0 ? 0 : 1;
}
