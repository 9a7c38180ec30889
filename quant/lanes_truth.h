/* lanes_truth.h: truth values where a comparison gives all-ones or zero lanes: SSE2, AVX2, NEON. Included by
 * their headers, behind the vector types. */
#ifndef QUANTFS_LANES_TRUTH_H
#define QUANTFS_LANES_TRUTH_H

typedef li lm;

LANE_FN lm lm_set(bool value)
{
    return li_set(-(int32_t)value);
}

LANE_FN lm lf_lt(lf a, lf b)
{
    return (lm)(a < b);
}

LANE_FN lm lf_le(lf a, lf b)
{
    return (lm)(a <= b);
}

LANE_FN lm lf_gt(lf a, lf b)
{
    return (lm)(a > b);
}

LANE_FN lm lf_ge(lf a, lf b)
{
    return (lm)(a >= b);
}

LANE_FN lm lf_eq(lf a, lf b)
{
    return (lm)(a == b);
}

LANE_FN lm lf_ne(lf a, lf b)
{
    return (lm)(a != b);
}

LANE_FN lm li_lt(li a, li b)
{
    return (lm)(a < b);
}

LANE_FN lm li_gt(li a, li b)
{
    return (lm)(a > b);
}

LANE_FN lm li_eq(li a, li b)
{
    return (lm)(a == b);
}

LANE_FN lm lm_and(lm a, lm b)
{
    return a & b;
}

LANE_FN lm lm_or(lm a, lm b)
{
    return a | b;
}

LANE_FN lm lm_not(lm a)
{
    return ~a;
}

#endif
