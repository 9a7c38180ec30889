#include "cli.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_begin(struct cli_progress *progress, const char *what)
{
    *progress =
        (struct cli_progress){.what = what, .started = now(), .active = isatty(STDERR_FILENO)};
}

/* For programs that listen: {"view":…,"done":…,"size":…}. */
static void print_object(const struct cli_progress *progress, uint64_t done, uint64_t size)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "view", progress->what);
    cJSON_AddNumberToObject(object, "done", (double)done);
    cJSON_AddNumberToObject(object, "size", (double)size);
    char *text = cJSON_PrintUnformatted(object);
    if (text) {
        puts(text);
        fflush(stdout);
    }
    free(text);
    cJSON_Delete(object);
}

int cli_progress_step(void *arg, uint64_t done, uint64_t size)
{
    struct cli_progress *progress = arg;
    char have[32], all[32], rate[32];
    double t = now(), elapsed;
    if (!progress->active && !progress->json)
        return 0;
    if (!progress->began) {
        progress->began = true;
        progress->first = done;
        progress->started = t;
    }
    if (t - progress->shown < 0.1 && done < size)
        return 0;
    progress->shown = t;
    if (progress->json) {
        print_object(progress, done, size);
        return 0;
    }
    elapsed = t - progress->started;
    double speed = elapsed > 0 ? (double)(done - progress->first) / elapsed : 0;
    int left = speed > 0 ? (int)((double)(size - done) / speed + 0.5) : 0;
    fprintf(stderr, "\r%s  %3d%%  %s of %s  %s/s  %d:%02d left \033[K", progress->what,
            size ? (int)(done * 100 / size) : 100, cli_bytes(done, have), cli_bytes(size, all),
            cli_bytes((uint64_t)speed, rate), left / 60, left % 60);
    fflush(stderr);
    return 0;
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->active && progress->began)
        fputc('\n', stderr);
    progress->active = false;
}
