"""One module a step. A step is never changed once it was released: it is how old files get here."""
