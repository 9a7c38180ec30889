/* dispatch.c: which instruction sets this machine runs, and the best of them. */
#include "isa_table.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <cpuid.h>

static const struct qfs_kernels *const tables[QFS_ISA_COUNT] = {
    [QFS_ISA_SCALAR] = &qfs_kernels_scalar,
    [QFS_ISA_SSE2] = &qfs_kernels_sse2,
    [QFS_ISA_AVX2] = &qfs_kernels_avx2,
    [QFS_ISA_AVX512] = &qfs_kernels_avx512,
};

/* What the operating system saves on a context switch (XCR0). */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6 };

static uint64_t xcr0_read(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static unsigned isas_detect(void)
{
    unsigned found = 1u << QFS_ISA_SCALAR | 1u << QFS_ISA_SSE2;
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
        return found;
    const uint64_t saved = xcr0_read();
    if ((saved & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) ||
        !(ebx & bit_AVX2))
        return found;
    found |= 1u << QFS_ISA_AVX2;
#ifdef QFS_AVX512_EMULATED /* a test's build of that table needs no AVX-512 */
    return found | 1u << QFS_ISA_AVX512;
#endif
    const unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((ebx & avx512) == avx512 && (saved & XCR0_AVX512) == XCR0_AVX512)
        found |= 1u << QFS_ISA_AVX512;
    return found;
}

#else

static const struct qfs_kernels *const tables[QFS_ISA_COUNT] = {
    [QFS_ISA_SCALAR] = &qfs_kernels_scalar,
#if defined(__aarch64__)
    [QFS_ISA_NEON] = &qfs_kernels_neon,
#endif
};

static unsigned isas_detect(void)
{
    unsigned found = 0;
    for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
        found |= (unsigned)(tables[isa] != NULL) << isa;
    return found;
}

#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned usable;

static void usable_set(void)
{
    usable = isas_detect();
}

bool qfs_isa_usable(enum qfs_isa isa)
{
    pthread_once(&once, usable_set);
    return usable >> isa & 1;
}

const struct qfs_kernels *qfs_kernels_of(enum qfs_isa isa)
{
    return qfs_isa_usable(isa) ? tables[isa] : NULL;
}

const struct qfs_kernels *qfs_kernels_get(unsigned mask)
{
    for (int isa = QFS_ISA_COUNT - 1; isa > QFS_ISA_SCALAR; isa--)
        if ((mask >> isa & 1) && qfs_isa_usable((enum qfs_isa)isa))
            return tables[isa];
    return tables[QFS_ISA_SCALAR];
}
