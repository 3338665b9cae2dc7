"""Images of one's own: in folders, named in a CSV, or in an npz."""
