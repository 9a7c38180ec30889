/* The mount: from a checked mountpoint to a served one to a clean end. */
#include "confine.h"
#include "fuse_ops.h"
#include "mountpoint.h"
#include "unmounter.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

enum { STOP_SECONDS = 4 }; /* after which an end is forced, whatever a source or reader does */

/* -- log ---------------------------------------------------------------------------------------- */

static bool to_syslog;

/* One sentence, from any thread; the status has the last one too. */
static void log_line(void *arg, const char *sentence)
{
    struct qfs_server *server = arg;
    if (server) {
        pthread_mutex_lock(&server->lock);
        server->numbers.log_lines++;
        snprintf(server->numbers.last_log_line, sizeof(server->numbers.last_log_line), "%s",
                 sentence);
        pthread_mutex_unlock(&server->lock);
    }
    if (to_syslog)
        syslog(LOG_WARNING, "%s", sentence);
    else
        fprintf(stderr, "quantfs: %s\n", sentence);
}

/* What libfuse said last: its functions give no reasons. */
static char fuse_said[400];

static void fuse_log_line(enum fuse_log_level level, const char *format, va_list args)
{
    char text[sizeof(fuse_said)];
    if (level > FUSE_LOG_WARNING)
        return;
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = 0;
    memcpy(fuse_said, text, sizeof(text));
}

/* -- ready -------------------------------------------------------------------------------------- */

/* What a daemon tells the process that waits for it. */
struct report {
    int rc;
    struct qfs_error error;
};

struct parent {
    int fd; /* pipe to the waiting process, -1: none, or told already */
};

static void tell_parent(struct parent *parent, int rc, const struct qfs_error *error)
{
    struct report report = {.rc = rc};
    if (parent->fd < 0)
        return;
    if (rc < 0)
        report.error = *error;
    (void)!write(parent->fd, &report, sizeof(report)); /* less than PIPE_BUF: whole or not at all */
    close(parent->fd);
    parent->fd = -1;
}

/* systemd's protocol: one datagram to the socket it named. */
static void notify_systemd(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    close(fd);
}

/* From here on nobody's terminal is ours. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

/* -- SIGHUP ------------------------------------------------------------------------------------- */

/* A thread that looks at the source again when told to. */
struct listener {
    struct qfs_tree *tree;
    pthread_t thread;
    bool runs;
    bool stop; /* atomic: the next SIGHUP is the last */
};

static void *await_hangups(void *arg)
{
    struct listener *listener = arg;
    sigset_t hangup;
    int number;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    while (sigwait(&hangup, &number) == 0 && !__atomic_load_n(&listener->stop, __ATOMIC_ACQUIRE))
        qfs_tree_refresh(listener->tree, true);
    return NULL;
}

static void stop_listening(struct listener *listener)
{
    if (!listener->runs)
        return;
    __atomic_store_n(&listener->stop, true, __ATOMIC_RELEASE);
    pthread_kill(listener->thread, SIGHUP);
    pthread_join(listener->thread, NULL);
}

/* On a terminal SIGHUP means that the terminal is gone: an end. Everywhere else it means: look again. */
static bool hangup_is_a_wish(const struct parent *parent)
{
    return parent->fd >= 0 || !isatty(STDIN_FILENO);
}

static void block_hangup(void)
{
    sigset_t hangup;
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL);
}

/* -- session ------------------------------------------------------------------------------------ */

static const char *watched_mountpoint;
static struct qfs_unmounter unmounter;

/* The end takes too long: a source on a dead network drive, say. Leaves no mount behind. */
static void give_up(int number)
{
    (void)number;
    if (!qfs_unmounter_ask(&unmounter))
        umount2(watched_mountpoint, MNT_DETACH);
    _exit(1);
}

/* False also when somebody unmounted it: then the mountpoint may be another mount's by now. */
static bool is_mounted(struct fuse_session *session)
{
    struct pollfd device = {.fd = fuse_session_fd(session)};
    return poll(&device, 1, 0) >= 0 && !(device.revents & POLLERR);
}

