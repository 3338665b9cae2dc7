"""Where the pieces meet: config, run, callbacks, reports."""
