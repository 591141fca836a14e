"""Records turned into tables, plots and pages, with the papers' published numbers beside them."""
