"""What waiting costs, ours beside what there is: see `benchmarks.waiting.__main__`."""
