/* gst-dinor1 - visual-prompted detection for GStreamer
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "interrupt.h"

#include <signal.h>

/* A signal handler can reach nothing but a static variable. */
static volatile sig_atomic_t noted_signal;

static void
note_signal(int number)
{
    noted_signal = number;
}

void
interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESETHAND | SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

int
interrupt_get_signal(void)
{
    return noted_signal;
}
