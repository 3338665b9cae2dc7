"""Where a run is logged, beside the files that every run leaves: `logger=`."""
