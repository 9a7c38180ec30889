/* Any bytes as the start of a GGUF file; the first says how much longer the file claims to be. */
#include <stdlib.h>
#include <string.h>

#include "quantfs/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qfs_gguf gguf = {0};
    struct qfs_error error;
    int64_t sum = 0;
    if (size == 0)
        return 0;
    uint64_t file_size = size - 1 + ((uint64_t)data[0] << (data[0] & 31));
    uint8_t *copy = malloc(size); /* an exact one, so that a read beyond it is seen */
    memcpy(copy, data + 1, size - 1);
    if (qfs_gguf_parse(&gguf, copy, size - 1, file_size, "fuzz", &error) == 0) {
        for (size_t i = 0; i < gguf.kvs.count; i++)
            for (size_t k = 0; k < gguf.kvs.items[i].size; k++)
                sum += gguf.kvs.items[i].data[k];
        for (size_t i = 0; i < gguf.ntensors; i++)
            if (gguf.tensors[i].offset + gguf.tensors[i].nbytes > file_size)
                abort();
        qfs_gguf_done(&gguf);
    }
    free(copy);
    return sum < 0;
}
