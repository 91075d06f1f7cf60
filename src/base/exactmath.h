/*
 * Logarithm, exponential and power from additions, multiplications and
 * divisions alone, which IEEE 754 defines to the last bit: the same result
 * from every compiler and C library, which libm does not promise. The build
 * forbids fused multiply-add (-ffp-contract=off) for the same reason.
 *
 * Within a few units in the last place; not for infinities, NaN or subnormals.
 */
#ifndef DRIVELAB_BASE_EXACTMATH_H
#define DRIVELAB_BASE_EXACTMATH_H

double exact_log(double x);           /* x > 0 */
double exact_exp(double x);           /* 0 below -700, at most exp(700) above */
double exact_pow(double x, double y); /* x >= 0 */

#endif
