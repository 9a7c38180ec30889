#include "torch_math.h"

#include <math.h>

float qfs_torch_powf(float base, float exponent)
{
    return powf(base, exponent);
}

float qfs_torch_rdiv(double number, float tensor)
{
    return (1.0f / tensor) * (float)number;
}
