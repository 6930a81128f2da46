"""Labels: designs from files, laid out in whole printer dots, drawn as PDF, SVG or PNG, and read back before they are given out."""
