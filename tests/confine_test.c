/* What a confined process may do no more, and what it still may: threads, teams, libraries, memory,
 * local sockets, unmounting. */
#include "confine.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* As a thread that ran before sees it. */
static int before[2], refused_there;

static void *early(void *arg)
{
    char byte;
    (void)arg;
    CHECK(read(before[0], &byte, 1) == 1);
    refused_there = socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM;
    return NULL;
}

static void *late(void *arg)
{
    int sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < 1000; i++)
        sum += i;
    *(int *)arg = sum;
    return NULL;
}

static void check_refused(void)
{
    char *const words[] = {(char *)"true", NULL};
    CHECK(execve("/bin/true", words, words) < 0 && errno == EPERM);
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM);
    CHECK(mount("none", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM);
    CHECK(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    CHECK(socket(AF_INET6, SOCK_DGRAM, 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_finit_module, -1, "", 0) < 0 && errno == EPERM);
    CHECK(syscall(SYS_keyctl, 0, 0, 0) < 0 && errno == EPERM);
    CHECK(unshare(0) < 0 && errno == EPERM);
}

static void check_allowed(void)
{
    pthread_t thread;
    int sum = 0, status;
    CHECK(pthread_create(&thread, NULL, late, &sum) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && sum == 499500);
    void *library = dlopen("libz.so.1", RTLD_NOW); /* as a driver is opened */
    CHECK(library || strstr(dlerror(), "No such file"));
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED && mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    int device = open("/dev/null", O_RDWR);
    CHECK(device >= 0);
    CHECK(ioctl(device, TCGETS) < 0 && errno == ENOTTY);
    int local = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(local >= 0);
    CHECK(umount2("/nowhere", MNT_DETACH) < 0 && (errno == ENOENT || geteuid() != 0));
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

int main(void)
{
    pthread_t thread;
    CHECK(pipe(before) == 0);
    CHECK(pthread_create(&thread, NULL, early, NULL) == 0);
    qfs_confine();
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2) {
        puts("skipped: no filter, or a sanitizer is at work");
        return CHECK_SKIP;
    }
    CHECK(write(before[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0 && refused_there);
    check_refused();
    check_allowed();
    return 0;
}
