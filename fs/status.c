#include "status.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quantfs/fs.h"

struct number {
    const char *name;
    uint64_t value;
};

static cJSON *add_group(cJSON *to, const char *name, const struct number *numbers, size_t count)
{
    cJSON *group = cJSON_AddObjectToObject(to, name);
    for (size_t i = 0; group && i < count; i++)
        cJSON_AddNumberToObject(group, numbers[i].name, (double)numbers[i].value);
    return group;
}

static void add_disk(cJSON *to, struct qfs_disk *disk)
{
    struct qfs_disk_counters c;
    qfs_disk_count(disk, &c);
    const struct number numbers[] = {
        {"hits", c.hits},       {"misses", c.misses},
        {"stored", c.stored},   {"stored_bytes", c.stored_bytes},
        {"skipped", c.skipped}, {"damaged", c.damaged},
        {"errors", c.errors},   {"pruned_files", c.pruned},
    };
    cJSON *group = add_group(to, "disk_cache", numbers, QFS_COUNT(numbers));
    if (!group)
        return;
    cJSON_AddStringToObject(group, "dir", qfs_disk_dir(disk));
    if (c.off)
        cJSON_AddStringToObject(group, "off", c.off);
}

static void add_engine(cJSON *to, struct qfs_engine *engine)
{
    struct qfs_engine_counters c;
    qfs_engine_count(engine, &c);
    struct qfs_memory *memory = qfs_engine_memory(engine);
    const struct number chunks[] = {
        {"produced", c.produced},
        {"produced_bytes", c.produced_bytes},
        {"produced_weights", c.produced_weights},
        {"memory_hits", c.memory_hits},
        {"memory_misses", c.memory_misses},
        {"left_unstored", c.left_unstored},
        {"failed", c.failed},
        {"read_ahead", c.ahead},
        {"read_ahead_dropped", c.ahead_dropped},
        {"cancelled_reads", c.cancelled},
    };
    const struct number now[] = {
        {"queued", c.queued},
        {"running", c.running},
        {"waiting", c.parked},
        {"storing", c.storing},
        {"streams", c.streams},
        {"threads", c.threads},
        {"weights_per_s", c.weights_per_s},
        {"memory", qfs_memory_used(memory)},
        {"memory_budget", qfs_memory_budget(memory)},
    };
    add_group(to, "chunks", chunks, QFS_COUNT(chunks));
    add_group(to, "now", now, QFS_COUNT(now));
    if (qfs_engine_disk(engine))
        add_disk(to, qfs_engine_disk(engine));
}

static void add_mount(cJSON *to, const struct qfs_mount_numbers *n)
{
    const struct number numbers[] = {
        {"pid", (uint64_t)getpid()},
        {"uptime_s", (uint64_t)time(NULL) - n->started},
        {"views", n->views},
        {"open_files", n->open_files},
        {"reads", n->reads},
        {"read_bytes", n->read_bytes},
        {"read_errors", n->read_errors},
        {"interrupted_reads", n->interrupted},
        {"log_lines", n->log_lines},
    };
    cJSON *group = add_group(to, "mount", numbers, QFS_COUNT(numbers));
    if (!group)
        return;
    const struct number models[] = {
        {"found", n->tree.models},
        {"broken", n->tree.broken},
        {"not_looked_into", n->tree.unknown},
        {"planned", n->tree.planned},
        {"known_from_cache", n->tree.kept},
        {"open", n->tree.open_sources},
    };
    add_group(to, "models", models, QFS_COUNT(models));
    cJSON_AddStringToObject(group, "source", n->source);
    cJSON_AddStringToObject(group, "mountpoint", n->mountpoint);
    if (n->log_lines)
        cJSON_AddStringToObject(group, "last_log_line", n->last_log_line);
}

int qfs_status_json(struct qfs_engine *engine, const struct qfs_mount_numbers *numbers,
                    char **ret_json, struct qfs_error *error)
{
    cJSON *all = cJSON_CreateObject();
    if (all) {
        cJSON_AddStringToObject(all, "version", qfs_version());
        if (numbers)
            add_mount(all, numbers);
        if (engine)
            add_engine(all, engine);
    }
    char *json = all ? cJSON_Print(all) : NULL;
    cJSON_Delete(all);
    if (!json)
        return qfs_fail_memory(error);
    *ret_json = json;
    return 0;
}
