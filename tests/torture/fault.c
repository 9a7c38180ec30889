/* fault.c: a preloaded library that makes system calls and memory fail now and then.
 *
 *   LD_PRELOAD=libfault.so QFS_FAULT=pread:1000,malloc:5000 QFS_FAULT_SEED=7 PROGRAM…
 *
 * Of each kind named about one call in N fails (kind@N: the Nth alone), pread and pwrite also by doing
 * only a part. What fails depends on the seed and on how many calls there were, so one thread fails in
 * the same places again. */
#undef _FILE_OFFSET_BITS /* both names of each call are ours, and they differ */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum kind { PREAD, PWRITE, OPEN, MALLOC, RENAME, FSYNC, KINDS };

static const char *const names[KINDS] = {"pread", "pwrite", "open", "malloc", "rename", "fsync"};
static uint64_t rates[KINDS], counts[KINDS], seed;
static bool alone[KINDS]; /* the call of that number, rather than one in so many */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_rename)(const char *, const char *);
static int (*real_fsync)(int);

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("QFS_FAULT"), *number = getenv("QFS_FAULT_SEED");
    uint64_t wanted[KINDS] = {0};
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    seed = number ? strtoull(number, NULL, 10) : 1;
    for (int i = 0; text && i < KINDS; i++) {
        const char *at = strstr(text, names[i]);
        if (at)
            wanted[i] = strtoull(at + strlen(names[i]) + 1, NULL, 10);
        alone[i] = at && at[strlen(names[i])] == '@';
    }
    memcpy(rates, wanted, sizeof(rates));
}

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

/* Whether this call fails; *ret_how then says in what way. */
static bool fails(enum kind kind, uint64_t *ret_how)
{
    if (!rates[kind])
        return false;
    uint64_t number = __atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED);
    uint64_t value = mix(seed * KINDS + kind + mix(number));
    *ret_how = value >> 48;
    if (alone[kind])
        return number + 1 == rates[kind];
    return value % rates[kind] == 0;
}

ssize_t pread64(int fd, void *data, size_t size, off_t at)
{
    uint64_t how;
    if (fails(PREAD, &how)) {
        if (how & 1 && size > 1)
            return real_pread(fd, data, size / 2, at);
        errno = EIO;
        return -1;
    }
    return real_pread(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    uint64_t how;
    if (fails(PWRITE, &how)) {
        if (how % 4 == 0 && size > 1)
            return real_pwrite(fd, data, size / 2, at);
        errno = how % 4 == 1 ? EIO : ENOSPC;
        return -1;
    }
    return real_pwrite(fd, data, size, at);
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return pread64(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return pwrite64(fd, data, size, at);
}

static int open_or_fail(int dir, const char *path, int flags, va_list args)
{
    uint64_t how;
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
    if (fails(OPEN, &how)) {
        errno = how & 1 ? EMFILE : EACCES;
        return -1;
    }
    return real_openat(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int fd = open_or_fail(dir, path, flags, args);
    va_end(args);
    return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int fd = open_or_fail(dir, path, flags, args);
    va_end(args);
    return fd;
}

int rename(const char *from, const char *to)
{
    uint64_t how;
    if (fails(RENAME, &how)) {
        errno = how & 1 ? ENOSPC : EACCES;
        return -1;
    }
    return real_rename(from, to);
}

int fsync(int fd)
{
    uint64_t how;
    if (fails(FSYNC, &how)) {
        errno = how & 1 ? EIO : ENOSPC;
        return -1;
    }
    return real_fsync(fd);
}

static bool no_memory(void)
{
    uint64_t how;
    if (!fails(MALLOC, &how))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return no_memory() ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return no_memory() ? NULL : __libc_memalign(alignment, size);
}
