/* Reads documents from standard input, each as its size in a line and then its bytes; prints one line of JSON
 * each: {"value": ...} or {"error": "..."}. For yaml_differential.py. */
#include "quantfs/model.h"

#include "json_print.h"

#include <stdlib.h>

int main(void)
{
    size_t size;
    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        struct qfs_arena arena = {0};
        struct qfs_error error = {0};
        const struct qfs_json *value;
        char *text = malloc(size + 1);
        if (!text || fread(text, 1, size, stdin) != size)
            return 1;
        if (qfs_yaml_parse(&arena, text, size, "yaml", &value, &error) < 0) {
            printf("{\"error\": ");
            print_text(qfs_text_of(error.text));
        } else {
            printf("{\"value\": ");
            print_json(value);
        }
        printf("}\n");
        fflush(stdout);
        free(text);
        qfs_arena_done(&arena);
    }
    return 0;
}
