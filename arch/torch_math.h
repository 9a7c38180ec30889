/* Private to the arch room: numbers as the converter's torch computes them. */
#ifndef QUANTFS_ARCH_TORCH_MATH_H
#define QUANTFS_ARCH_TORCH_MATH_H

/* base ** exponent of a float32 tensor */
float qfs_torch_powf(float base, float exponent);
/* number / tensor: torch multiplies the reciprocal */
float qfs_torch_rdiv(double number, float tensor);

#endif
