/* checkasm.c: every kernel, of every format and instruction set that this machine runs, with and
 * without importances, must give the bytes of the reference and of the one-lane build.
 *
 *   checkasm --vectors DIR                 against stored digests of the reference's output
 *   checkasm --reference LIB [--blocks N]  against a live libggml-base, then N random blocks a case
 *   checkasm --reference LIB --write DIR   stores the digests
 *   more: --type q4_K, --isa avx2, --seed N
 *
 * New formats are found by the kernels' table. Blocks with non-finite scales are only compared in
 * that: llama-quantize refuses them, and NaN's sign has no order to follow. */
#include "quantfs/quant.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- random numbers: integer arithmetic and single IEEE operations, the same everywhere -----------
 */

static float uniform(uint64_t *state)
{
    return (float)(qfs_random(state) >> 40) * (1.f / (1 << 24));
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((qfs_random(state) >> 32) * limit >> 32);
}

static float gauss(uint64_t *state)
{
    float sum = -6.f;
    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

static float sign(uint64_t *state)
{
    return qfs_random(state) & 1 ? 1.f : -1.f;
}

/* 10^-exponent by repeated division: no libm */
static float tenth(int exponent)
{
    float value = 1;
    for (int i = 0; i < exponent; i++)
        value /= 10;
    return value;
}

/* -- inputs ---------------------------------------------------------------------------------------
 */

typedef void fill_fn(uint64_t *state, float *x, int64_t n);

static void fill_gauss(uint64_t *state, float *x, int64_t n)
{
    qfs_gauss_fill(state, 0.02f, x, n);
}

static void fill_gauss_f32(uint64_t *state, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = gauss(state) * 0.7f;
}

static void fill_heavy(uint64_t *state, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float g = gauss(state);
        x[i] = g * g * g / (uniform(state) + 0.01f);
    }
}

static void fill_zeros(uint64_t *state, float *x, int64_t n)
{
    (void)state;
    memset(x, 0, sizeof(float) * (size_t)n);
}

static void fill_negative_zeros(uint64_t *state, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.f * sign(state);
}

static void fill_constant(uint64_t *state, float *x, int64_t n)
{
    const float value = gauss(state);
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
}

static void fill_spike(uint64_t *state, float *x, int64_t n)
{
    memset(x, 0, sizeof(float) * (size_t)n);
    for (int64_t i = 0; i < n; i += 256) {
        const float spike = gauss(state);
        x[i + below(state, (uint32_t)QFS_MIN(256, n - i))] = spike;
    }
}

/* one big value a block of 256 beside tiny ones: scales that round to zero, stale codes */
static void fill_spike_noise(uint64_t *state, float *x, int64_t n)
{
    const float tiny = tenth((int)below(state, 12));
    for (int64_t i = 0; i < n; i++)
        x[i] = gauss(state) * tiny;
    for (int64_t i = 0; i < n; i += 256) {
        const float spike = gauss(state) * 100;
        x[i + below(state, (uint32_t)QFS_MIN(256, n - i))] = spike;
    }
}

static void fill_denormal(uint64_t *state, float *x, int64_t n)
{
    const uint32_t mask = (1u << (1 + below(state, 23))) - 1;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t random = qfs_random(state);
        const uint32_t bits = ((uint32_t)random & mask) | (uint32_t)(random >> 63) << 31;
        memcpy(x + i, &bits, sizeof(bits));
    }
}

static void fill_huge(uint64_t *state, float *x, int64_t n)
{
    const float scale = below(state, 2) ? 1e37f : 3e4f * (float)(1 + below(state, 100));
    for (int64_t i = 0; i < n; i++)
        x[i] = gauss(state) * scale;
}

static void fill_signs(uint64_t *state, float *x, int64_t n)
{
    const float value = uniform(state);
    for (int64_t i = 0; i < n; i++)
        x[i] = value * sign(state);
}

static void fill_ternary(uint64_t *state, float *x, int64_t n)
{
    const float value = uniform(state);
    for (int64_t i = 0; i < n; i++)
        x[i] = value * ((float)below(state, 3) - 1);
}

/* few distinct values, evenly spaced: exact ties everywhere */
static void fill_grid(uint64_t *state, float *x, int64_t n)
{
    const uint32_t levels = 2 + below(state, 40);
    const float step = below(state, 2) ? 0.125f : uniform(state);
    const float offset = (float)below(state, levels);
    for (int64_t i = 0; i < n; i++)
        x[i] = ((float)below(state, levels) - offset) * step;
}