static void unmount(struct fuse_session *session)
{
    bool mounted = is_mounted(session);
    fuse_session_unmount(session);
    if (mounted)
        (void)qfs_unmounter_ask(&unmounter);
}

static void watch_the_end(const char *mountpoint)
{
    struct sigaction action = {.sa_handler = give_up};
    watched_mountpoint = mountpoint;
    sigaction(SIGALRM, &action, NULL);
    alarm(STOP_SECONDS);
}

static int add_options(struct fuse_args *args, const struct qfs_mount_options *options)
{
    char *all = NULL, *named = NULL;
    int rc = asprintf(&named, "fsname=%s", options->source) < 0 ? -1 : 0;
    if (rc == 0)
        rc = fuse_opt_add_opt_escaped(&all, named);
    if (rc == 0)
        rc = fuse_opt_add_opt(&all, "subtype=quantfs,ro,nosuid,nodev,noatime");
    if (rc == 0 && options->allow_other)
        rc = fuse_opt_add_opt(&all, "allow_other,default_permissions");
    if (rc == 0 && options->fuse_options && *options->fuse_options)
        rc = fuse_opt_add_opt(&all, options->fuse_options);
    if (rc == 0)
        rc = fuse_opt_add_arg(args, "quantfs");
    if (rc == 0)
        rc = fuse_opt_add_arg(args, "-o");
    if (rc == 0)
        rc = fuse_opt_add_arg(args, all);
    free(named);
    free(all);
    return rc;
}

static int session_error(const char *mountpoint, struct qfs_error *error)
{
    if (access("/dev/fuse", R_OK | W_OK) < 0)
        return qfs_fail(error, ENODEV,
                        "%s: /dev/fuse cannot be used here (%s): load the fuse module, or use "
                        "quantfs cat and quantfs cp, which need no mount",
                        mountpoint, strerror(errno));
    return qfs_fail(error, EIO, "%s: cannot be mounted: %s", mountpoint,
                    fuse_said[0] ? fuse_said : "libfuse gives no reason");
}

/* Serves until the mount is gone or a signal says so. */
static int serve(const struct qfs_mount_options *options, struct qfs_server *server,
                 struct parent *parent, struct qfs_error *error)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_loop_config loop = {.clone_fd = 0, .max_idle_threads = 10};
    struct fuse_session *session = NULL;
    struct listener listener = {.tree = server->tree};
    bool mounted = false, signals = false;
    int rc = 0;
    rc = qfs_unmounter_start(options->mountpoint, &unmounter, error);
    if (rc == 0 && add_options(&args, options) < 0)
        rc = qfs_fail_memory(error);
    if (rc < 0)
        goto out;
    session = fuse_session_new(&args, &qfs_fuse_ops, sizeof(qfs_fuse_ops), server);
    signals = session && fuse_set_signal_handlers(session) == 0;
    mounted = signals && fuse_session_mount(session, options->mountpoint) == 0;
    if (!mounted) {
        rc = session_error(options->mountpoint, error);
        goto out;
    }
    qfs_confine();
    if (hangup_is_a_wish(parent)) {
        block_hangup(); /* in every thread from here on */
        listener.runs = pthread_create(&listener.thread, NULL, await_hangups, &listener) == 0;
    }
    rc = qfs_engine_start(server->engine, error);
    if (rc == 0)
        rc = qfs_tree_start(server->tree, error);
    if (rc < 0)
        goto out;
    if (parent->fd >= 0) {
        to_syslog = true;
        leave_terminal();
    }
    tell_parent(parent, 0, NULL);
    notify_systemd("READY=1");
    int ended = fuse_session_loop_mt(session, &loop);
    notify_systemd("STOPPING=1");
    watch_the_end(options->mountpoint);
    if (ended < 0) /* a signal's number is a clean end */
        rc = qfs_fail(error, EIO, "%s: serving stopped: %s", options->mountpoint,
                      fuse_said[0] ? fuse_said : strerror(-ended));
