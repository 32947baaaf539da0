"""What a package of someone else adds: networks that compare neighbours, a question about them, and who answers."""