static void fill_dead(uint64_t *state, float *x, int64_t n)
{
    const int64_t width = below(state, 2) ? 16 : 32;
    for (int64_t i = 0; i < n; i += width) {
        const uint32_t kind = below(state, 4);
        const float scale = kind == 0 ? 0.f : kind == 1 ? tenth((int)below(state, 30)) : 1.f;
        for (int64_t k = i; k < QFS_MIN(i + width, n); k++)
            x[k] = gauss(state) * scale;
    }
}

/* around the smallest scales that half precision holds */
static void fill_underflow(uint64_t *state, float *x, int64_t n)
{
    const float scale = tenth(3 + (int)below(state, 7));
    for (int64_t i = 0; i < n; i++)
        x[i] = gauss(state) * scale;
}

static void fill_one_sided(uint64_t *state, float *x, int64_t n)
{
    const float side = sign(state), offset = below(state, 2) ? 1.f : 0.f;
    for (int64_t i = 0; i < n; i++)
        x[i] = side * (offset + uniform(state));
}

static void fill_ramp(uint64_t *state, float *x, int64_t n)
{
    const float step = gauss(state) * 0.01f, start = gauss(state);
    for (int64_t i = 0; i < n; i++)
        x[i] = start + step * (float)(i % 256);
}

static void fill_mixed(uint64_t *state, float *x, int64_t n);

static void fill_nonfinite(uint64_t *state, float *x, int64_t n)
{
    static const uint32_t specials[] = {0x7f800000, 0xff800000, 0x7fc00000,
                                        0xffc00001, 0x7f7fffff, 0xff7fffff};
    fill_gauss(state, x, n);
    for (int64_t i = 0; i < n; i += 1 + below(state, 200))
        memcpy(x + i, &specials[below(state, QFS_COUNT(specials))], 4);
}

struct input {
    const char *name;
    fill_fn *fill;
};

static const struct input inputs[] = {
    {"gauss", fill_gauss},
    {"gauss-f32", fill_gauss_f32},
    {"heavy", fill_heavy},
    {"zeros", fill_zeros},
    {"negative-zeros", fill_negative_zeros},
    {"constant", fill_constant},
    {"spike", fill_spike},
    {"spike-noise", fill_spike_noise},
    {"denormal", fill_denormal},
    {"huge", fill_huge},
    {"signs", fill_signs},
    {"ternary", fill_ternary},
    {"grid", fill_grid},
    {"dead", fill_dead},
    {"underflow", fill_underflow},
    {"one-sided", fill_one_sided},
    {"ramp", fill_ramp},
    {"mixed", fill_mixed},
    {"nonfinite", fill_nonfinite},
};

enum { NINPUTS = QFS_COUNT(inputs), NFINITE = NINPUTS - 1, NBASIC = NINPUTS - 2 };

/* pieces of all the others side by side */
static void fill_mixed(uint64_t *state, float *x, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const int64_t width = QFS_MIN(n - i, 16 << below(state, 5));
        inputs[below(state, NBASIC)].fill(state, x + i, width);
        i += width;
    }
}

/* -- importances
 * ------------------------------------------------------------------------------------ */

enum importance { NONE, POWER, THIRD_ZERO, EQUAL, ZERO, SPARSE, NIMPORTANCES };

static const char *const importance_names[NIMPORTANCES] = {"none",  "power", "third-zero",
                                                           "equal", "zero",  "sparse"};

static void importance_fill(enum importance kind, uint64_t *state, float *imatrix, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float u = uniform(state), power = u * u * u * u;
        const uint32_t pick = below(state, 30);
        const float by_kind[NIMPORTANCES] = {
            [POWER] = power, [THIRD_ZERO] = pick < 10 ? 0 : power,    [EQUAL] = 1,
            [ZERO] = 0,      [SPARSE] = pick < 28 ? 0 : power * 1e6f,
        };
        imatrix[i] = by_kind[kind];
    }
}

/* -- one case: a shape, an input, importances
 * -------------------------------------------------------- */

enum { GUARD = 128, MAX_WEIGHTS = 1 << 17 };

struct shape {
    int64_t nrows, nblocks; /* a row */
};

static const struct shape shapes[] = {{1, 1}, {3, 1}, {1, 3}, {5, 2}, {2, 5}, {3, 16}};

