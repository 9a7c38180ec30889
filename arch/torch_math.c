/* Two libraries stand behind torch's functions of float32 tensors on x86-64.
 *
 * pow is SLEEF's powf with an error below 1 ulp, in its AVX2 form: a number is a pair of floats (x, y)
 * whose sum it is, and products are split by fused multiply-add. Tails of tensors go through the same
 * vector function, so length and place never matter.
 *
 * exp is Intel MKL's high-accuracy vmsExp as it runs on processors of other makers, without fused
 * operations: 2^(k/128) from a table in two floats, times 1 + r + r²/2. Known from its results alone;
 * it agrees with them on every float32 number. */
#include "quantfs/torch_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct pair {
    float x, y;
};

static struct pair add_loose(struct pair a, float b)
{
    float s = a.x + b, v = s - a.x;
    return (struct pair){s, ((a.x - (s - v)) + (b - v)) + a.y};
}

static struct pair add_floats(float a, float b)
{
    float s = a + b, v = s - a;
    return (struct pair){s, (a - (s - v)) + (b - v)};
}

static struct pair add_pairs_loose(struct pair a, struct pair b)
{
    float s = a.x + b.x, v = s - a.x;
    return (struct pair){s, ((a.x - (s - v)) + (b.x - v)) + (a.y + b.y)};
}

/* |a| >= |b| */
static struct pair add_pairs(struct pair a, struct pair b)
{
    float s = a.x + b.x;
    return (struct pair){s, (((a.x - s) + b.x) + a.y) + b.y};
}

static struct pair multiply(struct pair a, float b)
{
    float s = a.x * b;
    return (struct pair){s, fmaf(a.y, b, fmaf(a.x, b, -s))};
}

static struct pair multiply_pairs(struct pair a, struct pair b)
{
    float s = a.x * b.x;
    return (struct pair){s, fmaf(a.x, b.y, fmaf(a.y, b.x, fmaf(a.x, b.x, -s)))};
}

static struct pair square(struct pair a)
{
    float s = a.x * a.x;
    return (struct pair){s, fmaf(a.x + a.x, a.y, fmaf(a.x, a.x, -s))};
}

