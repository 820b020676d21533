"""A look at pictures and sound of what a gateway carries: taken aside here, decoded in a child process."""
