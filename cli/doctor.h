/* Private to the doctor: what it found, as lines for people or as JSON. */
#ifndef QUANTFS_CLI_DOCTOR_H
#define QUANTFS_CLI_DOCTOR_H

#include "cli.h"

enum doctor_state {
    DOCTOR_OK,   /* works */
    DOCTOR_NOTE, /* works, and there is something to know */
    DOCTOR_BAD,  /* does not work */
};

struct doctor_report {
    struct cJSON *json; /* array of findings; NULL: text on standard output */
    bool coloured, healthy;
};

/* One finding. `what` is a word ("fuse"), `todo` what to do about it, NULL where there is nothing to
 * do; `format` and what follows say what was found. */
void doctor_say(struct doctor_report *report, enum doctor_state state, const char *what,
                const char *todo, const char *format, ...) QFS_PRINTF(5, 6);

/* doctor_machine.c: kernel, FUSE, instruction sets, GPUs, memory, programs that read views. */
void doctor_machine(struct doctor_report *report);
/* doctor_ollama.c: what keeps Ollama from running views. */
void doctor_ollama(struct doctor_report *report);
/* doctor_source.c: what a SOURCE is, what is missing in it, what to do. */
void doctor_source(struct doctor_report *report, struct cli_settings *settings, const char *path);

#endif
