/* quantfs: the command line. mount.quantfs, by which fstab and mount(8) call it, is the same program. */
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command commands[] = {
    {"mount", CLI_MOUNT, "SOURCE MOUNTPOINT", 2, 2, "Show SOURCE's views as files in MOUNTPOINT",
     "SOURCE is a model directory, a snapshot in the Hugging Face hub cache, a models--org--name\n"
     "folder, or org/name to be looked up there; or a folder of many models, whose views are then\n"
     "shown as PUBLISHER/MODEL-TYPE/MODEL-TYPE.gguf. Returns when the mount is ready.",
     cmd_mount},
    {"umount", CLI_UMOUNT, "MOUNTPOINT", 1, 1, "Detach a mount, a dead one too", NULL, cmd_umount},
    {"ls", CLI_LS, "SOURCE", 1, 1, "List views: exact size, bits per weight, name", NULL, cmd_ls},
    {"cat", CLI_CAT, "SOURCE VIEW", 2, 2, "Write a view, or a part of it, to standard output", NULL,
     cmd_cat},
    {"cp", CLI_CP, "SOURCE VIEW DEST", 3, 3, "Copy a view to a file, on all cores",
     "What is computed goes to DEST.part, which becomes DEST when it is whole; an interrupted "
     "copy\n"
     "goes on where it stopped. The cache is read and, without --fill-cache, not filled.",
     cmd_cp},
    {"plan", CLI_PLAN, "SOURCE VIEW", 2, 2, "Show a view's keys, and where each tensor comes from",
     NULL, cmd_plan},
    {"check", CLI_CHECK, "SOURCE", 1, 1,
     "Read all weights; report what is missing, not finite, refused", NULL, cmd_check},
    {"sha256", CLI_SHA256, "SOURCE VIEW", 2, 2, "Print a view's SHA-256, as sha256sum does", NULL,
     cmd_sha256},
    {"verify", CLI_VERIFY, "SOURCE VIEW FILE", 3, 3,
     "Compare a GGUF file with the view it should be",
     "Says whether every byte is the same, or else which keys and tensors differ and where. Exits\n"
     "with 0 if the file is the view, 1 if it is not, 2 if that could not be found out.",
     cmd_verify},
    {"prefetch", CLI_PREFETCH, "SOURCE VIEW…", 2, 60, "Compute views into the cache ahead of use",
     NULL, cmd_prefetch},
    {"status", CLI_STATUS, "MOUNTPOINT", 1, 1, "Show what the daemon of a mount has counted", NULL,
     cmd_status},
    {"cache", CLI_CACHE, "stat|prune|clear|verify", 1, 1, "Look after the cache on disk",
     "stat: what it holds. prune: keep to --cache-size and --cache-min-free; what is of sources "
     "that\n"
     "are gone goes first, then what was used longest ago. clear: remove everything. verify: read\n"
     "and check everything, drop what is damaged.",
     cmd_cache},
    {"bench", CLI_BENCH, "[TYPE…]", 0, 60, "Measure the kernels on this machine", NULL, cmd_bench},
    {"doctor", CLI_DOCTOR, "[SOURCE…]", 0, 60, "Say what works here, what does not, and what to do",
     NULL, cmd_doctor},
    {"ollama", CLI_OLLAMA, "link|unlink|list …", 1, 60,
     "Put views of a mount into Ollama's model store",
     "link SOURCE [TYPE…]: the views of a mounted SOURCE, or those of these types, as models that\n"
     "ollama list and ollama run know as NAME:TYPE; links, nothing is copied. SOURCE may be the\n"
     "mountpoint. unlink SOURCE [TYPE…]: take out what link put there. list: show what is linked.",
     cmd_ollama},
};

/* How many bytes of `text` take no column of their own: UTF-8's continuations. */
static int narrow(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) == 0x80;
    return count;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: quantfs COMMAND [OPTIONS] …\n\n"
                "Shows a Hugging Face model directory as llama.cpp GGUF files, each byte as\n"
                "convert_hf_to_gguf.py and llama-quantize would have written it.\n\n");
    for (size_t i = 0; i < QFS_COUNT(commands); i++)
        fprintf(to, "  %-9s %-*s %s\n", commands[i].name, 24 + narrow(commands[i].args),
                commands[i].args, commands[i].summary);
    fprintf(to,
            "\n'quantfs COMMAND --help' lists a command's options. 'quantfs --version' prints the\n"
            "version and that of the reference.\n");
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; i < QFS_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int run(const struct cli_command *command, int argc, char **argv)
{
    static struct cli_settings settings; /* big, and once a process */
    int rc = cli_parse(command, argc, argv, &settings);
    if (rc != CLI_OK)
        return rc < 0 ? CLI_OK : rc;
    return command->run(&settings);
}

/* A command that was told to list, and whose reader went away, has not done its work. */
static int finish(int rc)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == CLI_OK) {
        fprintf(stderr, "quantfs: standard output cannot be written: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    return rc;
}

int main(int argc, char **argv)
{
    const char *name = argc ? strrchr(argv[0], '/') : NULL;
    name = name ? name + 1 : argc ? argv[0] : "quantfs";
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(name, "mount.quantfs") == 0 || strcmp(name, "mount.fuse.quantfs") == 0)
        return run(find("mount"), argc, argv);
    if (argc < 2) {
        usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        const struct cli_command *command = argc > 2 ? find(argv[2]) : NULL;
        if (command)
            cli_help(command, stdout);
        else
            usage(stdout);
        return finish(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("quantfs %s\nreference: %s\n", qfs_version(), qfs_reference_version());
        return finish(CLI_OK);
    }
    const struct cli_command *command = find(argv[1]);
    if (!command) {
        fprintf(stderr, "quantfs: there is no command '%s'; 'quantfs --help' lists them\n",
                argv[1]);
        return CLI_USAGE;
    }
    return finish(run(command, argc - 1, argv + 1));
}
