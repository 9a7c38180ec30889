#include "override.h"

#include <stdlib.h>
#include <string.h>

int qfs_override_parse(const char *string, struct qfs_override *ret_override,
                       struct qfs_error *error)
{
    static const char *const tags[] = {"int:", "float:", "bool:", "str:"};
    struct qfs_override o = {.tag = QFS_OVERRIDE_INT};
    const char *value = strchr(string, '=');
    /* An empty key would end llama-quantize's list of overrides: nobody means that. */
    if (!value || value == string || (size_t)(value - string) >= sizeof(o.key))
        return qfs_fail(error, EINVAL, "override-kv '%s' is not KEY=TYPE:VALUE", string);
    memcpy(o.key, string, (size_t)(value - string));
    value++;
    size_t tag = 0;
    while (tag < QFS_COUNT(tags) && !qfs_starts_with(value, tags[tag]))
        tag++;
    if (tag == QFS_COUNT(tags))
        return qfs_fail(error, EINVAL,
                        "override-kv '%s' has none of the types int, float, bool, str", string);
    o.tag = (enum qfs_override_tag)tag;
    value += strlen(tags[tag]);
    if (o.tag == QFS_OVERRIDE_INT) {
        o.integer = strtol(value, NULL, 10);
    } else if (o.tag == QFS_OVERRIDE_FLOAT) {
        o.real = strtod(value, NULL);
    } else if (o.tag == QFS_OVERRIDE_BOOL) {
        o.integer = strcmp(value, "true") == 0;
        if (!o.integer && strcmp(value, "false") != 0)
            return qfs_fail(error, EINVAL, "override-kv '%s' is neither true nor false", string);
    } else {
        if (strlen(value) >= sizeof(o.text))
            return qfs_fail(error, EINVAL, "override-kv '%s' has a value of more than %zu bytes",
                            string, sizeof(o.text) - 1);
        strcpy(o.text, value);
    }
    *ret_override = o;
    return 0;
}
