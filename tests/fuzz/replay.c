/* Runs a fuzz target over files and directories of files: what fuzzing found once stays found. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "../check.h"
#include "quantfs/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t run(const char *path)
{
    char *data;
    size_t size, count = 0;
    DIR *dir = opendir(path);
    if (dir) {
        for (struct dirent *entry; (entry = readdir(dir));) {
            char child[4096];
            snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
            if (entry->d_name[0] != '.')
                count += run(child);
        }
        closedir(dir);
        return count;
    }
    CHECK(qfs_file_read(AT_FDCWD, path, (size_t)64 << 20, path, &data, &size, NULL) == 0);
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        count += run(argv[i]);
    printf("%zu inputs\n", count);
    return count == 0; /* a replay of nothing is a mistake */
}
