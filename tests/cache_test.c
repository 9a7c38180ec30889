/* The cache: order of eviction, chunks that come back as they went, limits, damage of every kind,
 * full and vanished disks, processes side by side. */
#include "quantfs/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char work[] = "/tmp/quantfs-cache-XXXXXX";
static int warnings;
static char last_warning[600];

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    __atomic_add_fetch(&warnings, 1, __ATOMIC_RELAXED);
    snprintf(last_warning, sizeof(last_warning), "%s", sentence);
}

static void remove_tree(const char *path)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    CHECK(system(command) == 0);
}

static const char *place(const char *name)
{
    static char path[4][100];
    static unsigned at;
    char *p = path[at++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", work, name);
    return p;
}

/* -- made-up chunks --------------------------------------------------------------------------- */

static struct qfs_series series_of(uint64_t number, uint64_t nbytes, uint32_t chunk_bytes)
{
    return (struct qfs_series){
        .id = qfs_hash(&number, sizeof(number)), .nbytes = nbytes, .chunk_bytes = chunk_bytes};
}

/* The bytes of a chunk; odd chunks are noise, even ones compress well. */
static void fill(const struct qfs_series *series, uint32_t index, uint8_t *data)
{
    uint64_t state = series->id.low + index;
    uint32_t size = qfs_series_size(series, index);
    for (uint32_t i = 0; i < size; i++)
        data[i] = (uint8_t)(index % 2 ? check_random(&state) : i / 64 + series->id.low + index);
}

static bool is_filled(const struct qfs_series *series, uint32_t index, const uint8_t *data)
{
    static _Thread_local uint8_t expected[1 << 20];
    fill(series, index, expected);
    return !memcmp(expected, data, qfs_series_size(series, index));
}

static struct qfs_disk *open_disk(const char *dir, uint64_t limit)
{
    struct qfs_disk_options options = {.dir = dir, .limit = limit, .min_free = 1, .warn = warn};
    struct qfs_disk *disk;
    struct qfs_error error;
    if (qfs_disk_open(&options, &disk, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return disk;
}

static void store_all(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                      const struct qfs_series *series)
{
    uint8_t *data = malloc(series->chunk_bytes);
    for (uint32_t i = 0; i < qfs_series_count(series); i++) {
        fill(series, i, data);
        qfs_disk_store(disk, scratch, series, i, data);
    }
    free(data);
}

/* How many chunks load; each that does must be right. */
static uint32_t load_all(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                         const struct qfs_series *series)
{
    uint8_t *data = malloc(series->chunk_bytes);
    uint32_t n = 0;
    for (uint32_t i = 0; i < qfs_series_count(series); i++)
        if (qfs_disk_load(disk, scratch, series, i, data)) {
            CHECK(is_filled(series, i, data));
            n++;
        }
    free(data);
    return n;
}

static void path_of(const char *dir, const struct qfs_series *series, char path[200])
{
    char hex[33];
    qfs_digest_hex(series->id, hex);
    snprintf(path, 200, "%s/chunks-2/%.2s/%s", dir, hex, hex + 2);
}

static struct qfs_disk_counters counters(struct qfs_disk *disk)
{
    struct qfs_disk_counters c;
    qfs_disk_count(disk, &c);
    return c;
}

/* -- tests ------------------------------------------------------------------------------------ */

static void memory_test(void)
{
    struct qfs_memory *memory = qfs_memory_new(10000);
    struct qfs_digest id = {1, 2};
    for (uint32_t i = 0; i < 10; i++) {
        struct qfs_chunk *chunk = qfs_chunk_new(memory, 1000);
        memset(chunk->data, (int)i, 1000);
        qfs_memory_put(memory, id, i, chunk);
        qfs_chunk_unref(chunk);
    }
    CHECK(qfs_memory_used(memory) == 10000);
    struct qfs_chunk *zero = qfs_memory_get(memory, id, 0); /* used, and held by a reader */
    CHECK(zero && zero->data[0] == 0);
    qfs_memory_cool(memory, id, 5);
    struct qfs_chunk *more = qfs_chunk_new(memory, 2000); /* evicts 5 (cooled), then 1 (oldest) */
    CHECK(qfs_memory_used(memory) == 10000);
    CHECK(!qfs_memory_has(memory, id, 5) && !qfs_memory_has(memory, id, 1));
    CHECK(qfs_memory_has(memory, id, 0) && qfs_memory_has(memory, id, 2));
    struct qfs_chunk *all = qfs_chunk_new(memory, 10000); /* all go but what is being read */
    CHECK(qfs_memory_has(memory, id, 0) && !qfs_memory_has(memory, id, 9));
    CHECK(qfs_memory_used(memory) == 13000);
    qfs_chunk_unref(all);
    qfs_chunk_unref(more);
    qfs_chunk_unref(zero);
    qfs_memory_put(memory, id, 0, zero); /* a second put changes nothing */
    CHECK(qfs_memory_used(memory) == 1000);
    CHECK(!qfs_memory_get(memory, (struct qfs_digest){1, 3}, 0));
    qfs_memory_free(memory);
}

static void round_trip_test(void)
{
    const char *dir = place("round");
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_series series = series_of(1, 1234567, 100000);
    CHECK(load_all(disk, scratch, &series) == 0);
    store_all(disk, scratch, &series);
    CHECK(load_all(disk, scratch, &series) == 13);
    CHECK(qfs_disk_has(disk, &series, 12));
    struct qfs_disk_counters c = counters(disk);
    CHECK(c.hits == 13 && c.misses == 13 && c.stored == 13 && !c.damaged && !c.errors && !c.off);
    qfs_disk_close(disk);

    disk = open_disk(dir, 0); /* another time, another process */
    CHECK(load_all(disk, scratch, &series) == 13);
    struct qfs_series other = series_of(1, 1234567, 100000);
    other.id.low++;
    CHECK(load_all(disk, scratch, &other) == 0 && !qfs_disk_has(disk, &other, 0));
    qfs_disk_close(disk);

    struct stat st;
    char path[200];
    path_of(dir, &series, path);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(st.st_blocks * 512 <
          900000); /* even chunks are compressed, and what they save is a hole */
    CHECK(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);

    struct qfs_cache_stat stat;
    CHECK(qfs_cache_stat(dir, &stat, NULL) == 0);
    CHECK(stat.files == 1 && stat.chunks == 13 && stat.chunk_bytes == 1234567);
    CHECK(stat.stored_bytes < 1000000 && stat.disk_bytes >= stat.stored_bytes);
    CHECK(stat.newest_use >= time(NULL) - 60);
    qfs_disk_scratch_free(scratch);
}

/* One random wound to the file at `path`; `other` holds another tensor's chunks. */
static void wound(const char *path, const char *other, uint64_t *state)
{
    struct stat st;
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    uint64_t size = (uint64_t)st.st_size;
    uint64_t at = check_random(state) % size;
    uint8_t bytes[5000];
    switch (check_random(state) % 7) {
    case 0: /* one bit, anywhere */
    case 1:
        CHECK(pread(fd, bytes, 1, (off_t)at) == 1);
        bytes[0] ^= (uint8_t)(1 << check_random(state) % 8);
        CHECK(pwrite(fd, bytes, 1, (off_t)at) == 1);
        break;
    case 2: /* one bit in header or table */
        at %= 300;
        CHECK(pread(fd, bytes, 1, (off_t)at) == 1);
        bytes[0] ^= (uint8_t)(1 << check_random(state) % 8);
        CHECK(pwrite(fd, bytes, 1, (off_t)at) == 1);
        break;
    case 3: /* cut off */
        CHECK(ftruncate(fd, (off_t)at) == 0);
        break;
    case 4: /* zeros */
        memset(bytes, 0, sizeof(bytes));
        CHECK(pwrite(fd, bytes, sizeof(bytes), (off_t)at) == sizeof(bytes));
        break;
    case 5: { /* two entries and their payloads change places */
        uint8_t a[16], b[16];
        static uint8_t x[102400], y[102400];
        off_t i = (off_t)(check_random(state) % 12), j = (off_t)(check_random(state) % 12);
        CHECK(pread(fd, a, 16, 64 + 16 * i) == 16 && pread(fd, b, 16, 64 + 16 * j) == 16);
        CHECK(pwrite(fd, b, 16, 64 + 16 * i) == 16 && pwrite(fd, a, 16, 64 + 16 * j) == 16);
        ssize_t n = pread(fd, x, sizeof(x), 4096 + 102400 * i);
        ssize_t m = pread(fd, y, sizeof(y), 4096 + 102400 * j);
        CHECK(pwrite(fd, y, (size_t)m, 4096 + 102400 * i) == m);
        CHECK(pwrite(fd, x, (size_t)n, 4096 + 102400 * j) == n);
        break;
    }
    case 6: { /* a chunk of another tensor, entry and all; or its header too */
        int from = open(other, O_RDONLY);
        static uint8_t x[102400];
        off_t i = (off_t)(check_random(state) % 12);
        CHECK(pread(from, bytes, 16, 64 + 16 * i) == 16 &&
              pwrite(fd, bytes, 16, 64 + 16 * i) == 16);
        ssize_t n = pread(from, x, sizeof(x), 4096 + 102400 * i);
        CHECK(pwrite(fd, x, (size_t)n, 4096 + 102400 * i) == n);
        if (check_random(state) % 2)
            CHECK(pread(from, bytes, 64, 0) == 64 && pwrite(fd, bytes, 64, 0) == 64);
        close(from);
        break;
    }
    }
    close(fd);
}

static void damage_test(unsigned rounds)
{
    const char *dir = place("damage");
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_series a = series_of(1, 1234567, 100000), b = series_of(2, 1234567, 100000);
    char path_a[200], path_b[200];
    uint64_t state = 42, lost = 0;
    path_of(dir, &a, path_a);
    path_of(dir, &b, path_b);
    store_all(disk, scratch, &b);
    warnings = 0;
    for (unsigned i = 0; i < rounds; i++) {
        store_all(disk, scratch, &a); /* heals whatever was lost */
        uint32_t n = load_all(disk, scratch, &a);
        if (n < 13) { /* storing dropped a file with a bad header on the way */
            store_all(disk, scratch, &a);
            n = load_all(disk, scratch, &a);
        }
        CHECK(n == 13);
        wound(path_a, path_b, &state);
        lost += 13 - load_all(disk, scratch, &a);
    }
    CHECK(load_all(disk, scratch, &b) == 13);
    struct qfs_disk_counters c = counters(disk);
    CHECK(lost > rounds / 2 && c.damaged > rounds / 4 && warnings == 1 && !c.off);
    printf("damage: %u wounds, %llu chunks lost, %llu noticed as damage, 0 wrong bytes\n", rounds,
           (unsigned long long)lost, (unsigned long long)c.damaged);

    /* The same, found by scrubbing. */
    unlink(path_a);
    store_all(disk, scratch, &a);
    int fd = open(path_a, O_RDWR);
    CHECK(pwrite(fd, "x", 1, 4096 + 102400 * 3 + 5) == 1);
    close(fd);
    fd = open(path_b, O_RDWR);
    CHECK(pwrite(fd, "\3", 1, 8) == 1); /* a later version's header */
    close(fd);
    struct qfs_cache_verified v;
    CHECK(qfs_cache_verify(dir, NULL, NULL, &v, NULL) == 0);
    CHECK(v.files == 2 && v.chunks == 13 && v.damaged_chunks == 1 && v.damaged_files == 1);
    CHECK(qfs_cache_verify(dir, NULL, NULL, &v, NULL) == 0);
    CHECK(v.files == 1 && v.chunks == 12 && !v.damaged_chunks && !v.damaged_files);
    CHECK(load_all(disk, scratch, &a) == 12 && load_all(disk, scratch, &b) == 0);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

static void care_test(void)
{
    const char *dir = place("care");
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_cache_stat stat;
    struct qfs_cache_pruned pruned;
    CHECK(qfs_cache_stat(dir, &stat, NULL) == 0 && stat.files == 0); /* no directory: empty */
    struct qfs_disk *disk = open_disk(dir, 0);
    for (unsigned i = 0; i < 10; i++) {
        struct qfs_series series = series_of(i, 400000, 100000);
        store_all(disk, scratch, &series);
        char path[200];
        path_of(dir, &series, path);
        struct timespec times[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
        CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
    }
    struct qfs_series first = series_of(0, 400000, 100000), second = series_of(1, 400000, 100000);
    CHECK(load_all(disk, scratch, &first) == 4); /* used: now the newest */
    CHECK(qfs_cache_stat(dir, &stat, NULL) == 0 && stat.files == 10);
    CHECK(qfs_cache_prune(dir, stat.disk_bytes * 3 / 10, 0, 0, &pruned, NULL) == 0);
    CHECK(pruned.files == 7 && pruned.left_files == 3);
    CHECK(load_all(disk, scratch, &first) == 4 && load_all(disk, scratch, &second) == 0);
    CHECK(qfs_cache_prune(dir, UINT64_MAX, 0, 3600, &pruned, NULL) == 0);
    CHECK(pruned.files == 2 && pruned.left_files == 1);
    CHECK(qfs_cache_clear(dir, &pruned, NULL) == 0 && pruned.files == 1);
    CHECK(load_all(disk, scratch, &first) == 0);
    store_all(disk, scratch, &first); /* a mount goes on with a cleared cache */
    CHECK(load_all(disk, scratch, &first) == 4);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

static void limit_test(void)
{
    const char *dir = place("limit");
    const uint64_t limit = 4 << 20;
    struct qfs_disk *disk = open_disk(dir, limit);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_cache_stat stat;
    for (unsigned i = 0; i < 60; i++) {
        struct qfs_series series = series_of(i, 500000, 50000);
        store_all(disk, scratch, &series);
        CHECK(qfs_cache_stat(dir, &stat, NULL) == 0 && stat.disk_bytes <= limit + 100000);
        usleep(5000);
    }
    struct qfs_disk_counters c = counters(disk);
    CHECK(c.pruned > 10 && c.stored > 100);
    CHECK(stat.disk_bytes > limit / 2);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

/* Chunks of a source that vanished or changed go before others, though they were used last. */
static void gone_test(void)
{
    const char *dir = place("gone");
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    const struct qfs_digest origins[3] = {{1, 1}, {2, 2}, {3, 3}};
    struct qfs_series series[3];
    struct qfs_cache_stat stat;
    struct qfs_cache_pruned pruned;
    char source[3][200], path[200];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(source[i], sizeof(source[i]), "%s/source %u", work, i);
        int fd = open(source[i], O_RDWR | O_CREAT, 0600);
        CHECK(fd >= 0 && write(fd, "weights", 7) == 7);
        qfs_disk_note_origin(disk, origins[i], fd);
        close(fd);
        series[i] = series_of(i, 500000, 50000);
        series[i].origin = origins[i];
        store_all(disk, scratch, &series[i]);
        path_of(dir, &series[i], path);
        const struct timespec times[2] = {{1000 + i, 0},
                                          {1000 + i, 0}}; /* the last is the newest */
        CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
    }
    CHECK(qfs_cache_stat(dir, &stat, NULL) == 0 && stat.files == 3 && stat.gone_bytes == 0);
    CHECK(qfs_cache_prune(dir, stat.disk_bytes - 1, 0, 0, &pruned, NULL) == 0);
    CHECK(pruned.files == 1 && load_all(disk, scratch, &series[0]) == 0); /* the oldest */
    store_all(disk, scratch, &series[0]);
    CHECK(unlink(source[2]) == 0);
    CHECK(qfs_cache_stat(dir, &stat, NULL) == 0 && stat.gone_bytes > 0);
    CHECK(qfs_cache_prune(dir, stat.disk_bytes - 1, 0, 0, &pruned, NULL) == 0 && pruned.files == 1);
    CHECK(load_all(disk, scratch, &series[2]) == 0 && load_all(disk, scratch, &series[1]) == 10);
    CHECK(truncate(source[0], 3) == 0); /* changed, and used last */
    CHECK(qfs_cache_prune(dir, stat.disk_bytes / 3, 0, 0, &pruned, NULL) == 0 && pruned.files == 1);
    CHECK(load_all(disk, scratch, &series[0]) == 0 && load_all(disk, scratch, &series[1]) == 10);
    CHECK(qfs_cache_clear(dir, &pruned, NULL) == 0);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

static void private_test(void)
{
    struct qfs_disk *disk;
    struct qfs_error error;
    const char *dir = place("open");
    CHECK(mkdir(dir, 0700) == 0 && chmod(dir, 0777) == 0);
    struct qfs_disk_options options = {.dir = dir};
    CHECK(qfs_disk_open(&options, &disk, &error) == -EPERM && strstr(error.text, "chmod 700"));
    CHECK(chmod(dir, 0700) == 0 && symlink("/tmp", place("open/chunks-2")) == 0);
    CHECK(qfs_disk_open(&options, &disk, &error) < 0);
    CHECK(unlink(place("open/chunks-2")) == 0);
    if (geteuid() == 0) {
        CHECK(chown(dir, 12345, 0) == 0);
        CHECK(qfs_disk_open(&options, &disk, &error) == -EPERM && strstr(error.text, "12345"));
        CHECK(chown(dir, 0, 0) == 0);
    }
    /* A link in the place of a series' file is not followed. */
    disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_series series = series_of(7, 50000, 50000);
    char path[200];
    store_all(disk, scratch, &series);
    path_of(dir, &series, path);
    CHECK(rename(path, place("elsewhere")) == 0 && symlink(place("elsewhere"), path) == 0);
    CHECK(load_all(disk, scratch, &series) == 0);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

static void vanished_test(void)
{
    const char *dir = place("vanishing");
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_series series = series_of(1, 1234567, 100000);
    store_all(disk, scratch, &series);
    remove_tree(dir);
    warnings = 0;
    CHECK(load_all(disk, scratch, &series) == 0);
    store_all(disk, scratch, &series);
    store_all(disk, scratch, &series);
    CHECK(load_all(disk, scratch, &series) == 0);
    CHECK(warnings == 1 && counters(disk).off && strstr(last_warning, "views are still served"));
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

/* In a mount namespace of its own: a disk that is full, then one that is read-only. */
static int full_disk(void)
{
    const char *dir = place("full");
    CHECK(mkdir(dir, 0700) == 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=1500k,mode=700") < 0)
        return CHECK_SKIP;
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_series old = series_of(3, 600000, 100000), big = series_of(1, 9000000, 100000);
    store_all(disk, scratch, &old);
    warnings = 0;
    store_all(disk, scratch, &big);
    usleep(200000); /* the background makes room: the old one goes */
    struct qfs_disk_counters c = counters(disk);
    uint32_t n = load_all(disk, scratch, &big);
    CHECK(c.errors >= 1 && c.skipped > 10 && !c.off && warnings == 1 && c.pruned == 1);
    CHECK(load_all(disk, scratch, &old) == 0 && n > 0 && n < 50);
    CHECK(strstr(last_warning, "free some space"));
    CHECK(mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1500k,mode=700") == 0);
    struct qfs_disk *second = open_disk(dir, 0);
    struct qfs_series more = series_of(2, 900000, 100000);
    warnings = 0;
    store_all(second, scratch, &more);
    CHECK(counters(second).off && warnings == 1);
    CHECK(load_all(second, scratch, &big) == n);
    qfs_disk_close(second);
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
    return 0;
}

static void full_disk_test(void)
{
    fflush(stdout);
    pid_t child = fork();
    int status;
    if (child == 0)
        exit(full_disk());
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == CHECK_SKIP)
        printf("full disk: skipped, no right to mount a tmpfs\n");
    else
        CHECK(WEXITSTATUS(status) == 0);
}

/* Processes that store, load, clear and damage one directory at once, and are killed at random. */
static void crowd_test(void)
{
    const char *dir = place("crowd");
    struct qfs_series series[4];
    for (unsigned i = 0; i < 4; i++)
        series[i] = series_of(100 + i, 700000 + i, 50000);
    uint64_t state = 7;
    for (unsigned round = 0; round < 8; round++) {
        pid_t children[4];
        for (unsigned c = 0; c < 4; c++) {
            children[c] = fork();
            if (children[c])
                continue;
            struct qfs_disk *disk = open_disk(dir, c == 0 ? 1500000 : 0);
            struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
            struct qfs_cache_pruned pruned;
            for (unsigned i = 0;; i++) {
                store_all(disk, scratch, &series[(i + c) % 4]);
                load_all(disk, scratch, &series[(i + c + 1) % 4]);
                if (c == 3 && i % 16 == 15)
                    CHECK(qfs_cache_clear(dir, &pruned, NULL) == 0);
            }
        }
        usleep((useconds_t)(20000 + check_random(&state) % 100000));
        for (unsigned c = 0; c < 4; c++) {
            int status;
            kill(children[c], SIGKILL);
            CHECK(waitpid(children[c], &status, 0) == children[c] && WIFSIGNALED(status) &&
                  WTERMSIG(status) == SIGKILL);
        }
    }
    struct qfs_disk *disk = open_disk(dir, 0);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    for (unsigned i = 0; i < 4; i++) {
        load_all(disk, scratch, &series[i]);
        store_all(disk, scratch, &series[i]);
        CHECK(load_all(disk, scratch, &series[i]) == qfs_series_count(&series[i]));
    }
    qfs_disk_close(disk);
    qfs_disk_scratch_free(scratch);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 300;
    CHECK(mkdtemp(work));
    memory_test();
    round_trip_test();
    damage_test(rounds);
    care_test();
    limit_test();
    gone_test();
    private_test();
    vanished_test();
    full_disk_test();
    crowd_test();
    remove_tree(work);
    return 0;
}
