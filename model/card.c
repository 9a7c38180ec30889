/* README.md's front matter, cut out and read as gguf-py's Metadata.load_model_card does. */
#include "quantfs/model.h"

#include <stdlib.h>
#include <string.h>

enum { CARD_LIMIT = 64 << 20 };

/* The bytes that end a line for Python's str.splitlines, "\r\n" counting as one; 0 when there is none at
 * `at`. Beyond the usual ones: vertical tab, form feed, the separators of ASCII, NEL and U+2028, 2029. */
static size_t line_break(const char *at, const char *end)
{
    unsigned char c = (unsigned char)*at;
    if (c == '\r')
        return at + 1 < end && at[1] == '\n' ? 2 : 1;
    if ((c >= '\n' && c <= '\f') || (c >= 0x1C && c <= 0x1E))
        return 1;
    if (end - at >= 2 && memcmp(at, "\xC2\x85", 2) == 0)
        return 2;
    if (end - at >= 3 && (memcmp(at, "\xE2\x80\xA8", 3) == 0 || memcmp(at, "\xE2\x80\xA9", 3) == 0))
        return 3;
    return 0;
}

/* Cuts the next line off; false at the end of the text. */
static bool next_line(const char **at, const char *end, struct qfs_text *ret_line)
{
    size_t size = 0;
    const char *start = *at;
    if (start >= end)
        return false;
    while (*at < end && !(size = line_break(*at, end)))
        ++*at;
    *ret_line = (struct qfs_text){start, (size_t)(*at - start)};
    *at += size;
    return true;
}

/* The YAML between the first line and the next that is "---": false when the file does not begin so. Two
 * repairs are the converter's: "- no" is the language and not false, a tab is two spaces. */
static bool cut_front_matter(const char *text, size_t size, struct qfs_buffer *yaml)
{
    const char *at = text, *end = text + size;
    struct qfs_text line;
    if (!next_line(&at, end, &line) || !qfs_text_is(line, "---"))
        return false;
    qfs_buffer_text(yaml,
                    "\n"); /* in place of the first line, so that errors count lines rightly */
    while (next_line(&at, end, &line) && !qfs_text_is(line, "---")) {
        bool norway = line.size >= 4 && memcmp(line.data + line.size - 4, "- no", 4) == 0;
        for (size_t i = 0; i < line.size - (norway ? 2 : 0); i++)
            if (line.data[i] == '\t')
                qfs_buffer_text(yaml, "  ");
            else
                qfs_buffer_append(yaml, line.data + i, 1);
        qfs_buffer_text(yaml, norway ? "\"no\"\n" : "\n");
    }
    return true;
}

int qfs_card_load(struct qfs_model *model, struct qfs_error *error)
{
    char *shown = qfs_arena_printf(&model->arena, "%s/README.md", model->path), *text;
    struct qfs_buffer yaml = {0};
    struct qfs_error unread = {0};
    const struct qfs_json *card;
    size_t size;
    if (!shown)
        return qfs_fail_memory(error);
    int rc = qfs_file_read(model->dir_fd, "README.md", CARD_LIMIT, shown, &text, &size, &unread);
    if (rc == -ENOENT || rc == -EINVAL) /* none, or no regular file: there is no card */
        return 0;
    if (rc < 0)
        return qfs_fail(error, -rc, "%s", unread.text);
    if (!qfs_utf8_valid(text, size))
        rc = qfs_fail(error, EINVAL, "%s: is not valid UTF-8, where the converter stops", shown);
    else if (cut_front_matter(text, size, &yaml))
        rc = yaml.failed
                 ? qfs_fail_memory(error)
                 : qfs_yaml_parse(&model->arena, (char *)yaml.data, yaml.size, shown, &card, error);
    if (rc == 0 && yaml.size && qfs_json_is(card, QFS_JSON_OBJECT))
        model->card = card; /* anything else the converter passes over */
    qfs_buffer_done(&yaml);
    free(text);
    return rc;
}
