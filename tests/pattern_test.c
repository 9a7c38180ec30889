/* Patterns of --tensor-type against what libstdc++'s std::regex says of them. */
#include <string.h>

#include "../gguf/pattern.h"
#include "check.h"

static const struct {
    const char *pattern, *name;
    char want; /* '1' found, '0' not, 'E' no regular expression */
} cases[] = {
    {"attn_v", "blk.0.attn_v.weight", '1'},
    {"blk\\.(1|2)\\.ffn", "blk.12.ffn_up.weight", '0'},
    {"blk\\.\\d*[02468]\\.", "blk.12.ffn_up.weight", '1'},
    {"^output$", "output.weight", '0'},
    {"^output\\.", "output.weight", '1'},
    {"", "x", '1'},
    {"a|", "x", '1'},
    {"(?!blk)t", "token", '1'},
    {"(?=a)(|a)a+?", "a-b", '1'},
    {"(\\d)\\1", "blk.11.x", '1'},
    {"(\\d)\\1", "blk.12.x", '0'},
    {"[]", "x", '0'},
    {"[^]", "x", '1'},
    {"[-a]", "x-y", '1'},
    {"[a-]", "x-y", '1'},
    {"[--0]", "x/y", '1'},
    {"[a-c-e]", "d", '0'},
    {"[a-c-e]", "-", '1'},
    {"[[:digit:]_]{2}", "a_1", '1'},
    {"[[=a=]]", "A", '1'},
    {"[[.a.]-c]", "b", '1'},
    {"[\\d_]", "_", '1'},
    {"[\\]]", "]", '1'},
    {"\\x61\\u0062", "ab", '1'},
    {"a**", "x", '1'},
    {"a*+", "x", '1'}, /* not possessive: twice quantified */
    {"a++b", "ab", '1'},
    {"b??c", "c", '1'},
    {"(a*)*b", "aab", '1'},
    {"a{0}b", "b", '1'},
    {"e{2}", "weeds", '1'},
    {"\\A", "A", '1'}, /* not an anchor: the letter */
    {"\\z", "z", '1'},
    {"\\Q", "Q", '1'},
    {"]", "]", '1'},
    {"}", "}", '1'},
    {".", "\n", '0'},
    {"\\bffn", "x.ffn", '1'},
    {"\\Bffn", "x.ffn", '0'},
    {"\\S\\s", "a b", '1'},
    {"{,3}", "x", 'E'},
    {"a{,3}", "x", 'E'},
    {"a{2,1}", "x", 'E'},
    {"a{2", "x", 'E'},
    {"{", "x", 'E'},
    {"*", "x", 'E'},
    {"^*", "x", 'E'},
    {"(?i)a", "x", 'E'},
    {"(?<n>a)", "x", 'E'},
    {"(?P<n>a)", "x", 'E'},
    {"(", "x", 'E'},
    {")", "x", 'E'},
    {"[a", "x", 'E'},
    {"[z-a]", "x", 'E'},
    {"[\\w-a]", "x", 'E'},
    {"[a-\\d]", "x", 'E'},
    {"[\\1]", "x", 'E'},
    {"[[:nothing:]]", "x", 'E'},
    {"[[:alpha:", "x", 'E'},
    {"\\", "x", 'E'},
    {"\\1", "x", 'E'},
    {"(\\1)", "x", 'E'},
    {"\\x6", "x", 'E'},
    {"(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
     'L'},
};

int main(void)
{
    for (size_t i = 0; i < QFS_COUNT(cases); i++) {
        struct qfs_pattern *pattern = NULL;
        struct qfs_error error = {0};
        char got = 'E';
        if (qfs_pattern_compile(cases[i].pattern, &pattern, &error) == 0) {
            int found = qfs_pattern_search(pattern, cases[i].name);
            got = found < 0 ? 'L' : found ? '1' : '0';
        } else {
            CHECK(error.code == EINVAL && strstr(error.text, cases[i].pattern));
        }
        qfs_pattern_free(pattern);
        if (got != cases[i].want)
            fprintf(stderr, "'%s' in '%s': %c, not %c\n", cases[i].pattern, cases[i].name, got,
                    cases[i].want);
        CHECK(got == cases[i].want);
    }
    /* Nesting is limited, not recursed into. */
    char deep[20001];
    struct qfs_pattern *pattern = NULL;
    memset(deep, '(', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = 0;
    CHECK(qfs_pattern_compile(deep, &pattern, NULL) == -EINVAL && !pattern);
    return 0;
}