struct buffers {
    float *x, *imatrix;             /* both off alignment by one float */
    uint8_t *ours, *first, *theirs; /* GUARD bytes before and after what is written */
    uint8_t *scratch;               /* GUARD bytes after QFS_SCRATCH_SIZE */
};

struct options {
    const char *type, *isa, *library, *vectors, *write;
    int64_t nblocks;
    uint64_t seed;
    qfs_reference_fn *reference;
};

static int failures;
enum { MAX_SHOWN = 20 };

static void fail(const char *what, enum qfs_type type, const char *isa, const char *input,
                 const char *importance)
{
    if (failures++ < MAX_SHOWN)
        printf("FAIL %s %s %s imatrix=%s: %s\n", qfs_type_info(type)->name, isa, input, importance,
               what);
}

/* Non-finite blocks become one pattern, so that they compare as equal to each other only. */
static void blocks_settle(enum qfs_type type, uint8_t *blocks, uint64_t nbytes)
{
    const size_t size = qfs_type_info(type)->block_bytes;
    for (uint64_t i = 0; i < nbytes; i += size)
        if (!qfs_blocks_finite(type, blocks + i, size))
            memset(blocks + i, 0xee, size);
}

static bool guards_intact(const uint8_t *buffer, uint64_t nbytes)
{
    for (int i = 0; i < GUARD; i++)
        if (buffer[i] != 0xa5 || buffer[GUARD + nbytes + (unsigned)i] != 0xa5)
            return false;
    return true;
}

static void difference_show(enum qfs_type type, const uint8_t *a, const uint8_t *b, uint64_t nbytes,
                            const float *x)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    if (failures > MAX_SHOWN)
        return;
    uint64_t ndifferent = 0, first = nbytes;
    for (uint64_t i = 0; i < nbytes; i += info->block_bytes)
        if (memcmp(a + i, b + i, info->block_bytes) != 0) {
            first = QFS_MIN(first, i);
            ndifferent++;
        }
    printf("  %llu of %llu blocks differ, first is block %llu\n  ours ",
           (unsigned long long)ndifferent, (unsigned long long)(nbytes / info->block_bytes),
           (unsigned long long)(first / info->block_bytes));
    for (int i = 0; i < info->block_bytes; i++)
        printf("%02x", a[first + (unsigned)i]);
    printf("\n  want ");
    for (int i = 0; i < info->block_bytes; i++)
        printf("%02x", b[first + (unsigned)i]);
    const float *from = x + first / info->block_bytes * info->block_count;
    printf("\n  x    %g %g %g %g ...\n", (double)from[0], (double)from[1], (double)from[2],
           (double)from[3]);
}

static void quantize_guarded(enum qfs_type type, const struct qfs_kernels *kernels,
                             const struct shape *shape, const struct buffers *buffers,
                             const float *imatrix, uint8_t *out, const char *input,
                             const char *importance)
{
    const int64_t row_size = shape->nblocks * qfs_type_info(type)->block_count;
    const uint64_t nbytes = (uint64_t)shape->nrows * qfs_row_bytes(type, row_size);
    memset(out, 0xa5, nbytes + 2 * GUARD);
    memset(buffers->scratch + QFS_SCRATCH_SIZE, 0xa5, GUARD);
    kernels->quantize[type](buffers->x, out + GUARD, shape->nrows, row_size, imatrix,
                            buffers->scratch);
    bool intact = guards_intact(out, nbytes);
    for (int i = 0; i < GUARD; i++)
        intact &= buffers->scratch[QFS_SCRATCH_SIZE + i] == 0xa5;
    if (!intact)
        fail("writes beyond its output or scratch", type, kernels->name, input, importance);
    blocks_settle(type, out + GUARD, nbytes);
}

/* The reference gives up (aborts the program) on some finite input: sums that overflow, scales that
 * come out infinite. Its abort callback leaves by a jump instead. */
static jmp_buf given_up;

static void reference_give_up(const char *message)
{
    (void)message;
    longjmp(given_up, 1);
}

static bool reference_quantize(const struct options *options, enum qfs_type type, const float *x,
                               uint8_t *blocks, int64_t nrows, int64_t row_size,
                               const float *imatrix)
{
    if (setjmp(given_up))
        return false;
    options->reference((int)type, x, blocks, 0, nrows, row_size, imatrix);
    return true;
}

