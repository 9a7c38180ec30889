/* Any bytes as a pytorch_model.bin. What it accepts must lie in the file. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../model/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qfs_arena arena = {0};
    struct qfs_tensor *tensors = NULL;
    struct qfs_digest header;
    struct qfs_error error;
    size_t ntensors = 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || qfs_pwrite_full(fd, data, size, 0) < 0)
        abort();
    if (qfs_torch_file_parse(&arena, fd, size, 0, "fuzz", &tensors, &ntensors, &header, &error) ==
        0)
        for (size_t i = 0; i < ntensors; i++)
            if (tensors[i].offset > size || tensors[i].nbytes > size - tensors[i].offset)
                abort();
    free(tensors);
    qfs_arena_done(&arena);
    close(fd);
    return 0;
}
