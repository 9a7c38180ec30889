/* Where a SOURCE is and what it is called.
 *
 * The reference knows a model by the last part of the path that it is given, so the name is taken
 * from the absolute path before links are followed: `convert NAME`, run in NAME's parent. Only the
 * hub cache is different: there the last part is a commit, and the repository's name takes its
 * place. */
#include "gguf_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPO_PREFIX "models--"

enum { REF_LIMIT = 4096 };

/* `path` made absolute and cleaned of '.', '..' and doubled slashes by its letters alone, as
 * Python's os.path.abspath does. */
static char *absolute(struct qfs_arena *arena, const char *path)
{
    char *cwd = NULL;
    if (path[0] != '/' && !(cwd = getcwd(NULL, 0)))
        return NULL;
    char *whole = qfs_arena_printf(arena, "%s/%s", cwd ? cwd : "", path);
    free(cwd);
    if (!whole)
        return NULL;
    char *to = whole; /* everything before it is "/part/part", without a final slash */
    for (const char *at = whole; *at;) {
        while (*at == '/')
            at++;
        size_t size = strcspn(at, "/");
        if (size == 2 && at[0] == '.' && at[1] == '.') {
            while (to > whole && *--to != '/')
                ;
        } else if (size && !(size == 1 && at[0] == '.')) {
            *to++ = '/';
            memmove(to, at, size);
            to += size;
        }
        at += size;
    }
    *to = 0;
    return whole;
}

static bool same_directory(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Cuts the last part off an absolute path and returns it; the path keeps what stood before. */
static char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return path + strlen(path);
    *slash = 0;
    return slash + 1;
}

/* "models--org--name" gives "name": a repository's name never holds "--" itself. */
static const char *repository_name(const char *folder)
{
    const char *name = folder + strlen(REPO_PREFIX);
    const char *separator = strstr(name, "--");
    return separator ? separator + 2 : name;
}

/* Last part of `path`, or the repository's name when that is a snapshot of the hub cache. */
static char *name_of(struct qfs_arena *arena, const char *path)
{
    char *whole = absolute(arena, path);
    if (!whole)
        return NULL;
    if (!same_directory(whole, path)) {
        /* LINK/.. means another directory to the kernel than by its letters: the kernel decides. */
        char *real = realpath(path, NULL);
        whole = real ? qfs_arena_string(arena, real) : NULL;
        free(real);
        if (!whole)
            return NULL;
    }
    char *name = cut_last(whole);
    if (strcmp(cut_last(whole), "snapshots") == 0) {
        const char *folder = cut_last(whole);
        if (qfs_starts_with(folder, REPO_PREFIX))
            return qfs_arena_string(arena, repository_name(folder));
    }
    return name;
}

/* The only snapshot in `path`/snapshots, NULL when there are none or several. */
static char *only_snapshot(struct qfs_arena *arena, const char *path)
{
    char *folder = qfs_arena_printf(arena, "%s/snapshots", path), *found = NULL;
    DIR *dir = folder ? opendir(folder) : NULL;
    int count = 0;
    if (!dir)
        return NULL;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && count++ == 0)
            found = qfs_arena_printf(arena, "%s/%s", folder, entry->d_name);
    closedir(dir);
    return count == 1 ? found : NULL;
}

/* The snapshot that refs/main of a `models--org--name` folder points to. */
static int follow_main(struct qfs_arena *arena, const char *path, char **ret_path,
                       struct qfs_error *error)
{
    char *ref = qfs_arena_printf(arena, "%s/refs/main", path), *commit = NULL, *snapshot;
    size_t size;
    if (!ref)
        return qfs_fail_memory(error);
    int rc = qfs_file_read(AT_FDCWD, ref, REF_LIMIT, ref, &commit, &size, error);
    if (rc == -ENOENT && (snapshot = only_snapshot(arena, path))) {
        *ret_path = snapshot;
        return 0;
    }
    if (rc == -ENOENT)
        return qfs_fail(error, ENOENT,
                        "%s: has no refs/main and not exactly one snapshot: name one of its "
                        "snapshots/<commit> folders",
                        path);
    if (rc < 0)
        return rc;
    commit[strcspn(commit, " \t\r\n")] = 0;
    if (!*commit || strchr(commit, '/') || commit[0] == '.') {
        rc = qfs_fail(error, EINVAL, "%s: does not hold a commit", ref);
    } else if (!(snapshot = qfs_arena_printf(arena, "%s/snapshots/%s", path, commit))) {
        rc = qfs_fail_memory(error);
    } else if (!is_directory(snapshot)) {
        rc =
            qfs_fail(error, ENOENT,
                     "%s: is named by refs/main but not there: download the model again", snapshot);
    } else {
        *ret_path = snapshot;
    }
    free(commit);
    return rc;
}

/* -- the hub cache
 * ---------------------------------------------------------------------------------- */

/* Where huggingface_hub keeps its cache: the first of these variables that is set. */
static const struct {
    const char *variable, *below;
} cache_places[] = {
    {"HF_HUB_CACHE", ""},
    {"HUGGINGFACE_HUB_CACHE", ""},
    {"HF_HOME", "/hub"},
    {"XDG_CACHE_HOME", "/huggingface/hub"},
    {"HOME", "/.cache/huggingface/hub"},
};