/* Where the reference gives up, block by block; those that it has no answer for take ours. */
static void reference_run(const struct options *options, enum qfs_type type,
                          const struct shape *shape, const struct buffers *buffers,
                          const float *imatrix)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    const int64_t row_size = shape->nblocks * info->block_count;
    uint8_t *theirs = buffers->theirs + GUARD;
    const uint8_t *ours = buffers->first + GUARD;
    if (reference_quantize(options, type, buffers->x, theirs, shape->nrows, row_size, imatrix))
        return;
    for (int64_t i = 0; i < shape->nrows * shape->nblocks; i++) {
        const int64_t at = i * info->block_count, bytes = i * info->block_bytes;
        if (!reference_quantize(options, type, buffers->x + at, theirs + bytes, 1,
                                info->block_count, imatrix ? imatrix + at % row_size : NULL))
            memcpy(theirs + bytes, ours + bytes, info->block_bytes);
    }
}

/* Runs the instruction sets asked for over what `buffers` hold and returns the digest of the
 * result: the reference's where there is one, else the first one's (the one-lane build's unless
 * --isa leaves it out), which the others must equal. */
static struct qfs_digest case_run(const struct options *options, enum qfs_type type,
                                  const struct shape *shape, const struct buffers *buffers,
                                  const float *imatrix, const char *input, const char *importance)
{
    const int64_t row_size = shape->nblocks * qfs_type_info(type)->block_count;
    const uint64_t nbytes = (uint64_t)shape->nrows * qfs_row_bytes(type, row_size);
    const uint8_t *want = NULL;
    const bool finite = strcmp(input, "nonfinite") != 0;
    if (options->reference && finite) {
        quantize_guarded(type, qfs_kernels_of(QFS_ISA_SCALAR), shape, buffers, imatrix,
                         buffers->first, input, importance);
        reference_run(options, type, shape, buffers, imatrix);
        blocks_settle(type, buffers->theirs + GUARD, nbytes);
        want = buffers->theirs + GUARD;
    }
    for (int isa = QFS_ISA_SCALAR; isa < QFS_ISA_COUNT; isa++) {
        const struct qfs_kernels *kernels = qfs_kernels_of((enum qfs_isa)isa);
        if (!kernels || (options->isa && strcmp(options->isa, kernels->name) != 0))
            continue;
        const bool done = isa == QFS_ISA_SCALAR && options->reference && finite;
        uint8_t *out = want && !done ? buffers->ours : buffers->first;
        if (!done)
            quantize_guarded(type, kernels, shape, buffers, imatrix, out, input, importance);
        if (want && finite && memcmp(out + GUARD, want, nbytes) != 0) {
            fail(options->reference ? "differs from the reference" : "differs from scalar", type,
                 kernels->name, input, importance);
            difference_show(type, out + GUARD, want, nbytes, buffers->x);
        }
        if (!want)
            want = out + GUARD;
    }
    return finite && want ? qfs_hash(want, nbytes) : (struct qfs_digest){0, 0};
}

/* -- stored digests: one file a type, one line an input and importances -------------------------- */

static void digest_check(FILE *vectors, enum qfs_type type, const char *input,
                         const char *importance, const char *digest)
{
    char line[128], want[128];
    snprintf(want, sizeof(want), "%s %s %s", input, importance, digest);
    rewind(vectors);
    while (fgets(line, sizeof(line), vectors)) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, want) == 0)
            return;
    }
    fail("differs from the reference's stored digest", type, "all", input, importance);
}

static FILE *vectors_open(const char *dir, enum qfs_type type, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/vectors-%s.txt", dir, qfs_type_info(type)->name);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        failures++;
    }
    return file;
}

