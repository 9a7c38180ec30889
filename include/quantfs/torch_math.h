/* Numbers as the converter's torch computes them, bit for bit: for rooms that work on values.
 * arch/torch_math.c */
#ifndef QUANTFS_TORCH_MATH_H
#define QUANTFS_TORCH_MATH_H

float qfs_torch_expf(float x);                    /* torch.exp of a float32 or float16 tensor */
float qfs_torch_powf(float base, float exponent); /* base ** exponent */
float qfs_torch_softplusf(float x);               /* torch.nn.functional.softplus */
float qfs_torch_rdiv(double number,
                     float tensor); /* number / tensor: torch multiplies the reciprocal */

#endif