static struct pair divide(struct pair a, struct pair b)
{
    float t = 1.0f / b.x, s = a.x * t;
    float u = fmaf(t, a.x, -s), v = fmaf(-b.y, t, fmaf(-b.x, t, 1.0f));
    return (struct pair){s, fmaf(s, v, fmaf(a.y, t, u))};
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* ln(d), d >= 0 */
static struct pair logarithm(float d)
{
    bool tiny = d < 0x1p-126f;
    if (tiny)
        d *= 0x1p64f;
    int e = (int)(bits_of(d * (1.0f / 0.75f)) >> 23 & 0xff) - 127;
    float m = float_of(bits_of(d) - ((uint32_t)e << 23));
    struct pair x = divide(add_floats(-1, m), add_floats(1, m)), x2 = square(x);
    float t = 0.240320354700088500976562f;
    t = fmaf(t, x2.x, 0.285112679004669189453125f);
    t = fmaf(t, x2.x, 0.400007992982864379882812f);
    struct pair c = {0.66666662693023681640625f, 3.69183861259614332084311e-09f};
    struct pair ln2 = {0.69314718246459960938f, -1.904654323148236017e-09f};
    struct pair s = multiply(ln2, (float)(tiny ? e - 64 : e));
    s = add_pairs(s, (struct pair){x.x * 2, x.y * 2});
    return add_pairs(s, multiply_pairs(multiply_pairs(x2, x), add_pairs_loose(multiply(x2, t), c)));
}

/* x · 2^q in the steps that SLEEF takes, since each may round */
static float scale(float x, int q)
{
    int m = q >> 31;
    m = (((m + q) >> 6) - m) * 16;
    q -= m * 4;
    m += 127;
    m = m < 0 ? 0 : m > 255 ? 255 : m;
    float u = float_of((uint32_t)m << 23);
    return x * u * u * u * u * float_of((uint32_t)(q + 127) << 23);
}

static float exponential(struct pair d)
{
    float rounded =
        nearbyintf((d.x + d.y) * 1.442695040888963407359924681001892137426645954152985934f);
    if (d.x < -104 || !(fabsf(rounded) < 1 << 20))
        return d.x < -104 ? 0 : d.x > 0 ? INFINITY : NAN;
    struct pair s = add_loose(d, rounded * -0.693145751953125f);
    s = add_loose(s, rounded * -1.428606765330187045e-06f);
    float sum = s.x + s.y;
    s = (struct pair){sum, (s.x - sum) + s.y};
    float u = 0.00136324646882712841033936f;
    u = fmaf(u, s.x, 0.00836596917361021041870117f);
    u = fmaf(u, s.x, 0.0416710823774337768554688f);
    u = fmaf(u, s.x, 0.166665524244308471679688f);
    u = fmaf(u, s.x, 0.499999850988388061523438f);
    struct pair t = add_pairs(s, multiply(square(s), u));
    t = add_pairs((struct pair){1, 0}, t);
    return scale(t.x + t.y, (int)rounded);
}

float qfs_torch_powf(float base, float exponent)
{
    if (exponent == 0 || base == 1)
        return 1;
    if (isnan(base) || isnan(exponent))
        return NAN;
    bool integer = truncf(exponent) == exponent || fabsf(exponent) > 1 << 24;
    bool odd = integer && fabsf(exponent) < 1 << 24 && ((int)exponent & 1);
    if (isinf(base) || base == 0) {
        float size = (signbit(exponent) != 0) != (base == 0) ? 0 : INFINITY;
        return copysignf(size, odd ? base : 1);
    }
    if (isinf(exponent)) {
        float towards = exponent > 0 ? fabsf(base) - 1 : 1 - fabsf(base);
        return towards < 0 ? 0 : towards == 0 ? 1 : INFINITY;
    }
    if (base < 0 && !integer)
        return NAN;
    float size = exponential(multiply(logarithm(fabsf(base)), exponent));
    if (isnan(size))
        size = INFINITY;
    return base < 0 && odd ? -size : size;
}

/* SLEEF's expf with an error below 1 ulp, which functions made of several others go through. */
static float plain_exponential(float d)
{
    float q = nearbyintf(d * 1.442695040888963407359924681001892137426645954152985934f);
    if (d < -104 || !(d <= 100))
        return d < -104 ? 0 : d > 100 ? INFINITY : d;
    float s = fmaf(q, -1.428606765330187045e-06f, fmaf(q, -0.693145751953125f, d));
    float u = 0.000198527617612853646278381f;
    u = fmaf(u, s, 0.00139304355252534151077271f);
    u = fmaf(u, s, 0.00833336077630519866943359f);
    u = fmaf(u, s, 0.0416664853692054748535156f);
    u = fmaf(u, s, 0.166666671633720397949219f);
    u = fmaf(u, s, 0.5f);
    return scale(1.0f + fmaf(s * s, u, s), (int)q);
}

/* ln(1 + d), d >= 0: SLEEF's log1pf */
static float logarithm_of_next(float d)
{
    int e = (int)(bits_of((d + 1) * (1.0f / 0.75f)) >> 23 & 0xff) - 127;
    float t = float_of((uint32_t)(127 - e) << 23), m = fmaf(d, t, t - 1);
    float two = 2 + m;
    struct pair ln2 = {0.69314718246459960938f, -1.904654323148236017e-09f};
    struct pair x = divide((struct pair){m, 0}, (struct pair){two, (2 - two) + m});
    float x2 = x.x * x.x;
    t = 0.3027294874e+0f;
    t = fmaf(t, x2, 0.3996108174e+0f);
    t = fmaf(t, x2, 0.6666694880e+0f);
    struct pair s = add_pairs(multiply(ln2, (float)e), (struct pair){x.x * 2, x.y * 2});
    float last = x2 * x.x * t, sum = s.x + last;
    return sum + (((s.x - sum) + last) + s.y);
}

float qfs_torch_softplusf(float x)
{
    return x > 20 || isnan(x) ? x : logarithm_of_next(plain_exponential(x));
}

float qfs_torch_rdiv(double number, float tensor)
{
    return (1.0f / tensor) * (float)number;
}

/* 2^(j/128), nearest float and what is left */
static const float powers[128][2] = {
    {0x1p+0, 0x0p+0},
    {0x1.0163dap+0, 0x1.3f6666p-25},
    {0x1.02c9a4p+0, -0x1.887fap-28},
    {0x1.04315ep+0, 0x1.0dcffp-25},
    {0x1.059b0ep+0, -0x1.9d4f52p-25},
    {0x1.0706b2p+0, 0x1.3bbedcp-25},
    {0x1.087452p+0, -0x1.e2990ep-26},
    {0x1.09e3ecp+0, 0x1.58de7p-25},
    {0x1.0b5586p+0, 0x1.9f3122p-25},
    {0x1.0cc922p+0, 0x1.6e48fep-25},
    {0x1.0e3ec4p+0, -0x1.a585ccp-25},
    {0x1.0fb66ap+0, 0x1.ffda64p-25},
    {0x1.11301ep+0, -0x1.fdb496p-25},
    {0x1.12abdcp+0, 0x1.b0c73p-30},
    {0x1.1429aap+0, 0x1.d525bcp-25},
    {0x1.15a98cp+0, 0x1.14b1cap-25},
    {0x1.172b84p+0, -0x1.c15742p-27},
    {0x1.18af94p+0, -0x1.dcdc86p-26},
    {0x1.1a35bep+0, 0x1.6df96ep-25},
    {0x1.1bbe08p+0, 0x1.011734p-26},
    {0x1.1d4874p+0, -0x1.d2e8cap-25},
    {0x1.1ed502p+0, 0x1.7e6c8ep-27},
    {0x1.2063b8p+0, 0x1.0c519ap-25},
    {0x1.21f49ap+0, -0x1.d0446ep-25},
    {0x1.2387a6p+0, 0x1.ceac48p-25},
    {0x1.251ce4p+0, 0x1.f654c8p-25},
    {0x1.26b456p+0, 0x1.789f38p-26},
    {0x1.284dfep+0, 0x1.f5638p-28},
    {0x1.29e9ep+0, -0x1.5c0424p-25},
    {0x1.2b87fep+0, -0x1.e4a4cep-25},
    {0x1.2d285ap+0, 0x1.b900c2p-26},
    {0x1.2ecafap+0, 0x1.27c5eap-25},
    {0x1.306fep+0, 0x1.4636e2p-25},
    {0x1.32171p+0, -0x1.d993e8p-27},
    {0x1.33c08cp+0, -0x1.b37d2p-25},
    {0x1.356c56p+0, -0x1.b5803cp-30},
    {0x1.371a74p+0, -0x1.18aac6p-25},
    {0x1.38cae6p+0, 0x1.a0bb0cp-25},
    {0x1.3a7db4p+0, -0x1.634c02p-25},
    {0x1.3c32dcp+0, 0x1.89d472p-27},
    {0x1.3dea64p+0, 0x1.824684p-25},
    {0x1.3fa45p+0, 0x1.2b2006p-26},
    {0x1.4160a2p+0, 0x1.f72e2ap-28},
    {0x1.431f5ep+0, -0x1.abd5dap-26},
    {0x1.44e086p+0, 0x1.8624b4p-30},
    {0x1.46a41ep+0, 0x1.a3a00ap-25},
    {0x1.486a2cp+0, -0x1.47d866p-25},
    {0x1.4a32bp+0, -0x1.e50584p-25},
    {0x1.4bfdaep+0, -0x1.593abcp-25},
    {0x1.4dcb2ap+0, -0x1.8088bcp-26},
    {0x1.4f9b28p+0, -0x1.2c5a6cp-25},
    {0x1.516daap+0, 0x1.67b32p-27},
    {0x1.5342b6p+0, -0x1.2c561p-25},
    {0x1.551a4cp+0, 0x1.4bb242p-25},
    {0x1.56f474p+0, -0x1.295b04p-25},
    {0x1.58d12ep+0, -0x1.6d07p-25},
    {0x1.5ab07ep+0, -0x1.5bd5ecp-27},
    {0x1.5c9268p+0, 0x1.4b28d6p-25},
    {0x1.5e76f2p+0, -0x1.4a5bd6p-25},
    {0x1.605e1cp+0, -0x1.a248fep-26},
    {0x1.6247ecp+0, -0x1.f8b55p-25},
    {0x1.643464p+0, -0x1.66679cp-25},
    {0x1.662388p+0, 0x1.2a9112p-27},
    {0x1.68155ep+0, -0x1.766ad2p-25},
    {0x1.6a09e6p+0, 0x1.9fcef4p-26},
    {0x1.6c0128p+0, -0x1.5e84a8p-25},
    {0x1.6dfb24p+0, -0x1.cd72e8p-27},
    {0x1.6ff7ep+0, -0x1.ab9aep-26},
    {0x1.71f75ep+0, 0x1.1d8beep-25},
    {0x1.73f9a4p+0, 0x1.14b02ep-25},
    {0x1.75feb6p+0, -0x1.37b306p-25},
    {0x1.780694p+0, 0x1.fbcba8p-25},
    {0x1.7a1148p+0, -0x1.829fdp-25},
    {0x1.7c1edp+0, 0x1.30c132p-28},
    {0x1.7e2f34p+0, -0x1.261634p-25},
    {0x1.804276p+0, -0x1.783cbep-25},
    {0x1.82589ap+0, -0x1.accc7cp-26},
    {0x1.8471a4p+0, 0x1.88f1ecp-26},
    {0x1.868d9ap+0, -0x1.2edb44p-26},
    {0x1.88ac7ep+0, -0x1.9d665ap-26},
    {0x1.8ace54p+0, 0x1.15506ep-27},
    {0x1.8cf322p+0, -0x1.29576ep-25},
    {0x1.8f1aeap+0, -0x1.baa232p-26},
    {0x1.9145bp+0, 0x1.723ff8p-25},
    {0x1.93737cp+0, -0x1.e64744p-25},
    {0x1.95a44cp+0, 0x1.790a42p-25},
    {0x1.97d82ap+0, -0x1.0d8d84p-31},
    {0x1.9a0f18p+0, -0x1.e6bf08p-25},
    {0x1.9c4918p+0, 0x1.51f848p-27},
    {0x1.9e8632p+0, -0x1.873738p-26},
    {0x1.a0c668p+0, -0x1.2886a6p-26},
    {0x1.a309bep+0, 0x1.8945a6p-25},
    {0x1.a5503cp+0, -0x1.b83b54p-25},
    {0x1.a799e2p+0, -0x1.99e994p-25},
    {0x1.a9e6b6p+0, -0x1.50c048p-25},
    {0x1.ac36bcp+0, -0x1.606432p-31},
    {0x1.ae89fap+0, -0x1.a94b14p-26},
    {0x1.b0e072p+0, 0x1.31b6ccp-25},
    {0x1.b33a2cp+0, -0x1.ec3a82p-26},
    {0x1.b59728p+0, 0x1.bcab28p-25},
    {0x1.b7f77p+0, -0x1.a09438p-25},
    {0x1.ba5b04p+0, -0x1.ebdf36p-25},
    {0x1.bcc1eap+0, -0x1.f687c6p-25},
    {0x1.bf2c26p+0, -0x1.0a387ep-26},
    {0x1.c199bep+0, -0x1.3d56b2p-27},
    {0x1.c40ab6p+0, -0x1.7c2c98p-39},
    {0x1.c67f12p+0, 0x1.cafa2ap-25},
    {0x1.c8f6dap+0, -0x1.7f230ap-25},
    {0x1.cb720ep+0, -0x1.8837ccp-27},
    {0x1.cdf0b6p+0, -0x1.54478p-25},
    {0x1.d072d4p+0, 0x1.40f13p-25},
    {0x1.d2f87p+0, 0x1.01b13ep-25},
    {0x1.d5818ep+0, -0x1.822dbcp-27},
    {0x1.d80e32p+0, -0x1.26cf8ep-25},
    {0x1.da9e6p+0, 0x1.ed9942p-27},
    {0x1.dd322p+0, -0x1.9fc974p-25},
    {0x1.dfc974p+0, -0x1.908c94p-25},
    {0x1.e26462p+0, -0x1.614bdap-25},
    {0x1.e502eep+0, 0x1.e2cffep-26},
    {0x1.e7a52p+0, -0x1.0e2cep-26},
    {0x1.ea4afap+0, 0x1.52486cp-27},
    {0x1.ecf482p+0, 0x1.b1ccfep-25},
    {0x1.efa1bep+0, 0x1.cc2b44p-25},
    {0x1.f252b4p+0, -0x1.1288aep-25},
    {0x1.f50766p+0, -0x1.246ebp-26},
    {0x1.f7bfdap+0, 0x1.b397c2p-25},
    {0x1.fa7c18p+0, 0x1.9e90d8p-28},
    {0x1.fd3c22p+0, 0x1.71ee3ep-25},
};

float qfs_torch_expf(float x)
{
    if (!(fabsf(x) < 126 * (float)M_LN2)) /* near the ends of the exponents, and NaN */
        return (float)exp(x);
    const float round = 0x1.8p23f;                 /* adding it leaves an integer */
    float k = (x * 0x1.715476p7f + round) - round; /* x · 128 / ln 2 */
    float r = (x - k * 0x1.63p-8f) - k * -0x1.bd0106p-20f;
    float p = r * r * 0.5f + r;
    int steps = (int)k, j = steps & 127;
    float value = (powers[j][0] * p + powers[j][1]) + powers[j][0];
    return ldexpf(value, (steps - j) / 128);
}
