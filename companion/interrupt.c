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

/* Leaves alone what nohup or a shell told the process to ignore. */
static void
catch_signal(int number)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESETHAND | SA_RESTART};
    struct sigaction before;

    sigemptyset(&action.sa_mask);
    if (!sigaction(number, NULL, &before) && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

void
interrupt_catch(void)
{
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP);
}

int
interrupt_get_signal(void)
{
    return noted_signal;
}
