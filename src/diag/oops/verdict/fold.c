/*
 * Lines of a verdict into at most so many columns. What was printed in words is
 * wrapped already (text.c); here the rest is, whatever it is made of: at a blank,
 * else inside of a word behind a mark that parts its pieces (paths, symbols),
 * else where the line is full.
 *
 * Simplified: a character is one column, an escape sequence none.
 */
#include <string.h>

#include "diag/oops/oops_int.h"

#define INDENT     4 /* of what is continued, beyond the line's own */
#define INDENT_MAX 12

/* Behind the escape sequence or character at `s`; `*columns` is what it takes. */
static const char *next_char(const char *s, unsigned *columns) {
    *columns = 0;
    if (*s == '\033') {
        s += strcspn(s, "m\n");
        return s + (*s == 'm');
    }
    *columns = 1;
    for (s++; ((unsigned char)*s & 0xc0) == 0x80; s++)
        ;
    return s;
}

/* How many bytes of a line go into `columns`; `*skip` blanks behind them are left out. */
static size_t length(const char *line, unsigned columns, size_t *skip) {
    const char *s = line + strspn(line, " "), *blank = NULL, *mark = NULL;
    unsigned column = (unsigned)(s - line), at_blank = 0, at_mark = 0, width;
    *skip = 0;
    while (*s && *s != '\n') {
        const char *next = next_char(s, &width);
        if (column + width > columns)
            break;
        column += width;
        if (*s == ' ') {
            blank = s;
            at_blank = column;
        } else if (strchr("/_.,:;+-)]>=", *s)) {
            mark = next;
            at_mark = column;
        }
        s = next;
    }
    if (!*s || *s == '\n')
        return (size_t)(s - line);
    if (*s == ' ') {
        blank = s;
        at_blank = column;
    }
    bool early = at_blank < columns / 2;
    if (blank && (!early || at_mark < columns / 2)) {
        *skip = strspn(blank, " ");
        return (size_t)(blank - line);
    }
    return (size_t)((mark && at_mark >= columns / 2 ? mark : s) - line);
}

static void fold_line(FILE *to, const char *line, unsigned columns) {
    size_t indent = strspn(line, " ") + INDENT, skip, n = length(line, columns, &skip);
    indent = indent < INDENT_MAX ? indent : INDENT_MAX;
    fwrite(line, 1, n, to);
    for (line += n + skip; *line && *line != '\n'; line += n + skip) {
        fprintf(to, "\n%*s", (int)indent, "");
        n = length(line, columns - (unsigned)indent, &skip);
        fwrite(line, 1, n, to);
    }
    fputc('\n', to);
}

void oops_fold(FILE *to, const char *text, unsigned columns) {
    while (*text) {
        fold_line(to, text, columns < 2 * INDENT_MAX ? 2 * INDENT_MAX : columns);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
}
