/* The page of results, in two halves: its data goes between them. Made from src/report/page/ by scripts/embed-page. */
#ifndef DRIVELAB_REPORT_PAGE_H
#define DRIVELAB_REPORT_PAGE_H

extern const char report_page_before[], report_page_after[];

#endif
