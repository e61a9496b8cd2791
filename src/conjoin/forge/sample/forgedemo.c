#include <stdio.h>
#include <string.h>

#include "forgedemo.h"

/* A path below the prefix: what follows the placeholder has to move along when it is replaced. */
static const char *const volatile greeting = PREFIX "/share/forgedemo/greeting.txt";

int main(void)
{
    char line[100] = "";
    FILE *file = fopen(greeting, "r");

    if (file == NULL) {
        fprintf(stderr, "forgedemo: cannot open %s\n", greeting);
        return 1;
    }
    if (fgets(line, sizeof line, file) != NULL)
        line[strcspn(line, "\n")] = '\0';
    fclose(file);
    printf("%s\n%s\n6 * 7 = %d\n", forgedemo_prefix(), line, forgedemo_add(40, 2));
    return 0;
}
