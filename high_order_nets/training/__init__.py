"""One run: where data, network and task meet Lightning's trainer and its callbacks."""
