/* exp and pow as torch computes them: digests over many numbers, as torch gave them when
 * torch_math_differential.py found no difference. With an argument ("exp", "pow"): a filter of
 * float32 numbers (pairs of them for pow) from stdin to stdout, for that script. */
#include "check.h"
#include "quantfs/torch_math.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const uint64_t exp_digest = 0xe3b423a83e27ee13, pow_digest = 0xfe8228c86af9b179;

static void add(uint64_t *digest, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    *digest = (*digest ^ (isnan(value) ? 0x7fc00000 : bits)) * 0x100000001b3ull;
}

static float number(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static int filter(bool power)
{
    float in[2];
    while (fread(in, sizeof(*in), 1 + power, stdin) == 1u + power) {
        float out = power ? qfs_torch_powf(in[0], in[1]) : qfs_torch_expf(in[0]);
        if (fwrite(&out, sizeof(out), 1, stdout) != 1)
            return 1;
    }
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    static const float bases[] = {2, 1e4f, 1.5e5f, 5e5f, 1e6f, 1e7f, 1e10f};
    static const float ends[] = {0,    -0.0f,    1,         -1,  2,      -3,
                                 0.5f, INFINITY, -INFINITY, NAN, 1e-45f, 3e38f};
    uint64_t exps = 0, pows = 0, random = 1;
    if (argc > 1)
        return filter(strcmp(argv[1], "pow") == 0);
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 997)
        add(&exps, qfs_torch_expf(number((uint32_t)bits)));
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++)
        for (int j = 0; j < 1 << 16; j++)
            add(&pows, qfs_torch_powf(bases[i], (float)j / 65536));
    for (int i = 0; i < 1 << 20; i++) {
        uint64_t pair = check_random(&random);
        add(&pows, qfs_torch_powf(number((uint32_t)pair), number((uint32_t)(pair >> 32))));
    }
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        for (size_t j = 0; j < sizeof(ends) / sizeof(*ends); j++)
            add(&pows, qfs_torch_powf(ends[i], ends[j]));
    if (exps != exp_digest || pows != pow_digest)
        printf("exp %#llx pow %#llx\n", (unsigned long long)exps, (unsigned long long)pows);
    CHECK(exps == exp_digest);
    CHECK(pows == pow_digest);
    return 0;
}
