"""What a lab can be made to suffer: faults, each with its undo, kept in a file of the lab's directory."""