out:
    stop_listening(&listener);
    /* Readers are let go before the mount is: what is parked gets its answer. */
    qfs_engine_stop(server->engine);
    if (mounted)
        unmount(session);
    qfs_unmounter_end(&unmounter);
    if (signals)
        fuse_remove_signal_handlers(session);
    if (session)
        fuse_session_destroy(session);
    fuse_opt_free_args(&args);
    return rc;
}

static int mount_and_serve(const struct qfs_mount_options *options, struct parent *parent,
                           struct qfs_error *error)
{
    struct qfs_options views = options->views;
    struct qfs_server server = {.other_users = options->allow_other};
    views.warn = log_line;
    views.warn_arg = &server;
    fuse_set_log_func(fuse_log_line);
    qfs_server_init(&server);
    server.numbers.source = options->source;
    server.numbers.mountpoint = options->mountpoint;
    int rc = qfs_engine_open(&views, &server.engine, error);
    if (rc == 0)
        rc = qfs_tree_open(options, &views, server.engine, &server.tree, error);
    if (rc == 0) {
        struct qfs_names *names = qfs_tree_get(server.tree);
        if (names->nnodes < 2)
            rc = qfs_fail(error, ENOTSUP, "%s: has no view to mount: quantfs ls --all says why",
                          options->source);
        qfs_names_unref(names);
    }
    if (rc == 0)
        rc = serve(options, &server, parent, error);
    qfs_server_close(&server);
    qfs_tree_close(server.tree);
    qfs_engine_free(server.engine);
    qfs_server_done(&server);
    return rc;
}

/* -- daemon ------------------------------------------------------------------------------------- */

/* In the waiting process: the daemon's report, or how it died. */
static int wait_for_daemon(int fd, pid_t child, struct qfs_error *error)
{
    struct report report;
    size_t got = 0;
    while (got < sizeof(report)) {
        ssize_t n = read(fd, (char *)&report + got, sizeof(report) - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    if (got == sizeof(report)) {
        if (report.rc < 0 && error)
            *error = report.error;
        return report.rc;
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return qfs_fail(error, EIO, "the daemon ended before it was ready (%s %d)",
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Forks before there is any thread: a team of OpenMP threads does not survive a fork. */
static int mount_daemon(const struct qfs_mount_options *options, struct qfs_error *error)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return qfs_fail(error, errno, "no pipe for the daemon: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) {
        int code = errno;
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return qfs_fail(error, code, "no process for the daemon: %s", strerror(code));
    }
    if (child == 0) {
        struct parent parent = {.fd = pipe_fds[1]};
        struct qfs_error reason = {0};
        close(pipe_fds[0]);
        setsid();
        block_hangup();
        openlog("quantfs", LOG_PID, LOG_DAEMON);
        int rc = mount_and_serve(options, &parent, &reason);
        if (rc < 0 && parent.fd < 0)
            log_line(NULL, reason.text);
        tell_parent(&parent, rc, &reason);
        _exit(rc < 0); /* this is a copy of the caller: its exit handlers are not ours to run */
    }
    close(pipe_fds[1]);
    int rc = wait_for_daemon(pipe_fds[0], child, error);
    close(pipe_fds[0]);
    return rc;
}

int qfs_mount(const struct qfs_mount_options *options, struct qfs_error *error)
{
    struct qfs_mount_options checked = *options;
    struct parent nobody = {.fd = -1};
    char *path;
    int rc = qfs_mountpoint_check(options, &path, error);
    if (rc < 0)
        return rc;
    checked.mountpoint = path;
    rc = options->foreground ? mount_and_serve(&checked, &nobody, error)
                             : mount_daemon(&checked, error);
    free(path);
    return rc;
}