static void type_check_fixed(const struct options *options, enum qfs_type type,
                             const struct buffers *buffers)
{
    FILE *vectors = options->vectors ? vectors_open(options->vectors, type, "r") : NULL;
    FILE *write = options->write ? vectors_open(options->write, type, "w") : NULL;
    for (int input = 0; input < NINPUTS; input++)
        for (int kind = 0; kind < NIMPORTANCES; kind++) {
            if (kind == NONE && qfs_type_requires_imatrix(type))
                continue;
            struct qfs_digest digests[QFS_COUNT(shapes)];
            uint64_t state = (uint64_t)input * NIMPORTANCES + (uint64_t)kind;
            for (size_t s = 0; s < QFS_COUNT(shapes); s++) {
                const int64_t row_size = shapes[s].nblocks * qfs_type_info(type)->block_count;
                for (int64_t row = 0; row < shapes[s].nrows; row++)
                    inputs[input].fill(&state, buffers->x + row * row_size, row_size);
                importance_fill((enum importance)kind, &state, buffers->imatrix, row_size);
                digests[s] = case_run(options, type, &shapes[s], buffers,
                                      kind == NONE ? NULL : buffers->imatrix, inputs[input].name,
                                      importance_names[kind]);
            }
            char hex[33];
            qfs_digest_hex(qfs_hash(digests, sizeof(digests)), hex);
            if (input >= NFINITE)
                continue;
            if (vectors)
                digest_check(vectors, type, inputs[input].name, importance_names[kind], hex);
            if (write)
                fprintf(write, "%s %s %s\n", inputs[input].name, importance_names[kind], hex);
        }
    if (vectors)
        fclose(vectors);
    if (write)
        fclose(write);
}

/* At least `nblocks` blocks a type and importances, of inputs drawn at random. */
static void type_check_random(const struct options *options, enum qfs_type type,
                              const struct buffers *buffers)
{
    const int64_t block_count = qfs_type_info(type)->block_count;
    uint64_t state = options->seed;
    for (int64_t done = 0; done < options->nblocks && failures < MAX_SHOWN;) {
        const enum importance kind = (enum importance)below(&state, NIMPORTANCES);
        if (kind == NONE && qfs_type_requires_imatrix(type))
            continue;
        const uint32_t nrows = 1 + below(&state, 6), nblocks = 1 + below(&state, 40);
        const struct shape shape = {nrows, nblocks};
        const int64_t row_size = shape.nblocks * block_count;
        const uint32_t input = below(&state, 3) ? below(&state, NFINITE) : NFINITE - 1;
        for (int64_t row = 0; row < shape.nrows; row++)
            inputs[input].fill(&state, buffers->x + row * row_size, row_size);
        importance_fill(kind, &state, buffers->imatrix, row_size);
        case_run(options, type, &shape, buffers, kind == NONE ? NULL : buffers->imatrix,
                 inputs[input].name, importance_names[kind]);
        done += shape.nrows * shape.nblocks;
    }
}

/* -- conversions
 * --------------------------------------------------------------------------------------- */

/* F16 both ways for every half, BF16 for every top half, floats around every rounding border, all
 * against the definition in plain C. */
static uint16_t f16_expected(uint32_t bits)
{
    const uint32_t sign_bit = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign_bit | 0x7c00 | QFS_MAX(1u, (magnitude & 0x7fffff) >> 13));
    if (magnitude >= 0x477ff000)
        return (uint16_t)(sign_bit | 0x7c00);
    /* exact value = mantissa * 2^(exponent - 150); the half's unit is 2^-24 below 2^-14 */
    const int exponent = (int)(magnitude >> 23);
    const uint64_t mantissa = exponent ? (magnitude & 0x7fffff) | 0x800000 : magnitude;
    const int unit =
        exponent > 112 ? exponent - 13 - 127 + 3 : -14 - 10; /* power of the last bit */
    const int shift = unit - ((exponent ? exponent : 1) - 150);
    if (shift > 40)
        return (uint16_t)sign_bit;
    uint64_t kept = mantissa >> shift;
    const uint64_t rest = mantissa & ((1ull << shift) - 1), tie = 1ull << (shift - 1);
    kept += rest > tie || (rest == tie && (kept & 1));
    return (uint16_t)(sign_bit +
                      (exponent > 112 ? ((uint32_t)(exponent - 113) << 10) + kept : kept));
}

