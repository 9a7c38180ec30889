/* Files of the converter's own tree that it takes data from, put into the program as they are. */
#include "carried.h"

#include <string.h>

#define CARRY(symbol, file)                                 \
    __asm__(".section .rodata\n"                            \
            ".balign 16\n"                                  \
            ".hidden qfs_carried_" symbol "\n"              \
            ".global qfs_carried_" symbol "\n"              \
            "qfs_carried_" symbol ":\n"                     \
            ".incbin \"" QFS_CARRIED_FOLDER "/" file "\"\n" \
            ".hidden qfs_carried_" symbol "_end\n"          \
            ".global qfs_carried_" symbol "_end\n"          \
            "qfs_carried_" symbol "_end:\n"                 \
            ".byte 0\n"                                     \
            ".previous\n")

/* clang-format off */
#define ALL(do) \
    do(gpt_neox, "ggml-vocab-gpt-neox.gguf") \
    do(llama_spm, "ggml-vocab-llama-spm.gguf") \
    do(rwkv_world, "llama-cpp-rwkv-world.jinja") \
    do(kimi_k3, "Kimi-K3.jinja") \
    do(minimax_m1, "MiniMax-M1.jinja") \
    do(mistral_small, "Mistral-Small-3.2-24B-Instruct-2506.jinja") \
    do(devstral, "unsloth-mistral-Devstral-Small-2507.jinja") \
    do(deepseek_v4, "deepseek-ai-DeepSeek-V4.jinja") \
    do(deepseek_v4_flash, "deepseek-ai-DeepSeek-V4-Flash-0731.jinja")
/* clang-format on */

#define DECLARE(symbol, file) \
    extern const char qfs_carried_##symbol[], qfs_carried_##symbol##_end[];
ALL(DECLARE)

#define INCLUDE(symbol, file) CARRY(#symbol, file);
ALL(INCLUDE)

struct qfs_text qfs_carried(const char *file)
{
#define ROW(symbol, name) {name, qfs_carried_##symbol, qfs_carried_##symbol##_end},
    static const struct {
        const char *name, *start, *end;
    } files[] = {ALL(ROW)};
    for (size_t i = 0; i < QFS_COUNT(files); i++)
        if (strcmp(files[i].name, file) == 0)
            return (struct qfs_text){files[i].start, (size_t)(files[i].end - files[i].start)};
    return (struct qfs_text){0};
}
