/* Notes: what a person should see though nothing failed. */
#ifndef RK_BASE_NOTE_H
#define RK_BASE_NOTE_H

#include "base/status.h"

/* One line that begins with the place ("FILE:LINE: "), for whoever called rk_set_notes on this
 * thread; else it is lost, also from a parallel region. Names from files go through rk_quote. */
void rk_note(const char *format, ...) RK_PRINTF(1, 2);

#endif