static void codec_check(enum qfs_isa isa)
{
    enum { COUNT = 1 << 16, TAIL = 13 };
    const struct qfs_kernels *kernels = qfs_kernels_of(isa);
    static uint16_t halves[COUNT + 1], back[COUNT + TAIL];
    static float values[COUNT + TAIL];
    static const int32_t nudges[] = {0, 1, -1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001};
    bool good = true;
    for (int i = 0; i < COUNT; i++)
        halves[i] = (uint16_t)i;
    kernels->decode_bf16(halves, values, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const uint32_t want = (uint32_t)i << 16;
        good &= memcmp(values + i, &want, 4) == 0;
    }
    kernels->decode_f16(halves, values, COUNT);
    for (int i = 0; i < COUNT; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        const bool nan = (i & 0x7fff) > 0x7c00;
        good &= nan ? (bits & 0x7fffffff) > 0x7f800000 : f16_expected(bits) == i;
    }
    for (size_t n = 0; n < QFS_COUNT(nudges); n++) {
        for (int i = 0; i < COUNT; i++) {
            const uint32_t bits = ((uint32_t)i << 16) + (uint32_t)nudges[n];
            memcpy(values + i, &bits, 4);
        }
        kernels->encode_f16(values, back, COUNT);
        for (int i = 0; i < COUNT; i++)
            good &= back[i] == f16_expected(((uint32_t)i << 16) + (uint32_t)nudges[n]);
        kernels->encode_bf16(values, back, COUNT);
        for (int i = 0; i < COUNT; i++) {
            const uint32_t bits = ((uint32_t)i << 16) + (uint32_t)nudges[n];
            const bool nan = (bits & 0x7fffffff) > 0x7f800000;
            const uint32_t want = nan ? bits >> 16 | 64 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
            good &= back[i] == (uint16_t)want;
        }
    }
    /* tails: nothing beyond the last item is written */
    for (int count = 0; count <= 20; count++) {
        memset(back, 0xa5, sizeof(back));
        kernels->encode_bf16(values + 1, back, count);
        good &= back[count] == 0xa5a5;
        memset(back, 0xa5, sizeof(back));
        kernels->encode_f16(values + 1, back, count);
        good &= back[count] == 0xa5a5;
        float marked[21 + TAIL];
        for (int i = 0; i < 21 + TAIL; i++)
            marked[i] = -7;
        kernels->decode_f16((const uint8_t *)halves + 1, marked, count);
        good &= marked[count] == -7;
        kernels->decode_bf16((const uint8_t *)halves + 1, marked, count);
        good &= marked[count] == -7;
    }
    if (!good) {
        printf("FAIL %s: F16 or BF16 conversion\n", kernels->name);
        failures++;
    }
}

static float tiny_float(int byte, int mantissa_bits, int least_exponent)
{
    const int exponent = (byte & 127) >> mantissa_bits, one = 1 << mantissa_bits;
    const int mantissa = (byte & (one - 1)) + (exponent ? one : 0);
    float value = (float)mantissa * (float)(1u << (exponent ? exponent - 1 : 0));
    for (int i = 0; i < least_exponent; i++)
        value *= 0.5f;
    return byte & 128 ? -value : value;
}

/* FP8 against its definition, NaN with the payload that torch gives it */
static void fp8_check(enum qfs_isa isa)
{
    const struct qfs_kernels *kernels = qfs_kernels_of(isa);
    uint8_t bytes[256 + 1];
    float four[256 + 1], five[256 + 1];
    bool good = true;
    for (int i = 0; i < 257; i++)
        bytes[i] = (uint8_t)i;
    four[255] = five[255] = -7;
    kernels->decode_e4m3(bytes, four, 255); /* a tail, whatever the number of lanes */
    kernels->decode_e5m2(bytes, five, 255);
    good &= four[255] == -7 && five[255] == -7;
    kernels->decode_e4m3(bytes + 1, four + 1, 255);
    kernels->decode_e5m2(bytes + 1, five + 1, 255);
    for (int i = 0; i < 256; i++) {
        const uint32_t sign_bit = (uint32_t)(i & 128) << 24;
        float want4 = tiny_float(i, 3, 9), want5 = tiny_float(i, 2, 16);
        uint32_t special = 0x7ff00000 | sign_bit;
        if ((i & 127) == 127)
            memcpy(&want4, &special, 4);
        special = sign_bit | 0x7f800000 | (uint32_t)(i & 3) << 21 | (i & 3 ? 0x00400000 : 0);
        if ((i & 127) >= 124)
            memcpy(&want5, &special, 4);
        good &= memcmp(&want4, four + i, 4) == 0 && memcmp(&want5, five + i, 4) == 0;
    }
    if (!good) {
        printf("FAIL %s: FP8 conversion\n", kernels->name);
        failures++;
    }
}

