/* Prints what qfs_config_load makes of each directory named on standard input, one line of JSON each:
 * {"auto": true, "config": {...}} or {"error": "..."}. For config_differential.py. */
#include "quantfs/model.h"

#include "json_print.h"

#include <string.h>
#include <unistd.h>

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof(path), stdin)) {
        struct qfs_model model = {.dir_fd = -1};
        struct qfs_error error = {0};
        path[strcspn(path, "\n")] = 0;
        int rc = qfs_source_locate(&model, path, &error);
        if (rc == 0)
            rc = qfs_config_load(&model, &error);
        if (rc < 0) {
            printf("{\"error\": ");
            print_text(qfs_text_of(error.text));
        } else {
            printf("{\"auto\": %s, \"config\": ", model.config_auto ? "true" : "false");
            print_json(model.config);
        }
        printf("}\n");
        fflush(stdout);
        if (model.dir_fd >= 0)
            close(model.dir_fd);
        qfs_arena_done(&model.arena);
    }
    return 0;
}