static char *hub_cache(struct qfs_arena *arena)
{
    const char *home = getenv("HOME");
    for (size_t i = 0; i < QFS_COUNT(cache_places); i++) {
        const char *value = getenv(cache_places[i].variable);
        if (!value || !*value)
            continue;
        bool tilde = value[0] == '~' && (value[1] == '/' || !value[1]) && home;
        return qfs_arena_printf(arena, "%s%s%s", tilde ? home : "", value + tilde,
                                cache_places[i].below);
    }
    return qfs_arena_string(arena, "/nonexistent");
}

/* "org/name" or "name" as the hub allows them. */
static bool is_repository(const char *source)
{
    size_t nslashes = 0;
    for (const char *c = source; *c; c++) {
        bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' || *c == '.';
        if (!word && *c != '/')
            return false;
        nslashes += *c == '/';
    }
    return *source && nslashes <= 1 && source[0] != '/' && source[0] != '.' &&
           !qfs_ends_with(source, "/") && !strstr(source, "--") && !strstr(source, "..");
}

/* `org/name` in the hub cache; leaves `error` as "there is no such directory" when it is not there.
 */
static int find_repository(struct qfs_arena *arena, const char *source, char **ret_path,
                           struct qfs_error *error)
{
    const char *slash = strchr(source, '/');
    char *cache = hub_cache(arena), *path;
    if (!cache)
        return qfs_fail_memory(error);
    if (slash)
        path = qfs_arena_printf(arena, "%s/" REPO_PREFIX "%.*s--%s", cache, (int)(slash - source),
                                source, slash + 1);
    else
        path = qfs_arena_printf(arena, "%s/" REPO_PREFIX "%s", cache, source);
    if (!path)
        return qfs_fail_memory(error);
    if (!is_directory(path))
        return qfs_fail(error, ENOENT,
                        "%s: there is no such directory, nor is it in the hub cache %s", source,
                        cache);
    *ret_path = path;
    return 0;
}

static int open_directory(struct qfs_model *model, char *path, struct qfs_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int rc = errno;
        return qfs_fail(error, rc, "%s: cannot be opened: %s", path, strerror(rc));
    }
    model->path = path;
    model->dir_fd = fd;
    return 0;
}

/* A file is a source when it is a GGUF file, whatever its name. */
static int locate_file(struct qfs_model *model, char *path, struct qfs_error *error)
{
    char magic[4] = "", *slash = strrchr(path, '/');
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int rc = errno;
        return qfs_fail(error, rc, "%s: cannot be opened: %s", path, strerror(rc));
    }
    int rc = qfs_pread_full(fd, magic, sizeof(magic), 0);
    close(fd);
    if (rc < 0 || memcmp(magic, "GGUF", sizeof(magic)) != 0)
        return qfs_fail(error, ENOTDIR,
                        "%s: is a file, and no GGUF file: give the directory that holds the model",
                        path);
    char *dir = slash == path ? qfs_arena_string(&model->arena, "/")
                : slash       ? qfs_arena_copy(&model->arena, path, (size_t)(slash - path))
                              : qfs_arena_string(&model->arena, ".");
    if (!dir)
        return qfs_fail_memory(error);
    rc = open_directory(model, dir, error);
    return rc < 0 ? rc : qfs_gguf_source_name(model, slash ? slash + 1 : path, error);
}

int qfs_source_locate(struct qfs_model *model, const char *source, struct qfs_error *error)
{
    struct qfs_arena *arena = &model->arena;
    struct stat st;
    char *path = qfs_arena_string(arena, source), *name;
    int rc = 0;
    if (!path)
        return qfs_fail_memory(error);
    if (!*path)
        return qfs_fail(error, EINVAL, "the model's directory is an empty name");
    if (stat(path, &st) < 0) {
        rc = errno;
        if (rc != ENOENT && rc != ENOTDIR)
            return qfs_fail(error, rc, "%s: cannot be reached: %s", path, strerror(rc));
        if (!is_repository(source))
            return qfs_fail(error, ENOENT, "%s: there is no such directory", source);
        if ((rc = find_repository(arena, source, &path, error)) < 0)
            return rc;
    } else if (!S_ISDIR(st.st_mode)) {
        return locate_file(model, path, error);
    }
    name = name_of(arena, path);
    if (!name)
        return qfs_fail(error, ENOENT, "%s: its absolute path cannot be determined", path);
    if (qfs_starts_with(name, REPO_PREFIX)) {
        char *snapshots = qfs_arena_printf(arena, "%s/snapshots", path);
        if (!snapshots)
            return qfs_fail_memory(error);
        if (is_directory(snapshots)) {
            if ((rc = follow_main(arena, path, &path, error)) < 0)
                return rc;
            name = qfs_arena_string(arena, repository_name(name));
            if (!name)
                return qfs_fail_memory(error);
        }
    }
    if (!*name)
        return qfs_fail(error, EINVAL, "%s: a model's directory needs a name", path);
    model->name = name;
    const char *gguf = NULL;
    if ((rc = open_directory(model, path, error)) < 0 ||
        (rc = qfs_gguf_source_in(model, &gguf, error)) < 0)
        return rc;
    return gguf ? qfs_gguf_source_name(model, gguf, error) : 0;
}