/* One float at a time that is none, at every place of rows of every length. */
static void finite_check(enum qfs_isa isa)
{
    enum { LENGTH = 80 };
    static const uint32_t none[] = {0x7f800000, 0xff800000, 0x7f800001, 0xffffffff, 0x7fc00000};
    static const uint32_t some[] = {0x7f7fffff, 0xff7fffff, 0, 0x80000000, 1, 0x807fffff};
    const struct qfs_kernels *kernels = qfs_kernels_of(isa);
    float row[LENGTH];
    bool good = true;
    for (int i = 0; i < LENGTH; i++)
        memcpy(row + i, &some[i % (int)QFS_COUNT(some)], 4);
    for (int count = 0; count <= LENGTH; count++)
        good &= kernels->finite(row, count);
    for (int at = 0; at < LENGTH; at++) {
        const float was = row[at];
        memcpy(row + at, &none[at % (int)QFS_COUNT(none)], 4);
        for (int count = 0; count <= LENGTH; count++)
            good &= kernels->finite(row, count) == (count <= at);
        row[at] = was;
    }
    if (!good) {
        printf("FAIL %s: whether floats are finite\n", kernels->name);
        failures++;
    }
}

/* -- main
 * ---------------------------------------------------------------------------------------------- */

static qfs_reference_fn *reference_open(const char *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "ggml_quantize_chunk") : NULL;
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    qfs_reference_fn *reference;
    memcpy(&reference, &symbol, sizeof(reference));
    typedef void (*callback_fn)(const char *message);
    callback_fn (*set_abort_callback)(callback_fn callback);
    symbol = dlsym(handle, "ggml_set_abort_callback");
    if (symbol) {
        memcpy(&set_abort_callback, &symbol, sizeof(set_abort_callback));
        set_abort_callback(reference_give_up);
    }
    return reference;
}

static void options_parse(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value && strcmp(argv[i], "--type") == 0)
            options->type = value;
        else if (value && strcmp(argv[i], "--isa") == 0)
            options->isa = value;
        else if (value && strcmp(argv[i], "--reference") == 0)
            options->library = value;
        else if (value && strcmp(argv[i], "--vectors") == 0)
            options->vectors = value;
        else if (value && strcmp(argv[i], "--write") == 0)
            options->write = value;
        else if (value && strcmp(argv[i], "--blocks") == 0)
            options->nblocks = atoll(value);
        else if (value && strcmp(argv[i], "--seed") == 0)
            options->seed = strtoull(value, NULL, 0);
        else {
            fprintf(stderr, "checkasm: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
    if (options->library)
        options->reference = reference_open(options->library);
    if (options->write && !options->reference) {
        fprintf(stderr, "checkasm: --write needs --reference\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1};
    options_parse(argc, argv, &options);
    const size_t nbytes = MAX_WEIGHTS * 4 + 2 * GUARD;
    struct buffers buffers = {
        .x = (float *)calloc(MAX_WEIGHTS + 1, 4) + 1,
        .imatrix = (float *)calloc(MAX_WEIGHTS + 1, 4) + 1,
        .ours = (uint8_t *)malloc(nbytes + 1) + 1,
        .first = malloc(nbytes),
        .theirs = malloc(nbytes),
        .scratch = aligned_alloc(64, QFS_SCRATCH_SIZE + GUARD),
    };
    int ntypes = 0, nisas = 0;
    for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
        if (qfs_kernels_of((enum qfs_isa)isa)) {
            const char *name = qfs_kernels_of((enum qfs_isa)isa)->name;
            printf("%s ", name);
            nisas += !options.isa || strcmp(options.isa, name) == 0;
            codec_check((enum qfs_isa)isa);
            finite_check((enum qfs_isa)isa);
            fp8_check((enum qfs_isa)isa);
        }
    printf("\n");
    if (nisas == 0) {
        printf("no such instruction set in this build or machine\n");
        return 77;
    }
    for (int type = 0; type < QFS_TYPE_COUNT; type++) {
        if (!qfs_kernels_of(QFS_ISA_SCALAR)->quantize[type] ||
            (options.type && qfs_type_by_name(options.type) != (enum qfs_type)type))
            continue;
        const int before = failures;
        type_check_fixed(&options, (enum qfs_type)type, &buffers);
        type_check_random(&options, (enum qfs_type)type, &buffers);
        printf("%-8s %s\n", qfs_type_info(type)->name, failures == before ? "ok" : "FAILED");
        fflush(stdout);
        ntypes++;
    }
    free(buffers.x - 1);
    free(buffers.imatrix - 1);
    free(buffers.ours - 1);
    free(buffers.first);
    free(buffers.theirs);
    free(buffers.scratch);
    return failures > 0 || ntypes == 0 || nisas == 0; /* a test of nothing is no success */
}
