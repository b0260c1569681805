"""From run folders to the paper's table: collecting runs, statistics, published numbers, renderings, plots."""
