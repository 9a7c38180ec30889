/* Where a value of a JSON text stands: values carry no places, so whoever complains about one looks it
 * up again. The text was parsed before, so that nothing here is out of place. */
#include "quantfs/base.h"

#include <string.h>

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += *at == '\\' && at[1];
    return at + (*at == '"');
}

/* Over brackets, a string, or a number or word. */
static const char *skip_value(const char *at)
{
    size_t depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            at++;
        } else {
            at += depth ? 1 : strcspn(at, ",]} \t\r\n");
        }
    } while (*at && depth);
    return at;
}

/* Over a member's key and colon, to its value. */
static const char *skip_key(const char *at)
{
    at = skip_space(skip_string(at));
    return skip_space(at + (*at == ':'));
}

size_t qfs_json_line(const char *text, const size_t *path, size_t depth)
{
    const char *at = skip_space(text);
    size_t line = 1;
    for (size_t level = 0; level < depth; level++) {
        bool object = *at == '{';
        at = skip_space(at + 1);
        for (size_t i = 0; i < path[level] && *at; i++) {
            at = skip_space(skip_value(object ? skip_key(at) : at));
            at = skip_space(at + (*at == ','));
        }
        if (object && level + 1 < depth)
            at = skip_key(at);
    }
    for (const char *c = text; c < at; c++)
        line += *c == '\n';
    return line;
}
