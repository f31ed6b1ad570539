/* links: base eval */
/* report_probe REPORT.json PAGE.html: writes the page as the program does. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"

int main(int argc, char **argv)
{
    rk_error err = { 0 };
    char *text;
    size_t size;

    if (argc != 3) {
        fprintf(stderr, "usage: report_probe REPORT.json PAGE.html\n");
        return 2;
    }
    if (rk_file_read(&text, &size, argv[1], 1u << 28, &err) ||
        rk_report_write(argv[2], text, &err)) {
        fprintf(stderr, "report_probe: %s\n", err.message);
        return 1;
    }
    rk_free(text);
    return 0;
}
